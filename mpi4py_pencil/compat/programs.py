"""Transforms whose stages are known to us, carried out by our own programs: sweeps and exchanges, both ways."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engines import default_engine, engine
from ..files.parts import ranks_of
from ..layout.pencil import Pencil
from ..layout.subcomm import Subcomm
from ..layout.way import Way
from ..plan.arguments import lines_of, scales
from ..plan.pipeline import Pipeline, Route
from ..plan.steps import Exchange, Step, Sweep
from ..plan.timing import Clock
from ..ranks.agreement import agreed, nothing
from ..ranks.calls import Calls
from ..sweep.tiles import Tiles
from ..transforms import Transform

Array = np.ndarray[Any, Any]
# What one stage computes between two redistributions, in the order of forward.
Stage = Sequence[Transform]

# Set to 0 it has every stage transformed by itself, whatever is known of it.
VARIABLE = "MPI4PY_PENCIL_COMPAT_FUSED"
# Bytes of the largest array that glibc learns from, a little less than 32 MiB.
_LARGEST = 31 << 20


def fused() -> bool:
    """Whether stages may be carried out by our own programs, as the environment says."""
    return os.environ.get(VARIABLE, "1") != "0"


def keep_freed_memory() -> None:
    """Have the C library keep what is freed for what is allocated next, as it does where FFTW has planned.

    glibc gives back memory beyond twice the largest mapped array that was freed so far (mallopt(3), on
    M_MMAP_THRESHOLD). FFTW's planner frees large ones, and a program that was measured with it relies on that: else the
    pages of each step's temporary arrays are taken and cleared again, which costs as much as the arithmetic.
    """
    np.empty(_LARGEST, np.uint8)


class Programs:
    """Both ways of a transform. They are made by the first call, which is collective over the ranks, as all are.

    Parameters
    ----------
    pencil : Pencil
        Of the points: of communicators of one grid.
    stages : sequence of Stage
        What is computed; before each but the first the alignment goes to the axis of its first transform.
    """

    def __init__(self, pencil: Pencil, stages: Sequence[Stage]) -> None:
        transforms = [each for stage in stages for each in stage]
        self._steps = steps_of(pencil, stages)
        self._scales = scales("forward", math.prod(each.size for each in transforms))
        self._lines = lines_of(transforms)

    @functools.cached_property
    def _made(self) -> tuple[Calls, tuple[Pipeline, Pipeline]]:
        """The pipelines. Collective."""
        comm = ranks_of(self._steps[0].before)
        name = default_engine(self._lines)
        tiles = [Tiles(engine(name), None, name == "vertical")]
        route = Route(comm, self._steps, "auto", tiles, None, self._scales, Clock())
        pipelines = agreed(comm, lambda: (route.pipeline(Way.FORWARD), route.pipeline(Way.BACKWARD)), nothing)
        return Calls(comm, "PFFT", comm), pipelines

    def __call__(self, way: Way, source: Array, target: Array, normalize: bool) -> None:
        """Transform `source` into `target`: arrays of this rank's block and the dtype of either side."""
        calls, pipelines = self._made
        with calls:
            pipelines[way](source, target, normalize)

    def close(self) -> None:
        """Give back their memory; the next call makes them again."""
        self.__dict__.pop("_made", None)


def described(subcomm: Any, shape: Sequence[int], axis: int) -> Pencil | None:
    """Our own pencil of arrays that communicators of one grid divide; None where they are of none. Local."""
    grid = Subcomm.of_lines(subcomm)
    return None if grid is None else Pencil(grid, shape, axis)


def steps_of(pencil: Pencil, stages: Sequence[Stage]) -> tuple[Step, ...]:
    """The steps of stages, of which each is aligned along the axis of its first transform.

    Raises
    ------
    ValueError
        Where a stage transforms an axis that is divided then.
    """
    steps: list[Step] = []
    for k, stage in enumerate(stages):
        axis = stage[0].axis
        if k:
            aligned = pencil.swapped(axis, stages[k - 1][0].axis)
            if pencil.sizes[axis] > 1:
                steps.append(Exchange(stage[0].input_dtype, pencil, aligned))
            pencil = aligned
        for transform in stage:
            if pencil.sizes[transform.axis] > 1:
                raise ValueError(f"axis {transform.axis} is divided where it is to be transformed with axis {axis}")
            before = pencil.with_axis(transform.axis, pencil.shape[transform.axis])
            pencil = before.with_axis(transform.axis, transform.length)
            steps.append(Sweep(transform, before, pencil))
    return tuple(steps)


def fitting(array: Any, like: Array, written: bool = False) -> Array | None:
    """An array as a plain one, if a program can take it in the place of `like`."""
    if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
        return None
    plain = np.asarray(array)
    fits = plain.shape == like.shape and plain.dtype == like.dtype and (plain.flags.writeable or not written)
    return plain if fits else None


def between(transform: Any, run: Callable[[Array, Array], None], input_array: Any, output_array: Any) -> Any:
    """Run a program between the arrays given, or the transform's own where there are none or they do not fit."""
    source, target = transform.input_array, transform.output_array
    both = input_array is not None and output_array is not None
    if input_array is not None:
        given = fitting(input_array, source) if both else None
        if given is None:
            source[...] = input_array
        else:
            source = given
    if output_array is None:
        run(source, target)
        return target
    direct = fitting(output_array, target, written=True) if both else None
    run(source, target if direct is None else direct)
    if direct is None:
        output_array[...] = target
    return output_array
