#!/usr/bin/env python3
"""Writes the table of docs/reliability.md from the figures that tests have recorded.

    report.py [FOLDER]     takes the figures in FOLDER (HASHLITH_EVIDENCE of a run) into figures.json, and writes the table

Every number in the table is from figures.json. A missing figure is shown as missing, and is an error. `make soak` measures them all.
"""
import datetime
import fnmatch
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PAGE, FIGURES = ROOT / "docs" / "reliability.md", HERE / "figures.json"
# The seconds that each fuzz target runs for its figure.
LONG_S = 1800
BEGIN, END = "<!-- figures -->\n", "<!-- /figures -->\n"

# Promises, test, where it is, the figure: its words, and the names under which the tests record it; and the faults of that kind that
# the test cannot see.
ROWS = [
    ("1, 2", "Every bit of every kind of file flipped; reader and checker agree", "tests/rust/damage_matrix.rs",
     "{} bits", ["damage_matrix.bits"],
     "Changes at several places at once"),
    ("1, 2", "Bytes set to every other value (one in 16 of these for the file of 200 kB)", "tests/rust/damage_matrix.rs", "{} files", ["damage_matrix.bytes"],
     "As for bits"),
    ("1, 2", "Every length, from 0 to 4,096 bytes too many", "tests/rust/damage_matrix.rs", "{} lengths", ["damage_matrix.lengths"],
     "Wrong lengths of files whose bytes are wrong too"),
    ("1, 2", "Spans of 64 KiB, pages and sections zeroed, rotated, swapped, copied, taken from another file", "tests/rust/damage_matrix.rs",
     "{} files", ["damage_matrix.spans"],
     "Spans of other lengths or at other places"),
    ("1, 2", "Bits flipped, then read by the Python package", "tests/reliability/test_damage.py",
     "{} bits", ["test_damage.*.bits"],
     "Most bits of the larger files; keys after the first 20"),
    ("1, 2", "of these, also compared with the command and the oracle", "tests/reliability/test_damage.py",
     "{} bits", ["test_damage.*.compared"],
     "Faults that the package, the command and the oracle share"),
    ("1, 2", "Manifests of sets edited, then read by the Python package and the oracle", "tests/reliability/test_damage.py",
     "{} edits", ["test_damage.test_edited*.edits"],
     "Two edits at once that make another valid manifest"),
    ("1", "Any bytes as an index, with and without correct checksums: opened and queried under the address sanitizer", "fuzz/ reader",
     "{} executions, {edges} edges", ["fuzz.reader"],
     "Files above 70 kB; a wrong answer from inside the file"),
    ("1, 2", "The same, verified: if accepted, every key is found at its place", "fuzz/ checker", "{} executions, {edges} edges", ["fuzz.checker"],
     "Files above 70 kB"),
    ("1", "Any bytes as the manifest of a set; only the one valid form is accepted", "fuzz/ manifest",
     "{} executions, {edges} edges", ["fuzz.manifest"],
     "What is done with the parts that it names"),
    ("1, 4", "Any records, built, verified and compared with a map", "fuzz/ builder", "{} executions, {edges} edges", ["fuzz.builder"],
     "Temporary files; more records than fit into 70 kB"),
    ("7", "Any bytes as a pickle, in blocks of three sizes", "fuzz/ pickle", "{} executions, {edges} edges", ["fuzz.pickle"],
     "A wrong record that is well formed; inputs above 70 kB"),
    ("7", "The same as TSV, CSV, JSON lines, a JSON document, cdbmake and binary cdb", "fuzz/ tsv csv jsonl json cdbmake", "{} executions, {edges} edges",
     ["fuzz.tsv", "fuzz.csv", "fuzz.jsonl", "fuzz.json", "fuzz.cdbmake"],
     "As for pickles"),
    ("7", "The same as lines and pickles that are compressed, of every kind", "fuzz/ packed", "{} executions, {edges} edges", ["fuzz.packed"],
     "A wrong record that is well formed; reads of a few bytes at a time"),
    ("7", "The same as Parquet and Arrow files, in batches of three sizes", "fuzz/ parquet arrow", "{} executions, {edges} edges",
     ["fuzz.parquet", "fuzz.arrow"],
     "A wrong record that is well formed; inputs above 70 kB"),
    ("7", "The same as SQLite databases, read twice", "fuzz/ sqlite", "{} executions, {edges} edges", ["fuzz.sqlite"],
     "A wrong record that is well formed; inputs above 70 kB"),
    ("1, 7", "Tests of format, reader, checker and inputs under the address sanitizer", "tests/sanitize", "{} tests", ["sanitize.asan"],
     "Wrong reads within one allocation; code that no test reaches"),
    ("1, 7", "A selection of these under valgrind", "tests/sanitize", "{} tests", ["sanitize.valgrind"],
     "Wrong reads within one allocation; code that no test reaches"),
    ("2", "Changes to the crates that a test notices", "tests/mutants", "{} changes", ["mutants.caught"],
     "A check that is missing: it cannot be changed"),
    ("2", "Changes that no test notices", "tests/mutants", "{} changes", ["mutants.missed"],
     "What the list of exclusions names"),
    ("6", "Records in a different order each time, 1 to 16 threads, three memory limits: the same bytes", "builder/tests/builder/model.rs",
     "{} builds", ["model.same_bytes"],
     "Other kinds of records; other processors"),
    ("8", "Many records, long records, one key many times; memory counted by the kernel", "builder/tests/memory.rs",
     "{} builds", ["memory.*"],
     "Other shapes of input; other allocators than glibc's"),
    ("8", "Builds in a control group with no more memory than promised: each format, values of 1 byte to 16 MiB, 1 to 16 threads",
     "tests/reliability/test_memory.py", "{} builds", ["test_memory.*.builds"],
     "Memory that comes and goes between two of the kernel's counts"),
    ("8", "Verifying, merging, splitting, dumping in one", "tests/reliability/test_memory.py", "{} operations", ["test_memory.*.operations"],
     "As for builds"),
    ("8", "A million keys chosen by their hash, and a value of 1 GiB; memory counted by the kernel", "builder/tests/builder/hostile_keys.rs",
     "{} processes", ["hostile_keys.*"],
     "Keys chosen against SipHash"),
    ("7", "Hostile pickles, none of which takes 64 MB", "inputs/tests/pickle_memory.rs", "{} pickles", ["pickle_memory.hostile"],
     "Memory that is mapped, not allocated"),
    ("3", "Killed at each system call of a build, except waits for a thread", "tests/reliability/test_system_calls.py", "{} kills",
     ["test_system_calls.test_killed*"],
     "What a power cut takes; other interleavings of the threads"),
    ("3", "Killed at a random moment of a build of 2 M records that spills", "tests/reliability/test_limits.py", "{} kills",
     ["test_limits.test_killed*"],
     "Moments that chance does not bring; what a power cut takes"),
    ("3", "A system call fails: disk full, I/O errors, no permission, no memory", "tests/reliability/test_system_calls.py", "{} builds",
     ["test_system_calls.test_a_failing*"],
     "Two independent failures; calls that do half of their work and then fail"),
    ("3", "All calls of a kind fail from some point on, in a build that spills", "tests/reliability/test_limits.py", "{} builds",
     ["test_limits.test_a_failing*"],
     "Failures that end again"),
    ("3", "The file system fills up at some size", "tests/reliability/test_limits.py", "{} sizes", ["test_limits.test_a_full*"],
     "Other programs that take and free space meanwhile"),
    ("3", "A limit on file sizes", "tests/reliability/test_limits.py", "{} limits", ["test_limits.test_a_limit_of_file*"],
     "Quotas"),
    ("3", "A limit on address space or data", "tests/reliability/test_limits.py", "{} limits", ["test_limits.test_a_limit_of_mem*"],
     "Allocations that fail without such a limit"),
    ("3", "An allocation of 32 KiB or more fails, each in turn (one in ten of a build that spills)", "tests/reliability/test_allocations.py", "{} builds",
     ["test_allocations.test_builds*"],
     "Smaller allocations; two that fail"),
    ("1, 2", "An allocation of 512 KiB or more fails in a call of the package, a lookup, a dump or a verification", "tests/reliability/test_allocations.py",
     "{} calls", ["test_allocations.test_calls*", "test_allocations.test_commands*"],
     "Smaller allocations; those of other libraries in other threads"),
    ("3", "A set: killed at each system call", "tests/reliability/test_sets.py", "{} kills", ["test_sets.test_killed*"],
     "As for a build of one file"),
    ("3", "A set: a system call fails", "tests/reliability/test_sets.py", "{} builds", ["test_sets.test_a_failing*"],
     "As for a build of one file"),
    ("3", "A set: power cut during the build and after success", "tests/reliability/test_sets.py", "{} cuts", ["test_sets.test_power_cut*"],
     "As for a build of one file"),
    ("3", "Power cut during a build", "tests/reliability/test_power_cut.py", "{} cuts", ["test_power_cut.test_power_cut_in*"],
     "Writes that reach the disk in another order; file systems other than ext4"),
    ("3", "Power cut after success was reported", "tests/reliability/test_power_cut.py", "{} cuts", ["test_power_cut.test_power_cut_after*"],
     "As during a build"),
    ("3", "Power cut while the disk has any part of what was written since its last flush, on ext4 and XFS: files, sets, and files that bypass the page cache",
     "tests/reliability/test_power_reorder.py", "{} cuts", ["test_power_reorder.*.power_cuts"],
     "Disks that lose what was flushed; a torn superblock of ext4; merges and splits"),
    ("3, 4", "Builds, merges and splits in random order, of which some fail, are killed or meet failing system calls, compared with dicts", "tests/reliability/test_model.py",
     "{} steps", ["test_model.*.steps"],
     "Power cuts; several processes at once"),
    ("5", "A file replaced under 32 readers", "tests/reliability/test_replacement.py", "{} times", ["test_replacement.*.replacements"],
     "Network file systems; files that are changed in place"),
    ("5", "Indexes opened meanwhile, each answering from one version", "tests/reliability/test_replacement.py", "{} times", ["test_replacement.*opens*"],
     "As for files replaced"),
    ("3", "A set: processes forked at each system call of a build that ends or is killed there hold up no other", "tests/reliability/test_processes.py",
     "{} forks", ["test_processes.test_forks*"],
     "Forks by programs in Rust that do not say so (`before_fork`) and are killed"),
    ("3", "A set: replaced while a process that may only read it locks what it can", "tests/reliability/test_processes.py",
     "{} builds", ["test_processes.test_who*"],
     "A process that may write there"),
    ("3, 5", "A set that goes back and forth between two versions, beside merges, splits, verification and readers", "tests/reliability/test_processes.py",
     "{} builds", ["test_processes.test_builders*.builds"],
     "Orders of events that chance does not bring"),
    ("5", "The set opened meanwhile, each time with one version", "tests/reliability/test_processes.py",
     "{} times", ["test_processes.test_builders*opens*"],
     "As for its builders"),
]


def missing(figures, patterns):
    """The names for which there is no figure."""
    return [pattern for pattern in patterns if not fnmatch.filter(figures, pattern)]


def figure(words, figures, patterns):
    """The words with the sum of all figures with these names, and the code edges that fuzzing reached."""
    if missing(figures, patterns):
        return "not measured yet"
    found = [figures[name] for pattern in patterns for name in fnmatch.filter(figures, pattern)]
    edges = ", ".join(f"{one['edges']:,}" for one in found if "edges" in one)
    return words.format(f"{sum(one['number'] for one in found):,}", edges=edges)


def table(figures):
    lines = ["| promise | test | where | figure | what it cannot see |", "| --- | --- | --- | ---: | --- |"]
    for promises, what, where, words, patterns, unseen in ROWS:
        lines.append(f"| {promises} | {what} | `{where}` | {figure(words, figures, patterns)} | {unseen} |")
    dates = sorted(figure["date"] for figure in figures.values())
    when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    return "\n".join(lines) + f"\n\nMeasured {when}; `tests/reliability/figures.json` has each figure with its date.\n"


def page(figures):
    """The page with its table."""
    before, rest = PAGE.read_text().split(BEGIN)
    return before + BEGIN + table(figures) + END + rest.split(END)[1]


def is_short(figure):
    """Whether the figure is from the quick form of a test, which the table never shows."""
    return figure.get("form") == "short" or figure.get("seconds", LONG_S) < LONG_S


def take(figures, folder):
    """Replaces all earlier figures of the same tests with those in a folder."""
    paths = sorted(folder.glob("*.json"))
    short = [path.stem for path in paths if is_short(json.loads(path.read_text()))]
    if short:
        sys.exit(f"report.py: nothing taken, because these figures are from the short form: {', '.join(short)}; measure with HASHLITH_SOAK=1")
    tests = {path.stem.split(".")[0] for path in paths} - {"fuzz", "mutants", "sanitize"}
    for name in [name for name in figures if name.split(".")[0] in tests]:
        del figures[name]
    for path in paths:
        day = datetime.date.fromtimestamp(path.stat().st_mtime)
        figures[path.stem] = {**json.loads(path.read_text()), "date": day.isoformat()}


def main():
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    if len(sys.argv) > 1:
        take(figures, Path(sys.argv[1]))
        FIGURES.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
    PAGE.write_text(page(figures))
    lacking = [pattern for *_, patterns, _ in ROWS for pattern in missing(figures, patterns)]
    if lacking:
        sys.exit(f"report.py: not measured: {', '.join(lacking)}; run the test with HASHLITH_EVIDENCE=FOLDER, or `make soak`")


if __name__ == "__main__":
    main()
