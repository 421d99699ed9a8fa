"""What a rank gives to whom between two pencils, and where a truncated block lies in a whole one."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

from mpi4py import MPI

from .partition import overlap
from .pencil import Pencil
from .subcomm import Subcomm


@dataclass(frozen=True)
class Box:
    """A block of a rank's local array: where it starts in it, and its shape."""

    start: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """The number of points."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Boxes:
    """What a rank gives to and takes from each peer when an array goes from one pencil to another.

    Attributes
    ----------
    comm : MPI.Intracomm
        The peers: those of the one sub-communicator that divides another axis, or all ranks of the grid.
    sends, receives : tuple of Box
        For each peer the part of this rank's block before that becomes the peer's, and the part of this rank's block
        after that comes from it.
    """

    comm: MPI.Intracomm
    sends: tuple[Box, ...]
    receives: tuple[Box, ...]

    def reversed(self) -> Boxes:
        """The boxes of the way back."""
        return Boxes(self.comm, self.receives, self.sends)


@dataclass(frozen=True)
class Spread:
    """Where a rank's block of a pencil that has not all indices of its axes lies in a block that has them all.

    Attributes
    ----------
    shape : tuple of int
        Of the block with all indices.
    blocks : tuple of (Box, tuple of int)
        Boxes of the pencil's block, and where each starts in the other one.
    gaps : tuple of Box
        What of the other one they leave out.
    """

    shape: tuple[int, ...]
    blocks: tuple[tuple[Box, tuple[int, ...]], ...]
    gaps: tuple[Box, ...]


def spread(pencil: Pencil) -> Spread:
    """Where this rank's block of a pencil lies in that of ``pencil.full()``."""
    full = pencil.full()
    runs = [
        [(0, 0, size)] if kept is None else kept.runs(start, size)
        for kept, start, size in zip(pencil.kept, full.substart, full.subshape, strict=True)
    ]
    blocks = [
        (Box(tuple(r[0] for r in each), tuple(r[2] for r in each)), tuple(r[1] for r in each))
        for each in itertools.product(*runs)
    ]
    gaps = []
    for k, size in enumerate(full.subshape):
        ends = [0, *(at + n for _, at, n in runs[k])]
        starts = [*(at for _, at, _ in runs[k]), size]
        for start, stop in zip(ends, starts, strict=True):
            if start < stop:
                at, shape = [0] * len(full.subshape), list(full.subshape)
                at[k], shape[k] = start, stop - start
                gaps.append(Box(tuple(at), tuple(shape)))
    return Spread(full.subshape, tuple(blocks), tuple(gaps))


def boxes(a: Pencil, b: Pencil) -> Boxes:
    """The boxes that this rank gives and takes between two pencils.

    Raises
    ------
    ValueError
        Where the pencils do not split arrays of the same shape over the ranks of the same grid.
    """
    if (a.shape, a.kept) != (b.shape, b.kept):
        raise ValueError(f"the pencils have different global shapes: {a.shape} and {b.shape}")
    comm = peers(a, b)
    whole = isinstance(a.subcomm, Subcomm) and comm is a.subcomm.grid.cart
    runs_a, runs_b = ([_runs(pencil, comm, q, whole) for q in range(comm.Get_size())] for pencil in (a, b))
    me = comm.Get_rank()
    sends = tuple(_box(runs_a[me], theirs) for theirs in runs_b)
    receives = tuple(_box(runs_b[me], theirs) for theirs in runs_a)
    return Boxes(comm, sends, receives)


def peers(a: Pencil, b: Pencil) -> MPI.Intracomm:
    """The smallest communicator in which all points that change their rank between two pencils stay."""
    before, after = _divisions(a), _divisions(b)
    moved = [k for k in range(len(before)) if before[k] != after[k]]
    if not moved:
        return MPI.COMM_SELF
    if len(moved) == 2:
        i, j = moved
        line = before[i] or before[j]
        if (before[i], before[j]) == (after[j], after[i]) and None in (before[i], before[j]):
            return line
    if not _of_one_parent(a, b):
        raise ValueError(
            f"{a} and {b} do not divide arrays among the same ranks: make both of grids of one communicator, or one "
            "from the other by .pencil(axis)"
        )
    return a.subcomm.grid.cart  # type: ignore[attr-defined]


def _of_one_parent(a: Pencil, b: Pencil) -> bool:
    """Whether two pencils are of grids of one communicator, whose ranks have the same numbers in all of these."""
    one, other = a.subcomm, b.subcomm
    return isinstance(one, Subcomm) and isinstance(other, Subcomm) and one.grid.parent == other.grid.parent


def _divisions(pencil: Pencil) -> list[Any]:
    """For each axis the communicator that divides it, None where it is undivided."""
    return [comm if size > 1 else None for comm, size in zip(pencil.subcomm, pencil.sizes, strict=True)]


def _runs(pencil: Pencil, comm: Any, peer: int, whole: bool) -> list[tuple[int, int]]:
    """Start and size along each axis of the block of a peer in `comm`: the whole grid, or the line that divides one."""
    ranks = list(pencil.ranks)
    if whole and isinstance(pencil.subcomm, Subcomm):
        coords = pencil.subcomm.grid.cart.Get_coords(peer)
        ranks = [0 if d is None else coords[d] for d in pencil.subcomm.order]
    else:
        ranks = [
            peer if c == comm and s > 1 else r for c, s, r in zip(pencil.subcomm, pencil.sizes, ranks, strict=True)
        ]
    return [pencil.run(k, rank) for k, rank in enumerate(ranks)]


def _box(mine: list[tuple[int, int]], theirs: list[tuple[int, int]]) -> Box:
    """What two blocks share, as a box of the first."""
    shared = [overlap(m, t) for m, t in zip(mine, theirs, strict=True)]
    size = tuple(n for _, n in shared)
    start = tuple(max(0, s - m[0]) for (s, _), m in zip(shared, mine, strict=True))
    return Box(start, size) if all(size) else Box((0,) * len(size), (0,) * len(size))
