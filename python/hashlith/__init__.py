"""A read-only dict that has outgrown memory, as one file that any number of processes map.

>>> import hashlith, os, tempfile
>>> path = os.path.join(tempfile.mkdtemp(), "colours.hlith")
>>> hashlith.build(path, {"sky": "blue", "grass": "green"}).keys
2
>>> with hashlith.open(path) as colours:
...     colours["sky"], colours.get("sea", "?"), colours.get_many(["grass", "sea"])
('blue', '?', ['green', None])

An index may also be a set: a directory of files, each with a part of the keys, which is used like a file. `hashlith.spark` builds
and uses such sets on Apache Spark.

An index is built once, by `build`, `build_from_files`, a `Builder` or the `hashlith` command, and never changes. `open`
maps it: nothing is read ahead, no thread is started, nothing is written, and all processes share its pages. An open
index is a `collections.abc.Mapping`, may be used by many threads, and can be pickled: a child process opens the same
file again.
"""

from __future__ import annotations

from ._build import (
    Builder,
    BuildOptions,
    BuildReport,
    FileOptions,
    Progress,
    build,
    build_from_files,
)
from ._check import VerifyReport, info, verify
from ._errors import CorruptError, DuplicateKeyError, Error, InputError, ReplacedError
from ._index import Index, open
from ._native import ArrowArray
from ._sets import commit_set, part_numbers

__all__ = [
    "ArrowArray",
    "BuildOptions",
    "BuildReport",
    "Builder",
    "CorruptError",
    "DuplicateKeyError",
    "Error",
    "FileOptions",
    "Index",
    "InputError",
    "Progress",
    "ReplacedError",
    "VerifyReport",
    "build",
    "build_from_files",
    "commit_set",
    "info",
    "open",
    "part_numbers",
    "verify",
]
