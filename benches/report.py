#!/usr/bin/env python3
"""Renders what `benches/full.py` and `benches/cold.py` have measured: docs/performance.md and its plots.

    benches/report.py

Every figure comes out of `benches/results/*.json`; sections between `<!-- NAME -->` and `<!-- /NAME -->` are replaced.
"""
import json
import statistics
from pathlib import Path

import cold
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benches" / "results"
PLOTS = ROOT / "docs" / "plots"
GIB = 2**30


def replace_section(path, name, text):
    """Puts text between the two marks of a section."""
    old = path.read_text()
    mark, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if mark not in old or end not in old:
        raise SystemExit(f"{path}: no {mark} ... {end}")
    head, rest = old.split(mark)
    path.write_text(f"{head}{mark}\n{text.strip()}\n{end}{rest.split(end)[1]}")


def table(header, rows):
    """A Markdown table; the first column to the left, the others to the right."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def save(figure, name):
    """As PNG and SVG, without a date, so that the same figures give the same files."""
    PLOTS.mkdir(parents=True, exist_ok=True)
    figure.savefig(PLOTS / f"{name}.png", dpi=110)
    figure.savefig(PLOTS / f"{name}.svg", metadata={"Date": None})
    plt.close(figure)


def count(number):
    """1,750,000,000 as 1.75 G."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)


def median(rounds, value):
    """Of some runs of the same size."""
    return statistics.median(value(one) for one in rounds)


def core_ns(run):
    return run["core_s"] / run["pairs"] * 1e9


def size_rows(runs):
    """A row for each size."""
    for rounds in runs:
        pairs = rounds[0]["pairs"]
        yield [
            count(pairs),
            f"{median(rounds, lambda run: run['wall_s']):,.1f}",
            f"{median(rounds, core_ns):.0f}",
            f"{median(rounds, lambda run: run['peak_memory']) / GIB:.2f}",
            f"{median(rounds, lambda run: run['file_bytes']) / GIB:.2f}",
            f"{median(rounds, lambda run: run['file_bytes']) / pairs:.2f}",
            f"{median(rounds, lambda run: run['hot_bytes']) / pairs:.2f}",
            f"{median(rounds, lambda run: run['peak_disk'] / run['file_bytes']):.2f}",
            f"{median(rounds, lambda run: run['verify_s']):.1f}",
            len(rounds),
        ]


def plot_sizes(runs):
    """Core time a pair over the number of pairs."""
    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    sizes = [rounds[0]["pairs"] for rounds in runs]
    middle = [median(rounds, core_ns) for rounds in runs]
    axes.plot(sizes, middle, "o-", label="build")
    base = dict(zip(sizes, middle)).get(10_000_000)
    if base:
        axes.axhline(base * 1.5, linestyle=":", color="grey", label="1.5 times the cost at 10 M pairs")
    axes.set(xscale="log", ylim=(0, None), xlabel="pairs", ylabel="core-ns a pair", title="Building, --memory 4G, 2 cores")
    axes.legend()
    save(figure, "sizes")


def plot_run(run):
    """Memory, disk, transfers and core use over time."""
    time, memory, disk, read, written, core = zip(*run["samples"])
    figure, axes = plt.subplots(4, 1, figsize=(8, 8.5), sharex=True, layout="constrained")
    rate = lambda values: smooth(time, values)  # noqa: E731
    axes[0].plot(time, [value / 1e6 for value in rate(read)], label="read (pipe, temporary files)")
    axes[0].plot(time, [value / 1e6 for value in rate(written)], label="written (temporary files, index)")
    axes[0].set_ylabel("MB/s")
    axes[1].plot(time, rate(core), label="of the build process")
    axes[1].set_ylabel("cores busy")
    axes[1].set_ylim(0, 2.1)
    axes[2].plot(time, [value / GIB for value in memory], label="memory")
    axes[2].axhline(4, linestyle=":", color="grey", label="--memory")
    axes[2].set_ylabel("GiB")
    axes[2].set_ylim(0, 5)
    axes[3].plot(time, [value / GIB for value in disk], label="disk: index and temporary files")
    axes[3].axhline(run["file_bytes"] / GIB, linestyle=":", color="grey", label="finished file")
    axes[3].set_ylabel("GiB")
    axes[3].set_xlabel("seconds")
    start = 0
    for number, phase in enumerate(run["phases"]):
        end = start + phase["seconds"]
        for one in axes:
            one.axvspan(start, end, alpha=0.06 if number % 2 else 0.14, color="tab:blue", linewidth=0)
        axes[0].text((start + end) / 2, axes[0].get_ylim()[1], phase["phase"], ha="center", va="bottom", fontsize=8)
        start = end
    for one in axes:
        one.legend(loc="lower right", fontsize=8)
        one.grid(alpha=0.3)
    save(figure, "full-run")


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
    for phase in run["phases"]:
        end = start + phase["seconds"]
        inside = [one for one in run["samples"] if start <= one[0] <= end] or [run["samples"][-1]]
        first, last = inside[0], inside[-1]
        seconds = max(1e-9, last[0] - first[0])
        yield [
            phase["phase"],
            f"{phase['seconds']:.0f}",
            f"{run['pairs'] / max(phase['seconds'], 1e-9) / 1e6:.1f}",
            f"{(last[3] - first[3]) / seconds / 1e6:.0f}",
            f"{(last[4] - first[4]) / seconds / 1e6:.0f}",
            f"{(last[5] - first[5]) / seconds:.2f}",
        ]
        start = end


def bars(run):
    """The goals of the full count, each beside what it came to."""
    lookups = run["lookups"]
    asked = sum(lookups[name]["lookups"] for name in lookups if name != "keys")
    return [
        ["wall time", f"{run['wall_s'] / 60:.1f} min", "15 min"],
        ["peak memory", f"{run['peak_memory'] / GIB:.2f} GiB", "5 GiB"],
        ["peak disk, of the finished file", f"{run['peak_disk'] / run['file_bytes']:.2f}x", "1.15x"],
        ["`verify`: every byte, every key", f"{run['verify_s']:.0f} s", ""],
        ["lookups, each answer compared with the generator", f"{asked:,}", "20,000,000"],
    ]


def extrapolate(run, strings, pairs=1_750_000_000, data=86e9):
    """The size of the file for `data` bytes of keys and values, from the bytes that were measured."""
    beside = strings["hot_bytes"] / strings["pairs"]
    total = 4096 + data + 2 * pairs + beside * pairs
    total += total / 65536 * 8
    seconds = run["wall_s"] / run["file_bytes"] * total
    return f"""
The data that hashlith was made for has {pairs:,} pairs of strings, {data / 1e9:.0f} GB of keys and values
({data / pairs:.0f} bytes a pair). Its file, from measured bytes: header 4,096 B, the pool {(data + 2 * pairs) / 1e9:.1f} GB (keys, values and two
bytes of lengths a pair, exact while keys and values are shorter than 128 bytes), hot section and directory
{beside * pairs / 1e9:.1f} GB ({beside:.3f} B a pair, measured at {count(strings['pairs'])} pairs whose lengths vary; the run above, whose lengths do not, takes
{run['hot_bytes'] / run['pairs']:.3f}), sums 8 B for each 64 KiB: together **{total / 1e9:.1f} GB**, {total / data:.3f} times the data. At the same rate of bytes as the run
above the build would take {seconds / 60:.0f} minutes; at the same rate of pairs, {run['wall_s'] / 60:.0f}. That is arithmetic, not a measurement."""


def full(results):
    """The section about the full count."""
    runs = results["runs"]
    short = sorted((runs[name] for name in runs if name.startswith("short-")), key=lambda rounds: rounds[0]["pairs"])
    strings = max((runs[name][-1] for name in runs if name.startswith("strings-")), key=lambda run: run["pairs"])
    largest = short[-1][-1]
    plot_sizes(short)
    plot_run(largest)
    machine = results["machine"]
    middle = {rounds[0]["pairs"]: median(rounds, core_ns) for rounds in short}
    flat = max(middle[size] for size in middle if size >= 10_000_000) / middle[10_000_000]
    largest_lookups = [
        [name, f"{figures['lookups']:,}", f"{figures['ns']:,.0f}"]
        for name, figures in largest["lookups"].items()
        if name != "keys"
    ]
    return f"""
{largest['pairs']:,} pairs of 12-byte keys and 11-byte values through a pipe into `hashlith build --memory {largest['memory']}`; {machine['cores']} cores
({machine['cpu']}), {machine['memory'] / GIB:.0f} GiB, Linux {machine['kernel']}, {machine['date']}. `make bench-full` runs it.

{table(["", "measured", "goal"], bars(largest))}

![Memory, disk, transfers and core use of the run over time](plots/full-run.svg)

{table(["phase", "s", "M pairs/s", "read, MB/s", "written, MB/s", "cores busy"], phase_rows(largest))}

The generator takes the rest of the two cores while records are read: {largest['generator_core_s']:.0f} core-seconds, {largest['generator_core_s'] / largest['pairs'] * 1e9:.0f} ns a pair.
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
* `preload` asks the kernel for the hot section in one call (`MADV_POPULATE_READ`). Without it a lookup fetches a page each for pilot, entry
  and record: the kernel is told not to read around them, which would be 30 pages a lookup (measured) and no quicker.
"""


def main():
    performance = ROOT / "docs" / "performance.md"
    if (RESULTS / "full.json").exists():
        replace_section(performance, "full", full(json.loads((RESULTS / "full.json").read_text())))
    if (RESULTS / "cold.json").exists():
        replace_section(performance, "cold", cold_section(json.loads((RESULTS / "cold.json").read_text())))


if __name__ == "__main__":
    main()
