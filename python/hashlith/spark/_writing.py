"""Writing a set: each task makes a part, and the driver commits them."""

from __future__ import annotations

import glob
import json
import os
import shutil
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import pyarrow
import pyarrow.compute
from pyspark import TaskContext
from pyspark.sql import functions
from pyspark.sql.datasource import DataSourceArrowWriter, WriterCommitMessage
from pyspark.sql.types import IntegerType, StructType

from .. import _native
from .._build import Builder, build
from .._sets import commit_set
from ._columns import arrow_udf, column_type, file_path

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

#: Files of a job that have not changed for this long belong to nobody.
_IDLE_SECONDS = 24 * 3600
_OPTIONS = set(
    "path parts key value nulls memory temp_dir on_duplicate compress hash seed fingerprint_bits report".split()
)
_NOT_PARTITIONED = "the rows are not partitioned: write hashlith.spark.partition(df, parts, key)"


def partition(
    df: DataFrame,
    parts: int,
    key: str = "key",
    *,
    hash: Literal["xxh3", "siphash"] = "xxh3",
    seed: int = 0,
) -> DataFrame:
    """Moves each row to the Spark partition that is its part of a set of `parts` parts, with Spark's own shuffle.

    Args:
        df: The rows.
        parts: The number of parts, which is also the option `parts` of writing.
        key: The column of the keys. Rows whose key is null go to partition 0.
        hash: As for `hashlith.build`, and the option `hash` of writing.
        seed: As for `hashlith.build`, and the option `seed` of writing.
    """
    column_type(df.schema[key].dataType, key, of_keys=True)

    def numbers(keys: pyarrow.Array) -> pyarrow.Array:
        found = part_numbers(keys, parts, hash=hash, seed=seed)
        return pyarrow.compute.max_element_wise(found, pyarrow.scalar(0, "int32"))

    number = arrow_udf(numbers, IntegerType())(functions.col(key))
    name = f"__part_{uuid.uuid4().hex}"
    return _by_number(df.withColumn(name, number), parts, name).drop(name)


def part_numbers(keys: pyarrow.Array, parts: int, **options: Any) -> pyarrow.Array:
    """`hashlith.part_numbers` as an Arrow array: workers may lack numpy."""
    numbers = _native.part_numbers(keys, parts, **options)
    return pyarrow.Array.from_buffers(pyarrow.int32(), len(keys), [None, pyarrow.py_buffer(numbers)])


def _by_number(df: DataFrame, parts: int, name: str) -> DataFrame:
    """Moves rows whose column has the number i to partition i."""
    if hasattr(df, "repartitionById"):
        return df.repartitionById(parts, functions.col(name))
    # Spark 4.0 partitions by hash only: for each number, find another one whose hash leads to that partition.
    spark, stands_for = df.sparkSession, dict[int, int]()
    start, step = 0, 16 * parts
    while len(stands_for) < parts:
        numbers = spark.range(start, start + step).select(functions.col("id").cast("int").alias("id"))
        homes = numbers.select("id", functions.pmod(functions.hash("id"), functions.lit(parts)).alias("home"))
        for row in homes.collect():
            stands_for.setdefault(row["home"], row["id"])
        start += step
    table = functions.array(*(functions.lit(stands_for[number]) for number in range(parts)))
    stand_in = f"{name}_by"
    return df.withColumn(stand_in, table[functions.col(name)]).repartition(parts, stand_in).drop(stand_in)


def key_and_value(options: dict[str, str], names: list[str]) -> list[str]:
    """The names of the key column and the value column."""
    named = {which: options.get(which) for which in ("key", "value")}
    for column in named.values():
        if column is not None and column not in names:
            raise ValueError(f"there is no column {column}: the options key and value name the columns")
    for which in named:
        # A column of this name, unless the other option has taken it.
        if named[which] is None and which in names and which not in named.values():
            named[which] = which
    others = [name for name in names if name not in named.values()]
    missing = list(named.values()).count(None)
    if missing > len(others) or len(others) > missing > 0:
        raise ValueError(f"which of {', '.join(names)} are key and value? Name them with the options key and value")
    return [others.pop(0) if name is None else name for name in named.values()]


@dataclass
class Written(WriterCommitMessage):
    """What a task wrote; nothing if it had no rows."""

    part: int | None
    file: str
    dropped: int


class Writer(DataSourceArrowWriter):
    def __init__(self, options: dict[str, str], schema: StructType, overwrite: bool) -> None:
        if unknown := sorted(set(options) - _OPTIONS):
            raise ValueError(f"unknown option {unknown[0]}: the options are {', '.join(sorted(_OPTIONS))}")
        self.path = file_path(options.get("path"))
        self.columns = key_and_value(options, schema.fieldNames())
        key, value = self.columns
        keys = column_type(schema[key].dataType, key, of_keys=True)
        values = column_type(schema[value].dataType, value)
        self.nulls = options.get("nulls", "error")
        if self.nulls not in ("error", "drop"):
            raise ValueError(f'nulls must be "error" or "drop", not {self.nulls!r}')
        self.report = options.get("report")
        self.parts = int(options.get("parts", "1"))
        self.hash: dict[str, Any] = {"hash": options.get("hash", "xxh3"), "seed": int(options.get("seed", "0"), 0)}
        if self.hash["hash"] == "siphash" and "seed" not in options:
            raise ValueError("siphash needs the option seed, the number that partition() was given")
        # Refuses here what would fail in every task.
        part_numbers(pyarrow.array([], pyarrow.string()), self.parts, **self.hash)
        self.build: dict[str, Any] = {
            "memory": options.get("memory", "256M"),
            "threads": 1,
            "on_duplicate": options.get("on_duplicate", "error"),
            "compress": options.get("compress", "off"),
            "fingerprint_bits": int(options.get("fingerprint_bits", "8")),
            "keys": keys,
            "values": values,
            **self.hash,
        }
        if not overwrite and os.path.exists(os.path.join(self.path, "manifest.json")):
            raise ValueError(f'{self.path} exists, and an index cannot be appended to: use mode("overwrite")')
        self.is_new = _native.prepare_set(self.path)
        # Tasks write here, each attempt under its own name, and the commit moves what counts.
        self.staging = os.path.join(self.path, f".spark-{uuid.uuid4().hex}.tmp")
        os.mkdir(self.staging)
        self.build["temp_dir"] = options.get("temp_dir", self.staging)

    def write(self, iterator: Iterator[pyarrow.RecordBatch]) -> WriterCommitMessage:
        context = TaskContext.get()
        # Retried and speculative attempts each have a number of their own.
        attempt = context.taskAttemptId() if context else uuid.uuid4().hex
        dropped, builder, part, file = 0, None, None, ""
        try:
            for batch in iterator:
                keys, values, nulls = self._without_nulls(*(batch.column(column) for column in self.columns))
                dropped += nulls
                if len(keys) == 0:
                    continue
                if builder is None:
                    part = part_numbers(keys.slice(0, 1), self.parts, **self.hash)[0].as_py()
                    file = os.path.join(self.staging, f"part-{part:05}.{attempt}")
                    builder = Builder(file, part=(part, self.parts), **self.build)
                builder.add_many(keys, values)
            if builder is not None:
                builder.finish()
        except BaseException as error:
            if builder is not None:
                builder.abort()
            if "belongs to part" in str(error):
                error.add_note(_NOT_PARTITIONED)
            raise
        return Written(part, file, dropped)

    def _without_nulls(self, keys: pyarrow.Array, values: pyarrow.Array) -> tuple[pyarrow.Array, pyarrow.Array, int]:
        """The rows without a null, and the number of the others."""
        nulls = pyarrow.compute.or_(keys.is_null(), values.is_null())
        count = nulls.true_count
        if count == 0:
            return keys, values, 0
        if self.nulls == "error":
            raise ValueError(
                f'{count} rows of a batch have a null in {" or ".join(self.columns)}: filter them out first, or write '
                'with .option("nulls", "drop")'
            )
        keep = pyarrow.compute.invert(nulls)
        return keys.filter(keep), values.filter(keep), count

    def commit(self, messages: list[WriterCommitMessage | None]) -> None:
        written = [cast(Written, message) for message in messages if message is not None]
        if len(written) != len(messages):
            raise RuntimeError(f"{len(messages) - len(written)} tasks did not report what they wrote")
        files: dict[int, str] = {}
        for message in written:
            if message.part is None:
                continue
            if message.part in files:
                raise ValueError(f"two tasks have rows of part {message.part}: {_NOT_PARTITIONED}")
            files[message.part] = message.file
        for part in range(self.parts):
            if part not in files:
                files[part] = os.path.join(self.staging, f"part-{part:05}.empty")
                # The driver may lack the workers' temporary folder.
                build(files[part], {}, part=(part, self.parts), **{**self.build, "temp_dir": self.staging})
        if self.report:
            # Fails before anything has changed if the report cannot be written.
            open(self.report, "a").close()
        keys = commit_set(self.path, [files[part] for part in range(self.parts)])
        self._write_report(keys, sum(message.dropped for message in written))
        shutil.rmtree(self.staging, ignore_errors=True)
        self._remove_left_over()

    def _write_report(self, keys: int, dropped: int) -> None:
        """Says what was written, where it is wanted."""
        if dropped:
            print(f"hashlith: {dropped} rows with a null were left out of {self.path}", file=sys.stderr)
        if not self.report:
            return
        try:
            with open(self.report, "w") as file:
                json.dump({"path": self.path, "parts": self.parts, "keys": keys, "rows_with_null": dropped}, file)
        except OSError as error:
            # The set is committed, so the job has succeeded.
            print(f"hashlith: {self.path} is written, but its report is not: {error}", file=sys.stderr)

    def _remove_left_over(self) -> None:
        """Removes what killed drivers left: directories like `staging` in which nothing changes any more."""
        for path in glob.glob(os.path.join(glob.escape(self.path), ".spark-*.tmp")):
            try:
                newest = max(os.stat(name).st_mtime for name in [path, *(entry.path for entry in os.scandir(path))])
            except OSError:
                # Something has just gone: it is in use.
                continue
            if newest < time.time() - _IDLE_SECONDS:
                shutil.rmtree(path, ignore_errors=True)

    def abort(self, messages: list[WriterCommitMessage | None]) -> None:
        shutil.rmtree(self.staging, ignore_errors=True)
        if self.is_new:
            try:
                os.rmdir(self.path)
            except OSError:
                pass
