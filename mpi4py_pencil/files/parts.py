"""What a rank has of a global array, and in which division it is written and read: the seam between arrays and files.

The rest of this room knows an array as a `Part`, a block in memory and where it lies in the whole. Another kind of
distributed array can be saved once `part_of` knows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from mpi4py import MPI

from ..distarray import DistArray
from ..layout.arrays import said
from ..layout.pencil import Pencil
from ..layout.subcomm import Subcomm
from ..ranks.agreement import agreed, nothing
from ..spec import Spec

Array = np.ndarray[Any, Any]

# Runs of the file that are shorter are not worth a call of the system each: whole lines are made first.
_SHORT_BYTES = 64 * 1024


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

    @property
    def T(self) -> Part:
        """The part of the transposed array, whose C order is the Fortran order of this one. Nothing is copied."""
        return Part(self.comm, self.shape[::-1], self.start[::-1], self.block.T)


def part_of(u: DistArray) -> Part:
    """This rank's part of a distributed array. Local."""
    return Part(ranks_of(u.pencil), u.global_shape, u.substart, u.view(np.ndarray))


def distributed(name: str, u: Any) -> DistArray:
    """`u`, if it is the block of a distributed array.

    Raises
    ------
    TypeError
        Where it is something else; it names the argument.
    """
    if not isinstance(u, DistArray) or u._block is None:
        what = f"an array of shape {np.shape(u)} that is nobody's block" if isinstance(u, np.ndarray) else said(u)
        raise TypeError(f"{name} must be a DistArray, which knows its part of the whole, not {what}")
    return u


def blocks_of(comm: MPI.Intracomm, given: Any) -> Any:
    """What is given, global arrays in it, in dicts, lists and tuples too, as their blocks; nothing is copied.

    Collective over `comm`. Known as global is what has `as_local`.

    Raises
    ------
    TypeError, ValueError
        On every rank, where the ranks give different ones, or the distribution of one is no pencil's.
    """
    where = agreed(comm, lambda: _global_ones(given), lambda found: {"global arrays": found})
    return _as_blocks(given) if where else given


def _global_ones(given: Any, name: str = "") -> list[str]:
    """Which global arrays there are, and how they are divided."""
    if isinstance(given, Mapping):
        return [each for key, value in given.items() for each in _global_ones(value, f"{name}[{said(key)}]")]
    if isinstance(given, (list, tuple)):
        return [each for k, value in enumerate(given) for each in _global_ones(value, f"{name}[{k}]")]
    return [f"{name} {given.distribution}"] if hasattr(given, "as_local") else []


def _as_blocks(given: Any) -> Any:
    """What is given, global arrays as their blocks. Collective."""
    if isinstance(given, Mapping):
        return {key: _as_blocks(value) for key, value in given.items()}
    if isinstance(given, (list, tuple)):
        return (list if isinstance(given, list) else tuple)(map(_as_blocks, given))
    return given.as_local() if hasattr(given, "as_local") else given


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


def in_lines(pencil: Pencil, rank: int, itemsize: int, order: str = "C") -> Pencil:
    """The pencil in which arrays of `pencil` are written and read: itself, or one with whole lines of the file.

    The same on every rank. `rank` leading axes are components.
    """
    fast = len(pencil.shape) - 1 if order == "C" else rank
    divided = pencil.sizes[fast] > 1
    run = pencil.shape[fast] // pencil.sizes[fast] * itemsize
    return pencil.pencil(fast) if divided and run < _SHORT_BYTES else pencil


def moved(u: DistArray, pencil: Pencil) -> DistArray:
    """The same array in another division; itself where that is its own. Collective over the ranks of `u`."""
    if u.pencil.same_block(pencil):
        return u
    out = agreed(ranks_of(pencil), lambda: DistArray.of(pencil, u.dtype, u.rank), nothing)
    u.redistribute(out=out)
    return out


def like_what(like: Any, shape: tuple[int, ...]) -> tuple[Pencil, int]:
    """The pencil and the number of component axes that `like` means for an array of this global shape.

    `like` is a DistArray, a Pencil, or a `Spec`, before whose axes the array may have more, its components.

    Raises
    ------
    TypeError, ValueError
        Where it is something else, or has another number of axes.
    """
    if isinstance(like, DistArray):
        pencil, rank = distributed("like", like).pencil, like.rank
    elif isinstance(like, (Pencil, Spec)):
        pencil = like if isinstance(like, Pencil) else like.pencil
        rank = len(shape) - len(pencil.shape)
        if rank < 0:
            raise ValueError(f"like has {len(pencil.shape)} axes, the array in the file has the shape {shape}")
        pencil = pencil.with_components(shape[:rank]) if rank else pencil
    else:
        raise TypeError(f"like must be a DistArray, a Pencil or a Spec such as fft.output, not {said(like)}")
    if len(pencil.shape) != len(shape):
        raise ValueError(f"like has {len(pencil.shape)} axes, the array in the file has the shape {shape}")
    return pencil, rank


def divided_by(comm: MPI.Intracomm, shape: tuple[int, ...]) -> Pencil:
    """A pencil of whole lines for arrays of this shape. Collective over `comm`.

    Raises
    ------
    ValueError
        Where there is one axis and several ranks.
    """
    if len(shape) == 1 and comm.Get_size() > 1:
        raise ValueError(f"the array has the shape {shape}: one axis, along which no pencil divides it among ranks")
    return Pencil(Subcomm(comm, [0] * (len(shape) - 1) + [1]), shape)
