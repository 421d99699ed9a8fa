"""Strided copies of blocks, prepared once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import _kernels


class Copy:
    """A copy of a block from one place and layout to another.

    Parameters
    ----------
    shape : sequence of int
        Of the block.
    source, target : (base, strides)
        Byte offset of the block's first item from the address that the call gives (an address where that is 0), and
        byte strides.
    itemsize : int
        Bytes of an item.
    stream : bool
        Whether to write with non-temporal stores.
    """

    def __init__(
        self,
        shape: Sequence[int],
        source: tuple[int, Sequence[int]],
        target: tuple[int, Sequence[int]],
        itemsize: int,
        stream: bool,
    ) -> None:
        self._source, self._target = source[0], target[0]
        self._stream = stream
        self._empty = 0 in shape
        loops, self._width = merged(shape, source[1], target[1], itemsize)
        self._extents, self._from, self._to = (np.array(column, np.intp) for column in zip(*loops, strict=True))

    def __call__(self, source_at: int, target_at: int) -> None:
        """Copy between blocks at two addresses."""
        if not self._empty:
            _kernels.copy(
                source_at + self._source,
                self._from,
                target_at + self._target,
                self._to,
                self._extents,
                self._width,
                self._stream,
            )


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
