"""Sums of floating numbers that no order changes: bit for bit the same for any number of ranks and any distribution.

Every number is cut into slices at fixed places, *bins* of 40 bits; those of the three highest bins that one number of
the sum reaches are added as whole numbers, without rounding, and so in any order. What lies below is left out. The
result is off the exact sum of n numbers x by at most ::

    n 2**-80 max|x|  +  3 eps |sum|

with the eps of the type that is added in: float64 for numbers up to that, long double for these. There are two trips
through a block, of which the second is in cache.

Sources: J. Demmel and H. D. Nguyen, "Parallel reproducible summation", IEEE Trans. Comput. 64 (2015); W. Ahrens,
J. Demmel and H. D. Nguyen, "Algorithms for efficient reproducible floating point summation", ACM TOMS 46 (2020).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from mpi4py import MPI

from .. import _kernels
from ..layout.arrays import address

Plain: TypeAlias = "np.ndarray[Any, Any]"

# What is known of a sum, as `slices.h` has it: its highest bin, whether there is nan, inf, -inf; and six whole numbers.
_SAID, _KNOWN = 4, 10
# So many numbers of a column are worked with beside it.
_WORK = 8
# So many slices of a bin, of 39 bits and a sign, are added exactly as float64.
_CHUNK = 1 << 14
# So many numbers are looked at twice while they are in cache.
_CACHED = 1 << 17
# Rows that lie so many bytes apart are copied together first.
_FAR = 1 << 12
# So many sums are reduced at once: their memory does not grow with the array.
_SECTION = 1 << 13


def summed(block: Plain, axes: tuple[int, ...], keepdims: bool, lines: Sequence[MPI.Intracomm]) -> Plain:
    """The sum of a block of floating numbers over some of its axes, and of the blocks of all ranks of the lines.

    Collective over the ranks of the lines.

    Parameters
    ----------
    block : ndarray
        Of floating numbers, complex ones too.
    axes : tuple of int
        Over which it goes.
    keepdims : bool
        Whether these remain, with a length of 1.
    lines : sequence of MPI.Intracomm
        The ranks whose sums are added.
    """
    if block.dtype.kind == "c":
        parts = [summed(part, axes, keepdims, lines) for part in (block.real, block.imag)]
        made = np.empty(parts[0].shape, block.dtype)
        made.real, made.imag = parts
        return made
    left = [k for k in range(block.ndim) if k not in axes]
    shape = tuple(1 if k in axes else n for k, n in enumerate(block.shape) if keepdims or k not in axes)
    total = np.empty(math.prod(shape), block.dtype)
    kind = exact_kind(block.dtype)
    ahead = block.transpose((*axes, *left))
    rows = math.prod(ahead.shape[: len(axes)])
    along = ahead.shape[len(axes)] if left else 1
    each = total.size // max(along, 1)
    step = max(1, _SECTION // max(each, 1))
    for at in range(0, along if total.size else 0, step):
        part = ahead[(slice(None),) * len(axes) + (slice(at, at + step),)] if left else ahead
        state = _local(part.reshape(rows, -1 if rows else each * min(step, along - at)), kind)
        for line in lines:
            state = _combined(line, state)
        total[at * each : (at + step) * each] = rounded(state, kind)
    return total.reshape(shape)


def exact_kind(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type in which numbers of a type are cut into slices."""
    return np.result_type(dtype, np.float64)


def state_of(line: Plain) -> Plain:
    """What is known of the sum of the numbers of an array, in any order, as a column of whole numbers. Local."""
    return _local(line.reshape(-1, 1), exact_kind(line.dtype))


def added(states: Plain) -> Plain:
    """What is known of the sums of sums, of which the second axis has one after the other. Local."""
    said = states[:_SAID].max(axis=1)
    apart = np.array(states, order="C")
    top = np.array(np.broadcast_to(said[0], states.shape[1:]), order="C")
    _kernels.lower_sums(address(apart), top.size, address(top))
    return np.concatenate([said, apart[_SAID:].sum(axis=1)])


def rounded(state: Plain, kind: np.dtype[Any]) -> Plain:
    """The sums as floating numbers of the type in which the numbers were cut."""
    totals = np.empty(state.shape[1], kind)
    state = np.ascontiguousarray(state)
    _kernels.rounded_sums(address(state), totals.size, address(totals), kind == np.float64)
    return totals


def _local(columns: Plain, kind: np.dtype[Any]) -> Plain:
    """What is known of the sum of each column of an array, as a column of whole numbers. Local."""
    rows, count = columns.shape
    if rows > _CHUNK and count == 1:  # parts of the line as columns
        whole = rows - rows % _CHUNK
        parts = [columns[:whole].reshape(-1, _CHUNK).T, columns[whole:]]
        return added(np.concatenate([_local(part, kind) for part in parts if part.size], axis=1)[..., None])
    if rows > _CHUNK:
        return added(np.stack([_local(columns[at : at + _CHUNK], kind) for at in range(0, rows, _CHUNK)], axis=1))
    width = _CACHED // max(rows, 1) // 8 * 8 + 8  # no power of two, so that rows do not collide in the cache
    if count <= width:
        return _short(columns, kind)
    return np.concatenate([_short(columns[:, at : at + width], kind) for at in range(0, count, width)], axis=1)


def _short(columns: Plain, kind: np.dtype[Any]) -> Plain:
    """What is known of the sums of a few columns, which are not too long for sums of slices to be exact. Local."""
    if columns.dtype != kind or not columns.flags.aligned or columns.strides[0] > _FAR:
        columns = columns.astype(kind, order="C")
    (rows, count), (row, column) = columns.shape, columns.strides
    table = rows, row // columns.itemsize, count, column // columns.itemsize
    state = np.empty((_KNOWN, count), np.int64)
    work = np.empty((_WORK, count), kind)
    _kernels.known_sums(address(columns), table, address(work), address(state), kind == np.float64)
    return state


def _combined(line: MPI.Intracomm, state: Plain) -> Plain:
    """What is known of the sums of the ranks of a line together. Collective over the line."""
    said = state[:_SAID].copy()
    line.Allreduce(MPI.IN_PLACE, said, MPI.MAX)
    _kernels.lower_sums(address(state), state.shape[1], address(said))
    line.Allreduce(MPI.IN_PLACE, state[_SAID:], MPI.SUM)
    state[:_SAID] = said
    return state
