"""What writing, reading and looking up share: paths, and the types of columns."""

from __future__ import annotations

import os
from typing import Any, Literal

import pyarrow
from pyspark.sql import functions
from pyspark.sql.types import BinaryType, DataType, StringType, StructField, StructType

from .._index import Index


def file_path(path: str | os.PathLike[str] | None) -> str:
    """The absolute path that a path or a file: URL names."""
    if not path:
        raise ValueError("no path: write .load(path) or .option('path', path)")
    path = os.fspath(path)
    path = path.removeprefix("file://") if path.startswith("file:///") else path.removeprefix("file:")
    if "://" in path:
        raise ValueError(f"{path} is not a path of a file system: copy the set to one that all workers see")
    return os.path.abspath(path)


def column_type(data_type: DataType, column: str) -> Literal["text", "bytes"]:
    """What the keys or values of a column of this type are."""
    if isinstance(data_type, StringType):
        return "text"
    if isinstance(data_type, BinaryType):
        return "bytes"
    raise TypeError(
        f"the column {column} is {data_type.simpleString()}: hashlith stores strings and binary; cast it first"
    )


def arrow_type(data_type: DataType, column: str) -> pyarrow.DataType:
    """The Arrow type that Spark expects of such a column."""
    return pyarrow.string() if column_type(data_type, column) == "text" else pyarrow.binary()


def schema_of(index: Index[Any, Any]) -> StructType:
    """The columns of an index."""
    of = {"str": StringType(), "json": StringType(), "bytes": BinaryType()}
    return StructType([StructField("key", of[index.key_type]), StructField("value", of[index.value_type])])


def arrow_udf(function: Any, data_type: DataType) -> Any:
    """A function of an Arrow array as a function of Spark columns."""
    if hasattr(functions, "arrow_udf"):
        return functions.arrow_udf(function, data_type)
    # Spark 4.0
    import pandas

    def of_series(series: Any) -> Any:
        return function(pyarrow.Array.from_pandas(series)).to_pandas()

    # Spark wants the types themselves, not their names.
    of_series.__annotations__.update(dict.fromkeys(("series", "return"), pandas.Series))
    return functions.pandas_udf(of_series, data_type)
