"""The methods by which an exchange can be made: which there are, which to choose, and how to open one."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from typing import Protocol

from mpi4py import MPI

from .._kernels import Operation
from ..layout.boxes import Boxes
from ..layout.way import Way
from ..ranks.agreement import agreed, nothing, verifying
from ..ranks.communicators import numbers_in
from ..sweep.instruction import Instruction
from .alltoallv import Alltoallv
from .alltoallw import Alltoallw
from .hybrid import Hybrid
from .joined import Carriers, Joined, apart, joined_bytes
from .memory import Turn
from .messages import keep_step
from .pairwise import Pairwise
from .parts import Cut, Parts
from .placement import Placed, offsets
from .shared import Shared
from .verified import Verified
from .window import Window, near, on_one_node, room_for, some_near

METHODS = ("auto", "shared", "alltoallv", "alltoallw", "pairwise", "hybrid", "joined")
# Those whose exchanges are cut into parts.
CUT = ("pairwise", "hybrid")
# Boxes of fewer bytes on the average are joined, or go by one Alltoallv, for which libraries join some.
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


def chosen_method(
    comm: MPI.Intracomm,
    method: str,
    boxes: Boxes,
    itemsize: int,
    wire: bool = False,
    together: MPI.Intracomm | None = None,
) -> str:
    """What `method` means for these peers: for "auto" shared memory where they share it, and messages where not.

    Where boxes are small, messages are joined if some ranks share memory, and one Alltoallv if none do, or there is no
    room for it, and `wire` does not ask for single precision between nodes; else they are pairwise, or hybrid where
    some peers share memory.

    Collective over `comm`, which may hold several groups of peers; for each the answer is its own, but for "joined",
    which all have or none.

    Parameters
    ----------
    comm : MPI.Intracomm
        The ranks that choose at the same time.
    method : str
        One of `METHODS`.
    boxes, itemsize : Boxes, int
        What goes where, and the bytes of a point.
    wire : bool
        Whether messages between nodes are in single precision.
    together : MPI.Intracomm, optional
        The ranks that exchange at the same time, if these are more than the peers.

    Raises
    ------
    ValueError, MemoryError
        On every rank: where shared memory is asked for and some peers are on several nodes, or have no room for it.
    """
    all_of_them = boxes.comm if together is None else together
    # only errors are everyone's: "auto" may find something else for other peers
    chosen, short = agreed(comm, lambda: _method_of_peers(method, boxes, itemsize, wire, all_of_them), nothing)
    if comm.allreduce(short, MPI.LOR):
        say_no_room(comm, "exchanging by messages instead")
    keep_step(boxes.comm)
    return chosen


def _method_of_peers(method: str, boxes: Boxes, itemsize: int, wire: bool, together: MPI.Intracomm) -> tuple[str, bool]:
    """What `method` means for the peers, and whether that is so for want of room.

    Collective over the peers, and over all that exchange `together`.
    """
    if method not in ("auto", "shared", "hybrid", "joined"):
        return method, False
    one_node = on_one_node(boxes.comm)
    if method == "shared" and not one_node:
        raise ValueError(
            "method 'shared' needs all peers on one node; use 'auto', 'hybrid', 'joined', 'alltoallv' or 'pairwise'"
        )
    wanted = method
    if method == "auto":
        joins = some_near(together)
        wanted = "shared" if one_node else _messages(boxes, itemsize, wire, joins)
        if joins and together.allreduce(wanted == "joined", MPI.LOR):
            wanted = "joined"
    if wanted in ("alltoallv", "pairwise") or _room(wanted, boxes, itemsize, together):
        return wanted, False
    if method != "auto":
        raise MemoryError(f"method {method!r} needs more room in /dev/shm than there is; use 'auto' or 'alltoallv'")
    return ("alltoallv" if one_node or (wanted == "joined" and not wire) else "pairwise"), True


def _messages(boxes: Boxes, itemsize: int, wire: bool, joins: bool) -> str:
    """By which method messages go. Collective over the peers."""
    size = boxes.comm.Get_size()
    sent = boxes.comm.allreduce(sum(box.size for box in boxes.sends)) * itemsize
    small = sent < SMALL * size**2
    if small and (joins or not wire):
        return "joined" if joins else "alltoallv"
    shared = boxes.comm.allreduce(len(near(boxes.comm).ranks) > 1, MPI.LOR)
    return "hybrid" if shared else "pairwise"


def _room(method: str, boxes: Boxes, itemsize: int, together: MPI.Intracomm) -> bool:
    """Whether there is room for a method's windows. Collective over the peers, or over those who join boxes."""
    if method == "joined":
        nbytes = joined_bytes(boxes, itemsize, _far(together, boxes.comm))
        return bool(together.allreduce(room_for(near(together).comm, nbytes), MPI.LAND))
    nbytes = segment_bytes(boxes, itemsize)
    if method == "shared":
        return room_for(boxes.comm, nbytes)
    return bool(boxes.comm.allreduce(room_for(near(boxes.comm).comm, nbytes), MPI.LAND))


def _far(comm: MPI.Intracomm, peers: MPI.Intracomm) -> list[bool]:
    """For each of the peers whether it does not share memory with this rank, as the ranks of `comm` do or not.

    Collective over `comm` at the first call.
    """
    nodes = near(comm).nodes
    return [nodes[q] != nodes[comm.Get_rank()] for q in numbers_in(comm, peers)]


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
    back, narrow = boxes.reversed(), [False] * len(boxes.sends)
    if wire:
        narrow = _far(comm if method == "joined" else boxes.comm, boxes.comm)
    if not verifying():
        return _boxed(comm, method, (boxes, back), itemsize, order, turns, cuts, narrow, wire)
    there, home = _boxed(comm, method, (boxes, back), itemsize, order, turns, (None, None), narrow, wire)
    return Verified(comm, there, boxes, itemsize, narrow), Verified(comm, home, back, itemsize, narrow)


def _boxed(
    comm: MPI.Intracomm,
    method: str,
    both: tuple[Boxes, Boxes],
    itemsize: int,
    order: tuple[int, ...],
    turns: Turns,
    cuts: Cuts,
    narrow: Sequence[bool],
    wire: bool,
) -> tuple[Boxed, Boxed]:
    """The two directions of an exchange of contiguous boxes, as they are without being verified."""
    if method == "joined":
        return _joined(comm, both, itemsize, order, turns, wire)
    peers = both[0].comm
    if method in ("shared", "hybrid"):
        sharing, nbytes = peers if method == "shared" else near(peers).comm, segment_bytes(both[0], itemsize)
        window = agreed(peers, lambda: turns[0].window(method, sharing, nbytes), nothing)  # or no node has one

    def opened(way: int) -> Boxed:
        boxes, turn, cut = both[way], turns[way], cuts[way]
        if method == "shared":
            return Shared(boxes, itemsize, order, window)
        if method == "hybrid":
            return Hybrid(boxes, itemsize, order, turn, cut, narrow, near(peers), window)
        if method == "pairwise":
            return Pairwise(boxes, itemsize, order, turn, cut, narrow)
        return Alltoallv(boxes, itemsize, order, turn)

    return opened(0), opened(1)


def _joined(
    comm: MPI.Intracomm, both: tuple[Boxes, Boxes], itemsize: int, order: tuple[int, ...], turns: Turns, wire: bool
) -> tuple[Boxed, Boxed]:
    """The two directions of an exchange of joined boxes."""
    keep_step(apart(comm))
    carriers = Carriers(comm, both[0])
    plans = [carriers.plan(way, itemsize) for way in Way]
    mine = max(plan.ends[carriers.node.comm.Get_rank()] for plan in plans)
    window = agreed(comm, lambda: Window(carriers.node.comm, mine), nothing)  # or no node has one
    there, home = (
        Joined(boxes, itemsize, order, carriers, plan, turn.memory, wire, window)
        for boxes, plan, turn in zip(both, plans, turns, strict=True)
    )
    return there, home
