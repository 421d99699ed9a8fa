"""FFTW, through pyfftw."""

from __future__ import annotations

import threading

import numpy as np
import pyfftw

from ..transforms import Line
from . import FOURIER, HARTLEY, TRIGONOMETRIC, Plan, Tile, hartley, real_parts

KINDS = FOURIER | TRIGONOMETRIC | HARTLEY
PRECISIONS = "fdg"

# FFTW's planner keeps its state in global variables.
_planner = threading.Lock()

# the types 1, 2, 3 and 4 as FFTW calls them
_SHIFTS = ("00", "10", "01", "11")


def plan(line: Line, before: Tile, after: Tile) -> Plan:
    """Plan transforms of all lines of a tile by measuring. The tile's contents are lost."""
    if line.kind == "hartley":
        return _hartley(before, after)
    if line.kind in TRIGONOMETRIC:
        name = "FFTW_REDFT" if line.kind.startswith("dct") else "FFTW_RODFT"
        return _planned(real_parts(before), real_parts(after), name + _SHIFTS[int(line.kind[-1]) - 1])
    return _planned(before, after, "FFTW_FORWARD" if line.kind in ("forward", "r2c") else "FFTW_BACKWARD")


def _planned(before: Tile, after: Tile, direction: str) -> Plan:
    """A plan along axis 1."""
    flags = ("FFTW_MEASURE", "FFTW_DESTROY_INPUT")
    with _planner:
        planned = pyfftw.FFTW(before, after, axes=(1,), direction=direction, flags=flags)
    # not the object itself: calling that scales backward transforms and takes in other arrays
    execute: Plan = planned.execute
    return execute


def _hartley(before: Tile, after: Tile) -> Plan:
    """The Hartley transform, which pyfftw does not hand on, from the transform of real lines."""
    before, after = real_parts(before), real_parts(after)
    half = (before.shape[0], before.shape[1] // 2 + 1, *before.shape[2:])
    spectrum = np.empty(half, before.dtype.char.upper())
    transform = _planned(before, spectrum, "FFTW_FORWARD")

    def execute() -> None:
        transform()
        hartley(spectrum, after)

    return execute
