"""Exchanges in parts, of which one travels while the next is swept.

The boxes that a rank gives are cut along an axis that the sweep before goes through line by line, and those that it
takes along one that the sweep after does. Where one axis serves both, a part that has been swept is what a part needs
that is to be swept. Where not, the sweep after needs something of every part: then the parts grow, so that messages set
out early and the last still travels when the sweep after begins, and this last one is cut for it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .._kernels import Operation
from ..layout.boxes import Box

# Parts that grow by as much each time: the first is swept while nothing travels.
_GROWING = (0.1, 0.3, 0.6, 1.0)


@dataclass(frozen=True)
class Cut:
    """Where an exchange is cut.

    Attributes
    ----------
    outward, inward : int
        The axis along which the sweep before is cut, and the sweep after.
    count : int
        The parts for the sweep after, and for the sweep before where the axis is the same.
    extents : (int, int)
        Of this rank's block before along the one, and after along the other.
    ends : pair of sequences, optional
        Of boxes of one axis, of those that are given and of those that are taken: for each peer where the parts of its
        box end, which are not those of a block. They go and come as they are.
    """

    outward: int
    inward: int
    count: int
    extents: tuple[int, int]
    ends: tuple[Sequence[Sequence[int]], Sequence[Sequence[int]]] | None = None

    @property
    def aligned(self) -> bool:
        """Whether each part that is taken is one that was given."""
        return self.outward == self.inward

    def given(self, extent: int) -> list[int]:
        """Where the parts end that a rank gives, along its block."""
        return self.taken(extent) if self.aligned else [round(share * extent) for share in _GROWING]

    def taken(self, extent: int) -> list[int]:
        """Where the parts end that a rank takes, along its block."""
        return evenly(extent, self.count)

    def boxes(self, box: Box, side: int, peer: int) -> Iterator[tuple[int, int, Box]]:
        """What a box is cut into: the parts that each is of, as it is given and taken. In the order in which they go.

        It is given to a peer (0) or taken from it (1). Where the ends of its parts are not said, it reaches all along
        the giver's block on one of the axes, and all along the taker's on the other.
        """
        if self.ends is not None:
            for part, ends in enumerate(itertools.pairwise([0, *self.ends[side][peer]])):
                yield part, part, _within(box, 0, ends)
            return
        given = list(itertools.pairwise([0, *self.given(box.shape[self.outward])]))
        taken = list(itertools.pairwise([0, *self.taken(box.shape[self.inward])]))
        for part, ends in enumerate(given):
            if self.aligned:
                yield part, part, _within(box, self.outward, ends)
            elif part < len(given) - 1:
                yield part, 0, _within(box, self.outward, ends)
            else:
                for piece, theirs in enumerate(taken):
                    yield part, piece, _within(_within(box, self.outward, ends), self.inward, theirs)


def evenly(extent: int, count: int) -> list[int]:
    """Where so many parts of a block end that are as long as each other, but for one."""
    return [extent * k // count for k in range(1, count + 1)]


def _within(box: Box, axis: int, ends: tuple[int, int]) -> Box:
    """The part of a box between two places along an axis of it."""
    start, shape = list(box.start), list(box.shape)
    start[axis] += ends[0]
    shape[axis] = ends[1] - ends[0]
    return Box(tuple(start), tuple(shape))


@dataclass(frozen=True)
class Parts:
    """The parts of one side of an exchange.

    Attributes
    ----------
    axis : int
        Along which the local block is cut, counted from the last: there may be component axes before.
    ends : sequence of int
        Where each part ends.
    operations : sequence of Operation
        What lets each part go, or waits until it is there; in this order.
    poll : callable
        Has MPI move on what travels.
    """

    axis: int
    ends: Sequence[int]
    operations: Sequence[Operation]
    poll: Callable[[], object]
