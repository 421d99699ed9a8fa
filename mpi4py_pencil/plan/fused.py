"""A pass with a function of the user's in it: sweeps to tiles in cache, the function on these, sweeps from them.

What goes into the function, and what comes out of it, has components: fields of their own. Of a few planes of the local
array all components are brought to tiles, where they lie side by side while the function works on them. No array of all
planes exists.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .. import _kernels
from .._kernels import ABSOLUTE, PLANE, SOURCE, TARGET
from ..exchange import Placed
from ..layout.arrays import address, cut, natural, view_at
from ..layout.boxes import Box
from ..sweep import cache
from ..sweep.cache import CACHE_LINE
from ..sweep.instruction import Instruction, anywhere, side_by_side
from ..sweep.tiles import Tiles, aligned_bytes, apart
from ..sweep.tiling import even_step
from .leg import (
    DirectedSweep,
    Part,
    Side,
    Stretch,
    contiguous,
    kernel_between,
    parts_between,
    placed_in,
    plane_axes,
    thread_bounds,
    within,
)

Array = np.ndarray[Any, Any]
Strides = tuple[int, ...]
# Start and size along some axes.
Bounds = dict[int, tuple[int, int]]
# What is called for a tile: where it lies in the block, what goes in and what comes out. A half without sweeps has no
# tiles: there it is an array without items.
Apply = Callable[[tuple[slice, ...], Array, Array], object]
_NO_TILE = np.empty(0)


@dataclass(frozen=True)
class Compiled:
    """A compiled function that takes the place of one of Python's, by its address.

    Attributes
    ----------
    address : int
        Of the function; `_kernels.Foreign` has its signature.
    values : ndarray of float
        The numbers that it is given.
    """

    address: int
    values: np.ndarray[Any, np.dtype[np.float64]]


# What is held of the planes of one step, and the tiles of all components together, in tiles of a sweep.
_TILES = 4
# Lines of a tile come in multiples of this, so that vectors are filled.
_UNIT = 16
# Of a run of so many points the way there is no longer felt.
_RUN = 64


@dataclass(frozen=True)
class Half:
    """What lies on one side of the function.

    Attributes
    ----------
    components : tuple of int
        Of the fields.
    dtype : numpy.dtype
        Of what the function takes, or gives.
    sweeps : tuple of DirectedSweep
        Of one component, in the order in which they run, two at the most; none where the function works on arrays.
    side : sequence of Placed or Spread
        What they read or write, with component axes.
    place : int
        Whether that has addresses of its own (`ABSOLUTE`) or lies in an array of the caller's.
    array : tuple of int or None
        The strides of that array.
    scale : longdouble
        What the last sweep multiplies with.
    """

    components: tuple[int, ...]
    dtype: np.dtype[Any]
    sweeps: tuple[DirectedSweep, ...] = ()
    side: Side = ()
    place: int = ABSOLUTE
    array: Strides | None = None
    scale: np.longdouble = np.longdouble(1)  # noqa: RUF009

    @property
    def count(self) -> int:
        """The number of fields."""
        return math.prod(self.components)

    def placed(self, component: int) -> list[Placed]:
        """The boxes of one component, without component axes."""
        rank = len(self.components)
        index = np.unravel_index(component, self.components) if rank else ()
        found = []
        for each in placed_in(self.side, self.array):
            moved = sum(int(i) * step for i, step in zip(index, each.strides[:rank], strict=True))
            box = Box(each.box.start[rank:], each.box.shape[rank:])
            found.append(Placed(box, each.address + moved, each.strides[rank:]))
        return found


class FusedPass:
    """A pass in which a function is applied to all of a rank's block.

    Parameters
    ----------
    shape : tuple of int
        Of the block that the function works on, without component axes.
    halves : pair of Half
        What lies before and behind the function.
    tiles : sequence of Tiles
        For each thread.
    pool : ThreadPoolExecutor or None
        The threads beside the calling one.
    """

    def __init__(
        self, shape: tuple[int, ...], halves: tuple[Half, Half], tiles: Sequence[Tiles], pool: ThreadPoolExecutor | None
    ) -> None:
        self._shape = shape
        self._halves = halves
        self._tiles = tiles
        self._pool = pool
        self._axis, self._other, self._outer = _axes(shape, halves)
        nbytes = math.prod(shape) * sum(half.count * half.dtype.itemsize for half in halves)
        self._stream = nbytes > cache.CACHED_BYTES
        self._threads = len(tiles) if self._stream else 1

    def instructions(self, apply: Apply | Compiled, stretch: Stretch | None = None) -> list[Instruction]:
        """What carries out the pass or a stretch of it; both halves have sweeps where the function is compiled."""
        if 0 in self._shape:
            return []
        whole = any(len(half.sweeps) == 2 for half in self._halves)
        divisible = self._outer if whole or self._other is None else (*self._outer, self._other)
        sides = [half.placed(0) for half in self._halves if half.sweeps]
        axes = self._axis, self._other, self._outer
        shares = []
        for thread, bounds in enumerate(thread_bounds(within(self._shape, stretch), divisible, self._threads)):
            parts = parts_between(bounds, self._outer, sides)
            loops = [_Loop(self._halves, part, axes, self._tiles[thread], self._stream, apply) for part in parts]
            shares.append([loop.instruction for loop in loops])
        return side_by_side(self._pool, shares)


def _axes(shape: Sequence[int], halves: Sequence[Half]) -> tuple[int, int | None, tuple[int, ...]]:
    """The axis of the lines in a tile, the one along which these lie side by side, and all others."""
    next_to_it = [half.sweeps[-1 - k].axis for k, half in zip((0, -1), halves, strict=True) if half.sweeps]
    axis = next_to_it[0] if next_to_it else len(shape) - 1
    second = [half.sweeps[k].axis for k, half in zip((0, -1), halves, strict=True) if len(half.sweeps) == 2]
    rest = [k for k in range(len(shape)) if k != axis]
    other = second[0] if second else max(rest, key=lambda k: (shape[k] > 1, k), default=None)
    return axis, other, tuple(k for k in rest if k != other)


class _Loop:
    """The loop over the planes of a part of the block, with the memory of as many as stay in cache.

    A plane has lines along the axis that is transformed next to the function, side by side along the other one. What is
    held of it: where a half has two sweeps, the modes of all components between these; and a tile, of as many lines as
    stay in cache, of all components before the function and behind it.
    """

    def __init__(
        self,
        halves: tuple[Half, Half],
        part: Part,
        axes: tuple[int, int | None, tuple[int, ...]],
        tiles: Tiles,
        stream: bool,
        apply: Apply | Compiled,
    ) -> None:
        self._halves = halves
        self._part = part
        self._axis, self._other, self._outer = axes
        self._tiles = tiles
        self._stream = stream
        self._apply = apply
        self._long = [k for k in self._outer if part[k][1] > 1]
        self._height = 1 if self._other is None else part[self._other][1]
        self._lines = self._lines_of_a_tile()
        self._places = self._laid_out()
        self._count = math.prod(part[k][1] for k in self._outer)
        # the planes of one step are a block of the whole: they go along one axis
        step = min(self._count, max(1, _TILES * cache.TILE_BYTES // self._plane_bytes)) if len(self._long) < 2 else 1
        self._memory = aligned_bytes(step * self._plane_bytes)
        tiles_of_plane = [self._through(start) for start in range(0, self._height, self._lines)]
        listed = [*self._ends(0), *(one for each in tiles_of_plane for one in each), *self._ends(1)]
        planes = _kernels.Planes(listed, self._memory, self._plane_bytes)
        self.instruction: Instruction = planes, SOURCE, TARGET

    def _lines_of_a_tile(self) -> int:
        """As many lines as stay in cache, of all components."""
        line = self._part[self._axis][1] * sum(half.count * half.dtype.itemsize for half in self._halves)
        # what is contiguous may run across the lines: long runs are worth more than the fastest cache
        across = self._other is not None and self._other > self._axis
        return even_step(self._height, max(_RUN if across else _UNIT, _TILES * cache.TILE_BYTES // line), _UNIT)

    def _laid_out(self) -> dict[tuple[int, str], tuple[int, int]]:
        """For either half the offset and the bytes of a component: of modes between two sweeps, and of the tile."""
        at, places = 0, {}
        for side, half in enumerate(self._halves):
            sizes = {}
            if len(half.sweeps) == 2:
                shape, itemsize = half.sweeps[0].shape(1), half.sweeps[0].line.dtypes[1].itemsize
                rows, items = self._plane(side)
                sizes["modes"] = shape[rows] * apart(shape[items] * itemsize)
            if half.sweeps:
                sizes["tile"] = self._lines * self._part[self._axis][1] * half.dtype.itemsize
            for what, nbytes in sizes.items():
                room = -(-nbytes // CACHE_LINE) * CACHE_LINE
                places[side, what] = at, room
                at += half.count * room
        self._plane_bytes = apart(max(at, 1))
        return places

    def _held(
        self, where: tuple[int, str], component: int, bounds: Bounds, inner: tuple[int | None, int], itemsize: int
    ) -> list[Placed]:
        """One component of what is held, as a box with these bounds in a plane.

        Its rows go along the first of the two inner axes, their items along the second.
        """
        at, nbytes = self._places[where]
        ranges = [bounds.get(k, each) for k, each in enumerate(self._part)]
        steps = [0] * len(ranges)
        rows, items = inner
        steps[items] = itemsize
        if rows is not None:
            row = ranges[items][1] * itemsize
            steps[rows] = apart(row) if where[1] == "modes" else row
        step = self._plane_bytes
        for k in reversed(self._outer):
            steps[k] = step
            step *= self._part[k][1]
        box = Box(tuple(start for start, _ in ranges), tuple(size for _, size in ranges))
        return [Placed(box, at + component * nbytes, tuple(steps))]

    def _modes(self, side: int, component: int) -> list[Placed]:
        """One component of a plane between the two sweeps of a half."""
        first, second = self._halves[side].sweeps
        shape = first.shape(1)
        bounds = {k: (0, shape[k]) for k in (first.axis, second.axis)}
        inner = self._plane(side)
        return self._held((side, "modes"), component, bounds, inner, first.line.dtypes[1].itemsize)

    def _plane(self, side: int) -> tuple[int, int]:
        """The axes of that plane: of its rows, and of the points in a row."""
        first, second = self._halves[side].sweeps
        # in a tile the points lie along the later of its axes
        along = first.axis > second.axis if side else contiguous(first, self._halves[0].placed(0))
        return plane_axes(first, second, along, self._tiles)

    def _tile(self, side: int, component: int, chunk: Bounds) -> list[Placed]:
        """One component of a tile."""
        bounds = {self._axis: (0, self._part[self._axis][1]), **chunk}
        pair = (self._axis, self._axis if self._other is None else self._other)
        inner = None if self._other is None else min(pair), max(pair)
        return self._held((side, "tile"), component, bounds, inner, self._halves[side].dtype.itemsize)

    def _ends(self, side: int) -> list[Instruction]:
        """The first of two sweeps before the function, or the second of two behind it: whole planes."""
        half = self._halves[side]
        if len(half.sweeps) < 2:
            return []
        sweep, other = half.sweeps[side], half.sweeps[1 - side].axis
        listed = []
        for c in range(half.count):
            between = (half.placed(c), self._modes(0, c)) if side == 0 else (self._modes(1, c), half.placed(c))
            places = (half.place, PLANE) if side == 0 else (PLANE, half.place)
            listed += self._sweep(side, sweep, between, places, {other: (0, sweep.extents[other])}, side == 1)
        return listed

    def _through(self, start: int) -> list[Instruction]:
        """What brings a tile of all components, applies the function, and takes it away."""
        chunk: Bounds = {}
        if self._other is not None:
            chunk = {self._other: (self._part[self._other][0] + start, min(self._lines, self._height - start))}
        before, behind = self._halves
        listed: list[Instruction] = []
        for c in range(before.count if before.sweeps else 0):
            two = len(before.sweeps) == 2
            between = self._modes(0, c) if two else before.placed(c), self._tile(0, c, chunk)
            places = (PLANE if two else before.place, PLANE)
            listed += self._sweep(0, before.sweeps[-1], between, places, chunk, True)
        listed.append(anywhere(self._function(chunk)))
        for c in range(behind.count if behind.sweeps else 0):
            two = len(behind.sweeps) == 2
            between = self._tile(1, c, chunk), self._modes(1, c) if two else behind.placed(c)
            places = (PLANE, PLANE if two else behind.place)
            listed += self._sweep(1, behind.sweeps[0], between, places, chunk, not two)
        return listed

    def _sweep(
        self,
        side: int,
        sweep: DirectedSweep,
        between: tuple[Sequence[Placed], Sequence[Placed]],
        places: tuple[int, int],
        bounds: Bounds,
        last: bool,
    ) -> list[Instruction]:
        """The kernels of a sweep within bounds, which boxes may cut."""
        whole = tuple(bounds.get(k, each) for k, each in enumerate(self._part))
        scale = self._halves[side].scale if last else np.longdouble(1)
        stream = self._stream and places[1] != PLANE
        listed: list[Instruction] = []
        for part in parts_between(whole, tuple(bounds), between):
            kernel = kernel_between(sweep, part, between, self._tiles, (scale, scale), self._outer, stream)
            listed.append((kernel, *places))
        return listed

    def _function(self, chunk: Bounds) -> _kernels.Operation:
        """The operation that applies the function to a tile."""
        if not isinstance(self._apply, Compiled):
            applied = partial(self._applied, self._apply, chunk, self._array(0, chunk), self._array(1, chunk))
            return _kernels.Each(self._count, applied)
        tiles = []
        for side, half in enumerate(self._halves):
            at, nbytes = self._places[side, "tile"]
            tiles.append((address(self._memory) + at, nbytes // half.dtype.itemsize))
        points = self._part[self._axis][1] * chunk.get(self._other, (0, 1))[1]  # type: ignore[arg-type]
        compiled = self._apply
        return _kernels.Foreign(self._count, compiled.address, tiles, points, self._plane_bytes, compiled.values)

    def _array(self, side: int, chunk: Bounds) -> Array:
        """A tile of all components and of all planes of a step, as the function gets it."""
        half = self._halves[side]
        if not half.sweeps:
            return _NO_TILE
        (placed,) = self._tile(side, 0, chunk)
        _, nbytes = self._places[side, "tile"]
        planes = self._memory.nbytes // self._plane_bytes
        inner = (self._axis, self._other)
        shape = [n if k in inner else 1 for k, n in enumerate(placed.box.shape)]
        for k in self._long[-1:]:
            shape[k] = min(planes, self._part[k][1])
        components = tuple(nbytes * int(step) for step in natural(half.components, 1))
        at = address(self._memory) + placed.address
        return view_at(at, (*half.components, *shape), half.dtype, (*components, *placed.strides), self._memory)

    def _applied(self, apply: Apply, chunk: Bounds, x: Array, out: Array, start: int, stop: int) -> None:
        """Apply the function to a tile of some planes."""
        ranges = [chunk.get(k, each) for k, each in enumerate(self._part)]
        at = [slice(begin, begin + size) for begin, size in ranges]
        index = np.unravel_index(start, [self._part[k][1] for k in self._outer]) if self._outer else ()
        for k, i in zip(self._outer, index, strict=True):
            first = self._part[k][0] + int(i)
            at[k] = slice(first, first + (stop - start if k in self._long[-1:] else 1))
        inside = [slice(None)] * len(at)
        for k in self._long[-1:]:
            inside[k] = slice(0, stop - start)
        apply(tuple(at), *(tile if tile is _NO_TILE else cut(tile, inside) for tile in (x, out)))
