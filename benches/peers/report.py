#!/usr/bin/env python3
"""Tables and plots of what run.py measured: into docs/performance.md, README.md and docs/plots.

    benches/peers/report.py                          writes the pages
    benches/peers/report.py --results FILE --print   shows what would be written

Every figure and every verdict comes from results.json; text between the markers <!-- peers --> and <!-- /peers --> is
written anew.
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


@dataclass
class Column:
    """A column of the table: how its figures are found and written, and which of them is the best."""

    title: str
    samples: Callable[[Row, int], list[float]]
    """Of a row and the number of pairs."""
    form: Callable[[float], str]
    best: Callable[[Iterable[float]], float] | None = min
    spread: bool = True
    """The least and the greatest are told."""


def number(value: float) -> str:
    """Three digits that count."""
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


def speeds(processes: list[int]) -> list[Column]:
    """Lookups a second; more is better."""
    ends = sorted({min(processes), max(processes)})
    return [
        Column(f"{title}, {count}", of_lookups(count, key), thousands, max)
        for key, title, counts in (("hits", "hits", processes), ("misses", "misses", processes), ("batch", "batch hits", ends))
        for count in counts
    ]


def columns(processes: list[int]) -> list[Column]:
    """All of them, in order."""
    most = max(processes)
    return [
        Column("build, core-s", of_builds("core"), number),
        Column("build, s", of_builds("wall"), number),
        Column("peak, MiB", of_builds("peak"), mib, spread=False),
        Column("file, B a pair", file_bytes, number, spread=False),
        *speeds(processes),
        Column(f"private, MiB a worker of {most}", of_lookups(most, "private"), mib, spread=False),
        Column(f"all {most}, MiB", of_lookups(most, "all"), mib, spread=False),
    ]


def median(column: Column, row: Row, pairs: int) -> float | None:
    samples = column.samples(row, pairs)
    return statistics.median(samples) if samples and row["status"] is None else None


def rows_of(run: Row, language: str) -> list[Row]:
    return [row for row in run["rows"] if row["language"] == language]


def cell(column: Column, row: Row, pairs: int, best: float | None, spread: bool) -> str:
    """A median, in bold if it is the best one, and what it lay between."""
    middle = median(column, row, pairs)
    if middle is None:
        return "-"
    text = column.form(middle)
    if middle == best:
        text = f"**{text}**"
    samples = column.samples(row, pairs)
    if spread and column.spread and len(samples) > 1:
        text += f" ({column.form(min(samples))}-{column.form(max(samples))})"
    return text


def table(run: Row, language: str, chosen: list[Column], spread: bool) -> str:
    """Contenders down, columns across."""
    rows, pairs = rows_of(run, language), run["pairs"]
    lines = [[language, "keeps", *(column.title for column in chosen)]]
    best = {}
    for column in chosen:
        middles = [middle for row in rows if (middle := median(column, row, pairs)) is not None]
        best[column.title] = column.best(middles) if middles and column.best else None
    for row in rows:
        if row["status"] is not None:
            lines.append([row["name"], row["kind"], row["status"], *[""] * (len(chosen) - 1)])
            continue
        cells = [cell(column, row, pairs, best[column.title], spread) for column in chosen]
        lines.append([row["name"], row["kind"], *cells])
    return aligned(lines, 2)


def aligned(lines: list[list[str]], to_the_left: int) -> str:
    """Markdown that reads well as it is."""
    lines = [[text.replace("|", "\\|") for text in line] for line in lines]
    # A reason in place of figures may be longer than any figure.
    plain = [line for line in lines if "" not in line[1:]] or lines
    widths = [max(3, *(len(line[at]) for line in plain)) for at in range(len(lines[0]))]
    rule = [":" + "-" * (width - 1) if at < to_the_left else "-" * (width - 1) + ":" for at, width in enumerate(widths)]
    found = []
    for line in [lines[0], rule, *lines[1:]]:
        cells = [text.ljust(width) if at < to_the_left else text.rjust(width)
                 for at, (text, width) in enumerate(zip(line, widths, strict=True))]
        found.append("| " + " | ".join(cells) + " |")
    return "\n".join(found)


def peers_that_win(run: Row, language: str, chosen: list[Column]) -> list[str]:
    """For each column, the peers that are better than hashlith."""
    rows, pairs, found = rows_of(run, language), run["pairs"], []
    own = next((row for row in rows if row["name"] == "hashlith"), None)
    for column in chosen:
        mine = median(column, own, pairs) if own else None
        if mine is None or column.best is None:
            continue
        better = []
        for row in rows:
            other = median(column, row, pairs)
            if not is_own(row) and other is not None and other != mine and column.best((mine, other)) == other:
                better.append(f"{named(row)} {column.form(other)}")
        if better:
            found.append(f"* {column.title} (hashlith {column.form(mine)}): {', '.join(better)}")
    return found


def named(row: Row) -> str:
    """Its name, with what it leaves out."""
    return f"{row['name']} [ids only]" if row["kind"] == "ids only" else str(row["name"])


def is_own(row: Row) -> bool:
    return str(row["name"]).startswith("hashlith")


def verdicts(run: Row) -> list[str]:
    """The aims, and whether they are met."""
    found, processes = [], run["settings"]["processes"]
    for language in languages(run):
        rows, pairs = rows_of(run, language), run["pairs"]
        own = next((row for row in rows if row["name"] == "hashlith"), None)
        if own is None or own["status"] is not None:
            found.append(f"* {language}: hashlith was not measured")
            continue
        core = Column("", of_builds("core"), number)
        mine = median(core, own, pairs)
        assert mine is not None
        peers = [row for row in rows if not is_own(row)]
        quicker = [named(row) for row in peers
                   if row.get("bytes") and not row["limit"] and (other := median(core, row, pairs)) is not None and other <= mine]
        found.append(verdict(language, "fewer core-seconds to build than every peer whose file may pass 4 GiB", quicker))
        for row in peers:
            if row["limit"] and (other := median(core, row, pairs)):
                met = "met" if mine <= 3 * other else "missed"
                found.append(f"* {language}: at most three times the core-seconds of {row['name']}: {met} "
                             f"({mine / other:.1f} times)")
        ahead = []
        for row in peers:
            titles = [column.title for column in speeds(processes) if not column.title.startswith("misses")
                      and (median(column, row, pairs) or 0) >= (median(column, own, pairs) or 0)]
            if titles:
                ahead.append(f"{named(row)} ({'; '.join(titles)})")
        found.append(verdict(language, "more hits a second than every peer, in every column", ahead))
        smaller = [row["name"] for row in peers
                   if row["kind"] == "uncompressed" and row.get("bytes", own["bytes"] + 1) <= own["bytes"]
                   and row["status"] is None]
        found.append(verdict(language, "the smallest file of those that keep keys and values uncompressed", smaller))
    return found


def verdict(language: str, aim: str, against: list[str]) -> str:
    return f"* {language}: {aim}: " + (f"missed: {', '.join(against)}" if against else "met")


def languages(run: Row) -> list[str]:
    return list(dict.fromkeys(row["language"] for row in run["rows"]))


def heading(run: Row) -> str:
    what = {"random": "random keys and values", "natural": "keys with shared prefixes, 1,000 different values"}
    return f"{run['pairs']:,} pairs, {what[run['data']]}"


def conditions(run: Row) -> str:
    machine, settings = run["machine"], run["settings"]
    return (
        f"{machine['date']}: {machine['cores']} cores of {machine['processor']}, {machine['memory'] / 2**30:.0f} GiB, Linux "
        f"{machine['kernel']}, {machine['python']}, Rust {machine['rust']}. The pairs are {run['source'] / run['pairs']:.1f} "
        f"bytes each as lines of TSV; Python goes through them in {number(run['reading']['core'])} core-seconds, which are "
        f"part of every build that Python feeds. {run['rounds']} rounds of at most {settings['lookups']:,} lookups a "
        f"worker or {settings['seconds']:g} s, {settings['build_rounds']} builds (no further one after "
        f"{settings['build_seconds']:g} s)."
    )


def slug(run: Row, language: str) -> str:
    return f"{language.lower()}-{run['data']}-{run['pairs']}"


def plot(run: Row, language: str, folder: Path) -> None:
    """Hits a second, core-seconds of the build and bytes of the file, as bars on logarithmic axes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter

    rows, pairs = [row for row in rows_of(run, language) if row["status"] is None], run["pairs"]
    first = min(run["settings"]["processes"])
    panels = [
        ("hits a second, one process" if first == 1 else f"hits a second, {first} processes", of_lookups(first, "hits"), max),
        ("core-seconds to build", of_builds("core"), min),
        ("bytes of the file, a pair", file_bytes, min),
    ]
    figure, axes = pyplot.subplots(1, 3, figsize=(13, 0.32 * len(rows) + 1.4), sharey=True)
    for axis, (title, samples, best) in zip(axes, panels, strict=True):
        column = Column(title, samples, number, best)
        figures = [median(column, row, pairs) for row in rows]
        colours = ["#c2571a" if is_own(row) else "#7b93a8" for row in rows]
        axis.barh(range(len(rows)), [value or 0 for value in figures], color=colours, log=True)
        for at, value in enumerate(figures):
            if value:
                axis.text(value, at, f" {number(value)}", va="center", fontsize=8)
        known = [value for value in figures if value]
        if known:
            axis.set_xlim(min(known) / 3, max(known) * 6)
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
        axis.set_title(f"{title} ({'more' if best is max else 'less'} is better)", fontsize=9)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_yticks(range(len(rows)), [row["name"] for row in rows])
    axes[0].invert_yaxis()
    figure.suptitle(f"{language}, {heading(run)}", fontsize=10)
    figure.tight_layout()
    save(figure, folder, slug(run, language))


def settings_table(run: Row) -> str:
    """Which versions, and how they are used."""
    lines = [["", "", "version", "how"]]
    for row in run["rows"]:
        lines.append([row["language"], row["name"], row["version"], row["settings"]])
    return aligned(lines, 4)


def whole(runs: list[Row]) -> str:
    """All that goes into docs/performance.md."""
    parts = []
    for run in runs:
        chosen = columns(run["settings"]["processes"])
        parts.append(f"### {heading(run)}\n\n{conditions(run)}")
        for language in languages(run):
            parts.append(f"#### {language}: {heading(run)}\n\n![{language}](plots/{slug(run, language)}.png)")
            parts.append(table(run, language, chosen, spread=True))
            winners = peers_that_win(run, language, chosen)
            parts.append("Where a peer is better than hashlith:\n\n" + "\n".join(winners) if winners else
                         "No peer is better than hashlith in any column.")
        parts.append("The aims:\n\n" + "\n".join(verdicts(run)))
    if runs:
        parts.append(f"### Versions and settings\n\n{settings_table(runs[-1])}")
    return "\n\n".join(parts)


def short(runs: list[Row]) -> str:
    """What goes into README.md: random pairs, the largest number of them up to ten million."""
    fitting = [run for run in runs if run["data"] == "random" and run["pairs"] <= 10_000_000]
    if not fitting:
        return ""
    run = max(fitting, key=lambda run: run["pairs"])
    every = columns(run["settings"]["processes"])
    first, most = min(run["settings"]["processes"]), max(run["settings"]["processes"])
    titles = ["build, core-s", "file, B a pair", f"hits, {first}", f"hits, {most}", f"misses, {first}",
              f"batch hits, {first}", f"private, MiB a worker of {most}"]
    chosen = [column for column in every if column.title in titles]
    parts = [f"{heading(run)}; lookups in thousands a second with {first} and {most} processes on "
             f"{run['machine']['cores']} cores; medians, the best in bold:"]
    parts += [table(run, language, chosen, spread=False) for language in languages(run)]
    parts.append(f"![hashlith and its peers](docs/plots/{slug(run, languages(run)[0])}.png)")
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=HERE / "results.json")
    parser.add_argument("--root", type=Path, default=HERE.parent.parent, help="where README.md and docs are")
    parser.add_argument("--print", action="store_true", help="to the terminal only")
    args = parser.parse_args()
    runs = json.loads(args.results.read_text())["runs"]
    if args.print:
        print(whole(runs))
        return
    replace_section(args.root / "docs" / "performance.md", "peers", whole(runs))
    replace_section(args.root / "README.md", "peers", short(runs))
    for old in (args.root / "docs" / "plots").glob("*-*-*.*"):
        old.unlink()
    for run in runs:
        for language in languages(run):
            plot(run, language, args.root / "docs" / "plots")


if __name__ == "__main__":
    main()
