"""Apache Spark 4: sets are written, read and looked up by its tasks (PySpark's Python Data Source API).

    import hashlith.spark

    hashlith.spark.register(spark)

    # Build: each task makes one part.
    parted = hashlith.spark.partition(df, 64, key="word")
    parted.write.format("hashlith").options(path="/data/words", parts=64).mode("overwrite").save()

    # Look up: no shuffle, no broadcast.
    hashlith.spark.lookup(big, "word", "/data/words", value="meaning")

    # Read.
    spark.read.format("hashlith").load("/data/words")

The path must be one that the driver and all workers have: a local disk where there is one machine, else a shared file system.
The workers need this package; `PYSPARK_PYTHON` must name the interpreter that has it. `docs/distributed.md` has sizes and figures.
"""

from __future__ import annotations

import glob
import json
import os
import shutil
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

import pyarrow
import pyarrow.compute
from pyspark import TaskContext
from pyspark.sql import functions
from pyspark.sql.datasource import (
    DataSource,
    DataSourceArrowWriter,
    DataSourceReader,
    InputPartition,
    WriterCommitMessage,
)
from pyspark.sql.types import BinaryType, DataType, IntegerType, StringType, StructField, StructType

from . import _native
from ._build import Builder, build
from ._index import Index, open as open_index
from ._sets import commit_set

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

__all__ = ["HashlithDataSource", "lookup", "partition", "register"]

_ROWS = 65_536
#: Files of a job that have not changed for so long belong to nobody.
_IDLE_SECONDS = 24 * 3600
_FORMATS = {
    "text": (StringType(), pyarrow.string()),
    "bytes": (BinaryType(), pyarrow.binary()),
}


def register(spark: SparkSession) -> None:
    """Makes the format "hashlith" known to a session."""
    spark.dataSource.register(HashlithDataSource)


def _kind(data_type: DataType, column: str) -> Literal["text", "bytes"]:
    if isinstance(data_type, StringType):
        return "text"
    if isinstance(data_type, BinaryType):
        return "bytes"
    raise TypeError(
        f"the column {column} is {data_type.simpleString()}: hashlith stores strings and binary; cast it first"
    )


def _local(path: str | os.PathLike[str] | None) -> str:
    if not path:
        raise ValueError("no path: say .load(path) or .option('path', path)")
    path = os.fspath(path)
    path = path.removeprefix("file://") if path.startswith("file:///") else path.removeprefix("file:")
    if "://" in path:
        raise ValueError(f"{path} is no path of a file system: copy the set to one that all workers have")
    return os.path.abspath(path)


# ---- Writing ---------------------------------------------------------------------------------------------------------


def partition(
    df: DataFrame,
    parts: int,
    key: str = "key",
    *,
    hash: Literal["xxh3", "siphash"] = "xxh3",
    seed: int = 0,
) -> DataFrame:
    """The same rows, each in the Spark partition that is its part of a set of so many: Spark's own shuffle, by the hash of
    the key.

    hash and seed must be those that the set is then written with. Rows whose key is null come to partition 0.
    """
    _kind(df.schema[key].dataType, key)

    def numbers(keys: pyarrow.Array) -> pyarrow.Array:
        return pyarrow.compute.max_element_wise(_part_numbers(keys, parts, hash=hash, seed=seed), pyarrow.scalar(0, "int32"))

    number = _arrow_udf(numbers, IntegerType())(functions.col(key))
    name = f"__part_{uuid.uuid4().hex}"
    return _by_number(df.withColumn(name, number), parts, name).drop(name)


def _part_numbers(keys: pyarrow.Array, parts: int, **options: Any) -> pyarrow.Array:
    """`hashlith.part_numbers`, as an Arrow array: workers need not have numpy."""
    numbers = _native.part_numbers(keys, parts, **options)
    return pyarrow.Array.from_buffers(pyarrow.int32(), len(keys), [None, pyarrow.py_buffer(numbers)])


def _by_number(df: DataFrame, parts: int, name: str) -> DataFrame:
    """Rows whose column has i to partition i."""
    if hasattr(df, "repartitionById"):
        return df.repartitionById(parts, functions.col(name))
    # Spark 4.0 has partitions by hash only: each number goes by one whose hash leads to its partition.
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


def _arrow_udf(function: Any, data_type: DataType) -> Any:
    """A function of an Arrow array as one of Spark."""
    if hasattr(functions, "arrow_udf"):
        return functions.arrow_udf(function, data_type)
    import pandas

    def of_series(series: Any) -> Any:
        return function(pyarrow.Array.from_pandas(series)).to_pandas()

    # Spark goes by the types themselves.
    of_series.__annotations__.update(dict.fromkeys(("series", "return"), pandas.Series))
    return functions.pandas_udf(of_series, data_type)


def _columns(options: dict[str, str], names: list[str]) -> list[str]:
    """Names of the key and of the value column."""
    named = {which: options.get(which) for which in ("key", "value")}
    for column in named.values():
        if column is not None and column not in names:
            raise ValueError(f"there is no column {column}: name key and value column by the options key and value")
    for which in named:
        # A column of this name, unless the other option has taken it.
        if named[which] is None and which in names and which not in named.values():
            named[which] = which
    others = [name for name in names if name not in named.values()]
    missing = list(named.values()).count(None)
    if missing > len(others) or len(others) > missing > 0:
        raise ValueError(f"which of {', '.join(names)} are key and value? Name them by the options key and value")
    return [others.pop(0) if name is None else name for name in named.values()]


@dataclass
class _Written(WriterCommitMessage):
    """What a task has written: nothing if it had no rows."""

    part: int | None
    file: str
    dropped: int


class _Writer(DataSourceArrowWriter):
    def __init__(self, options: dict[str, str], schema: StructType, overwrite: bool) -> None:
        known = {"path", "parts", "key", "value", "nulls", "memory", "temp_dir", "on_duplicate", "hash", "seed"}
        known |= {"fingerprint_bits", "report"}
        if unknown := sorted(set(options) - known):
            raise ValueError(f"unknown option {unknown[0]}: there are {', '.join(sorted(known))}")
        self.path = _local(options.get("path"))
        self.parts = int(options.get("parts", "1"))
        if not 1 <= self.parts <= 65_536:
            raise ValueError(f"parts must be 1 to 65,536, not {self.parts}")
        names = schema.fieldNames()
        self.columns = _columns(options, names)
        kinds = [_kind(schema[column].dataType, column) for column in self.columns]
        self.nulls = options.get("nulls", "error")
        if self.nulls not in ("error", "drop"):
            raise ValueError(f'nulls must be "error" or "drop", not {self.nulls!r}')
        self.report = options.get("report")
        self.hash: dict[str, Any] = {"hash": options.get("hash", "xxh3"), "seed": int(options.get("seed", "0"), 0)}
        if self.hash["hash"] == "siphash" and "seed" not in options:
            raise ValueError("siphash needs the option seed, the number that partition() was given")
        self.build: dict[str, Any] = {
            "memory": options.get("memory", "256M"),
            "threads": 1,
            "on_duplicate": options.get("on_duplicate", "error"),
            "fingerprint_bits": int(options.get("fingerprint_bits", "8")),
            "keys": kinds[0],
            "values": kinds[1],
            **self.hash,
        }
        if not overwrite and os.path.exists(os.path.join(self.path, "manifest.json")):
            raise ValueError(f'{self.path} is there: an index cannot be appended to; use mode("overwrite")')
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
                keys, values = (batch.column(column) for column in self.columns)
                nulls = pyarrow.compute.or_(keys.is_null(), values.is_null())
                if count := nulls.true_count:
                    if self.nulls == "error":
                        raise ValueError(
                            f'{count} rows of a batch have a null in {" or ".join(self.columns)}: leave them out '
                            'first, or write with .option("nulls", "drop")'
                        )
                    dropped += count
                    keep = pyarrow.compute.invert(nulls)
                    keys, values = keys.filter(keep), values.filter(keep)
                if len(keys) == 0:
                    continue
                if builder is None:
                    part = _part_numbers(keys.slice(0, 1), self.parts, **self.hash)[0].as_py()
                    file = os.path.join(self.staging, f"part-{part:05}.{attempt}")
                    builder = Builder(file, part=(part, self.parts), **self.build)
                builder.add_many(keys, values)
            if builder is not None:
                builder.finish()
        except BaseException as error:
            if builder is not None:
                builder.abort()
            if "belongs to part" in str(error):
                error.add_note("the rows are not partitioned: write hashlith.spark.partition(df, parts, key)")
            raise
        return _Written(part, file, dropped)

    def commit(self, messages: list[WriterCommitMessage | None]) -> None:
        written = [cast(_Written, message) for message in messages if message is not None]
        if len(written) != len(messages):
            raise RuntimeError(f"{len(messages) - len(written)} tasks have not said what they wrote")
        files: dict[int, str] = {}
        for message in written:
            if message.part is None:
                continue
            if message.part in files:
                raise ValueError(
                    f"two tasks have rows of part {message.part}: the rows are not partitioned; "
                    "write hashlith.spark.partition(df, parts, key)"
                )
            files[message.part] = message.file
        for part in range(self.parts):
            if part not in files:
                files[part] = os.path.join(self.staging, f"part-{part:05}.empty")
                # The temporary folder of the workers need not be here.
                build(files[part], {}, part=(part, self.parts), **{**self.build, "temp_dir": self.staging})
        if self.report:
            # What cannot be written is told before anything has changed.
            open(self.report, "a").close()
        keys = commit_set(self.path, [files[part] for part in range(self.parts)])
        dropped = sum(message.dropped for message in written)
        if dropped:
            print(f"hashlith: {dropped} rows with a null were left out of {self.path}", file=sys.stderr)
        if self.report:
            try:
                with open(self.report, "w") as file:
                    json.dump({"path": self.path, "parts": self.parts, "keys": keys, "rows_with_null": dropped}, file)
            except OSError as error:
                # The set is in force: the job has done what it was to do.
                print(f"hashlith: {self.path} is written, but its report is not: {error}", file=sys.stderr)
        shutil.rmtree(self.staging, ignore_errors=True)
        self._remove_left_over()

    def _remove_left_over(self) -> None:
        """Removes what drivers that were killed have left: directories like this one's, in which nothing changes any more."""
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


# ---- Reading ---------------------------------------------------------------------------------------------------------


@dataclass
class _Task(InputPartition):
    """Records of a file by their dense ids; the digest, if its name does not tell its version."""

    path: str
    start: int
    stop: int
    digest: str | None = None


class _Reader(DataSourceReader):
    # No pushFilters: Spark 4.1 to 4.3 hands what one query has pushed down to the others of the same data frame
    # (docs/distributed.md has the proof). `lookup` is the way to ask for keys.

    #: Where a file that stands alone is cut.
    TASK_BYTES: ClassVar[int] = 128 << 20

    def __init__(self, options: dict[str, str], schema: StructType) -> None:
        path = _local(options.get("path"))
        index = open_index(path, random=False, decode_json=False)
        self.columns = list(schema.names)
        # Sail gives the schema as one of Arrow, which it has from here.
        for field in getattr(schema, "fields", []):
            if field.name not in ("key", "value"):
                raise ValueError(f"an index has the columns key and value, not {field.name}")
            if field.dataType != _schema(index)[field.name].dataType:
                stored = _schema(index)[field.name].dataType.simpleString()
                raise TypeError(f"{field.name} is {stored} in {path}, not {field.dataType.simpleString()}")
        self.types = {field.name: _FORMATS[_kind(field.dataType, field.name)][1] for field in _schema(index).fields}
        self.tasks = self._tasks(path, index)
        index.close()

    def _tasks(self, path: str, index: Index[Any, Any]) -> list[InputPartition]:
        if index.parts > 1:
            # A part's name tells its version: one that has been replaced is not there any more.
            with open(os.path.join(path, "manifest.json")) as file:
                parts = json.load(file)["files"]
            return [_Task(os.path.join(path, part["file"]), 0, part["keys"]) for part in parts]
        count = max(1, -(-index.nbytes // self.TASK_BYTES))
        cuts = [len(index) * number // count for number in range(count + 1)]
        return [_Task(path, start, stop, index.digest) for start, stop in zip(cuts, cuts[1:])]

    def partitions(self) -> Sequence[InputPartition]:
        return self.tasks

    def read(self, partition: InputPartition) -> Iterator[pyarrow.RecordBatch]:
        task = cast(_Task, partition)
        wanted = ("key" in self.columns, "value" in self.columns)
        with Index[Any, Any](task.path, random=False, decode_json=False, _digest=task.digest) as index:
            start = task.start
            while start < task.stop:
                stop, *arrays = index._arrow_slice(start, min(start + _ROWS, task.stop), 32 << 20, *wanted)
                named = zip(("key", "value"), arrays)
                yield self._batch(
                    {name: pyarrow.array(array) for name, array in named if array is not None}, stop - start
                )
                start = stop

    def _batch(self, columns: dict[str, Any], rows: int) -> pyarrow.RecordBatch:
        if not self.columns:
            return pyarrow.RecordBatch.from_struct_array(pyarrow.array([{}] * rows, pyarrow.struct([])))
        arrays = [columns[name].cast(self.types[name]) for name in self.columns]
        return pyarrow.RecordBatch.from_arrays(arrays, names=self.columns)


def _schema(index: Index[Any, Any]) -> StructType:
    of = {"str": StringType(), "json": StringType(), "bytes": BinaryType()}
    return StructType(
        [StructField("key", of[index.key_type]), StructField("value", of[index.value_type])]
    )


class HashlithDataSource(DataSource):
    """The format "hashlith".

    Reading: the option path; columns key and value, or with .schema("key string") only that one.

    Writing: the options path and parts, key and value (names of the columns; default: key and value, or the only two),
    nulls ("error" or "drop"), memory (of a task, default 256M), temp_dir, on_duplicate ("error", "first", "last"), hash, seed,
    fingerprint_bits, report (a file for the numbers of keys and of rows left out, as JSON). The rows must be partitioned by `partition`, unless parts is 1 and there is one partition.
    """

    @classmethod
    def name(cls) -> str:
        return "hashlith"

    def schema(self) -> StructType:
        with open_index(_local(self.options.get("path"))) as index:
            return _schema(index)

    def reader(self, schema: StructType) -> DataSourceReader:
        return _Reader(dict(self.options), schema)

    def writer(self, schema: StructType, overwrite: bool) -> DataSourceArrowWriter:
        return _Writer(dict(self.options), schema, overwrite)


# ---- Looking up ------------------------------------------------------------------------------------------------------

#: What this Python worker has open, by path: of each the version that was asked for last.
_open: dict[str, Index[Any, Any]] = {}


def _opened(path: str, options: dict[str, Any]) -> Index[Any, Any]:
    """The index, which stays open in this worker. (A function that is sent to workers would bring a table of its own.)"""
    index = _open.get(path)
    if index is None or index.digest != options["_digest"]:
        index = _open[path] = Index(path, **options)
    return index


def lookup(
    df: DataFrame,
    key: str | Column,
    path: str | os.PathLike[str],
    *,
    value: str = "value",
    how: Literal["left", "inner"] = "left",
    huge_pages: bool = False,
    cold: bool = False,
) -> DataFrame:
    """df with one column more: the value that the index at `path`, a file or a set, has for the key of each row; null where the
    key is null or absent, or with how="inner" without those rows.

    Nothing is shuffled, nothing is broadcast: each Python worker maps the files once. If the index is replaced before all
    workers have it open, the job fails with a ReplacedError rather than mix two versions. `huge_pages` and `cold` are those of
    `hashlith.open`.
    """
    if how not in ("left", "inner"):
        raise ValueError(f'how must be "left" or "inner", not {how!r}')
    place = _local(path)
    with open_index(place) as index:
        kind, digest = index.key_type, index.digest
        data_type = _schema(index)["value"].dataType
    arrow_type = _FORMATS[_kind(data_type, "value")][1]
    if value.lower() in (name.lower() for name in df.columns):
        raise ValueError(f"there is a column {value} already: name another one for the values (value=...)")
    column = functions.col(key) if isinstance(key, str) else key
    found = _kind(df.select(column).schema.fields[0].dataType, str(key))
    if {"text": "str", "bytes": "bytes"}[found] != kind:
        raise TypeError(f"the keys of {place} are {kind}, the column {key} is {found}: cast it first")
    options: dict[str, Any] = {"huge_pages": huge_pages, "cold": cold, "decode_json": False, "_digest": digest}

    def values(keys: pyarrow.Array) -> pyarrow.Array:
        return pyarrow.array(_opened(place, options).get_many_arrow(keys)).cast(arrow_type)

    df = df.withColumn(value, _arrow_udf(values, data_type)(column))
    return df.where(functions.col(value).isNotNull()) if how == "inner" else df
