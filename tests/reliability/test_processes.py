"""Several processes at one set: forks in the middle of a commit, processes that hold locks, and builders beside mergers, verifiers
and readers. Nobody waits for the dead or for who may only read, and everybody sees one version.
"""
import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import hashlith
import pytest
from conftest import cannot
from place import hashlith as binary

KEYS = 300
# Far below the minute that a build waits for a lock.
AT_ONCE_S = 30
SPAWN = multiprocessing.get_context("spawn")


def records(version):
    return {f"key {n}": f"version {version}" for n in range(KEYS)}


def build(path, version, **options):
    began = time.monotonic()
    hashlith.build(path, records(version), parts=3, threads=1, memory="64M", **options)
    assert time.monotonic() - began < AT_ONCE_S


def version_of(path):
    """The one version whose values a set has."""
    with hashlith.open(path) as index:
        assert len(index) == KEYS
        (value,) = set(index.values())
        return int(value.split()[1])


def is_clear(path):
    return len(os.listdir(path)) == 4 and "manifest.json" in os.listdir(path)


FORKING = """
import os, signal, sys, threading, time
import hashlith
path, end = sys.argv[1:]
def fork(*_):
    if os.fork() == 0:
        time.sleep(600)
    if end == "killed":
        os.kill(os.getpid(), 9)
    os.getppid()
signal.signal(signal.SIGUSR1, fork)
builder = hashlith.Builder(path, parts=3, threads=1, memory="64M")
builder.add_many({f"key {n}": "version 2" for n in range(300)})
thread = threading.Thread(target=builder.finish)
thread.start()
while thread.is_alive():
    thread.join(1)
os._exit(0)
"""


@pytest.mark.parametrize("end", ["done", "killed"])
def test_forks_at_each_step_of_a_build(end, tmp_path, inject, soak, evidence):
    """The child outlives its parent, and has all files that were open when a system call was about to be made. It holds up nobody."""
    path, log, forks, late = tmp_path / "set", tmp_path / "log", 0, 0

    def fork_at(number):
        """Returns whether there was a child, and what the log says."""
        build(path, 1)
        command = [inject, log, "stop", str(number), sys.executable, "-c", FORKING, path, end]
        with subprocess.Popen(command, start_new_session=True) as parent:
            try:
                code = parent.wait(60)
                made = log.read_text().split()
                is_killed = code == 128 + signal.SIGKILL
                assert is_killed or code == 0
                assert version_of(path) in ({1, 2} if is_killed else {2})
                build(path, 3)
            finally:
                has_child = is_alive(parent.pid)
        assert version_of(path) == 3 and is_clear(path), (number, os.listdir(path))
        assert is_killed == (has_child and end == "killed")
        return has_child, made

    has_child, made = fork_at(0)
    assert not has_child
    numbers = range(len(made), 0, -1 if soak else -23)
    for number in numbers:
        has_child, made = fork_at(number)
        forks += has_child
        late += "-1" in made
    # The number of calls varies a little. A fork waits while a file is opened and locked.
    assert forks >= len(numbers) - 5 and late < len(numbers) // 2, (len(numbers), forks, late)
    evidence("forks", forks)


def is_alive(group):
    """Kills what is left of a group of processes; returns whether there was any."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


HOSTILE = """
import fcntl, os, sys
path = sys.argv[1]
os.setgroups([]); os.setgid(65534); os.setuid(65534)
locked, opened = [], set()
def lock(name):
    try:
        file = os.open(name, os.O_RDONLY)
    except OSError as error:
        return opened.add(type(error).__name__) if "lock" in name and not isinstance(error, FileNotFoundError) else None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        locked.append(file)
    except OSError:
        os.close(file)
lock(path)
print("ready", flush=True)
while not os.path.exists(path + "/../end"):
    for name in [path + "/manifest.json.lock", *(os.path.join(path, name) for name in os.listdir(path))]:
        if len(locked) < 500:
            lock(name)
print(len(locked), *opened)
"""


def test_who_may_only_read_cannot_hold_up_builds(tmp_path, soak, evidence):
    """It locks whatever it may open, as soon as that is there."""
    if os.geteuid():
        cannot("only root can be another user")
    path, rounds = tmp_path / "set", 1000 if soak else 20
    # Others may come here; how deep it is depends on the test runner.
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.stat().st_mode & 0o5 == 0:
            os.chmod(folder, 0o755)
    build(path, 0)
    with killed_at_the_end(sys.executable, "-c", HOSTILE, path) as hostile:
        assert hostile.stdout.readline() == "ready\n"
        for version in range(1, rounds + 1):
            build(path, version)
            assert version_of(path) == version
        (tmp_path / "end").touch()
        locked, *opened = hostile.communicate(timeout=60)[0].split()
    assert int(locked) > 1 and set(opened) <= {"PermissionError"}
    assert is_clear(path), os.listdir(path)
    evidence("builds", rounds)


@contextlib.contextmanager
def killed_at_the_end(*words):
    """A process, which ends with the test."""
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def waiting(path, tmp_path):
    (tmp_path / "x.tsv").write_text("a\tb\n")
    return killed_at_the_end(binary(), "build", tmp_path / "x.tsv", "-o", path, "--parts", "2", "--quiet")


HOLDER = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_a_stuck_holder(how, tmp_path, soak):
    """A build waits for it, until the first signal; as soon as the holder is dead, it goes on."""
    path = tmp_path / "set"
    build(path, 1)
    with killed_at_the_end(sys.executable, "-c", HOLDER, path / "manifest.json.lock") as held:
        assert held.stdout.readline() == "held\n"
        held.send_signal(signal.SIGSTOP)
        with waiting(path, tmp_path) as builder:
            time.sleep(2)
            assert builder.poll() is None
            if how == "stopped":
                builder.send_signal(signal.SIGTERM)
                assert builder.wait(AT_ONCE_S) == 143
                assert version_of(path) == 1
            else:
                held.kill()
                assert builder.wait(AT_ONCE_S) == 0
                assert hashlith.verify(path).keys == 1
        if how == "stopped" and soak:
            with waiting(path, tmp_path) as builder:
                _, message = builder.communicate(timeout=120)
            assert builder.returncode == 1 and f"process {held.pid} (" in message and "manifest.json.lock: try again" in message
    build(path, 3)
    assert version_of(path) == 3 and is_clear(path)


def build_on(path, turns, results):
    try:
        for turn in range(turns):
            # v1, v2, v1: the same names again and again.
            build(path, turn % 2)
        results.put(("built", turns))
    except BaseException as error:
        results.put(("build", repr(error)))
        raise


def read_on(path, end, results):
    seen, count = set(), 0
    try:
        while not end.is_set() or not count:
            seen.add(version_of(path))
            count += 1
        results.put(("opened", count))
    except BaseException as error:
        results.put(("read", repr(error)))


def run_on(arguments, end, results):
    """Runs a command that reads the set."""
    count = 0
    while not end.is_set() or not count:
        done = subprocess.run([binary(), *arguments], capture_output=True, text=True)
        if done.returncode:
            results.put(("run", done.stderr))
            return
        count += 1
    results.put(("run", count))


def test_builders_beside_mergers_verifiers_and_readers(tmp_path, soak, evidence):
    """Of a set that goes back and forth between two versions."""
    path, turns = str(tmp_path / "set"), 500 if soak else 30
    build(path, 0)
    end, results = SPAWN.Event(), SPAWN.Queue()
    own = [SPAWN.Process(target=build_on, args=(path, turns, results), daemon=True) for _ in range(2)]
    others = [SPAWN.Process(target=read_on, args=(path, end, results), daemon=True) for _ in range(3)]
    merged, split = str(tmp_path / "merged.hlith"), str(tmp_path / "split")
    for line in (["merge", path, "-o", merged, "--threads", "1", "--quiet"], ["split", path, "--parts", "2", "-o", split, "--threads", "1", "--quiet"],
                 ["verify", path, "--threads", "1", "--quiet"]):
        others.append(SPAWN.Process(target=run_on, args=(line, end, results), daemon=True))
    for process in [*own, *others]:
        process.start()
    answers = [results.get(timeout=3600) for _ in own]
    end.set()
    answers += [results.get(timeout=120) for _ in others]
    for process in [*own, *others]:
        process.join(60)
    assert all(isinstance(answer, int) for _, answer in answers), answers
    assert version_of(merged) in (0, 1) and version_of(split) in (0, 1)
    assert is_clear(path), os.listdir(path)
    evidence("builds", 2 * turns)
    evidence("opens meanwhile", sum(count for what, count in answers if what == "opened"))


def listings_and_syncs(strace, tmp_path, parts):
    log, source = tmp_path / "log", tmp_path / "x.tsv"
    source.write_text("a\tb\n")
    command = [binary(), "build", source, "-o", tmp_path / "set", "--parts", str(parts), "--quiet"]
    subprocess.run([strace, "-f", "-qq", "-o", log, "-e", "trace=getdents64,fsync", *command], check=True)
    text = Path(log).read_text()
    return text.count("getdents64("), text.count("fsync(")


def test_the_work_for_each_part_does_not_grow_with_the_others(strace, tmp_path):
    """A build lists its directories a few times, not once for each part, and syncs each part once."""
    few, many = (listings_and_syncs(strace, tmp_path, parts) for parts in (10, 210))
    assert many[0] <= few[0] + 20 and many[1] <= few[1] + 200
