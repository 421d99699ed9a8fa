"""Exchange through a window with the peers on the same node, and by messages with all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .._kernels import Operation, Program
from ..layout.boxes import Box, Boxes
from ..ranks.agreement import agreed, nothing
from ..sweep.instruction import Instruction, anywhere
from .memory import NONE, Turn
from .messages import Messages
from .parts import Cut
from .placement import offsets, place
from .window import Near, Window


class Hybrid:
    """One direction of an exchange: the outbox is the window, and what peers on this node want of it they read there.

    The parameters are those of `Pairwise`, the peers on this node, and the window that they share.
    """

    method = "hybrid"

    def __init__(
        self,
        boxes: Boxes,
        itemsize: int,
        order: tuple[int, ...],
        turn: Turn,
        cut: Cut | None,
        narrow: Sequence[bool],
        node: Near,
        window: Window,
    ) -> None:
        sends, _ = offsets(boxes.sends, itemsize)
        receives, nbytes = offsets([_far(box, q, node) for q, box in enumerate(boxes.receives)], itemsize)
        segments = dict(zip(node.ranks, window.addresses, strict=True))
        inbox = agreed(boxes.comm, lambda: turn.inbox(nbytes), nothing)  # where there is no memory, none goes on
        mine, theirs = segments[boxes.comm.Get_rank()], boxes.comm.alltoall(sends)
        into = [segments[q] + theirs[q] if q in segments else inbox + at for q, at in enumerate(receives)]
        placed = (
            place(boxes.sends, [mine + at for at in sends], order, itemsize),
            place(boxes.receives, into, order, itemsize),
        )
        far = [q not in segments for q in range(len(sends))]
        self._messages = found = Messages(boxes, placed, far, order, itemsize, turn.memory, cut, narrow, window)
        self._near = node.ranks
        self._window = window  # whose memory is mapped as long as this is there
        self.outbox, self.inbox = found.outbox, found.inbox
        self.outward, self.inward = found.outward, found.inward
        if self.inward is not None:  # all that is near is there as soon as the first part is
            first, *rest = self.inward.operations
            both = Program([anywhere(window.fence), anywhere(first)])
            self.inward = replace(self.inward, operations=[both, *rest])
        self.claim: Operation = window.claim

    @property
    def deliver(self) -> Operation:
        """Exchange the boxes. Collective over the peers."""
        messages = self._messages
        return Program([anywhere(each) for each in (messages.starting, self._window.fence, messages.arriving)])

    @property
    def release(self) -> Operation:
        """Say that the peers' segments have been read, and wait until the messages have left this rank's."""
        return Program([anywhere(self._window.release), anywhere(self._messages.leaving)])

    def unpacking(self, copies: Sequence[Instruction]) -> list[Instruction]:
        """What delivers, and carries out a copy for each peer's box once it is there. Collective over the peers."""
        near = [copies[q] for q in self._near]
        return [
            anywhere(self._messages.starting),
            anywhere(self._window.fence),
            *near,
            self._messages.unpacking(copies),
        ]


def _far(box: Box, peer: int, node: Near) -> Box:
    """What is to arrive of a box: nothing of those that are read where they lie."""
    return NONE if peer in node.ranks else box
