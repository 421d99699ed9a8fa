"""Reading and writing parts of arrays by numpy's rules: views by slices and integers, copies by arrays of indices."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..ranks.agreement import agreed, nothing
from .axes import Axis, Block, Cyclic, Indices, whole
from .context import Context
from .distribution import Distribution
from .globalarray import (
    GlobalArray,
    check_alike,
    conform,
    is_scalar,
    operand,
    own_part,
    refuse_local,
    refuse_masked,
    together,
)
from .moves import Points

Plain: TypeAlias = "np.ndarray[Any, Any]"

_ALL = slice(None)


class Mask(NamedTuple):
    """A key of booleans."""

    array: Any


class Selection(NamedTuple):
    """What integers, slices and new axes select: how it is divided, and which of a block it is.

    Attributes
    ----------
    distribution : Distribution
        Of what is selected.
    pick : tuple of (slice or array)
        The positions along each axis of this rank's block; None where it has none of them.
    tidy : tuple of (0, None or slice)
        What drops the axes of the integers then, and makes the new ones.
    view : bool
        Whether that is a view, on every rank.
    """

    distribution: Distribution
    pick: tuple[Any, ...] | None
    tidy: tuple[Any, ...]
    view: bool


def get(g: GlobalArray, key: Any) -> GlobalArray:
    """`g[key]`: a view by integers, slices, ... and None; by arrays of indices a copy, and then it is collective.

    A slice of an axis that is block-cyclic or unstructured is a copy, which is read-only.
    """
    keys = parsed(g.shape, key)
    if _advanced(keys):
        return _gathered(g, keys)
    chosen = _selected(g, keys)
    if chosen.pick is None:
        block = np.empty(chosen.distribution.local_shape(g.context.rank), g.dtype)
    elif chosen.view:
        block = g.local[chosen.pick + (...,)][chosen.tidy + (...,)]
    else:
        block = g.local[_outer(chosen.pick, g.local.shape)][chosen.tidy + (...,)]
    if not chosen.view or not g.local.flags.writeable:
        block.flags.writeable = False
    return g.like(block, chosen.distribution)


def put(g: GlobalArray, key: Any, value: Any) -> None:
    """`g[key] = value`. Collective where there are arrays of indices, or a value that must be redistributed."""
    if not g.local.flags.writeable:
        raise ValueError("this array is read-only")
    keys = parsed(g.shape, key)
    value = written(value, g.dtype)
    if _advanced(keys):
        _scattered(g, keys, value)
        return
    chosen = _selected(g, keys)
    value = assigned(g.context, chosen.distribution, value)
    together(g.context, functools.partial(_write, g, chosen, value))


def _write(g: GlobalArray, chosen: Selection, value: Any) -> None:
    """Write this rank's part of a value to what is selected. Local."""
    if chosen.pick is None:
        return
    if chosen.view:
        g.local[chosen.pick + (...,)][chosen.tidy + (...,)] = value
        return
    shape = chosen.distribution.local_shape(g.context.rank)
    where = _outer(chosen.pick, g.local.shape)
    g.local[where] = np.broadcast_to(value, shape).reshape(np.broadcast_shapes(*(w.shape for w in where)))


def written(value: Any, dtype: np.dtype[Any]) -> Any:
    """A value as numpy writes it to an array of this dtype, whole: all ranks refuse what one must. Local.

    Global arrays remain what they are, and numpy arrays that fit, of which a rank needs its part alone.

    Raises
    ------
    TypeError, ValueError, OverflowError
        Where numpy raises it: 300 is no uint8, nan no integer, 1j no float.
    """
    shape: tuple[int, ...] = ()
    if not is_scalar(value):
        refuse_local([value])
        refuse_masked("a value", value)
        if isinstance(value, GlobalArray) or (isinstance(value, np.ndarray) and np.can_cast(value.dtype, dtype)):
            return value
        shape = np.shape(value)
    made = np.empty(shape, dtype)
    made[...] = value
    return made


def assigned(context: Context, distribution: Distribution, value: Any) -> Any:
    """This rank's part of a value that is to be written to an array of this distribution. Collective."""
    value = operand(value)
    if is_scalar(value):
        return value
    shape = distribution.shape
    extra = len(value.shape) - len(shape)
    if extra > 0 and all(n == 1 for n in value.shape[:extra]):
        value = value[(0,) * extra]
    if not _fits(value.shape, shape):
        raise ValueError(f"a value of shape {value.shape} cannot be written to one of shape {shape}")
    target = distribution.broadcast_from(value.shape)
    if isinstance(value, GlobalArray):
        if not value.context.same_ranks(context):
            raise ValueError("the value is of a context with another communicator")
        return value.within(target).local
    return own_part(target, context.rank, value)


def _fits(small: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether an array of one shape can be broadcast to another."""
    ends = zip(reversed(small), reversed(shape), strict=False)
    return len(small) <= len(shape) and all(n in (1, m) for n, m in ends)


def parsed(shape: tuple[int, ...], key: Any) -> list[Any]:
    """A key as one entry for each axis, and None for new ones: ints, slices, arrays of integers and `Mask`.

    Raises
    ------
    IndexError
        Where numpy would raise it.
    """
    keys = [_entry(k) for k in (key if isinstance(key, tuple) else (key,))]
    used = sum(k.array.ndim if isinstance(k, Mask) else k is not None and k is not ... for k in keys)
    dots = [n for n, k in enumerate(keys) if k is ...]
    if len(dots) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if used > len(shape):
        raise IndexError(f"too many indices: the array has {len(shape)} axes, but {used} were indexed")
    at = dots[0] if dots else len(keys)
    return [*keys[:at], *[_ALL] * (len(shape) - used), *keys[at + 1 :]]


def _entry(k: Any) -> Any:
    """One part of a key."""
    if k is None or k is ...:
        return k
    if isinstance(k, slice):
        return slice(*(None if end is None else operator.index(end) for end in (k.start, k.stop, k.step)))
    if isinstance(k, (bool, np.bool_)):
        return Mask(np.asarray(k))
    if isinstance(k, (int, np.integer)):
        return int(k)
    if not isinstance(k, (GlobalArray, np.ndarray)):
        k = np.asarray(k) if np.size(k) else np.asarray(k, int)
    if k.dtype.kind == "b":
        return Mask(k)
    if k.dtype.kind not in "iu":
        raise IndexError(f"arrays of indices are of integers or booleans, not {k.dtype}")
    return int(k) if k.ndim == 0 else k


def _advanced(keys: Sequence[Any]) -> bool:
    """Whether there are arrays of indices or masks."""
    return any(k is not None and not isinstance(k, (int, slice)) for k in keys)


def _selected(g: GlobalArray, keys: Sequence[Any]) -> Selection:
    """What integers, slices and new axes select, kept with the distribution."""
    key = tuple(((k.start, k.stop, k.step) if isinstance(k, slice) else k) for k in keys)
    return g.distribution.kept(("selected", g.context.rank, key), select, g.distribution, g.context.rank, keys)


def select(distribution: Distribution, rank: int, keys: Sequence[Any]) -> Selection:
    """What integers, slices and new axes select. Local.

    Raises
    ------
    IndexError
        Where an integer is out of bounds.
    """
    parts = distribution.parts(rank)
    placed: list[tuple[Axis, int | None]] = []
    fixed = dict(distribution.fixed)
    pick: list[Any] = []
    tidy: list[Any] = []
    here, view, axis_number = parts is not None, True, 0
    for k in keys:
        if k is None:
            placed.append((whole(1), None))
            tidy.append(None)
            continue
        axis, d = distribution.placed[axis_number]
        part = 0 if parts is None else parts[axis_number]
        if isinstance(k, int):
            owner, at = axis.find(np.array(_bounded(k, axis.n, axis_number)))
            if d is not None:
                fixed[d] = int(owner)
            here = here and part == owner
            pick.append(slice(int(at), int(at) + 1))
            tidy.append(0)
        else:
            start, step, count = _run(k, axis.n)
            placed.append((axis.sliced(start, step, count), d))
            regular = isinstance(axis, Block) or (isinstance(axis, Cyclic) and axis.block == 1)
            view = view and (regular or (start, step, count) == (0, 1, axis.n))
            pick.append(axis.taken(part, start, step, count) if parts is not None else None)
            tidy.append(_ALL)
        axis_number += 1
    made = Distribution([a for a, _ in placed], [d for _, d in placed], distribution.dims, fixed, distribution.ranks)
    return Selection(made, tuple(pick) if here else None, tuple(tidy), view)


def _bounded(k: int, n: int, axis: int) -> int:
    """An integer as an index that is not negative."""
    if not -n <= k < n:
        raise IndexError(f"index {k} is out of bounds for axis {axis} with size {n}")
    return k % n


def _run(k: slice, n: int) -> tuple[int, int, int]:
    """The first index, the step and the number of indices of a slice."""
    steps = range(*k.indices(n))
    return (steps.start, steps.step, len(steps)) if len(steps) else (0, 1, 0)


def _outer(pick: Sequence[Any], shape: Sequence[int]) -> tuple[Indices, ...]:
    """Positions along each axis as arrays that broadcast with each other."""
    lists = [np.arange(n)[k] if isinstance(k, slice) else k for k, n in zip(pick, shape, strict=True)]
    return np.ix_(*lists)


class _Term(NamedTuple):
    """A part of an index with arrays: a slice, a new axis (None) or indices, and the axis of the array that it is for.

    Where a mask of no axes stands there are indices for no axis: they only make a new one.
    """

    key: Any
    axis: int | None


def _short(key: Any) -> Any:
    """What ranks say of a part of a key: of arrays the shape."""
    key = key.array if isinstance(key, Mask) else key
    return key if key is None or isinstance(key, (int, slice)) else key.shape


class _Chosen(NamedTuple):
    """What an index with arrays selects: how that is divided, and of this rank's points the indices in the array."""

    distribution: Distribution
    indices: list[Indices]


def _gathered(g: GlobalArray, keys: Sequence[Any]) -> GlobalArray:
    """What arrays of indices select, a copy. Collective."""
    points = _points(g, keys)
    shape = points.distribution.local_shape(g.context.rank)
    block = g.context.points(g.distribution, points.indices, shape).pull(g.local).reshape(shape)
    return g.like(block, points.distribution)


def _scattered(g: GlobalArray, keys: Sequence[Any], value: Any) -> None:
    """Write to what arrays of indices select. Collective."""
    if _is_whole_mask(g, keys) and is_scalar(value):
        _, _, (_, mask) = conform([g, keys[0].array])
        g.local[mask] = value
        return
    points = _points(g, keys, written=True)
    shape = points.distribution.local_shape(g.context.rank)
    part = assigned(g.context, points.distribution, value)
    values = together(g.context, lambda: np.asarray(part).astype(g.dtype, copy=False))
    values = np.broadcast_to(values, shape).reshape(-1)
    places, positions = g.distribution.find(points.indices)
    for far in g.distribution.replicas():
        owners = np.broadcast_to(g.distribution.rank_at(places + far), shape)
        Points(g.context.comm, owners, np.broadcast_to(positions, shape)).push(values, g.local)


def _is_whole_mask(g: GlobalArray, keys: Sequence[Any]) -> bool:
    """Whether the key is a mask of the array's own shape."""
    return len(keys) == 1 and isinstance(keys[0], Mask) and keys[0].array.shape == g.shape and g.ndim > 0


def _points(g: GlobalArray, keys: Sequence[Any], written: bool = False) -> _Chosen:
    """What an index with arrays selects. Collective."""
    check_alike("arrays of indices", g, key=list(map(_short, keys)))
    terms = _terms(g, keys)
    listed = [n for n, term in enumerate(terms) if not (term.key is None or isinstance(term.key, slice))]
    others = [n for n in range(len(terms)) if n not in listed]
    # numpy puts the axes of the arrays where these stand, or first where something stands between them
    front = listed[0] if listed[-1] - listed[0] == len(listed) - 1 else 0
    together = np.broadcast_shapes(*[np.shape(terms[n].key) for n in listed])
    rest = [1 if terms[n].key is None else _run(terms[n].key, g.shape[terms[n].axis or 0])[2] for n in others]
    shape = (*rest[:front], *together, *rest[front:])
    target = _in_order(g.context, shape) if written else g.context.distribution(shape)
    inner = target.of_axes(range(front, front + len(together)))
    index = target.indices(g.context.rank)
    outer = dict(zip(others, [*index[:front], *index[front + len(together) :]], strict=True))
    found = []
    for n, (key, axis) in enumerate(terms):
        if axis is None:
            continue
        if n in outer:
            start, step, _ = _run(key, g.shape[axis])
            found.append(outer[n] * step + start)
        else:
            part = np.asarray(assigned(g.context, inner, key), np.int64)
            behind = part.ndim and target.parts(g.context.rank) is not None
            found.append(part.reshape(part.shape + (1,) * (len(rest) - front)) if behind else part)
    bounded = {terms[n].axis for n in listed} - {None}
    return _Chosen(target, _in_bounds(g, found, bounded))


def _terms(g: GlobalArray, keys: Sequence[Any]) -> list[_Term]:
    """A key with the axis of each part; masks become the indices of their True points. Collective."""
    terms: list[_Term] = []
    axis = 0
    for key in keys:
        if key is None:
            terms.append(_Term(None, None))
        elif isinstance(key, Mask) and key.array.ndim == 0:
            terms.append(_Term(np.zeros(int(bool(key.array)), np.int64), None))
        elif isinstance(key, Mask):
            mask, ndim = key.array, key.array.ndim
            fitting = zip(mask.shape, g.shape[axis : axis + ndim], strict=True)
            if not all(m in (n, 0) for m, n in fitting):  # one of no length, as numpy's may be, selects nothing
                raise IndexError(f"a mask of shape {mask.shape} does not fit the axes {g.shape[axis : axis + ndim]}")
            found = nonzero(mask) if isinstance(mask, GlobalArray) else np.nonzero(mask)
            terms += [_Term(indices, axis + k) for k, indices in enumerate(found)]
            axis += ndim
        else:
            if isinstance(key, int):
                key = np.asarray(_bounded(key, g.shape[axis], axis))
            terms.append(_Term(key, axis))
            axis += 1
    return terms


def _in_order(context: Context, shape: tuple[int, ...]) -> Distribution:
    """A distribution in which earlier points, in C order, lie on lower ranks: of equal indices the last is written."""
    axes = ["block" if k == 0 else None for k in range(len(shape))]
    return Distribution.of(shape, axes, [context.size], context.size)


def _in_bounds(g: GlobalArray, index: list[Indices], axes: set[int | None]) -> list[Indices]:
    """Indices along `axes` that are not negative; refused, on every rank, where they are out of bounds. Collective."""

    def all_counted() -> list[Indices]:
        return [bounded(which, g.shape[k], k) if k in axes else which for k, which in enumerate(index)]

    return agreed(g.context.comm, all_counted, nothing)


def bounded(which: Indices, n: int, axis: int) -> Indices:
    """Indices along an axis that are not negative. Local.

    Raises
    ------
    IndexError
        Where one is out of bounds.
    """
    if which.dtype.kind == "u" and which.size and which.max() > n:
        raise IndexError(f"index {which.max()} is out of bounds for axis {axis} with size {n}")
    which = which.astype(np.int64, copy=False)  # small and unsigned ones cannot be counted with
    bad = which[(which < -n) | (which >= n)]
    if bad.size:
        raise IndexError(f"index {bad.flat[0]} is out of bounds for axis {axis} with size {n}")
    return np.where(which < 0, which + n, which)


def nonzero(g: GlobalArray) -> tuple[GlobalArray, ...]:
    """The indices of the points that are not zero, in C order: an array for each axis. Collective."""
    if g.ndim == 0:
        raise ValueError("an array of no axes has no indices: use reshape(x, 1)")
    check_alike("nonzero", g)
    line = Distribution.of((g.size,), ["block"], [g.context.size], g.context.size)
    start = line.axes[0].starts[g.context.rank]  # type: ignore[union-attr]
    places = np.flatnonzero((g != 0 if g.dtype.kind != "b" else g).within(line).local) + start
    index = np.unravel_index(places, g.shape) if g.size else [places] * g.ndim
    return tuple(listed(g.context, np.asarray(found)) for found in index)


def listed(context: Context, block: Plain) -> GlobalArray:
    """An array of one axis made of what the ranks have, in their order. Collective."""
    sizes = context.comm.allgather(block.size)
    return GlobalArray(context, Distribution([Block.of_sizes(sizes)], [0], [context.size]), block)
