"""What the functions of the namespace take: global arrays, numpy arrays as the whole among them, and no local views."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from . import elementwise
from .creation import asarray
from .globalarray import GlobalArray, refuse_local

# The names of the parameters that are arrays, and of those that are several.
_ARRAYS = {"x", "x1", "x2", "g", "condition", "prepend", "append"}
_SEVERAL = {"arrays"}


def guard(names: dict[str, Any], which: Iterable[str]) -> None:
    """Let those functions of a namespace that take global arrays refuse what is none, alike."""
    for name in which:
        if inspect.isfunction(names[name]) and _parameters(names[name]):
            names[name] = guarded(names[name])


def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, to which numpy arrays beside global ones go as the whole array that every rank has.

    Raises
    ------
    TypeError
        Where there is no global array, or a local view among the operands.
    """
    parameters = _parameters(function)
    # what is computed point by point takes its part of a numpy array by itself
    as_they_are = function.__module__ == elementwise.__name__
    of_one = len(parameters) == 2  # its position and its name

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not args or (type(args[0]) is GlobalArray and (of_one or (len(args) == 1 and not kwargs))):
            return function(*args, **kwargs)
        given = [args[k] for k in parameters if isinstance(k, int) and k < len(args)]
        if ... in parameters:
            given = list(args)
        given += [kwargs[k] for k in parameters if isinstance(k, str) and k in kwargs]
        lead = _lead(function, given)
        if as_they_are:
            return function(*args, **kwargs)

        def whole(x: Any) -> Any:
            if isinstance(x, (list, tuple)) and _first(x) is not None:
                return list(map(whole, x))
            return asarray(x, context=lead.context) if isinstance(x, (np.ndarray, list, tuple)) else x

        args = tuple(whole(x) if k in parameters or ... in parameters else x for k, x in enumerate(args))
        return function(*args, **{k: whole(x) if k in parameters else x for k, x in kwargs.items()})

    return call


def _parameters(function: Callable[..., Any]) -> set[Any]:
    """Which arguments are arrays: by position, by name; ... stands for all positional ones."""
    found: set[Any] = set()
    for k, each in enumerate(inspect.signature(function).parameters.values()):
        if each.kind == each.VAR_POSITIONAL and each.name in _SEVERAL:
            found.add(...)
        elif each.name in _ARRAYS | _SEVERAL:
            found |= {each.name} if each.kind == each.KEYWORD_ONLY else {k, each.name}
    return found


def _lead(function: Callable[..., Any], given: list[Any]) -> GlobalArray:
    """The first global array of the operands."""
    refuse_local(given)
    lead = _first(given)
    if lead is None:
        what = ", ".join(f"{type(x).__name__}" for x in given)
        raise TypeError(
            f"{function.__name__} is of global arrays, not of {what}: make one by asarray, which takes what every rank "
            "has, or call numpy's function"
        )
    return lead


def _first(given: Iterable[Any]) -> GlobalArray | None:
    """The first global array, in sequences too."""
    for x in given:
        found = x if isinstance(x, GlobalArray) else _first(x) if isinstance(x, (list, tuple)) else None
        if found is not None:
            return found
    return None
