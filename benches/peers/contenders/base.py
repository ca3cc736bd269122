"""The interface of a contender, and how it reads the pairs."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

Kind = Literal["uncompressed", "compressed", "ids only", "in memory", "server"]


class Contender:
    """One way to store and look up pairs.

    `share` runs in one process, and makes what all workers share before they are forked. `open` runs in each worker, and
    makes the handle for lookups. Methods import the modules of others, so that a missing one stops only its contender.
    """

    name: str
    settings: str
    kind: Kind
    limit: int | None = None
    """The most bytes that its file can have."""
    text = True
    """Keys and values are str, not bytes."""
    looks_up = True
    """It is built and looked up, not only built."""
    batches = False
    """It has `get_many`."""
    before_fork = False
    """It has no files: `share` loads the pairs again for each group of workers."""
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
        """What the workers inherit."""
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
        """A function that returns the value of a key, or None if it is absent."""
        raise NotImplementedError

    def count(self, handle: Any, keys: Sequence[Any]) -> int:
        """Looks up all keys, one after the other. Returns how many were found."""
        get = self.getter(handle)
        found = 0
        for key in keys:
            if get(key) is not None:
                found += 1
        return found

    def get_many(self, handle: Any, keys: Sequence[Any]) -> Sequence[Any]:
        """The values of many keys in one call: with None for absent keys, or without them."""
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
    """Keys and values of a TSV file in the order of the keys: a tab is smaller than any byte of a key."""
    lines = source.read_bytes().splitlines()
    lines.sort()
    for line in lines:
        key, _, value = line.partition(b"\t")
        yield key, value


def count_of(source: Path) -> int:
    """The number of pairs, for contenders that need it before they begin."""
    with open(source, "rb", buffering=0) as stream:
        return sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b""))
