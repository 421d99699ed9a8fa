"""Exchange by staggered messages between pairs of ranks, each box consumed as it arrives."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

from mpi4py import MPI

from ..layout.boxes import Boxes
from .memory import Memory, free, item, window
from .placement import Placed

_TAG = 0


class Pairwise:
    """One direction of an exchange; a rank's box to itself stays where it is.

    In step s a rank sends to the rank s after it and receives from the one s before it, so that no rank is the target
    of all at once. The parameters are those of `Alltoallv`.
    """

    method = "pairwise"

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

    def claim(self) -> None:
        """The boxes have left the outbox when `deliver` returns: it may be written at once."""

    def deliver(self) -> None:
        """Exchange the boxes. Collective over the peers."""
        for _ in self.arrivals():
            continue

    def arrivals(self) -> Iterator[int]:
        """Exchange the boxes, and name each peer as soon as its box lies in the inbox. Collective over the peers."""
        MPI.Prequest.Startall(self._receives)
        MPI.Prequest.Startall(self._sends)
        yield self._rank
        for _ in self._receives:
            yield self._sources[MPI.Request.Waitany(self._receives)]
        MPI.Request.Waitall(self._sends)

    def release(self) -> None:
        """Nobody waits for the inbox."""
