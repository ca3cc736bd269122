#!/usr/bin/env python3
"""Writes what `benches/full.py` and `benches/cold.py` measured into docs/performance.md, with its plots.

    benches/report.py

Every figure comes from `benches/results/*.json`; the script replaces what stands between `<!-- NAME -->` and
`<!-- /NAME -->`.
"""
import json
import re
import statistics
from pathlib import Path

import cold
import full as full_run
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from pages import replace_section, save  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benches" / "results"
PLOTS = ROOT / "docs" / "plots"
GIB = 2**30


def table(header, rows):
    """A Markdown table; the first column to the left, the others to the right."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def count(number):
    """1,750,000,000 as 1.75 G."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)


def median(rounds, value):
    """Of some runs of the same size."""
    return statistics.median(value(one) for one in rounds)


def gib(size):
    """A size as `--memory` takes it, in GiB."""
    powers = {"K": -2, "M": -1, "G": 0, "T": 1}
    return float(size.rstrip("iB")[:-1]) * 1024.0 ** powers[size.rstrip("iB")[-1].upper()]


def size_rows(runs):
    """A row for each size."""
    for rounds in runs:
        pairs = rounds[0]["pairs"]
        yield [
            count(pairs),
            f"{median(rounds, lambda run: run['wall_s']):,.1f}",
            f"{median(rounds, full_run.core_ns):.0f}",
            f"{median(rounds, lambda run: run['peak_memory']) / GIB:.2f}",
            f"{median(rounds, lambda run: run['file_bytes']) / GIB:.2f}",
            f"{median(rounds, lambda run: run['file_bytes']) / pairs:.2f}",
            f"{median(rounds, lambda run: run['hot_bytes']) / pairs:.2f}",
            f"{median(rounds, lambda run: run['peak_disk'] / run['file_bytes']):.2f}",
            f"{median(rounds, lambda run: run['verify_s']):.1f}",
            len(rounds),
        ]


def column(run, name):
    """One column of the samples; None if the record is older than it."""
    names = run.get("columns", full_run.COLUMNS[:6])
    return [one[names.index(name)] for one in run["samples"]] if name in names else None


def net_transfers(run):
    """Bytes read and written so far, by sample, without the pipe inside the build.

    The build passes standard input through a pipe of its own, so the kernel counts each byte of it twice as read and once
    as written. Nothing else is read in the first phase.
    """
    read, written = column(run, "read"), column(run, "written")
    first = run["phases"][0]["seconds"]
    # Older records lack `input_bytes`: there it is what was read by the end of the first phase.
    twice = 2 * run["input_bytes"] if "input_bytes" in run else max(
        (bytes_read for time, bytes_read in zip(column(run, "seconds"), read) if time <= first), default=0
    )
    inside = [min(now, twice) / 2 for now in read]
    return [a - b for a, b in zip(read, inside)], [a - b for a, b in zip(written, inside)]


AMOUNTS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
RECORDS = re.compile(r"hashlith: (\w+): .*?([\d.]+)(?: (\w))?(?: of [\d.]+(?: (\w))?)? records")


def record_rates(run):
    """Millions of records per second between two lines of progress within a phase: start, end, rate."""
    last = {}
    for time, line in run.get("progress", []):
        found = RECORDS.match(line)
        if not found:
            continue
        phase, number, unit, total_unit = found.groups()
        done = float(number) * AMOUNTS[unit or total_unit or ""]
        if phase in last and done >= last[phase][1]:
            before, records = last[phase]
            yield before, time, (done - records) / (time - before) / 1e6
        last[phase] = time, done


def plot_records(axes, run):
    """Records per second: from what the generator has written, and from the lines of progress."""
    generated = column(run, "generated")
    if generated:
        end = run["phases"][0]["seconds"]
        points = [(time, done) for time, done in zip(column(run, "seconds"), generated) if done is not None and time <= end]
        share = run["pairs"] / run["input_bytes"] / 1e6
        time, done = zip(*points)
        draw(axes, time, smooth(time, done), scale=share, label="written by the generator")
    for number, (start, end, rate) in enumerate(record_rates(run)):
        axes.plot([start, end], [rate, rate], color="tab:orange", label=None if number else "reported by the build")
    axes.set_ylabel("M records/s")


def plot_run(run, cores):
    """Records, transfers, core use, memory and disk over time."""
    time = column(run, "seconds")
    with_records = column(run, "generated") is not None
    figure, panels = plt.subplots(4 + with_records, 1, figsize=(8, 6.4 + 1.6 * with_records), sharex=True, layout="constrained")
    if with_records:
        plot_records(panels[0], run)
    axes = panels[-4:]
    read, written = net_transfers(run)
    draw(axes[0], time, smooth(time, read), scale=1e-6, label="read (pipe, temporary files)")
    draw(axes[0], time, smooth(time, written), scale=1e-6, label="written (temporary files, index)")
    axes[0].set_ylabel("MB/s")
    draw(axes[1], time, smooth(time, column(run, "core")), label="by the build process")
    axes[1].set_ylabel("cores busy")
    axes[1].set_ylim(0, cores * 1.05)
    draw(axes[2], time, column(run, "memory"), scale=1 / GIB, label="of the build process, without mapped files")
    axes[2].axhline(gib(run["memory"]), linestyle=":", color="grey", label="--memory")
    axes[2].set_ylabel("memory, GiB")
    axes[2].set_ylim(0, gib(run["memory"]) * 1.25)
    draw(axes[3], time, column(run, "disk"), scale=1 / GIB, label="index and temporary files")
    axes[3].axhline(run["file_bytes"] / GIB, linestyle=":", color="grey", label="finished file")
    axes[3].set_ylabel("disk, GiB")
    axes[3].set_xlabel("seconds")
    start = 0
    for number, phase in enumerate(run["phases"]):
        end = start + phase["seconds"]
        for one in panels:
            one.axvspan(start, end, alpha=0.06 if number % 2 else 0.14, color="tab:blue", linewidth=0)
        panels[0].text((start + end) / 2, panels[0].get_ylim()[1], phase["phase"], ha="center", va="bottom", fontsize=8)
        start = end
    for one in panels:
        one.set_ylim(0, None)
        one.legend(loc="lower right", fontsize=8, ncols=2)
        one.grid(alpha=0.3)
    figure.suptitle(f"{run['pairs']:,} pairs, --memory {run['memory']}, {cores} cores", fontsize=10)
    save(figure, PLOTS, "full-run")


def draw(axis, time, values, label, scale=1):
    """A line through points at least 1.5 seconds apart: more are not seen."""
    chosen, last = [], -2
    for at, value in zip(time, values):
        if at - last >= 1.5 or at == time[-1]:
            chosen.append((at, value * scale))
            last = at
    axis.plot(*zip(*chosen), label=label)


def smooth(time, values, window=15):
    """The slope of `values`, over `window` samples."""
    slopes = []
    for at in range(len(values)):
        low, high = max(0, at - window // 2), min(len(values) - 1, at + window // 2)
        slopes.append((values[high] - values[low]) / max(1e-9, time[high] - time[low]))
    return slopes


def extrapolate(run, strings, pairs=1_750_000_000, data=86e9):
    """The size of the file for `data` bytes of keys and values, computed from measured sizes."""
    overhead = strings["hot_bytes"] / strings["pairs"]
    total = 4096 + data + 2 * pairs + overhead * pairs
    total += total / 65536 * 8
    seconds = run["wall_s"] / run["file_bytes"] * total
    return f"""
Computed, not measured: a dict of {pairs:,} strings with {data / 1e9:.0f} GB of keys and values ({data / pairs:.0f} bytes per pair) becomes a file of
**{total / 1e9:.1f} GB**, {total / data:.3f} times the data. Its pool has {(data + 2 * pairs) / 1e9:.1f} GB (with two bytes of lengths per pair, exact while keys and values
are shorter than 128 bytes), its hot and far sections {overhead * pairs / 1e9:.1f} GB ({overhead:.3f} B per pair, measured at {count(strings['pairs'])} pairs of varying lengths;
the run above, of constant lengths, takes {run['hot_bytes'] / run['pairs']:.3f}), and the sums 8 B per 64 KiB. The build would take {seconds / 60:.0f} minutes at the byte
rate of the run above, {run['wall_s'] / 60:.0f} at its pair rate."""


def full(results):
    """The section about the full count."""
    runs = results["runs"]
    short = sorted((runs[name] for name in runs if name.startswith("short-")), key=lambda rounds: rounds[0]["pairs"])
    strings = max((runs[name][-1] for name in runs if name.startswith("strings-")), key=lambda run: run["pairs"])
    largest = short[-1][-1]
    machine = results["machine"]
    plot_run(largest, machine["cores"])
    middle = {rounds[0]["pairs"]: median(rounds, full_run.core_ns) for rounds in short}
    flat = max(middle[size] for size in middle if size >= 10_000_000) / middle[10_000_000]
    lookups = {name: f"{figures['ns']:,.0f}" for name, figures in largest["lookups"].items() if isinstance(figures, dict)}
    phases = {phase["phase"]: phase["seconds"] for phase in largest["phases"]}
    generator = largest["generator_core_s"]
    return f"""
{largest['pairs']:,} pairs of 12-byte keys and 11-byte values go through a pipe into `hashlith build --memory {largest['memory']}`. {machine['cores']} cores
({machine['processor']}), {machine['memory'] / GIB:.0f} GiB, Linux {machine['kernel']}, {machine['date']}; `make bench-full` runs it.

{table(["", "measured", "goal"], full_run.bars(largest))}

![Records per second, transfers, core use, memory and disk over time](plots/full-run.svg)

Reading takes {phases['reading']:.0f} s, building {phases['building']:.0f} s, sealing {phases['sealing']:.0f} s. While it reads, the generator runs on the same two cores: {generator:.0f} core-seconds,
{generator / largest['pairs'] * 1e9:.0f} ns per pair. The file is {largest['file_bytes'] / machine['memory']:.1f} times the size of memory. Lookups in it right after `verify`, opened with `preload` and `cold`, random order,
one thread: `get_many` {lookups['get_many, hit']} ns per present key and {lookups['get_many, absent']} ns per absent one, `get` {lookups['get, hit']} and {lookups['get, absent']} ns.

### Cost per pair at every size

{table(["pairs", "wall, s", "core-ns/pair", "peak memory, GiB", "file, GiB", "file, B/pair", "hot section, B/pair", "peak disk / file", "`verify`, s", "runs"], size_rows(short))}

From 10 M pairs on, the core time per pair stays within {flat:.2f}x of that at 10 M (goal: 1.5x).
{extrapolate(largest, strings)}
"""


def cold_section(result):
    """The section about files that are not in memory."""
    lookups = result["lookups"]
    return f"""
`benches/cold.py` over the index of {lookups['keys']:,} keys, {result['file_bytes'] / GIB:.0f} GiB: one thread, random order, the file dropped from the page cache
before each measurement. The figures of the disk come from fio (libaio, direct).

{table(["", "measured", "goal"], cold.rows(result))}

* `cold` ([memory.md](memory.md)) requests pages 1,024 keys ahead, so it can exceed the rate of 32 reads at a time.
* Fractions above a whole page come from records that cross a page boundary.
* `preload` requests the hot section in one call (`MADV_POPULATE_READ`). Without it a lookup reads one page for the cell and one for
  the record: the index turns the kernel's read-ahead off.
"""


def main():
    performance = ROOT / "docs" / "performance.md"
    if (RESULTS / "full.json").exists():
        replace_section(performance, "full", full(json.loads((RESULTS / "full.json").read_text())))
    if (RESULTS / "cold.json").exists():
        replace_section(performance, "cold", cold_section(json.loads((RESULTS / "cold.json").read_text())))


if __name__ == "__main__":
    main()
