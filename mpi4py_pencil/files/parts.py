"""What a rank has of a global array: the seam between arrays and files.

The rest of this room knows an array as a `Part`, a block in memory and where it lies in the whole. Another kind of
distributed array can be saved once `part_of` and `division.division_of` know it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from mpi4py import MPI

from ..arrays import GlobalArray
from ..distarray import DistArray
from ..layout.arrays import said
from ..layout.pencil import Pencil
from ..layout.subcomm import Subcomm

Array = np.ndarray[Any, Any]
Distributed: TypeAlias = DistArray | GlobalArray


@dataclass(frozen=True)
class Part:
    """A rank's block of a global array.

    Attributes
    ----------
    comm : MPI.Intracomm
        The ranks that have the array together.
    shape, start : tuple of int
        Of the whole array, and where the block starts in it.
    block : ndarray
        The block, of any strides.
    """

    comm: MPI.Intracomm
    shape: tuple[int, ...]
    start: tuple[int, ...]
    block: Array

    def of_dtype(self, dtype: np.dtype[Any]) -> Part:
        """The same part in another dtype; itself where that is its own."""
        return Part(self.comm, self.shape, self.start, self.block.astype(dtype, copy=False))

    def apart_from(self, u: Distributed) -> Part:
        """The same part in memory that is not that of an array, which may be changed then."""
        shared = np.may_share_memory(self.block, local(u))
        return Part(self.comm, self.shape, self.start, self.block.copy()) if shared else self

    @property
    def T(self) -> Part:
        """The part of the transposed array, whose C order is the Fortran order of this one. Nothing is copied."""
        return Part(self.comm, self.shape[::-1], self.start[::-1], self.block.T)


def part_of(u: Distributed) -> Part:
    """This rank's part of a distributed array, if it is one block of indices that follow each other. Local."""
    if isinstance(u, DistArray):
        return Part(ranks_of(u.pencil), u.global_shape, u.substart, local(u))
    distribution, rank = u.distribution, u.context.rank
    parts = distribution.parts(rank)
    axes: Any = distribution.axes
    start = [0] * u.ndim if parts is None else [axis.starts[k] for axis, k in zip(axes, parts, strict=True)]
    return Part(u.context.comm, u.shape, tuple(start), u.local)


def local(u: Distributed) -> Array:
    """This rank's block of a distributed array, as a plain array. Local."""
    return u.view(np.ndarray) if isinstance(u, DistArray) else u.local


def shape_of(u: Distributed) -> tuple[int, ...]:
    """The shape of the whole array. Local."""
    return u.global_shape if isinstance(u, DistArray) else u.shape


def distributed(name: str, u: Any) -> Any:
    """`u`, if it is a distributed array.

    Raises
    ------
    TypeError
        Where it is something else; it names the argument.
    """
    if isinstance(u, GlobalArray) or (isinstance(u, DistArray) and u._block is not None):
        return u
    what = f"an array of shape {np.shape(u)} that is nobody's block" if isinstance(u, np.ndarray) else said(u)
    raise TypeError(f"{name} must be a DistArray, which knows its part of the whole, or a GlobalArray, not {what}")


def ranks_of(pencil: Pencil) -> MPI.Intracomm:
    """All ranks that have an array of this pencil together. Local.

    Raises
    ------
    ValueError
        Where the pencil does not tell: it divides axes by communicators of no common grid.
    """
    if isinstance(pencil.subcomm, Subcomm):
        return pencil.subcomm.grid.cart
    dividing = [comm for comm, size in zip(pencil.subcomm, pencil.sizes, strict=True) if size > 1]
    if len(dividing) > 1:
        raise ValueError(f"{pencil} divides axes by communicators of no common grid: make it of a Subcomm")
    return dividing[0] if dividing else MPI.COMM_SELF
