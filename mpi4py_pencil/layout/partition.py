"""Who owns which indices along one axis: arithmetic on integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


def block(n: int, parts: int, index: int) -> tuple[int, int]:
    """Start and size of the part `index` of `n` indices split into `parts` blocks.

    The blocks follow each other and differ in size by one at the most, the larger ones first; with more parts than
    indices the last blocks are empty.
    """
    size, rest = divmod(n, parts)
    return index * size + min(index, rest), size + (index < rest)


@dataclass(frozen=True)
class Kept:
    """The indices at both ends of an axis, where those between are left out.

    Attributes
    ----------
    length : int
        Of the axis.
    low, high : int
        How many indices are kept from its start, and at its end.
    """

    length: int
    low: int
    high: int

    def block(self, parts: int, index: int) -> tuple[int, int]:
        """Start and size, counted in the kept indices, of those in the part `index` of the axis."""
        start, size = block(self.length, parts, index)
        return self._before(start), self._before(start + size) - self._before(start)

    def _before(self, index: int) -> int:
        """How many indices before this one are kept."""
        return min(index, self.low) + max(0, index - (self.length - self.high))

    def runs(self, start: int, size: int) -> list[tuple[int, int, int]]:
        """The kept of `size` indices from `start`, as runs: place among these kept ones, place from `start`, length."""
        low = overlap((start, size), (0, self.low))
        high = overlap((start, size), (self.length - self.high, self.high))
        runs = [(0, low[0] - start, low[1]), (low[1], high[0] - start, high[1])]
        return [run for run in runs if run[2]]


def largest_block(shape: Sequence[int], sizes: Sequence[int]) -> tuple[int, ...]:
    """Shape of the largest block of an array that is split into `sizes` parts along each axis."""
    return tuple(-(-n // parts) for n, parts in zip(shape, sizes, strict=True))


def overlap(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    """Start and size of what two runs (start, size) share; the size is 0 where they share nothing."""
    start = max(a[0], b[0])
    return start, max(0, min(a[0] + a[1], b[0] + b[1]) - start)
