"""Promise 3 for sets: after kills at every system call, failing calls and power cuts there is nothing, the old set, or the new one."""
import errno
import os
import re
from collections import Counter

import pytest
from place import OrphanPlace, SameSetPlace, SetPlace
from test_power_cut import cut_builds, disk  # noqa: F401  (a fixture)
from test_system_calls import NUMBERS, calls, kill_builds

NUMBERS = {**NUMBERS, "write": 1, "mkdir": 83, "unlinkat": 263}


# What exists before a build.
BEFORE = pytest.mark.parametrize("place, with_old", [(SetPlace, False), (SetPlace, True), (SameSetPlace, True), (OrphanPlace, True)])


@BEFORE
def test_killed_at_every_system_call(place, with_old, tmp_path, inject, soak, evidence):
    evidence("kill points", kill_builds(place(tmp_path), with_old, inject, 1 if soak else 11))


@pytest.mark.parametrize("call, error", [("pwrite64", "ENOSPC"), ("write", "ENOSPC"), ("fsync", "EIO"), ("rename", "EACCES"),
                                         ("mkdir", "ENOSPC"), ("openat", "EMFILE"), ("unlinkat", "EACCES")])
def test_a_failing_system_call(call, error, tmp_path, inject, evidence):
    """The build reports a path and a cause, and leaves the old set and nothing else, unless a call of the clean-up failed."""
    place, wrong, failed = SetPlace(tmp_path), [], 0
    of_build, of_start = calls(inject, place)
    # The program without a build writes its version, which is no call of a build.
    of_start[NUMBERS["write"]] = 0
    own = range(of_start[NUMBERS[call]] + 1, of_build.count(NUMBERS[call]) + 1)
    assert own, f"a build makes no such call: {Counter(of_build)}"
    code = getattr(errno, error)
    for number in own:
        place.begin(with_old=True)
        done = place.build(under=[inject, "/dev/null", "fail", str(NUMBERS[call]), str(code), str(number)])
        message = done.stderr.strip()
        if done.returncode:
            failed += 1
            durable = "may not survive" in message
            if done.returncode != 1 or not message.startswith("hashlith: ") or "panicked" in message \
                    or str(tmp_path) not in message or os.strerror(code) not in message:
                wrong.append((number, done.returncode, message))
            # A directory that cannot be opened cannot be cleared, and old parts stay as long as a power cut may bring their set back.
            # The next build removes both.
            if place.left_over() and call != "openat" and not durable or place.state() == "new" and not durable:
                wrong.append((number, "left", place.left_over(), place.state(), message))
        fault = place.fault(True, done.returncode == 0)
        if fault:
            wrong.append((number, done.returncode, message, fault))
    assert not wrong
    assert failed or call == "unlinkat"
    evidence(f"{call} {error}", len(own))


@pytest.mark.parametrize("further", ["", "+"])
@pytest.mark.parametrize("call, error", [("openat", "EMFILE"), ("rename", "EACCES"), ("fsync", "EIO"), ("write", "ENOSPC")])
def test_a_failing_rebuild_of_the_same_set(call, error, further, tmp_path, inject, evidence):
    """The new parts have the names of the old ones. If any one call fails, or it and all later ones, the set stays whole."""
    place, wrong, messages = SetPlace(tmp_path), [], []
    of_build, of_start = calls(inject, place)
    own = range(of_start[NUMBERS[call]] + (call != "write"), of_build.count(NUMBERS[call]) + 1)
    for number in own:
        place.clear()
        place.put(place.new_bytes)
        code = str(getattr(errno, error))
        done = place.build(under=[inject, "/dev/null", "fail", str(NUMBERS[call]), code, f"{further}{number}"])
        if done.returncode:
            messages.append(done.stderr.strip())
        # If no write succeeds, there is no message.
        is_reported = done.stderr.startswith("hashlith: ") or call == "write" or not done.returncode
        is_clear = done.returncode in (0, 1) and is_reported and "panicked" not in done.stderr
        if place.state() != "new" or not is_clear:
            wrong.append((number, done.returncode, done.stderr, place.state()))
        fault = place.fault(True, done.returncode == 0)
        if fault:
            wrong.append((number, done.returncode, done.stderr, fault))
    assert not wrong and messages
    # The last calls of that kind move parts when the new manifest is already there.
    assert any("keeps its old copy" in one for one in messages) == (call == "rename"), messages
    evidence(f"{call} {error}", len(own))


@pytest.mark.parametrize("with_old", [False, True])
def test_the_order_of_system_calls(with_old, tmp_path, strace):
    """Parts durable < moved in < manifest and directory durable < manifest renamed < directory durable < old parts removed; the
    directory of a new set is durable too."""
    place, log = SetPlace(tmp_path), tmp_path / "log"
    place.begin(with_old)
    old = [name for name in place.content() or [] if name != "manifest.json"]
    done = place.build(under=[strace, "-f", "-qq", "-y", "-o", str(log), "-e", "trace=fsync,rename,renameat,renameat2,unlink,unlinkat"])
    assert done.returncode == 0
    lines = [line for line in log.read_text().splitlines() if line.endswith("= 0")]

    def numbers(pattern):
        return [number for number, line in enumerate(lines) if re.search(pattern, line)]

    folder = re.escape(str(place.path))
    names = [name for name in place.content() if name != "manifest.json"]
    staged = rf"{folder}/\.new\.[^/]+\.tmp"
    # A part is synced under a temporary name: `part-`, its number, and what temporary names end with.
    synced = [numbers(rf"fsync\(\d+<{staged}/{name[:10]}\.[^/]+\.tmp>\)") for name in names]
    moved = [numbers(rf'rename.*"{staged}/{name}".*"{folder}/{name}"') for name in map(re.escape, names)]
    manifest_synced = numbers(rf"fsync\(\d+<{folder}/manifest\.json\.[^>]*>\)")
    renamed = numbers(rf'rename.*"{folder}/manifest\.json\.[^"]*", .*"{folder}/manifest\.json"')
    directory = numbers(rf"fsync\(\d+<{folder}>\)")
    removed = [number for name in old for number in numbers(rf'unlink.*"{folder}/{re.escape(name)}"')]
    assert len(names) == 2 and all(len(moves) == 1 for moves in moved) and len(renamed) == 1 and len(removed) == len(old)
    first, last = min(map(min, moved)), max(map(max, moved))
    assert all(fsyncs and min(fsyncs) < first for fsyncs in synced)
    assert [number for number in manifest_synced if number < renamed[0]]
    assert [number for number in directory if last < number < renamed[0]]
    assert [number for number in directory if renamed[0] < number < min(removed, default=len(lines))]
    assert with_old or [number for number in numbers(rf"fsync\(\d+<{re.escape(str(place.out))}>\)") if renamed[0] < number]


@BEFORE
def test_power_cut_in_a_build(place, with_old, disk, inject, soak, evidence):  # noqa: F811
    evidence("power cuts", cut_builds(place(disk.at), with_old, disk, inject, 1 if soak else 20))


def test_power_cut_after_success(disk, soak, evidence):  # noqa: F811
    place, rounds = SetPlace(disk.at), 50 if soak else 5
    for turn in range(rounds):
        place.begin(turn % 2)
        os.sync()
        assert place.build().returncode == 0
        disk.cut_power()
        assert place.state() == "new" and not place.left_over()
    evidence("power cuts after success", rounds)
