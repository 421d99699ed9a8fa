"""Blocks along the first axis dealt to the ranks in turn, and back, by an Alltoallv with packing by hand."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from fields import Array
from mpi4py import MPI


class Dealing:
    """An Alltoallv each way: forward what it sends is packed, backward what it has received is unpacked.

    The other side is sent, or received, as it lies. Results are new memory, the packed points' is made once.

    Parameters
    ----------
    comm : MPI.Intracomm
        The ranks.
    shape : sequence of int
        Of the whole array.
    dtype : dtype-like
        Of it.
    """

    def __init__(self, comm: MPI.Intracomm, shape: Sequence[int], dtype: str) -> None:
        n, *rest = shape
        ranks, me = comm.Get_size(), comm.Get_rank()
        ends = [k * (n // ranks) + min(k, n % ranks) for k in range(ranks + 1)]
        blocks = [range(*pair) for pair in pairwise(ends)]

        def dealt(block: range, to: int) -> slice:
            """The positions in a block of what one rank is dealt."""
            return slice((to - block.start) % ranks, len(block), ranks)

        def count(block: range, to: int) -> int:
            return len(block[dealt(block, to)])

        row = int(np.prod(rest))
        self._comm, self._kind = comm, MPI._typedict[np.dtype(dtype).char]
        self._mine = [(dealt(blocks[me], to), count(blocks[me], to)) for to in range(ranks)]
        self._dealt = np.array([row * size for _, size in self._mine])
        self._got = np.array([row * count(block, me) for block in blocks])
        self._packed = np.empty((len(blocks[me]), *rest), dtype)
        self._shape = (len(range(me, n, ranks)), *rest)

    def forward(self, block: Array) -> Array:
        """What this rank is dealt of the blocks of all. Collective."""
        at = 0
        for where, size in self._mine:
            self._packed[at : at + size] = block[where]
            at += size
        out = np.empty(self._shape, block.dtype)
        self._comm.Alltoallv([self._packed, self._dealt, self._kind], [out, self._got, self._kind])
        return out

    def backward(self, block: Array) -> Array:
        """This rank's block of what all were dealt. Collective."""
        self._comm.Alltoallv([block, self._got, self._kind], [self._packed, self._dealt, self._kind])
        out = np.empty(self._packed.shape, block.dtype)
        at = 0
        for where, size in self._mine:
            out[where] = self._packed[at : at + size]
            at += size
        return out
