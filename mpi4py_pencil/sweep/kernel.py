"""The kernel of a sweep: pieces, a line, a tiling and a scale as the tables that the loops in C read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .. import _kernels
from ..engines import Plan, with_vertical
from ..layout.partition import overlap
from ..transforms import Run
from . import cache
from .cache import CACHE_LINE
from .tiles import Bytes, Pair, Strides, Tile, Workspace, unit
from .tiling import Loops, merged, tiling

# Element types as cython_kernels/copy.h numbers them.
_TYPES = {np.dtype(c): k for k, c in enumerate("fdgFDG")}


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


def make(
    pair: Pair | Workspace,
    axis: int,
    extents: Sequence[int],
    source: tuple[Piece, ...],
    target: tuple[Piece, ...],
    scales: tuple[np.longdouble, np.longdouble],
    outer: Sequence[int] | None,
    stream: bool,
    planes: Bytes | None = None,
) -> _kernels.Sweep | _kernels.Vertical:
    """The kernel that sweeps lines along `axis` from `source` to `target`.

    Parameters
    ----------
    pair : Pair or Workspace
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
    if isinstance(pair, Workspace):
        return _vertical(pair, axis, extents, (source, target), scales, outer, stream)
    widths = [d.itemsize for d in line.dtypes]
    loops = tiling(extents, axis, source[0].strides, target[0].strides, widths, pair.rows, unit(line), outer)
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


def _vertical(
    workspace: Workspace,
    axis: int,
    extents: Sequence[int],
    sides: tuple[tuple[Piece, ...], tuple[Piece, ...]],
    scales: tuple[np.longdouble, np.longdouble],
    outer: Sequence[int] | None,
    stream: bool,
) -> _kernels.Vertical:
    """The kernel of a vertical sweep: `make`'s arguments."""
    line = workspace.line
    if outer is None:
        extents = merged(extents, axis, [piece.strides for pieces in sides for piece in pieces])
    widths = [d.itemsize for d in line.dtypes]
    (source, *_), (target, *_) = sides
    loops = tiling(extents, axis, source.strides, target.strides, widths, workspace.rows, unit(line), outer)
    columns, batches = loops.columns[0], loops.batches[0]
    return with_vertical.kernel(
        line,
        [_table(p, runs, axis, w, loops) for p, runs, w in zip(sides, line.runs, widths, strict=True)],
        np.array([extents[k] for k in loops.outer], np.intp),
        columns,
        batches,
        workspace.lines,
        np.array(scales, np.longdouble),
        stream,
        workspace.memory,
    )


# More plans than this would take longer to make than they save.
_MOST_DIRECT = 16


def _direct(pair: Pair, axis: int, source: tuple[Piece, ...], loops: Loops, planes: Bytes) -> list[Plan]:
    """The plans for each tile of the lines in `planes`, where they lie as in a tile and need no gathering; or none.

    The flat index of the outer axes counts planes, one after the other in this memory.
    """
    line = pair.line
    (dtype, _), (length, _) = line.dtypes, line.lengths
    if planes.nbytes > 2 * cache.TILE_BYTES:
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
