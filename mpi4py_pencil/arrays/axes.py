"""Who owns which indices along one axis, in the terms of High Performance Fortran: integers, alike on every rank.

An axis is split into *parts*, one for each rank along a dimension of the grid. Each index lies in one part, at one
position in it.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ..layout.partition import block

Indices: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"


@dataclass(frozen=True)
class Block:
    """Each part is a run of indices, in any order of the parts.

    Attributes
    ----------
    starts, sizes : tuple of int
        Of the run of each part.
    """

    starts: tuple[int, ...]
    sizes: tuple[int, ...]

    @classmethod
    def even(cls, n: int, parts: int) -> Block:
        """Runs that follow each other and differ in size by one at the most, the larger ones first."""
        starts, sizes = zip(*(block(n, parts, k) for k in range(parts)), strict=True)
        return cls(starts, sizes)

    @classmethod
    def of_sizes(cls, sizes: Sequence[int]) -> Block:
        """Runs of these sizes that follow each other.

        Raises
        ------
        ValueError
            Where a size is negative, or there is none.
        """
        sizes = tuple(size.__index__() for size in sizes)
        if not sizes or min(sizes) < 0:
            raise ValueError(f"sizes {list(sizes)} must be one for each part, none of them negative")
        return cls(tuple(sum(sizes[:k]) for k in range(len(sizes))), sizes)

    @property
    def parts(self) -> int:
        """How many there are."""
        return len(self.sizes)

    @functools.cached_property
    def n(self) -> int:
        """The length of the axis."""
        return sum(self.sizes)

    def indices(self, part: int) -> Indices:
        """The indices of a part, by position."""
        return np.arange(self.starts[part], self.starts[part] + self.sizes[part])

    def find(self, indices: Indices) -> tuple[Indices, Indices]:
        """The part of each index, and its position there."""
        order, starts = self._search
        part = order[np.searchsorted(starts, indices, "right") - 1] if starts.size else np.zeros_like(indices)
        return part, indices - np.asarray(self.starts)[part]

    @functools.cached_property
    def _search(self) -> tuple[Indices, Indices]:
        """The parts that are not empty by their starts, and these."""
        filled = [k for k in np.argsort(self.starts, kind="stable") if self.sizes[k]]
        return np.array(filled, np.int64), np.array([self.starts[k] for k in filled], np.int64)

    def sliced(self, start: int, step: int, count: int) -> Block:
        """The axis of `count` indices from `start` in steps of `step`."""
        runs = [self._taken(k, start, step, count) for k in range(self.parts)]
        return Block(tuple(first for first, _ in runs), tuple(size for _, size in runs))

    def taken(self, part: int, start: int, step: int, count: int) -> slice:
        """The positions in a part of those of `count` indices from `start` in steps of `step`."""
        first, size = self._taken(part, start, step, count)
        if not size:
            return slice(0, 0)
        at = start + step * first - self.starts[part]
        end = at + step * size
        return slice(at, None if end < 0 else end, step)

    def _taken(self, part: int, start: int, step: int, count: int) -> tuple[int, int]:
        """Which of `count` indices from `start` in steps of `step` lie in a part: the first, and how many."""
        low, high = self.starts[part], self.starts[part] + self.sizes[part] - 1
        near, far = (low, high) if step > 0 else (high, low)
        first = max(0, -(-(near - start) // step))
        last = min(count - 1, (far - start) // step)
        size = max(0, last - first + 1) if self.sizes[part] else 0
        return first, size


@dataclass(frozen=True)
class Cyclic:
    """Blocks of `block` indices are dealt to the parts in turn: cyclic where that is 1, else block-cyclic."""

    n: int
    parts: int
    block: int = 1

    def __post_init__(self) -> None:
        """Refuse blocks of nothing."""
        if self.block < 1 or self.parts < 1 or self.n < 0:
            raise ValueError(f"{self} must have blocks and parts of 1 at least, and no negative length")

    @functools.cached_property
    def sizes(self) -> tuple[int, ...]:
        """How many indices each part has."""
        rounds, rest = divmod(self.n, self.block * self.parts)
        return tuple(rounds * self.block + min(self.block, max(0, rest - k * self.block)) for k in range(self.parts))

    def indices(self, part: int) -> Indices:
        """The indices of a part, by position."""
        starts = np.arange(part * self.block, self.n, self.block * self.parts)
        found = (starts[:, None] + np.arange(self.block)).ravel()
        return found[found < self.n]

    def find(self, indices: Indices) -> tuple[Indices, Indices]:
        """The part of each index, and its position there."""
        blocks, within = np.divmod(indices, self.block)
        rounds, part = np.divmod(blocks, self.parts)
        return part, rounds * self.block + within

    def sliced(self, start: int, step: int, count: int) -> Axis:
        """The axis of `count` indices from `start` in steps of `step`."""
        return _sliced(self, start, step, count)

    def taken(self, part: int, start: int, step: int, count: int) -> slice | Indices:
        """The positions in a part of those of `count` indices from `start` in steps of `step`."""
        return _taken(self, part, start, step, count)


class Unstructured:
    """Each part has the indices that are listed for it. Every rank knows the lists of all parts.

    Parameters
    ----------
    indices : sequence of sequences of int
        For each part, by position; each index from 0 to n - 1 is in one of them, once.

    Raises
    ------
    ValueError
        Where that is not so.
    """

    def __init__(self, indices: Sequence[Any]) -> None:
        self._indices = tuple(np.array(part, np.int64).reshape(-1) for part in indices)
        self.sizes = tuple(part.size for part in self._indices)
        self.parts = len(self.sizes)
        self.n = sum(self.sizes)
        joined = np.concatenate(self._indices) if self._indices else np.zeros(0, np.int64)
        if not self.parts or not np.array_equal(np.sort(joined), np.arange(self.n)):
            raise ValueError(f"unstructured indices must list each of the {self.n} indices once, of one part at least")
        self._part, self._position = np.empty((2, self.n), np.int64)
        for k, part in enumerate(self._indices):
            self._part[part] = k
            self._position[part] = np.arange(part.size)
        self._digest = hashlib.blake2b(joined.tobytes(), digest_size=16).hexdigest()

    def __eq__(self, other: object) -> bool:
        """Whether both list the same."""
        return isinstance(other, Unstructured) and (self.sizes, self._digest) == (other.sizes, other._digest)

    def __hash__(self) -> int:
        """Of what is listed."""
        return hash((self.sizes, self._digest))

    def __repr__(self) -> str:
        """How many indices each part has, and a name for which ones."""
        return f"Unstructured(sizes={self.sizes}, digest={self._digest[:8]!r})"

    def indices(self, part: int) -> Indices:
        """The indices of a part, by position."""
        return self._indices[part]

    def find(self, indices: Indices) -> tuple[Indices, Indices]:
        """The part of each index, and its position there."""
        return self._part[indices], self._position[indices]

    def sliced(self, start: int, step: int, count: int) -> Axis:
        """The axis of `count` indices from `start` in steps of `step`."""
        return _sliced(self, start, step, count)

    def taken(self, part: int, start: int, step: int, count: int) -> slice | Indices:
        """The positions in a part of those of `count` indices from `start` in steps of `step`."""
        return _taken(self, part, start, step, count)


Axis: TypeAlias = Block | Cyclic | Unstructured


def whole(n: int) -> Block:
    """An undivided axis."""
    return Block((0,), (n,))


def _selected(axis: Axis, part: int, start: int, step: int, count: int) -> tuple[Indices, Indices]:
    """The positions in a part that a slice takes, and which of the slice's indices these are."""
    turn, rest = np.divmod(axis.indices(part) - start, step)
    positions = np.flatnonzero((rest == 0) & (turn >= 0) & (turn < count))
    return positions, turn[positions]


def _sliced(axis: Axis, start: int, step: int, count: int) -> Axis:
    """A slice of an axis whose parts are no runs."""
    if (start, step, count) == (0, 1, axis.n):
        return axis
    return Unstructured([_selected(axis, k, start, step, count)[1] for k in range(axis.parts)])


def _taken(axis: Axis, part: int, start: int, step: int, count: int) -> slice | Indices:
    """The positions in a part that a slice takes: as a slice where they are evenly spaced, else listed."""
    positions, _ = _selected(axis, part, start, step, count)
    if positions.size == 0:
        return slice(0, 0)
    gaps = np.diff(positions)
    if positions.size > 1 and gaps.min() != gaps.max():
        return positions
    gap = int(gaps[0]) if positions.size > 1 else 1
    return slice(int(positions[0]), int(positions[-1]) + 1, gap)
