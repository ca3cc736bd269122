"""Writes, reads and looks up sets in the tasks of Apache Spark 4 (PySpark's Python Data Source API).

    import hashlith.spark

    hashlith.spark.register(spark)

    # Build: each task makes one part.
    parted = hashlith.spark.partition(df, 64, key="word")
    parted.write.format("hashlith").options(path="/data/words", parts=64).mode("overwrite").save()

    # Look up: no shuffle, no broadcast.
    hashlith.spark.lookup(big, "word", "/data/words", value="meaning")

    # Read.
    spark.read.format("hashlith").load("/data/words")

The driver and all workers must see the path: a local disk on a single machine, else a shared file system. The workers
need this package, and `PYSPARK_PYTHON` must name the interpreter that has it. `docs/distributed.md` has sizes and figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql.datasource import DataSource, DataSourceArrowWriter, DataSourceReader
from pyspark.sql.types import StructType

from .._index import open as open_index
from ._columns import file_path, schema_of
from ._lookup import lookup
from ._reading import Reader
from ._writing import Writer, partition

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["HashlithDataSource", "lookup", "partition", "register"]


def register(spark: SparkSession) -> None:
    """Makes the format "hashlith" known to a session."""
    spark.dataSource.register(HashlithDataSource)


class HashlithDataSource(DataSource):
    """The format "hashlith".

    Reading takes the option `path`. The columns are key and value, or only one of them with `.schema("key string")`.

    Writing takes these options. The rows must be partitioned by `partition`, unless `parts` is 1 and there is only one
    partition.

    - `path`: the directory of the set.
    - `parts`: the number of parts that `partition` was given. Default: 1.
    - `key`, `value`: the names of the columns. Default: key and value, or the only two columns.
    - `nulls`: "error" (the default) fails at a row with a null, "drop" leaves it out.
    - `memory`, `temp_dir`: for each task. Default: 256M, and next to the parts.
    - `on_duplicate`: "error" (the default), "first", "last", "unique" or "collect".
    - `compress`: "off" (the default) or "on".
    - `hash`, `seed`: as given to `partition`.
    - `fingerprint_bits`: default 8.
    - `report`: a file for the number of keys and of rows dropped, as JSON.
    """

    @classmethod
    def name(cls) -> str:
        """The name of the format."""
        return "hashlith"

    def schema(self) -> StructType:
        """The columns key and value, with the types of the index."""
        with open_index(file_path(self.options.get("path"))) as index:
            return schema_of(index)

    def reader(self, schema: StructType) -> DataSourceReader:
        """Reads an index, a task for each part."""
        return Reader(dict(self.options), schema)

    def writer(self, schema: StructType, overwrite: bool) -> DataSourceArrowWriter:
        """Writes a set, a task for each part."""
        return Writer(dict(self.options), schema, overwrite)
