"""Who owns which indices of a whole array: an axis map for each axis, over a grid of ranks. No MPI, and no data."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from ..layout.arrays import keep
from ..layout.pencil import Pencil
from ..layout.subcomm import Subcomm, complete, dimensions
from .axes import Axis, Block, Cyclic, Indices, Unstructured, whole

T = TypeVar("T")

# Plans kept with a distribution; beyond that the oldest is dropped, on every rank alike.
_KEPT = 64
_NOTHING: Any = object()


class Distribution:
    """Which rank has which points of an array of the shape `shape`. It is the same on every rank.

    Parameters
    ----------
    axes : sequence of (Block, Cyclic or Unstructured)
        How each axis is split.
    order : sequence of (int or None)
        For each axis the dimension of the grid whose ranks have its parts; None where the axis is whole.
    dims : sequence of int
        Of the grid, which arranges the ranks in C order.
    fixed : dict, optional
        Dimensions along which only the ranks at one coordinate have points, and this. Along other dimensions that
        divide no axis all ranks have the same points: they are replicas.
    ranks : sequence of int, optional
        The ranks of the grid, in its order, where they are not the first ones.

    Raises
    ------
    ValueError
        Where these do not fit together.
    """

    def __init__(
        self,
        axes: Sequence[Axis],
        order: Sequence[int | None],
        dims: Sequence[int],
        fixed: dict[int, int] | None = None,
        ranks: Sequence[int] | None = None,
    ) -> None:
        self.axes = tuple(axes)
        self.order = tuple(order)
        self.dims = tuple(dims)
        self.fixed = dict(fixed or {})
        self.ranks = None if ranks is None else tuple(ranks)
        self.shape = tuple(axis.n for axis in self.axes)
        self.ndim = len(self.shape)
        used = [d for d in self.order if d is not None]
        if len(self.order) != self.ndim or len({*used, *self.fixed}) != len(used) + len(self.fixed):
            raise ValueError(f"order {self.order} must name for each axis a dimension of its own of {self.dims}")
        if any(axis.parts != (1 if d is None else self.dims[d]) for axis, d in zip(self.axes, self.order, strict=True)):
            raise ValueError(f"the axes {self.axes} do not have as many parts as the dimensions {self.dims} have ranks")
        if self.ranks is not None and len(set(self.ranks)) != math.prod(self.dims):
            raise ValueError(f"ranks {self.ranks} do not name each rank of the grid {self.dims} once")
        self.steps = tuple(math.prod(self.dims[d + 1 :]) for d in range(len(self.dims)))
        self._count = math.prod(self.dims)
        self._kept: dict[Any, Any] = {}

    @classmethod
    def of(
        cls,
        shape: Sequence[int],
        axes: Sequence[Any],
        dims: Sequence[int] | None = None,
        size: int | None = None,
        ranks: Sequence[int] | None = None,
    ) -> Distribution:
        """The distribution of an array in a user's words.

        Parameters
        ----------
        shape : sequence of int
            Of the array.
        axes : sequence
            For each axis None (whole), "block", "cyclic", a number of indices that are dealt in turn (block-cyclic), a
            sequence of numbers (the sizes of the blocks), or a Block, Cyclic or Unstructured axis.
        dims : sequence of int, optional
            Of the grid: a number of ranks for each divided axis, 0 where it is open. Further ones are ranks that hold
            replicas.
        size : int, optional
            How many ranks there are; by default as many as `ranks` or `dims` say.
        ranks : sequence of int, optional
            Which ranks of the communicator these are.

        Raises
        ------
        TypeError, ValueError
            Where they do not fit together.
        """
        divided = [k for k, axis in enumerate(axes) if axis is not None]
        if len(axes) != len(shape):
            raise ValueError(f"axes {axes} must be one for each axis of the shape {tuple(shape)}")
        count = len(ranks) if ranks is not None else size
        asked = [0] * len(divided) if dims is None else dimensions(dims, "dims")
        if count is None:
            count = math.prod(asked)
        made = complete(count, asked or [0])
        if len(made) < len(divided):
            raise ValueError(f"dims {made} must have a number of ranks for each of the {len(divided)} divided axes")
        order = {k: d for d, k in enumerate(divided)}
        maps = [
            whole(n) if k not in order else _axis(axis, n, made[order[k]])
            for k, (n, axis) in enumerate(zip(shape, axes, strict=True))
        ]
        return cls(maps, [order.get(k) for k in range(len(maps))], made, None, ranks)

    @classmethod
    def of_pencil(cls, pencil: Pencil) -> Distribution:
        """The distribution of the arrays of a pencil.

        Raises
        ------
        ValueError
            Where the pencil's communicators are of no grid: then no rank knows what the others have.
        """
        if not isinstance(pencil.subcomm, Subcomm):
            raise ValueError("this pencil's communicators are of no grid: make it with a Subcomm for a global view")
        order = [d if n > 1 else None for d, n in zip(pencil.subcomm.order, pencil.sizes, strict=True)]
        runs = [[pencil.run(k, r) for r in range(n)] for k, n in enumerate(pencil.sizes)]
        axes = [Block(tuple(s for s, _ in run), tuple(n for _, n in run)) for run in runs]
        return cls(axes, order, pencil.subcomm.grid.dims)

    @functools.cached_property
    def identity(self) -> tuple[Any, ...]:
        """What the distribution is, whatever the dimensions that divide nothing look like."""
        used = {d: k for k, d in enumerate(self.order) if d is not None}
        dims: list[tuple[int, Any]] = []
        for d, n in enumerate(self.dims):
            role = used.get(d, ("at", self.fixed[d]) if d in self.fixed else None)
            if n == 1:
                continue
            if role is None and dims and dims[-1][1] is None:
                dims[-1] = dims[-1][0] * n, None
            else:
                dims.append((n, role))
        return self.axes, tuple(dims), self.ranks

    def kept(self, key: Any, make: Callable[..., T], *args: Any) -> T:
        """What `make` makes of arguments, kept with the distribution under a key that is the same on every rank."""
        found: T = self._kept.get(key, _NOTHING)
        return keep(self._kept, key, make(*args), _KEPT) if found is _NOTHING else found

    def __eq__(self, other: object) -> bool:
        """Whether both give each rank the same points, as far as can be told at once."""
        return self is other or (isinstance(other, Distribution) and self.identity == other.identity)

    def __hash__(self) -> int:
        """Of what it is."""
        return self._hash

    @functools.cached_property
    def _hash(self) -> int:
        return hash(self.identity)

    def __repr__(self) -> str:
        """Each axis and the number of its parts; whether there are replicas; which ranks."""
        texts = [_say(axis) for axis in self.axes]
        replicas = math.prod(self.dims[d] for d in self.unused)
        more = [f"{replicas} replicas"] if replicas > 1 else []
        ranks = range(math.prod(self.dims))
        owners = sorted({self.ranks[r] if self.ranks is not None else r for r in ranks if self._coordinates(r)})
        if self.ranks is not None or (self.fixed and math.prod(self.dims[d] for d in self.fixed) > 1):
            more.append(f"on ranks {owners}" if len(owners) <= 8 else f"on {len(owners)} ranks")
        return "; ".join([f"({', '.join(texts)})", *more])

    @functools.cached_property
    def unused(self) -> tuple[int, ...]:
        """The dimensions of the grid along which there are replicas."""
        return tuple(d for d in range(len(self.dims)) if d not in self.order and d not in self.fixed)

    @functools.cached_property
    def everywhere(self) -> bool:
        """Whether every rank of the grid holds the whole array."""
        return self.ranks is None and all(n == 1 or d in self.unused for d, n in enumerate(self.dims))

    def place(self, rank: int) -> int | None:
        """Where a rank of the communicator stands in the grid; None where it does not."""
        if self.ranks is None:
            return rank if rank < math.prod(self.dims) else None
        return self.ranks.index(rank) if rank in self.ranks else None

    def _coordinates(self, place: int) -> tuple[int, ...] | None:
        """The coordinates of a rank in the grid; None where it has no points."""
        found = tuple(place // step % n for step, n in zip(self.steps, self.dims, strict=True))
        return found if all(found[d] == at for d, at in self.fixed.items()) else None

    def parts(self, rank: int) -> tuple[int, ...] | None:
        """The part of each axis that a rank has; None where it has no points."""
        place = self.place(rank)
        at = None if place is None else self._coordinates(place)
        return None if at is None else tuple(0 if d is None else at[d] for d in self.order)

    def local_shape(self, rank: int) -> tuple[int, ...]:
        """The shape of a rank's block; of one that has no points, zeros."""
        parts = self.parts(rank)
        if parts is None:
            return (0,) * max(self.ndim, 1)
        return tuple(axis.sizes[k] for axis, k in zip(self.axes, parts, strict=True))

    def indices(self, rank: int) -> list[Indices]:
        """The indices along each axis of a rank's points: arrays that broadcast with each other to its block."""
        lists = self.lists(rank)
        if lists is None:
            return [np.zeros((0,) * max(self.ndim, 1), np.int64)] * self.ndim
        return [found.reshape((-1,) + (1,) * (self.ndim - 1 - k)) for k, found in enumerate(lists)]

    def lists(self, rank: int) -> list[Indices] | None:
        """The indices along each axis of a rank's points; None where it has none."""
        parts = self.parts(rank)
        return None if parts is None else [axis.indices(k) for axis, k in zip(self.axes, parts, strict=True)]

    def owner(self, parts: Sequence[int], me: int) -> int:
        """The rank that has a part of each axis, of replicas the one nearest to the rank `me`."""
        place = self._base(self.place(me) or 0)
        place += sum(k * self.steps[d] for k, d in zip(parts, self.order, strict=True) if d is not None)
        return place if self.ranks is None else self.ranks[place]

    def _base(self, at: int) -> int:
        """The place of the first parts; where there are replicas, of those with the coordinates of the place `at`."""
        base = sum(at // self.steps[d] % self.dims[d] * self.steps[d] for d in self.unused)
        return base + sum(fixed * self.steps[d] for d, fixed in self.fixed.items())

    def find(self, index: Sequence[Indices], at: int = 0) -> tuple[Indices, Indices]:
        """Of each point the place in the grid of the rank that owns it, and its position in the block there.

        Parameters
        ----------
        index : sequence of array of int
            The indices along each axis: they broadcast with each other.
        at : int, optional
            The place whose coordinates along the dimensions with replicas say which of these is meant.
        """
        place: Any = np.int64(self._base(at))
        position: Any = np.int64(0)
        for axis, d, which in zip(self.axes, self.order, index, strict=True):
            if d is None and isinstance(axis, Block):
                position = position * axis.n + which
                continue
            part, within = axis.find(which)
            place = place + part * (0 if d is None else self.steps[d])
            position = position * np.asarray(axis.sizes)[part] + within
        return np.asarray(place), np.asarray(position)

    def rank_at(self, place: Indices) -> Indices:
        """The ranks at places in the grid."""
        return place if self.ranks is None else np.asarray(self.ranks)[place]

    def locate(self, index: Sequence[Indices], me: int) -> tuple[Indices, Indices]:
        """Of each point a rank that owns it, of replicas the one nearest to the rank `me`, and its position there."""
        place, position = self.find(index, self.place(me) or 0)
        return self.rank_at(place), position

    def replicas(self) -> list[int]:
        """How far the places of all replicas lie from that of the first."""
        found = [0]
        for d in self.unused:
            found = [at + k * self.steps[d] for at in found for k in range(self.dims[d])]
        return found

    def counts(self, rank: int) -> bool:
        """Whether a rank has points, and of replicas the first: the blocks of such ranks make the array once."""
        return self.kept(("counts", rank), self._counts, rank)

    def _counts(self, rank: int) -> bool:
        """As `counts`, not kept."""
        place = self.place(rank)
        at = None if place is None else self._coordinates(place)
        return at is not None and all(at[d] == 0 for d in self.unused)

    def on_grid_of(self, size: int) -> bool:
        """Whether the grid is one of so many ranks in their order, which has communicators for its lines."""
        return self.ranks is None and self._count == size

    @property
    def first(self) -> int:
        """The first rank of the grid."""
        return 0 if self.ranks is None else self.ranks[0]

    def over(self, axes: Sequence[tuple[Axis, int | None]]) -> Distribution:
        """A distribution over the same ranks with other axes, each with the dimension that divides it."""
        return Distribution([a for a, _ in axes], [d for _, d in axes], self.dims, self.fixed, self.ranks)

    @property
    def placed(self) -> list[tuple[Axis, int | None]]:
        """Each axis with the dimension that divides it."""
        return list(zip(self.axes, self.order, strict=True))

    def of_axes(self, axes: Sequence[int]) -> Distribution:
        """The distribution of arrays of these axes, in this order; where others were divided, there are replicas."""
        placed = self.placed
        return self.over([placed[k] for k in axes])

    def reduced(self, axes: Sequence[int], keepdims: bool = False) -> Distribution:
        """The distribution of what remains when an array is reduced over axes, which keep a length of 1 if wanted."""
        left = [(whole(1), None) if k in axes else placed for k, placed in enumerate(self.placed)]
        return self.over([p for k, p in enumerate(left) if keepdims or k not in axes])

    def broadcast_from(self, shape: tuple[int, ...]) -> Distribution:
        """The distribution of an array of this shape that is to be broadcast to one of this distribution."""
        return self if shape == self.shape else self.kept(("narrowed", shape), self._narrowed, shape)

    def _narrowed(self, shape: tuple[int, ...]) -> Distribution:
        """With fewer axes, and such of length 1 whole."""
        last = self.placed[self.ndim - len(shape) :]
        return self.over([p if p[0].n == n else (whole(n), None) for n, p in zip(shape, last, strict=True)])

    def even(self, shape: Sequence[int]) -> Distribution:
        """For an array of another shape with as many axes: an axis of another length is split as this one's kind is."""
        axes = []
        for (axis, d), n in zip(self.placed, shape, strict=True):
            if axis.n == n:
                axes.append((axis, d))
            elif isinstance(axis, Cyclic):
                axes.append((Cyclic(n, axis.parts, axis.block), d))
            else:
                axes.append((Block.even(n, axis.parts), d))
        return self.over(axes)


def _axis(axis: Any, n: int, parts: int) -> Axis:
    """An axis of `n` indices in a user's words."""
    if isinstance(axis, str):
        if axis not in ("block", "cyclic"):
            raise ValueError(f"an axis is 'block' or 'cyclic', not {axis!r}: a number deals blocks in turn")
        return Block.even(n, parts) if axis == "block" else Cyclic(n, parts)
    if hasattr(axis, "__index__"):
        return Cyclic(n, parts, axis.__index__())
    made = axis if isinstance(axis, (Block, Cyclic, Unstructured)) else Block.of_sizes(axis)
    if (made.n, made.parts) != (n, parts):
        raise ValueError(f"{made} has {made.n} indices in {made.parts} parts, wanted are {n} in {parts}")
    return made


def _say(axis: Axis) -> str:
    """An axis in a word."""
    if axis.parts == 1:
        return "whole"
    if isinstance(axis, Cyclic):
        return f"cyclic {axis.parts}" + (f" by {axis.block}" if axis.block > 1 else "")
    if isinstance(axis, Unstructured):
        return f"unstructured {axis.parts}"
    even = axis == Block.even(axis.n, axis.parts)
    return f"block {axis.parts}" + ("" if even else f" of {list(axis.sizes)}" if axis.parts <= 8 else " of given sizes")
