"""The plan of a parallel transform: which sweeps and exchanges, over which pencils. Decides; moves nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .partition import largest_block
from .pencil import Pencil
from .transforms import Transform


@dataclass(frozen=True)
class Sweep:
    """A step that transforms along one axis; `before` and `after` differ in that axis' length at the most."""

    transform: Transform
    before: Pencil
    after: Pencil


@dataclass(frozen=True)
class Exchange:
    """A step that brings an array of `dtype` from one pencil to another."""

    dtype: np.dtype[Any]
    before: Pencil
    after: Pencil


Step = Sweep | Exchange


def steps(pencil: Pencil, transforms: Sequence[Transform]) -> tuple[Step, ...]:
    """The steps of a forward transform that starts from `pencil`; backward takes them from the end to the start.

    Where an axis is divided, an exchange comes first that divides the axis transformed last in its place.

    Parameters
    ----------
    pencil : Pencil
        Of the input, aligned along the first transform's axis.
    transforms : sequence of Transform
        In the order in which forward carries them out.
    """
    result: list[Step] = []
    for transform in transforms:
        if pencil.sizes[transform.axis] > 1:
            aligned = pencil.pencil(transform.axis)
            result.append(Exchange(transform.input_dtype, pencil, aligned))
        else:
            aligned = Pencil(pencil.subcomm, pencil.shape, transform.axis)
        shape = list(aligned.shape)
        shape[transform.axis] = transform.length
        pencil = Pencil(aligned.subcomm, shape, transform.axis)
        result.append(Sweep(transform, aligned, pencil))
    return tuple(result)


def choose_grid(shape: Sequence[int], axes: Sequence[int], size: int) -> tuple[int, ...]:
    """The processes along each axis that let `size` ranks transform `axes` of an array of `shape` in the least time.

    The first of `ranked_grids`.

    Raises
    ------
    ValueError
        Where there are several ranks and no other axis to divide among them.
    """
    if len(shape) == 1 and size > 1:
        raise ValueError(f"shape {tuple(shape)} has no axis to divide among {size} ranks: its one is transformed")
    return ranked_grids(shape, axes, size)[0]


def ranked_grids(shape: Sequence[int], axes: Sequence[int], size: int) -> list[tuple[int, ...]]:
    """The grids on which `size` ranks can transform `axes` of an array of `shape`, what should be fastest first.

    Time is counted in points that the busiest rank touches: every sweep and every exchange touches all of its block.
    The last of `axes` is transformed first and stays undivided. Of equal grids the one that divides earlier axes wins.
    """

    def cost(dims: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
        grid = list(dims)
        points = 0
        last = axes[-1]
        for axis in reversed(axes):
            if grid[axis] > 1:
                points += math.prod(largest_block(shape, grid))
                grid[axis], grid[last] = grid[last], grid[axis]
            points += math.prod(largest_block(shape, grid))
            last = axis
        return points, tuple(-d for d in dims)

    return sorted(_grids(len(shape), axes[-1], size), key=cost)


def _grids(ndim: int, undivided: int, size: int) -> Iterator[tuple[int, ...]]:
    """Every way to write `size` as a product of `ndim` factors of which that at `undivided` is 1."""

    def extend(dims: tuple[int, ...], rest: int) -> Iterator[tuple[int, ...]]:
        axis = len(dims)
        if axis == ndim:
            if rest == 1:
                yield dims
        elif axis == undivided:
            yield from extend((*dims, 1), rest)
        else:
            for factor in range(1, rest + 1):
                if rest % factor == 0:
                    yield from extend((*dims, factor), rest // factor)

    return extend((), size)
