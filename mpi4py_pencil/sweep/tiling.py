"""The loops of a sweep: which axes the lines of a tile lie side by side along, and how many it takes of each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from .tiles import Strides


@dataclass(frozen=True)
class Loops:
    """How tiles go through the local array.

    Attributes
    ----------
    column, batch : int or None
        The axes along which the lines of a tile lie side by side; None where there is none.
    columns, batches : (int, int)
        Extents of the two, and how much of each a tile holds.
    outer : tuple of int
        The axes stepped through from tile to tile, the first slowest.
    """

    column: int | None
    batch: int | None
    columns: tuple[int, int]
    batches: tuple[int, int]
    outer: tuple[int, ...]


def tiling(
    extents: Sequence[int],
    axis: int,
    source: Strides,
    target: Strides,
    widths: Sequence[int],
    rows: int,
    unit: int,
    outer: Sequence[int] | None,
) -> Loops:
    """Choose the loops of a sweep, so that both sides are read and written in runs of whole cache lines.

    The columns go along the axis that is contiguous in the target, or else in the source; where these are two different
    axes and the lines contiguous on neither side, the tile is a block of both.
    """
    free = [k for k in range(len(extents)) if k != axis and k not in (outer or ()) and extents[k] > 1]
    free.sort(key=lambda k: abs(target[k]))
    by_source = sorted(free, key=lambda k: abs(source[k]))
    transposing = [width for width, strides in zip(widths, (source, target), strict=True) if strides[axis] != width]
    if target[axis] == widths[1] or not free:
        order = by_source
    else:
        order = [free[0], *(k for k in by_source if k != free[0])]
    column, batch = (order + [None, None])[:2]
    columns = batches = (1, 1)
    if column is not None:
        most = rows if len(transposing) < 2 or column == by_source[0] else max(unit, math.isqrt(rows))
        columns = (extents[column], even_step(extents[column], most, unit))
    if batch is not None:
        batches = (extents[batch], even_step(extents[batch], max(1, rows // columns[1]), 1))
    rest = sorted((k for k in free if k not in (column, batch)), key=lambda k: -abs(target[k]))
    return Loops(column, batch, columns, batches, tuple(outer if outer is not None else rest))


def merged(extents: Sequence[int], axis: int, sides: Sequence[Strides]) -> list[int]:
    """Extents of the same array where an axis that goes on, on all sides, where another ends is made part of that."""
    sizes = list(extents)
    for inner, outer in itertools.permutations((k for k in range(len(sizes)) if k != axis), 2):
        if sizes[outer] > 1 < sizes[inner] and all(s[outer] == s[inner] * sizes[inner] for s in sides):
            sizes[inner] *= sizes[outer]
            sizes[outer] = 1
            return merged(sizes, axis, sides)
    return sizes


def even_step(extent: int, most: int, unit: int) -> int:
    """A step of about `most` at the most that cuts `extent` into parts, in whole units unless it is all of it.

    One that leaves no smaller part at the end, if there is one above half of `most`; else parts as even as can be.
    """
    if extent <= most:
        return extent
    for step in range(most // unit * unit, most // 2, -unit):
        if extent % step == 0:
            return step
    parts = -(-extent // max(1, most))
    return min(extent, -(-extent // parts // unit) * unit)
