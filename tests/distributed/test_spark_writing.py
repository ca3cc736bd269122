"""Sets are written by Spark: what goes in, and what is refused."""

import json
import os

import pytest
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, StringType, StructField, StructType

import hashlith
import hashlith.spark
from hashlith.spark._writing import Writer, key_and_value
from sets import TEXTS, load, names, numbered, save, write

pytestmark = pytest.mark.filterwarnings("default")


@pytest.mark.parametrize("parts", [1, 3, 4])
def test_round_trip(spark, tmp_path, parts):
    path = tmp_path / "set"
    write(numbered(spark, 5000), path, parts)
    assert len(names(path)) == parts
    assert hashlith.verify(path).keys == 5000
    with hashlith.open(path) as index:
        assert dict(index) == {f"key{i}": f"value{i}" for i in range(5000)}
    rows = load(spark, path)
    assert rows.rdd.getNumPartitions() == parts or parts == 1
    assert {(row.key, row.value) for row in rows.collect()} == {(f"key{i}", f"value{i}") for i in range(5000)}


def test_the_same_rows_give_the_same_files(spark, tmp_path):
    write(numbered(spark, 3000), tmp_path / "a")
    write(numbered(spark, 3000).orderBy(F.desc("value")), tmp_path / "b")
    assert (tmp_path / "a/manifest.json").read_bytes() == (tmp_path / "b/manifest.json").read_bytes()


def test_binary_siphash_and_names_of_columns(spark, tmp_path):
    path = tmp_path / "set"
    df = numbered(spark, 1000).select(
        F.col("value").cast("binary").alias("payload"), F.lit(7).alias("other"), F.col("key").cast("binary").alias("word")
    )
    write(df, path, 2, key="word", value="payload", hash="siphash", seed=2**100 + 5)
    with hashlith.open(path) as index:
        assert index[b"key17"] == b"value17" and len(index) == 1000
    assert hashlith.info(path)["hash"] == "SipHash-1-3-128"
    with pytest.raises(Exception, match="siphash needs the option seed"):
        save(df, path, 2, hash="siphash", key="word", value="payload")
    rows = load(spark, path)
    assert rows.where(F.col("key") == b"key5").collect()[0].value == b"value5"
    found = hashlith.spark.lookup(df, "word", path, value="found")
    assert found.where("found = payload").count() == 1000


def test_an_empty_data_frame(spark, tmp_path):
    path = tmp_path / "set"
    schema = StructType([StructField("key", StringType()), StructField("value", BinaryType())])
    write(spark.createDataFrame([], schema), path, 3)
    assert (hashlith.verify(path).keys, len(names(path))) == (0, 3)
    assert load(spark, path).collect() == []
    assert load(spark, path).schema.simpleString() == "struct<key:string,value:binary>"


def test_fewer_keys_than_parts(spark, tmp_path):
    write(numbered(spark, 3), tmp_path / "set", 16)
    assert len(names(tmp_path / "set")) == 16
    assert load(spark, tmp_path / "set").count() == 3


def test_skewed_keys(spark, tmp_path):
    """Nearly all rows have the same key, and so go to one part."""
    df = numbered(spark, 20_000).select(
        F.when(F.rand(1) < 0.99, F.lit("hot")).otherwise(F.col("key")).alias("key"), "value"
    )
    kept = df.select("key").distinct().count()
    path = tmp_path / "set"
    with pytest.raises(Exception, match="occurs twice"):
        write(df, path)
    assert not path.exists()
    write(df, path, on_duplicate="first")
    assert hashlith.verify(path).keys == kept


def test_duplicates_across_tasks(spark, tmp_path):
    """Equal keys come from different partitions and meet in one task."""
    twice = numbered(spark, 2000).union(numbered(spark, 2000).select("key", F.lit("other").alias("value")))
    path = tmp_path / "set"
    with pytest.raises(Exception, match="occurs twice"):
        write(twice, path)
    for policy in "first", "last":
        write(twice, path, on_duplicate=policy)
        with hashlith.open(path) as index:
            assert len(index) == 2000
            assert all(value in (f"value{key[3:]}", "other") for key, value in index.items())
    write(twice, path, on_duplicate="collect")
    with hashlith.open(path) as index:
        assert {key: sorted(value) for key, value in index.items()} == {
            f"key{n}": ["other", f"value{n}"] for n in range(2000)}
    with pytest.raises(Exception, match="different values"):
        write(twice, path, on_duplicate="unique")
    write(numbered(spark, 2000).union(numbered(spark, 2000)), path, on_duplicate="unique")
    assert hashlith.verify(path).keys == 2000


@pytest.mark.parametrize("column", ["key", "value"])
def test_nulls(spark, tmp_path, column):
    df = numbered(spark, 1000).withColumn(column, F.when(F.col("key") != "key7", F.col(column)))
    path = tmp_path / "set"
    with pytest.raises(Exception, match="1 rows of a batch have a null"):
        write(df, path)
    assert not path.exists()
    write(df, path, nulls="drop", report=tmp_path / "report")
    assert hashlith.verify(path).keys == 999
    with hashlith.open(path) as index:
        assert "key7" not in index
    found = json.loads((tmp_path / "report").read_text())
    assert found == {"path": str(path), "parts": 4, "keys": 999, "rows_with_null": 1}


def test_wrong_partitioning(spark, tmp_path):
    path = tmp_path / "set"
    write(numbered(spark, 100), path)
    before = names(path)
    with pytest.raises(Exception, match=r"belongs to part \d of 4, this is part \d[\s\S]*hashlith.spark.partition"):
        save(numbered(spark, 5000), path)
    # Each task has rows of one part only, but two tasks have the same part.
    with pytest.raises(Exception, match="two tasks have rows of part 0"):
        save(numbered(spark, 100).repartition(2), path, 1)
    # Another number of parts, another hash.
    with pytest.raises(Exception, match="belongs to part"):
        save(hashlith.spark.partition(numbered(spark, 5000), 4), path, 3)
    with pytest.raises(Exception, match="belongs to part"):
        save(hashlith.spark.partition(numbered(spark, 5000), 4, seed=1), path, 4)
    assert names(path) == before and load(spark, path).count() == 100


def test_spark_4_0_has_no_partitions_by_number(spark, tmp_path, monkeypatch):
    monkeypatch.delattr("pyspark.sql.classic.dataframe.DataFrame.repartitionById")
    monkeypatch.delattr("pyspark.sql.DataFrame.repartitionById")
    monkeypatch.delattr("pyspark.sql.functions.arrow_udf")
    write(numbered(spark, 5000), tmp_path / "set", 7)
    assert hashlith.verify(tmp_path / "set").keys == 5000
    found = hashlith.spark.lookup(numbered(spark, 6000), "key", tmp_path / "set", value="found")
    assert found.where("found = value").count() == 5000


def test_options_that_make_no_sense(spark, tmp_path):
    df = numbered(spark, 10)
    for options, message in [
        ({"parts": 0}, "parts must be 1 to 65,536"),
        ({"party": 3}, "unknown option party"),
        ({"key": "word"}, "there is no column word"),
        ({"nulls": "keep"}, "nulls must be"),
    ]:
        with pytest.raises(Exception, match=message):
            df.write.format("hashlith").options(path=str(tmp_path / "set"), **options).mode("overwrite").save()
    with pytest.raises(Exception, match="No such file or directory: .*none/report"):
        write(df, tmp_path / "set", report=tmp_path / "none/report")
    with pytest.raises(TypeError, match="the column key is date"):
        hashlith.spark.partition(df.withColumn("key", F.current_date()), 2)
    with pytest.raises(Exception, match="the column value is date"):
        save(df.withColumn("value", F.current_date()), tmp_path / "set")
    with pytest.raises(Exception, match="no path"):
        df.write.format("hashlith").mode("overwrite").save()
    with pytest.raises(Exception, match="not a path of a file system"):
        save(df, "s3://bucket/x")
    assert os.listdir(tmp_path) == []
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").touch()
    with pytest.raises(Exception, match="is not a set, and holds"):
        save(df, tmp_path / "mine")
    assert os.listdir(tmp_path / "mine") == ["file"]


def test_columns_that_are_not_named(spark, tmp_path):
    """Two columns are key and value by their names or their order, and one name is enough. Three columns need two names."""
    df = numbered(spark, 100)
    pair = df.select(F.col("value").alias("meaning"), F.col("key").alias("word"))
    write(pair, tmp_path / "set", 1, key="word")
    with hashlith.open(tmp_path / "set") as index:
        assert index["key5"] == "value5"
    for columns, options in [(["key", "value", "other"], {}), (["a", "b", "c"], {"key": "a"}), (["a"], {})]:
        other = spark.createDataFrame([tuple("xyz"[: len(columns)])], columns)
        if options or columns != ["key", "value", "other"]:
            with pytest.raises(Exception, match="are key and value"):
                save(other, tmp_path / "x", 1, **options)
        else:
            save(other, tmp_path / "set", 1)
    # An option may take the default name of the other one; then the other column is the one that is left.
    crossed = df.select(F.col("key").alias("value"), F.col("value").alias("n"))
    write(crossed, tmp_path / "set", 1, key="value")
    with hashlith.open(tmp_path / "set") as index:
        assert index["key5"] == "value5"


@pytest.mark.parametrize(
    ("columns", "options", "expected"),
    [
        ("key value", {}, "key value"),
        ("value key", {}, "key value"),
        ("a b", {}, "a b"),
        ("a key", {}, "key a"),
        ("value a", {}, "a value"),
        ("value n", {"key": "value"}, "value n"),
        ("key x", {"value": "key"}, "x key"),
        ("key value", {"key": "value"}, "value key"),
        ("key value", {"value": "key"}, "value key"),
        ("key value x", {"key": "x"}, "x value"),
        ("key value x", {"key": "value", "value": "key"}, "value key"),
        ("a b", {"key": "a", "value": "a"}, "a a"),
        ("value", {"key": "value", "value": "value"}, "value value"),
        ("value", {"key": "value"}, None),
        ("key", {"value": "key"}, None),
        ("key value x", {"key": "value"}, None),
        ("key x y", {"value": "key"}, None),
        ("key x y", {}, None),
    ],
)
def test_which_columns_are_written(columns, options, expected):
    """No column is silently left out, and none is written twice unless both options name it."""
    if expected is None:
        with pytest.raises(ValueError, match="are key and value"):
            key_and_value(options, columns.split())
    else:
        assert key_and_value(options, columns.split()) == expected.split()


@pytest.mark.parametrize("column", ["key", "value"])
def test_strings_that_are_not_utf8(spark, tmp_path, column):
    """Spark's strings hold any bytes that they were cast from."""
    path = tmp_path / "set"
    bad = F.when(F.col("key") == "key7", F.expr("cast(X'ff' as string)")).otherwise(F.col(column))
    df = numbered(spark, 1000).withColumn(column, bad)
    with pytest.raises(Exception, match=rf"the {column} of record \d+ is not valid UTF-8: cast the column to binary"):
        write(df, path)
    assert not path.exists()
    write(df.select(F.col("key").cast("binary"), F.col("value").cast("binary")), path)
    with hashlith.open(path) as index:
        assert index[b"\xff" if column == "key" else b"key7"] == (b"\xff" if column == "value" else b"value7")
    assert hashlith.verify(path).keys == 1000


def test_a_report_that_cannot_be_written_after_all(spark, tmp_path, capsys):
    """The disk is full by then. The set is committed, so the job succeeds, and says what is missing."""
    path = tmp_path / "set"
    write(numbered(spark, 100), path, report="/dev/full")
    assert hashlith.verify(path).keys == 100
    names(path)
    writer = Writer({"path": str(path), "report": "/dev/full"}, TEXTS, overwrite=True)
    writer.commit([writer.write(iter([]))])
    assert hashlith.verify(path).keys == 0
    names(path)
    found = capsys.readouterr().err
    assert f"{path} is written, but its report is not: [Errno 28] No space left on device" in found


def test_append(spark, tmp_path):
    write(numbered(spark, 10), tmp_path / "set", mode="append")
    with pytest.raises(Exception, match="cannot be appended to"):
        write(numbered(spark, 10), tmp_path / "set", mode="append")


def test_numbers(spark, tmp_path):
    df = spark.range(-500, 500).select(F.col("id").alias("key"), (F.col("id") / 4).cast("float").alias("value"))
    write(df, tmp_path / "set", 3)
    with hashlith.open(tmp_path / "set") as index:
        assert (index.key_type, index.value_type) == ("int", "float32")
        assert dict(index) == {i: i / 4 for i in range(-500, 500)}
    rows = load(spark, tmp_path / "set")
    assert rows.schema.simpleString() == "struct<key:bigint,value:float>"
    assert {(row.key, row.value) for row in rows.collect()} == {(i, i / 4) for i in range(-500, 500)}
    found = hashlith.spark.lookup(df.select(F.col("key").cast("int").alias("k")), "k", tmp_path / "set", value="v")
    assert found.where("v = k / 4").count() == 1000
    hashlith.build(tmp_path / "vectors", {i: [i, i + 0.5] for i in range(100)}, keys="int", values="float16[2]")
    vectors = {row.key: row.value for row in load(spark, tmp_path / "vectors").collect()}
    assert vectors == {i: [i, i + 0.5] for i in range(100)}
    hashlith.build(tmp_path / "left_out", {"a": "b"}, keys="none")
    with pytest.raises(Exception, match="left out"):
        load(spark, tmp_path / "left_out").collect()
    with pytest.raises(Exception, match="double: hashlith stores strings, binary, and numbers"):
        write(df.select(F.col("key").cast("double").alias("key"), "value"), tmp_path / "x")
