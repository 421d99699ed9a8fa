"""FFTW, through pyfftw."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pyfftw

from ..transforms import Line
from . import Plan

# FFTW's planner keeps its state in global variables.
_planner = threading.Lock()


def plan(line: Line, before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> Plan:
    """Plan transforms of all lines of a tile by measuring. The tile's contents are lost."""
    direction = "FFTW_FORWARD" if line.kind in ("forward", "r2c") else "FFTW_BACKWARD"
    flags = ("FFTW_MEASURE", "FFTW_DESTROY_INPUT")
    with _planner:
        planned = pyfftw.FFTW(before, after, axes=(1,), direction=direction, flags=flags)
    # not the object itself: calling that scales backward transforms and takes in other arrays
    return planned.execute
