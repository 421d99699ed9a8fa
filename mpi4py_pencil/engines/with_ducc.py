"""ducc0: nothing to plan, and faster than FFTW on lines of odd or prime length."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..transforms import Line
from . import FOURIER, HARTLEY, TRIGONOMETRIC, Plan, Tile, hartley, real_parts

try:
    import ducc0.fft
except ImportError as error:
    raise ImportError("backend 'ducc' needs ducc0: pip install 'mpi4py-pencil[ducc]'") from error

KINDS = FOURIER | TRIGONOMETRIC | HARTLEY
PRECISIONS = "fdg"


def plan(line: Line, before: Tile, after: Tile) -> Plan:
    """Transforms of all lines of a tile; ducc keeps its own plans."""
    if line.kind == "hartley":
        return lambda: hartley(ducc0.fft.r2c(real_parts(before), axes=(1,), nthreads=1), real_parts(after))
    calls: dict[str, Callable[..., Any]] = {
        "forward": partial(ducc0.fft.c2c, forward=True),
        "backward": partial(ducc0.fft.c2c, forward=False),
        "r2c": partial(ducc0.fft.r2c, forward=True),
        "c2r": partial(ducc0.fft.c2r, lastsize=line.n, forward=False),
    }
    if line.kind in TRIGONOMETRIC:
        call = partial(getattr(ducc0.fft, line.kind[:3]), type=int(line.kind[-1]))
        return partial(call, real_parts(before), axes=(1,), out=real_parts(after), nthreads=1)
    return partial(calls[line.kind], before, axes=(1,), out=after, nthreads=1)
