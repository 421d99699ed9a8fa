"""One trip through memory: a sweep, or two plane by plane, bound to the memory on both sides of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from .. import _kernels
from .._kernels import ABSOLUTE, PLANE, SOURCE, TARGET
from ..exchange.placement import Placed
from ..layout.arrays import address, natural, offset, strides
from ..layout.boxes import Box, Spread
from ..layout.partition import block, overlap
from ..sweep import cache
from ..sweep.copying import copy
from ..sweep.instruction import Instruction, side_by_side
from ..sweep.kernel import Piece, make
from ..sweep.tiles import Bytes, Tiles, aligned_bytes, apart
from ..transforms import Line

Array = np.ndarray[Any, Any]
Strides = tuple[int, ...]
# Start and size along each axis of a part of the local array.
Part = tuple[tuple[int, int], ...]
Side = Sequence[Placed] | Spread
# The axis along which a local array is cut, counted from the last, and where a stretch of it starts and stops.
Stretch = tuple[int, int, int]

# An item of any type.
_ZERO = np.zeros(1, np.clongdouble)


@dataclass(frozen=True)
class DirectedSweep:
    """A sweep in one direction: the axis and the transform of its lines, and the extents of the local array."""

    axis: int
    line: Line
    extents: tuple[int, ...]

    @property
    def lines(self) -> int:
        """How many lines the local array has."""
        return count_lines(self.extents, self.axis)

    def shape(self, side: int) -> tuple[int, ...]:
        """Of the local array before (0) or after (1)."""
        return tuple(self.line.extent(side) if k == self.axis else n for k, n in enumerate(self.extents))


class Leg:
    """A pass in one direction, as instructions for arrays of any strides.

    Parameters
    ----------
    sweeps : sequence of DirectedSweep
        One or two, in the order in which they run.
    outer : tuple of int or None
        With two sweeps, the axes that count the planes.
    sides : pair of (list of Placed or Spread)
        What the first reads and the last writes: boxes, or the caller's array.
    tiles : sequence of Tiles
        Where the tiles come from; as many as there are threads.
    scales : pair of longdouble
        What the last sweep multiplies with, and with what where it is asked to normalise.
    pool : ThreadPoolExecutor or None
        The threads beside the calling one.
    """

    def __init__(
        self,
        sweeps: Sequence[DirectedSweep],
        outer: tuple[int, ...] | None,
        sides: tuple[Side, Side],
        tiles: Sequence[Tiles],
        scales: tuple[np.longdouble, np.longdouble],
        pool: ThreadPoolExecutor | None,
    ) -> None:
        self.name = "axes " + ", ".join(str(sweep.axis) for sweep in sweeps)
        self._sweeps = sweeps
        self._outer = outer
        self._sides = sides
        self._tiles = tiles
        self._scales = scales
        self._pool = pool
        last = sweeps[-1]
        self._itemsizes = sweeps[0].line.dtypes[0].itemsize, last.line.dtypes[1].itemsize
        self._empty = 0 in last.shape(1)
        self._stream = last.lines * last.line.lengths[1] * last.line.dtypes[1].itemsize > cache.CACHED_BYTES
        self._threads = len(tiles) if self._stream else 1
        if outer is not None and not self._empty:
            self._make_planes(outer)

    def _make_planes(self, outer: tuple[int, ...]) -> None:
        """Memory for as many planes as stay in cache, for each thread."""
        first, second = self._sweeps
        axes, itemsize = (first.axis, second.axis), first.line.dtypes[1].itemsize
        plane_bytes, count = planes_between(first.shape(1), axes, outer, itemsize)
        self._planes = [aligned_bytes(count * plane_bytes) for _ in range(self._threads)]

    @property
    def extents(self) -> tuple[int, ...]:
        """Of the local array; that along the lines does not matter."""
        return self._sweeps[0].extents

    def natural(self, side: int) -> Strides | None:
        """The strides of an ordinary array of the caller before (0) or after (1); None where there are boxes."""
        there = self._sides[side]
        return natural(there.shape, self._itemsizes[side]) if isinstance(there, Spread) else None

    def instructions(
        self, source: Strides | None, target: Strides | None, stretch: Stretch | None = None
    ) -> list[Instruction]:
        """What carries out the pass, where these are the strides of the caller's arrays, if there is one on a side.

        The first stretch of it fills the gaps too.
        """
        places = (ABSOLUTE if source is None else SOURCE), (ABSOLUTE if target is None else TARGET)
        listed = [] if target is None or (stretch and stretch[1]) else self._zeros(target)
        if self._empty:
            return listed
        sides = [placed_in(side, array) for side, array in zip(self._sides, (source, target), strict=True)]
        return listed + side_by_side(self._pool, self._shares(sides, places, stretch))

    def _zeros(self, target: Strides) -> list[Instruction]:
        """What fills the part of the caller's array that holds no modes."""
        side, itemsize = cast("Spread", self._sides[1]), self._itemsizes[1]
        zero = address(_ZERO), (0,) * len(side.shape)
        return [
            (copy(gap.shape, zero, (offset(gap.start, target), target), itemsize), ABSOLUTE, TARGET)
            for gap in side.gaps
        ]

    def _shares(
        self, sides: Sequence[Sequence[Placed]], places: tuple[int, int], stretch: Stretch | None
    ) -> list[list[Instruction]]:
        """What each thread does."""
        axes = self._outer
        if axes is None:
            axes = tuple(k for k in range(len(self._sweeps[0].extents)) if k != self._sweeps[0].axis)
        shares = []
        for thread, bounds in enumerate(thread_bounds(within(self._sweeps[0].extents, stretch), axes, self._threads)):
            parts = parts_between(bounds, axes, sides)
            shares.append([(self._operation(part, sides, places, thread), *places) for part in parts])
        return shares

    def _operation(
        self, part: Part, sides: Sequence[Sequence[Placed]], places: tuple[int, int], thread: int
    ) -> _kernels.Operation:
        """What sweeps a part of the local array."""
        tiles = self._tiles[thread]
        if self._outer is None:
            return self._kernel(0, part, sides, tiles)
        first, second = self._sweeps
        shape, itemsize = list(first.shape(1)), first.line.dtypes[1].itemsize
        row = plane_axes(first, second, contiguous(first, sides[0]), tiles)
        plane_bytes = shape[row[0]] * apart(shape[row[1]] * itemsize)
        for k in self._outer:
            shape[k] = part[k][1]
        plane_strides = strides(tuple(shape), (*self._outer, *row), itemsize, apart)
        start = tuple(part[k][0] if k in self._outer else 0 for k in range(len(part)))
        plane = [Placed(Box(start, tuple(shape)), 0, plane_strides)]
        memory = self._planes[thread]
        ways = ((sides[0], plane), (places[0], PLANE)), ((plane, sides[1]), (PLANE, places[1]))
        listed = []
        for k, (between, ends) in enumerate(ways):
            sweep, other = self._sweeps[k], self._sweeps[1 - k].axis
            whole = tuple((0, sweep.extents[a]) if a == other else part[a] for a in range(len(part)))
            for each in parts_between(whole, (other,), between):
                listed.append((self._kernel(k, each, between, tiles, memory if k else None), *ends))
        return _kernels.Planes(listed, memory, plane_bytes)

    def _kernel(
        self, k: int, part: Part, sides: Sequence[Sequence[Placed]], tiles: Tiles, planes: Bytes | None = None
    ) -> _kernels.Sweep | _kernels.Vertical:
        """The kernel of one of the sweeps for a part of the local array; what it reads may be `planes`."""
        last = k == len(self._sweeps) - 1
        scales = self._scales if last else (np.longdouble(1),) * 2
        return kernel_between(self._sweeps[k], part, sides, tiles, scales, self._outer, last and self._stream, planes)


def kernel_between(
    sweep: DirectedSweep,
    part: Part,
    sides: Sequence[Sequence[Placed]],
    tiles: Tiles,
    scales: tuple[np.longdouble, np.longdouble],
    outer: Sequence[int] | None,
    stream: bool,
    planes: Bytes | None = None,
) -> _kernels.Sweep | _kernels.Vertical:
    """The kernel of a sweep over a part of the local array, between the boxes on both sides: as `sweep.kernel.make`."""
    source, target = (pieces_of(side, sweep.axis, part) for side in sides)
    pair = tiles.pair(sweep.line, sweep.lines)
    return make(pair, sweep.axis, [size for _, size in part], source, target, scales, outer, stream, planes)


def within(extents: Sequence[int], stretch: Stretch | None) -> Part:
    """A local array as a part, or a stretch of it."""
    part = [(0, n) for n in extents]
    if stretch is not None:
        axis, start, stop = stretch
        part[axis] = (start, stop - start)
    return tuple(part)


def thread_bounds(whole: Part, axes: Sequence[int], threads: int) -> list[Part]:
    """The parts of a local array, or of a part of it, that threads have: the longest of these axes is divided."""
    shared = max(axes, key=lambda k: whole[k][1], default=None)
    count = 1 if shared is None else threads
    found = []
    for thread in range(count):
        part = list(whole)
        if shared is not None:
            start, size = block(whole[shared][1], count, thread)
            part[shared] = (whole[shared][0] + start, size)
        found.append(tuple(part))
    return found


def count_lines(shape: Sequence[int], axis: int) -> int:
    """The number of lines along an axis of an array."""
    return math.prod(n for k, n in enumerate(shape) if k != axis)


def contiguous(sweep: DirectedSweep, source: Sequence[Placed]) -> bool:
    """Whether the points of its lines follow each other in what a sweep reads."""
    return all(each.strides[sweep.axis] == sweep.line.dtypes[0].itemsize for each in source if each.box.size)


def plane_axes(first: DirectedSweep, second: DirectedSweep, along: bool, tiles: Tiles) -> tuple[int, int]:
    """The axes of a plane between two sweeps, that of its rows and that along which the points of a row lie.

    The second sweep finds its lines contiguous. But where the first does, as `along` says, vertical sweeps leave them
    so: a line is transformed along itself then, and the second reads its own side by side: neither is transposed.
    """
    if along and tiles.vertical(first.line) and tiles.vertical(second.line):
        return second.axis, first.axis
    return first.axis, second.axis


def planes_between(shape: Sequence[int], axes: tuple[int, int], outer: Sequence[int], itemsize: int) -> tuple[int, int]:
    """The most bytes of a plane between two sweeps along `axes`, and how many planes stay in cache: one at least."""
    plane_bytes = max(shape[row] * apart(shape[items] * itemsize) for row, items in (axes, axes[::-1]))
    most = min(math.prod(shape[k] for k in outer), cache.CACHED_BYTES // 2 // plane_bytes)
    return plane_bytes, max(1, most)


def placed_in(side: Side, array: Strides | None) -> Sequence[Placed]:
    """The boxes on one side; those of the caller's array are at places in it, whose address a call gives."""
    if array is None or not isinstance(side, Spread):
        return cast("Sequence[Placed]", side)
    return [Placed(box, offset(start, array), array) for box, start in side.blocks]


def parts_between(bounds: Part, axes: Sequence[int], sides: Sequence[Sequence[Placed]]) -> list[Part]:
    """The parts into which the boxes on both sides cut the local array within bounds, along some axes."""
    runs = []
    for k, (start, size) in enumerate(bounds):
        if size == 0:
            return []
        cuts = {start, start + size}
        if k in axes:
            ends = {
                e for s in sides for p in s for e in (p.box.start[k], p.box.start[k] + p.box.shape[k]) if p.box.size
            }
            cuts |= {e for e in ends if start < e < start + size}
        at = sorted(cuts)
        runs.append([(a, b - a) for a, b in itertools.pairwise(at)])
    return list(itertools.product(*runs))


def pieces_of(side: Sequence[Placed], axis: int, part: Part) -> tuple[Piece, ...]:
    """The boxes on one side of a part as pieces of its lines."""
    pieces = []
    for placed in side:
        box = placed.box
        inside = (overlap(part[k], (box.start[k], box.shape[k]))[1] for k in range(len(part)) if k != axis)
        if box.size and all(inside):
            moved = ((part[k][0] - box.start[k]) * placed.strides[k] for k in range(len(part)) if k != axis)
            pieces.append(Piece(box.start[axis], box.shape[axis], placed.address + sum(moved), placed.strides))
    return tuple(pieces)
