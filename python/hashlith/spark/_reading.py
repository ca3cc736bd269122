"""Reading an index: a task for each part of a set, or for each piece of a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import pyarrow
from pyspark.sql.datasource import DataSourceReader, InputPartition
from pyspark.sql.types import StructType

from .._index import Index, open as open_index
from ._columns import arrow_types, file_path, schema_of

_BATCH_ROWS = 65_536
_BATCH_BYTES = 32 << 20


@dataclass
class Task(InputPartition):
    """Records of a file by their dense ids; with the digest, if the file's name does not tell its version."""

    path: str
    start: int
    stop: int
    digest: str | None = None


class Reader(DataSourceReader):
    # No pushFilters: Spark 4.1 to 4.3 applies the filters of one query to other queries of the same data frame
    # (docs/distributed.md shows it). `lookup` is the way to look up keys.

    #: Tasks of a single file read about this many bytes.
    TASK_BYTES: ClassVar[int] = 128 << 20

    def __init__(self, options: dict[str, str], schema: StructType) -> None:
        path = file_path(options.get("path"))
        self.columns = list(schema.names)
        with open_index(path, random=False, decode_json=False) as index:
            stored = schema_of(index)
            # Sail passes an Arrow schema, which it got from this class.
            for field in getattr(schema, "fields", []):
                if field.name not in ("key", "value"):
                    raise ValueError(f"an index has the columns key and value, not {field.name}")
                if field.dataType != stored[field.name].dataType:
                    own, asked = stored[field.name].dataType.simpleString(), field.dataType.simpleString()
                    raise TypeError(f"{field.name} is {own} in {path}, not {asked}")
            self.types = arrow_types(index)
            self.tasks = self._tasks(path, index)

    def _tasks(self, path: str, index: Index[Any, Any]) -> list[InputPartition]:
        if index.parts > 1:
            # A part's name tells its version: after a replacement there is no file of that name.
            return [Task(file, 0, keys) for file, keys in index._part_files()]
        count = max(1, -(-index.nbytes // self.TASK_BYTES))
        cuts = [len(index) * number // count for number in range(count + 1)]
        return [Task(path, start, stop, index.digest) for start, stop in zip(cuts, cuts[1:])]

    def partitions(self) -> Sequence[InputPartition]:
        return self.tasks

    def read(self, partition: InputPartition) -> Iterator[pyarrow.RecordBatch]:
        task = cast(Task, partition)
        wanted = ("key" in self.columns, "value" in self.columns)
        with Index[Any, Any](task.path, random=False, decode_json=False, _digest=task.digest) as index:
            start = task.start
            while start < task.stop:
                stop, *arrays = index._arrow_slice(start, min(start + _BATCH_ROWS, task.stop), _BATCH_BYTES, *wanted)
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
