"""SQLite databases, compared with what Python's sqlite3 says about them."""

import _thread
import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading

import hashlith
import pytest
from test_docs import NEEDS_SERVER, ROOT, fences


def cell(rng, kind):
    return {
        "text": lambda: "".join(rng.choice("ab\"\\\n\tß😀 '") for _ in range(rng.choice((0, 1, 5, 300)))),
        "integer": lambda: rng.choice((0, -1, 2**63 - 1, -(2**63), rng.randint(-(10**9), 10**9))),
        "real": lambda: rng.choice((0.5, -0.0, 1e300, rng.uniform(-1, 1))),
        "null": lambda: None,
        "blob": lambda: rng.randbytes(rng.choice((0, 1, 40))),
    }[kind]()


@pytest.fixture
def database(tmp_path):
    connection = sqlite3.connect(tmp_path / "x.sqlite")
    yield connection
    connection.close()


@pytest.mark.parametrize("seed", range(4))
def test_random_rows(seed, database, tmp_path):
    rng = random.Random(seed)
    database.execute(f"pragma page_size = {rng.choice((512, 4096, 65536))}")
    database.execute(f"pragma encoding = '{rng.choice(('UTF-8', 'UTF-16le', 'UTF-16be'))}'")
    without = rng.choice(("", " without rowid"))
    database.execute(f"create table t (id text primary key, number integer, anything, raw blob){without}")
    rows = [(f"key {n}", cell(rng, "integer"), cell(rng, rng.choice(("text", "integer", "real", "null"))), cell(rng, "blob"))
            for n in range(2000)]
    database.executemany("insert into t values (?, ?, ?, ?)", rows)
    database.commit()
    source = tmp_path / "x.sqlite"
    report = hashlith.build_from_files(tmp_path / "json.hlith", source, value_column=["number", "anything"], values="json")
    assert (report.records, report.skipped) == (2000, 0)
    query = "select id, number, anything from t"
    assert dict(hashlith.open(tmp_path / "json.hlith")) == {
        key: {"number": number, "anything": anything} for key, number, anything in database.execute(query)}
    hashlith.build_from_files(tmp_path / "raw.hlith", source, query="select id, raw from t", values="bytes")
    assert dict(hashlith.open(tmp_path / "raw.hlith")) == dict(database.execute("select id, raw from t"))
    hashlith.build_from_files(
        tmp_path / "int.hlith", source, query="select number, group_concat(id) from t group by 1", keys="int")
    wanted = dict(database.execute("select number, group_concat(id) from t group by 1"))
    assert dict(hashlith.open(tmp_path / "int.hlith")) == wanted
    # And the same bytes as from an iterator.
    hashlith.build(tmp_path / "same.hlith", database.execute(query.replace("number, anything", "raw")), values="bytes")
    assert hashlith.open(tmp_path / "same.hlith").digest == hashlith.open(tmp_path / "raw.hlith").digest


def test_vectors_of_blobs_and_text(database, tmp_path):
    vectors = {f"w{n}": (n, n / 2, -1.5) for n in range(100)}
    database.execute("create table words (word, vector)")
    for number, (word, vector) in enumerate(vectors.items()):
        stored = struct.pack("<3f", *vector) if number % 2 else json.dumps(vector)
        database.execute("insert into words values (?, ?)", (word, stored))
    database.commit()
    hashlith.build_from_files(tmp_path / "x.hlith", tmp_path / "x.sqlite", values="float32[3]")
    with hashlith.open(tmp_path / "x.hlith") as index:
        assert {word: tuple(vector) for word, vector in index.items()} == vectors


def test_a_database_that_others_use(database, tmp_path):
    """One in WAL mode is read with what is only in its log; so is one that is written to meanwhile."""
    database.execute("pragma journal_mode = wal")
    database.execute("create table t (k text, v text)")
    database.execute("insert into t values ('a', 'b')")
    database.commit()
    database.execute("insert into t values ('not', 'committed')")
    hashlith.build_from_files(tmp_path / "x.hlith", tmp_path / "x.sqlite")
    assert dict(hashlith.open(tmp_path / "x.hlith")) == {"a": "b"}


def test_a_query_that_does_not_end_is_interrupted(database, tmp_path, request):
    database.execute("create table t (k, v)")
    database.commit()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i), 1 from n"
    threading.Timer(0.5, _thread.interrupt_main, [signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        hashlith.build_from_files(tmp_path / "x.hlith", tmp_path / "x.sqlite", query=endless, keys="int")
    assert not (tmp_path / "x.hlith").exists()


@pytest.fixture
def redis_url(tmp_path):
    """A server of this test alone, at a socket. If it is missing, and this is root on Debian, it is installed."""
    if shutil.which("redis-server") is None and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run("apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-server", shell=True, check=True,
                       env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, stdout=subprocess.DEVNULL)
    if shutil.which("redis-server") is None:
        reason = "redis-server is missing (Debian, Ubuntu: apt-get install redis-server)"
        (pytest.fail if os.environ.get("HASHLITH_NO_SKIPS") else pytest.skip)(reason)
    # The path of a socket has at most 107 bytes.
    with tempfile.TemporaryDirectory() as folder:
        socket = f"{folder}/socket"
        command = ["redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert any("ready to accept connections" in line for line in server.stdout)
            yield f"unix://{socket}"
            server.terminate()


def test_the_recipe_for_redis(redis_url, tmp_path):
    [recipe] = [source for _, _, source in fences((ROOT / "docs" / "inputs.md").read_text()) if NEEDS_SERVER in source]
    subprocess.run([sys.executable, "-c", recipe], cwd=tmp_path, env={**os.environ, "REDIS_URL": redis_url}, check=True)


def test_a_database_of_a_killed_writer(database, tmp_path):
    """What was not committed is not read as if it were."""
    database.execute("create table t (k text, v text)")
    database.executemany("insert into t values (?, 'committed')", [(f"key {number}",) for number in range(2000)])
    database.commit()
    database.execute("pragma cache_size = 5")
    database.execute("update t set v = 'not committed'")
    for ending in "", "-journal":
        shutil.copy(tmp_path / f"x.sqlite{ending}", tmp_path / f"crashed.sqlite{ending}")
    with pytest.raises(hashlith.InputError, match="a program was killed while it wrote to the database"):
        hashlith.build_from_files(tmp_path / "x.hlith", tmp_path / "crashed.sqlite")
    with contextlib.closing(sqlite3.connect(tmp_path / "crashed.sqlite")) as restored:
        restored.execute("select * from t").fetchall()
    hashlith.build_from_files(tmp_path / "x.hlith", tmp_path / "crashed.sqlite")
    assert set(hashlith.open(tmp_path / "x.hlith").values()) == {"committed"}
