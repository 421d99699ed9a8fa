"""How a global array is split into one block a rank."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mpi4py import MPI

from ..ranks.communicators import check_running
from .partition import Kept, block
from .subcomm import Subcomm

if TYPE_CHECKING:
    from ..transfer import Transfer


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
        Where the shape and the communicators do not fit, `axis` is divided, or MPI has ended.

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
        check_running()
        self.shape = lengths(shape)
        if not isinstance(subcomm, Sequence):
            raise TypeError(f"subcomm must be a Subcomm or a sequence of communicators, not {subcomm!r}")
        if len(subcomm) != len(self.shape):
            raise ValueError(f"shape {self.shape} has {len(self.shape)} axes, subcomm has {len(subcomm)}")
        # a user's list of a grid's communicators knows no grid, but they do
        self.subcomm = subcomm if isinstance(subcomm, Subcomm) else Subcomm.of_lines(subcomm) or subcomm
        self.axis = whole_axis(axis, len(self.shape))
        self.sizes = tuple(comm.Get_size() for comm in subcomm)
        self.ranks = tuple(comm.Get_rank() for comm in subcomm)
        divided = [comm for comm, size in zip(subcomm, self.sizes, strict=True) if size > 1]
        if any(a == b for a, b in itertools.combinations(divided, 2)):
            raise ValueError("subcomm has the same communicator twice: each axis is divided by ranks of its own")
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

    def transfer(self, other: Pencil, dtype: Any, method: str = "auto", wire: str | None = None) -> Transfer:
        """The `Transfer` from this pencil to another. Collective as making that is."""
        from ..transfer import Transfer  # describes nothing: it moves, and lies a floor above

        return Transfer(self, other, dtype, method, wire)

    def local_slice(self) -> tuple[slice, ...]:
        """This rank's block as slices of the global array."""
        return tuple(slice(start, start + size) for start, size in zip(self.substart, self.subshape, strict=True))

    def same_block(self, other: Pencil) -> bool:
        """Whether both give each rank the same block of arrays of the same shape. The same on every rank."""
        return self.whole[:-1] == other.whole[:-1] and _same_ranks(self.subcomm, other.subcomm)

    @functools.cached_property
    def whole(self) -> tuple[Any, ...]:
        """What the pencil is, the same on every rank: shape, kept indices, how axes are divided, and the alignment."""
        return self.shape, self.kept, self.divided, self.axis

    @functools.cached_property
    def divided(self) -> tuple[tuple[int, int], ...]:
        """Among how many ranks each axis is divided, and how many of the grid lie from one of these to the next."""
        order = self.subcomm.order if isinstance(self.subcomm, Subcomm) else (None,) * len(self.shape)
        dims = self.subcomm.grid.dims if isinstance(self.subcomm, Subcomm) else ()
        steps = [0 if d is None else math.prod(dims[d + 1 :]) for d in order]
        return tuple((size, step if size > 1 else 0) for size, step in zip(self.sizes, steps, strict=True))

    def __repr__(self) -> str:
        """The description without this rank's part in it."""
        return f"Pencil(shape={self.shape}, axis={self.axis}, sizes={list(self.sizes)})"


def whole_axis(axis: Any, ndim: int, of: str = "") -> int:
    """`axis` counted from the front; `of` says in a message which argument names it.

    Raises
    ------
    TypeError, ValueError
        Where it is no whole number or the array has no such axis.
    """
    if not hasattr(axis, "__index__"):
        raise TypeError(f"{of}axis must be an int, not {axis!r}")
    if not -ndim <= axis < ndim:
        raise ValueError(f"{of}axis {axis} does not exist: the array has {ndim} axes")
    return axis.__index__() % ndim


def lengths(shape: Any, name: str = "shape") -> tuple[int, ...]:
    """A global shape, the argument `name`, as a tuple of whole numbers.

    Raises
    ------
    TypeError, ValueError
        Where it is none.
    """
    try:
        whole = tuple(n.__index__() for n in shape)
    except (AttributeError, TypeError):
        raise TypeError(f"{name} must be a sequence of ints, not {shape!r}") from None
    if not whole or min(whole) < 1:
        raise ValueError(f"{name} {whole} must have at least one axis and no axis shorter than 1")
    return whole


def _same_ranks(one: Any, other: Any) -> bool:
    """Whether two grids have the same ranks in the same order, as far as these are of communicators. Local."""
    if one is other or not (isinstance(one, Subcomm) and isinstance(other, Subcomm)):
        return True
    mine, theirs = one.grid.parent, other.grid.parent
    if mine is theirs or not (mine and theirs):  # of a communicator that has been freed nothing can be asked
        return True
    return MPI.Comm.Compare(mine, theirs) in (MPI.IDENT, MPI.CONGRUENT)
