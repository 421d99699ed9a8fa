"""Modes in, modes out, and between them a function of points that are never all there at once.

Backward's last pass, the function and forward's first pass are one pass. Functions of modes may stand at both ends:
what backward's first sweep reads is made tile by tile, and what forward's last sweep writes is worked on while it is
there. With truncation they go over all modes of the block, of which the sweeps know but a part, and so by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import numpy as np

from .._kernels import ABSOLUTE, SOURCE, TARGET
from ..exchange import Placed
from ..layout.arrays import address, cut, natural, offset, overlap
from ..layout.boxes import Spread
from ..layout.way import Way
from ..sweep.instruction import Instruction
from ..sweep.tiles import Strides, Tiles
from .fused import Apply, Compiled, FusedPass, Half
from .leg import DirectedSweep, Side, Stretch
from .passes import Pass
from .pipeline import Route, directed
from .program import Program, Sweeping, chained
from .timing import SWEEP, Clock

Array = np.ndarray[Any, Any]
Slices = tuple[slice, ...]
Components = tuple[int, ...]
# Of a pass or a stretch of it.
Instructions = Callable[[Stretch | None], list[Instruction]]


@dataclass(frozen=True)
class Functions:
    """What is applied: to points, and to modes at both ends, if anything.

    Attributes
    ----------
    middle : callable or Compiled
        Called with the tile's place in the block of points, the points of all inputs, and room for all outputs.
    before : callable or None
        Called with the tile's place in the block of modes, the caller's modes there, and room for those of all inputs.
    after : callable or None
        Called with the tile's place, the modes of all outputs, and the caller's output there.
    """

    middle: Apply | Compiled
    before: Apply | None = None
    after: Apply | None = None


@dataclass
class _Call:
    """The caller's arrays, while a call is under way."""

    source: Array = field(default_factory=lambda: np.empty(0))
    target: Array = field(default_factory=lambda: np.empty(0))


class Product:
    """A program from modes through a function of points to modes.

    Local; its calls are collective over the ranks of the routes.

    Parameters
    ----------
    routes : pair of Route
        Of the inputs, backward, and of the outputs, forward; they share no memory.
    components : pair of tuple of int
        The component axes of inputs and outputs.
    scales : pair of longdouble
        What backward multiplies with, and forward.
    functions : Functions
        What is applied.
    tiles : sequence of Tiles
        For each thread.
    pool : ThreadPoolExecutor or None
        The threads beside the calling one.
    clock : Clock
        What is reported to.
    """

    def __init__(
        self,
        routes: tuple[Route, Route],
        components: tuple[Components, Components],
        scales: tuple[np.longdouble, np.longdouble],
        functions: Functions,
        tiles: Sequence[Tiles],
        pool: ThreadPoolExecutor | None,
        clock: Clock,
    ) -> None:
        self._back, self._forth = routes
        self._components = components
        self._scales = scales
        self._functions = functions
        self._tiles = tiles
        self._pool = pool
        self._clock = clock
        self._call = _Call()
        # whether backward, and forward, has but one pass
        self._single = tuple(len(route.trips) == 1 for route in routes)
        # where one pass is all there is, or modes are left out, what functions of modes make, or are given, lies in
        # arrays of its own
        last = self._back.trips[-1].sweeps[-1]
        truncated = any(kept is not None for kept in last.after.kept)
        modes, dtype = self._modes(), last.transform.dtype
        wanted = (functions.before, functions.after)
        self._between = [
            np.empty((*part, *modes), dtype) if (single or truncated) and function else None
            for part, function, single in zip(components, wanted, self._single, strict=True)
        ]
        self._programs: dict[tuple[Strides, Strides], Program] = {}

    @property
    def held(self) -> int:
        """The bytes of arrays that stand between functions of modes and sweeps."""
        return sum(array.nbytes for array in self._between if array is not None)

    def prepared(self, source: Array, target: Array) -> tuple[Array, Program]:
        """What the input is taken from, and the program between it and the output. Local."""
        if self._single[1]:
            source = self._apart(source, target)
        first, last = self._swept_arrays(source, target)
        key = first.strides, last.strides
        if key not in self._programs:
            self._programs.clear()
            self._programs[key] = self._compiled(*key)
        return source, self._programs[key]

    def run(self, program: Program, source: Array, target: Array) -> None:
        """Go from modes to modes. Collective; whether all could do it is to be agreed on afterwards."""
        self._call.source, self._call.target = np.asarray(source).view(), np.asarray(target)
        self._call.source.flags.writeable = False
        try:
            first, last = self._swept_arrays(source, target)
            program(first, last, normalize=False, agreed=True)
        finally:
            self._call.source = self._call.target = np.empty(0)

    def _apart(self, source: Array, target: Array) -> Array:
        """The input where the output is written by the middle pass: of one and the same every plane is read first."""
        side, between = self._forth.sides(Way.FORWARD)[-1][1], self._between[1]
        if isinstance(side, Spread) and side.gaps and between is not None:
            between[...] = 0
        elif isinstance(side, Spread) and side.gaps:
            source = source.copy()  # it may be the output
            target[...] = 0
        same = (address(source), source.strides, source.shape) == (address(target), target.strides, target.shape)
        return source.copy() if all(self._single) and not same and overlap(source, target) else source

    def _swept_arrays(self, source: Array, target: Array) -> tuple[Array, Array]:
        """What the first sweep reads and the last writes: the caller's arrays, or what functions of modes work on."""
        first, last = (None if single else each for single, each in zip(self._single, self._between, strict=True))
        return source if first is None else first, target if last is None else last

    def _modes(self) -> tuple[int, ...]:
        """The shape of a block of modes, as the caller has it."""
        last = self._forth.trips[-1].sweeps[-1].after.full()
        return last.subshape[len(self._components[1]) :]

    def _compiled(self, source: Strides, target: Strides) -> Program:
        """The program for arrays with these strides."""
        exchanges = [*self._back.exchanges(Way.BACKWARD), *self._forth.exchanges(Way.FORWARD)]
        return Program("product", chained(self._passes(source, target), exchanges), self._clock)

    def _passes(self, source: Strides, target: Strides) -> list[Sweeping]:
        """The passes: what lies between exchanges."""
        back, forth = self._back.legs(Way.BACKWARD, self._pair(0)), self._forth.legs(Way.FORWARD, self._pair(1))
        start = None if self._functions.before is None else self._start(self._functions.before)
        end = None if self._functions.after is None else self._end(self._functions.after)
        listed: list[Sweeping] = []
        for k, leg in enumerate(back[:-1]):
            made: Instructions = partial(leg.instructions, source if k == 0 else None, None)
            if k == 0 and start is not None:
                made = start if self._between[0] is None else _in_turn(start, made, None, leg.extents)
            listed.append((f"backward {leg.name}", SWEEP, made))
        listed.append(("function", SWEEP, self._middle(source, target, start, end)))
        last = len(forth) - 1
        for k, leg in enumerate(forth[1:], 1):
            made = partial(leg.instructions, None, target if k == last else None)
            if k == last and end is not None:
                made = end if self._between[1] is None else _in_turn(None, made, end, leg.extents)
            listed.append((f"forward {leg.name}", SWEEP, made))
        return listed

    def _pair(self, side: int) -> tuple[np.longdouble, np.longdouble]:
        """The scale of a direction, whatever a call asks for."""
        return self._scales[side], self._scales[side]

    def _middle(
        self, source: Strides, target: Strides, start: Instructions | None, end: Instructions | None
    ) -> Instructions:
        """Backward's last pass, the function, and forward's first; and the functions of modes where these are all."""
        inward, outward = self._back.trips[0], self._forth.trips[0]
        (read, _), (_, written) = self._back.sides(Way.BACKWARD)[-1], self._forth.sides(Way.FORWARD)[0]
        theirs: list[tuple[Side, int, Strides]] = [(read, SOURCE, source), (written, TARGET, target)]
        ends: list[tuple[Side, int, Strides | None]] = []
        for (side, place, steps), single, array in zip(theirs, self._single, self._between, strict=True):
            if single and array is not None:
                ends.append((_lying(cast("Spread", side), array), ABSOLUTE, None))
            else:
                ends.append((side, place, steps) if single else (side, ABSOLUTE, None))
        dtype = outward.sweeps[0].transform.input_dtype
        shape = outward.sweeps[0].before.subshape[len(self._components[1]) :]
        scales = [self._scales[0], self._scales[1] if self._single[1] else np.longdouble(1)]
        halves = [
            Half(components, dtype, _swept(trip, way, len(components)), side, place, array_strides, scale)
            for components, trip, way, (side, place, array_strides), scale in zip(
                self._components, (inward, outward), (Way.BACKWARD, Way.FORWARD), ends, scales, strict=True
            )
        ]
        fused = FusedPass(shape, (halves[0], halves[1]), self._tiles, self._pool)
        first, last = start if self._single[0] else None, end if self._single[1] else None

        return _in_turn(first, partial(fused.instructions, self._functions.middle), last, shape)

    def _start(self, before: Apply) -> Instructions:
        """The function of modes before, and backward's first pass, where nothing lies between."""
        call, between = self._call, self._between[0]

        def apply(at: Slices, _: Array, out: Array) -> None:
            before(at, cut(call.source, at), out if between is None else cut(between, at))

        trip, components = self._back.trips[-1], self._components[0]
        dtype = trip.sweeps[-1].transform.dtype
        half = Half(components, dtype)
        if between is None:
            written = self._back.sides(Way.BACKWARD)[0][1]
            half = Half(components, dtype, _swept(trip, Way.BACKWARD, len(components)), written)
        fused = FusedPass(self._modes(), (Half((), dtype), half), self._tiles, self._pool)
        return partial(fused.instructions, apply)

    def _end(self, after: Apply) -> Instructions:
        """Forward's last pass, where nothing lies between, and the function of modes after."""
        call, between = self._call, self._between[1]

        def apply(at: Slices, x: Array, _: Array) -> None:
            after(at, x if between is None else cut(between, at), cut(call.target, at))

        trip, components = self._forth.trips[-1], self._components[1]
        dtype = trip.sweeps[-1].transform.dtype
        half = Half(components, dtype)
        if between is None:
            read = self._forth.sides(Way.FORWARD)[-1][0]
            swept = _swept(trip, Way.FORWARD, len(components))
            half = Half(components, dtype, swept, read, scale=self._scales[1])
        fused = FusedPass(self._modes(), (half, Half((), dtype)), self._tiles, self._pool)
        return partial(fused.instructions, apply)


def _in_turn(
    first: Instructions | None, sweep: Instructions, last: Instructions | None, extents: Sequence[int]
) -> Instructions:
    """A pass, whose stretches have something before them all, or after."""

    def instructions(stretch: Stretch | None) -> list[Instruction]:
        begins, ends = stretch is None or stretch[1] == 0, stretch is None or stretch[2] == extents[stretch[0]]
        return [
            *(first(None) if first and begins else ()),
            *sweep(stretch),
            *(last(None) if last and ends else ()),
        ]

    return instructions


def _swept(trip: Pass, way: Way, rank: int) -> tuple[DirectedSweep, ...]:
    """The sweeps of a pass on one way, of arrays without their component axes."""
    found = []
    for step in way.order(trip.sweeps):
        sweep = directed(step, way, adjoint=False)
        found.append(DirectedSweep(sweep.axis - rank, sweep.line, sweep.extents[rank:]))
    return tuple(found)


def _lying(side: Spread, array: Array) -> list[Placed]:
    """The boxes of a block in an array."""
    at, steps = address(array), natural(array.shape, array.itemsize)
    return [Placed(box, at + offset(start, steps), steps) for box, start in side.blocks]
