"""Exchange through a window: a rank's outbox is its peers' inbox, and no byte moves."""

from __future__ import annotations

from collections.abc import Sequence

from ..layout.boxes import Boxes
from ..sweep.instruction import Instruction, anywhere
from .parts import Parts
from .placement import offsets, place
from .window import Window


class Shared:
    """One direction of an exchange through a window. The parameters are those of `Alltoallv`, and the window."""

    method = "shared"
    # not in parts
    outward: Parts | None = None
    inward: Parts | None = None

    def __init__(self, boxes: Boxes, itemsize: int, order: tuple[int, ...], window: Window) -> None:
        comm = boxes.comm
        mine, _ = offsets(boxes.sends, itemsize)
        theirs = comm.alltoall(mine)
        base = window.addresses[comm.Get_rank()]
        self.outbox = place(boxes.sends, [base + at for at in mine], order, itemsize)
        inbox = [base + at for base, at in zip(window.addresses, theirs, strict=True)]
        self.inbox = place(boxes.receives, inbox, order, itemsize)
        self._window = window  # whose memory is mapped as long as this is there
        self.claim = window.claim
        self.deliver = window.fence
        self.release = window.release

    def unpacking(self, copies: Sequence[Instruction]) -> list[Instruction]:
        """What delivers, and carries out a copy for each peer's box once it is there. Collective over the peers."""
        return [anywhere(self.deliver), *copies]
