"""A folder in which a build replaces a file, and the three states that promise 3 allows, whatever ends the build."""
import contextlib
import json
import random
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from binary import hashlith

NAME = "x.hlith"


@dataclass
class Place:
    """`folder` holds the input, `out` the index. Every build here has these `options`."""
    folder: Path
    options: list = field(default_factory=lambda: ["--quiet", "--threads", "1", "--memory", "64M"])
    records: int = 3000
    value: str = "new value"

    def __post_init__(self):
        self.out = self.folder / "out"
        self.out.mkdir(exist_ok=True)
        self.path = self.out / NAME
        self.input = self.folder / "new.tsv"
        self.input.write_text("".join(f"key {i}\t{self.value_of(i)}\n" for i in range(self.records)))
        before = self.folder / "old.tsv"
        before.write_text("key\told value\n")
        self.build(before).check_returncode()
        self.old_bytes = self.content()
        self.build().check_returncode()
        self.new_bytes = self.content()
        self.clear()

    def value_of(self, number):
        return f"{self.value} {number}"

    def content(self):
        """The bytes at the final path; None if nothing is there."""
        return self.path.read_bytes() if self.path.exists() else None

    def put(self, content):
        self.path.write_bytes(content)

    def clear(self):
        for path in self.out.iterdir():
            if path.is_dir() and path.name != "lost+found":
                shutil.rmtree(path)
            elif path.is_file():
                path.unlink()

    def command(self, source=None):
        return [hashlith(), "build", *self.options, str(source or self.input), "-o", str(self.path)]

    def build(self, source=None, under=(), **more):
        """Runs a build, under another command if one is given."""
        return subprocess.run([*under, *self.command(source)], capture_output=True, text=True, timeout=120, **more)

    def begin(self, with_old):
        """The state before a build: an old file, or none."""
        self.clear()
        if with_old:
            self.put(self.old_bytes)

    def state(self):
        """What is at the final path: none, old, new or broken."""
        found = self.content()
        if found is None:
            return "none"
        return "new" if found == self.new_bytes else "old" if found == self.old_bytes else "broken"

    def left_over(self):
        """The names of everything else in the folder of the index."""
        return sorted(path.name for path in self.out.iterdir() if path.name not in (NAME, "lost+found"))

    def fault(self, with_old, ended_well):
        """What breaks promise 3 after a build, or None. The next build must remove what is left."""
        before = "old" if with_old else "none"
        state = self.state()
        if state not in (before, "new"):
            return f"{state} at the final path"
        if ended_well and state != "new":
            return f"success was reported, but it is {state}"
        next_build = self.build()
        if next_build.returncode or self.state() != "new" or self.left_over():
            return f"the next build: {next_build.returncode} {next_build.stderr} {self.state()} {self.left_over()}"
        return None


def spilling(folder, records):
    """A build that needs temporary files."""
    return Place(folder, ["--quiet", "--threads", "2", "--memory", "48M"], records, value="v" * 200)


@dataclass
class DirectPlace(Place):
    """Builds that bypass the page cache, on a machine with so little memory that the index does not fit."""
    records: int = 30_000
    inject: str = ""

    def value_of(self, number):
        """Nothing that could be stored in fewer bytes."""
        return random.Random(number).randbytes(75).hex()

    def build(self, source=None, under=(), **more):
        return super().build(source, under or [self.inject, self.folder / "calls", "memory", str(1 << 20)], **more)


@dataclass
class SetPlace(Place):
    """The same for a set of two parts. Its content is the manifest and all files that the manifest names."""

    def __post_init__(self):
        self.options = [*self.options, "--parts", "2"]
        super().__post_init__()

    def content(self):
        manifest, names = self.path / "manifest.json", []
        if not manifest.exists():
            return None
        text = manifest.read_bytes()
        # A broken one names no files.
        with contextlib.suppress(ValueError):
            names = [part["file"] for part in json.loads(text)["files"]]
        files = {name: self.path / name for name in names}
        return {"manifest.json": text, **{name: path.read_bytes() for name, path in files.items() if path.exists()}}

    def put(self, content):
        self.path.mkdir()
        for name, data in content.items():
            (self.path / name).write_bytes(data)

    def left_over(self):
        """Also files in the directory of the set that are not part of it, or that directory itself if it is no set."""
        content = self.content()
        if content is None:
            return super().left_over() + ([NAME] if self.path.exists() else [])
        inside = [path.name for path in self.path.iterdir() if path.name not in content]
        return super().left_over() + sorted(inside)


@dataclass
class SameSetPlace(SetPlace):
    """The old set is the same as the new one."""

    def __post_init__(self):
        super().__post_init__()
        self.old_bytes = self.new_bytes


@dataclass
class OrphanPlace(SetPlace):
    """Damaged files have the names of the new parts; no manifest names them."""

    def begin(self, with_old):
        super().begin(with_old)
        self.path.mkdir(exist_ok=True)
        for name in self.new_bytes.keys() - {"manifest.json"}:
            (self.path / name).write_bytes(b"half of a copy")
