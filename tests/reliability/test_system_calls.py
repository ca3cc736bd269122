"""Promise 3 when a build is killed at a system call, or when one fails. inject.c counts the calls of all threads together."""
import errno
import os
import re
import subprocess
from collections import Counter

import pytest
from place import Place, hashlith, spilling

# Linux on x86-64.
NUMBERS = {"read": 0, "close": 3, "mmap": 9, "pread64": 17, "pwrite64": 18, "fcntl": 72, "flock": 73, "fsync": 74, "rename": 82,
           "unlink": 87, "getdents64": 217, "openat": 257, "statx": 332, "clone3": 435}
KILLED = 128 + 9


def calls(inject, place, with_old=True):
    """The numbers of the system calls of a build, in order, and how many of each the program makes without a build."""
    place.begin(with_old)
    log = place.folder / "log"
    done = place.build(under=[inject, log, "kill", "0"])
    assert done.returncode == 0, done.stderr
    of_build = list(map(int, log.read_text().split()))
    return of_build, calls_of_start(inject, log)


def calls_of_start(inject, log):
    """How many of each call the program makes without a build."""
    subprocess.run([inject, log, "kill", "0", hashlith(), "--version"], stdout=subprocess.DEVNULL, check=True)
    return Counter(map(int, log.read_text().split()))


def kill_builds(place, with_old, inject, step):
    """Kills builds at every step-th system call; returns how many. The states before and after must both occur, and no other."""
    wrong, states, killed, log = [], Counter(), 0, place.folder / "log"
    numbers = range(len(calls(inject, place, with_old)[0]), 0, -step)
    for number in numbers:
        place.begin(with_old)
        done = place.build(under=[inject, log, "kill", str(number)])
        states[place.state()] += 1
        killed += done.returncode == KILLED
        # The number of calls varies a little with the threads, so the last builds may end before their kill.
        if done.returncode != KILLED and len(log.read_text().split()) >= number:
            wrong.append((number, "was not killed", done.returncode, done.stderr))
        fault = place.fault(with_old, done.returncode == 0)
        if fault:
            wrong.append((number, fault))
    assert not wrong
    # Some builds die before the new file is there, some after it.
    if place.old_bytes != place.new_bytes:
        assert states["new"] and states["old" if with_old else "none"] > len(numbers) // 2, states
    return killed


@pytest.mark.parametrize("with_old", [False, True])
def test_killed_at_every_system_call(with_old, tmp_path, inject, soak, evidence):
    evidence("kill points", kill_builds(Place(tmp_path), with_old, inject, 1 if soak else 7))


# A call, its error, and whether a build must then fail. A build goes on without a lock, without clearing up, and after a failed
# close, because fsync has already reported every error.
FAILURES = [("pwrite64", "ENOSPC", True), ("pwrite64", "EIO", True), ("pwrite64", "EDQUOT", True), ("fsync", "EIO", True),
            ("rename", "EACCES", True), ("rename", "EXDEV", True), ("read", "EIO", True), ("openat", "EACCES", True),
            ("openat", "EMFILE", True), ("openat", "EIO", True), ("statx", "EIO", True), ("mmap", "ENOMEM", True),
            ("clone3", "EAGAIN", True), ("close", "EIO", False), ("fcntl", "EINVAL", False), ("flock", "ENOLCK", False),
            ("unlink", "EACCES", False), ("getdents64", "EIO", False)]


@pytest.mark.parametrize("call, error, must_fail", FAILURES)
def test_a_failing_system_call(call, error, must_fail, tmp_path, inject, evidence):
    """The build reports a path and a cause and exits with a code, and leaves the old file and no temporary file."""
    place, wrong, failed = Place(tmp_path), [], 0
    of_build, of_start = calls(inject, place)
    own = range(of_start[NUMBERS[call]] + 1, of_build.count(NUMBERS[call]) + 1)
    assert own, f"a build makes no such call: {Counter(of_build)}"
    code = getattr(errno, error)
    for number in own:
        place.begin(with_old=True)
        done = place.build(under=[inject, "/dev/null", "fail", str(NUMBERS[call]), str(code), str(number)])
        message = done.stderr.strip()
        if done.returncode:
            failed += 1
            durable = call in ("fsync", "openat") and "may not survive" in message
            is_named = str(tmp_path) in message and os.strerror(code) in message or call in ("clone3", "mmap") and "cannot start" in message
            # The standard library aborts if a new thread gets no stack for its signals. The next build still clears up.
            if call == "mmap" and "failed to allocate an alternative stack" in message:
                if fault := place.fault(True, False):
                    wrong.append((number, done.returncode, message, fault))
                continue
            if done.returncode != 1 or not message.startswith("hashlith: ") or "panicked" in message or not is_named:
                wrong.append((number, done.returncode, message))
            if place.left_over() or place.state() == "new" and not durable:
                wrong.append((number, "left", place.left_over(), place.state(), message))
        fault = place.fault(True, done.returncode == 0)
        if fault:
            wrong.append((number, done.returncode, message, fault))
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

/* Half of the bytes, but at least one: read(2) and write(2) may always transfer fewer than they were asked for. */
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
    """Every read and write moves half of the bytes that it was asked for; the file is the same."""
    source, library = tmp_path / "short.c", tmp_path / "short.so"
    source.write_text(SHORT)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    place = spilling(tmp_path, 150_000) if spills else Place(tmp_path)

    def count(*more):
        """The number of reads and writes at an offset."""
        place.begin(with_old=True)
        log, traced = tmp_path / "log", "trace=pread64,pwrite64"
        done = place.build(under=[strace, "-f", "-qq", "-o", str(log), "-e", traced, *more])
        assert done.returncode == 0 and place.state() == "new" and not place.left_over(), done.stderr
        return Counter(re.findall(r"(\w+)(?:\(| resumed>).* = \d+$", log.read_text(), re.MULTILINE))

    whole, halves = count(), count("-E", f"LD_PRELOAD={library}")
    # Temporary files are written and read back. Loading the program reads twice.
    assert (whole["pread64"] > 10) == (whole["pwrite64"] > 10) == spills, whole
    assert all(halves[call] > 2 * number for call, number in whole.items() if number > 2), (whole, halves)
