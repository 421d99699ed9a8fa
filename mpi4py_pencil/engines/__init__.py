"""Engines: each module is the only door to one FFT library.

An engine is a module with a function `plan(line, before, after)`: `before` and `after` are tiles, arrays of shape
(lines, items of the line), which may be the same memory where their dtypes and lengths are equal. It returns a callable
without arguments that transforms every line of `before` into `after`, without a scale; `before` may be overwritten. Its
`KINDS` are the kinds of lines and its `PRECISIONS` the real dtypes that it knows. A missing library raises ImportError.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import numpy as np

from ..transforms import Line

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Tile = np.ndarray[Any, Any]
Plan = Callable[[], Any]
Planner = Callable[[Line, Tile, Tile], Plan]

ENGINES = ("vertical", "pyfftw", "mkl", "ducc", "scipy", "numpy")

FOURIER = frozenset({"forward", "backward", "r2c", "c2r"})
TRIGONOMETRIC = frozenset(f"{name}{number}" for name in ("dct", "dst") for number in (1, 2, 3, 4))
HARTLEY = frozenset({"hartley"})


def checked_engine(name: str, lines: Iterable[Line] = ()) -> str:
    """`name`, if there is such an engine, its library is installed, and it can transform these lines.

    Raises
    ------
    ValueError
        Where there is none, or it does not know a kind of transform, or the environment asks it for what is not there.
    TypeError
        Where it does not know a precision.
    ImportError
        Where its library is not installed.
    TypeError
        Where it does not know the precision.
    """
    if name not in ENGINES:
        raise ValueError(f"backend {name!r} does not exist: use one of {', '.join(map(repr, ENGINES))}")
    module = _module(name)
    if name == "vertical":
        module.instruction_set()
    for line in lines:
        if line.kind == "map":
            continue
        if line.kind not in module.KINDS:
            raise ValueError(f"backend {name!r} has no transform {line.kind!r}: use 'pyfftw', 'ducc' or 'scipy'")
        if line.dtypes[0].char.lower() not in module.PRECISIONS:
            raise TypeError(f"backend {name!r} does not transform {line.dtypes[0]}: use 'pyfftw' or 'scipy'")
    return name


def default_engine(lines: Iterable[Line]) -> str:
    """The engine that should be the fastest for these lines on this processor: "vertical" or "pyfftw".

    Vertical sweeps pay where vectors have 32 bytes at least, as those of AVX2 and AVX-512 do.
    """
    vertical = _module("vertical")
    _, vector = vertical.instruction_set()
    return "vertical" if vector >= 32 and any(vertical.known(line) for line in lines) else "pyfftw"


def engine(name: str) -> Planner:
    """The engine called `name`; lines that are mapped by something else need none."""
    planner: Planner = _module(name).plan

    def plan(line: Line, before: Tile, after: Tile) -> Plan:
        return planner(line, before, after) if line.map is None else line.map.plan(before, after)

    return plan


def _module(name: str) -> ModuleType:
    """The module of an engine."""
    return importlib.import_module(f".with_{name}", __package__)


def aligned_bytes(nbytes: int) -> Bytes:
    """Uninitialised memory that starts at a cache line, of 64 bytes."""
    raw = np.empty(nbytes + 64, np.uint8)
    skip = -raw.ctypes.data % 64
    return raw[skip : skip + nbytes]


def real_parts(tile: Tile) -> Tile:
    """A tile as real numbers with the lines along axis 1: complex lines as pairs of lines of every second number."""
    if tile.dtype.kind == "f":
        return tile
    real = tile.real
    return np.lib.stride_tricks.as_strided(real, (*tile.shape, 2), (*tile.strides, real.itemsize))


def hartley(spectrum: Tile, after: Tile) -> None:
    """Fill real lines `after`, along axis 1, with the Hartley transform of what has this half of a spectrum."""
    half = spectrum.shape[1]
    mirrored = after.shape[1] - half
    np.subtract(spectrum.real, spectrum.imag, out=after[:, :half])
    if mirrored:
        np.add(spectrum.real[:, mirrored:0:-1], spectrum.imag[:, mirrored:0:-1], out=after[:, half:])
