"""Promise 3 when a build runs into a limit on memory or file sizes, or into a full file system, and when a large build, which
uses temporary files, is killed at random moments.
"""
import errno
import gzip
import random
import resource
import signal
import subprocess
import sys
import time

import pytest
from binary import hashlith
from conftest import cannot
from place import Place, spilling
from test_system_calls import NUMBERS, calls

MIB = 1 << 20


def limited(which, most):
    return lambda: resource.setrlimit(which, (most, most))


def ended(place, done, with_old=True):
    """What is wrong after a build that may have failed, or None: its exit code, its message, or what it left."""
    if done.returncode not in (0, 1) or done.returncode and ("panicked" in done.stderr or not done.stderr.startswith("hashlith: ")):
        return f"ended with {done.returncode}: {done.stderr[-300:]}"
    if done.returncode and (place.left_over() or place.state() != ("old" if with_old else "none")):
        return f"left {place.left_over()} {place.state()}"
    if not done.returncode and (place.left_over() or place.state() != "new"):
        return f"success was reported, but it left {place.left_over()} {place.state()}"
    return None


@pytest.fixture
def full(tmp_path, own_mounts):
    """A tmpfs whose size can be set."""
    at = tmp_path / "out"
    at.mkdir()

    def mount(options):
        return subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(at)], capture_output=True, text=True)

    done = mount("size=64M")
    if done.returncode:
        cannot(f"a tmpfs cannot be mounted here: {done.stderr.strip()}")
    yield lambda kib: mount(f"remount,size={kib}k").check_returncode()
    subprocess.run(["umount", str(at)], check=True)


@pytest.mark.parametrize("with_old", [False, True])
def test_a_full_file_system(with_old, full, tmp_path, soak, evidence):
    place = Place(tmp_path)
    need = (len(place.new_bytes) + len(place.old_bytes)) // 1024
    sizes = range(20, need + 60, 4 if soak else 20)
    wrong, failed = [], 0
    for kib in sizes:
        place.begin(with_old)
        full(kib)
        done = place.build()
        failed += done.returncode != 0
        if place.state() == "broken" or (found := ended(place, done, with_old)):
            wrong.append((kib, place.state(), found))
        full(64 << 10)
        if found := place.fault(with_old, done.returncode == 0):
            wrong.append((kib, found))
    assert not wrong
    assert 0 < failed < len(sizes)
    evidence("sizes", len(sizes))


@pytest.mark.parametrize("which", ["output", "temporary"])
def test_a_limit_of_file_sizes(which, tmp_path, soak, evidence):
    """RLIMIT_FSIZE, which kills programs that do not catch its signal: a small build reaches it in its output, a large one in a
    temporary file."""
    place = Place(tmp_path) if which == "output" else spilling(tmp_path, 400_000)
    largest = len(place.new_bytes) if which == "output" else 4 * MIB
    steps = 24 if soak and which == "output" else 6
    wrong, failed, temporary = [], 0, 0
    for step in range(steps + 1):
        place.begin(with_old=True)
        done = place.build(preexec_fn=limited(resource.RLIMIT_FSIZE, largest * step // steps))
        failed += done.returncode != 0
        temporary += "temporary" in done.stderr
        if found := ended(place, done):
            wrong.append((step, found))
    assert not wrong and failed >= steps
    assert (temporary > 0) == (which == "temporary")
    evidence("sizes", steps + 1)


@pytest.mark.parametrize("name", ["AS", "DATA"])
def test_a_limit_of_memory(name, tmp_path, soak, evidence):
    """A build with --memory 48M and 2 threads succeeds with 224 MiB of addresses, and reports it if there are too few."""
    place = spilling(tmp_path, 400_000)
    wrong, failed = [], 0
    # With less the program itself does not fit.
    steps = range(40, 304, 4 if soak else 24)
    for mib in steps:
        place.begin(with_old=True)
        done = place.build(preexec_fn=limited(getattr(resource, f"RLIMIT_{name}"), mib * MIB))
        failed += done.returncode != 0
        found = ended(place, done)
        if found or mib >= 224 and done.returncode:
            wrong.append((mib, done.returncode, done.stderr[-200:], found))
    assert not wrong and failed
    evidence("limits", len(steps))


def test_the_default_memory_is_within_the_limit(tmp_path):
    place = Place(tmp_path, ["--quiet", "--threads", "1"])
    place.begin(with_old=False)
    done = place.build(preexec_fn=limited(resource.RLIMIT_AS, 1024 * MIB))
    assert done.returncode == 0 and ended(place, done) is None, done.stderr


# Runs a command, and prints how it ended and its peak memory in KiB. A process's peak includes what its parent held when it
# started, so a small parent starts the command.
PEAK = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
BOMBS = {"tsv": b"key\t", "csv": b'key,"', "jsonl": b'{"key": "k", "value": "', "cdbmake": b"+1,1073741824:k->"}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("format", BOMBS)
def test_a_compressed_bomb(format, threads, tmp_path):
    """A record of 1 GiB out of a few MB is refused, with a message that names the limit, and takes little more memory than that."""
    bombs = [tmp_path / f"{number}.{format}.gz" for number in range(threads)]
    for bomb in bombs:
        bomb.write_bytes(gzip.compress(BOMBS[format]) + gzip.compress(b"a" * (4 << 20)) * 256)
    command = [hashlith(), "build", *bombs, "-o", tmp_path / "x.hlith", "--quiet", "--memory", "64M", "--threads", threads]
    done = subprocess.run([sys.executable, "-c", PEAK, *map(str, command)], capture_output=True, text=True)
    code, peak = map(int, done.stdout.split())
    assert code == 1 and f"longer than {64 << 20} bytes" in done.stderr and str(bombs[0]) in done.stderr, done.stderr
    assert peak < 64 * 1024 * 2
    assert sorted(tmp_path.iterdir()) == bombs


@pytest.mark.parametrize("with_old", [False, True])
def test_killed_at_random_moments_of_a_large_build(with_old, tmp_path, soak, evidence):
    place = spilling(tmp_path, 2_000_000 if soak else 400_000)
    place.begin(with_old)
    began = time.monotonic()
    place.build().check_returncode()
    lasts = time.monotonic() - began
    moments = random.Random(7)
    wrong, killed, count = [], 0, 50 if soak else 6
    for _ in range(count):
        place.begin(with_old)
        with subprocess.Popen(place.command(), stderr=subprocess.DEVNULL) as build:
            time.sleep(lasts * moments.random())
            build.send_signal(signal.SIGKILL)
        killed += build.returncode == -signal.SIGKILL
        if found := place.fault(with_old, build.returncode == 0):
            wrong.append(found)
    assert not wrong and killed > count // 2
    evidence("kills", killed)


@pytest.mark.parametrize("call, error", [("pread64", "EIO"), ("pwrite64", "EIO"), ("pwrite64", "ENOSPC")])
def test_a_failing_call_of_a_build_that_spills(call, error, tmp_path, inject, soak, evidence):
    """One call and all later ones fail, also those on temporary files."""
    place = spilling(tmp_path, 400_000)
    of_build, of_start = calls(inject, place)
    first, count = of_start[NUMBERS[call]] + 1, of_build.count(NUMBERS[call])
    assert count > first + 80
    # The number of calls depends a little on which thread comes first.
    numbers = [first + (count - first) * step // 44 for step in range(0, 40, 1 if soak else 10)]
    wrong = []
    for number in numbers:
        place.begin(with_old=True)
        done = place.build(under=[inject, "/dev/null", "fail", str(NUMBERS[call]), str(getattr(errno, error)), f"+{number}"])
        found = ended(place, done)
        if found or done.returncode == 0 or str(tmp_path) not in done.stderr:
            wrong.append((number, done.returncode, done.stderr, found))
    assert not wrong
    evidence(f"{call} {error}", len(numbers))
