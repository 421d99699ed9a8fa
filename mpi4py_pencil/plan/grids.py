"""The choice of the grid: the processes along each axis."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ..layout.partition import largest_block
from .steps import Groups, alignments

# What a point that leaves its node costs, and what a message does, in points that a sweep touches. A node of 128 ranks
# with 300 GB/s of memory and a network card of 25 GB/s moves a complex point through memory in 14 ns and to another
# node in 82; a message takes about a microsecond.
LEAVING, MESSAGE = 6, 64


def choose_grid(shape: Sequence[int], groups: Groups, size: int, per_node: int | None = None) -> tuple[int, ...]:
    """The processes along each axis that let `size` ranks transform an array of `shape` in the least time.

    The first of `ranked_grids`.

    Raises
    ------
    ValueError
        Where there are several ranks and no other axes to divide among them.
    """
    possible = ranked_grids(shape, groups, size, per_node)
    if not possible:
        hint = "; FFT1D divides one axis" if len(shape) == 1 else ""
        raise ValueError(
            f"shape {tuple(shape)} has no axis to divide among {size} ranks: "
            f"{tuple(groups[-1])} must stay undivided{hint}"
        )
    return possible[0]


def ranked_grids(shape: Sequence[int], groups: Groups, size: int, per_node: int | None = None) -> list[tuple[int, ...]]:
    """The grids on which `size` ranks can transform an array of `shape`, what should be fastest first.

    Time is counted in points that the busiest rank touches: every sweep and every exchange touches all of its block.
    Where so many consecutive ranks share a node and there are several nodes, points that leave it and messages to
    others count too. The last of `groups` is transformed first and stays undivided. Of equal grids that which divides
    earlier axes wins.
    """
    nodes = per_node if per_node is not None and per_node < size else None
    grids = _grids(len(shape), groups[-1], size)
    possible = [(cost, dims) for dims in grids if (cost := _cost(shape, groups, dims, nodes))]
    return [dims for _, dims in sorted(possible, key=lambda each: (each[0], tuple(-d for d in each[1])))]


def _cost(shape: Sequence[int], groups: Groups, dims: tuple[int, ...], per_node: int | None) -> float | None:
    """What a grid costs, in points; None where it does not let all groups be undivided."""
    grid = list(dims)
    order = list(range(len(dims)))  # for each axis the dimension of the grid that divides it
    points = 0.0
    try:
        for axis, other in alignments(dims, groups):
            if other is not None:
                block = math.prod(largest_block(shape, grid))
                points += block
                if per_node is not None:
                    points += _between_nodes(block, dims, order[axis], per_node)
                grid[axis], grid[other] = grid[other], grid[axis]
                order[axis], order[other] = order[other], order[axis]
            points += math.prod(largest_block(shape, grid))
    except ValueError:
        return None
    return points


def _between_nodes(block: int, dims: Sequence[int], dimension: int, per_node: int) -> float:
    """What it costs that an exchange of a block along a dimension of the grid leaves the node.

    Neighbours along the dimension are as many ranks apart as the later dimensions have together. Where neither nodes
    nor groups of peers are made of whole ones of the other, some group has no more on a node than their divisor.
    """
    peers, apart = dims[dimension], math.prod(dims[dimension + 1 :])
    near = max(1, math.gcd(peers * apart, per_node) // apart)
    return LEAVING * block * (peers - near) / peers + MESSAGE * (peers - near)


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
