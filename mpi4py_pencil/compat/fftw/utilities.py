"""``mpi4py_fft.fftw.utilities``: FFTW's names for kinds and flags as numbers, and aligned memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

FFTW_FORWARD = -1
FFTW_R2HC = 0
FFTW_BACKWARD = 1
FFTW_HC2R = 1
FFTW_DHT = 2
FFTW_REDFT00 = 3
FFTW_REDFT01 = 4
FFTW_REDFT10 = 5
FFTW_REDFT11 = 6
FFTW_RODFT00 = 7
FFTW_RODFT01 = 8
FFTW_RODFT10 = 9
FFTW_RODFT11 = 10

C2C_FORWARD = -1
C2C_BACKWARD = 1
R2C = -2
C2R = 2

FFTW_MEASURE = 0
FFTW_DESTROY_INPUT = 1
FFTW_UNALIGNED = 2
FFTW_CONSERVE_MEMORY = 4
FFTW_EXHAUSTIVE = 8
FFTW_PRESERVE_INPUT = 16
FFTW_PATIENT = 32
FFTW_ESTIMATE = 64
FFTW_WISDOM_ONLY = 2097152

# What mpi4py-fft takes for the widest alignment.
_WIDEST = 32


def get_alignment(array: Array) -> int:
    """The largest power of two, up to 32, at a multiple of which an array begins."""
    address = array.__array_interface__["data"][0]
    return _WIDEST if address % _WIDEST == 0 else int(address & -address)


def aligned(shape: Any, n: int = 32, dtype: Any = "d", fill: int | None = None) -> Array:
    """An array that begins at a multiple of `n` bytes; zero, or full of `fill`."""
    dtype = np.dtype(dtype)
    shape = tuple(shape) if np.ndim(shape) else (int(shape),)
    nbytes = math.prod(map(int, shape)) * dtype.itemsize
    if not nbytes:
        return np.empty(shape, dtype)
    # pages of zeros take no memory until they are used
    raw = np.zeros(nbytes + n, np.uint8)
    skip = -raw.__array_interface__["data"][0] % n
    array = np.frombuffer(raw[skip : skip + nbytes].data, dtype).reshape(shape)
    if fill is not None:
        array[...] = fill
    return array


def aligned_like(z: Array, fill: int | None = None) -> Array:
    """An array of the shape, dtype and alignment of another."""
    return aligned(z.shape, get_alignment(z), z.dtype, fill)
