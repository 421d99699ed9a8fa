"""Cartesian sub-communicators: one for each axis of a global array."""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterable, Sequence
from typing import Any

from mpi4py import MPI

from ..ranks.agreement import agreed
from ..ranks.communicators import KEYVAL, NODE, cache_of, communicator, free_cached, on_node
from .arrays import whole_number

# Of an array of numpy's.
_MOST_AXES = 64


class Grid:
    """A Cartesian communicator of `dims` processes and its one-dimensional sub-communicators.

    Attributes
    ----------
    parent : MPI.Intracomm
        The communicator that was arranged.
    dims : tuple of int
        Processes along each dimension.
    cart : MPI.Cartcomm
        The communicator of all.
    lines : tuple of MPI.Cartcomm
        For each dimension the ranks that differ from this one in it alone.
    """

    def __init__(self, comm: MPI.Intracomm, dims: tuple[int, ...]) -> None:
        self.parent = comm
        self.dims = dims
        self.cart = comm.Create_cart(dims, reorder=False)
        self.lines = tuple(self.cart.Sub([k == axis for k in range(len(dims))]) for axis in range(len(dims)))
        _, here = on_node(self.cart)
        for each in (self.cart, *self.lines):
            cache_of(each)[NODE] = here
        for dimension, line in enumerate(self.lines):
            cache_of(line)[Grid] = weakref.ref(self), dimension

    def free(self) -> None:
        """Free the communicators and what was made for them. Collective."""
        for comm in filter(None, (*self.lines, self.cart)):  # a caller may have freed one
            # not left to MPI: it may delay this until operations are over that are only completed here
            free_cached(comm, KEYVAL, cache_of(comm))
            comm.Free()


def grid_of(comm: MPI.Intracomm, dims: tuple[int, ...]) -> Grid:
    """The grid of these dimensions that is kept with its parent. Collective over `comm`.

    It is made anew where a caller has freed one of its communicators.
    """
    cache = cache_of(comm)
    kept: Grid | None = cache.get(dims)
    if kept is not None and all((kept.cart, *kept.lines)):
        return kept
    if kept is not None:
        cache[kept] = kept  # what is left of it goes with the parent
    cache[dims] = made = Grid(comm, dims)
    return made


class Subcomm(tuple):
    """One sub-communicator for each axis of a global array, from a Cartesian grid of the ranks.

    Collective over `comm`. The communicators are made once for each parent and grid and are used again; they are freed
    with the parent.

    Parameters
    ----------
    comm : MPI.Intracomm
        The ranks to arrange. It is neither changed nor freed.
    dims : int or sequence of int, optional
        Processes along each axis: 1 leaves the axis undivided, 0 leaves the number open (the open ones are chosen as
        equal as the number of ranks allows, the larger first). An int is that many open axes. Without it `comm` must
        have a Cartesian topology, whose dimensions are taken.

    Attributes
    ----------
    grid : Grid
        The Cartesian communicator and its lines.
    order : tuple of (int or None)
        For each axis the dimension of the grid that divides it; None where nothing does (component axes).

    Raises
    ------
    TypeError, ValueError
        On every rank: where `dims` are no whole numbers, are negative, do not multiply to the number of ranks, or
        differ between the ranks.

    Examples
    --------
    >>> from mpi4py import MPI
    >>> subcomm = Subcomm(MPI.COMM_SELF, [0, 0, 1])
    >>> [comm.Get_size() for comm in subcomm]
    [1, 1, 1]
    """

    grid: Grid
    order: tuple[int | None, ...]

    def __new__(cls, comm: MPI.Intracomm, dims: int | Sequence[int] | None = None) -> Subcomm:
        """Arrange the ranks of `comm`."""
        comm = communicator(comm)
        chosen = agreed(comm, lambda: complete(comm.Get_size(), _asked(comm, dims)), lambda found: {"dims": found})
        return cls._of(grid_of(comm, chosen), tuple(range(len(chosen))))

    @classmethod
    def _of(cls, grid: Grid, order: Iterable[int | None]) -> Subcomm:
        """The sub-communicators of a grid, in some order of its dimensions; None stands for an undivided axis."""
        order = tuple(order)
        self = super().__new__(cls, [MPI.COMM_SELF if d is None else grid.lines[d] for d in order])
        self.grid = grid
        self.order = order
        return self

    @classmethod
    def of_lines(cls, comms: Sequence[Any]) -> Subcomm | None:
        """The Subcomm that these communicators are taken from; None where they are of no grid, or not all of one.

        Communicators of one rank may be any. Local.
        """
        found = [cache_of(comm).get(Grid) if isinstance(comm, MPI.Comm) else None for comm in comms]
        grids = {line[0]() for line in found if line is not None}
        known = all(line is not None or comm.Get_size() == 1 for line, comm in zip(found, comms, strict=True))
        grid = grids.pop() if len(grids) == 1 else None
        divided = [k for k, n in enumerate(grid.dims) if n > 1] if grid is not None else []
        used = sorted(line[1] for line in found if line is not None and line[1] in divided)
        if grid is None or not known or used != divided:
            return None
        return cls._of(grid, [None if line is None else line[1] for line in found])

    def swapped(self, i: int, j: int) -> Subcomm:
        """The same communicators with those of the axes `i` and `j` exchanged."""
        order = list(self.order)
        order[i], order[j] = order[j], order[i]
        return self._of(self.grid, order)

    def with_components(self, rank: int) -> Subcomm:
        """The same communicators behind `rank` undivided leading axes."""
        return self._of(self.grid, (None,) * rank + self.order)

    def without_components(self, rank: int) -> Subcomm:
        """The same communicators without those of `rank` leading axes."""
        return self._of(self.grid, self.order[rank:])

    def __repr__(self) -> str:
        """The processes along each axis."""
        return f"Subcomm({[comm.Get_size() for comm in self]})"


def _asked(comm: MPI.Intracomm, dims: Any) -> list[int]:
    """The dimensions a user asked for."""
    if dims is not None:
        return dimensions(dims, "dims")
    if not isinstance(comm, MPI.Cartcomm):
        raise ValueError("dims is missing: give the processes along each axis (0 leaves the number open)")
    return list(comm.dims)


def dimensions(dims: Any, name: str) -> list[int]:
    """The processes along each axis as a list of whole numbers; a whole number is that many open axes.

    Raises
    ------
    TypeError
        Where they are something else.
    """
    try:
        if whole_number(dims):
            if not dims.__index__() <= _MOST_AXES:
                raise ValueError(f"{name} {dims!r} are more axes than the {_MOST_AXES} that an array may have")
            return [0] * dims.__index__()
        return [d.__index__() for d in dims]
    except (AttributeError, TypeError):
        raise TypeError(f"{name} must be an int or a sequence of ints, not {dims!r}") from None


def complete(size: int, dims: Sequence[int], name: str = "dims") -> tuple[int, ...]:
    """The processes along each axis, with the open ones (0) chosen so that all multiply to `size`.

    Raises
    ------
    ValueError
        Where that cannot be.
    """
    if not dims:
        raise ValueError(f"{name} is empty: give the processes along one axis at least")
    if min(dims) < 0:
        raise ValueError(f"{name} {list(dims)} has a negative entry: use 0 to leave a number open")
    fixed = math.prod(d for d in dims if d)
    if size % fixed or (0 not in dims and fixed != size):
        raise ValueError(f"{name} {list(dims)} cannot multiply to the number of ranks, {size}")
    return tuple(MPI.Compute_dims(size, list(dims)))
