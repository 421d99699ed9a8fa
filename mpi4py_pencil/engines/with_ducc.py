"""ducc0: nothing to plan, and faster than FFTW on lines of odd or prime length."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..transforms import Line
from . import Plan

try:
    import ducc0.fft
except ImportError as error:
    raise ImportError("backend 'ducc' needs ducc0: pip install 'mpi4py-pencil[ducc]'") from error


def plan(line: Line, before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> Plan:
    """Transforms of all lines of a tile; ducc keeps its own plans."""
    calls: dict[str, Callable[..., Any]] = {
        "forward": partial(ducc0.fft.c2c, forward=True),
        "backward": partial(ducc0.fft.c2c, forward=False),
        "r2c": partial(ducc0.fft.r2c, forward=True),
        "c2r": partial(ducc0.fft.c2r, lastsize=line.n, forward=False),
    }
    return partial(calls[line.kind], before, axes=(1,), out=after, nthreads=1)
