"""Exchange by staggered messages between pairs of ranks, each box consumed as it arrives."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from functools import partial

from mpi4py import MPI

from .._kernels import ABSOLUTE, SOURCE, TARGET, Call, Operation
from ..layout.boxes import Boxes
from ..sweep.instruction import Instruction, anywhere
from .memory import Memory, free, item, window
from .placement import Placed

_TAG = 0


class Pairwise:
    """One direction of an exchange; a rank's box to itself stays where it is.

    In step s a rank sends to the rank s after it and receives from the one s before it, so that no rank is the target
    of all at once. The parameters are those of `Alltoallv`.
    """

    method = "pairwise"
    # the boxes have left the outbox when `deliver` has ended, and nobody waits for the inbox
    claim = release = Operation()

    def __init__(self, boxes: Boxes, itemsize: int, order: tuple[int, ...], memory: Memory) -> None:
        comm = boxes.comm
        self._rank, size = comm.Get_rank(), comm.Get_size()
        self._memory = memory
        self.outbox, self.inbox = memory.sides(boxes, order, itemsize)
        self._sources = [q for q in ((self._rank - s) % size for s in range(1, size)) if boxes.receives[q].size]
        targets = [q for q in ((self._rank + s) % size for s in range(1, size)) if boxes.sends[q].size]
        unit = item(itemsize)

        def message(placed: Placed) -> list[object]:
            return [window(placed.address, placed.box.size * itemsize), unit]

        self._receives = [comm.Recv_init(message(self.inbox[q]), q, _TAG) for q in self._sources]
        self._sends = [comm.Send_init(message(self.outbox[q]), q, _TAG) for q in targets]
        weakref.finalize(self, free, (*self._receives, *self._sends))

    @property
    def deliver(self) -> Operation:
        """Exchange the boxes. Collective over the peers."""
        return Call(self._deliver, True)

    def _deliver(self, *_: int) -> None:
        """Exchange the boxes. Collective over the peers."""
        self._start()
        MPI.Request.Waitall(self._receives + self._sends)

    def _start(self, *_: int) -> None:
        """Let the boxes go. Local."""
        MPI.Prequest.Startall(self._receives)
        MPI.Prequest.Startall(self._sends)

    def unpacking(self, copies: Sequence[Instruction]) -> list[Instruction]:
        """What delivers, and carries out a copy for each peer's box once it is there. Collective over the peers."""
        start, rest = Call(self._start, True), Call(partial(self._unpack, copies), True)
        return [anywhere(start), copies[self._rank], (rest, SOURCE, TARGET)]

    def _unpack(self, copies: Sequence[Instruction], source: int, target: int) -> None:
        """Carry out the copy for each peer's box but this rank's own, in the order in which they arrive."""
        for _ in self._receives:
            copy, before, after = copies[self._sources[MPI.Request.Waitany(self._receives)]]
            places = {ABSOLUTE: 0, SOURCE: source, TARGET: target}
            copy(places[before], places[after])
        MPI.Request.Waitall(self._sends)
