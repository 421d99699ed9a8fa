"""scipy.fft."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..transforms import Line
from . import FOURIER, HARTLEY, TRIGONOMETRIC, Plan, Tile, hartley, real_parts

try:
    import scipy.fft
except ImportError as error:
    raise ImportError("backend 'scipy' needs scipy: pip install 'mpi4py-pencil[scipy]'") from error

KINDS = FOURIER | TRIGONOMETRIC | HARTLEY
PRECISIONS = "fdg"


def plan(line: Line, before: Tile, after: Tile) -> Plan:
    """Transforms of all lines of a tile; scipy keeps its own plans and returns new arrays, which are copied."""
    if line.kind == "hartley":
        rfft = partial(scipy.fft.rfft, axis=1, overwrite_x=True, workers=1)
        return lambda: hartley(rfft(real_parts(before)), real_parts(after))
    call = _call(line)

    def execute() -> None:
        after[:] = call(before, axis=1, overwrite_x=True, workers=1)

    return execute


def _call(line: Line) -> Callable[..., Any]:
    """The function of scipy.fft, without a scale."""
    if line.kind in TRIGONOMETRIC:
        return partial(getattr(scipy.fft, line.kind[:3]), type=int(line.kind[-1]))
    call, norm = {
        "forward": (scipy.fft.fft, "backward"),
        "backward": (scipy.fft.ifft, "forward"),
        "r2c": (scipy.fft.rfft, "backward"),
        "c2r": (scipy.fft.irfft, "forward"),
    }[line.kind]
    return partial(call, n=line.n, norm=norm)
