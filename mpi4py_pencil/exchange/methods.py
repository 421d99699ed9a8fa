"""The methods by which an exchange can be made: which there are, which to choose, and how to open one."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from typing import Protocol

from mpi4py import MPI

from .._kernels import Operation
from ..layout.boxes import Boxes
from ..ranks.agreement import agreed, nothing, verifying
from ..sweep.instruction import Instruction
from .alltoallv import Alltoallv
from .alltoallw import Alltoallw
from .hybrid import Hybrid
from .memory import Turn
from .messages import keep_step
from .pairwise import Pairwise
from .parts import Cut, Parts
from .placement import Placed, offsets
from .shared import Shared
from .verified import Verified
from .window import near, on_one_node, room_for

METHODS = ("auto", "shared", "alltoallv", "alltoallw", "pairwise", "hybrid")
# Boxes of fewer bytes on the average go by one Alltoallv, for which libraries join them.
SMALL = 2**15

Turns = tuple[Turn, Turn]
Cuts = tuple[Cut | None, Cut | None]


class Exchange(Protocol):
    """One direction of an exchange, whose memory is there as long as this is.

    Attributes
    ----------
    method : str
        Its name.
    outbox, inbox : list of Placed
        The boxes and where they lie.
    """

    method: str
    outbox: list[Placed]
    inbox: list[Placed]

    @property
    def outward(self) -> Parts | None:
        """Its parts as they are given, where it is cut."""

    @property
    def inward(self) -> Parts | None:
        """Its parts as they are taken, where it is cut."""

    @property
    def claim(self) -> Operation:
        """Wait until the outbox may be written."""

    @property
    def deliver(self) -> Operation:
        """Bring the outboxes' boxes to the inboxes. Collective over the peers."""

    @property
    def release(self) -> Operation:
        """Say that the inbox has been read, and see that the outbox has been."""


class Boxed(Exchange, Protocol):
    """One direction of an exchange of contiguous boxes."""

    def unpacking(self, copies: Sequence[Instruction]) -> list[Instruction]:
        """What delivers, and carries out a copy for each peer's box once it is there."""


def checked_method(method: str) -> str:
    """`method`, if there is such an exchange.

    Raises
    ------
    ValueError
        Where there is none.
    """
    if method not in METHODS:
        raise ValueError(f"method {method!r} does not exist: use one of {', '.join(map(repr, METHODS))}")
    return method


def segment_bytes(boxes: Boxes, itemsize: int) -> int:
    """Bytes of the outbox of either direction."""
    return max(offsets(side, itemsize)[1] for side in (boxes.sends, boxes.receives))


def chosen_method(comm: MPI.Intracomm, method: str, boxes: Boxes, itemsize: int, wire: bool = False) -> str:
    """What `method` means for these peers: for "auto" shared memory where they share it, and messages where not.

    Messages are one Alltoallv where boxes are small and `wire` does not ask for single precision between nodes; else
    they are pairwise, or hybrid where some peers share memory.

    Collective over `comm`, which may hold several groups of peers; for each the answer is its own.

    Raises
    ------
    ValueError, MemoryError
        On every rank: where shared memory is asked for and some peers are on several nodes, or have no room for it.
    """
    # only errors are everyone's: "auto" may find something else for other peers
    chosen, short = agreed(comm, lambda: _method_of_peers(method, boxes, itemsize, wire), nothing)
    if comm.allreduce(short, MPI.LOR):
        say_no_room(comm, "exchanging by messages instead")
    keep_step(boxes.comm)
    return chosen


def _method_of_peers(method: str, boxes: Boxes, itemsize: int, wire: bool) -> tuple[str, bool]:
    """What `method` means for the peers, over which this is collective, and whether that is so for want of room."""
    if method not in ("auto", "shared", "hybrid"):
        return method, False
    one_node = on_one_node(boxes.comm)
    if method == "shared" and not one_node:
        raise ValueError("method 'shared' needs all peers on one node; use 'auto', 'hybrid', 'alltoallv' or 'pairwise'")
    wanted = method if method != "auto" else "shared" if one_node else _messages(boxes, itemsize, wire)
    if wanted not in ("shared", "hybrid") or _room(wanted, boxes, itemsize):
        return wanted, False
    if method != "auto":
        raise MemoryError(f"method {method!r} needs more room in /dev/shm than there is; use 'auto' or 'alltoallv'")
    return ("alltoallv" if one_node else "pairwise"), True


def _messages(boxes: Boxes, itemsize: int, wire: bool) -> str:
    """By which method messages go. Collective over the peers."""
    size = boxes.comm.Get_size()
    sent = boxes.comm.allreduce(sum(box.size for box in boxes.sends)) * itemsize
    if sent < SMALL * size**2 and not wire:
        return "alltoallv"
    shared = boxes.comm.allreduce(len(near(boxes.comm).ranks) > 1, MPI.LOR)
    return "hybrid" if shared else "pairwise"


def _room(method: str, boxes: Boxes, itemsize: int) -> bool:
    """Whether there is room for a method's windows. Collective over the peers."""
    nbytes = segment_bytes(boxes, itemsize)
    if method == "shared":
        return room_for(boxes.comm, nbytes)
    return bool(boxes.comm.allreduce(room_for(near(boxes.comm).comm, nbytes), MPI.LAND))


def say_no_room(comm: MPI.Intracomm, instead: str) -> None:
    """Warn on the first rank that shared windows are not to be had, and of what is done instead.

    Collective over `comm`: a warning may be an error.
    """
    agreed(comm, lambda: _warn_once(instead) if comm.Get_rank() == 0 else None)


@functools.cache
def _warn_once(instead: str) -> None:
    """Warn once in a process."""
    warnings.warn(f"no room in /dev/shm for shared windows: {instead}", RuntimeWarning, stacklevel=2)


def open_exchange(
    comm: MPI.Intracomm,
    method: str,
    boxes: Boxes,
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    itemsize: int,
    order: tuple[int, ...],
    turns: Turns,
    cuts: Cuts = (None, None),
    wire: bool = False,
) -> tuple[Exchange, Exchange]:
    """The two directions of an exchange. Collective over the peers.

    Parameters
    ----------
    comm : MPI.Intracomm
        The peers, or all ranks that exchange at the same time: where exchanges are verified, these raise together.
    method : str
        One of `METHODS` but "auto": see `chosen_method`.
    boxes : Boxes
        What goes where on the way forward.
    shapes : pair of tuple of int
        Shapes of the local arrays before and after.
    itemsize : int
        Bytes of a point.
    order : tuple of int
        The order of the axes in a box, the outermost first.
    turns : pair of Turn
        For either direction where outboxes and inboxes lie unless they are in a shared window.
    cuts : pair of (Cut or None)
        For either direction where it is cut into parts, if the method has any.
    wire : bool
        Whether messages between nodes are in single precision; for double precision, and not by Alltoallv or Alltoallw.
    """
    if method != "alltoallw":
        return open_boxed(comm, method, boxes, itemsize, order, turns, cuts, wire)
    back = boxes.reversed()
    there = Alltoallw(boxes, itemsize, turns[0], shapes)
    home = Alltoallw(back, itemsize, turns[1], (shapes[1], shapes[0]))
    if not verifying():
        return there, home
    narrow = [False] * len(boxes.sends)
    return Verified(comm, there, boxes, itemsize, narrow), Verified(comm, home, back, itemsize, narrow)


def open_boxed(
    comm: MPI.Intracomm,
    method: str,
    boxes: Boxes,
    itemsize: int,
    order: tuple[int, ...],
    turns: Turns,
    cuts: Cuts = (None, None),
    wire: bool = False,
) -> tuple[Boxed, Boxed]:
    """The two directions of an exchange of contiguous boxes: as `open_exchange`, but for "alltoallw"."""
    back, narrow = boxes.reversed(), _narrow(boxes.comm, wire)
    if not verifying():
        return _boxed(method, (boxes, back), itemsize, order, turns, cuts, narrow)
    there, home = _boxed(method, (boxes, back), itemsize, order, turns, (None, None), narrow)
    return Verified(comm, there, boxes, itemsize, narrow), Verified(comm, home, back, itemsize, narrow)


def _narrow(comm: MPI.Intracomm, wire: bool) -> list[bool]:
    """The peers to which messages go in single precision. Collective over `comm`."""
    there = near(comm).ranks if wire else range(comm.Get_size())
    return [peer not in there for peer in range(comm.Get_size())]


def _boxed(
    method: str,
    both: tuple[Boxes, Boxes],
    itemsize: int,
    order: tuple[int, ...],
    turns: Turns,
    cuts: Cuts,
    narrow: Sequence[bool],
) -> tuple[Boxed, Boxed]:
    """The two directions of an exchange of contiguous boxes, as they are without being verified."""
    comm = both[0].comm
    if method in ("shared", "hybrid"):
        sharing = comm if method == "shared" else near(comm).comm
        window = turns[0].window(method, sharing, segment_bytes(both[0], itemsize))

    def opened(way: int) -> Boxed:
        boxes, turn, cut = both[way], turns[way], cuts[way]
        if method == "shared":
            return Shared(boxes, itemsize, order, window)
        if method == "hybrid":
            return Hybrid(boxes, itemsize, order, turn, cut, narrow, near(comm), window)
        if method == "pairwise":
            return Pairwise(boxes, itemsize, order, turn, cut, narrow)
        return Alltoallv(boxes, itemsize, order, turn)

    return opened(0), opened(1)
