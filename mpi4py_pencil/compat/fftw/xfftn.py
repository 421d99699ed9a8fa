"""``mpi4py_fft.fftw.xfftn``: functions that plan a transform for an array and return it, to be called.

They are plain functions: programs set attributes on them. All take the array that is transformed; `s`, which only
transforms to real points look at: their lengths along the axes; `axes`, of which the last is transformed first;
`threads` and `flags` of FFTW; and `output_array`, which is made where it is not given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import utilities
from .factory import get_planned_FFT
from .library import FFT
from .utilities import (
    C2R,
    FFTW_BACKWARD,
    FFTW_FORWARD,
    FFTW_MEASURE,
    FFTW_REDFT00,
    FFTW_REDFT01,
    FFTW_REDFT10,
    FFTW_REDFT11,
    FFTW_RODFT00,
    FFTW_RODFT01,
    FFTW_RODFT10,
    FFTW_RODFT11,
    R2C,
    aligned,
    get_alignment,
)

Array = np.ndarray[Any, Any]

flag_dict = {name: number for name, number in vars(utilities).items() if name.startswith("FFTW_")}

dct_type = {1: FFTW_REDFT00, 2: FFTW_REDFT10, 3: FFTW_REDFT01, 4: FFTW_REDFT11}
idct_type = {1: FFTW_REDFT00, 2: FFTW_REDFT01, 3: FFTW_REDFT10, 4: FFTW_REDFT11}
dst_type = {1: FFTW_RODFT00, 2: FFTW_RODFT10, 3: FFTW_RODFT01, 4: FFTW_RODFT11}
idst_type = {1: FFTW_RODFT00, 2: FFTW_RODFT01, 3: FFTW_RODFT10, 4: FFTW_RODFT11}


def fftn(
    input_array: Array,
    s: Any = None,
    axes: Sequence[int] = (-1,),
    threads: int = 1,
    flags: Any = (FFTW_MEASURE,),
    output_array: Array | None = None,
) -> FFT:
    """Plan the transform of complex points, with exponent -1."""
    return _complex(FFTW_FORWARD, input_array, axes, threads, flags, output_array)


def ifftn(
    input_array: Array,
    s: Any = None,
    axes: Sequence[int] = (-1,),
    threads: int = 1,
    flags: Any = (FFTW_MEASURE,),
    output_array: Array | None = None,
) -> FFT:
    """Plan the transform of complex modes, with exponent +1; it does not scale."""
    return _complex(FFTW_BACKWARD, input_array, axes, threads, flags, output_array)


def rfftn(
    input_array: Array,
    s: Any = None,
    axes: Sequence[int] = (-1,),
    threads: int = 1,
    flags: Any = (FFTW_MEASURE,),
    output_array: Array | None = None,
) -> FFT:
    """Plan the transform of real points to half of their modes along the last of `axes`."""
    _check(input_array, "fdg")
    shape = list(input_array.shape)
    shape[axes[-1]] = shape[axes[-1]] // 2 + 1
    output_array = _output(output_array, input_array, shape, input_array.dtype.char.upper())
    factor = _factor(R2C, input_array, input_array.shape, axes)
    return get_planned_FFT(input_array, output_array, axes, R2C, threads, flags, factor)


def irfftn(
    input_array: Array,
    s: Any = None,
    axes: Sequence[int] = (-1,),
    threads: int = 1,
    flags: Any = (FFTW_MEASURE,),
    output_array: Array | None = None,
) -> FFT:
    """Plan the transform of half of the modes to real points; an even number of them, where `s` does not say."""
    _check(input_array, "FDG")
    shape = list(input_array.shape)
    shape[axes[-1]] = 2 * shape[axes[-1]] - 2
    if s is not None:
        for length, axis in zip(s, axes, strict=True):
            shape[axis] = int(length)
    if shape[axes[-1]] // 2 + 1 != input_array.shape[axes[-1]]:
        raise ValueError(f"s {s!r} does not belong to {input_array.shape[axes[-1]]} modes along axis {axes[-1]}")
    output_array = _output(output_array, input_array, shape, input_array.dtype.char.lower())
    factor = _factor(C2R, input_array, shape, axes)
    return get_planned_FFT(input_array, output_array, axes, C2R, threads, flags, factor)


def ihfftn(
    input_array: Array,
    s: Any = None,
    axes: Sequence[int] = (-1,),
    threads: int = 1,
    flags: Any = (FFTW_MEASURE,),
    output_array: Array | None = None,
) -> FFT:
    """Plan what `rfftn` plans: the spectrum of a signal whose transform is real."""
    return rfftn(input_array, s, axes, threads, flags, output_array)


def hfftn(
    input_array: Array,
    s: Any = None,
    axes: Sequence[int] = (-1,),
    threads: int = 1,
    flags: Any = (FFTW_MEASURE,),
    output_array: Array | None = None,
) -> FFT:
    """Plan what `irfftn` plans: of half of a signal with Hermitian symmetry."""
    return irfftn(input_array, s, axes, threads, flags, output_array)


def dctn(
    input_array: Array,
    s: Any = None,
    axes: Sequence[int] = (-1,),
    type: int = 2,
    threads: int = 1,
    flags: Any = (FFTW_MEASURE,),
    output_array: Array | None = None,
) -> FFT:
    """Plan a discrete cosine transform of `type` 1 to 4."""
    return _real(dct_type[type], input_array, axes, threads, flags, output_array)


def idctn(
    input_array: Array,
    s: Any = None,
    axes: Sequence[int] = (-1,),
    type: int = 2,
    threads: int = 1,
    flags: Any = (FFTW_MEASURE,),
    output_array: Array | None = None,
) -> FFT:
    """Plan the inverse of the cosine transform of `type`, without its scale."""
    return _real(idct_type[type], input_array, axes, threads, flags, output_array)


def dstn(
    input_array: Array,
    s: Any = None,
    axes: Sequence[int] = (-1,),
    type: int = 2,
    threads: int = 1,
    flags: Any = (FFTW_MEASURE,),
    output_array: Array | None = None,
) -> FFT:
    """Plan a discrete sine transform of `type` 1 to 4."""
    return _real(dst_type[type], input_array, axes, threads, flags, output_array)


def idstn(
    input_array: Array,
    s: Any = None,
    axes: Sequence[int] = (-1,),
    type: int = 2,
    threads: int = 1,
    flags: Any = (FFTW_MEASURE,),
    output_array: Array | None = None,
) -> FFT:
    """Plan the inverse of the sine transform of `type`, without its scale."""
    return _real(idst_type[type], input_array, axes, threads, flags, output_array)


def get_normalization(kind: Any, shape: Sequence[int], axes: Sequence[int]) -> float:
    """One over what a transform and its inverse multiply with, for points of this shape and the kind of each axis."""
    kinds = [kind] * len(axes) if np.ndim(kind) == 0 else kind
    return 1.0 / math.prod(_size(k, int(shape[axis])) for k, axis in zip(kinds, axes, strict=True))


def _factor(kinds: Any, source: Array, shape: Sequence[int], axes: Sequence[int]) -> Any:
    """The factor of `get_normalization` in the precision of an array."""
    factor = get_normalization(kinds, shape, axes)
    return 1 / np.round(np.longdouble(1) / factor) if source.dtype.char in "gG" else factor


def _size(kind: int, n: int) -> int:
    """What a transform of `n` points and its inverse multiply with."""
    if kind == FFTW_REDFT00:
        return 2 * (n - 1)
    if kind == FFTW_RODFT00:
        return 2 * (n + 1)
    return 2 * n if kind in inverse else n


def _complex(kind: int, source: Array, axes: Any, threads: int, flags: Any, target: Array | None) -> FFT:
    """Plan a transform of complex to complex."""
    _check(source, "FDG")
    target = _output(target, source, source.shape, source.dtype.char)
    factor = _factor(R2C, source, source.shape, axes)
    return get_planned_FFT(source, target, axes, kind, threads, flags, factor)


def _real(kind: int, source: Array, axes: Any, threads: int, flags: Any, target: Array | None) -> FFT:
    """Plan a transform of real to real, of one kind along all axes."""
    _check(source, "fdg")
    target = _output(target, source, source.shape, source.dtype.char)
    kinds = [kind] * len(axes)
    return get_planned_FFT(source, target, axes, kinds, threads, flags, _factor(kinds, source, source.shape, axes))


def _check(source: Array, chars: str) -> None:
    """Refuse an array of another kind of numbers."""
    if source.dtype.char not in chars:
        raise TypeError(f"input_array has dtype {source.dtype}: it must be {'real' if chars == 'fdg' else 'complex'}")


def _output(target: Array | None, source: Array, shape: Sequence[int], char: str) -> Array:
    """The array given for the result, or a new one aligned as the source is."""
    if target is None:
        return aligned(shape, get_alignment(source), char)
    if target.shape != tuple(shape) or target.dtype.char != char:
        raise ValueError(
            f"output_array has shape {target.shape} and dtype {target.dtype}, expected {tuple(shape)} and "
            f"{np.dtype(char)}"
        )
    return target


inverse: dict[Any, Any] = {
    FFTW_RODFT11: FFTW_RODFT11,
    FFTW_REDFT11: FFTW_REDFT11,
    FFTW_RODFT01: FFTW_RODFT10,
    FFTW_RODFT10: FFTW_RODFT01,
    FFTW_REDFT01: FFTW_REDFT10,
    FFTW_REDFT10: FFTW_REDFT01,
    FFTW_RODFT00: FFTW_RODFT00,
    FFTW_REDFT00: FFTW_REDFT00,
    rfftn: irfftn,
    irfftn: rfftn,
    fftn: ifftn,
    ifftn: fftn,
    dctn: idctn,
    idctn: dctn,
    dstn: idstn,
    idstn: dstn,
    hfftn: ihfftn,
    ihfftn: hfftn,
}
