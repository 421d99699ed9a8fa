"""What the arrays on one side of a transform are: made and checked."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from mpi4py import MPI

from .distarray import DistArray
from .layout.arrays import checked_array
from .layout.pencil import Pencil
from .transforms import Transform

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Spec:
    """The arrays on one side of a transform: how they are split, and their dtype.

    Attributes
    ----------
    pencil : Pencil
        How they are split.
    dtype : numpy.dtype
        Of their items.
    transforms : tuple of Transform
        What their modes are along the axes that are transformed; none for points in space.
    norm : str
        How the modes are scaled: the `norm` of the plan.
    """

    pencil: Pencil
    dtype: np.dtype[Any]
    transforms: tuple[Transform, ...] = ()
    norm: str = "forward"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of this rank's block."""
        return self.pencil.subshape

    @property
    def global_shape(self) -> tuple[int, ...]:
        """The shape of the whole array."""
        return self.pencil.shape

    @property
    def local_slice(self) -> tuple[slice, ...]:
        """This rank's block as slices of the whole array."""
        return self.pencil.local_slice()

    @functools.cached_property
    def _whole(self) -> str:
        """What the block is a part of, in a message."""
        divided = f" of {self.global_shape} divided among {list(self.pencil.sizes)} ranks"
        return divided if max(self.pencil.sizes) > 1 else ""

    def empty(self, components: tuple[int, ...] = ()) -> DistArray:
        """An uninitialised array with leading component axes of these lengths."""
        pencil = self.pencil.with_components(components) if components else self.pencil
        return DistArray.of(pencil, self.dtype, len(components))

    def checked(self, name: str, array: Any, components: tuple[int, ...] = (), written: bool = False) -> Array:
        """`array`, if it is this rank's block with these leading component axes.

        Raises
        ------
        TypeError, ValueError
            Where it has another shape or dtype, belongs to another distribution, or is to be written and cannot be.
        """
        checked_array(name, array, components + self.shape, self.dtype, written, self._whole)
        if isinstance(array, DistArray) and array._block is not None:
            _same_distribution(name, array, self.pencil)
        return array


@dataclass(frozen=True)
class LineSpec:
    """The arrays on one side of the transform of a line that is itself divided, into even blocks.

    Attributes
    ----------
    comm : MPI.Intracomm
        The ranks.
    global_shape : tuple of int
        The length of the line.
    dtype, transforms, norm
        As of a `Spec`.
    """

    comm: MPI.Intracomm
    global_shape: tuple[int]
    dtype: np.dtype[Any]
    transforms: tuple[Transform, ...] = ()
    norm: str = "forward"


def _same_distribution(name: str, array: DistArray, pencil: Pencil) -> None:
    """Refuse a distributed array whose block is another part of the whole than a plan takes it for."""
    theirs = array.pencil
    if not theirs.without_components(array.rank).same_block(pencil):
        raise ValueError(
            f"{name} is distributed as {theirs}, expected {pencil}: redistribute it, or make it by newDistArray; "
            "PFFT(..., like=) makes a plan on the grid of another"
        )
