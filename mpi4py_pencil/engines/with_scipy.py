"""scipy.fft."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..transforms import Line
from . import Plan

try:
    import scipy.fft
except ImportError as error:
    raise ImportError("backend 'scipy' needs scipy: pip install 'mpi4py-pencil[scipy]'") from error


def plan(line: Line, before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> Plan:
    """Transforms of all lines of a tile; scipy keeps its own plans and returns new arrays, which are copied."""
    call, norm = {
        "forward": (scipy.fft.fft, "backward"),
        "backward": (scipy.fft.ifft, "forward"),
        "r2c": (scipy.fft.rfft, "backward"),
        "c2r": (scipy.fft.irfft, "forward"),
    }[line.kind]

    def execute() -> None:
        after[:] = call(before, line.n, axis=1, norm=norm, overwrite_x=True, workers=1)

    return execute
