"""Memory that a rank's outboxes and inboxes lie in, and MPI's view of it."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Protocol

from mpi4py import MPI

from ..layout.boxes import Boxes
from ..sweep.tiles import Bytes, aligned_bytes
from .placement import Placed, offsets, place


class Memory:
    """Buffers shared by the exchanges of a plan, which come one after the other.

    While a sweep reads the outbox (its rank's own box) and the inbox of one exchange, it writes the outbox of the next:
    so two outboxes take turns and one inbox serves all. The buffers are made when they are first asked for.

    Parameters
    ----------
    nbytes : int
        As many as the largest outbox or inbox needs.
    """

    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes
        self.turn = 0
        self._buffers: dict[str, Bytes] = {}

    def outbox(self, nbytes: int) -> int:
        """The address of the outbox whose turn it is."""
        return self._buffer(f"outbox {self.turn % 2}", nbytes)

    def inbox(self, nbytes: int) -> int:
        """The address of the inbox."""
        return self._buffer("inbox", nbytes)

    def sides(self, boxes: Boxes, order: tuple[int, ...], itemsize: int) -> tuple[list[Placed], list[Placed]]:
        """Contiguous boxes in the outbox and in the inbox; a rank's box to itself stays in the outbox."""
        sends, outbytes = offsets(boxes.sends, itemsize)
        receives, inbytes = offsets(boxes.receives, itemsize)
        out, inn = self.outbox(outbytes), self.inbox(inbytes)
        me = boxes.comm.Get_rank()
        into = [inn + at for at in receives]
        into[me] = out + sends[me]
        outbox = place(boxes.sends, [out + at for at in sends], order, itemsize)
        return outbox, place(boxes.receives, into, order, itemsize)

    def _buffer(self, name: str, nbytes: int) -> int:
        """The address of a buffer."""
        if nbytes > self.nbytes:
            raise ValueError(f"the {name} needs {nbytes} bytes, the memory was made for {self.nbytes}")
        if name not in self._buffers:
            self._buffers[name] = aligned_bytes(self.nbytes)
        return self._buffers[name].ctypes.data


def window(address: int, nbytes: int) -> MPI.buffer:
    """Memory as mpi4py takes it."""
    return MPI.buffer.fromaddress(address, nbytes)


@functools.cache
def item(itemsize: int) -> MPI.Datatype:
    """A datatype of `itemsize` bytes: counts in items reach `itemsize` times as far as counts in bytes.

    There is one for each size in a process; they live until MPI ends.
    """
    return MPI.BYTE.Create_contiguous(itemsize).Commit()


class Freeable(Protocol):
    """What MPI made for this rank alone and can free without the others: a datatype, an inactive request."""

    def Free(self) -> None:
        """Free it."""


def free(handles: Iterable[Freeable]) -> None:
    """Free what MPI made for one object. Local; after MPI has ended there is nothing left to free."""
    if not MPI.Is_finalized():
        for handle in handles:
            handle.Free()
