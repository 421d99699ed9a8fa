"""numpy.fft: always there, in every precision."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..transforms import Line
from . import FOURIER, HARTLEY, Plan, Tile, hartley, real_parts

KINDS = FOURIER | HARTLEY
PRECISIONS = "fdg"


def plan(line: Line, before: Tile, after: Tile) -> Plan:
    """Transforms of all lines of a tile; numpy has nothing to plan."""
    if line.kind == "hartley":
        return lambda: hartley(np.fft.rfft(real_parts(before), axis=1), real_parts(after))
    calls: dict[str, Callable[..., Any]] = {
        "forward": partial(np.fft.fft, norm="backward"),
        "backward": partial(np.fft.ifft, norm="forward"),
        "r2c": partial(np.fft.rfft, norm="backward"),
        "c2r": partial(np.fft.irfft, norm="forward"),
    }
    return partial(calls[line.kind], before, line.n, axis=1, out=after)
