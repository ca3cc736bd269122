"""What every contender says of itself and can do, and how it gets at the pairs."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

Kind = Literal["uncompressed", "compressed", "ids only", "in memory", "server"]


class Contender:
    """One of those that are compared.

    `share`, in one process, makes what all workers share before they are forked; `open`, in each worker, makes the
    handle that lookups go to. Modules of others are imported in the methods, so that a missing one stops only its own.
    """

    name: str
    settings: str
    kind: Kind
    limit: int | None = None
    """Bytes that its file cannot pass."""
    text = True
    """Keys and values are str; else bytes."""
    looks_up = True
    """It is asked; else only built."""
    batches = False
    """It has `get_many`."""
    before_fork = False
    """What it holds is loaded anew by `share` for each group of workers; there are no files."""
    needs = "pip install -r benches/peers/requirements.txt"
    """What to do if it cannot be imported."""

    def version(self) -> str:
        """Its version; ImportError or OSError if it is not installed."""
        raise NotImplementedError

    def build(self, source: Path, folder: Path) -> None:
        """Makes its files in `folder` from the TSV file `source`."""
        shared = self.share(source, folder)
        self.stop(shared)

    def share(self, source: Path, folder: Path) -> Any:
        """What the workers are forked with."""
        return None

    def servers(self, shared: Any) -> list[int]:
        """Ids of the processes that answer the workers."""
        return []

    def stop(self, shared: Any) -> None:
        """Ends what `share` began."""

    def open(self, source: Path, folder: Path, shared: Any) -> Any:
        """A handle, in a worker."""
        raise NotImplementedError

    def getter(self, handle: Any) -> Callable[[Any], Any]:
        """The call that gives a key's value, or None if it is absent."""
        raise NotImplementedError

    def count(self, handle: Any, keys: Sequence[Any]) -> int:
        """Looks all keys up, one after the other; how many were found."""
        get = self.getter(handle)
        found = 0
        for key in keys:
            if get(key) is not None:
                found += 1
        return found

    def get_many(self, handle: Any, keys: Sequence[Any]) -> Sequence[Any]:
        """The values of many keys by one call: None for those absent, or those present only."""
        raise NotImplementedError

    def right(self, handle: Any, key: Any, value: Any) -> bool:
        """Whether this is the key's value (None: the key is absent)."""
        return bool(self.getter(handle)(key) == value)


def pairs_of_text(source: Path) -> Iterator[tuple[str, str]]:
    """Keys and values of a TSV file."""
    with open(source, encoding="ascii", buffering=1 << 20) as lines:
        for line in lines:
            key, _, value = line[:-1].partition("\t")
            yield key, value


def pairs_of_bytes(source: Path) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a TSV file."""
    with open(source, "rb", buffering=1 << 20) as lines:
        for line in lines:
            key, _, value = line[:-1].partition(b"\t")
            yield key, value


def sorted_pairs(source: Path) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a TSV file in the order of the keys: a tab is smaller than all that is in keys."""
    lines = source.read_bytes().splitlines()
    lines.sort()
    for line in lines:
        key, _, value = line.partition(b"\t")
        yield key, value


def count_of(source: Path) -> int:
    """How many pairs there are; for those that want to know before they begin."""
    with open(source, "rb", buffering=0) as stream:
        return sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b""))
