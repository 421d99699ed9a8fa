"""Exchange by one Alltoallv of contiguous boxes."""

from __future__ import annotations

from collections.abc import Iterator

from mpi4py import MPI

from ..pencil import Boxes
from .layout import offsets, place
from .memory import Memory, item, window


class Alltoallv:
    """One direction of an exchange; a rank's box to itself stays where it is.

    Parameters
    ----------
    boxes : Boxes
        What goes where.
    itemsize : int
        Bytes of a point.
    order : tuple of int
        The order of the axes in a box, the outermost first.
    memory : Memory
        Where outbox and inbox lie.
    """

    def __init__(self, boxes: Boxes, itemsize: int, order: tuple[int, ...], memory: Memory) -> None:
        self._comm = boxes.comm
        me = boxes.comm.Get_rank()
        sends, outbytes = offsets(boxes.sends, itemsize)
        receives, inbytes = offsets(boxes.receives, itemsize)
        self._memory = memory
        out, inn = memory.outbox(outbytes), memory.inbox(inbytes)
        self.outbox = place(boxes.sends, [out + at for at in sends], order, itemsize)
        into = [inn + at for at in receives]
        into[me] = out + sends[me]
        self.inbox = place(boxes.receives, into, order, itemsize)
        self._item = item(itemsize)
        self._send = self._message(window(out, outbytes), [b.size for b in boxes.sends], sends, itemsize)
        self._receive = self._message(window(inn, inbytes), [b.size for b in boxes.receives], receives, itemsize)

    def _message(self, memory: MPI.buffer, counts: list[int], places: list[int], itemsize: int) -> list[object]:
        """A buffer, counts and displacements in items; nothing goes from a rank to itself."""
        counts[self._comm.Get_rank()] = 0
        return [memory, counts, [at // itemsize for at in places], self._item]

    def claim(self) -> None:
        """The boxes have left the outbox when `deliver` returns: it may be written at once."""

    def deliver(self) -> None:
        """Exchange the boxes. Collective over the peers."""
        self._comm.Alltoallv(self._send, self._receive)

    def arrivals(self) -> Iterator[int]:
        """Exchange the boxes, and name the peers whose boxes lie in the inbox. Collective over the peers."""
        self.deliver()
        yield from range(self._comm.Get_size())

    def release(self) -> None:
        """Nobody waits for the inbox."""
