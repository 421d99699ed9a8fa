"""Engines: each module is the only door to one FFT library.

An engine is a function `plan(line, before, after)`: `before` and `after` are tiles, arrays of shape
(lines, items of the line), which may be the same memory where their dtypes and lengths are equal. It returns a callable
without arguments that transforms every line of `before` into `after`, without a scale; `before` may be overwritten. A
missing library raises ImportError, an unsupported precision TypeError.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from ..transforms import Line

Plan = Callable[[], Any]
Planner = Callable[[Line, "np.ndarray[Any, Any]", "np.ndarray[Any, Any]"], Plan]

ENGINES = ("pyfftw", "mkl", "ducc", "scipy", "numpy")
WITHOUT_LONG_DOUBLE = ("mkl",)


def checked_engine(name: str, dtype: np.dtype[Any]) -> str:
    """`name`, if there is such an engine, its library is installed, and it transforms numbers of this precision.

    Raises
    ------
    ValueError
        Where there is none.
    ImportError
        Where its library is not installed.
    TypeError
        Where it does not know the precision.
    """
    if name not in ENGINES:
        raise ValueError(f"backend {name!r} does not exist: use one of {', '.join(map(repr, ENGINES))}")
    engine(name)
    checked_precision(name, dtype)
    return name


def checked_precision(name: str, dtype: np.dtype[Any]) -> None:
    """Refuse a precision, with TypeError, that the engine called `name` does not know."""
    if name in WITHOUT_LONG_DOUBLE and dtype.char in "gG":
        others = ", ".join(repr(other) for other in ENGINES if other not in WITHOUT_LONG_DOUBLE)
        raise TypeError(f"backend {name!r} has no long double, and dtype is {dtype}: use one of {others}")


def engine(name: str) -> Planner:
    """The engine called `name`."""
    planner: Planner = importlib.import_module(f".with_{name}", __package__).plan
    return planner
