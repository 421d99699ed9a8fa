"""A sweep: one pass over the local array that gathers tiles of lines, transforms them and scatters them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import _kernels
from .engines import Plan, Planner
from .partition import overlap
from .transforms import Line, Run

CACHE_LINE = 64


def _level2() -> int:
    """Bytes of the second-level cache of a core as Linux says, or what is common where nobody says."""
    size = Path("/sys/devices/system/cpu/cpu0/cache/index2/size")
    if not size.exists():
        return 1024 * 1024
    return int(size.read_text().strip().removesuffix("K")) * 1024


# A tile and its twin (where the transform is not in place) stay in the second-level cache, and the runs that it reads
# and writes are as long as can be: docs/performance.md has the figures.
TILE_BYTES = _level2() // 4
# Arrays up to this size stay in cache from one sweep to the next: there, stores that pass it by would only cost.
CACHED_BYTES = 512 * 1024

# Element types as cython_kernels/copy.h numbers them.
_TYPES = {np.dtype(c): k for k, c in enumerate("fdgFDG")}

Strides = tuple[int, ...]
Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Tile = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Piece:
    """Consecutive points along the transformed axis that lie in one block of memory.

    Attributes
    ----------
    start, length : int
        The points.
    base : int
        Byte offset of the first, from the origin given at the call (an address where that is 0).
    strides : tuple of int
        Byte strides of every axis.
    """

    start: int
    length: int
    base: int
    strides: Strides


def aligned_bytes(nbytes: int) -> Bytes:
    """Uninitialised memory that starts at a cache line."""
    raw = np.empty(nbytes + CACHE_LINE, np.uint8)
    skip = -raw.ctypes.data % CACHE_LINE
    return raw[skip : skip + nbytes]


class Pair:
    """The tile before and the tile after a transform: FFTW is faster from one to the other than in place.

    Parameters
    ----------
    planner : Planner
        The engine, whose plans are made once for each number of lines.
    line : Line
        The transform.
    rows, most : int
        How many lines fill a tile, and for how many there is memory.
    """

    def __init__(self, planner: Planner, line: Line, rows: int, most: int) -> None:
        self._planner = planner
        self._plans: dict[int, Plan] = {}
        self.line = line
        self.rows = rows
        self.before, self.after = (_tile(line, side, most) for side in (0, 1))

    def plan(self, rows: int) -> Plan:
        """The engine's plan for the first `rows` lines of a tile."""
        if rows not in self._plans:
            self._plans[rows] = self.plan_from(self.before[:rows])
        return self._plans[rows]

    def plan_from(self, before: Tile) -> Plan:
        """The engine's plan from lines elsewhere, which may be overwritten, to the tile after a transform."""
        return self._planner(self.line, before, self.after[: len(before)])


class Tiles:
    """The tiles of one thread, of about `nbytes` each, which sweeps share that have the same line.

    Sweeps over fewer lines than a tile has room for have smaller tiles: small arrays and huge tiles go together.
    """

    def __init__(self, planner: Planner, nbytes: int | None = None) -> None:
        self._planner = planner
        self._nbytes = nbytes
        self._pairs: dict[tuple[Line, int], Pair] = {}

    def pair(self, line: Line, lines: int) -> Pair:
        """The tiles for a sweep over so many lines of the local array."""
        key = line, _most_rows(line, lines, self._nbytes)
        if key not in self._pairs:
            self._pairs[key] = Pair(self._planner, line, tile_rows(line, self._nbytes), key[1])
        return self._pairs[key]


def apart(nbytes: int) -> int:
    """At least `nbytes`, as an odd number of cache lines: rows so far apart do not collide in the sets of a cache."""
    return (-(-nbytes // CACHE_LINE) | 1) * CACHE_LINE


def _row_bytes(line: Line, side: int) -> int:
    """Bytes from line to line of a tile."""
    return apart(line.lengths[side] * line.dtypes[side].itemsize)


def _unit(line: Line) -> int:
    """The points of the smaller type in a cache line."""
    return max(1, CACHE_LINE // min(d.itemsize for d in line.dtypes))


def tile_rows(line: Line, nbytes: int | None = None) -> int:
    """The number of lines that fill a tile of so many bytes, or of what suits this processor."""
    longest = max(n * d.itemsize for n, d in zip(line.lengths, line.dtypes, strict=True))
    return max(1, (TILE_BYTES if nbytes is None else nbytes) // longest)


def tile_bytes(line: Line, lines: int, nbytes: int | None = None) -> int:
    """Bytes of the tiles for a sweep over so many lines, where a tile is of about `nbytes`."""
    return sum(_most_rows(line, lines, nbytes) * _row_bytes(line, side) for side in (0, 1))


def _most_rows(line: Line, lines: int, nbytes: int | None) -> int:
    """As many lines as `tiling` may put into a tile, of so many that there are: it rounds up to whole units."""
    return min(lines, -(-tile_rows(line, nbytes) // _unit(line)) * _unit(line))


def _tile(line: Line, side: int, rows: int) -> Tile:
    """Memory for a tile."""
    row = _row_bytes(line, side)
    memory = aligned_bytes(rows * row)
    memory[:] = 0
    return memory.reshape(-1, row).view(line.dtypes[side])[:, : line.lengths[side]]


def make(
    pair: Pair,
    axis: int,
    extents: Sequence[int],
    source: tuple[Piece, ...],
    target: tuple[Piece, ...],
    scales: tuple[np.longdouble, np.longdouble],
    outer: Sequence[int] | None,
    stream: bool,
    planes: Bytes | None = None,
) -> _kernels.Sweep:
    """The kernel that sweeps lines along `axis` from `source` to `target`.

    Parameters
    ----------
    pair : Pair
        The tiles and the transform.
    axis : int
        The lines' axis.
    extents : sequence of int
        Extents of the local array; that of `axis` does not matter.
    source, target : tuple of Piece
        Where the points are taken from and where they go.
    scales : pair of longdouble
        The factors that `run(..., normalize=False)` and `run(..., normalize=True)` apply.
    outer : sequence of int, optional
        The axes that the range of `run` counts through, the first slowest; chosen where it is not given.
    stream : bool
        Whether to write with non-temporal stores.
    planes : ndarray of bytes, optional
        The memory that the source always lies in, if there is one, and that may be overwritten.
    """
    line = pair.line
    widths = [d.itemsize for d in line.dtypes]
    loops = tiling(extents, axis, source[0].strides, target[0].strides, widths, pair.rows, _unit(line), outer)
    tables = [
        _table(pieces, runs, axis, width, loops)
        for pieces, runs, width in zip((source, target), line.runs, widths, strict=True)
    ]
    executes = [] if planes is None else _direct(pair, axis, source, loops, planes)
    gathered = not executes
    if gathered:
        executes = [pair.plan(loops.columns[1] * loops.batches[1])]
    kernel_tiles = [(t.ctypes.data, t.strides[0], _TYPES[t.dtype]) for t in (pair.before, pair.after)]
    edits = [np.array(e, np.intp).reshape(-1, 3) for e in (line.gaps + line.edits[0], line.edits[1])]
    outer_extents = np.array([extents[k] for k in loops.outer], np.intp)
    return _kernels.Sweep(
        tables[0],
        tables[1],
        outer_extents,
        loops.columns,
        loops.batches,
        kernel_tiles,
        executes,
        gathered,
        edits,
        np.array(scales, np.longdouble),
        stream,
    )


# More plans than this would take longer to make than they save.
_MOST_DIRECT = 16


def _direct(pair: Pair, axis: int, source: tuple[Piece, ...], loops: Loops, planes: Bytes) -> list[Plan]:
    """The plans for each tile of the lines in `planes`, where they lie as in a tile and need no gathering; or none.

    The flat index of the outer axes counts planes, one after the other in this memory.
    """
    line = pair.line
    (dtype, _), (length, _) = line.dtypes, line.lengths
    if planes.nbytes > 2 * TILE_BYTES:
        return []  # they lie beyond the second-level cache, from where copying a tile is faster than FFTW's own reading
    whole = line.runs[0] == (Run(0, 0, length),) and not line.edits[0]
    piece = source[0]
    if len(source) > 1 or not whole or piece.strides[axis] != dtype.itemsize or loops.batch is not None:
        return []
    if loops.column is None or not loops.outer:
        return []
    (columns, step), row = loops.columns, piece.strides[loops.column]
    starts = range(0, columns, step)
    plane_bytes = piece.strides[loops.outer[-1]]
    count = planes.nbytes // plane_bytes
    if count * len(starts) > _MOST_DIRECT or row % CACHE_LINE or plane_bytes % CACHE_LINE:
        return []
    return [
        pair.plan_from(
            np.ndarray(
                (min(step, columns - c), length),
                dtype,
                planes,
                plane * plane_bytes + piece.base + c * row,
                (row, dtype.itemsize),
            ),
        )
        for plane in range(count)
        for c in starts
    ]


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


def _table(pieces: tuple[Piece, ...], runs: tuple[Run, ...], axis: int, width: int, loops: Loops) -> Tile:
    """One side of a sweep as the kernel reads it: a row for each part of a piece that goes to one run of the line."""
    axes = (axis, loops.column, loops.batch, *loops.outer)
    rows = []
    for piece in pieces:
        for run in runs:
            start, length = overlap((piece.start, piece.length), (run.start, run.length))
            if length:
                at = (run.at + start - run.start) * width
                base = piece.base + (start - piece.start) * piece.strides[axis]
                rows.append([at, length, base, *(0 if k is None else piece.strides[k] for k in axes)])
    return np.array(rows, np.intp).reshape(-1, 3 + len(axes))
