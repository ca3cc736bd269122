"""Sets written, read and looked up by Spark."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow
import pytest
from pyspark import cloudpickle
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, IntegerType, StringType, StructField, StructType

import hashlith
import hashlith.spark

TEXTS = StructType([StructField("key", StringType()), StructField("value", StringType())])

# What tasks run comes from here, and workers do not know this file.
cloudpickle.register_pickle_by_value(sys.modules[__name__])
pytestmark = pytest.mark.filterwarnings("default")


def numbered(spark, count, start=0):
    """Rows key<i>, value<i>, in four partitions."""
    text = lambda word: F.concat(F.lit(word), F.col("id").cast("string")).alias(word)
    return spark.range(start, start + count, 1, 4).select(text("key"), text("value"))


def write(df, path, parts=4, mode="overwrite", key="key", **options):
    """Partitions and writes."""
    chosen = {name: options[name] for name in ("hash", "seed") if name in options}
    parted = hashlith.spark.partition(df, parts, key, **chosen)
    save(parted, path, parts, mode, key=key, **options)


def save(df, path, parts=4, mode="overwrite", **options):
    options = {name: str(option) for name, option in options.items()}
    df.write.format("hashlith").options(path=str(path), parts=parts, **options).mode(mode).save()


def load(spark, path):
    return spark.read.format("hashlith").load(str(path))


def names(path):
    """What is in the directory of a set, which is to be its manifest and parts and nothing else."""
    manifest = json.loads((path / "manifest.json").read_text())
    files = {part["file"] for part in manifest["files"]}
    assert set(os.listdir(path)) == files | {"manifest.json"}
    return sorted(files)


# ---- Writing


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
    """All rows but a few have one key; the rest goes to one part."""
    df = numbered(spark, 20_000).select(
        F.when(F.rand(1) < 0.99, F.lit("hot")).otherwise(F.col("key")).alias("key"), "value"
    )
    kept = df.select("key").distinct().count()
    path = tmp_path / "set"
    with pytest.raises(Exception, match="is there twice"):
        write(df, path)
    assert not path.exists()
    write(df, path, on_duplicate="first")
    assert hashlith.verify(path).keys == kept


def test_duplicates_across_tasks(spark, tmp_path):
    """Equal keys come from different partitions and meet in one task."""
    twice = numbered(spark, 2000).union(numbered(spark, 2000).select("key", F.lit("other").alias("value")))
    path = tmp_path / "set"
    with pytest.raises(Exception, match="is there twice"):
        write(twice, path)
    for policy in "first", "last":
        write(twice, path, on_duplicate=policy)
        with hashlith.open(path) as index:
            assert len(index) == 2000
            assert all(value in (f"value{key[3:]}", "other") for key, value in index.items())


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
    told = json.loads((tmp_path / "report").read_text())
    assert told == {"path": str(path), "parts": 4, "keys": 999, "rows_with_null": 1}


def test_wrong_partitioning(spark, tmp_path):
    path = tmp_path / "set"
    write(numbered(spark, 100), path)
    before = names(path)
    with pytest.raises(Exception, match=r"belongs to part \d of 4, this is part \d[\s\S]*hashlith.spark.partition"):
        save(numbered(spark, 5000), path)
    # Each task has one part alone, but two tasks have the same.
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
    with pytest.raises(TypeError, match="the column key is int"):
        hashlith.spark.partition(df.withColumn("key", F.lit(1)), 2)
    with pytest.raises(Exception, match="the column value is int"):
        save(df.withColumn("value", F.lit(1)), tmp_path / "set")
    with pytest.raises(Exception, match="no path"):
        df.write.format("hashlith").mode("overwrite").save()
    with pytest.raises(Exception, match="no path of a file system"):
        save(df, "s3://bucket/x")
    assert os.listdir(tmp_path) == []
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").touch()
    with pytest.raises(Exception, match="is no set, and holds"):
        save(df, tmp_path / "mine")
    assert os.listdir(tmp_path / "mine") == ["file"]


def test_columns_that_are_not_named(spark, tmp_path):
    """Two columns are key and value by their names or their order; one name is enough; of three two are needed."""
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
    # An option may take the name that the other one has by default: then the other column is the other one.
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
    """No column is left out in silence, and none is written twice unless both options name it."""
    if expected is None:
        with pytest.raises(ValueError, match="are key and value"):
            hashlith.spark._columns(options, columns.split())
    else:
        assert hashlith.spark._columns(options, columns.split()) == expected.split()


@pytest.mark.parametrize("column", ["key", "value"])
def test_strings_that_are_not_utf8(spark, tmp_path, column):
    """Spark's strings hold whatever bytes they were cast from."""
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
    """The disk is full by then: the set is in force, so the job is done, and says so."""
    path = tmp_path / "set"
    write(numbered(spark, 100), path, report="/dev/full")
    assert hashlith.verify(path).keys == 100
    names(path)
    writer = hashlith.spark._Writer({"path": str(path), "report": "/dev/full"}, TEXTS, overwrite=True)
    writer.commit([writer.write(iter([]))])
    assert hashlith.verify(path).keys == 0
    names(path)
    told = capsys.readouterr().err
    assert f"{path} is written, but its report is not: [Errno 28] No space left on device" in told


def test_append(spark, tmp_path):
    write(numbered(spark, 10), tmp_path / "set", mode="append")
    with pytest.raises(Exception, match="cannot be appended to"):
        write(numbered(spark, 10), tmp_path / "set", mode="append")


# ---- Tasks that fail


def failing(marker, how):
    """A function of Arrow batches that fails the first time that it sees key 4000 and finds no marker file."""

    def function(batches):
        for batch in batches:
            if "key4000" in batch.column("key").to_pylist():
                try:
                    os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
                except FileExistsError:
                    pass
                else:
                    # What came before is with the builder, some of it on disk.
                    yield batch
                    how()
            yield batch

    return function


def die():
    os.kill(os.getpid(), 9)


def raise_error():
    raise RuntimeError("a task that fails")


@pytest.mark.parametrize("how", [die, raise_error])
def test_a_task_that_fails_is_tried_again(start, tmp_path, how):
    """The first attempt is killed, or fails, in the middle of its part: the second one does it all."""
    spark = start("local[2,3]")
    path, marker = tmp_path / "set", tmp_path / "marker"
    parted = hashlith.spark.partition(numbered(spark, 8000), 4)
    broken = parted.mapInArrow(failing(str(marker), how), parted.schema)
    save(broken, path)
    assert marker.exists()
    assert hashlith.verify(path).keys == 8000
    names(path)


class KilledWriter(hashlith.spark._Writer):
    """Its first process is killed in the middle of a part."""

    def write(self, iterator):
        def batches():
            for number, batch in enumerate(iterator):
                if number == 15:
                    try:
                        marker = os.open(f"{self.path}.killed", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
                    except FileExistsError:
                        pass
                    else:
                        open_now = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
                        own = [os.stat(path) for path in open_now if os.path.realpath(path).startswith(self.staging)]
                        os.write(marker, str(sum(file.st_size for file in own)).encode())
                        die()
                yield batch

        return super().write(batches())


class KilledSource(hashlith.spark.HashlithDataSource):
    @classmethod
    def name(cls):
        return "killed"

    def writer(self, schema, overwrite):
        return KilledWriter(dict(self.options), schema, overwrite)


def test_a_writer_that_is_killed_is_tried_again(start, tmp_path):
    """Not the process that makes its rows, but the one that writes them."""
    spark = start("local[2,3]", **{"spark.sql.execution.arrow.maxRecordsPerBatch": "100"})
    spark.dataSource.register(KilledSource)
    path = tmp_path / "set"
    long = numbered(spark, 8000).withColumn("value", F.concat("value", F.lit(" " * 15_000)))
    parted = hashlith.spark.partition(long, 4)
    parted.write.format("killed").options(path=str(path), parts=4, memory="32M").mode("overwrite").save()
    # 15 of the 20 batches of a part had been written, and not to memory only.
    assert int((tmp_path / "set.killed").read_text()) > 0
    assert hashlith.verify(path).keys == 8000
    with hashlith.open(path) as index:
        assert all(value.rstrip() == f"value{key[3:]}" for key, value in index.items())
    names(path)


def test_a_job_that_fails_leaves_nothing(start, tmp_path):
    spark = start("local[2,2]")
    path = tmp_path / "set"

    def always(batches):
        for batch in batches:
            yield batch
            if "key4000" in batch.column("key").to_pylist():
                raise RuntimeError("a task that always fails")

    parted = hashlith.spark.partition(numbered(spark, 8000), 4)
    with pytest.raises(Exception, match="a task that always fails"):
        save(parted.mapInArrow(always, parted.schema), path)
    assert not path.exists()
    write(numbered(spark, 10), path)
    before = names(path)
    with pytest.raises(Exception, match="a task that always fails"):
        save(parted.mapInArrow(always, parted.schema), path)
    assert names(path) == before


def test_speculative_attempts(start, cluster, tmp_path):
    """One task is slow once: Spark starts it a second time on the other machine, beside the first."""
    spark = start(
        cluster,
        **{
            "spark.executor.memory": "512m",
            "spark.speculation": "true",
            "spark.speculation.interval": "50ms",
            "spark.speculation.multiplier": "1.1",
            "spark.speculation.quantile": "0.5",
            "spark.speculation.minTaskRuntime": "100ms",
        },
    )
    path, marker, attempts = tmp_path / "set", tmp_path / "marker", tmp_path / "attempts"
    attempts.mkdir()

    def slow(batches):
        from pyspark import TaskContext

        context = TaskContext.get()
        (attempts / f"{context.partitionId()}-{context.taskAttemptId()}").touch()
        for batch in batches:
            yield batch
            if "key4000" in batch.column("key").to_pylist():
                try:
                    os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
                    time.sleep(30)
                except FileExistsError:
                    pass

    parted = hashlith.spark.partition(numbered(spark, 8000), 4)
    save(parted.mapInArrow(slow, parted.schema), path)
    assert len(os.listdir(attempts)) > 4, "no task was started twice"
    assert hashlith.verify(path).keys == 8000
    names(path)


def test_what_a_killed_driver_left_is_cleared_up(spark, tmp_path):
    """When nothing in it has changed for a day; until then it may belong to a job that runs."""
    path = tmp_path / "set"
    write(numbered(spark, 10), path)
    for name, folder_hours, file_hours in ("old", 25, 25), ("busy", 25, 1), ("new", 1, 25):
        left = path / f".spark-{name}.tmp"
        left.mkdir()
        (left / "part-00000.7").write_bytes(b"half")
        os.utime(left / "part-00000.7", (time.time() - 3600 * file_hours,) * 2)
        os.utime(left, (time.time() - 3600 * folder_hours,) * 2)
    (path / f"part-00000-{'0' * 16}.hlith").write_bytes(b"whole, but never committed")
    assert load(spark, path).count() == 10
    write(numbered(spark, 20), path)
    kept = {name for name in os.listdir(path) if name.startswith(".spark-")}
    assert kept == {".spark-busy.tmp", ".spark-new.tmp"}
    for name in kept:
        os.utime(path / name / "part-00000.7", (0, 0))
        os.utime(path / name, (0, 0))
    write(numbered(spark, 30), path)
    names(path)


def test_two_jobs_leave_each_other_alone(tmp_path):
    """Each commits all that it has, whatever the other one does; the last one is in force."""
    path = tmp_path / "set"
    writers = [hashlith.spark._Writer({"path": str(path)}, TEXTS, overwrite=True) for _ in range(2)]
    rows = [{f"key{number}": f"value{number}"} for number in range(2)]
    written = [
        writer.write(iter([pyarrow.record_batch({"key": list(row), "value": list(row.values())})]))
        for writer, row in zip(writers, rows)
    ]
    for writer, message, row in zip(writers, written, rows):
        writer.commit([message])
        with hashlith.open(path) as index:
            assert index == row
    names(path)


# ---- Readers and replacement


def test_an_overwrite_under_readers(spark, tmp_path):
    """Whoever opens the set while it is replaced over and over finds one version or another, whole."""
    path = tmp_path / "set"
    versions = [numbered(spark, 1000, start) for start in (0, 100_000)]
    write(versions[0], path)
    held = hashlith.open(path)
    stop, faults, seen = threading.Event(), [], set()

    def read():
        while not stop.is_set():
            try:
                with hashlith.open(path) as index:
                    first = int(next(iter(index))[3:]) // 100_000
                    expected = [f"value{i}" for i in range(first * 100_000, first * 100_000 + 1000)]
                    keys = [f"key{i}" for i in range(first * 100_000, first * 100_000 + 1000)]
                    if index.get_many(keys) != expected or len(index) != 1000:
                        faults.append("a mixture of two versions")
                    seen.add(first)
            except BaseException as error:
                faults.append(repr(error))

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for turn in range(1, 7):
        write(versions[turn % 2], path, parts=1 + turn)
    stop.set()
    for thread in threads:
        thread.join()
    assert (faults, seen) == ([], {0, 1})
    assert len(held) == 1000 and held["key17"] == "value17"
    held.close()


def test_a_lookup_does_not_mix_versions(spark, tmp_path):
    path = tmp_path / "set"
    write(numbered(spark, 1000), path)
    rows = load(spark, path)
    assert rows.count() == 1000
    planned = hashlith.spark.lookup(numbered(spark, 1000), "key", path, value="found")
    write(numbered(spark, 500), path)
    with pytest.raises(Exception, match="ReplacedError"):
        planned.where("found is not null").count()
    again = hashlith.spark.lookup(numbered(spark, 1000), "key", path, value="found")
    assert again.where("found is not null").count() == 500
    with pytest.raises(Exception, match="FileNotFoundError"):
        rows.count()


# ---- Reading


def test_columns_and_filters(start, tmp_path):
    """Also with pushdown on, which Spark 4.3 mixes up between queries of one data frame."""
    spark = start("local[2]", **{"spark.sql.python.filterPushdown.enabled": "true"})
    path = tmp_path / "set"
    write(numbered(spark, 5000), path)
    rows = load(spark, path)
    assert [row.value for row in rows.select("value").orderBy("value").limit(2).collect()] == ["value0", "value1"]
    for column in "key", "value":
        only = spark.read.format("hashlith").schema(f"{column} string").load(str(path))
        assert only.columns == [column] and only.distinct().count() == 5000
    assert rows.where("key = 'key77'").collect()[0].value == "value77"
    assert rows.count() == 5000
    two = rows.where("key = 'key1'").union(rows.where("key in ('key2', 'absent')"))
    assert sorted(row.value for row in two.collect()) == ["value1", "value2"]
    with pytest.raises(Exception, match="columns key and value, not word"):
        spark.read.format("hashlith").schema("word string").load(str(path)).count()
    with pytest.raises(Exception, match="value is string in"):
        spark.read.format("hashlith").schema("value int").load(str(path)).count()


def test_a_file_that_stands_alone(spark, tmp_path):
    path = tmp_path / "one.hlith"
    hashlith.build(path, {f"key{i}": {"number": i} for i in range(1000)}, values="json")
    rows = load(spark, path)
    assert rows.where("key = 'key5'").collect()[0].value == '{"number":5}'
    assert rows.count() == 1000
    found = hashlith.spark.lookup(numbered(spark, 2000), "key", path, value="found")
    assert found.where("found is not null").count() == 1000


def test_a_damaged_set(spark, tmp_path):
    path = tmp_path / "set"
    write(numbered(spark, 1000), path)
    lost = names(path)[2]
    os.remove(path / lost)
    with pytest.raises(Exception, match=re.escape(lost) + " is missing"):
        load(spark, path).count()
    with pytest.raises(hashlith.CorruptError, match=re.escape(lost)):
        hashlith.spark.lookup(numbered(spark, 10), "key", path)


# ---- Looking up


def test_lookup(spark, tmp_path):
    path = tmp_path / "set"
    write(numbered(spark, 5000), path)
    big = spark.range(20_000).select(
        F.when(F.col("id") % 3 > 0, F.concat(F.lit("key"), F.col("id").cast("string"))).alias("word"), "id"
    )
    found = hashlith.spark.lookup(big, "word", path, value="meaning")
    assert found.columns == ["word", "id", "meaning"]
    expected = [f"value{i}" if i % 3 and i < 5000 else None for i in range(20_000)]
    assert [row.meaning for row in found.orderBy("id").collect()] == expected
    there = hashlith.spark.lookup(big, F.col("word"), path, how="inner")
    assert there.count() == sum(value is not None for value in expected)
    plan = found._jdf.queryExecution().toString()
    assert "Exchange" not in plan and "Join" not in plan
    for how in "outer", "right", "Inner", None:
        with pytest.raises(ValueError, match='how must be "left" or "inner", not'):
            hashlith.spark.lookup(big, "word", path, how=how)
    with pytest.raises(ValueError, match="there is a column Word already"):
        hashlith.spark.lookup(big, "word", path, value="Word")
    with pytest.raises(TypeError, match="the keys of .* are str, the column"):
        hashlith.spark.lookup(big.withColumn("word", F.col("word").cast("binary")), "word", path)
    with pytest.raises(TypeError, match="stores strings and binary"):
        hashlith.spark.lookup(big.withColumn("word", F.col("id").cast(IntegerType())), "word", path)


def test_part_numbers_are_those_of_the_spec():
    """Section 7, step 2, with the test vectors of the spec."""
    keys = pyarrow.array(["a", "key", "hello", None])
    his = [0xA96FAF705AF16834, 0xA4BDF4E564564CF8, 0xB5E9C1AD071B3E7F]
    for parts in 1, 2, 7, 65_536:
        expected = [hi * parts >> 64 for hi in his] + [-1]
        assert hashlith.part_numbers(keys, parts).tolist() == expected
        assert hashlith.spark._part_numbers(keys, parts).to_pylist() == expected


WITHOUT_NUMPY = """
import importlib.util
import sys

from pyspark.sql import SparkSession

import hashlith.spark

assert not importlib.util.find_spec("numpy") and not importlib.util.find_spec("pandas")
settings = {"spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
spark = SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
hashlith.spark.register(spark)
df = spark.range(1000).selectExpr("concat('key', id) as key", "concat('value', id) as value")
nulls = spark.sql("select cast(null as string) as key, 'value' as value")
parted = hashlith.spark.partition(df.union(nulls), 3)
parted.write.format("hashlith").options(path=sys.argv[1], parts=3, nulls="drop").mode("overwrite").save()
assert spark.read.format("hashlith").load(sys.argv[1]).count() == 1000
assert hashlith.spark.lookup(df, "key", sys.argv[1], value="found").where("found = value").count() == 1000
"""


def test_without_numpy(tmp_path):
    """Workers that have only Spark, pyarrow and this package write, read and look up."""
    packages = tmp_path / "packages"
    packages.mkdir()
    for module in "hashlith", "pyspark", "py4j", "pyarrow":
        (packages / module).symlink_to(Path(importlib.util.find_spec(module).origin).parent)
    program = tmp_path / "program.py"
    program.write_text(WITHOUT_NUMPY)
    environment = {**os.environ, "PYTHONPATH": str(packages), "PYSPARK_PYTHON": str(tmp_path / "python")}
    # -S: nothing but the packages above.
    (tmp_path / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    (tmp_path / "python").chmod(0o755)
    done = subprocess.run(
        [tmp_path / "python", program, tmp_path / "set"], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
