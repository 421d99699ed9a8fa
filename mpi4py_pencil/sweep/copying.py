"""Strided copies of blocks, prepared once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import _kernels

Layout = tuple[int, Sequence[int]]


def copy(
    shape: Sequence[int], source: Layout, target: Layout, itemsize: int, stream: bool = False
) -> _kernels.Operation:
    """The copy of a block from one place and layout to another.

    Parameters
    ----------
    shape : sequence of int
        Of the block.
    source, target : (base, strides)
        Byte offset of the block's first item from the origin that the call gives (an address where that is 0), and
        byte strides.
    itemsize : int
        Bytes of an item.
    stream : bool
        Whether to write with non-temporal stores.
    """
    if 0 in shape:
        return _kernels.Operation()
    loops, width = merged(shape, source[1], target[1], itemsize)
    extents, before, after = (np.array(column, np.intp) for column in zip(*loops, strict=True))
    return _kernels.Copy((source[0], before), (target[0], after), extents, width, stream)


def merged(
    shape: Sequence[int], source: Sequence[int], target: Sequence[int], itemsize: int
) -> tuple[list[tuple[int, int, int]], int]:
    """The loops (extent, source stride, target stride) of a copy, the outermost first, and the bytes of a row.

    The loops follow the target in memory; axes that are contiguous on both sides become one.
    """
    axes = sorted((axis for axis in zip(shape, source, target, strict=True) if axis[0] > 1), key=lambda a: -abs(a[2]))
    loops: list[tuple[int, int, int]] = []
    for extent, s, t in axes:
        if loops and loops[-1][1] == extent * s and loops[-1][2] == extent * t:
            extent *= loops.pop()[0]
        loops.append((extent, s, t))
    width = itemsize
    if loops and loops[-1][1] == loops[-1][2] == itemsize:
        width *= loops.pop()[0]
    return loops or [(1, 0, 0)], width
