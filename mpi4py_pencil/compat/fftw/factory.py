"""``mpi4py_fft.fftw.factory``: plans of any kind, and wisdom in a file for each rank and precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mpi4py import MPI

from .library import FFT, Library
from .utilities import FFTW_FORWARD, FFTW_MEASURE

Array = np.ndarray[Any, Any]

fftlib = {char: Library(char) for char in "FDG"}


def get_fftw_lib(dtype: Any) -> Library | None:
    """FFTW in the precision of a dtype; None where there is none."""
    return fftlib.get(np.dtype(dtype).char.upper())


def get_planned_FFT(
    input_array: Array,
    output_array: Array,
    axes: Sequence[int] = (-1,),
    kind: Any = FFTW_FORWARD,
    threads: int = 1,
    flags: Any = (FFTW_MEASURE,),
    normalization: float = 1.0,
) -> FFT:
    """A planned transform, with the parameters of `FFT`."""
    if input_array.dtype.char.upper() not in fftlib:
        raise TypeError(f"FFTW has no transform of {input_array.dtype}")
    return FFT(input_array, output_array, axes, kind, threads, flags, normalization)


def export_wisdom(filename: str) -> None:
    """Write what FFTW knows to ``F0_filename`` and its siblings, one for each precision and rank."""
    for char, lib in fftlib.items():
        if not lib.export_wisdom(f"{char}{MPI.COMM_WORLD.Get_rank()}_{filename}"):
            raise OSError(f"cannot write wisdom to {filename!r}")


def import_wisdom(filename: str) -> None:
    """Take in what `export_wisdom` has written, on as many ranks."""
    for char, lib in fftlib.items():
        if not lib.import_wisdom(f"{char}{MPI.COMM_WORLD.Get_rank()}_{filename}"):
            raise OSError(f"cannot read wisdom from {filename!r}")


def forget_wisdom() -> None:
    """Forget what FFTW knows."""
    for lib in fftlib.values():
        lib.forget_wisdom()


def set_timelimit(limit: float) -> None:
    """Limit the seconds that FFTW takes for a plan."""
    for lib in fftlib.values():
        lib.set_timelimit(limit)


def cleanup() -> None:
    """Forget what FFTW knows, and the time limit."""
    for lib in fftlib.values():
        lib.cleanup()
