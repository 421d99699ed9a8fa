"""Points of a distributed array brought to the ranks that want them, and back: index runs by one Alltoallv."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from mpi4py import MPI

from ..exchange.memory import item
from .axes import Indices

Plain: TypeAlias = "np.ndarray[Any, Any]"

# Runs of more bytes than this are copied one by one, shorter ones as the items of an array.
_LONG = 1 << 15


class Move:
    """What each rank wants from the blocks of the others. Collective over `comm`.

    Parameters
    ----------
    comm : MPI.Intracomm
        All ranks.
    owners, positions : array of int
        Of each point that this rank wants: whose it is, and where in that rank's block, counted in C order.
    """

    def __init__(self, comm: MPI.Intracomm, owners: Indices, positions: Indices) -> None:
        self._comm = comm
        owners, positions = owners.reshape(-1), positions.reshape(-1)
        self.size = owners.size
        order = np.argsort(owners, kind="stable")
        self._wanted = np.bincount(owners, minlength=comm.size)
        self._given = np.empty_like(self._wanted)
        comm.Alltoall(self._wanted, self._given)
        asked = np.empty(self._given.sum(), np.int64)
        long = item(8)
        comm.Alltoallv(
            [np.ascontiguousarray(positions[order], np.int64), self._wanted, long], [asked, self._given, long]
        )
        self._take = Runs(asked)
        self._place = Runs(order)

    def pull(self, block: Plain) -> Plain:
        """The points that this rank wants, in their order, from the blocks of all. Collective."""
        sent = self._take.gather(block)
        came = np.empty(self.size, block.dtype)
        kind = item(max(1, block.itemsize))
        self._comm.Alltoallv([sent, self._given, kind], [came, self._wanted, kind])
        return self._place.scatter(came, np.empty(self.size, block.dtype))

    def push(self, values: Plain, block: Plain) -> None:
        """Write what this rank has for the points it named to the blocks of all; of one point the last. Collective."""
        sent = self._place.gather(values)
        came = np.empty(int(self._given.sum()), block.dtype)
        kind = item(max(1, block.itemsize))
        self._comm.Alltoallv([sent, self._wanted, kind], [came, self._given, kind])
        self._take.scatter(came, block)


class Runs:
    """Positions in a block as runs of equal length, whose items are copied together."""

    def __init__(self, positions: Indices) -> None:
        ends = np.flatnonzero(np.diff(positions) != 1) + 1
        bounds = np.concatenate(([0], ends, [positions.size]))
        self.length = int(np.gcd.reduce(np.diff(bounds))) or 1
        self.starts = positions[:: self.length].copy()

    def gather(self, block: Plain) -> Plain:
        """The items of a block at these positions, in this order."""
        flat = np.ascontiguousarray(block).reshape(-1)
        length = self.length
        if length == 1:
            return flat[self.starts]
        taken = np.empty(self.starts.size * length, block.dtype)
        if length * block.itemsize > _LONG:
            for k, start in enumerate(self.starts):
                taken[k * length : (k + 1) * length] = flat[start : start + length]
        else:
            taken.view(f"V{length * block.itemsize}")[...] = _records(flat, length)[self.starts]
        return taken

    def scatter(self, values: Plain, block: Plain) -> Plain:
        """Write values to these positions of a block, which is returned."""
        length = self.length
        if not block.flags.c_contiguous:
            block.flat[(self.starts[:, None] + np.arange(length)).reshape(-1)] = values
            return block
        flat = block.reshape(-1)
        if length == 1:
            flat[self.starts] = values
        elif length * block.itemsize > _LONG:
            for k, start in enumerate(self.starts):
                flat[start : start + length] = values[k * length : (k + 1) * length]
        else:
            _records(flat, length)[self.starts] = values.view(f"V{length * block.itemsize}")
        return block


def _records(flat: Plain, length: int) -> Plain:
    """All runs of so many items in an array, as items that overlap each other."""
    shape = (flat.size - length + 1,)
    return np.ndarray(shape, f"V{length * flat.itemsize}", flat, 0, (flat.itemsize,))
