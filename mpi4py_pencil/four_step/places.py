"""Which items of a divided line are which entries of the matrix that is transformed. Integers only."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from ..exchange.parts import evenly
from ..layout.partition import block, overlap


class Rule(Enum):
    """How an item of the line goes with an entry of the matrix.

    SAME: they are equal. CONJUGATE: each is the other's conjugate. REAL: only the real part counts. Of a Nyquist mode
    that more points resolve there are two entries, of either sign: HALF_REAL, each is half of it and real; HALF, each
    is half of it, and it the first of them; ADDED, the same for the second, which is added to the first.
    """

    SAME = auto()
    CONJUGATE = auto()
    REAL = auto()
    HALF_REAL = auto()
    HALF = auto()
    ADDED = auto()


@dataclass(frozen=True)
class Stretch:
    """Consecutive items of the line that are consecutive indices of the whole, upwards or downwards.

    Attributes
    ----------
    item, index : int
        The first item, and its index.
    length : int
        The items.
    step : int
        From index to index: 1 or -1.
    rule : Rule
        How they go together.
    """

    item: int
    index: int
    length: int
    step: int = 1
    rule: Rule = Rule.SAME


@dataclass(frozen=True)
class Patch:
    """Items of a stretch that are a block of the matrix.

    Attributes
    ----------
    rule : Rule
        How they go together.
    item : int
        That of the block's first entry, counted from the first of its owner.
    steps : (int, int)
        Items from one slow index to the next, and from one fast index to the next.
    slow, fast : (int, int)
        Start and count of the indices of the matrix.
    """

    rule: Rule
    item: int
    steps: tuple[int, int]
    slow: tuple[int, int]
    fast: tuple[int, int]

    @property
    def size(self) -> int:
        """The entries."""
        return self.slow[1] * self.fast[1]


@dataclass(frozen=True)
class Places:
    """A line at one end of the transform, and the matrix whose entries its items are.

    Index ``fast + slow * width`` of the whole is the entry (slow, fast). Ranks own blocks of items and hold blocks of
    fast indices, as `block` divides them.

    Attributes
    ----------
    items : int
        Of the line.
    width : int
        The fast indices.
    fast : int
        How many of these the matrix has, the first ones.
    stretches : tuple of Stretch
        What the items are.
    ranks : int
        How many.
    """

    items: int
    width: int
    fast: int
    stretches: tuple[Stretch, ...]
    ranks: int

    def owned(self, rank: int) -> tuple[int, int]:
        """Start and count of a rank's items."""
        return block(self.items, self.ranks, rank)

    def held(self, rank: int) -> tuple[int, int]:
        """Start and count of a rank's fast indices."""
        return block(self.fast, self.ranks, rank)

    def patches(self, owner: int, holder: int, part: int = 0, parts: int = 1) -> list[Patch]:
        """What one rank owns and one holds, in an order that all know; or one of so many parts of what is held."""
        start, count = self.held(holder)
        first, last = [0, *evenly(count, parts)][part : part + 2]
        held = start + first, last - first
        return [patch for s in self.stretches for patch in self._patches(s, self.owned(owner), held)]

    def absent(self, holder: int, start: int, stop: int) -> list[Patch]:
        """The entries of some indices that no item stands for, of those that a rank holds."""
        return list(self._patches(Stretch(0, start, stop - start), (0, stop - start), self.held(holder)))

    def _patches(self, stretch: Stretch, owned: tuple[int, int], held: tuple[int, int]) -> Iterator[Patch]:
        """A stretch's part of what is owned and held: blocks of fast indices for which the slow ones are the same."""
        item, count = overlap((stretch.item, stretch.length), owned)
        if not count:
            return
        ends = (stretch.index + stretch.step * (i - stretch.item) for i in (item, item + count - 1))
        first, last = sorted(ends)
        stop, width = last + 1, self.width
        cuts = {x for x in (first % width, stop % width) if held[0] < x < sum(held)}
        for fast, end in itertools.pairwise(sorted({held[0], sum(held), *cuts})):
            start = first // width + (fast < first % width)
            slow = start, stop // width + (fast < stop % width) - start
            if slow[1] > 0:
                at = stretch.item + stretch.step * (fast + start * width - stretch.index) - owned[0]
                yield Patch(stretch.rule, at, (stretch.step * width, stretch.step), slow, (fast, end - fast))


def of_points(points: int, width: int, ranks: int) -> Places:
    """The points, row by row in a matrix of rows of `width`."""
    return Places(points, width, width, (Stretch(0, 0, points),), ranks)


def of_modes(modes: int, points: int, width: int, real: bool, ranks: int) -> Places:
    """The stored ones of `modes` modes of `points` points, column by column in a matrix of columns of `width`.

    Of real points the matrix has half of the columns' entries.
    """
    stretches = (_of_real if real else _of_complex)(modes, points)
    items, fast = (modes // 2 + 1, width // 2 + 1) if real else (modes, width)
    return Places(items, width, fast, tuple(s for s in stretches if s.length), ranks)


def gap(modes: int, points: int) -> tuple[int, int]:
    """Start and stop of the modes of the whole that are not kept."""
    return (modes // 2 + 1, points - modes // 2) if modes < points else (points, points)


def _of_complex(modes: int, points: int) -> list[Stretch]:
    """All modes in the order of numpy.fft.fft: low wave numbers, then negative ones."""
    if modes == points:
        return [Stretch(0, 0, modes)]
    half = modes // 2
    if modes % 2:
        return [Stretch(0, 0, half + 1), Stretch(half + 1, points - half, half)]
    nyquist = [Stretch(half, half, 1, 1, Rule.HALF), Stretch(half, points - half, 1, 1, Rule.ADDED)]
    return [Stretch(0, 0, half), Stretch(half + 1, points - half + 1, half - 1), *nyquist]


def _of_real(modes: int, points: int) -> list[Stretch]:
    """The modes 0..modes // 2, and the conjugates that stand for them at the negative wave numbers."""
    half = modes // 2
    inner = (modes - 1) // 2
    ends = [Stretch(0, 0, 1, 1, Rule.REAL)]
    if modes % 2 == 0:
        rule = Rule.REAL if modes == points else Rule.HALF_REAL
        ends += [Stretch(half, index, 1, 1, rule) for index in sorted({half, points - half})]
    return [Stretch(1, 1, inner), Stretch(1, points - 1, inner, -1, Rule.CONJUGATE), *ends]
