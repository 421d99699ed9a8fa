"""Memory that a rank's outboxes and inboxes lie in, and MPI's view of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mpi4py import MPI

from ..layout.boxes import Box, Boxes
from ..sweep.cache import CACHE_LINE
from ..sweep.tiles import Bytes, aligned_bytes
from .placement import Placed, offsets, place
from .window import Window

if TYPE_CHECKING:
    from .messages import Messages

# Of a side's boxes those to its own rank lie elsewhere.
NONE = Box((0,), (0,))


def _nothing() -> None:
    """No exchange has come."""


class Memory:
    """Three buffers shared by the exchanges of a plan, which come one after the other.

    While a sweep reads what an exchange has brought, its inbox and its rank's own box in the outbox, it writes the
    outbox of the next; and what that brings already arrives where the boxes of the one before were sent from. So a
    rank's own box lies at the end of its buffer, beyond what may arrive. They are made when they are first asked for.

    Parameters
    ----------
    nbytes : int
        Of a buffer: see `room`.
    """

    def __init__(self, nbytes: int) -> None:
        self.nbytes = -(-nbytes // CACHE_LINE) * CACHE_LINE
        # of the exchange that came last
        self.last: Callable[[], Messages | None] = _nothing
        # whether a call has ended while others may be anywhere in it
        self.abandoned = False
        self._buffers: dict[int, Bytes] = {}

    def buffer(self, number: int, nbytes: int) -> int:
        """The address of a buffer that has room for so much."""
        if nbytes > self.nbytes:
            raise ValueError(f"a buffer needs {nbytes} bytes, the memory was made for {self.nbytes}")
        if number not in self._buffers:
            self._buffers[number] = aligned_bytes(self.nbytes)
        return self._buffers[number].ctypes.data


@dataclass(frozen=True)
class Turn:
    """The buffers of one direction of an exchange.

    Attributes
    ----------
    memory : Memory
        Whose they are.
    out, into : int
        That of the outbox, and that of the inbox.
    windows : dict, optional
        By their method, the windows that take the place of buffers, where exchanges among the same ranks share them:
        such as do not follow each other.
    """

    memory: Memory
    out: int = 0
    into: int = 1
    windows: dict[str, Window] | None = None

    def window(self, method: str, comm: MPI.Intracomm, nbytes: int) -> Window:
        """The window of an exchange, of which this rank provides so much. Collective over `comm`."""
        if self.windows is None:
            return Window(comm, nbytes)
        if method not in self.windows:
            self.windows[method] = Window(comm, self.memory.nbytes)
        return self.windows[method]

    def outbox(self, nbytes: int) -> int:
        """The address of the outbox."""
        return self.memory.buffer(self.out, nbytes)

    def inbox(self, nbytes: int) -> int:
        """The address of the inbox."""
        return self.memory.buffer(self.into, nbytes)

    def sides(self, boxes: Boxes, order: tuple[int, ...], itemsize: int) -> tuple[list[Placed], list[Placed]]:
        """Contiguous boxes in the outbox and in the inbox; a rank's box to itself stays at the end of the outbox."""
        me = boxes.comm.Get_rank()
        sends, receives = (
            offsets([box if q != me else NONE for q, box in enumerate(side)], itemsize)
            for side in (boxes.sends, boxes.receives)
        )
        out, into = self.outbox(sends[1]), self.inbox(receives[1])
        own = out + self.memory.nbytes - offsets([boxes.sends[me]], itemsize)[1]
        places = [[base + at for at in found] for base, (found, _) in ((out, sends), (into, receives))]
        for side in places:
            side[me] = own
        outbox = place(boxes.sends, places[0], order, itemsize)
        return outbox, place(boxes.receives, places[1], order, itemsize)


def turns(memory: Memory, methods: Sequence[str]) -> list[Turn]:
    """The buffers of exchanges in a row by these methods, of which "local" is one that stays with its rank.

    None is written, nor filled by others, while the sweep before still reads there, but what was sent from there.
    Where outboxes or inboxes lie in windows they take no buffer.
    """
    found: list[Turn] = []
    read: tuple[int, ...] = ()
    for method in methods:
        out, *free = [k for k in range(3) if k not in read]
        into = out if method in ("local", "hybrid") else free[0] if free else found[-1].out
        found.append(Turn(memory, out, into))
        read = () if method in ("shared", "joined") else (out, into)
    return found


def room(moved: Sequence[Boxes | int], itemsizes: Sequence[int]) -> int:
    """Bytes of a buffer for exchanges in a row, in either direction; of those that stay the bytes are given instead."""
    most, before = 0, (0, 0)
    for parts, itemsize in zip(moved, itemsizes, strict=True):
        if isinstance(parts, int):
            most, before = max(most, parts), (0, 0)
            continue
        own = parts.sends[parts.comm.Get_rank()]
        mine, given, taken = (offsets(side, itemsize)[1] for side in ((own,), parts.sends, parts.receives))
        # beside what arrives there may lie the own box of the exchange before, and on the way back that of this one
        most = max(most, given, taken, taken - mine + before[0], before[1] + mine)
        before = mine, given - mine
    return most


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
