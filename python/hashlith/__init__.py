"""A read-only dict bigger than memory, in one memory-mapped file that any number of processes share.

>>> import hashlith, os, tempfile
>>> path = os.path.join(tempfile.mkdtemp(), "colours.hlith")
>>> hashlith.build(path, {"sky": "blue", "grass": "green"}).keys
2
>>> with hashlith.open(path) as colours:
...     colours["sky"], colours.get("sea", "?"), colours.get_many(["grass", "sea"])
('blue', '?', ['green', None])

An index is built once, by `build`, `build_from_files`, a `Builder` or the `hashlith` command, and never changes. `open`
maps it: it reads nothing ahead, starts no thread and writes nothing, and all processes share its pages. An open index is
a `collections.abc.Mapping`. Threads may share it, and it can be pickled: the other process opens the same file.

An index can also be a set: a directory of files, each with a part of the keys, used like one file. `hashlith.spark`
builds and reads sets on Apache Spark.
"""

from __future__ import annotations

import os

from . import _native
from ._build import Builder, BuildReport, Progress, build, build_from_files
from ._check import VerifyReport, info, verify
from ._errors import CorruptError, DuplicateKeyError, Error, InputError, ReplacedError
from ._index import Index, open
from ._native import ArrowArray, __version__
from ._sets import commit_set, part_numbers

# A child has the open files of its parent, and so would keep the locks of a build that is killed.
os.register_at_fork(
    before=_native.before_fork,
    after_in_parent=_native.after_fork_in_parent,
    after_in_child=_native.after_fork_in_child,
)

__all__ = [
    "ArrowArray",
    "BuildReport",
    "Builder",
    "CorruptError",
    "DuplicateKeyError",
    "Error",
    "Index",
    "InputError",
    "Progress",
    "ReplacedError",
    "VerifyReport",
    "__version__",
    "build",
    "build_from_files",
    "commit_set",
    "info",
    "open",
    "part_numbers",
    "verify",
]
