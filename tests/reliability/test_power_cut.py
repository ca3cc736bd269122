"""Promise 3 when the power fails during a build. An ext4 file system in a file is shut down without writing its journal, as if
the machine had lost power, mounted again and inspected.

The build is killed at a system call first: a dead process writes nothing more, and the power cut takes what it had not made
durable.
"""
import fcntl
import os
import struct
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from conftest import cannot, needed
from place import Place
from test_system_calls import KILLED, calls

# EXT4_IOC_SHUTDOWN of linux/fs/ext4 (_IOR('X', 125, __u32)), and its flag for "do not write the journal".
SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2


class Disk:
    """ext4 in the file `image`, mounted at `at`."""

    def __init__(self, image, at):
        self.image, self.at = image, at
        with open(image, "wb") as file:
            file.truncate(192 << 20)
        subprocess.run([needed("mkfs.ext4", "e2fsprogs"), "-q", "-F", str(image)], check=True)
        at.mkdir()
        self.mount()

    def mount(self):
        # Only an fsync makes anything durable: the file system commits nothing by itself while a test lasts.
        done = subprocess.run(["mount", "-o", "loop,commit=300", str(self.image), str(self.at)], capture_output=True, text=True)
        if done.returncode:
            cannot(f"a power cut needs a file system of its own, which cannot be mounted here: {done.stderr.strip()}")

    def unmount(self):
        subprocess.run(["umount", str(self.at)], check=True)

    def cut_power(self):
        handle = os.open(self.at, os.O_RDONLY)
        fcntl.ioctl(handle, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        os.close(handle)
        self.unmount()
        self.mount()


@pytest.fixture
def disk(tmp_path, own_mounts):
    disk = Disk(tmp_path / "image", tmp_path / "disk")
    yield disk
    disk.unmount()


def cut_builds(place, with_old, disk, inject, step):
    """Cuts the power at every step-th system call of a build; returns how often. The states before and after must both occur, and no other."""
    wrong, states, cut = [], Counter(), 0
    # From the last call on, which is after the file got its name.
    for number in range(len(calls(inject, place, with_old)[0]), 0, -step):
        place.begin(with_old)
        os.sync()
        done = place.build(under=[inject, "/dev/null", "kill", str(number)])
        disk.cut_power()
        cut += done.returncode == KILLED
        states[place.state()] += 1
        fault = place.fault(with_old, done.returncode == 0)
        if fault:
            wrong.append((number, done.returncode, fault))
    assert not wrong
    assert len(states) == (2 if place.old_bytes != place.new_bytes else 1), states
    return cut


@pytest.mark.parametrize("with_old", [False, True])
def test_power_cut_in_a_build(with_old, disk, inject, soak, evidence):
    evidence("power cuts", cut_builds(Place(disk.at), with_old, disk, inject, 1 if soak else 12))


@pytest.mark.parametrize("with_old", [False, True])
def test_power_cut_after_success(with_old, disk, soak, evidence):
    place, rounds = Place(disk.at), 50 if soak else 10
    for _ in range(rounds):
        place.begin(with_old)
        os.sync()
        assert place.build().returncode == 0
        disk.cut_power()
        assert place.state() == "new" and not place.left_over()
    evidence("power cuts after success", rounds)


@pytest.mark.parametrize("sync_file", [False, True])
def test_this_power_cut_takes_what_is_not_durable(sync_file, disk):
    """A writer that forgets the last fsync, or both, loses its file, so the tests above can fail."""
    place = Place(disk.at)
    place.begin(with_old=True)
    os.sync()
    temporary = Path(f"{place.path}.1-0.tmp")
    with open(temporary, "wb") as file:
        file.write(place.new_bytes)
        file.flush()
        if sync_file:
            os.fsync(file.fileno())
    temporary.rename(place.path)
    assert place.state() == "new"
    disk.cut_power()
    assert place.state() == "old"
