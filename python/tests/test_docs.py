"""The examples of the documentation run: every Python block of docs/*.md and README.md, and the doctests of the modules.

The blocks of a page run in order, in one namespace, as `__main__` of a fresh process in an empty folder. Each block is a
file of its own, so a block that starts processes by spawn or forkserver works only if it is a whole program. Blocks that
begin with `>>>` are doctests.
"""

import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import textwrap

import pytest

import hashlith

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DOCS = sorted((ROOT / "docs").glob("*.md"))
# Measurements and tests; no other page is without Python.
REPORTS = {"performance.md", "reliability.md"}
# tests/distributed runs its blocks, which need engines.
ELSEWHERE = {"distributed.md"}
README = ROOT / "README.md"
MODULES = ["hashlith", "hashlith._build", "hashlith._index", "hashlith._check", "hashlith._sets"]
# A block with this word is run by test_databases.py, which starts a server.
NEEDS_SERVER = "REDIS_URL"
LANGUAGES = {"", "text", "python", "sh", "bash", "rust", "toml", "json"}


class NoBlocks(Exception):
    """A page without a single Python block."""


def fences(text):
    """All fenced blocks: language, number of the first line, content."""
    found, language, first, lines = [], None, 0, []
    for number, line in enumerate(text.splitlines(), 1):
        fence = re.fullmatch(r" *```+ *(.*?) *", line)
        if language is None and fence:
            language, first, lines = fence[1], number + 1, []
        elif language is not None and fence and not fence[1]:
            found.append((language, first, textwrap.dedent("".join(lines))))
            language = None
        elif language is not None:
            lines.append(line + "\n")
    assert language is None, f"the block before line {first} has no end"
    return found


def python_blocks(text):
    """The Python blocks: number of the first line, and content."""
    found = [(first, source) for language, first, source in fences(text) if language == "python" and NEEDS_SERVER not in source]
    if not found:
        raise NoBlocks
    return found


# Runs blocks as `__main__`. A child that multiprocessing starts runs the file that `__main__` names: the current block.
RUN_BLOCKS = """
import doctest, json, sys, types

main = sys.modules["__main__"] = types.ModuleType("__main__")
for block in json.load(open(sys.argv[1])):
    if block["is_apart"]:
        main = sys.modules["__main__"] = types.ModuleType("__main__")
    main.__file__, source = block["file"], open(block["file"]).read()
    if block["is_doctest"]:
        test = doctest.DocTestParser().get_doctest(source, {}, block["name"], block["file"], 0)
        test.globs = main.__dict__
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        runner.run(test, clear_globs=False)
        if runner.failures or not runner.tries:
            sys.exit(1)
    else:
        exec(compile(source, block["file"], "exec"), main.__dict__)
open(sys.argv[2], "w").close()
"""

# Stands in for a DataLoader with workers on machines without PyTorch: the dataset is pickled into a new process, which
# asks it for the rows of a batch.
DATA_LOADER = """
import concurrent.futures
import functools
import multiprocessing


def _fetch(dataset, collate, places):
    return collate(dataset.__getitems__(places))


class DataLoader:
    def __init__(self, dataset, batch_size=1, num_workers=0, collate_fn=None, multiprocessing_context=None):
        assert num_workers > 0 and multiprocessing_context in ("spawn", "forkserver")
        self.fetch = functools.partial(_fetch, dataset, collate_fn)
        places = range(len(dataset))
        self.batches = [list(places[at : at + batch_size]) for at in places[::batch_size]]
        self.workers = num_workers, multiprocessing.get_context(multiprocessing_context)

    def __iter__(self):
        with concurrent.futures.ProcessPoolExecutor(*self.workers) as pool:
            yield from pool.map(self.fetch, self.batches)
"""


def environment(folder, temporary):
    """The environment of a process that writes to its own folders only."""
    found = dict(os.environ, TMPDIR=temporary, PYTHONDONTWRITEBYTECODE="1")
    if importlib.util.find_spec("torch") is None:
        package = folder / "stand-in" / "torch" / "utils"
        package.mkdir(parents=True)
        (package.parent / "__init__.py").touch()
        (package / "__init__.py").touch()
        (package / "data.py").write_text(DATA_LOADER)
        found["PYTHONPATH"] = os.pathsep.join([str(folder / "stand-in"), *filter(None, [os.getenv("PYTHONPATH")])])
    # The command, as an activated environment has it.
    found["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
    return found


def run(arguments, folder):
    """A Python process in an empty folder, which must succeed."""
    work = folder / "work"
    work.mkdir()
    # Its path is short: that of a socket in it, such as multiprocessing's, has at most 107 bytes.
    with tempfile.TemporaryDirectory() as temporary:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=work,
            env=environment(folder, temporary),
            capture_output=True,
            text=True,
            timeout=50,
        )
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def run_page(text, name, folder, is_apart=False):
    """Runs the Python blocks of a page, in one namespace or each in its own. The line numbers of a traceback are those
    of the page.
    """
    blocks = []
    for first, source in python_blocks(text):
        file = folder / f"{name}-line-{first}.py"
        file.write_text("\n" * (first - 1) + source)
        blocks.append(
            {
                "file": str(file),
                "name": f"{name}, line {first}",
                "is_doctest": source.startswith(">>>"),
                "is_apart": is_apart,
            }
        )
    (folder / "run_blocks.py").write_text(RUN_BLOCKS)
    (folder / "blocks.json").write_text(json.dumps(blocks))
    run([folder / "run_blocks.py", folder / "blocks.json", folder / "done"], folder)
    assert (folder / "done").exists(), "a block ended the page"


def test_the_pages_are_there():
    assert {"choosing.md", "memory.md", "python.md", "recipes.md"} <= {page.name for page in DOCS}


@pytest.mark.parametrize("page", [page for page in DOCS if page.name not in REPORTS | ELSEWHERE], ids=lambda page: page.name)
def test_the_blocks_of_a_page_run(page, tmp_path):
    run_page(page.read_text(), page.stem, tmp_path)


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_a_report_has_no_blocks_to_run(name):
    with pytest.raises(NoBlocks):
        python_blocks((ROOT / "docs" / name).read_text())


def test_a_recipe_is_a_whole_program(tmp_path):
    run_page((ROOT / "docs" / "recipes.md").read_text(), "recipes", tmp_path, is_apart=True)


def test_the_blocks_of_the_readme_run(tmp_path):
    try:
        run_page(README.read_text(), "README", tmp_path)
    except NoBlocks:
        pytest.skip("README.md has no Python block")


@pytest.mark.parametrize("page", [README, *DOCS], ids=lambda page: page.name)
def test_no_block_is_overlooked(page):
    found = fences(page.read_text())
    assert {language for language, _, _ in found} <= LANGUAGES
    for language, first, source in found:
        assert language == "python" or ">>>" not in source, f"line {first}: a doctest that is not marked python"
        assert not re.search(r"^>>> ", source, re.M) or source.startswith(">>> "), f"line {first}: code before >>>"


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text()):
        linked = page.parent / target if target else page
        assert linked.exists(), target
        if anchor:
            # An anchor as GitHub makes it of a heading.
            headings = re.findall(r"^#+ (.*)", linked.read_text(), re.M)
            anchors = {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{target}#{anchor}"


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_shell_blocks_are_well_formed(page):
    for language, first, source in fences(page.read_text()):
        if language in ("sh", "bash"):
            done = subprocess.run(["bash", "-n"], input=source, capture_output=True, text=True)
            assert done.returncode == 0, f"line {first}: {done.stderr}"


def test_a_page_without_blocks_is_noticed(tmp_path):
    with pytest.raises(NoBlocks):
        run_page("# A page\n\n```sh\nls\n```\n", "page", tmp_path)


@pytest.mark.parametrize("source", ["assert 1 == 2\n", ">>> 1\n2\n", ">>> # nothing\n", "import no_such_module\n"])
def test_a_failing_block_is_noticed(source, tmp_path):
    with pytest.raises(AssertionError, match="exit code 1"):
        run_page(f"```python\nx = 1\n```\n\n```python\n{source}```\n", "page", tmp_path)


def test_a_block_that_ends_the_process_is_noticed(tmp_path):
    with pytest.raises(AssertionError, match="a block ended the page"):
        run_page("```python\nraise SystemExit\n```\n\n```python\n1 / 0\n```\n", "page", tmp_path)


def test_blocks_share_a_namespace_and_lines_are_those_of_the_page(tmp_path):
    page = "text\n```python\nx = 1\n```\n\n```python\n>>> x\n1\n>>> y = 2\n```\n"
    page += "\n```python\nassert y == 2\n1 / 0\n```\n"
    with pytest.raises(AssertionError, match="(?s)line 14, in .*ZeroDivisionError"):
        run_page(page, "page", tmp_path)


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module_hold(module, tmp_path):
    script = textwrap.dedent("""
        import doctest, importlib, sys

        result = doctest.testmod(importlib.import_module(sys.argv[1]), optionflags=doctest.ELLIPSIS)
        print(result.attempted)
        sys.exit(result.failed > 0)
    """)
    assert int(run(["-c", script, module], tmp_path)) > 0


def test_every_public_name_is_documented():
    public = {name: getattr(hashlith, name) for name in hashlith.__all__ if not name.startswith("_")}
    for cls in hashlith.Index, hashlith.Builder, hashlith.ArrowArray:
        public.update({f"{cls.__name__}.{name}": getattr(cls, name) for name in dir(cls) if not name.startswith("_")})
    assert [name for name, found in public.items() if not found.__doc__] == []


def test_pandas_copies_a_mapping(tmp_path):
    """docs/recipes.md warns of Series.map(d): pandas makes a Series of all of d."""
    pandas = pytest.importorskip("pandas")
    hashlith.build(tmp_path / "d.hlith", {f"key {n}": "value" for n in range(100)})
    given = []

    class Watched(hashlith.Index):
        __slots__ = ()

        def values(self):
            given.extend(super().values())
            return super().values()

    series = pandas.Series(["key 1", "absent"])
    series.map(Watched(tmp_path / "d.hlith"))
    assert len(given) == 100, "pandas has changed: say so in docs/recipes.md"
    given.clear()
    series.map(Watched(tmp_path / "d.hlith").get)
    assert given == []
