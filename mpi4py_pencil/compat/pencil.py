"""``mpi4py_fft.pencil``: grids of ranks, pencils, and redistributions between two of them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from mpi4py import MPI

from ..layout import pencil as layout
from ..layout import subcomm as grids
from ..layout.partition import block
from ..ranks.agreement import agreed
from ..ranks.communicators import cache_of, communicator
from ..transfer import Transfer as Moving

Array = np.ndarray[Any, Any]


class Subcomm(tuple[Any, ...]):
    """One communicator for each axis of a grid of ranks, as ``mpi4py_fft.pencil.Subcomm``.

    Collective over `comm`. There, each has communicators of its own. Here those with the same `comm` and dimensions
    share theirs, which stay for the next one and go with `comm`, so that none need be destroyed. Of a Cartesian `comm`
    each has its own here too: programs make one for each `Subcomm`, and free neither.

    Parameters
    ----------
    comm : MPI.Intracomm
        The ranks; of a Cartesian communicator the dimensions are taken.
    dims : int or sequence of int, optional
        Ranks along each axis, open where not positive; or how many axes there are, all of them open; one by default.
    reorder : bool, optional
        Ignored: ranks keep their order.
    """

    _own: grids.Grid | None = None

    def __new__(cls, comm: MPI.Intracomm, dims: Any = None, reorder: bool = True) -> Subcomm:
        """Arrange the ranks of `comm`."""
        comm = communicator(comm)
        chosen = agreed(comm, lambda: _dimensions(comm, dims), lambda found: {"dims": found})
        cache = cache_of(comm)
        if isinstance(comm, MPI.Cartcomm):
            own = grids.Grid(comm, chosen)
            self = super().__new__(cls, own.lines)
            self._own = cache[own] = own
            return self
        return super().__new__(cls, grids.grid_of(comm, chosen).lines)

    def destroy(self) -> None:
        """Free what this has of its own. Collective."""
        if self._own is not None:
            cache_of(self._own.parent).pop(self._own).free()
            self._own = None


def _dimensions(comm: MPI.Intracomm, dims: Any) -> tuple[int, ...]:
    """The ranks along each axis that the arguments of a `Subcomm` mean."""
    if isinstance(comm, MPI.Cartcomm):
        if dims is not None:
            raise ValueError(f"dims is {dims!r}, but comm is Cartesian and has dimensions: give one of them")
        return tuple(comm.dims)
    wanted = [0] if dims is None else grids.dimensions(dims, "dims")
    return grids.complete(comm.Get_size(), [max(0, d) for d in wanted])


class Pencil:
    """How an array is divided, aligned along an axis, as ``mpi4py_fft.pencil.Pencil``. Local.

    Parameters
    ----------
    subcomm : sequence of MPI.Intracomm
        For each axis the ranks that divide it. Where there are fewer than axes, those of the last ones are not divided.
    shape : sequence of int
        The global shape.
    axis : int, optional
        The alignment; the last axis by default.

    Raises
    ------
    ValueError
        Where these do not fit together.
    """

    def __init__(self, subcomm: Sequence[Any], shape: Sequence[int], axis: int = -1) -> None:
        self.shape = layout.lengths(shape)
        ndim = len(self.shape)
        self.axis = layout.whole_axis(axis, ndim)
        self.subcomm = _one_for_each(tuple(subcomm), ndim, self.axis)
        if self.subcomm[self.axis].Get_size() != 1:
            raise ValueError(f"axis {axis} is divided among {self.subcomm[self.axis].Get_size()} ranks")
        runs = [block(n, c.Get_size(), c.Get_rank()) for n, c in zip(self.shape, self.subcomm, strict=True)]
        self.substart = tuple(start for start, _ in runs)
        self.subshape = tuple(size for _, size in runs)

    def pencil(self, axis: int) -> Pencil:
        """The pencil aligned along `axis`, which swaps its communicator with the present alignment's."""
        axis = layout.whole_axis(axis, len(self.shape))
        subcomm = list(self.subcomm)
        subcomm[axis], subcomm[self.axis] = subcomm[self.axis], subcomm[axis]
        return Pencil(subcomm, self.shape, axis)

    def transfer(self, pencil: Pencil, dtype: Any) -> Transfer:
        """The `Transfer` to another pencil, which has one communicator at another axis."""
        others = [k for k in range(len(self.shape)) if k not in (self.axis, pencil.axis)]
        swapped = self.subcomm[pencil.axis] == pencil.subcomm[self.axis]
        same = all(self.subcomm[k] == pencil.subcomm[k] for k in others)
        if self.shape != pencil.shape or self.axis == pencil.axis or not (swapped and same):
            raise ValueError(
                f"no transfer from a pencil of {self.shape} aligned along axis {self.axis} to one of {pencil.shape} "
                f"along axis {pencil.axis}: make one from the other by .pencil(axis)"
            )
        shape = list(self.subshape)
        shape[pencil.axis] = self.shape[pencil.axis]
        comm = self.subcomm[pencil.axis]
        return Transfer(comm, shape, dtype, self.subshape, self.axis, pencil.subshape, pencil.axis)

    def described(self) -> layout.Pencil:
        """The same as our own pencil."""
        return layout.Pencil(self.subcomm, self.shape, self.axis)


def _one_for_each(subcomm: tuple[Any, ...], ndim: int, axis: int) -> tuple[Any, ...]:
    """One communicator for each axis."""
    if not 1 <= len(subcomm) <= ndim:
        raise ValueError(f"subcomm has {len(subcomm)} communicators, shape {ndim} axes")
    if len(subcomm) == ndim:
        return subcomm
    padded = [*subcomm, *[MPI.COMM_SELF] * (ndim - 1 - len(subcomm))]
    padded.insert(axis, MPI.COMM_SELF)
    return tuple(padded)


class Transfer:
    """A redistribution within the ranks of `comm`, as ``mpi4py_fft.pencil.Transfer``, by our own exchanges.

    To make one is local; its memory and messages are prepared by the first move. Moves are collective over `comm`.
    Arrays may have any strides.

    Parameters
    ----------
    comm : MPI.Intracomm
        The ranks among which the array is divided.
    shape : sequence of int
        The shape of what these ranks have together.
    dtype : dtype-like
        Of the array.
    subshapeA, subshapeB : sequence of int
        This rank's block before and after.
    axisA, axisB : int
        The alignment before, which is divided after; and the alignment after, which is divided before.
    """

    def __init__(
        self,
        comm: MPI.Intracomm,
        shape: Sequence[int],
        dtype: Any,
        subshapeA: Sequence[int],  # noqa: N803 - their names
        axisA: int,  # noqa: N803
        subshapeB: Sequence[int],  # noqa: N803
        axisB: int,  # noqa: N803
    ) -> None:
        self.comm = comm
        self.shape = layout.lengths(shape) if min(shape) else tuple(shape)
        self.dtype = np.dtype(dtype)
        self.subshapeA, self.axisA = tuple(subshapeA), axisA
        self.subshapeB, self.axisB = tuple(subshapeB), axisB

    @functools.cached_property
    def _moving(self) -> Moving | None:
        """Our own transfer; None where these ranks have nothing. Collective over `comm` at the first use."""
        if 0 in self.shape:
            return None
        before, after = [MPI.COMM_SELF] * len(self.shape), [MPI.COMM_SELF] * len(self.shape)
        before[self.axisB] = after[self.axisA] = self.comm
        a, b = layout.Pencil(before, self.shape, self.axisA), layout.Pencil(after, self.shape, self.axisB)
        return Moving(a, b, self.dtype)

    def forward(self, arrayA: Array, arrayB: Array) -> None:  # noqa: N803
        """Redistribute `arrayA` into `arrayB`. Collective over `comm`."""
        if self._moving is not None:
            self._moving.forward(np.asarray(arrayA), np.asarray(arrayB))

    def backward(self, arrayB: Array, arrayA: Array) -> None:  # noqa: N803
        """Redistribute `arrayB` into `arrayA`. Collective over `comm`."""
        if self._moving is not None:
            self._moving.backward(np.asarray(arrayB), np.asarray(arrayA))

    def destroy(self) -> None:
        """Give back what moves need; the next one would prepare it again."""
        self.__dict__.pop("_moving", None)
