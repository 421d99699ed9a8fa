"""Exchange by Alltoallw with derived datatypes: straight from one array to the other, whatever their strides."""

from __future__ import annotations

import weakref
from collections.abc import Sequence

from mpi4py import MPI

from .._kernels import Call, Operation
from ..layout.arrays import keep, natural
from ..layout.boxes import Box, Boxes
from ..sweep.tiles import Strides
from .memory import Turn, free, item, window
from .parts import Parts
from .placement import Placed

# Layouts of arrays whose datatypes are kept; beyond that the oldest are freed.
_LAYOUTS = 8
# MPI's displacements are ints; beyond that they go into the datatype.
_FAR = 2**31


class Typed:
    """One side of an Alltoallw: the boxes of an array with given strides as datatypes.

    Boxes of the same shape share a datatype, and all blocks of a balanced partition have one of two lengths: a side has
    a handful of datatypes on any number of ranks.
    """

    def __init__(self, boxes: Sequence[Box], array_strides: Strides, itemsize: int) -> None:
        kinds: dict[tuple[tuple[int, ...], int], MPI.Datatype] = {}
        self.counts: list[int] = []
        self.places: list[int] = []
        self.types: list[MPI.Datatype] = []
        for box in boxes:
            at = sum(start * stride for start, stride in zip(box.start, array_strides, strict=True))
            inside = at if abs(at) >= _FAR else 0
            key = box.shape, inside
            if box.size and key not in kinds:
                kinds[key] = _datatype(box.shape, array_strides, itemsize, inside)
            self.counts.append(1 if box.size else 0)
            self.places.append(at - inside if box.size else 0)
            self.types.append(kinds[key] if box.size else MPI.BYTE)
        weakref.finalize(self, free, list(kinds.values()))

    def message(self, address: int) -> list[object]:
        """The boxes of the array at `address`."""
        return [window(address, 1), self.counts, self.places, self.types]


def _datatype(shape: tuple[int, ...], array_strides: Strides, itemsize: int, at: int) -> MPI.Datatype:
    """A committed datatype of a block of a strided array that starts `at` bytes after the address given."""
    steps = [item(itemsize)]
    for n, stride in zip(reversed(shape), reversed(array_strides), strict=True):
        if stride == -1:  # as a vector Open MPI 5 takes single bytes that go backwards for bytes that go on
            steps.append(steps[-1].Create_hindexed_block(1, range(0, -n, -1)))
        else:
            steps.append(steps[-1].Create_hvector(n, 1, stride))
    if at:
        steps.append(steps[-1].Create_hindexed([1], [at]))
    datatype = steps.pop().Commit()
    free(steps[1:])
    return datatype


class Typing:
    """Alltoallw between any two arrays of the right shapes; the datatypes of each layout are made once."""

    def __init__(self, boxes: Boxes, itemsize: int) -> None:
        self._boxes = boxes
        self._itemsize = itemsize
        self._sides: tuple[dict[Strides, Typed], dict[Strides, Typed]] = ({}, {})

    def prepare(self, side: int, array_strides: Strides) -> Typed:
        """The datatypes of arrays with these strides; side 0 sends and 1 receives."""
        known = self._sides[side]
        if array_strides not in known:
            boxes = (self._boxes.sends, self._boxes.receives)[side]
            keep(known, array_strides, Typed(boxes, array_strides, self._itemsize), _LAYOUTS)
        return known[array_strides]

    def move(self, source: int, source_strides: Strides, target: int, target_strides: Strides) -> None:
        """Redistribute from the array at one address to the array at another. Collective over the peers."""
        send, receive = self.prepare(0, source_strides), self.prepare(1, target_strides)
        self._boxes.comm.Alltoallw(send.message(source), receive.message(target))


class Alltoallw:
    """One direction of an exchange between two plain arrays.

    The parameters are those of `Alltoallv`, and the shapes of the local arrays before and after.
    """

    method = "alltoallw"
    # the boxes have left the outbox when `deliver` has ended, and nobody waits for the inbox
    claim = release = Operation()
    # not in parts
    outward: Parts | None = None
    inward: Parts | None = None

    def __init__(
        self, boxes: Boxes, itemsize: int, turn: Turn, shapes: tuple[tuple[int, ...], tuple[int, ...]]
    ) -> None:
        self._memory = turn.memory
        self._typing = Typing(boxes, itemsize)
        sides = []
        for shape, reserve in zip(shapes, (turn.outbox, turn.inbox), strict=True):
            box = Box((0,) * len(shape), shape)
            sides.append([Placed(box, reserve(box.size * itemsize), natural(shape, itemsize))])
        self.outbox, self.inbox = sides
        for side, placed in enumerate(sides):
            self._typing.prepare(side, placed[0].strides)

    @property
    def deliver(self) -> Operation:
        """Exchange the boxes. Collective over the peers."""
        return Call(self._deliver, True)

    def _deliver(self, *_: int) -> None:
        """Exchange the boxes. Collective over the peers."""
        source, target = self.outbox[0], self.inbox[0]
        self._typing.move(source.address, source.strides, target.address, target.strides)
