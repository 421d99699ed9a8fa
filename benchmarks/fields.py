"""Data that do not depend on how they are distributed, and fingerprints by which results are compared.

Needs numpy alone: it is also imported where there is no MPI.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Slices = tuple[slice, ...]

PROJECTIONS = 4


def field(shape: Sequence[int], where: Slices, dtype: Any, smooth: bool = False) -> Array:
    """A block of a field with something in every mode, or (smooth) of one whose spectrum ends before its highest mode.

    Parameters
    ----------
    shape : sequence of int
        Of the whole array.
    where : tuple of slice
        The block.
    dtype : dtype-like
        Real or complex.
    smooth : bool, optional
        For padded transforms, where libraries treat the highest mode differently.
    """
    grid = np.ogrid[where]
    if smooth:
        x = [2 * np.pi / n * i for n, i in zip(shape, grid, strict=True)]
        return np.exp(0.1 * (np.sin(sum(x)) + sum(np.cos(each) for each in x))).astype(dtype)
    phase = sum(1.7 * (k + 1) * i for k, i in enumerate(grid))
    phase = phase + sum(0.3 * i * j for i, j in pairwise(grid))
    result = np.sin(phase).astype(dtype)
    if result.dtype.kind == "c":
        result.imag = np.cos(1.3 * phase)
    return result


def everything(shape: Sequence[int]) -> Slices:
    """The whole array as a block."""
    return tuple(slice(0, n) for n in shape)


def fingerprint(block: Array, where: Slices) -> Array:
    """What a block adds to the fingerprint of the whole: its projections on random phases, and the sum of its squares.

    Every element counts, so that two arrays with the same fingerprint are the same; and a distributed array has that
    of the whole whatever its distribution. The fingerprints of the blocks are to be added.
    """
    *front, last = (_phases(axis, each) for axis, each in enumerate(where))
    rest = np.asarray(block) @ last
    for phases in reversed(front):
        rest = np.einsum("...ik,ik->...k", rest, phases)
    return np.append(rest, np.vdot(block, block))


def _phases(axis: int, where: slice) -> Array:
    """The weights of indices along an axis, which do not depend on the axis' length."""
    angles = np.random.default_rng(axis).uniform(0, 2 * np.pi, (where.stop, PROJECTIONS))
    return np.exp(1j * angles[where])


def difference(a: Array, b: Array) -> float:
    """How far two fingerprints are apart, relative to the root of the second's sum of squares."""
    return float(abs(a[:-1] - b[:-1]).max() / np.sqrt(b[-1].real))


def spectrum(shape: Sequence[int], modes: Sequence[int], dtype: Any, smooth: bool) -> Array:
    """The modes of the whole field, by numpy, scaled by one over the number of points, the higher ones left out."""
    whole = field(shape, everything(shape), dtype, smooth)
    real = whole.dtype.kind == "f"
    result = np.fft.rfftn(whole, norm="forward") if real else np.fft.fftn(whole, norm="forward")
    for axis, n in enumerate(modes):
        half = real and axis == len(modes) - 1
        kept = np.arange(n // 2 + 1) if half else np.fft.ifftshift(np.arange(n) - n // 2)
        result = result.take(kept, axis, mode="wrap")
    return result
