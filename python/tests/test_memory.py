"""32 processes share one file: its pages are in memory once, and a worker's own memory is small. Strict overcommit
(`vm.overcommit_memory=2`) refuses a copy of the data for each worker, but not the mapped file.
"""

import errno
import importlib.util
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAIRS = 10_000_000
WORKERS = 32
VM = pathlib.Path("/proc/sys/vm")


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
    """Strict overcommit of the whole machine, for a while: at most 1.5 GiB more than is committed now. A process of its own
    restores what was there when its standard input ends, so also when this process is killed.
    """

    def __init__(self, vm=VM):
        self.limit, self.overcommit = vm / "overcommit_kbytes", vm / "overcommit_memory"
        # Writing the ratio sets the number of kilobytes to 0, and the reverse: the one in force comes last.
        before = [(file, file.read_text().strip()) for file in (self.overcommit, self.limit, vm / "overcommit_ratio")]
        restore = [f"echo {text} > {file}" for file, text in before if text != "0" or file == self.overcommit]
        self.script = "; ".join(["cat > /dev/null", *restore])

    def __enter__(self):
        # In a session of its own, as Ctrl-C reaches all processes of this one.
        self.guard = subprocess.Popen(["sh", "-c", self.script], stdin=subprocess.PIPE, start_new_session=True)
        committed = next(
            int(line.split()[1])
            for line in pathlib.Path("/proc/meminfo").read_text().splitlines()
            if line.startswith("Committed_AS:")
        )
        self.limit.write_text(str(committed + (3 << 19)))
        self.overcommit.write_text("2")

    def __exit__(self, *_):
        self.guard.stdin.close()
        assert self.guard.wait() == 0


def test_what_was_set_is_restored_even_if_this_process_is_killed(tmp_path):
    before = {"overcommit_ratio": "50", "overcommit_kbytes": "0", "overcommit_memory": "0"}

    def found():
        return {name: (tmp_path / name).read_text().strip() for name in before}

    for name, text in before.items():
        (tmp_path / name).write_text(text)
    with StrictOvercommit(tmp_path):
        assert found()["overcommit_memory"] == "2" and found()["overcommit_kbytes"] != "0"
    assert found()["overcommit_memory"] == "0"
    child = os.fork()
    if child == 0:
        with StrictOvercommit(tmp_path):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    deadline = time.monotonic() + 60
    while found()["overcommit_memory"] != "0" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert found()["overcommit_memory"] == "0"


def may_set_overcommit():
    try:
        (VM / "overcommit_memory").write_text((VM / "overcommit_memory").read_text())
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
