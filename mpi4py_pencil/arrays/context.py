"""The ranks that hold arrays together, how they divide them unless told otherwise, and what is kept for them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from mpi4py import MPI

from ..layout.arrays import keep, said
from ..layout.subcomm import Grid, Subcomm, complete, dimensions
from ..ranks.agreement import agreed
from ..ranks.communicators import cache_of, check_alive, communicator
from .axes import Indices
from .distribution import Distribution
from .moves import Points, Product

T = TypeVar("T")

# Plans of redistributions kept for each communicator; beyond that the oldest is dropped, on every rank alike.
_PLANS = 64


@functools.cache
def namespace(name: str, *default: Any) -> Any:
    """What stands under a name in `mpi4py_pencil.arrays`, which is made of all that stands on this file.

    Raises
    ------
    AttributeError
        Where nothing does, and no default is given.
    """
    from .. import arrays

    return getattr(arrays, name, *default)


class Context:
    """A communicator and a grid of its ranks, over which arrays are divided; also a namespace of all functions.

    Collective over `comm`. The functions that make arrays (`ctx.zeros`) make them here; the others work on arrays of
    any context. `mpi4py_pencil.arrays` itself is the namespace of `MPI.COMM_WORLD`.

    Parameters
    ----------
    comm : MPI.Intracomm, optional
        The ranks; MPI.COMM_WORLD by default. It is neither changed nor freed.
    dims : int or sequence of int, optional
        The grid: where nothing else is asked for, as many of an array's longest axes are divided into even blocks, in
        their order. 0 leaves a number open. By default one dimension: the longest axis is divided among all ranks.

    Raises
    ------
    TypeError, ValueError
        On every rank, where these do not fit together.

    Examples
    --------
    >>> from mpi4py import MPI
    >>> from mpi4py_pencil import arrays
    >>> ctx = arrays.Context(MPI.COMM_SELF)
    >>> ctx.zeros((2, 3)).sum().item()
    0.0
    """

    def __init__(self, comm: MPI.Intracomm | None = None, dims: int | Sequence[int] | None = None) -> None:
        self.comm = communicator(MPI.COMM_WORLD if comm is None else comm)
        self.rank, self.size = self.comm.Get_rank(), self.comm.Get_size()
        asked = [0] if dims is None else dims
        self.dims = agreed(
            self.comm, lambda: complete(self.size, dimensions(asked, "dims")), lambda found: {"dims": found}
        )
        self._grids: dict[tuple[int, ...], Grid] = {}
        self._usual = functools.lru_cache(maxsize=256)(self._divided)

    def __getattr__(self, name: str) -> Any:
        """A function of the namespace; those that make arrays make them here."""
        found = namespace(name)
        if name.startswith("__"):
            raise AttributeError(f"a Context has no {name!r}")
        from . import CREATION

        return functools.partial(found, context=self) if name in CREATION else found

    def __repr__(self) -> str:
        """The ranks and the grid."""
        return f"Context({self.comm.Get_name() or 'comm'}, ranks={self.size}, dims={self.dims})"

    def same_ranks(self, other: Context) -> bool:
        """Whether arrays of the other context can be used with those of this one. Local."""
        return self is other or self.comm == other.comm

    def distribution(
        self,
        shape: int | Sequence[int],
        axes: Sequence[Any] | None = None,
        dims: Sequence[int] | None = None,
        ranks: Sequence[int] | None = None,
    ) -> Distribution:
        """How an array of a shape is divided: as is usual here, or as `Distribution.of` says. Local.

        Raises
        ------
        TypeError, ValueError
            Where the arguments do not fit together.
        """
        shape = (shape,) if isinstance(shape, (int, np.integer)) else shape
        shape = tuple(n.__index__() for n in shape)
        if shape and min(shape) < 0:
            raise ValueError(f"shape {shape} has a negative length")
        if axes is None:
            return self._usual(shape)
        if not isinstance(axes, Sequence) or isinstance(axes, str):
            raise TypeError(
                f"the distribution must be a Distribution or tell for each axis how it is divided, such as "
                f"['block', None]: not {said(axes)}"
            )
        if ranks is not None and not all(0 <= r < self.size for r in ranks):
            raise ValueError(f"ranks {list(ranks)} are not all ranks of a communicator of {self.size}")
        return Distribution.of(shape, axes, dims, self.size, ranks)

    def _divided(self, shape: tuple[int, ...]) -> Distribution:
        """The usual distribution: even blocks of the longest axes."""
        longest = sorted(range(len(shape)), key=lambda k: -shape[k])[: len(self.dims)]
        axes = ["block" if k in longest else None for k in range(len(shape))]
        return Distribution.of(shape, axes, self.dims, self.size)

    def lines(self, dims: tuple[int, ...]) -> Grid:
        """The communicators of a grid of all ranks. Collective at the first time."""
        if dims not in self._grids:
            self._grids[dims] = Subcomm(self.comm, dims).grid
        return self._grids[dims]

    def subcomm(self, dims: tuple[int, ...], order: Sequence[int | None]) -> Subcomm:
        """A communicator for each axis, by the dimensions of a grid of all ranks. Collective at the first time."""
        return Subcomm._of(self.lines(dims), order)

    def points(self, source: Distribution, index: Sequence[Indices], shape: tuple[int, ...]) -> Points:
        """How this rank comes by the points of an array whose indices, broadcast to `shape`, are given. Collective."""
        check_alive(self.comm)
        owners, positions = source.locate(index, self.rank)
        return Points(self.comm, np.broadcast_to(owners, shape), np.broadcast_to(positions, shape))

    def product(self, source: Distribution, index: Sequence[Indices] | None, shape: tuple[int, ...]) -> Product:
        """How this rank comes by a block of an array, whose indices along each axis are given. Collective."""
        check_alive(self.comm)
        return Product(self.comm, source, index, shape)

    def kept(self, key: tuple[Any, ...], make: Callable[[], T], most: int = _PLANS) -> T:
        """What `make` makes, kept under a key that is the same on every rank, with at most so many of its kind.

        The first item of the key is the kind.
        """
        check_alive(self.comm)
        plans: dict[Any, Any] = cache_of(self.comm).setdefault((Context, key[0]), {})
        return plans[key] if key in plans else keep(plans, key, make(), most)

    def __reduce__(self) -> Any:
        """Communicators stay with their process."""
        raise TypeError("a Context cannot be pickled: make one on each rank")


@functools.cache
def world() -> Context:
    """The context of MPI.COMM_WORLD. Collective at the first time."""
    return Context()
