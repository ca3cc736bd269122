"""What the tests of sets written by Spark share."""

import json
import os

from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

import hashlith.spark

TEXTS = StructType([StructField("key", StringType()), StructField("value", StringType())])


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
    """The parts in the directory of a set, which must hold them and the manifest and nothing else."""
    manifest = json.loads((path / "manifest.json").read_text())
    files = {part["file"] for part in manifest["files"]}
    assert set(os.listdir(path)) == files | {"manifest.json"}
    return sorted(files)
