"""Tests 7, 8 and 10 of the promises: a build that is killed at every system call, or to which one of them fails. inject.c counts
the calls of all threads together.
"""
import errno
import os
import re
import subprocess
from collections import Counter

import pytest
from place import Place, spilling

# Linux on x86-64.
NUMBERS = {"read": 0, "close": 3, "mmap": 9, "pread64": 17, "pwrite64": 18, "fcntl": 72, "flock": 73, "fsync": 74, "rename": 82,
           "unlink": 87, "getdents64": 217, "openat": 257, "statx": 332, "clone3": 435}
KILLED = 128 + 9


def calls(inject, place, with_old=True):
    """The numbers of the system calls of a sound build, in order, and how many of each the mere start of the program makes."""
    place.begin(with_old)
    log = place.folder / "log"
    done = place.build(under=[inject, log, "kill", "0"])
    assert done.returncode == 0, done.stderr
    of_build = list(map(int, log.read_text().split()))
    subprocess.run([inject, log, "kill", "0", place.command()[0], "--version"], stdout=subprocess.DEVNULL, check=True)
    return of_build, Counter(map(int, log.read_text().split()))


def kill_builds(place, with_old, inject, step):
    """Kills builds at every step-th system call, and gives how many. What lies there must be sound, and of both kinds."""
    wrong, states, killed, log = [], Counter(), 0, place.folder / "log"
    numbers = range(1, len(calls(inject, place, with_old)[0]) + 1, step)
    for number in numbers:
        place.begin(with_old)
        done = place.build(under=[inject, log, "kill", str(number)])
        states[place.state()] += 1
        killed += done.returncode == KILLED
        # Threads make a few calls more or less each time, so the last builds may end before.
        if done.returncode != KILLED and len(log.read_text().split()) >= number:
            wrong.append((number, "was not killed", done.returncode, done.stderr))
        fault = place.fault(with_old, done.returncode == 0)
        if fault:
            wrong.append((number, fault))
    assert not wrong
    # Some die before the file is there, some after, unless it was there at first.
    if place.old_bytes != place.new_bytes:
        assert states["new"] and states["old" if with_old else "none"] > len(numbers) // 2, states
    return killed


@pytest.mark.parametrize("with_old", [False, True])
def test_killed_at_every_system_call(with_old, tmp_path, inject, soak, evidence):
    evidence("kill points", kill_builds(Place(tmp_path), with_old, inject, 1 if soak else 7))


# Each call and the error that it gives, and whether a build must fail then. It goes on without a lock, without clearing up, and
# after a close that fails: by then fsync has told.
FAILURES = [("pwrite64", "ENOSPC", True), ("pwrite64", "EIO", True), ("pwrite64", "EDQUOT", True), ("fsync", "EIO", True),
            ("rename", "EACCES", True), ("rename", "EXDEV", True), ("read", "EIO", True), ("openat", "EACCES", True),
            ("openat", "EMFILE", True), ("openat", "EIO", True), ("statx", "EIO", True), ("mmap", "ENOMEM", True),
            ("clone3", "EAGAIN", True), ("close", "EIO", False), ("fcntl", "EINVAL", False), ("flock", "ENOLCK", False),
            ("unlink", "EACCES", False), ("getdents64", "EIO", False)]


@pytest.mark.parametrize("call, error, must_fail", FAILURES)
def test_a_failing_system_call(call, error, must_fail, tmp_path, inject, evidence):
    """An error that names a path and a cause, an exit code, the old file, no temporary file, never a signal."""
    place, wrong, failed = Place(tmp_path), [], 0
    of_build, of_start = calls(inject, place)
    own = range(of_start[NUMBERS[call]] + 1, of_build.count(NUMBERS[call]) + 1)
    assert own, f"a build makes no such call: {Counter(of_build)}"
    code = getattr(errno, error)
    for number in own:
        place.begin(with_old=True)
        done = place.build(under=[inject, "/dev/null", "fail", str(NUMBERS[call]), str(code), str(number)])
        told = done.stderr.strip()
        if done.returncode:
            failed += 1
            durable = call in ("fsync", "openat") and "may not survive" in told
            is_named = str(tmp_path) in told and os.strerror(code) in told or call in ("clone3", "mmap") and "cannot start" in told
            # The standard library aborts when a thread that starts gets no stack for its signals. What it leaves is cleared up all
            # the same.
            if call == "mmap" and "failed to allocate an alternative stack" in told:
                if fault := place.fault(True, False):
                    wrong.append((number, done.returncode, told, fault))
                continue
            if done.returncode != 1 or not told.startswith("hashlith: ") or "panicked" in told or not is_named:
                wrong.append((number, done.returncode, told))
            if place.left_over() or place.state() == "new" and not durable:
                wrong.append((number, "left", place.left_over(), place.state(), told))
        fault = place.fault(True, done.returncode == 0)
        if fault:
            wrong.append((number, done.returncode, told, fault))
    assert not wrong
    assert failed or not must_fail
    if call in ("pwrite64", "rename", "fsync"):
        assert failed == len(own)
    evidence(f"{call} {error}", len(own))


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


@pytest.mark.parametrize("spills", [False, True])
def test_short_reads_and_writes(spills, tmp_path, inject, strace):
    """Test 8: every transfer moves half of what was asked for, and the file is the same."""
    source, library = tmp_path / "short.c", tmp_path / "short.so"
    source.write_text(SHORT)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    place = spilling(tmp_path, 150_000) if spills else Place(tmp_path)

    def count(*more):
        """How often bytes were read and written at a place."""
        place.begin(with_old=True)
        log, traced = tmp_path / "log", "trace=pread64,pwrite64"
        done = place.build(under=[strace, "-f", "-qq", "-o", str(log), "-e", traced, *more])
        assert done.returncode == 0 and place.state() == "new" and not place.left_over(), done.stderr
        return Counter(re.findall(r"(\w+)(?:\(| resumed>).* = \d+$", log.read_text(), re.MULTILINE))

    whole, halves = count(), count("-E", f"LD_PRELOAD={library}")
    # Temporary files are written and read back; a start reads twice.
    assert (whole["pread64"] > 10) == (whole["pwrite64"] > 10) == spills, whole
    assert all(halves[call] > 2 * number for call, number in whole.items() if number > 2), (whole, halves)
