"""A plan over real memory: its sweeps bound to outboxes and inboxes, ready to run any number of times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mpi4py import MPI

from . import _kernels
from .arrays import address, keep, overlap
from .exchange import Exchange, Local, Memory, chosen_method, open_exchange, segment_bytes
from .exchange.layout import Placed, pieces
from .partition import largest_block, strides
from .pencil import Box, boxes
from .plan import Exchange as ExchangeStep
from .plan import Step, Sweep
from .sweep import CACHED_BYTES, Piece, Tiles, aligned_bytes, apart, make, whole
from .transforms import Line

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Pass:
    """One trip through memory: a sweep, or two that follow each other over planes which stay in cache.

    Attributes
    ----------
    sweeps : tuple of Sweep
        One or two, in the order of the forward transform.
    outer : tuple of int or None
        With two sweeps, the axes that count the planes.
    exchange : Exchange step or None
        What comes after it on the way forward; None at the end, and where the next pass goes on with the same block.
    """

    sweeps: tuple[Sweep, ...]
    outer: tuple[int, ...] | None
    exchange: ExchangeStep | None


def passes(steps: Sequence[Step]) -> list[Pass]:
    """Group the steps of a plan into trips through memory."""
    result: list[Pass] = []
    sweeps: list[Sweep] = []
    for step in (*steps, None):
        if isinstance(step, Sweep):
            sweeps.append(step)
            continue
        while sweeps:
            first = sweeps.pop(0)
            outer = _planes(first, sweeps[0]) if sweeps else None
            pair = (first,) if outer is None else (first, sweeps.pop(0))
            result.append(Pass(pair, outer, None if sweeps else step))
    return result


def _planes(first: Sweep, second: Sweep) -> tuple[int, ...] | None:
    """The axes that count the planes of two sweeps worth running plane by plane: those not in cache altogether.

    The largest block decides: the order of the axes in the boxes hangs on it, and must be the same on every rank.
    """
    lines = (first.transform.axis, second.transform.axis)
    outer = tuple(k for k in range(len(first.after.shape)) if k not in lines)
    largest = largest_block(first.after.shape, first.after.sizes)
    planes = math.prod(largest[k] for k in outer)
    return outer if planes > 1 and _local_bytes(largest, first.transform.dtype) > CACHED_BYTES else None


def _local_bytes(shape: Sequence[int], dtype: np.dtype[Any]) -> int:
    """Bytes of a local block."""
    return math.prod(shape) * dtype.itemsize


class Leg:
    """A pass in one direction, bound to the memory on both sides of it.

    Parameters
    ----------
    sweeps : sequence of (axis, Line, extents)
        One or two, in the order in which they run.
    outer : tuple of int or None
        With two sweeps, the axes that count the planes.
    before, after : Exchange or None
        What the first reads and the last writes; None where that is the caller's array.
    tiles : Tiles
        Where the tiles come from.
    scale : longdouble
        What the last sweep multiplies with where it is asked to normalise.
    """

    def __init__(
        self,
        sweeps: Sequence[tuple[int, Line, tuple[int, ...]]],
        outer: tuple[int, ...] | None,
        before: Exchange | None,
        after: Exchange | None,
        tiles: Tiles,
        scale: np.longdouble,
    ) -> None:
        self._sweeps = sweeps
        self._outer = outer
        self.before, self.after = before, after
        self._tiles = tiles
        self._scale = scale
        self._bound: dict[tuple[tuple[int, ...] | None, ...], tuple[_kernels.Sweep, ...]] = {}
        axis, line, extents = sweeps[-1]
        target = [n for k, n in enumerate(extents) if k != axis]
        self._empty = 0 in target
        self._stream = math.prod(target) * line.lengths[1] * line.dtypes[1].itemsize > CACHED_BYTES
        if self._empty:
            return
        if outer is not None:
            self._make_plane(outer)
        self._bind(*(None if box else self._natural(side) for side, box in enumerate((before, after))))

    def _natural(self, side: int) -> tuple[int, ...]:
        """The strides of an ordinary array before or after the pass."""
        _, line, extents = self._sweeps[-side]
        shape = list(extents)
        for k, sweep, _ in self._sweeps:
            shape[k] = sweep.extent(side)
        return strides(tuple(shape), tuple(range(len(shape))), line.dtypes[side].itemsize)

    def _make_plane(self, outer: tuple[int, ...]) -> None:
        """Memory for as many planes as stay in cache, the axis of the second sweep contiguous."""
        axis, line, extents = self._sweeps[0]
        second = self._sweeps[1][0]
        shape = list(extents)
        shape[axis] = line.extent(1)
        order = (*outer, axis, second)
        self._plane_strides = strides(tuple(shape), order, line.dtypes[1].itemsize, apart)
        self._plane_bytes = self._plane_strides[axis] * shape[axis]
        self._plane_sides = [whole(shape[k], self._plane_strides) for k in (axis, second)]
        self._planes = max(1, CACHED_BYTES // 2 // self._plane_bytes)
        self._plane = aligned_bytes(self._planes * self._plane_bytes)
        self._plane_at = self._plane.ctypes.data

    def run(self, source: Array | None, target: Array | None, normalize: bool) -> None:
        """Carry out the pass; an array on each side that is the caller's."""
        if self._empty:
            return
        key = (None if source is None else source.strides, None if target is None else target.strides)
        kernels = self._bound.get(key) or self._bind(*key)
        at, to = (0 if array is None else address(array) for array in (source, target))
        if len(kernels) == 1:
            kernels[0].run(at, to, 0, kernels[0].count, normalize)
            return
        first, second = kernels
        for start in range(0, first.count, self._planes):
            stop = min(start + self._planes, first.count)
            plane = self._plane_at - start * self._plane_bytes
            first.run(at, plane, start, stop, False)
            second.run(plane, to, start, stop, normalize)

    def _bind(self, source: tuple[int, ...] | None, target: tuple[int, ...] | None) -> tuple[_kernels.Sweep, ...]:
        """The kernels for arrays of the caller with these strides."""
        first, last = self._sweeps[0], self._sweeps[-1]
        begin = _pieces(source, self.before.inbox if self.before else [], *first[:2], 0)
        end = _pieces(target, self.after.outbox if self.after else [], *last[:2], 1)
        sides = [begin, end]
        if len(self._sweeps) == 2:
            sides = [begin, *self._plane_sides, end]
        streams = [False] * (len(self._sweeps) - 1) + [self._stream]
        scales = [np.longdouble(1)] * (len(self._sweeps) - 1) + [self._scale]
        kernels = tuple(
            make(self._tiles, *sweep, sides[2 * k], sides[2 * k + 1], scale, self._outer, stream)
            for k, (sweep, scale, stream) in enumerate(zip(self._sweeps, scales, streams, strict=True))
        )
        return keep(self._bound, (source, target), kernels, 16)


def _pieces(array: tuple[int, ...] | None, placed: list[Placed], axis: int, line: Line, side: int) -> tuple[Piece, ...]:
    """One side of a pass: the caller's array with the given strides, or boxes."""
    if array is not None:
        return whole(line.extent(side), array)
    return pieces(placed, axis)


class Pipeline:
    """The passes of one direction in a row."""

    def __init__(self, legs: Sequence[Leg]) -> None:
        self._legs = legs

    @property
    def methods(self) -> list[str]:
        """The method of each exchange, in the order of this direction."""
        between = [leg.after.method for leg in self._legs if leg.after is not None]
        return [method for method in between if method != "local"]

    def __call__(self, source: Array, target: Array, normalize: bool) -> None:
        """Transform `source` into `target`. Collective over the ranks of the plan."""
        last = len(self._legs) - 1
        if last == 0 and overlap(source, target):
            source = source.copy()
        for k, leg in enumerate(self._legs):
            if leg.after is not None:
                leg.after.claim()
            leg.run(source if k == 0 else None, target if k == last else None, normalize and k == last)
            if leg.before is not None:
                leg.before.release()
            if leg.after is not None:
                leg.after.deliver()


def build(comm: MPI.Intracomm, steps: Sequence[Step], method: str, tiles: Tiles) -> tuple[Pipeline, Pipeline]:
    """The forward and the backward pipeline of a plan. Collective over `comm`, the ranks of the plan.

    The scale of both is one over the product of the transforms' points.
    """
    trips = passes(steps)
    between = _open(comm, trips, method)
    points = math.prod(sweep.transform.points for trip in trips for sweep in trip.sweeps)
    scale = 1 / np.longdouble(points)
    ends = [None, *between, None]
    forward = [
        _leg(trip, True, before and before[0], after and after[0], tiles, scale)
        for trip, before, after in zip(trips, ends, ends[1:], strict=False)
    ]
    backward = [
        _leg(trip, False, after and after[1], before and before[1], tiles, scale)
        for trip, before, after in zip(trips, ends, ends[1:], strict=False)
    ]
    return Pipeline(forward), Pipeline(backward[::-1])


def _leg(
    trip: Pass, forward: bool, before: Exchange | None, after: Exchange | None, tiles: Tiles, scale: np.longdouble
) -> Leg:
    """A pass in one direction."""
    sweeps = [
        (s.transform.axis, s.transform.line(forward), (s.before if forward else s.after).subshape) for s in trip.sweeps
    ]
    return Leg(sweeps if forward else sweeps[::-1], trip.outer, before, after, tiles, scale)


def _open(comm: MPI.Intracomm, trips: Sequence[Pass], method: str) -> list[tuple[Exchange, Exchange]]:
    """What lies between the passes, in both directions. Collective over `comm`."""
    moved = [None if t.exchange is None else boxes(t.exchange.before, t.exchange.after) for t in trips[:-1]]
    blocks = [(trip.sweeps[-1].after.subshape, trip.sweeps[-1].transform.dtype) for trip in trips[:-1]]
    needed = [
        segment_bytes(parts, dtype.itemsize) if parts else _local_bytes(shape, dtype)
        for parts, (shape, dtype) in zip(moved, blocks, strict=True)
    ]
    memory = Memory(max(needed, default=0))
    between: list[tuple[Exchange, Exchange]] = []
    for turn, (parts, (shape, dtype)) in enumerate(zip(moved, blocks, strict=True)):
        memory.turn = turn
        order = _order(trips[turn], trips[turn + 1])
        exchange = trips[turn].exchange
        if parts is None or exchange is None:
            here = Local(Box((0,) * len(shape), shape), dtype.itemsize, order, memory)
            between.append((here, here))
        else:
            chosen = chosen_method(comm, method, parts, dtype.itemsize)
            shapes = (exchange.before.subshape, exchange.after.subshape)
            between.append(open_exchange(chosen, parts, shapes, dtype.itemsize, order, memory))
    return between


def _order(trip: Pass, after: Pass) -> tuple[int, ...]:
    """The order of the axes in memory between two passes, the outermost first.

    The axis of the next sweep comes last, so that it finds its lines contiguous; but where the pass before goes through
    that very axis plane by plane it could only write single points then, and the order stays natural.
    """
    axis = after.sweeps[0].transform.axis
    natural = tuple(range(len(trip.sweeps[-1].after.shape)))
    return natural if trip.outer is not None else (*(k for k in natural if k != axis), axis)
