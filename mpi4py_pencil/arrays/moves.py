"""Points of a distributed array brought to the ranks that want them, and back, by one Alltoallv.

What a rank wants is a product of indices along each axis (`Product`: redistribution, slices, rolls), or any points
(`Points`: reshaping, masks, arrays of indices). Both ask the owners once; then they can be carried out again.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
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
        here = source.local_shape(comm.rank)
        mine: list[Any] = [None] * comm.size
        take: dict[int, Where] = {}
        groups = [_by_part(axis, which) for axis, which in zip(source.axes, index or (), strict=index is not None)]
        for chosen in itertools.product(*groups) if index is not None else ():
            owner = source.owner([part for part, _, _ in chosen], comm.rank)
            mine[owner] = tuple(there for _, _, there in chosen)
            take[owner] = Where([places for _, places, _ in chosen], shape)
        asked = comm.alltoall(mine)
        give = {rank: Where(positions, here) for rank, positions in enumerate(asked) if positions is not None}
        self._own = (take.pop(comm.rank), give.pop(comm.rank)) if comm.rank in take else None
        self._take = Parts(take, comm.size)
        self._give = Parts(give, comm.size)

    def pull(self, block: Plain) -> Plain:
        """This rank's block of what it wants, from the blocks of all. Collective."""
        sent, came, out = self._packed(block)
        self._comm.Alltoallv(sent, came)
        return self._unpacked(came[0], out)

    def start(self, comm: MPI.Intracomm, block: Plain, finish: Callable[[Plain], T]) -> Pending[T]:
        """As `pull`, started, on another communicator of the same ranks. Collective.

        Its `wait` returns what `finish` makes of this rank's block. The block may be overwritten at once.
        """
        sent, came, out = self._packed(block.copy() if self._give.whole else block)
        request = comm.Ialltoallv(sent, came)
        return Pending(comm, request, (sent, came), lambda: finish(self._unpacked(came[0], out)))

    def _packed(self, block: Plain) -> tuple[list[Any], list[Any], Plain]:
        """What is sent, room for what comes, and the block that this rank wants with its own points."""
        out = np.empty(self._shape, block.dtype)
        block = np.ascontiguousarray(block) if self._give.whole else block
        sent, came = self._give.memory(block), self._take.memory(out)
        self._give.pack(block, sent)
        if self._own is not None:
            here, there = self._own
            out[here.index] = block[there.index]
        kind = item(max(1, block.itemsize))
        return [sent, self._give.layout, kind], [came, self._take.layout, kind], out

    def _unpacked(self, came: Plain, out: Plain) -> Plain:
        """The block with what has come."""
        self._take.unpack(came, out)
        return out


class Where:
    """The positions along each axis of a product of them in a block of a shape.

    Attributes
    ----------
    shape : tuple of int
        How many there are along each axis.
    size : int
        How many points.
    index : tuple
        Of the block: slices where the positions are evenly spaced, but for those of several lists.
    first : int or None
        Where the points begin in the block, counted in C order, if they follow each other there in one run.
    """

    def __init__(self, positions: Sequence[Indices], shape: Sequence[int]) -> None:
        self.shape = tuple(which.size for which in positions)
        self.size = math.prod(self.shape)
        slices = [_evenly(which) for which in positions]
        listed = slices.count(None)  # one list among slices keeps its place, and whole rows are copied
        chosen = [which if found is None else found for which, found in zip(positions, slices, strict=True)]
        self.index: Any = (*chosen, ...) if listed <= 1 else np.ix_(*positions)
        self.first = None
        if not listed and all(found is None or found.step in (None, 1) for found in slices):
            first, last = (_place([which[end] for which in positions], shape) for end in (0, -1))
            self.first = first if last - first + 1 == self.size else None


class Parts:
    """What of a block goes to other ranks, or comes from them: as it lies in the block where each part is one run.

    Attributes
    ----------
    whole : bool
        Whether it goes so.
    layout : (array of int, array of int)
        How many items for each rank, and where they begin.
    """

    def __init__(self, parts: dict[int, Where], size: int) -> None:
        self._parts = [parts[rank] for rank in sorted(parts)]
        counts, self._total = np.zeros(size, np.int64), sum(where.size for where in self._parts)
        counts[sorted(parts)] = [where.size for where in self._parts]
        self._starts = list(itertools.accumulate((where.size for where in self._parts), initial=0))
        self.whole = bool(self._parts) and all(where.first is not None for where in self._parts)
        begin = np.zeros(size, np.int64)
        begin[sorted(parts)] = [where.first or 0 for where in self._parts] if self.whole else self._starts[:-1]
        self.layout = counts, begin

    def memory(self, block: Plain) -> Plain:
        """What MPI reads or writes: the block, or memory for packed parts."""
        return block if self.whole else np.empty(self._total, block.dtype)

    def pack(self, block: Plain, packed: Plain) -> None:
        """Copy the parts of a block to memory, where that is not the block."""
        for where, part in self._pairs(packed):
            part[...] = block[where.index]

    def unpack(self, packed: Plain, block: Plain) -> None:
        """Copy the parts back."""
        for where, part in self._pairs(packed):
            block[where.index] = part

    def _pairs(self, packed: Plain) -> Iterator[tuple[Where, Plain]]:
        """Each part and its memory; none where they are sent from the block."""
        if not self.whole:
            for where, start in zip(self._parts, self._starts, strict=False):
                yield where, packed[start : start + where.size].reshape(where.shape)


def _place(position: Sequence[Any], shape: Sequence[int]) -> int:
    """A place in a block, counted in C order."""
    place = 0
    for n, at in zip(shape, position, strict=True):
        place = place * n + int(at)
    return place


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
