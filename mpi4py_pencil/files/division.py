"""How arrays are divided among ranks, and how they are to be while they are written or read: in long runs of the file.

An array is divided by a pencil, or, seen as a whole, by a distribution; both can be brought to whole lines and back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from mpi4py import MPI

from ..arrays import Block, Context, Distribution, GlobalArray
from ..arrays.context import world
from ..distarray import DistArray
from ..layout.arrays import said
from ..layout.pencil import Pencil
from ..layout.subcomm import Subcomm
from ..ranks.agreement import agreed, nothing
from ..ranks.communicators import cache_of
from ..spec import LineSpec, Spec
from .parts import distributed, ranks_of

# Runs of the file that are shorter are not worth a call of the system each: whole lines are made first.
_SHORT_BYTES = 64 * 1024


@dataclass(frozen=True)
class ByPencil:
    """The division of DistArrays: a pencil, of which some leading axes are components."""

    pencil: Pencil
    rank: int

    @property
    def comm(self) -> MPI.Intracomm:
        """The ranks. Local."""
        return ranks_of(self.pencil)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole array."""
        return self.pencil.shape

    @property
    def said(self) -> str:
        """What it is, the same on every rank."""
        return f"DistArray {self.pencil.whole} {self.rank}"

    def lines(self, itemsize: int, order: str = "C", least: int = _SHORT_BYTES) -> ByPencil:
        """The division in which such arrays are written and read: itself, or one with whole lines of the file.

        The same on every rank. Runs of `least` bytes are long enough.
        """
        fast = len(self.shape) - 1 if order == "C" else self.rank
        parts = self.pencil.sizes[fast]
        short = parts > 1 and self.shape[fast] // parts * itemsize < least
        return ByPencil(self.pencil.pencil(fast), self.rank) if short else self

    def empty(self, dtype: Any) -> DistArray:
        """An uninitialised array. Collective: all ranks raise where one has no memory for it."""
        return agreed(self.comm, lambda: DistArray.of(self.pencil, dtype, self.rank), nothing)

    def moved(self, u: Any, out: DistArray | None = None) -> DistArray:
        """A DistArray in this division, in `out` if that is given; itself where it is its own. Collective."""
        if out is None and u.pencil.same_block(self.pencil):
            found: DistArray = u
            return found
        out = self.empty(u.dtype) if out is None else out
        if out is not u:
            u.redistribute(out=out)
        return out


@dataclass(frozen=True)
class ByDistribution:
    """The division of GlobalArrays: a distribution over the ranks of a context."""

    context: Context
    distribution: Distribution
    rank: int = 0

    @property
    def comm(self) -> MPI.Intracomm:
        """The ranks. Local."""
        return self.context.comm

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole array."""
        return self.distribution.shape

    @property
    def said(self) -> str:
        """What it is, the same on every rank."""
        return f"GlobalArray {self.distribution}"

    def lines(self, itemsize: int, order: str = "C", least: int = _SHORT_BYTES) -> ByDistribution:
        """As `ByPencil.lines`; of an array without axes that of an array of one point."""
        shape = self.shape or (1,)
        fast = len(shape) - 1 if order == "C" else 0
        if self._of_runs(fast, least / itemsize if itemsize else 0):
            return self
        axes = [None if k == fast and len(shape) > 1 else "block" for k in range(len(shape))]
        return ByDistribution(self.context, self.context.distribution(shape, axes))

    def _of_runs(self, fast: int, least: float) -> bool:
        """Whether each rank has one block, each point is on one rank, and so many points follow each other."""
        distribution = self.distribution
        replicas = math.prod(distribution.dims[d] for d in distribution.unused)
        if replicas > 1 or not self.shape or not all(isinstance(axis, Block) for axis in distribution.axes):
            return False
        axis = distribution.axes[fast]
        return axis.parts == 1 or len(self.shape) == 1 or axis.n // axis.parts >= least

    def empty(self, dtype: Any) -> GlobalArray:
        """An uninitialised array. Collective: all ranks raise where one has no memory for it."""
        shape = self.distribution.local_shape(self.context.rank)
        return GlobalArray(self.context, self.distribution, agreed(self.comm, lambda: np.empty(shape, dtype), nothing))

    def moved(self, u: Any, out: GlobalArray | None = None) -> GlobalArray:
        """A GlobalArray in this division, in `out` if that is given; itself where it is its own. Collective."""
        found: GlobalArray = u.within(self.distribution)
        if out is None or out is found:
            return found
        out.local[...] = found.local
        return out


Division: TypeAlias = ByPencil | ByDistribution


def division_of(u: Any) -> Division:
    """How an array is divided. Local."""
    if isinstance(u, GlobalArray):
        return ByDistribution(u.context, u.distribution)
    return ByPencil(u.pencil, u.rank)


def in_lines(u: Any, order: str = "C", itemsize: int | None = None, least: int = _SHORT_BYTES) -> Any:
    """An array in the division in which it is written: itself, or one in new memory. Collective over its ranks."""
    return division_of(u).lines(itemsize or u.dtype.itemsize, order, least).moved(u)


def context_of(comm: MPI.Intracomm) -> Context:
    """The context of some ranks, kept with their communicator. Collective at the first time."""
    if comm == MPI.COMM_WORLD:
        return world()
    cache = cache_of(comm)
    if "context" not in cache:
        cache["context"] = Context(comm)
    found: Context = cache["context"]
    return found


def division_like(like: Any, shape: tuple[int, ...], comm: MPI.Intracomm) -> Division:
    """The division that `like` means for an array of this global shape.

    `like` is a DistArray, a GlobalArray, a Pencil, or a `Spec` or `LineSpec`, before whose axes the array may have
    more, its components. Local, once `comm`, the ranks of `like`, has a context.

    Raises
    ------
    TypeError, ValueError
        Where it is something else, or has another number of axes.
    """
    division: Division
    if isinstance(like, (DistArray, GlobalArray)):
        division = division_of(distributed("like", like))
    elif isinstance(like, (Pencil, Spec)):
        pencil = like if isinstance(like, Pencil) else like.pencil
        rank = max(0, len(shape) - len(pencil.shape))
        division = ByPencil(pencil.with_components(shape[:rank]) if rank else pencil, rank)
    elif isinstance(like, LineSpec):
        rank = max(0, len(shape) - 1)
        whole = shape[:rank] + like.global_shape
        context = context_of(comm)
        division = ByDistribution(context, context.distribution(whole, [None] * rank + ["block"]), rank)
    else:
        raise TypeError(f"like must be a DistArray, a GlobalArray, a Pencil or a Spec such as fft.output, {_not(like)}")
    if len(division.shape) != len(shape):
        raise ValueError(f"like has {len(division.shape)} axes, the array in the file has the shape {shape}")
    return division


def ranks_like(like: Any) -> MPI.Intracomm:
    """The ranks that `like` is of. Local.

    Raises
    ------
    TypeError
        Where it is nothing that is divided.
    """
    if isinstance(like, GlobalArray):
        return like.context.comm
    if isinstance(like, LineSpec):
        return like.comm
    pencil = like if isinstance(like, Pencil) else getattr(like, "pencil", None)
    if not isinstance(pencil, Pencil):
        raise TypeError(f"like must be a DistArray, a GlobalArray, a Pencil or a Spec such as fft.output, {_not(like)}")
    return ranks_of(pencil)


def _not(like: Any) -> str:
    """What `like` is instead."""
    return f"not {said(like)}"


def usual(comm: MPI.Intracomm, shape: tuple[int, ...], rank: int = 0) -> Division:
    """The division of an array of which nothing else is known: by a pencil of whole lines, where there is such.

    An array of one axis or none, or without points, has none: it is a global array, in even blocks. Collective over
    `comm`.
    """
    inner = shape[rank:]
    if len(inner) > 1 and 0 not in shape:
        pencil = Pencil(Subcomm(comm, [0] * (len(inner) - 1) + [1]), inner)
        return ByPencil(pencil.with_components(shape[:rank]), rank)
    context = context_of(comm)
    return ByDistribution(context, context.distribution(shape))


def same_ranks(one: MPI.Intracomm, other: MPI.Intracomm) -> bool:
    """Whether two communicators have the same ranks in the same order. Local."""
    return MPI.Comm.Compare(one, other) in (MPI.IDENT, MPI.CONGRUENT)
