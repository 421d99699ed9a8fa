"""numpy.fft: always there, in every precision."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..transforms import Line
from . import Plan


def plan(line: Line, before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> Plan:
    """Transforms of all lines of a tile; numpy has nothing to plan."""
    calls: dict[str, Callable[..., Any]] = {
        "forward": partial(np.fft.fft, norm="backward"),
        "backward": partial(np.fft.ifft, norm="forward"),
        "r2c": partial(np.fft.rfft, norm="backward"),
        "c2r": partial(np.fft.irfft, norm="forward"),
    }
    return partial(calls[line.kind], before, line.n, axis=1, out=after)
