"""The sweeps of a transform of a line: along the columns or the rows of the matrix."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .._kernels import Call
from ..exchange import Placed
from ..layout.arrays import offset
from ..layout.boxes import Box
from ..layout.partition import block, overlap
from ..layout.way import Way
from ..plan.leg import DirectedSweep, Leg
from ..sweep.instruction import Instruction, anywhere, side_by_side
from ..sweep.tiles import Bytes, Tiles, aligned_bytes
from ..transforms import Transform
from .twiddles import Twiddled

Scales = tuple[np.longdouble, np.longdouble]


class Lines:
    """This rank's lines along one axis of the matrix.

    Parameters
    ----------
    name : str
        Of the lines.
    transform : Transform
        Along the axis.
    count : int
        How many there are.
    tiles : sequence of Tiles
        Where the tiles of each thread come from.
    pool : ThreadPoolExecutor or None
        The threads beside the calling one.
    twiddled : sequence of Twiddled
        The engine of each thread, where it multiplies.
    absent : sequence of Box
        What of the spectra is neither stored nor sent, which is zero.
    """

    def __init__(
        self,
        name: str,
        transform: Transform,
        count: int,
        tiles: Sequence[Tiles],
        pool: ThreadPoolExecutor | None,
        twiddled: Sequence[Twiddled] = (),
        absent: Sequence[Box] = (),
    ) -> None:
        self.name = name
        self._transform = transform
        self._count = count
        self._tiles = tiles
        self._pool = pool
        self._twiddled = twiddled
        self._absent = absent
        nbytes = transform.length * transform.dtype.itemsize
        self._zeros, self._unread = (aligned_bytes(nbytes) for _ in range(2))
        self._zeros[:] = 0

    def instructions(
        self, way: Way, source: Sequence[Placed], target: Sequence[Placed], scales: Scales
    ) -> list[Instruction]:
        """What sweeps from an inbox to an outbox; each thread has a block of the lines.

        Of lines from which nothing is kept, forward writes what nobody reads.
        """
        if way is Way.FORWARD:
            target = [*target, *(self._spare(box, self._unread) for box in self._absent if self._whole(box))]
        else:
            source = [*source, *(self._spare(box, self._zeros) for box in self._absent)]
        legs = [self._leg(thread, way, source, target, scales) for thread in range(len(self._tiles))]
        begin = [anywhere(Call(each.begin)) for each in self._twiddled]
        return begin + side_by_side(self._pool, [leg.instructions(None, None) for leg in legs])

    def _leg(self, thread: int, way: Way, source: Sequence[Placed], target: Sequence[Placed], scales: Scales) -> Leg:
        """A thread's part of a sweep."""
        axis = self._transform.axis
        part = block(self._count, len(self._tiles), thread)
        extents = (self._transform.points, part[1]) if axis == 0 else (part[1], self._transform.points)
        sweep = DirectedSweep(axis, self._transform.line(way), extents)
        sides = _within(source, 1 - axis, part), _within(target, 1 - axis, part)
        return Leg([sweep], None, sides, [self._tiles[thread]], scales, None)

    def _whole(self, box: Box) -> bool:
        """Whether a box has whole lines."""
        return box.shape[self._transform.axis] == self._transform.length

    def _spare(self, box: Box, memory: Bytes) -> Placed:
        """A box all of whose lines are the same memory."""
        steps = tuple(self._transform.dtype.itemsize if k == self._transform.axis else 0 for k in (0, 1))
        return Placed(box, memory.ctypes.data, steps)


def _within(placed: Sequence[Placed], axis: int, bounds: tuple[int, int]) -> list[Placed]:
    """What lies within bounds along an axis, counted from there."""
    result = []
    for each in placed:
        box = each.box
        start, count = overlap((box.start[axis], box.shape[axis]), bounds)
        if count and box.size:
            moved = [start - box.start[k] if k == axis else 0 for k in (0, 1)]
            at = tuple(start - bounds[0] if k == axis else box.start[k] for k in (0, 1))
            shape = tuple(count if k == axis else box.shape[k] for k in (0, 1))
            result.append(Placed(Box(at, shape), each.address + offset(moved, each.strides), each.strides))
    return result
