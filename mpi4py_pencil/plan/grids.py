"""The choice of the grid: the processes along each axis."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ..layout.partition import largest_block
from .steps import Groups, alignments


def choose_grid(shape: Sequence[int], groups: Groups, size: int) -> tuple[int, ...]:
    """The processes along each axis that let `size` ranks transform an array of `shape` in the least time.

    The first of `ranked_grids`.

    Raises
    ------
    ValueError
        Where there are several ranks and no other axes to divide among them.
    """
    possible = ranked_grids(shape, groups, size)
    if not possible:
        hint = "; FFT1D divides one axis" if len(shape) == 1 else ""
        raise ValueError(
            f"shape {tuple(shape)} has no axis to divide among {size} ranks: "
            f"{tuple(groups[-1])} must stay undivided{hint}"
        )
    return possible[0]


def ranked_grids(shape: Sequence[int], groups: Groups, size: int) -> list[tuple[int, ...]]:
    """The grids on which `size` ranks can transform an array of `shape`, what should be fastest first.

    Time is counted in points that the busiest rank touches: every sweep and every exchange touches all of its block.
    The last of `groups` is transformed first and stays undivided. Of equal grids that which divides earlier axes wins.
    """
    possible = [(cost, dims) for dims in _grids(len(shape), groups[-1], size) if (cost := _cost(shape, groups, dims))]
    return [dims for _, dims in sorted(possible, key=lambda each: (each[0], tuple(-d for d in each[1])))]


def _cost(shape: Sequence[int], groups: Groups, dims: tuple[int, ...]) -> int | None:
    """The points that the busiest rank touches; None where the grid does not let all groups be undivided."""
    grid = list(dims)
    points = 0
    try:
        for axis, other in alignments(dims, groups):
            if other is not None:
                points += math.prod(largest_block(shape, grid))
                grid[axis], grid[other] = grid[other], grid[axis]
            points += math.prod(largest_block(shape, grid))
    except ValueError:
        return None
    return points


def _grids(ndim: int, undivided: Sequence[int], size: int) -> Iterator[tuple[int, ...]]:
    """Every way to write `size` as a product of `ndim` factors of which those at `undivided` are 1."""
    divisors = [factor for factor in range(1, size + 1) if size % factor == 0]

    def extend(dims: tuple[int, ...], rest: int) -> Iterator[tuple[int, ...]]:
        axis = len(dims)
        if axis == ndim:
            if rest == 1:
                yield dims
        elif axis in undivided:
            yield from extend((*dims, 1), rest)
        else:
            for factor in divisors:
                if rest % factor == 0:
                    yield from extend((*dims, factor), rest // factor)

    return extend((), size)
