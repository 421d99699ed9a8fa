"""The blocks of an array brought from one distribution to another."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

from ..distarray import transfer_between
from ..layout.pencil import Pencil
from .axes import Block
from .context import Context
from .distribution import Distribution
from .moves import Points, Product

Plain: TypeAlias = "np.ndarray[Any, Any]"

# Bytes of a rank's block from which a Transfer between pencils is worth its windows.
_LARGE = 1 << 16


def moved(context: Context, source: Distribution, target: Distribution, block: Plain) -> Plain:
    """This rank's block in the distribution `target` of an array whose blocks in `source` are given. Collective.

    The shapes may differ: points keep their place in C order.
    """
    context.checked(
        lambda: block.dtype,
        lambda dtype: {"the call": "redistribute", "from": str(source), "to": str(target), "dtype": dtype},
    )
    if source.shape == target.shape and large(context, source.shape, block.itemsize):
        a, b = pencil_of(context, source), pencil_of(context, target)
        if a is not None and b is not None:
            out = np.empty(b.subshape, block.dtype)
            transfer_between(a, b, block.dtype).forward(block, out)
            return out

    if source.shape == target.shape:
        return product_between(context, source, target).pull(block)
    shape = target.local_shape(context.rank)

    def points() -> Points:
        return context.points(source, reshaped(target.indices(context.rank), target.shape, source.shape), shape)

    return context.kept(("reshaped", source, target), points).pull(block).reshape(shape)


def product_between(context: Context, source: Distribution, target: Distribution) -> Product:
    """What brings blocks from a distribution to another one of the same shape. Collective at the first time."""

    def made() -> Product:  # the lists are as long as the block: they are for the plan alone
        return context.product(source, target.lists(context.rank), target.local_shape(context.rank))

    return context.kept(("moved", source, target), made)


def remapped(context: Context, source: Distribution, target: Distribution, block: Plain, maps: list[Any]) -> Plain:
    """This rank's block in `target`, whose indices along each axis functions map to those of the array. Collective."""
    wanted = target.lists(context.rank)
    index = None if wanted is None else [found(which) for found, which in zip(maps, wanted, strict=True)]
    return context.product(source, index, target.local_shape(context.rank)).pull(block)


def large(context: Context, shape: tuple[int, ...], itemsize: int) -> bool:
    """Whether plans with windows and memory of their own are worth it for arrays of a shape. The same on every rank."""
    return math.prod(shape) * itemsize >= _LARGE * context.size


def reshaped(index: list[Any], shape: tuple[int, ...], other: tuple[int, ...]) -> list[Any]:
    """Indices of an array of one shape as those of the same points, in C order, in another."""
    place = flat(index, shape)
    return list(np.unravel_index(place, other)) if place.size and other else [place] * len(other)


def flat(index: list[Any], shape: tuple[int, ...]) -> Any:
    """The places of points, in C order, from their indices along each axis."""
    place = np.zeros((), np.int64) if len(index) == 0 else index[0]
    for n, which in zip(shape[1:], index[1:], strict=True):
        place = place * n + which
    return place


def pencil_of(context: Context, distribution: Distribution) -> Pencil | None:
    """The pencil whose arrays are divided so; None where there is none. Collective at the first time."""

    def made() -> Pencil | None:
        if not _is_pencil(context, distribution):
            return None
        subcomm = context.subcomm(distribution.dims, distribution.order)
        axis = max(k for k, axis in enumerate(distribution.axes) if axis.parts == 1)
        return Pencil(subcomm, distribution.shape, axis)

    return distribution.kept((context, "pencil"), made)


def _is_pencil(context: Context, distribution: Distribution) -> bool:
    """Whether even blocks over all ranks leave an axis whole."""
    replicated = any(distribution.dims[d] > 1 for d in (*distribution.unused, *distribution.fixed))
    elsewhere = distribution.ranks is not None or math.prod(distribution.dims) != context.size
    axes = distribution.axes
    if replicated or elsewhere or not axes or 0 in distribution.shape or all(axis.parts > 1 for axis in axes):
        return False
    return all(isinstance(axis, Block) and axis == Block.even(axis.n, axis.parts) for axis in axes)
