"""Where unsafe code may be, and what the reader may depend on."""
import json
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent

# Files that may have unsafe code, and why. A lint demands that each block says why it is sound.
UNSAFE = {
    "reader/src/map.rs": "maps files, locks and asks for their pages",
    "cli/src/open.rs": "calls Index::map",
    "python/src/open.rs": "calls Index::map and Mapping::open",
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
