"""What the scripts that write pages from measurements share: sections, plots, and the machine's description."""

import os
import platform
import time
from pathlib import Path
from typing import Any


def machine() -> dict[str, Any]:
    """The machine that this runs on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.machine())
    return {
        "date": time.strftime("%Y-%m"),
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "kernel": platform.release().split("-")[0],
    }


def replace_section(path: Path, name: str, text: str) -> None:
    """Replaces what stands between `<!-- NAME -->` and `<!-- /NAME -->` of a page."""
    page = path.read_text()
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if page.count(begin) != 1 or page.count(end) != 1:
        raise SystemExit(f"{path}: {begin} and {end} must be there once each")
    head, rest = page.split(begin)
    path.write_text(f"{head}{begin}\n\n{text.strip()}\n\n{end}{rest.split(end)[1]}")


def save(figure: Any, folder: Path, name: str) -> None:
    """Writes a figure as SVG with text as text, and without a date: the same figures give the same file."""
    from matplotlib import pyplot, rc_context

    folder.mkdir(parents=True, exist_ok=True)
    fonts = ["DejaVu Sans", "Verdana", "Arial"]
    with rc_context({"svg.hashsalt": "hashlith", "svg.fonttype": "none", "font.sans-serif": fonts}):
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
