"""Exchanges that verify what they bring: each box has a checksum, taken where it was written and where it is read.

``MPI4PY_PENCIL_CHECK=2`` asks for it. It finds memory, a network or an MPI library that changes what it should move.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from mpi4py import MPI

from .._kernels import Call, Operation, Program
from ..layout.arrays import offset, view_at
from ..layout.boxes import Box, Boxes
from ..ranks.agreement import agreed, nothing
from ..sweep.instruction import Instruction, anywhere
from .parts import Parts
from .placement import Placed

if TYPE_CHECKING:
    from .methods import Exchange


class Verified:
    """One direction of an exchange, after which all ranks know that every box has come as it went. Not in parts.

    Parameters
    ----------
    comm : MPI.Intracomm
        The ranks that raise together: the peers, and others who exchange at the same time.
    exchange : Exchange
        What moves the boxes.
    boxes : Boxes
        What goes where.
    itemsize : int
        Bytes of a point.
    narrow : sequence of bool
        For each peer, whether what goes and comes is rounded to single precision.
    """

    outward: Parts | None = None
    inward: Parts | None = None

    def __init__(
        self, comm: MPI.Intracomm, exchange: Exchange, boxes: Boxes, itemsize: int, narrow: Sequence[bool]
    ) -> None:
        self._comm, self._exchange, self._boxes = comm, exchange, boxes
        self._itemsize, self._narrow = itemsize, narrow
        self.method = exchange.method
        self.outbox, self.inbox = exchange.outbox, exchange.inbox
        self.claim, self.release = exchange.claim, exchange.release
        self._given: list[int] = []

    @property
    def deliver(self) -> Operation:
        """Bring the boxes, and compare. Collective over `comm`.

        Raises
        ------
        RuntimeError
            On every rank, where a box came otherwise than it went: by its sender, receiver and place.
        """
        return Program([anywhere(each) for each in (Call(self._note, True), self._exchange.deliver, self._compared)])

    @property
    def _compared(self) -> Operation:
        """Compare what came with what went."""
        return Call(self._compare, True)

    def unpacking(self, copies: Sequence[Instruction]) -> list[Instruction]:
        """What delivers, and carries out a copy for each peer's box. Collective over `comm`."""
        return [anywhere(self.deliver), *copies]

    def _note(self, *_: int) -> None:
        """Take the sums of what is to go."""
        self._given = self._sums(self.outbox, self._boxes.sends)

    def _compare(self, *_: int) -> None:
        """Compare the sums of what came with those of what went."""
        peers = self._boxes.comm
        came = self._sums(self.inbox, self._boxes.receives)
        went = peers.alltoall(self._given)
        wrong = [q for q, sums in enumerate(zip(came, went, strict=True)) if sums[0] != sums[1]]
        agreed(self._comm, lambda: _refuse(wrong, peers, self._boxes), nothing)

    def _sums(self, side: Sequence[Placed], boxes: Sequence[Box]) -> list[int]:
        """The checksums of the boxes on one side."""
        placed = zip(_each(side, boxes), self._narrow, strict=True)
        return [_sum(each, self._itemsize, narrow) for each, narrow in placed]


def _refuse(wrong: Sequence[int], peers: MPI.Intracomm, boxes: Boxes) -> None:
    """Raise RuntimeError, if there is anything wrong."""
    if wrong:
        box = boxes.receives[wrong[0]]
        others = f", and {len(wrong) - 1} more of its boxes" if len(wrong) > 1 else ""
        raise RuntimeError(
            f"what rank {wrong[0]} sent to rank {peers.Get_rank()}, of {peers.Get_size()} that exchange data, came "
            f"otherwise than it went: the box of shape {box.shape} at {box.start} of the receiver's block{others}"
        )


def _each(side: Sequence[Placed], boxes: Sequence[Box]) -> list[Placed]:
    """Where each peer's box lies: by itself, or in the whole local array."""
    if [placed.box for placed in side] == list(boxes):
        return list(side)
    whole = side[0]
    return [Placed(box, whole.address + offset(box.start, whole.strides), whole.strides) for box in boxes]


def _sum(placed: Placed, itemsize: int, narrow: bool) -> int:
    """The checksum of a box, whatever the order of its axes in memory; of what is left in single precision if asked."""
    if not placed.box.size:
        return 0
    items = view_at(placed.address, placed.box.shape, np.dtype((np.void, itemsize)), placed.strides).tobytes()
    if narrow:
        with np.errstate(all="ignore"):
            items = np.frombuffer(items, np.float64).astype(np.float32).tobytes()
    return zlib.crc32(items)
