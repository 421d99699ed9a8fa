"""Exchange by messages between pairs of ranks: each box consumed as it arrives, or in parts where it is cut."""

from __future__ import annotations

from collections.abc import Sequence

from .._kernels import Operation, Program
from ..layout.boxes import Boxes
from ..sweep.instruction import Instruction, anywhere
from .memory import Turn
from .messages import Messages
from .parts import Cut


class Pairwise:
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
    cut : Cut or None
        Where it is cut into parts.
    narrow : sequence of bool
        For each peer, whether messages between it and this rank are in single precision.
    """

    method = "pairwise"
    # the outbox has been free since the last exchange was released
    claim = Operation()

    def __init__(
        self,
        boxes: Boxes,
        itemsize: int,
        order: tuple[int, ...],
        turn: Turn,
        cut: Cut | None,
        narrow: Sequence[bool],
    ) -> None:
        self._me = boxes.comm.Get_rank()
        far = [q != self._me for q in range(boxes.comm.Get_size())]
        self._messages = found = Messages(
            boxes, turn.sides(boxes, order, itemsize), far, order, itemsize, turn.memory, cut, narrow
        )
        self.outbox, self.inbox = found.outbox, found.inbox
        self.outward, self.inward = found.outward, found.inward

    @property
    def deliver(self) -> Operation:
        """Exchange the boxes. Collective over the peers."""
        return Program([anywhere(self._messages.starting), anywhere(self._messages.arriving)])

    @property
    def release(self) -> Operation:
        """Wait until the boxes have left the outbox."""
        return self._messages.leaving

    def unpacking(self, copies: Sequence[Instruction]) -> list[Instruction]:
        """What delivers, and carries out a copy for each peer's box once it is there. Collective over the peers."""
        return [anywhere(self._messages.starting), copies[self._me], self._messages.unpacking(copies)]
