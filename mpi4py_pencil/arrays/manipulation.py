"""Other shapes and orders of the same points: views where axes are renamed, moves where points are."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from ..layout.pencil import whole_axis
from .axes import whole
from .distribution import Distribution
from .globalarray import GlobalArray, check_alike, conform, widened
from .redistribution import remapped

Plain: TypeAlias = "np.ndarray[Any, Any]"


def viewed(x: GlobalArray, distribution: Distribution, view: Callable[[Plain], Plain]) -> GlobalArray:
    """An array whose blocks are views of those of another. Local."""
    rank = x.context.rank
    if distribution.parts(rank) is None:
        block = np.empty(distribution.local_shape(rank), x.dtype)
        block.flags.writeable = x.local.flags.writeable
        return x.like(block, distribution)
    return x.like(view(x.local), distribution)


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """One axis, several or all (None), counted from the front.

    Raises
    ------
    TypeError, ValueError
        Where one does not exist or is named twice.
    """
    if axis is None:
        return tuple(range(ndim))
    found = tuple(whole_axis(a, ndim) for a in (axis if isinstance(axis, (tuple, list)) else (axis,)))
    if len(set(found)) != len(found):
        raise ValueError(f"axis {axis} names an axis twice")
    return found


def reshape(x: GlobalArray, /, shape: int | tuple[int, ...], *, copy: bool | None = None) -> GlobalArray:
    """The same points in C order in another shape, in new memory, divided as is usual. Collective.

    Parameters
    ----------
    shape : int or tuple of int
        One length may be -1: it is what remains.
    copy : bool, optional
        False is refused: points go to other ranks.
    """
    wanted = [n.__index__() for n in (shape if isinstance(shape, (tuple, list)) else (shape,))]
    if wanted.count(-1) == 1:
        known = -math.prod(wanted)
        if known <= 0 or x.size % known:
            raise ValueError(f"an array of shape {x.shape} cannot become one of shape {shape}")
        wanted[wanted.index(-1)] = x.size // known
    new = tuple(wanted)
    if min(new, default=0) < 0 or math.prod(new) != x.size:
        raise ValueError(f"an array of shape {x.shape} cannot become one of shape {shape}")
    if copy is False:
        raise ValueError("copy=False cannot be had: the points of a reshaped array go to other ranks")
    return x.copy() if new == x.shape else x.redistribute(x.context.distribution(new))


def permute_dims(x: GlobalArray, /, axes: Sequence[int]) -> GlobalArray:
    """The array with its axes in another order, a view. Local."""
    found = axes_of(tuple(axes), x.ndim)
    if len(found) != x.ndim:
        raise ValueError(f"axes {axes} must name each of the {x.ndim} axes")
    return viewed(x, x.distribution.of_axes(found), lambda block: block.transpose(found))


def matrix_transpose(x: GlobalArray, /) -> GlobalArray:
    """The array with its last two axes swapped, a view. Local."""
    if x.ndim < 2:
        raise ValueError(f"a matrix has two axes at least, this array has {x.ndim}")
    return permute_dims(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def moveaxis(x: GlobalArray, source: Any, destination: Any, /) -> GlobalArray:
    """The array with axes at other places, a view. Local."""
    old, new = axes_of(source, x.ndim), axes_of(destination, x.ndim)
    if len(old) != len(new):
        raise ValueError(f"source {source} and destination {destination} must name as many axes")
    order = [k for k in range(x.ndim) if k not in old]
    for at, axis in sorted(zip(new, old, strict=True)):
        order.insert(at, axis)
    return permute_dims(x, order)


def expand_dims(x: GlobalArray, /, axis: int | tuple[int, ...] = 0) -> GlobalArray:
    """The array with new axes of length 1, a view. Local."""
    count = len(axis) if isinstance(axis, (tuple, list)) else 1
    try:
        found = axes_of(axis, x.ndim + count)
    except ValueError as error:
        raise IndexError(str(error)) from None
    placed = iter(x.distribution.placed)
    axes = [(whole(1), None) if k in found else next(placed) for k in range(x.ndim + count)]
    return viewed(x, x.distribution.over(axes), lambda block: np.expand_dims(block, found))


def squeeze(x: GlobalArray, /, axis: int | tuple[int, ...] | None = None) -> GlobalArray:
    """The array without axes, which have the length 1, a view. Local."""
    found = [k for k, n in enumerate(x.shape) if n == 1] if axis is None else axes_of(axis, x.ndim)
    long = [k for k in found if x.shape[k] != 1]
    if long:
        raise ValueError(f"axis {long[0]} has the length {x.shape[long[0]]}: only one of length 1 can be dropped")
    return x[tuple(0 if k in found else slice(None) for k in range(x.ndim))]


def broadcast_to(x: GlobalArray, /, shape: tuple[int, ...]) -> GlobalArray:
    """The array repeated along new axes and such of length 1, a view that is read-only. Local."""
    shape = tuple(shape)
    if np.broadcast_shapes(x.shape, shape) != shape:
        raise ValueError(f"an array of shape {x.shape} cannot be broadcast to {shape}")
    distribution = widened(x.distribution, shape)
    local = distribution.local_shape(x.context.rank)
    # an axis of length 1 that was divided lies on one rank: all need it
    source = x.within(distribution.broadcast_from(x.shape))
    made = viewed(source, distribution, lambda block: np.broadcast_to(block, local))
    made.local.flags.writeable = False  # also where this rank has no part
    return made


def broadcast_arrays(*arrays: GlobalArray) -> list[GlobalArray]:
    """The arrays broadcast to one shape, in one distribution. Collective."""
    shape = np.broadcast_shapes(*[x.shape for x in arrays])
    context, distribution, blocks = conform(arrays)
    local = distribution.local_shape(context.rank)
    if distribution.shape != shape:
        raise ValueError(f"the arrays cannot be broadcast to {shape}")
    return [GlobalArray(context, distribution, np.broadcast_to(block, local)) for block in blocks]


def concat(arrays: Sequence[GlobalArray], /, axis: int | None = 0) -> GlobalArray:
    """The arrays one after the other along an axis, flattened where it is None; divided as the first. Collective."""
    parts = [reshape(x, (-1,)) for x in arrays] if axis is None else list(arrays)
    if not parts:
        raise ValueError("concat needs one array at least")
    first = parts[0]
    k = whole_axis(0 if axis is None else axis, first.ndim)
    for x in parts:
        if x.shape[:k] + x.shape[k + 1 :] != first.shape[:k] + first.shape[k + 1 :] or x.ndim != first.ndim:
            raise ValueError(f"the shapes {first.shape} and {x.shape} differ not only along axis {k}")
    shape = list(first.shape)
    shape[k] = sum(x.shape[k] for x in parts)
    target = first.distribution.even(shape)
    dtype = np.result_type(*[x.dtype for x in parts])
    made = first.like(np.empty(target.local_shape(first.context.rank), dtype), target)
    at = 0
    for x in parts:
        made[(slice(None),) * k + (slice(at, at + x.shape[k]),)] = x
        at += x.shape[k]
    return made


def stack(arrays: Sequence[GlobalArray], /, axis: int = 0) -> GlobalArray:
    """The arrays side by side along a new axis. Collective."""
    arrays = list(arrays)
    if len({x.shape for x in arrays}) != 1:
        raise ValueError(f"stack needs arrays of one shape, not {[x.shape for x in arrays]}")
    return concat([expand_dims(x, axis=axis) for x in arrays], axis=axis)


def unstack(x: GlobalArray, /, axis: int = 0) -> tuple[GlobalArray, ...]:
    """The parts of the array along an axis, as views. Local."""
    k = whole_axis(axis, x.ndim)
    return tuple(x[(slice(None),) * k + (i,)] for i in range(x.shape[k]))


def flip(x: GlobalArray, /, axis: int | tuple[int, ...] | None = None) -> GlobalArray:
    """The array with its points in reverse along axes, all by default: a view, as slices are. Local."""
    found = axes_of(axis, x.ndim)
    return x[tuple(slice(None, None, -1) if k in found else slice(None) for k in range(x.ndim))]


def mapped(x: GlobalArray, distribution: Distribution, maps: Mapping[int, Callable[..., Any]]) -> GlobalArray:
    """The array whose indices along some axes a function maps to those of `x`. Collective."""
    check_alike("roll, repeat or tile", x, axes=list(maps), to=str(distribution))
    functions = [maps.get(k, lambda which: which) for k in range(x.ndim)]
    return x.like(remapped(x.context, x.distribution, distribution, x.local, functions), distribution)


def roll(x: GlobalArray, /, shift: Any, axis: Any = None) -> GlobalArray:
    """The array with its points moved along axes, and round; along its one line where `axis` is None. Collective."""
    if axis is None:
        return reshape(roll(reshape(x, (-1,)), shift, axis=0), x.shape)
    named = axis if isinstance(axis, (tuple, list)) else (axis,)
    shifts: dict[int, int] = {}
    for a, by in np.broadcast(np.asarray(named), np.asarray(shift)):
        k = whole_axis(int(a), x.ndim)
        shifts[k] = shifts.get(k, 0) + int(by)
    maps = {k: (lambda which, n=x.shape[k], by=by: (which - by) % max(n, 1)) for k, by in shifts.items()}
    return mapped(x, x.distribution, maps)


def repeat(x: GlobalArray, repeats: Any, /, axis: int | None = None) -> GlobalArray:
    """Each point some times, along an axis or the array's one line. Collective.

    Parameters
    ----------
    repeats : int or array of int
        How often, or how often each index along the axis.
    """
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    k = whole_axis(axis, x.ndim)
    counts = np.asarray(repeats.to_numpy() if isinstance(repeats, GlobalArray) else repeats)
    if counts.dtype.kind not in "iu" or (counts.size and counts.min() < 0):
        raise ValueError(f"repeats {repeats} must be whole numbers, none of them negative")
    ends = np.cumsum(np.broadcast_to(counts, x.shape[k : k + 1]))
    shape = list(x.shape)
    shape[k] = int(ends[-1]) if ends.size else 0
    return mapped(x, x.distribution.even(shape), {k: lambda which: np.searchsorted(ends, which, "right")})


def tile(x: GlobalArray, repetitions: tuple[int, ...], /) -> GlobalArray:
    """The array some times along each axis. Collective."""
    counts = tuple(repetitions) if isinstance(repetitions, (tuple, list)) else (repetitions,)
    counts = (1,) * (x.ndim - len(counts)) + counts
    if len(counts) > x.ndim:
        x = expand_dims(x, axis=tuple(range(len(counts) - x.ndim)))
    target = x.distribution.even([n * c for n, c in zip(x.shape, counts, strict=True)])
    maps = {k: (lambda which, n=n: which % max(n, 1)) for k, n in enumerate(x.shape)}
    return mapped(x, target, maps)
