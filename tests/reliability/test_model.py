"""The whole of hashlith against plain dicts: random sequences of builds, merges and splits. Some are killed, or meet system calls
that fail. After each step every index is what its dict says, and nothing else is in the folder. Hypothesis shrinks what fails.
"""
import collections
import csv
import errno
import functools
import itertools
import json
import os
import pickle
import random
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import hypothesis
import pytest
from binary import hashlith
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from test_system_calls import NUMBERS, calls_of_start

SOAK = bool(os.environ.get("HASHLITH_SOAK"))
MIB = 1 << 20
NAMES = ["a.hlith", "b.hlith", "c", "d"]
STEPS = collections.Counter()
# What a whole is made of: the number of records, the lengths of keys and values, copies of keys.
COUNTS = [50, 3000, 100_000, 0, 1] + ([1_000_000] if SOAK else [])
KEY_LENGTHS = [8, 20, 300, 70_000]
VALUE_LENGTHS = [0, 1, 40, 5000, 100_000, 3 * MIB, 8 * MIB]
FORMATS = ["pickle", "tsv", "csv", "jsonl", "cdbmake"]
# Bytes of one input, so that a step ends.
MOST = (400 if SOAK else 30) * MIB

SHAPES = st.fixed_dictionaries({
    "count": st.sampled_from(COUNTS),
    "key": st.sampled_from(KEY_LENGTHS),
    "value": st.sampled_from(VALUE_LENGTHS),
    "long": st.sampled_from([0.05, 0, 0.001, 1]),
    "copies": st.sampled_from([30, 0, 1]),
    "seed": st.integers(0, 1000),
})
LIMITS = st.sampled_from([(1, 32), (2, 48), (4, 80), (2, 1024)])
POLICIES = st.sampled_from(["first", "last", "error"])
# Calls that a build, merge or split makes, and their errors; which one of them fails, and whether all later ones do too.
CALLS = [("pwrite64", "ENOSPC"), ("fsync", "EIO"), ("rename", "EACCES"), ("pread64", "EIO"), ("openat", "EMFILE"), ("read", "EIO"), ("statx", "EIO"),
         ("unlink", "EACCES"), ("flock", "ENOLCK"), ("getdents64", "EIO"), ("close", "EIO"), ("clone3", "EAGAIN"), ("fcntl", "EINVAL")]
FAILING = st.tuples(st.just("fail"), st.sampled_from(CALLS), st.sampled_from([1, 1, 1, 2, 2, 3, 5, 9]), st.sampled_from(["", "+"]))
FAULTS = st.one_of(st.none(), st.none(), st.tuples(st.just("kill"), st.sampled_from([0.0, 0.1, 0.5])),
                   st.tuples(st.just("limit"), st.sampled_from([1 << 14, 1 << 20])), FAILING, FAILING)


def records(shape):
    """Keys and values in order. Most values are short; `long` of them have the length `value`."""
    numbers = random.Random(shape["seed"])
    count, length = shape["count"], 0
    found = []
    for number in range(count):
        key = f"{numbers.choice('kxé')}{shape['seed']}-{number}"
        if numbers.random() < shape["long"]:
            key = key.ljust(shape["key"], "k")
            value = f"{number} ".ljust(shape["value"], numbers.choice("ab"))[: shape["value"]]
        else:
            value = str(numbers.randrange(100))
        found.append((key, value))
        length += len(key) + len(value)
        if length > MOST:
            break
    for _ in range(min(shape["copies"], len(found))):
        key, value = numbers.choice(found)
        found.insert(numbers.randrange(len(found) + 1), (key, f"copy {value[:50]}"))
    return found


def write(path, form, rows):
    """Writes an input. Pickled dicts have each key once, so pairs are pickled."""
    if form == "pickle":
        path.write_bytes(pickle.dumps(rows, 4))
        return
    with open(path, "w", newline="", encoding="utf-8") as file:
        if form == "tsv":
            file.writelines(f"{key}\t{value}\n" for key, value in rows)
        elif form == "csv":
            csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
        elif form == "jsonl":
            file.writelines(json.dumps({"key": key, "value": value}) + "\n" for key, value in rows)
        else:
            for key, value in rows:
                file.write(f"+{len(key.encode())},{len(value.encode())}:{key}->{value}\n")
            file.write("\n")


def keep(policy, rows):
    """The dict of these records; None if a key occurs twice and may not."""
    kept = {}
    for key, value in rows:
        if key in kept and policy == "error":
            return None
        if key not in kept or policy == "last":
            kept[key] = value
    return kept


def dumped(path):
    """All records of an index, read from cdbmake format by nothing but its definition."""
    data = subprocess.run([hashlith(), "dump", "--format", "cdbmake", str(path)], capture_output=True, check=True).stdout
    found, at = {}, 0
    while data[at:at + 1] == b"+":
        comma, colon = data.index(b",", at), data.index(b":", at)
        key_end = colon + 1 + int(data[at + 1:comma])
        value_end = key_end + 2 + int(data[comma + 1:colon])
        assert data[key_end:key_end + 2] == b"->" and data[value_end:value_end + 1] == b"\n"
        key = data[colon + 1:key_end].decode()
        assert key not in found
        found[key] = data[key_end + 2:value_end].decode()
        at = value_end + 1
    assert data[at:] == b"\n"
    return found


class Indexes(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="hashlith-model-"))
        self.inputs = self.folder / "inputs"
        self.out = self.folder / "out"
        self.inputs.mkdir()
        self.out.mkdir()
        self.models, self.parts = {}, {}

    def teardown(self):
        shutil.rmtree(self.folder)

    def run(self, command, fault=None):
        """Runs hashlith, which may be killed, or get a limit on the size of files, or have system calls that fail. Returns its exit
        code and what it said."""
        what, *how = fault or (None,)

        def limit():
            # A signal would end the process before it can say what is wrong.
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (how[0], how[0]))

        under = []
        if what == "fail":
            (call, error), number, further = how
            first = self.of_start[NUMBERS[call]] + number
            under = [self.inject, "/dev/null", "fail", str(NUMBERS[call]), str(getattr(errno, error)), f"{further}{first}"]
        with subprocess.Popen([*under, hashlith(), *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                              preexec_fn=limit if what == "limit" else None) as process:
            if what == "kill":
                time.sleep(how[0])
                process.kill()
            said = process.communicate(timeout=600)[1]
        STEPS[command[0]] += 1
        return process.returncode, said

    def become(self, name, parts, expected, ended, fault=None):
        """After a command that should have made this dict, or failed if it is None. With a fault it may be either."""
        code, said = ended
        if code == 0:
            assert expected is not None, "it succeeded"
        elif code == -signal.SIGKILL:
            assert fault[0] == "kill", fault
        else:
            assert code == 1 and (expected is None or fault) and re.match("hashlith: ", said) and "panicked" not in said, (code, said)
        is_new = code == 0
        STEPS["failing calls"] += code == 1 and expected is not None and fault[0] == "fail"
        # It may have come to its end, or may not know that it has.
        if code == -signal.SIGKILL or fault and fault[0] == "fail" and ("may not survive" in said or "the set is complete" in said):
            now = dumped(self.out / name) if os.path.exists(self.out / name) and self.is_whole(name) else None
            assert now in (expected, self.models.get(name)), "neither the old one nor the new one"
            is_new = now == expected and now != self.models.get(name)
            assert is_new or code == -signal.SIGKILL or now == expected, said
        if is_new:
            self.models[name], self.parts[name] = expected, parts

    def is_whole(self, name):
        path = self.out / name
        return path.is_file() or (path / "manifest.json").is_file()

    @staticmethod
    def limits(limits):
        threads, memory = limits
        return ["--quiet", "--threads", threads, "--memory", f"{memory}M"]

    @initialize(shape=SHAPES)
    def first(self, shape):
        self.build("a.hlith", [shape], "tsv", "last", (2, 48), 8, None)

    @rule(
        name=st.sampled_from(NAMES), shapes=st.lists(SHAPES, min_size=1, max_size=3), form=st.sampled_from(FORMATS),
        policy=POLICIES, limits=LIMITS, bits=st.integers(1, 16), fault=FAULTS,
    )
    def build(self, name, shapes, form, policy, limits, bits, fault):
        rows = []
        for number, shape in enumerate(shapes):
            own = records(shape)
            write(self.inputs / f"{number}.{form}", form, own)
            rows.append(own)
        paths = [self.inputs / f"{number}.{form}" for number in range(len(shapes))]
        parts = None if name.endswith(".hlith") else 1 + shapes[0]["seed"] % 5
        expected = keep(policy, itertools.chain(*rows))
        command = ["build", *self.limits(limits), "--format", form, "--on-duplicate", policy, "--fingerprint-bits", bits]
        command += ["--parts", parts] if parts else []
        command += ["--no-header"] if form == "csv" else []
        ended = self.run([*command, "-o", self.out / name, *paths], fault)
        if expected is None and fault is None:
            self.two_places(ended[1], rows, paths, form)
        self.become(name, parts, expected, ended, fault)
        for path in paths:
            path.unlink()

    @staticmethod
    def two_places(said, rows, paths, form):
        """The message names two records that have the same key."""
        if form not in ("tsv", "csv", "jsonl"):
            assert "occurs twice" in said
            return
        found = re.search(r"occurs twice: (\S+), line (\d+) and (\S+), line (\d+)", said)
        assert found, said
        keys = [rows[paths.index(Path(found[at]))][int(found[at + 1]) - 1][0] for at in (1, 3)]
        assert keys[0] == keys[1] and (found[1], int(found[2])) < (found[3], int(found[4]))

    @rule(policy=POLICIES, bad=st.integers(0, 49), limits=LIMITS, skip=st.booleans(), name=st.sampled_from(NAMES[:2]))
    def build_with_a_bad_row(self, policy, bad, limits, skip, name):
        rows = [(f"key {number}", "value") for number in range(50)]
        path = self.inputs / "bad.tsv"
        path.write_text("".join("no tab\n" if number == bad else f"{key}\t{value}\n" for number, (key, value) in enumerate(rows)))
        options = ["--on-error", "skip"] if skip else []
        ended = self.run(["build", *self.limits(limits), "--on-duplicate", policy, *options, "-o", self.out / name, path])
        if not skip:
            assert f"line {bad + 1}:" in ended[1], ended[1]
        del rows[bad]
        self.become(name, None, dict(rows) if skip else None, ended)

    @rule(
        sources=st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True), name=st.sampled_from(NAMES),
        policy=POLICIES, limits=LIMITS, parts=st.integers(1, 6), fault=FAULTS,
    )
    def merge(self, sources, name, policy, limits, parts, fault):
        sources = [source for source in sources if source in self.models and source != name]
        if not sources:
            return
        expected = keep(policy, itertools.chain(*(self.models[source].items() for source in sources)))
        parts = None if name.endswith(".hlith") else parts
        command = ["merge", *self.limits(limits), "--on-duplicate", policy, *(["--parts", parts] if parts else [])]
        ended = self.run([*command, "-o", self.out / name, *(self.out / source for source in sources)], fault)
        self.become(name, parts, expected, ended, fault)

    @rule(source=st.sampled_from(NAMES), name=st.sampled_from(NAMES[2:]), limits=LIMITS, parts=st.integers(1, 6), fault=FAULTS)
    def split(self, source, name, limits, parts, fault):
        if source not in self.models or source == name or parts == (self.parts[source] or 1):
            return
        ended = self.run(["split", *self.limits(limits), "--parts", parts, "-o", self.out / name, self.out / source], fault)
        self.become(name, parts, self.models[source], ended, fault)

    @invariant()
    def every_index_is_its_dict(self):
        for name, model in self.models.items():
            assert dumped(self.out / name) == model
            assert self.run(["verify", "--quiet", self.out / name])[0] == 0
            keys = random.Random(len(model)).sample(sorted(model), min(5, len(model)))
            for key in [*keys, "absent", ""]:
                done = subprocess.run([hashlith(), "get", str(self.out / name), "-"], input=key + "\n", capture_output=True, text=True)
                assert (done.returncode == 0) == (key in model)

    @invariant()
    def nothing_else_is_there(self):
        # A killed build leaves files, which the next build of the same path removes.
        left = {path.name for path in self.out.iterdir() if not path.name.endswith(".tmp")}
        assert left <= {*self.models, *NAMES[2:]}


def test_random_sequences(inject, tmp_path, evidence):
    Indexes.inject, Indexes.of_start = inject, calls_of_start(inject, tmp_path / "log")
    settings = functools.partial(hypothesis.settings, database=None, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
    began = time.monotonic()
    rounds = 0
    while rounds == 0 or SOAK and time.monotonic() - began < 3600:
        hypothesis.seed(rounds)(Indexes)
        run_state_machine_as_test(Indexes, settings=settings(max_examples=20 if SOAK else 8, stateful_step_count=15, print_blob=False))
        rounds += 1
    evidence("steps", sum(number for name, number in STEPS.items() if name != "failing calls"))
    assert STEPS["build"] and STEPS["merge"] and STEPS["failing calls"]


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
