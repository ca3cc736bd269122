"""What writing, reading and looking up share: paths, and the types of columns."""

from __future__ import annotations

import os
from typing import Any

import pyarrow
from pyspark.sql import functions
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    ByteType,
    DataType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    ShortType,
    StringType,
    StructField,
    StructType,
)

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


#: Types of values and, for keys, "int64": the column of Spark, and what Arrow sends to it. Spark has no numbers without a sign.
_TYPES: dict[str, tuple[DataType, pyarrow.DataType]] = {
    "str": (StringType(), pyarrow.string()),
    "json": (StringType(), pyarrow.string()),
    "bytes": (BinaryType(), pyarrow.binary()),
    "int8": (ByteType(), pyarrow.int8()),
    "int16": (ShortType(), pyarrow.int16()),
    "int32": (IntegerType(), pyarrow.int32()),
    "int64": (LongType(), pyarrow.int64()),
    "float32": (FloatType(), pyarrow.float32()),
    "float64": (DoubleType(), pyarrow.float64()),
    "uint8": (ShortType(), pyarrow.int16()),
    "uint16": (IntegerType(), pyarrow.int32()),
    "uint32": (LongType(), pyarrow.int64()),
    "uint64": (DecimalType(20, 0), pyarrow.decimal128(20, 0)),
    "float16": (FloatType(), pyarrow.float32()),
}
#: What a column of each of these types is stored as.
_STORED = {_TYPES[name][0]: name for name in ("int8", "int16", "int32", "int64", "float32", "float64")}


def column_type(data_type: DataType, column: str, *, of_keys: bool = False) -> str:
    """What the keys or values of a column of this type are."""
    if isinstance(data_type, StringType):
        return "text"
    if isinstance(data_type, BinaryType):
        return "bytes"
    stored = _STORED.get(data_type)
    if stored is not None and not (of_keys and stored.startswith("float")):
        return "int" if of_keys else stored
    raise TypeError(
        f"the column {column} is {data_type.simpleString()}: hashlith stores strings, binary, and numbers; cast it first"
    )


def _types_of(kind: str) -> tuple[DataType, pyarrow.DataType]:
    name, _, rest = kind.partition("[")
    if name not in _TYPES:
        raise TypeError(f"Spark has no column for {kind}: read the index with hashlith.open")
    spark, arrow = _TYPES[name]
    return (ArrayType(spark), pyarrow.list_(arrow)) if rest else (spark, arrow)


def arrow_types(index: Index[Any, Any]) -> dict[str, pyarrow.DataType]:
    """The Arrow types that Spark expects of the columns of an index."""
    return {"key": _types_of(_key_kind(index))[1], "value": _types_of(index.value_type)[1]}


def schema_of(index: Index[Any, Any]) -> StructType:
    """The columns of an index."""
    kinds = {"key": _key_kind(index), "value": index.value_type}
    return StructType([StructField(name, _types_of(kind)[0]) for name, kind in kinds.items()])


def _key_kind(index: Index[Any, Any]) -> str:
    return "int64" if index.key_type == "int" else "none: its keys are left out" if index.key_type == "none" else index.key_type


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
