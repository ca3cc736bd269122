#!/usr/bin/env python3
"""Writes the tables and plots of what run.py measured.

    benches/peers/report.py                          writes them
    benches/peers/report.py --results FILE --print   prints the tables instead

Figures go into docs/performance.md, versions and settings into benches/peers/README.md, plots into docs/plots/peers*.svg.
All of them come from results.json; the script replaces what stands between <!-- NAME --> and <!-- /NAME -->.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from pages import replace_section, save  # noqa: E402

Row = dict[str, Any]
OWN, OTHER, FAINT = "#c2571a", "#7b93a8", "#777777"
CHART = {"hashlith": "hashlith", "py-lmdb, sorted": "LMDB", "plain dict": "dict, forked", "Redis": "Redis"}
"""The contenders in the README's chart."""


@dataclass
class Column:
    """A column of a table: where its figures come from, how they are written, and which one is best."""

    title: str
    samples: Callable[[Row, int], list[float]]
    """Takes a row and the number of pairs."""
    form: Callable[[float], str]
    best: Callable[[Iterable[float]], float] = min


def number(value: float) -> str:
    """Three significant digits."""
    if value == 0:
        return "0"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def mib(value: float) -> str:
    return number(value / 2**20)


def thousands(value: float) -> str:
    return number(value / 1000)


def of_builds(key: str) -> Callable[[Row, int], list[float]]:
    return lambda row, _: [build[key] for build in row["builds"]]


def of_lookups(processes: int, key: str) -> Callable[[Row, int], list[float]]:
    return lambda row, _: row["lookups"].get(str(processes), {}).get(key, [])


def file_bytes(row: Row, pairs: int) -> list[float]:
    return [row["bytes"] / pairs] if row.get("bytes") else []


BUILD = Column("build, core-s", of_builds("core"), number)
FILE = Column("file, B/pair", file_bytes, number)


def lookups(title: str, processes: int, key: str) -> Column:
    """Lookups per second; more is better."""
    return Column(f"{title}, {processes}", of_lookups(processes, key), thousands, max)


def columns(run: Row) -> list[Column]:
    """The columns of the large tables."""
    first, most = min(run["settings"]["processes"]), max(run["settings"]["processes"])
    return [
        BUILD,
        Column("build, s", of_builds("wall"), number),
        Column("build peak, MiB", of_builds("peak"), mib),
        FILE,
        lookups("hits", first, "hits"),
        lookups("hits", most, "hits"),
        lookups("misses", first, "misses"),
        lookups("batch hits", first, "batch"),
        Column("private, MiB/worker", of_lookups(most, "private"), mib),
        Column(f"all {most}, MiB", of_lookups(most, "all"), mib),
    ]


def median(column: Column, row: Row, pairs: int) -> float | None:
    samples = column.samples(row, pairs)
    return statistics.median(samples) if samples and row["status"] is None else None


def rows_of(run: Row, language: str) -> list[Row]:
    return [row for row in run["rows"] if row["language"] == language]


def languages(run: Row) -> list[str]:
    return list(dict.fromkeys(row["language"] for row in run["rows"]))


def is_own(row: Row) -> bool:
    return str(row["name"]).startswith("hashlith")


def cells(run: Row, language: str, column: Column) -> dict[str, str]:
    """A column of a table by contender: medians. Those better than hashlith's are bold; if there are none, hashlith's is."""
    rows, pairs = rows_of(run, language), run["pairs"]
    middles = {row["name"]: middle for row in rows if (middle := median(column, row, pairs)) is not None}
    own = middles.get("hashlith")
    peers = {name: middle for name, middle in middles.items() if middle != own and not name.startswith("hashlith")}
    ahead = {name for name, middle in peers.items() if own is not None and column.best((middle, own)) == middle}
    bold = ahead or {"hashlith"}
    return {name: f"**{column.form(middle)}**" if name in bold else column.form(middle) for name, middle in middles.items()}


def table(language: str, names: list[str], chosen: list[tuple[str, dict[str, str]]], to_the_left: int = 1) -> str:
    """Contenders down, columns across."""
    lines = [[language, *(title for title, _ in chosen)]]
    lines += [[name, *(column.get(name, "-") for _, column in chosen)] for name in names]
    return aligned(lines, to_the_left)


def aligned(lines: list[list[str]], to_the_left: int) -> str:
    """A Markdown table."""
    rule = [":--" if at < to_the_left else "--:" for at in range(len(lines[0]))]
    escaped = [[text.replace("|", "\\|") for text in line] for line in [lines[0], rule, *lines[1:]]]
    return "\n".join("| " + " | ".join(line) + " |" for line in escaped)


def full_table(run: Row, language: str) -> str:
    """The large table of one run."""
    keeps = {row["name"]: row["status"] or row["kind"] for row in rows_of(run, language)}
    figures = [(column.title, cells(run, language, column)) for column in columns(run)]
    return table(language, list(keeps), [("keeps", keeps), *figures], to_the_left=2)


def rest_table(runs: list[Row], language: str) -> str:
    """Three figures from each of several runs."""
    names = list(dict.fromkeys(row["name"] for run in runs for row in rows_of(run, language) if row["lookups"]))
    chosen = []
    for run in runs:
        hits = lookups("hits", min(run["settings"]["processes"]), "hits")
        for title, column in (("core-s", BUILD), ("B/pair", FILE), ("hits", hits)):
            chosen.append((f"{run['pairs'] / 10**6:g} M {run['data']}: {title}", cells(run, language, column)))
    return table(language, names, chosen)


def spread(runs: list[Row]) -> str:
    """How far the rounds of a figure differ."""
    found = []
    for run in runs:
        for row in run["rows"]:
            for column in columns(run):
                samples = column.samples(row, run["pairs"]) if column is BUILD or column.best is max else []
                if len(samples) > 1:
                    found.append((max(samples) - min(samples)) / statistics.median(samples))
    if len(found) < 2:
        return "Each figure has one round"
    middle, tenth = statistics.median(found), statistics.quantiles(found, n=10)[-1]
    return f"For half of the figures the rounds\nspan at most {middle:.0%} of the median, for nine in ten at most {tenth:.0%}"


def conditions(runs: list[Row]) -> str:
    run = runs[-1]
    machine, settings = run["machine"], run["settings"]
    return (
        f"{machine['date']}: {machine['cores']} cores of {machine['processor']}, {machine['memory'] / 2**30:.0f} GiB, Linux "
        f"{machine['kernel']}, {machine['python']}, Rust {machine['rust']}. Medians of {run['rounds']} rounds of at most\n"
        f"{settings['lookups']:,} lookups per worker or {settings['seconds']:g} s, and of {settings['build_rounds']} builds "
        f"(one if it takes {settings['build_seconds']:g} s). {spread(runs)} "
        "(`benches/peers/results.json` has all).\n**Bold**: better than hashlith, or hashlith if nothing is."
    )


def heading(run: Row) -> str:
    what = {"random": "random keys and values", "natural": "keys with shared prefixes, 1,000 different values"}
    return f"{run['pairs']:,} pairs, {what[run['data']]}"


def main_run(runs: list[Row]) -> Row:
    """The run of the large tables and the plots: random pairs, the largest number up to ten million."""
    fitting = [run for run in runs if run["data"] == "random" and run["pairs"] <= 10_000_000]
    return max(fitting or runs, key=lambda run: run["pairs"])


def settings_table(run: Row) -> str:
    """The versions of the contenders, and their settings."""
    lines = [["", "", "version", "how"]]
    lines += [[row["language"], row["name"], row["version"], row["settings"]] for row in run["rows"]]
    return aligned(lines, 4)


def section(runs: list[Row]) -> str:
    """The section in docs/performance.md."""
    run = main_run(runs)
    rest = [other for other in runs if other is not run]
    parts = [conditions(runs)]
    for language in languages(run):
        parts.append(f"### {language}: {heading(run)}")
        parts.append(f"![{language}: lookups per second, core-seconds to build, bytes per pair](plots/peers-{language.lower()}.svg)")
        parts.append(full_table(run, language))
    if rest:
        parts.append("### Fewer pairs, and natural data")
        parts += [rest_table(rest, language) for language in languages(run)]
    return "\n\n".join(parts)


def bars(axis: Any, labels: list[str], figures: list[float | None], colours: list[str], form: Callable[[float], str]) -> None:
    """Horizontal bars from zero, with their figures."""
    axis.barh(labels, [value or 0 for value in figures], color=colours, height=0.7)
    longest = max(value or 0 for value in figures)
    for at, value in enumerate(figures):
        text, colour = ("no file", FAINT) if value is None else (form(value), "black")
        axis.text((value or 0) + longest * 0.015, at, text, va="center", fontsize=8, color=colour)
    axis.set_xlim(0, longest * 1.18)
    axis.xaxis.set_major_formatter("{x:,.0f}")


def dots(axis: Any, labels: list[str], figures: list[float | None], colours: list[str], form: Callable[[float], str]) -> None:
    """Dots on a logarithmic axis, with their figures."""
    from matplotlib.ticker import LogLocator, NullLocator

    known = [value for value in figures if value]
    for at, (value, colour) in enumerate(zip(figures, colours, strict=True)):
        if value:
            axis.plot(value, at, "o", color=colour)
            axis.text(value * 1.25, at, form(value), va="center", fontsize=8)
    axis.set(xscale="log", yticks=range(len(labels)), yticklabels=labels, xlim=(min(known) / 2, max(known) * 8))
    axis.xaxis.set_major_locator(LogLocator(10))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.grid(axis="both", color="#dddddd", linewidth=0.6)
    axis.set_axisbelow(True)


def short_count(value: float, _: Any = None) -> str:
    """1,500,000 as 1.5M."""
    return next((f"{value / size:,.3g}{unit}" for size, unit in ((1e6, "M"), (1e3, "k")) if value >= size), f"{value:g}")


def finish(figure: Any, axes: list[Any], titles: list[str], title: str, folder: Path, name: str) -> None:
    """The look of all plots."""
    for axis, text in zip(axes, titles, strict=True):
        axis.set_title(text, fontsize=9)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].invert_yaxis()
    figure.suptitle(title, fontsize=10)
    figure.tight_layout()
    save(figure, folder, name)


def plots(run: Row, folder: Path) -> None:
    """The README's chart, and one plot for each language."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter

    pairs, processes = run["pairs"], run["settings"]["processes"]
    first, most = min(processes), max(processes)

    def figures(rows: list[Row], samples: Callable[[Row, int], list[float]]) -> list[float | None]:
        return [median(Column("", samples, number), row, pairs) for row in rows]

    found = {row["name"]: row for row in rows_of(run, "Python")}
    rows = [found[name] for name in CHART if name in found]
    labels, colours = [CHART[row["name"]] for row in rows], [OWN if is_own(row) else OTHER for row in rows]
    figure, axes = pyplot.subplots(1, 2, figsize=(8, 1.9), sharey=True)
    bars(axes[0], labels, figures(rows, of_lookups(most, "hits")), colours, short_count)
    bars(axes[1], labels, figures(rows, lambda row, _: [size / 2**20 for size in of_lookups(most, "all")(row, 0)]), colours, number)
    axes[0].xaxis.set_major_formatter(FuncFormatter(short_count))
    finish(figure, axes, ["lookups per second, one key per call (more is better)", "memory of all together, MiB (less is better)"],
           f"{most} Python workers on {run['machine']['cores']} cores, {pairs // 10**6} million pairs", folder, "peers")

    for language in languages(run):
        rows = [row for row in rows_of(run, language) if row["status"] is None and row["lookups"]]
        labels, colours = [row["name"] for row in rows], [OWN if is_own(row) else OTHER for row in rows]
        figure, axes = pyplot.subplots(1, 3, figsize=(10, 0.24 * len(rows) + 1.2), sharey=True)
        dots(axes[0], labels, figures(rows, of_lookups(first, "hits")), colours, short_count)
        axes[0].xaxis.set_major_formatter(FuncFormatter(short_count))
        bars(axes[1], labels, figures(rows, of_builds("core")), colours, number)
        bars(axes[2], labels, figures(rows, file_bytes), colours, number)
        finish(figure, axes, [f"hits per second, {first} process (log scale)", "core-seconds to build", "file, bytes per pair"],
               f"{language}: {heading(run)}", folder, f"peers-{language.lower()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=HERE / "results.json")
    parser.add_argument("--root", type=Path, default=HERE.parent.parent, help="where docs and benches are")
    parser.add_argument("--print", action="store_true", help="to the terminal only")
    args = parser.parse_args()
    runs = json.loads(args.results.read_text())["runs"]
    if not runs:
        sys.exit(f"{args.results}: no results yet")
    if args.print:
        print(section(runs), settings_table(main_run(runs)), sep="\n\n")
        return
    replace_section(args.root / "docs" / "performance.md", "peers", section(runs))
    replace_section(args.root / "benches" / "peers" / "README.md", "settings", settings_table(main_run(runs)))
    plots(main_run(runs), args.root / "docs" / "plots")


if __name__ == "__main__":
    main()
