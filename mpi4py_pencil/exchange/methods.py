"""The methods by which an exchange can be made: which there are, which to choose, and how to open one."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from typing import Protocol

from mpi4py import MPI

from .._kernels import Operation
from ..layout.boxes import Boxes
from ..ranks.agreement import agreed, nothing
from ..sweep.instruction import Instruction
from .alltoallv import Alltoallv
from .alltoallw import Alltoallw
from .memory import Memory
from .pairwise import Pairwise
from .placement import Placed, offsets
from .shared import Shared
from .window import Window, on_one_node, room_for

METHODS = ("auto", "shared", "alltoallv", "alltoallw", "pairwise")


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
    def claim(self) -> Operation:
        """Wait until the outbox may be written."""

    @property
    def deliver(self) -> Operation:
        """Bring the outboxes' boxes to the inboxes. Collective over the peers."""

    @property
    def release(self) -> Operation:
        """Say that the inbox has been read."""


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


def chosen_method(comm: MPI.Intracomm, method: str, boxes: Boxes, itemsize: int) -> str:
    """What `method` means for these peers: "auto" is shared memory where they share it, Alltoallv where not.

    Collective over `comm`, which may hold several groups of peers; for each the answer is its own.

    Raises
    ------
    ValueError, MemoryError
        On every rank: where shared memory is asked for and some peers are on several nodes, or have no room for it.
    """
    # only errors are everyone's: "auto" may find something else for other peers
    chosen = agreed(comm, lambda: _method_of_peers(method, boxes, itemsize), nothing)
    no_room = method == "auto" and chosen != "shared" and on_one_node(boxes.comm)
    if comm.allreduce(no_room, MPI.LOR):
        say_no_room(comm, "exchanging by Alltoallv instead")
    return chosen


def _method_of_peers(method: str, boxes: Boxes, itemsize: int) -> str:
    """What `method` means for the peers, over which this is collective."""
    if method not in ("auto", "shared"):
        return method
    one_node = on_one_node(boxes.comm)
    if one_node and room_for(boxes.comm, segment_bytes(boxes, itemsize)):
        return "shared"
    if method == "auto":
        return "alltoallv"
    if one_node:
        raise MemoryError("method 'shared' needs more room in /dev/shm than there is; use 'auto' or 'alltoallv'")
    raise ValueError("method 'shared' needs all peers on one node; use 'auto', 'alltoallv' or 'pairwise'")


def say_no_room(comm: MPI.Intracomm, instead: str) -> None:
    """Warn on the first rank that shared windows are not to be had, and of what is done instead.

    Collective over `comm`: a warning may be an error.
    """
    agreed(comm, lambda: _warn_once(instead) if comm.Get_rank() == 0 else None)


@functools.cache
def _warn_once(instead: str) -> None:
    """Warn once in a process."""
    warnings.warn(f"no room in /dev/shm for shared windows: {instead}", RuntimeWarning, stacklevel=2)


def open_chosen(
    comm: MPI.Intracomm,
    method: str,
    boxes: Boxes,
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    itemsize: int,
    order: tuple[int, ...],
    memory: Memory,
) -> tuple[Exchange, Exchange]:
    """The two directions of an exchange by what `method`, which may be "auto", means: as `open_exchange`.

    Collective over `comm`: where one rank has no memory for it, all raise.
    """
    chosen = chosen_method(comm, method, boxes, itemsize)
    return agreed(comm, lambda: open_exchange(chosen, boxes, shapes, itemsize, order, memory), nothing)


def open_exchange(
    method: str,
    boxes: Boxes,
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    itemsize: int,
    order: tuple[int, ...],
    memory: Memory,
) -> tuple[Exchange, Exchange]:
    """The two directions of an exchange. Collective over the peers.

    Parameters
    ----------
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
    memory : Memory
        Where outboxes and inboxes lie unless they are in a shared window.
    """
    if method == "alltoallw":
        back = boxes.reversed()
        return Alltoallw(boxes, itemsize, memory, shapes), Alltoallw(back, itemsize, memory, (shapes[1], shapes[0]))
    return open_boxed(method, boxes, itemsize, order, memory)


def open_boxed(method: str, boxes: Boxes, itemsize: int, order: tuple[int, ...], memory: Memory) -> tuple[Boxed, Boxed]:
    """The two directions of an exchange of contiguous boxes: as `open_exchange`, but for "alltoallw"."""
    back = boxes.reversed()
    if method == "shared":
        window = Window(boxes.comm, segment_bytes(boxes, itemsize))
        return Shared(boxes, itemsize, order, window), Shared(back, itemsize, order, window)
    kind = Pairwise if method == "pairwise" else Alltoallv
    return kind(boxes, itemsize, order, memory), kind(back, itemsize, order, memory)
