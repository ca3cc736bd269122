"""Promise 3 when the power fails and the disk has kept what it liked of the writes since its last flush: all, none, some, torn.

A build runs on a file system on a disk whose writes and flushes are recorded (logged_disk.py). For points of that record the disk
gets all writes before the last flush, and a part of those after it. Then the file system is mounted and inspected.
"""
import contextlib
import ctypes
import os
import random
import subprocess
import threading
from collections import Counter

import pytest
from conftest import cannot, needed
from logged_disk import LoggedDisk
from place import DirectPlace, Place, SameSetPlace, SetPlace
from test_system_calls import NUMBERS, calls

SECTOR = 512
# ext4 trusts a write of its superblock, in the first block, to be whole.
WHOLE = 4096
LIBC = ctypes.CDLL(None, use_errno=True)
# The program that makes it, its Debian package, bytes of the disk, and two sets of mount options, the second one with fewer promises.
EXT4 = (["mkfs.ext4", "-q", "-F", "-b", "4096"], "e2fsprogs", 96 << 20, ["defaults", "data=writeback,noauto_da_alloc"])
XFS = (["mkfs.xfs", "-q", "-f"], "xfsprogs", 300 << 20, ["defaults", "defaults"])


def copy(source, target):
    subprocess.run(["cp", "--sparse=always", str(source), str(target)], check=True)


class Disk:
    """A file system on a recorded disk, mounted at `at`. The file `copy` has what is durable."""

    def __init__(self, folder, make, package, size, options):
        self.at, self.options = folder / "at", options[0]
        self.at.mkdir()
        program = needed(make[0], package)
        try:
            self.logged = LoggedDisk(folder, size)
        except OSError as error:
            cannot(f"writes to a disk cannot be recorded here: {error}")
        subprocess.run([program, *make[1:], str(self.logged.image)], check=True)
        self.image = os.open(self.logged.image, os.O_RDWR)
        self.copy = folder / "durable"
        self.mount(cannot)

    def mount(self, otherwise=pytest.fail):
        done = subprocess.run(["mount", "-o", f"loop,{self.options}", str(self.logged.path), str(self.at)], capture_output=True, text=True)
        if done.returncode:
            otherwise(f"the file system on a recorded disk cannot be mounted: {done.stderr.strip()}")

    def set_options(self, options):
        self.unmount()
        self.options = options
        self.mount()

    def unmount(self):
        subprocess.run(["umount", str(self.at)], check=True)

    def close(self):
        with contextlib.suppress(subprocess.CalledProcessError):
            self.unmount()
        os.close(self.image)
        self.logged.close()

    def record(self, run):
        """What is written while `run` runs, and then until the file system is unmounted: the entries, the number of those before it,
        and of those when it had ended."""
        self.unmount()
        self.logged.take_log()
        copy(self.logged.image, self.copy)
        self.mount()
        before = len(self.logged.take_log(keep=True))
        run()
        ended = len(self.logged.take_log(keep=True))
        self.unmount()
        return self.logged.take_log(), before, ended

    def cut_power(self, entries, points, choose, inspect):
        """For each number of entries, in order: makes the disk what it may be when the power fails there, and calls `inspect`, until
        that returns something."""
        copy(self.copy, self.logged.image)
        durable, state = 0, os.open(self.copy, os.O_RDWR)
        for point in points:
            flushes = [number for number in range(durable, point) if entries[number] is None]
            flushed = flushes[-1] if flushes else durable
            for offset, data in filter(None, entries[durable:flushed]):
                for disk in (state, self.image):
                    os.pwrite(disk, data, offset)
            durable = flushed
            kept = survivors([entry for entry in entries[durable:point] if entry], choose)
            for offset, data in kept:
                os.pwrite(self.image, data, offset)
            self.mount()
            try:
                found = inspect(point)
            finally:
                self.unmount()
                # Back to what is durable.
                for offset, data in kept + [entry for entry in self.logged.take_log() if entry]:
                    os.pwrite(self.image, os.pread(state, len(data), offset), offset)
            if found:
                break
        os.close(state)
        self.mount()


def survivors(writes, choose):
    """A random part of these writes: all, none, one, all but one, or any; one in five is torn."""
    share, odd = choose.choice([0, 1, 0.5, choose.random()]), choose.randrange(len(writes) + 1)
    flips_one, kept = choose.random() < 0.5, []
    for number, (offset, data) in enumerate(writes):
        if (choose.random() < share) == (flips_one and number == odd):
            continue
        if offset < WHOLE or choose.random() > 0.2:
            kept.append((offset, data))
        else:
            length = choose.choice([SECTOR, 8 * SECTOR])
            kept += [(offset + at, data[at:at + length]) for at in range(0, len(data), length) if choose.random() < 0.5]
    return kept


@pytest.fixture(params=[EXT4, XFS], ids=["ext4", "xfs"])
def file_system(request, tmp_path, own_mounts):
    disk = Disk(tmp_path, *request.param)
    yield disk, request.param[-1]
    disk.close()


@contextlib.contextmanager
def syncing(folder, choose):
    """Meanwhile the file system writes what it has at random moments, as it does by itself every few seconds."""
    end, handle = threading.Event(), os.open(folder, os.O_RDONLY)

    def run():
        while not end.wait(choose.uniform(0, 0.02)):
            LIBC.syncfs(handle)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
        os.close(handle)


def first_fault(disk, place, with_old, build, points, choose, states):
    """What is wrong after a power cut at any of so many points, or None. `states` counts what was found."""
    place.begin(with_old)
    entries, before, ended = disk.record(build)
    # The moments before and after the build are always there.
    numbers = sorted([before, ended, *(choose.randrange(before, len(entries) + 1) for _ in range(points - 2))])
    faults = []

    def inspect(point):
        states[place.state()] += 1
        if fault := place.fault(with_old, point >= ended):
            faults.append(f"{fault} (cut at {point} of {before}, {ended}, {len(entries)})")
        return faults

    disk.cut_power(entries, numbers, choose, inspect)
    return faults[0] if faults else None


@pytest.mark.parametrize("kind", [Place, SetPlace, SameSetPlace, DirectPlace])
def test_power_cuts_with_reordering(kind, file_system, inject, soak, evidence):
    disk, options = file_system
    place = kind(disk.at, inject=inject) if kind is DirectPlace else kind(disk.at)
    if kind is DirectPlace:
        made = list(map(int, (place.folder / "calls").read_text().split()))
        assert made.count(NUMBERS["fcntl"]) > calls(inject, place)[0].count(NUMBERS["fcntl"])
        # Only whole huge pages bypass the cache.
        assert len(place.new_bytes) > 2 << 20
    rounds, points, all_states = 24 if soak else 2, 50 if soak else 4, Counter()
    for turn in range(rounds):
        choose = random.Random(turn)
        disk.set_options(options[turn % 2])
        with_old = kind is SameSetPlace or turn % 4 < 2

        def build():
            with syncing(disk.at, choose) if turn % 2 else contextlib.nullcontext():
                place.build().check_returncode()
        fault = first_fault(disk, place, with_old, build, points, choose, all_states)
        assert not fault, (turn, fault)
    if kind is not SameSetPlace:
        assert all_states["new"] and all_states["old"], all_states
    evidence("power cuts", rounds * points)


# Syncs of a build that do nothing: one of a file; all from one of a directory on. One for a directory may do the work of another.
@pytest.mark.parametrize("kind, syncs", [(Place, ["1", "+2"]), (SetPlace, ["1", "2", "3", "+4"])])
def test_a_build_that_does_not_sync_is_caught(kind, syncs, file_system, inject):
    """So the test above can fail."""
    disk, options = file_system
    place = kind(disk.at)
    disk.set_options(options[1])
    for which in syncs:
        command = [inject, "/dev/null", "fail", str(NUMBERS["fsync"]), "0", which]
        fault = first_fault(disk, place, True, lambda: place.build(under=command).check_returncode(), 30, random.Random(1), Counter())
        assert fault and ("broken" in fault or "success was reported, but it is old" in fault), (which, fault)


def test_what_a_disk_may_keep():
    """Of two writes of two sectors: each sector alone, each write alone, both, neither."""
    writes, found = [(8192, b"1" * SECTOR + b"2" * SECTOR), (16384, b"3" * SECTOR + b"4" * SECTOR)], set()
    for seed in range(3000):
        kept = b"".join(data for _, data in survivors(writes, random.Random(seed)))
        found.add(kept[::SECTOR].decode())
    assert {"", "1", "2", "3", "4", "12", "34", "1234"} <= found
