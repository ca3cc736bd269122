"""32 processes share one file: its pages are in memory once, and a worker's own memory is small. Strict overcommit
(`vm.overcommit_memory=2`) refuses a copy of the data for each worker, but not the mapped file.
"""

import errno
import importlib.util
import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAIRS = 10_000_000
WORKERS = 32
OVERCOMMIT = pathlib.Path("/proc/sys/vm/overcommit_memory")
LIMIT = pathlib.Path("/proc/sys/vm/overcommit_kbytes")
RATIO = pathlib.Path("/proc/sys/vm/overcommit_ratio")


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "benches" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bench = load("python_memory")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    found = tmp_path_factory.mktemp("memory") / "shared.hlith"
    bench.build(found, PAIRS)
    return found


def test_each_worker_has_little_memory_of_its_own(path):
    result = bench.measure(path, PAIRS, WORKERS, 300_000)
    size = path.stat().st_size
    assert len(result["workers"]) == WORKERS
    for worker in result["workers"]:
        assert worker["private"] - result["idle"]["private"] <= 12 << 20
        # It touched most of the file, and shares these pages.
        assert worker["resident"] > 0.9 * size
        assert worker["page tables"] < size / 4096 * 8 * 1.1 + (1 << 20)
    assert sum(worker["proportional"] for worker in result["workers"]) < 2 * size


class StrictOvercommit:
    """Strict overcommit of the whole machine, for a while: at most 1.5 GiB more than is committed now."""

    def __enter__(self):
        self.before = [(file, file.read_text()) for file in (RATIO, LIMIT, OVERCOMMIT)]
        committed = next(
            int(line.split()[1])
            for line in pathlib.Path("/proc/meminfo").read_text().splitlines()
            if line.startswith("Committed_AS:")
        )
        LIMIT.write_text(str(committed + (3 << 19)))
        OVERCOMMIT.write_text("2")

    def __exit__(self, *_):
        # Writing the ratio sets the number of kilobytes to 0, and the reverse: the one in force comes last.
        for file, text in self.before[::-1]:
            if text.strip() != "0" or file == OVERCOMMIT:
                file.write_text(text)


def may_set_overcommit():
    try:
        OVERCOMMIT.write_text(OVERCOMMIT.read_text())
    except OSError:
        return False
    return True


def fork_with(size):
    """The error of a fork in a process with this much private memory, such as a global dict, or 0."""
    script = f"""
        import mmap, os
        own = mmap.mmap(-1, {size}, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        try:
            child = os.fork()
        except OSError as error:
            print(error.errno)
        else:
            if child == 0:
                os._exit(0)
            os.waitpid(child, 0)
            print(0)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_strict_overcommit_refuses_copies_and_not_the_index(path):
    """Where the machine does not let a test set it, RLIMIT_AS stands in for it."""
    size = path.stat().st_size
    if may_set_overcommit():
        assert fork_with(1 << 30) == 0
        with StrictOvercommit():
            assert fork_with(1 << 30) == errno.ENOMEM
            result = bench.measure(path, PAIRS, WORKERS, 100_000)
        assert WORKERS * size > 10 << 30 and len(result["workers"]) == WORKERS
        return
    if os.environ.get("HASHLITH_NO_SKIPS"):
        pytest.fail("vm.overcommit_memory cannot be set here")
    print("vm.overcommit_memory cannot be set here: RLIMIT_AS stands in for it", file=sys.stderr)
    script = f"""
        import errno, itertools, mmap, resource, hashlith
        index = hashlith.open({str(path)!r})
        used = int(open("/proc/self/statm").read().split()[0]) * mmap.PAGESIZE
        resource.setrlimit(resource.RLIMIT_AS, (used + {size // 2}, used + {size // 2}))
        try:
            mmap.mmap(-1, {size}, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except OSError as error:
            assert error.errno == errno.ENOMEM
        else:
            raise AssertionError("a copy should not have fitted")
        keys = list(itertools.islice(index, 100_000))
        assert None not in index.get_many(keys)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True)
