"""How a global array is split into one block a rank, and how two such splits overlap."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mpi4py import MPI

from .partition import Kept, block, overlap
from .subcomm import Subcomm

if TYPE_CHECKING:
    from .transfer import Transfer


class Pencil:
    """A block distribution of a global array, aligned (undivided) along one axis.

    It describes and holds no data. Making one is a local operation.

    Parameters
    ----------
    subcomm : Subcomm
        One communicator for each axis; any sequence of communicators will do where no transfer over the whole grid is
        wanted.
    shape : sequence of int
        The global shape.
    axis : int, optional
        The alignment: an axis whose communicator has one rank only. The last by default.
    kept : sequence of (Kept or None), optional
        For each axis which indices of a longer one it has, where it has not all; each rank then has those of its block
        of the longer one. `shape` counts the kept indices.

    Attributes
    ----------
    shape, subshape, substart : tuple of int
        The global shape, the shape of this rank's block, and where the block starts.
    axis : int
        The alignment.
    subcomm : Subcomm
        The communicators.

    Raises
    ------
    TypeError, ValueError
        Where the shape and the communicators do not fit, or `axis` is divided.

    Examples
    --------
    >>> from mpi4py import MPI
    >>> pencil = Pencil(Subcomm(MPI.COMM_SELF, [0, 1]), (8, 8), axis=1)
    >>> pencil.subshape, pencil.pencil(0).axis
    ((8, 8), 0)
    """

    def __init__(
        self, subcomm: Sequence[Any], shape: Sequence[int], axis: int = -1, kept: Sequence[Kept | None] | None = None
    ) -> None:
        self.shape = lengths(shape)
        if len(subcomm) != len(self.shape):
            raise ValueError(f"shape {self.shape} has {len(self.shape)} axes, subcomm has {len(subcomm)}")
        self.subcomm = subcomm
        self.axis = whole_axis(axis, len(self.shape))
        self.sizes = tuple(comm.Get_size() for comm in subcomm)
        self.ranks = tuple(comm.Get_rank() for comm in subcomm)
        self.kept = tuple(kept or [None] * len(self.shape))
        self._aligned: dict[int, Pencil] = {}
        if self.sizes[self.axis] != 1:
            raise ValueError(
                f"axis {axis} is divided among {self.sizes[self.axis]} ranks: a pencil is aligned along an axis whose "
                f"communicator has one rank; the sizes are {list(self.sizes)}"
            )
        runs = [self.run(k, rank) for k, rank in enumerate(self.ranks)]
        self.substart = tuple(start for start, _ in runs)
        self.subshape = tuple(size for _, size in runs)

    def run(self, axis: int, rank: int) -> tuple[int, int]:
        """Start and size along an axis of the block of a rank of its communicator."""
        kept = self.kept[axis]
        if kept is not None:
            return kept.block(self.sizes[axis], rank)
        return block(self.shape[axis], self.sizes[axis], rank)

    def pencil(self, axis: int) -> Pencil:
        """The pencil aligned along `axis`, which swaps its communicator with the present alignment's."""
        if axis not in self._aligned:
            self._aligned[axis] = self.swapped(axis, self.axis)
        return self._aligned[axis]

    def swapped(self, axis: int, other: int) -> Pencil:
        """The pencil aligned along `axis`, which swaps its communicator with that of another axis, undivided as yet."""
        axis = whole_axis(axis, len(self.shape))
        if isinstance(self.subcomm, Subcomm):
            return Pencil(self.subcomm.swapped(axis, other), self.shape, axis, self.kept)
        swapped = list(self.subcomm)
        swapped[axis], swapped[other] = swapped[other], swapped[axis]
        return Pencil(swapped, self.shape, axis, self.kept)

    def with_axis(self, axis: int, length: int, kept: Kept | None = None) -> Pencil:
        """The pencil of arrays with another length along `axis`, which is undivided and becomes the alignment."""
        shape = list(self.shape)
        shape[axis] = length
        keeps = list(self.kept)
        keeps[axis] = kept
        return Pencil(self.subcomm, shape, axis, keeps)

    def full(self) -> Pencil:
        """The pencil of arrays that have all indices of every axis."""
        shape = [n if kept is None else kept.length for n, kept in zip(self.shape, self.kept, strict=True)]
        return Pencil(self.subcomm, shape, self.axis)

    def with_components(self, extents: Sequence[int]) -> Pencil:
        """The pencil of arrays with undivided leading axes of these extents before those of this one."""
        shape = (*extents, *self.shape)
        kept = (None,) * len(extents) + self.kept
        if isinstance(self.subcomm, Subcomm):
            return Pencil(self.subcomm.with_components(len(extents)), shape, self.axis + len(extents), kept)
        return Pencil([*[MPI.COMM_SELF] * len(extents), *self.subcomm], shape, self.axis + len(extents), kept)

    def without_components(self, rank: int) -> Pencil:
        """The pencil of arrays without the first `rank` of the leading undivided axes of this one."""
        subcomm = self.subcomm
        subcomm = subcomm.without_components(rank) if isinstance(subcomm, Subcomm) else subcomm[rank:]
        return Pencil(subcomm, self.shape[rank:], self.axis - rank, self.kept[rank:])

    def transfer(self, other: Pencil, dtype: Any, method: str = "auto") -> Transfer:
        """The `Transfer` from this pencil to another. Collective as making that is."""
        from .transfer import Transfer  # describes nothing: it moves, and lies a floor above

        return Transfer(self, other, dtype, method)

    def local_slice(self) -> tuple[slice, ...]:
        """This rank's block as slices of the global array."""
        return tuple(slice(start, start + size) for start, size in zip(self.substart, self.subshape, strict=True))

    def same_block(self, other: Pencil) -> bool:
        """Whether both give each rank the same block of arrays of the same shape."""
        mine, theirs = ((p.shape, p.kept, p.sizes, p.ranks) for p in (self, other))
        return mine == theirs

    def __repr__(self) -> str:
        """The description without this rank's part in it."""
        return f"Pencil(shape={self.shape}, axis={self.axis}, sizes={list(self.sizes)})"


def whole_axis(axis: Any, ndim: int) -> int:
    """`axis` counted from the front.

    Raises
    ------
    TypeError, ValueError
        Where it is no whole number or the array has no such axis.
    """
    if not hasattr(axis, "__index__"):
        raise TypeError(f"axis must be an int, not {axis!r}")
    if not -ndim <= axis < ndim:
        raise ValueError(f"axis {axis} does not exist: the array has {ndim} axes")
    return axis.__index__() % ndim


def lengths(shape: Any) -> tuple[int, ...]:
    """A global shape as a tuple of whole numbers.

    Raises
    ------
    TypeError, ValueError
        Where it is none.
    """
    try:
        whole = tuple(n.__index__() for n in shape)
    except (AttributeError, TypeError):
        raise TypeError(f"shape must be a sequence of ints, not {shape!r}") from None
    if not whole or min(whole) < 1:
        raise ValueError(f"shape {whole} must have at least one axis and no axis shorter than 1")
    return whole


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
    gaps : tuple of tuple of slice
        What of the other one they leave out.
    """

    shape: tuple[int, ...]
    blocks: tuple[tuple[Box, tuple[int, ...]], ...]
    gaps: tuple[tuple[slice, ...], ...]


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
        gaps += [(slice(None),) * k + (slice(a, b),) for a, b in zip(ends, starts, strict=True) if a < b]
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
    comm = _peers(a, b)
    mine_a, mine_b = _runs(a, comm, comm.Get_rank()), _runs(b, comm, comm.Get_rank())
    peers = range(comm.Get_size())
    sends = tuple(_box(mine_a, _runs(b, comm, q)) for q in peers)
    receives = tuple(_box(mine_b, _runs(a, comm, q)) for q in peers)
    return Boxes(comm, sends, receives)


def _peers(a: Pencil, b: Pencil) -> MPI.Intracomm:
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
    grid = a.subcomm.grid if isinstance(a.subcomm, Subcomm) else None
    if grid is None or not isinstance(b.subcomm, Subcomm) or b.subcomm.grid is not grid:
        raise ValueError(
            f"{a} and {b} are not two alignments of the same grid: make one from the other by .pencil(axis)"
        )
    return grid.cart


def _divisions(pencil: Pencil) -> list[Any]:
    """For each axis the communicator that divides it, None where it is undivided."""
    return [comm if size > 1 else None for comm, size in zip(pencil.subcomm, pencil.sizes, strict=True)]


def _runs(pencil: Pencil, comm: Any, peer: int) -> list[tuple[int, int]]:
    """Start and size along each axis of the block of a peer in `comm`: the grid, or the line that divides one axis."""
    ranks = list(pencil.ranks)
    if isinstance(pencil.subcomm, Subcomm) and comm is pencil.subcomm.grid.cart:
        coords = comm.Get_coords(peer)
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
