"""Redis: a server, started for the measurement and stopped after it."""

import itertools
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .base import Contender, pairs_of_bytes

AT_ONCE = 1000


class RedisServer(Contender):
    name = "Redis"
    settings = (f"persistence off, Unix socket; filled by MSET of {AT_ONCE:,}; redis-py with hiredis; get(k), mget of 1,000; "
                "core-seconds with the server's")
    kind = "server"
    text = False
    batches = True
    before_fork = True
    needs = "apt-get install redis-server; pip install -r benches/peers/requirements.txt"

    def version(self) -> str:
        import hiredis
        import redis

        said = subprocess.run(["redis-server", "--version"], check=True, capture_output=True, text=True).stdout
        server = next(word[2:] for word in said.split() if word.startswith("v="))
        return f"{server}, redis-py {version(redis.__name__)}, hiredis {version(hiredis.__name__)}"

    def share(self, source: Path, folder: Path) -> Any:
        # A socket's path has at most 107 characters.
        place = tempfile.TemporaryDirectory(prefix="peers-")
        socket = f"{place.name}/redis"
        server = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", place.name],
            stdout=subprocess.DEVNULL,
        )
        client = connect(socket)
        pairs = pairs_of_bytes(source)
        while some := dict(itertools.islice(pairs, AT_ONCE)):
            client.mset(some)
        client.close()
        return server, socket, place

    def servers(self, shared: Any) -> list[int]:
        return [shared[0].pid]

    def stop(self, shared: Any) -> None:
        server, _, place = shared
        server.terminate()
        server.wait()
        place.cleanup()

    def open(self, source: Path, folder: Path, shared: Any) -> Any:
        return connect(shared[1])

    def getter(self, handle: Any) -> Callable[[Any], Any]:
        return handle.get  # type: ignore[no-any-return]

    def get_many(self, handle: Any, keys: Sequence[Any]) -> Sequence[Any]:
        return handle.mget(keys)  # type: ignore[no-any-return]


def connect(socket: str) -> Any:
    """A client, as soon as the server answers."""
    import redis

    client = redis.Redis(unix_socket_path=socket)
    for _ in range(500):
        try:
            client.ping()
            return client
        except redis.ConnectionError:
            time.sleep(0.01)
    raise OSError("redis-server does not answer")
