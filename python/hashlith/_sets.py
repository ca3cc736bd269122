"""Sets that are built part by part, on one machine or on many."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from . import _native
from ._build import StrOrBytesPath

if TYPE_CHECKING:
    import numpy
    import numpy.typing


def part_numbers(
    keys: Any, parts: int, *, hash: Literal["xxh3", "siphash"] = "xxh3", seed: int = 0
) -> numpy.typing.NDArray[numpy.int32]:
    """The part that each key of an Arrow column belongs to, in a set of `parts` parts; -1 for a null.

    `build(path, records, part=(number, parts))` makes one such part, and `commit_set` makes a set of all of them. `hash`
    and `seed` must be those of the build.

    >>> import pyarrow
    >>> part_numbers(pyarrow.array(["sky", "sea", None]), 4).tolist()
    [2, 0, -1]
    """
    import numpy

    return numpy.frombuffer(_native.part_numbers(keys, parts, hash=hash, seed=seed), dtype="<i4").astype(
        numpy.int32, copy=False
    )


def commit_set(path: StrOrBytesPath, files: Iterable[StrOrBytesPath]) -> int:
    """Makes a set of part files: all parts of one set, in any order. Returns the number of keys.

    The files are moved into the directory `path`, which must be on the same file system. The set takes effect in one
    step. A set that was there is replaced; readers keep the version they opened. The new files get the mode, owner and
    group of the old manifest, as far as this process may. If another process replaces the set at the same time, this
    waits for it, up to a minute; Ctrl-C ends the wait.

    Raises:
        Error: A part is missing, occurs twice, belongs to another set, or is a link; or another process does not end.
        OSError: The system refuses something.

    >>> import hashlith, os, pyarrow, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> records = {"sky": "blue", "sea": "green"}
    >>> numbers = part_numbers(pyarrow.array(list(records)), 4).tolist()
    >>> for part in range(4):
    ...     own = {key: records[key] for key, number in zip(records, numbers) if number == part}
    ...     path = os.path.join(folder, f"{part}.hlith")
    ...     report = hashlith.build(path, own, part=(part, 4), keys="text", values="text")
    >>> commit_set(os.path.join(folder, "set"), [os.path.join(folder, f"{part}.hlith") for part in range(4)])
    2
    >>> hashlith.open(os.path.join(folder, "set"))["sea"]
    'green'
    """
    return _native.commit_set(path, list(files))
