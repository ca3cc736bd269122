"""Where unsafe code may be, what the reader may depend on, how long files may be, and that no files import each other."""
import json
import re
import subprocess
from pathlib import Path

import pytest

from imports import Crate, circle, is_root, python_imports

ROOT = Path(__file__).parent.parent

# Files that may have unsafe code, and why. A lint demands that each block says why it is sound.
UNSAFE = {
    "reader/src/map.rs": "maps files, locks and asks for their pages",
    "cli/src/allocator.rs": "sets the policy of the allocator",
    "cli/src/open.rs": "calls Index::map",
    "cli/src/signals.rs": "installs a signal handler",
    "python/src/open.rs": "calls Index::map and Mapping::open",
    "python/src/block.rs": "gives vectors to numpy through the buffer protocol",
    "python/src/capsule.rs": "takes Arrow arrays through the C data interface",
    "python/src/foreign.rs": "reads the structures and buffers of Arrow arrays",
}
# The reader and all its dependencies. A new one needs a review; one that runs code during the build needs two.
READER = {"hashlith-reader", "hashlith-format", "bytemuck", "libc", "memmap2", "prefetch-index", "siphasher", "xxhash-rust"}
READER_BUILD_SCRIPTS = {"libc"}
SAFE_CRATES = "format", "feedback", "builder", "checker", "inputs", "hashlith"


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments, "--locked"], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_only_these_files_have_unsafe_code():
    found = set()
    for crate in *SAFE_CRATES, "reader", "cli", "python":
        for path in (ROOT / crate / "src").rglob("*.rs"):
            code = re.sub(r"//.*", "", path.read_text())
            if re.search(r"\bunsafe\s*(fn|impl|trait|extern|\{)", code):
                found.add(str(path.relative_to(ROOT)))
    assert found == set(UNSAFE)


def test_crates_without_unsafe_code_forbid_it():
    for crate in SAFE_CRATES:
        assert "#![forbid(unsafe_code)]" in (ROOT / crate / "src" / "lib.rs").read_text(), crate
    lints = (ROOT / "Cargo.toml").read_text()
    assert 'undocumented_unsafe_blocks = "deny"' in lints and 'unsafe_op_in_unsafe_fn = "deny"' in lints


def test_the_reader_depends_on_few_crates():
    tree = cargo("tree", "-p", "hashlith-reader", "-e", "normal,build", "--prefix", "none")
    assert {line.split()[0] for line in tree.splitlines()} == READER and len(READER) <= 10
    packages = json.loads(cargo("metadata", "--format-version", "1"))["packages"]
    scripted = {one["name"] for one in packages if any("custom-build" in target["kind"] for target in one["targets"])}
    assert scripted & READER == READER_BUILD_SCRIPTS


def sources(*patterns):
    """The files of this project with such names, also those that are not committed yet."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def too_long(paths):
    return [str(path) for path in paths if len(path.read_text().splitlines()) > 400]


def test_no_file_is_long():
    paths = sources("*.rs", "*.py")
    assert len(paths) > 300 and too_long(paths) == []


def test_a_long_file_is_found(tmp_path):
    for lines in 400, 401:
        (tmp_path / f"{lines}.py").write_text("pass\n" * lines)
    assert too_long(tmp_path.iterdir()) == [str(tmp_path / "401.py")]


def test_no_circle_in_a_crate():
    imports = [Crate(root).imports() for root in sources("*.rs") if is_root(root)]
    assert len(imports) >= 9 and sum(len(all_) for crate in imports for all_ in crate.values()) > 300
    assert [circle(crate) for crate in imports if circle(crate)] == []


def test_no_circle_in_the_package():
    imports = python_imports(ROOT / "python" / "hashlith")
    assert sum(map(len, imports.values())) > 10 and circle(imports) is None


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


CRATE = {
    "lib.rs": "mod a;\nmod b;\npub mod c;\npub use b::{B, G as F};\npub const ONE: u32 = 1;\n",
    "a.rs": "//! See crate::c.\nuse crate::{B, ONE};\n#[cfg(test)]\nmod tests {\n    use crate::c::C;\n}\n",
    "b.rs": "use crate::c::{self, d::{D as E, X}};\nuse std::io;\n",
    "c/mod.rs": "mod d;\npub use d::D;\n",
    "c/d.rs": "use crate::ONE;\n",
}


def test_the_imports_of_a_crate(tmp_path):
    """Through what a file passes on, which it need not use itself."""
    write(tmp_path, CRATE)
    imports = {str(path.relative_to(tmp_path)): {str(to.relative_to(tmp_path)) for to in all_}
               for path, all_ in Crate(tmp_path / "lib.rs").imports().items()}
    assert imports == {"lib.rs": set(), "a.rs": {"b.rs", "lib.rs"}, "b.rs": {"c/mod.rs", "c/d.rs"}, "c/mod.rs": set(),
                       "c/d.rs": {"lib.rs"}}
    assert circle(Crate(tmp_path / "lib.rs").imports()) is None


@pytest.mark.parametrize("name, more", [
    ("c/d.rs", "use crate::a::A;"),
    ("c/d.rs", "fn f() { super::super::a::f() }"),
    ("c/mod.rs", "use super::F;"),
    ("c/mod.rs", "fn f() { crate::B::new() }"),
    ("lib.rs", "fn f() { a::f() }"),
    ("lib.rs", "use c::{d::D};"),
])
def test_a_circle_in_a_crate_is_found(name, more, tmp_path):
    write(tmp_path, {**CRATE, name: CRATE[name] + more + "\n"})
    found = circle(Crate(tmp_path / "lib.rs").imports())
    assert found[0] == found[-1] and tmp_path / name in found


def test_a_circle_in_a_package_is_found(tmp_path):
    files = {
        "p/__init__.py": "import os\nfrom ._a import x\n",
        "p/_a.py": "from . import _b, _compiled\n",
        "p/_compiled.pyi": "",
        "p/_b.py": "",
        "p/q/__init__.py": "from .. import _a\nfrom .._b import y\n",
    }
    write(tmp_path, files)
    assert circle(python_imports(tmp_path / "p")) is None
    for line in "from ._a import x", "from . import x", "from p._a import x", "import p", "import p._a":
        write(tmp_path, {"p/_b.py": f"def f():\n    {line}\n"})
        assert tmp_path / "p" / "_b.py" in circle(python_imports(tmp_path / "p"))
