"""Sorted arrays, and sets of values."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..layout.pencil import whole_axis
from .globalarray import GlobalArray, check_alike
from .indexing import listed
from .manipulation import concat, flip, reshape, roll, viewed
from .statistics import aligned, cumulative_sum, line_of, one_line

Plain: TypeAlias = "np.ndarray[Any, Any]"


def sort(x: GlobalArray, /, axis: int = -1, *, descending: bool = False, stable: bool = True) -> GlobalArray:
    """The points in order along an axis, NaN last. Collective.

    Lines are sorted whole, each by one rank; a single line is sorted by all, by samples.
    """
    k = whole_axis(axis, x.ndim)
    check_alike("sort", x, axis=k, descending=descending)
    if descending:
        return flip(sort(x, axis=k), axis=k).copy()
    if one_line(x, k):
        return _sorted_line(x)[0]
    lines = aligned(x, k)
    return viewed(lines, lines.distribution, lambda block: np.sort(block, axis=k, stable=True)).within(x.distribution)


def argsort(x: GlobalArray, /, axis: int = -1, *, descending: bool = False, stable: bool = True) -> GlobalArray:
    """The indices along an axis that put the points in order, those of equal ones in their order. Collective."""
    k = whole_axis(axis, x.ndim)
    check_alike("argsort", x, axis=k, descending=descending)
    if descending:
        return flip(x.shape[k] - 1 - argsort(flip(x, axis=k), axis=k), axis=k).copy()
    if one_line(x, k):
        return _sorted_line(x)[1]
    lines = aligned(x, k)
    found = viewed(lines, lines.distribution, lambda block: np.argsort(block, axis=k, stable=True))
    return found.astype(np.int64, copy=False).within(x.distribution)


def _sorted_line(x: GlobalArray) -> tuple[GlobalArray, GlobalArray]:
    """The points of one line in order, and their indices, in the distribution of the array. Collective."""
    values, places = sorted_points(line_of(x))
    return values.redistribute(x.distribution), places.redistribute(x.distribution)


def sorted_points(line: GlobalArray) -> tuple[GlobalArray, GlobalArray]:
    """The points of an array of one axis, in even blocks in the order of the ranks, in order; and their places.

    Sorting by regular samples: each rank sorts its own and sends to every other what lies between two of the samples
    of all, which are told apart by their place where they are equal.
    Shi and Schaeffer, Parallel sorting by regular sampling, J. Parallel Distrib. Comput. 14 (1992).

    Collective.
    """
    comm, size = line.context.comm, line.context.size
    order = np.argsort(line.local, stable=True)
    values, places = line.local[order], order + line.distribution.axes[0].starts[comm.rank]  # type: ignore[union-attr]
    step: Any = np.linspace(0, values.size, size, endpoint=False).astype(int) if values.size else []
    samples = comm.allgather((values[step], places[step]))
    all_values = np.concatenate([v for v, _ in samples])
    all_places = np.concatenate([p for _, p in samples])
    in_order = np.argsort(all_values, stable=True)
    cuts = in_order[np.linspace(0, in_order.size, size, endpoint=False).astype(int)[1:]] if in_order.size else in_order
    bounds = [0, *(_before(values, places, all_values[c], all_places[c]) for c in cuts)]
    bounds += [values.size] * (size + 1 - len(bounds))
    sent = [(values[a:b], places[a:b]) for a, b in itertools.pairwise(bounds)]
    came = comm.alltoall(sent)
    merged, where = np.concatenate([v for v, _ in came]), np.concatenate([p for _, p in came])
    order = np.argsort(merged, stable=True)
    return listed(line.context, merged[order]), listed(line.context, where[order])


def _before(values: Plain, places: Plain, value: Any, place: int) -> int:
    """How many of the points in order come before one of this value and place."""
    low, high = np.searchsorted(values, value, "left"), np.searchsorted(values, value, "right")
    return int(low + np.searchsorted(places[low:high], place))


class UniqueAll(NamedTuple):
    """The values, where each comes first, which of them each point is, and how often each is there."""

    values: GlobalArray
    indices: GlobalArray
    inverse_indices: GlobalArray
    counts: GlobalArray


class UniqueCounts(NamedTuple):
    """The values, and how often each is there."""

    values: GlobalArray
    counts: GlobalArray


class UniqueInverse(NamedTuple):
    """The values, and which of them each point is."""

    values: GlobalArray
    inverse_indices: GlobalArray


class _Groups(NamedTuple):
    """The points in order and their places in the array; which are the first of their value."""

    values: GlobalArray
    places: GlobalArray
    first: GlobalArray


def _groups(x: GlobalArray) -> _Groups:
    """The points in order; NaN is equal to nothing. Collective."""
    check_alike("unique", x)
    values, places = (line_of(y) for y in sorted_points(line_of(x if x.ndim == 1 else reshape(x, (-1,)))))
    first = values != roll(values, 1)
    first[:1] = True
    return _Groups(values, places, first)


def _taken(x: GlobalArray, kept: GlobalArray) -> GlobalArray:
    """The points that are kept, on the ranks that have them."""
    return listed(x.context, x.local[kept.local])


def _counts(groups: _Groups) -> GlobalArray:
    """How many points each value has."""
    line = groups.first
    start = line.distribution.axes[0].starts[line.context.rank]  # type: ignore[union-attr]
    starts = listed(line.context, np.flatnonzero(line.local) + start)
    end = GlobalArray(line.context, line.context.distribution((1,)), np.zeros(0, np.int64))
    end = end.like(np.full(end.distribution.local_shape(line.context.rank), line.size))
    return concat([starts[1:], end], axis=0) - starts if starts.size else starts


def _inverse(groups: _Groups, shape: tuple[int, ...]) -> GlobalArray:
    """Which value each point is, in the order of the array."""
    which = cumulative_sum(groups.first, dtype=np.int64) - 1
    found = which.like(np.zeros_like(which.local))
    found[groups.places] = which
    return reshape(found, shape)


def unique_values(x: GlobalArray, /) -> GlobalArray:
    """The values of an array, in order, each once. Collective."""
    groups = _groups(x)
    return _taken(groups.values, groups.first)


def unique_counts(x: GlobalArray, /) -> UniqueCounts:
    """The values of an array, in order, and how often each is there. Collective."""
    groups = _groups(x)
    return UniqueCounts(_taken(groups.values, groups.first), _counts(groups))


def unique_inverse(x: GlobalArray, /) -> UniqueInverse:
    """The values of an array, in order, and which of them each point is. Collective."""
    groups = _groups(x)
    return UniqueInverse(_taken(groups.values, groups.first), _inverse(groups, x.shape))


def unique_all(x: GlobalArray, /) -> UniqueAll:
    """The values of an array, in order, with all that is known of them. Collective."""
    groups = _groups(x)
    return UniqueAll(
        _taken(groups.values, groups.first),
        _taken(groups.places, groups.first),
        _inverse(groups, x.shape),
        _counts(groups),
    )
