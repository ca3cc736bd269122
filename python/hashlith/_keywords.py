"""Misspelt keywords."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")


def suggest_keywords(function: Callable[P, R]) -> Callable[P, R]:
    """Makes the TypeError for an unknown keyword name the nearest known one, which Python does itself only since 3.13."""
    code = function.__code__
    known = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]

    @functools.wraps(function)
    def checked(*arguments: Any, **keywords: Any) -> R:
        for keyword in keywords:
            if keyword not in known:
                import difflib

                nearest = difflib.get_close_matches(keyword, known, 1)
                hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
                name = function.__qualname__.removesuffix(".__new__")
                raise TypeError(f"{name}() got an unexpected keyword argument {keyword!r}{hint}")
        return function(*arguments, **keywords)

    return cast(Callable[P, R], checked)
