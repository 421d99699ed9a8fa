"""Points of a distributed array brought to the ranks that want them, and back, by one Alltoallv.

What a rank wants is a product of indices along each axis (`Product`: redistribution, slices, rolls), or any points
(`Points`: reshaping, masks, arrays of indices). Both ask the owners once; then they can be carried out again.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np
from mpi4py import MPI

from ..exchange.memory import item
from .axes import Axis, Block, Indices
from .distribution import Distribution
from .pending import Pending

T = TypeVar("T")

Plain: TypeAlias = "np.ndarray[Any, Any]"

# Runs of more bytes than this are copied one by one, shorter ones as the items of an array.
_LONG = 1 << 15


class Points:
    """Any points that each rank wants from the blocks of the others. Collective over `comm`.

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
        # numpy sorts short integers in linear time
        order = np.argsort(owners.astype(np.int16) if comm.size < 1 << 15 else owners, kind="stable")
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


class Product:
    """A product of indices along each axis that each rank wants from the blocks of the others. Collective over `comm`.

    Parameters
    ----------
    comm : MPI.Intracomm
        All ranks.
    source : Distribution
        Of the array.
    index : sequence of array of int, optional
        The indices along each axis that this rank wants; None where it wants nothing.
    shape : tuple of int
        Of the block of which they are the points.
    """

    def __init__(
        self, comm: MPI.Intracomm, source: Distribution, index: Sequence[Indices] | None, shape: tuple[int, ...]
    ) -> None:
        self._comm = comm
        self._shape = shape
        mine: list[Any] = [None] * comm.size
        self._take: list[tuple[int, Where]] = []
        groups = [_by_part(axis, which) for axis, which in zip(source.axes, index or (), strict=index is not None)]
        for chosen in itertools.product(*groups) if index is not None else ():
            owner = source.owner([part for part, _, _ in chosen], comm.rank)
            mine[owner] = tuple(there for _, _, there in chosen)
            self._take.append((owner, Where([here for _, here, _ in chosen])))
        self._take.sort(key=lambda taken: taken[0])
        self._give = [(rank, Where(asked)) for rank, asked in enumerate(comm.alltoall(mine)) if asked is not None]
        self._own = mine[comm.rank] is not None

    def pull(self, block: Plain) -> Plain:
        """This rank's block of what it wants, from the blocks of all. Collective."""
        sent, came, out = self._packed(block)
        self._comm.Alltoallv(sent, came)
        return self._unpacked(came[0], out)

    def start(self, comm: MPI.Intracomm, block: Plain, finish: Callable[[Plain], T]) -> Pending[T]:
        """As `pull`, started, on another communicator of the same ranks. Collective.

        Its `wait` returns what `finish` makes of this rank's block.
        """
        sent, came, out = self._packed(block)
        request = comm.Ialltoallv(sent, came)
        return Pending(comm, request, (sent, came), lambda: finish(self._unpacked(came[0], out)))

    def _packed(self, block: Plain) -> tuple[list[Any], list[Any], Plain]:
        """What is sent, room for what comes, and the block that this rank wants with its own points."""
        me, out = self._comm.rank, np.empty(self._shape, block.dtype)
        give = [(rank, where) for rank, where in self._give if rank != me]
        sent, given = _buffer(give, block.dtype, self._comm.size)
        came, taken = _buffer(self._others(), block.dtype, self._comm.size)
        for (_, where), part in zip(give, _parts(give, sent), strict=True):
            part[...] = where.of(block)
        if self._own:
            here = next(where for rank, where in self._take if rank == me)
            here.put(out, next(where for rank, where in self._give if rank == me).of(block))
        kind = item(max(1, block.itemsize))
        return [sent, given, kind], [came, taken, kind], out

    def _unpacked(self, came: Plain, out: Plain) -> Plain:
        """The block with what has come."""
        take = self._others()
        for (_, where), part in zip(take, _parts(take, came), strict=True):
            where.put(out, part)
        return out

    def _others(self) -> list[tuple[int, Where]]:
        """What this rank takes from others."""
        return [(rank, where) for rank, where in self._take if rank != self._comm.rank]


class Where:
    """The positions along each axis of a product of them in a block: slices where they are evenly spaced."""

    def __init__(self, positions: Sequence[Indices]) -> None:
        self.shape = tuple(which.size for which in positions)
        self.size = math.prod(self.shape)
        slices = [_evenly(which) for which in positions]
        regular = all(found is not None for found in slices)
        self._index: Any = (*slices, ...) if regular else np.ix_(*positions)

    def of(self, block: Plain) -> Plain:
        """The points of a block."""
        return block[self._index]

    def put(self, block: Plain, values: Plain) -> None:
        """Write to the points of a block."""
        block[self._index] = values


def _by_part(axis: Axis, which: Indices) -> list[tuple[int, Indices, Indices]]:
    """The parts in which indices lie, the places of these among them, and their positions in the part."""
    if axis.parts == 1 and isinstance(axis, Block):
        return [(0, np.arange(which.size), which)] if which.size else []
    part, position = axis.find(which)
    order = np.argsort(part, kind="stable")
    cuts = np.flatnonzero(np.diff(part[order])) + 1
    return [(int(part[here[0]]), here, position[here]) for here in np.split(order, cuts) if here.size]


def _evenly(positions: Indices) -> slice | None:
    """A slice of the same positions; None where they are not evenly spaced."""
    if positions.size < 2:
        return slice(int(positions[0]), int(positions[0]) + 1) if positions.size else slice(0, 0)
    step = int(positions[1] - positions[0])
    if step == 0 or np.any(np.diff(positions) != step):
        return None
    end = int(positions[-1]) + (1 if step > 0 else -1)
    return slice(int(positions[0]), None if end < 0 else end, step)


def _buffer(parts: Sequence[tuple[int, Where]], dtype: Any, size: int) -> tuple[Plain, Indices]:
    """Memory for what goes to, or comes from, other ranks, by rank; and how much that is for each."""
    counts = np.zeros(size, np.int64)
    for rank, where in parts:
        counts[rank] = where.size
    return np.empty(int(counts.sum()), dtype), counts


def _parts(parts: Sequence[tuple[int, Where]], buffer: Plain) -> list[Plain]:
    """The parts of a buffer in their shapes."""
    ends = list(itertools.accumulate(where.size for _, where in parts))
    return [buffer[end - where.size : end].reshape(where.shape) for end, (_, where) in zip(ends, parts, strict=True)]


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
