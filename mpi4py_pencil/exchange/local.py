"""No exchange: the boxes stay with their rank."""

from __future__ import annotations

from .._kernels import Operation
from ..layout.boxes import Box
from .memory import Turn
from .parts import Parts
from .placement import place


class Local:
    """Memory between two sweeps of the same rank: the outbox is the inbox.

    Parameters
    ----------
    box : Box
        The whole local block.
    itemsize : int
        Bytes of a point.
    order : tuple of int
        The order of the axes, the outermost first.
    turn : Turn
        Where the block lies.
    """

    method = "local"
    # what is written is there, and nobody else reads it
    claim = deliver = release = Operation()
    # not in parts
    outward: Parts | None = None
    inward: Parts | None = None

    def __init__(self, box: Box, itemsize: int, order: tuple[int, ...], turn: Turn) -> None:
        self._memory = turn.memory
        self.outbox = self.inbox = place([box], [turn.outbox(box.size * itemsize)], order, itemsize)
