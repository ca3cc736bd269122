"""Tests 7, 8 and 10 of the promises: a build that is killed at every system call, or to which one of them fails.

strace counts the calls of each thread on its own; a build with `--threads 1` has two or three.
"""
import re
import subprocess
from collections import Counter

import pytest
from place import Place

# Calls that strace cannot stop before, or that come before the program's own first instruction.
NEVER = {"execve", "exit_group", "exit", "vfork", "clone", "clone3"}
LINE = re.compile(r"^(?:\[pid\s+)?(\d+)\]?\s+(\w+)\(")


def calls(strace, place, log):
    """How often the busiest thread of a sound build makes each system call."""
    place.begin(with_old=True)
    done = place.build(under=[strace, "-f", "-qq", "-o", str(log)])
    assert done.returncode == 0, done.stderr
    found = Counter(match.groups() for match in map(LINE.match, log.read_text().splitlines()) if match)
    most = {}
    for (_, name), count in found.items():
        most[name] = max(most.get(name, 0), count)
    return {name: count for name, count in most.items() if name not in NEVER}


def points(most, soak):
    """Every call, or in the short form the first and the last ones and some between."""
    for name, count in sorted(most.items()):
        numbers = range(1, count + 1)
        if not soak and count > 6:
            numbers = sorted({1, 2, count // 2, count - 1, count})
        yield from ((name, number) for number in numbers)


@pytest.mark.parametrize("with_old", [False, True])
def test_killed_at_every_system_call(with_old, tmp_path, strace, soak, evidence):
    place, wrong, states = Place(tmp_path), [], Counter()
    most = calls(strace, place, tmp_path / "log")
    killed = 0
    for name, number in points(most, soak):
        place.begin(with_old)
        done = place.build(under=[strace, "-f", "-qq", "-o", "/dev/null", "-e", f"inject={name}:signal=KILL:when={number}"])
        killed += done.returncode != 0
        states[place.state()] += 1
        fault = place.fault(with_old, done.returncode == 0)
        if fault:
            wrong.append((name, number, fault))
    assert not wrong
    # Some die before the file is there, some after.
    assert states["new"] and states["old" if with_old else "none"] > killed // 2, states
    evidence("kill points", killed)


FAILURES = [("pwrite64", "ENOSPC"), ("pwrite64", "EIO"), ("pwrite64", "EDQUOT"), ("fsync", "EIO"), ("close", "EIO"),
            ("rename", "EACCES"), ("rename", "EXDEV"), ("openat", "EACCES"), ("openat", "EMFILE"), ("openat", "EIO"),
            ("read", "EIO"), ("mmap", "ENOMEM"), ("clone3", "EAGAIN"), ("fcntl", "EINVAL"),
            ("flock", "ENOLCK"), ("statx", "EIO"), ("getrandom", "ENOSYS"), ("unlink", "EACCES"),
            ("getdents64", "EIO")]


@pytest.mark.parametrize("call, error", FAILURES)
def test_a_failing_system_call(call, error, tmp_path, strace, soak, evidence):
    """An error that names a path and a cause, an exit code, the old file, no temporary file, never a signal."""
    place, wrong = Place(tmp_path), []
    # Threads are started by a call that the other test leaves out.
    most = {"clone3": 1, **calls(strace, place, tmp_path / "log")}
    # What begins a build is the dynamic loader's, which has messages of its own.
    skipped = {"openat": 3, "read": 3, "mmap": 12}.get(call, 0)
    numbers = [number for name, number in points({call: most.get(call, 0)}, soak) if number > skipped]
    assert numbers, f"a build makes no such call: {sorted(most)}"
    failed = 0
    for number in numbers:
        place.begin(with_old=True)
        inject = f"inject={call}:error={error}:when={number}"
        done = place.build(under=[strace, "-f", "-qq", "-o", "/dev/null", "-e", inject])
        told = done.stderr.strip()
        if done.returncode:
            failed += 1
            durable = call == "fsync" and "may not survive" in told
            if done.returncode < 0 or done.returncode > 128 or not told or "panicked" in told:
                wrong.append((number, done.returncode, told))
            if place.left_over() or place.state() == "new" and not durable:
                wrong.append((number, "left", place.left_over(), place.state(), told))
        fault = place.fault(True, done.returncode == 0)
        if fault:
            wrong.append((number, done.returncode, told, fault))
    assert not wrong
    if call in ("pwrite64", "rename", "fsync"):
        assert failed == len(numbers) > 0
    evidence(f"{call} {error}", len(numbers))


def test_the_order_of_system_calls(tmp_path, strace):
    """Last write < fsync of the file < rename < fsync of the directory < exit; the final path is never opened for writing."""
    place, log = Place(tmp_path), tmp_path / "log"
    place.begin(with_old=True)
    traced = "openat,pwrite64,write,fsync,fdatasync,rename,renameat,renameat2,exit_group"
    assert place.build(under=[strace, "-f", "-qq", "-y", "-o", str(log), "-e", f"trace={traced}"]).returncode == 0
    lines = log.read_text().splitlines()

    def numbers(pattern):
        return [number for number, line in enumerate(lines) if re.search(pattern, line)]

    temporary = re.escape(str(place.path)) + r"\.\d+-0\.tmp"
    writes, synced = numbers(rf"pwrite64\(\d+<{temporary}>"), numbers(rf"fsync\(\d+<{temporary}>\) = 0")
    renamed = numbers(rf'rename\w*\(.*"{temporary}", .*"{re.escape(str(place.path))}"\S*\) = 0')
    directory = numbers(rf"fsync\(\d+<{re.escape(str(place.out))}>\) = 0")
    assert len(synced) == len(renamed) == len(directory) == 1 and len(writes) >= 3
    assert writes[-1] < synced[0] < renamed[0] < directory[0] < numbers(r"exit_group\(0\)")[0]
    header = [line for line in lines if "pwrite64" in line and re.search(r", 4096, 0\) = 4096$", line)]
    assert header == [lines[writes[-1]]]
    opened = numbers(rf'openat\(.*"{re.escape(str(place.path))}", .*(O_WRONLY|O_RDWR|O_TRUNC|O_CREAT)')
    assert opened == []


SHORT = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/types.h>

/* At most half of what was asked for, and at least a byte: what read(2) and write(2) may do at any time. */
#define HALF(n) ((n) > 1 ? (n) / 2 : (n))
#define CALL(result, name, parameters, arguments) \\
    result name parameters { \\
        static result (*next) parameters; \\
        if (!next) *(void **)&next = dlsym(RTLD_NEXT, #name); \\
        return next arguments; \\
    }

CALL(ssize_t, write, (int fd, const void *from, size_t n), (fd, from, HALF(n)))
CALL(ssize_t, read, (int fd, void *to, size_t n), (fd, to, HALF(n)))
CALL(ssize_t, pwrite64, (int fd, const void *from, size_t n, off64_t at), (fd, from, HALF(n), at))
CALL(ssize_t, pread64, (int fd, void *to, size_t n, off64_t at), (fd, to, HALF(n), at))
"""


def test_short_reads_and_writes(tmp_path, strace):
    """Test 8: every transfer moves half of what was asked for, and the file is the same."""
    source, library = tmp_path / "short.c", tmp_path / "short.so"
    source.write_text(SHORT)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    place = Place(tmp_path)
    few = calls(strace, place, tmp_path / "log")["pwrite64"]
    place.begin(with_old=True)
    done = place.build(under=[strace, "-f", "-qq", "-o", str(tmp_path / "log"), "-E", f"LD_PRELOAD={library}"])
    assert done.returncode == 0 and place.state() == "new" and not place.left_over(), done.stderr
    assert (tmp_path / "log").read_text().count("pwrite64(") > 5 * few
