"""Sets are read and looked up by Spark, and replaced meanwhile."""

import importlib.util
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow
import pytest
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType

import hashlith
import hashlith.spark
from hashlith.spark._writing import part_numbers
from sets import load, names, numbered, write

pytestmark = pytest.mark.filterwarnings("default")


def test_an_overwrite_under_readers(spark, tmp_path):
    """Readers that open the set while it is replaced again and again find one whole version or another."""
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
    """Also with filter pushdown, which Spark 4.3 mixes up between queries of one data frame."""
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
    with pytest.raises(TypeError, match="the column word is int"):
        hashlith.spark.lookup(big.withColumn("word", F.col("id").cast(IntegerType())), "word", path)


def test_part_numbers_are_those_of_the_spec():
    """Section 7, step 2, with the test vectors of the spec."""
    keys = pyarrow.array(["a", "key", "hello", None])
    his = [0xA96FAF705AF16834, 0xA4BDF4E564564CF8, 0xB5E9C1AD071B3E7F]
    for parts in 1, 2, 7, 65_536:
        expected = [hi * parts >> 64 for hi in his] + [-1]
        assert hashlith.part_numbers(keys, parts).tolist() == expected
        assert part_numbers(keys, parts).to_pylist() == expected


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
    # -S: only the packages above.
    (tmp_path / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    (tmp_path / "python").chmod(0o755)
    done = subprocess.run(
        [tmp_path / "python", program, tmp_path / "set"], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
