"""The sweeps of a transform of a line: along the columns or the rows of the matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from .._kernels import Call
from ..exchange import Placed
from ..layout.boxes import Box
from ..layout.way import Way
from ..plan.leg import DirectedSweep, Leg, Stretch, parts_between, thread_bounds, within
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
    ) -> Callable[[Stretch | None], list[Instruction]]:
        """What makes the instructions of a sweep from an inbox to an outbox, or of a stretch of it.

        Each thread has a block of the lines. Of lines from which nothing is kept, forward writes what nobody reads.
        """
        if way is Way.FORWARD:
            target = [*target, *(self._spare(box, self._unread) for box in self._absent if self._whole(box))]
        else:
            source = [*source, *(self._spare(box, self._zeros) for box in self._absent)]
        axis = self._transform.axis
        extents = (self._transform.points, self._count) if axis == 0 else (self._count, self._transform.points)
        sweep = DirectedSweep(axis, self._transform.line(way), extents)
        sides = source, target
        legs = [Leg([sweep], None, sides, [tiles], scales, None) for tiles in self._tiles]
        return partial(self._of, legs, extents, sides)

    def _of(
        self, legs: Sequence[Leg], extents: Sequence[int], sides: Sequence[Sequence[Placed]], stretch: Stretch | None
    ) -> list[Instruction]:
        """What sweeps a stretch, in parts that boxes cut: an engine that multiplies is told where each begins."""
        across = 1 - self._transform.axis
        shares: list[list[Instruction]] = []
        for thread, bounds in enumerate(thread_bounds(within(extents, stretch), (across,), len(legs))):
            shares.append([])
            for part in parts_between(bounds, (across,), sides):
                start, size = part[across]
                if self._twiddled:
                    shares[-1].append(anywhere(Call(partial(self._twiddled[thread].begin, start, start + size))))
                shares[-1] += legs[thread].instructions(None, None, (across, start, start + size))
        return side_by_side(self._pool, shares)

    def _whole(self, box: Box) -> bool:
        """Whether a box has whole lines."""
        return box.shape[self._transform.axis] == self._transform.length

    def _spare(self, box: Box, memory: Bytes) -> Placed:
        """A box all of whose lines are the same memory."""
        steps = tuple(self._transform.dtype.itemsize if k == self._transform.axis else 0 for k in (0, 1))
        return Placed(box, memory.ctypes.data, steps)
