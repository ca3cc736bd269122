"""Which files import which, of a Rust crate or a Python package: a plain scan that follows the style of this project."""
import ast
import graphlib
import re
from pathlib import Path

USE = re.compile(r"(pub(?:\([^)]*\))?\s+)?\buse\s+([^;]+);")
PATH = re.compile(r"(?<![\w:])\w+(?:::\w+)+")


def circle(graph):
    """The files of a circle, the first one again at its end; None if there is none."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return None


def split_list(text):
    """The items of a list with commas; commas within braces do not count."""
    depth, items = 0, [""]
    for char in text:
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            items.append("")
        else:
            items[-1] += char
    return [item.strip() for item in items if item.strip()]


def expand(tree):
    """The paths of a `use`, each with the name that it brings in."""
    head, brace, rest = tree.strip().partition("{")
    if brace:
        for item in split_list(rest.rstrip().removesuffix("}")):
            yield from ((head + path, name) for path, name in expand(item))
    else:
        path, _, name = head.partition(" as ")
        path = path.strip().removesuffix("::self")
        yield path, name.strip() or path.split("::")[-1]


class Crate:
    """The files below the root of a crate: lib.rs, main.rs."""

    def __init__(self, root):
        self.files = {(): root}
        for path in root.parent.rglob("*.rs"):
            *folders, name = path.relative_to(root.parent).parts
            if folders or name not in ("lib.rs", "main.rs"):
                self.files[(*folders, *([] if name == "mod.rs" else [path.stem]))] = path
        self.names, self.paths = {}, {}
        for module, path in self.files.items():
            self.scan(module, path.read_text())

    def scan(self, module, code):
        """Notes what each name in a file stands for, and the paths of the code. Tests at its end do not count."""
        code = re.sub(r"//.*", "", code.split("#[cfg(test)]")[0])
        uses = [(public, path.split("::"), name) for public, tree in USE.findall(code) for path, name in expand(tree)]
        self.names[module] = {name: path for _, path, name in uses if name != "*"}
        inline = [path.split("::") for path in PATH.findall(USE.sub("", code))]
        # A name that is passed on is not used.
        self.paths[module] = [path for public, path, _ in uses if not public] + inline

    def find(self, module, path):
        """The module that a path in the code of `module` leads to; None outside of the crate."""
        first, *rest = path
        starts = {"crate": (), "super": module[:-1], "self": module}
        at = starts.get(first, (*module, first))
        if at not in self.files:
            return None
        for name in rest:
            if name == "super":
                at = at[:-1]
            elif (*at, name) in self.files:
                at = (*at, name)
            elif name in self.names[at]:
                return self.find(at, self.names[at][name])
            else:
                break
        return at

    def imports(self):
        """For each file those that it imports."""
        found = {module: {self.find(module, path) for path in paths} for module, paths in self.paths.items()}
        return {self.files[module]: {self.files[to] for to in all_ - {module, None}} for module, all_ in found.items()}


def python_imports(package):
    """For each file of a package those that it imports, wherever in its code. Stubs stand for compiled modules; what
    they import is for type checkers.
    """
    files = {}
    for path in [*package.rglob("*.py"), *package.rglob("*.pyi")]:
        parts = path.relative_to(package.parent).with_suffix("").parts
        files[parts[:-1] if parts[-1] == "__init__" else parts] = path

    def named(module, path):
        folder = module if path.stem == "__init__" else module[:-1]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (tuple(name.name.split(".")) for name in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = folder[:len(folder) + 1 - node.level] if node.level else ()
                base += tuple(node.module.split(".")) if node.module else ()
                # `from . import _native` names a module, `from . import build` the package.
                yield from ((*base, name.name) if (*base, name.name) in files else base for name in node.names)

    code = {module: path for module, path in files.items() if path.suffix == ".py"}
    found = {module: set(named(module, path)) - {module} for module, path in code.items()}
    return {files[module]: {files[to] for to in all_ if to in files} for module, all_ in found.items()}


def is_root(path: Path):
    """True for the root of a crate. A main.rs next to a lib.rs is a crate of one file."""
    return path.name == "lib.rs" or path.name == "main.rs" and not path.with_name("lib.rs").exists()
