"""The contenders in Python, a module each. A new one is a module with a subclass of `Contender`, listed in `MODULES`."""

import importlib

from .base import Contender

MODULES = [
    "hashlith_index",
    "plain_dict",
    "manager_dict",
    "py_lmdb",
    "keyvi_dictionary",
    "marisa",
    "lexindex_ids",
    "rocks",
    "sqlite",
    "gnu_dbm",
    "new_dbm",
    "tkrzw_hash",
    "tiny_cdb",
    "redis_server",
]


def contenders() -> list[Contender]:
    """All contenders, in the order of the table."""
    found: list[Contender] = []
    for name in MODULES:
        module = importlib.import_module(f".{name}", __package__)
        found += [kind() for kind in vars(module).values() if is_contender(kind, module.__name__)]
    return found


def is_contender(kind: object, module: str) -> bool:
    return isinstance(kind, type) and issubclass(kind, Contender) and kind.__module__ == module
