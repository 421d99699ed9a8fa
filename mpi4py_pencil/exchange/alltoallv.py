"""Exchange by one Alltoallv of contiguous boxes."""

from __future__ import annotations

from collections.abc import Sequence

from .._kernels import Call, Operation
from ..layout.boxes import Boxes
from ..sweep.instruction import Instruction, anywhere
from .memory import Turn, item, window
from .parts import Parts
from .placement import Placed


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
    turn : Turn
        Where outbox and inbox lie.
    """

    method = "alltoallv"
    # the boxes have left the outbox when `deliver` has ended, and nobody waits for the inbox
    claim = release = Operation()
    # not in parts
    outward: Parts | None = None
    inward: Parts | None = None

    def __init__(self, boxes: Boxes, itemsize: int, order: tuple[int, ...], turn: Turn) -> None:
        self._comm = boxes.comm
        self._memory = turn.memory
        self.outbox, self.inbox = turn.sides(boxes, order, itemsize)
        self._item = item(itemsize)
        self._send = self._message(turn.outbox(0), self.outbox, itemsize)
        self._receive = self._message(turn.inbox(0), self.inbox, itemsize)

    def _message(self, buffer: int, placed: Sequence[Placed], itemsize: int) -> list[object]:
        """A buffer, counts and displacements in items; nothing goes from a rank to itself."""
        me = self._comm.Get_rank()
        counts = [0 if q == me else p.box.size for q, p in enumerate(placed)]
        places = [0 if q == me else (p.address - buffer) // itemsize for q, p in enumerate(placed)]
        return [window(buffer, self._memory.nbytes), counts, places, self._item]

    @property
    def deliver(self) -> Operation:
        """Exchange the boxes. Collective over the peers."""
        return Call(self._deliver, True)

    def _deliver(self, *_: int) -> None:
        """Exchange the boxes. Collective over the peers."""
        self._comm.Alltoallv(self._send, self._receive)

    def unpacking(self, copies: Sequence[Instruction]) -> list[Instruction]:
        """What delivers, and carries out a copy for each peer's box once it is there. Collective over the peers."""
        return [anywhere(self.deliver), *copies]
