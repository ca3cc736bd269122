"""Looking keys up: a column of values for a column of keys."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

import pyarrow
from pyspark.sql import functions

from .._index import Index, open as open_index
from ._columns import arrow_types, arrow_udf, column_type, file_path, schema_of

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

#: What this Python worker has open, by path: the version that was asked for last.
_open: dict[str, Index[Any, Any]] = {}


def _opened(path: str, options: dict[str, Any]) -> Index[Any, Any]:
    """The index, which stays open in this worker. (A function that is sent to workers would bring its own `_open`.)"""
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
    """Adds a column with the value that an index has for the key of each row.

    Nothing is shuffled, and nothing is broadcast: each Python worker maps the files once. If the index is replaced before
    all workers have it open, the job fails with a ReplacedError rather than mix two versions.

    Args:
        df: The rows.
        key: The column of the keys, or its name.
        path: The file, or the directory of a set.
        value: The name of the new column. It is null where the key is null or absent.
        how: "left" keeps all rows, "inner" only those with a value.
        huge_pages: As for `hashlith.open`.
        cold: As for `hashlith.open`.
    """
    if how not in ("left", "inner"):
        raise ValueError(f'how must be "left" or "inner", not {how!r}')
    file = file_path(path)
    with open_index(file) as index:
        key_type, digest = index.key_type, index.digest
        value_type = schema_of(index)["value"].dataType
        value_arrow_type = arrow_types(index)["value"]
    if value.lower() in (name.lower() for name in df.columns):
        raise ValueError(f"there is a column {value} already: give the new one another name (value=...)")
    column = functions.col(key) if isinstance(key, str) else key
    found = column_type(df.select(column).schema.fields[0].dataType, str(key), of_keys=True).replace("text", "str")
    if found != key_type:
        raise TypeError(f"the keys of {file} are {key_type}, the column {key} is {found}: cast it first")
    options: dict[str, Any] = {"huge_pages": huge_pages, "cold": cold, "decode_json": False, "_digest": digest}

    def values(keys: pyarrow.Array) -> pyarrow.Array:
        return pyarrow.array(_opened(file, options).get_many_arrow(keys)).cast(value_arrow_type)

    df = df.withColumn(value, arrow_udf(values, value_type)(column))
    return df.where(functions.col(value).isNotNull()) if how == "inner" else df
