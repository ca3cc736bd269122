#!/usr/bin/env python3
"""Renders what `benches/full.py` and `benches/cold.py` have measured: docs/performance.md and its plots.

    benches/report.py

Every figure comes out of `benches/results/*.json`; sections between `<!-- NAME -->` and `<!-- /NAME -->` are replaced.
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


def plot_sizes(runs, cores):
    """Core time a pair over the number of pairs."""
    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    sizes = [rounds[0]["pairs"] for rounds in runs]
    middle = [median(rounds, full_run.core_ns) for rounds in runs]
    axes.plot(sizes, middle, "o-", label="build")
    base = dict(zip(sizes, middle)).get(10_000_000)
    if base:
        axes.axhline(base * 1.5, linestyle=":", color="grey", label="1.5 times the cost at 10 M pairs")
    axes.set(xscale="log", ylim=(0, None), xlabel="pairs", ylabel="core-ns a pair", title=f"Building, --memory {runs[-1][-1]['memory']}, {cores} cores")
    axes.legend()
    save(figure, PLOTS, "sizes")


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
    # Records older than `input_bytes` tell it by what was read at the end of the first phase.
    twice = 2 * run["input_bytes"] if "input_bytes" in run else max(
        (bytes_read for time, bytes_read in zip(column(run, "seconds"), read) if time <= first), default=0
    )
    inside = [min(now, twice) / 2 for now in read]
    return [a - b for a, b in zip(read, inside)], [a - b for a, b in zip(written, inside)]


AMOUNTS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
RECORDS = re.compile(r"hashlith: (\w+): .*?([\d.]+)(?: (\w))?(?: of [\d.]+(?: (\w))?)? records")


def record_rates(run):
    """Millions of records a second between two lines of progress within a phase: start, end, rate."""
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
    """Records a second: while reading from what the generator has written, then from the lines of progress."""
    generated = column(run, "generated")
    if generated:
        points = [(time, done) for time, done in zip(column(run, "seconds"), generated) if done is not None]
        share = run["pairs"] / run["input_bytes"] / 1e6
        time, done = zip(*points)
        axes.plot(time, [value * share for value in smooth(time, done)], label="generated")
    for number, (start, end, rate) in enumerate(record_rates(run)):
        axes.plot([start, end], [rate, rate], color="tab:orange", label=None if number else "as the tool says")
    axes.set_ylabel("M records/s")


def plot_run(run, cores):
    """Records, transfers, core use, memory and disk over time."""
    time = column(run, "seconds")
    rate = lambda name: smooth(time, column(run, name))  # noqa: E731
    with_records = column(run, "generated") is not None
    figure, panels = plt.subplots(4 + with_records, 1, figsize=(8, 8.5 + 2 * with_records), sharex=True, layout="constrained")
    if with_records:
        plot_records(panels[0], run)
    axes = panels[-4:]
    read, written = net_transfers(run)
    axes[0].plot(time, [value / 1e6 for value in smooth(time, read)], label="read (pipe, temporary files)")
    axes[0].plot(time, [value / 1e6 for value in smooth(time, written)], label="written (temporary files, index)")
    axes[0].set_ylabel("MB/s")
    axes[1].plot(time, rate("core"), label="of the build process")
    axes[1].set_ylabel("cores busy")
    axes[1].set_ylim(0, cores * 1.05)
    axes[2].plot(time, [value / GIB for value in column(run, "memory")], label="memory")
    axes[2].axhline(gib(run["memory"]), linestyle=":", color="grey", label="--memory")
    axes[2].set_ylabel("GiB")
    axes[2].set_ylim(0, gib(run["memory"]) * 1.25)
    axes[3].plot(time, [value / GIB for value in column(run, "disk")], label="disk: index and temporary files")
    axes[3].axhline(run["file_bytes"] / GIB, linestyle=":", color="grey", label="finished file")
    axes[3].set_ylabel("GiB")
    axes[3].set_xlabel("seconds")
    start = 0
    for number, phase in enumerate(run["phases"]):
        end = start + phase["seconds"]
        for one in panels:
            one.axvspan(start, end, alpha=0.06 if number % 2 else 0.14, color="tab:blue", linewidth=0)
        panels[0].text((start + end) / 2, panels[0].get_ylim()[1], phase["phase"], ha="center", va="bottom", fontsize=8)
        start = end
    for one in panels:
        one.legend(loc="lower right", fontsize=8)
        one.grid(alpha=0.3)
    save(figure, PLOTS, "full-run")


def smooth(time, values, window=15):
    """The slope of `values`, over `window` samples."""
    slopes = []
    for at in range(len(values)):
        low, high = max(0, at - window // 2), min(len(values) - 1, at + window // 2)
        slopes.append((values[high] - values[low]) / max(1e-9, time[high] - time[low]))
    return slopes


def phase_rows(run):
    """A row for each phase of a run."""
    start = 0
    samples = list(zip(column(run, "seconds"), *net_transfers(run), column(run, "core")))
    for phase in run["phases"]:
        end = start + phase["seconds"]
        inside = [one for one in samples if start <= one[0] <= end] or [samples[-1]]
        first, last = inside[0], inside[-1]
        seconds = max(1e-9, last[0] - first[0])
        yield [
            phase["phase"],
            f"{phase['seconds']:.0f}",
            f"{run['pairs'] / max(phase['seconds'], 1e-9) / 1e6:.1f}",
            f"{(last[1] - first[1]) / seconds / 1e6:.0f}",
            f"{(last[2] - first[2]) / seconds / 1e6:.0f}",
            f"{(last[3] - first[3]) / seconds:.2f}",
        ]
        start = end


def extrapolate(run, strings, pairs=1_750_000_000, data=86e9):
    """The size of the file for `data` bytes of keys and values, from the bytes that were measured."""
    beside = strings["hot_bytes"] / strings["pairs"]
    total = 4096 + data + 2 * pairs + beside * pairs
    total += total / 65536 * 8
    seconds = run["wall_s"] / run["file_bytes"] * total
    return f"""
The data that hashlith was made for has {pairs:,} pairs of strings, {data / 1e9:.0f} GB of keys and values
({data / pairs:.0f} bytes a pair). Its file, from measured bytes: header 4,096 B, the pool {(data + 2 * pairs) / 1e9:.1f} GB (keys, values and two
bytes of lengths a pair, exact while keys and values are shorter than 128 bytes), hot and far section
{beside * pairs / 1e9:.1f} GB ({beside:.3f} B a pair, measured at {count(strings['pairs'])} pairs whose lengths vary; the run above, whose lengths do not, takes
{run['hot_bytes'] / run['pairs']:.3f}), sums 8 B for each 64 KiB: together **{total / 1e9:.1f} GB**, {total / data:.3f} times the data. At the same rate of bytes as the run
above the build would take {seconds / 60:.0f} minutes; at the same rate of pairs, {run['wall_s'] / 60:.0f}. That is arithmetic, not a measurement."""


def full(results):
    """The section about the full count."""
    runs = results["runs"]
    short = sorted((runs[name] for name in runs if name.startswith("short-")), key=lambda rounds: rounds[0]["pairs"])
    strings = max((runs[name][-1] for name in runs if name.startswith("strings-")), key=lambda run: run["pairs"])
    largest = short[-1][-1]
    machine = results["machine"]
    plot_sizes(short, machine["cores"])
    plot_run(largest, machine["cores"])
    middle = {rounds[0]["pairs"]: median(rounds, full_run.core_ns) for rounds in short}
    flat = max(middle[size] for size in middle if size >= 10_000_000) / middle[10_000_000]
    largest_lookups = [
        [name, f"{figures['lookups']:,}", f"{figures['ns']:,.0f}"]
        for name, figures in largest["lookups"].items()
        if isinstance(figures, dict)
    ]
    return f"""
{largest['pairs']:,} pairs of 12-byte keys and 11-byte values through a pipe into `hashlith build --memory {largest['memory']}`; {machine['cores']} cores
({machine['processor']}), {machine['memory'] / GIB:.0f} GiB, Linux {machine['kernel']}, {machine['date']}. `make bench-full` runs it.

{table(["", "measured", "goal"], full_run.bars(largest))}

![Memory, disk, transfers and core use of the run over time](plots/full-run.svg)

{table(["phase", "s", "M pairs/s", "read, MB/s", "written, MB/s", "cores busy"], phase_rows(largest))}

While records are read the generator shares the two cores: {largest['generator_core_s']:.0f} core-seconds, {largest['generator_core_s'] / largest['pairs'] * 1e9:.0f} ns a pair.
Lookups in that file, which is {largest['file_bytes'] / machine['memory']:.1f} times as large as the memory, in random order, one thread, right after `verify`:

{table(["", "lookups", "ns each"], largest_lookups)}

### What a pair costs at every size

{table(["pairs", "wall, s", "core-ns a pair", "peak GiB", "file, GiB", "B a pair", "of these hot", "peak disk, of the file", "`verify`, s", "runs"], size_rows(short))}

From 10 M pairs on, the cost a pair is at most {flat:.2f} times that at 10 M (goal: 1.5).

![Core time a pair](plots/sizes.svg)

### The size of an 86 GB dict
{extrapolate(largest, strings)}
"""


def cold_section(result):
    """The section about files that are not in memory."""
    lookups = result["lookups"]
    return f"""
`benches/cold.py` over the index of {lookups['keys']:,} keys, {result['file_bytes'] / GIB:.0f} GiB, dropped from the page cache before each measurement; one thread,
random order. The disk's own figures are those of fio (libaio, direct).

{table(["", "measured", "goal"], cold.rows(result))}

* `cold` ([memory.md](memory.md)) asks for pages 1,024 keys ahead; that is why it can pass 32 reads at a time.
* A page more than one comes from records that lie across two pages.
* `preload` asks the kernel for the hot section in one call (`MADV_POPULATE_READ`). Without it a lookup fetches a page each for cell
  and record: the kernel is told not to read around them.
"""


def main():
    performance = ROOT / "docs" / "performance.md"
    if (RESULTS / "full.json").exists():
        replace_section(performance, "full", full(json.loads((RESULTS / "full.json").read_text())))
    if (RESULTS / "cold.json").exists():
        replace_section(performance, "cold", cold_section(json.loads((RESULTS / "cold.json").read_text())))


if __name__ == "__main__":
    main()
