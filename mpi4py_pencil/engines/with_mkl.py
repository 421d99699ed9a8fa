"""MKL, through mkl_fft: x86-64 only, in single and double precision.

At its first call MKL loads its own versions of FFTW's functions for the whole process. Where pyfftw is loaded after
that, they take the place of the real FFTW; so it is loaded here before. A program that calls MKL by itself must import
pyfftw first, too.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial
from typing import Any

import pyfftw  # noqa: F401

from ..transforms import Line
from . import FOURIER, Plan, Tile

try:
    import mkl_fft
    from mkl_fft import _pydfti
except ImportError as error:
    raise ImportError("backend 'mkl' needs mkl_fft: pip install 'mpi4py-pencil[mkl]'") from error

KINDS = FOURIER
PRECISIONS = "fd"

# Through the module that is linked with it: MKL itself has another file name in each release.
_set_threads = ctypes.CDLL(_pydfti.__file__).MKL_Set_Num_Threads_Local


def plan(line: Line, before: Tile, after: Tile) -> Plan:
    """Transforms of all lines of a tile.

    MKL's descriptors are kept by mkl_fft. It transforms complex lines in place; real ones, since the lines of a tile
    lie apart, to or from an array that it makes and copies.
    """
    calls: dict[str, Callable[..., Any]] = {
        "forward": partial(mkl_fft.fft, norm="backward"),
        "backward": partial(mkl_fft.ifft, norm="forward"),
        "r2c": partial(mkl_fft.rfft, norm="backward"),
        "c2r": partial(mkl_fft.irfft, norm="forward"),
    }
    call = partial(calls[line.kind], before, line.n, axis=1, out=after)

    def execute() -> None:
        threads = _set_threads(1)  # of this thread alone: a rank has one core
        try:
            call()
        finally:
            _set_threads(threads)

    return execute
