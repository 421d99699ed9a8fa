"""What a transform would take if it did nothing but what it must: the roofline of the plan that is measured.

Every pass reads its block once and writes it once, at the speed at which all ranks together copy memory; and every line
is transformed at the speed of the engine in cache. The two cannot be faster one after the other; overlapped they could.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from mpi4py import MPI

from mpi4py_pencil import Pencil, Subcomm
from mpi4py_pencil.engines import engine
from mpi4py_pencil.layout.way import Way
from mpi4py_pencil.plan.arguments import request
from mpi4py_pencil.plan.passes import passes
from mpi4py_pencil.plan.steps import Sweep, steps
from mpi4py_pencil.sweep.kernel import Piece, make
from mpi4py_pencil.sweep.tiles import Pair, Tiles, Workspace


def limit(comm: MPI.Intracomm, shape: Any, dtype: str, grid: Any, padding: Any) -> float:
    """Seconds for one direction: bytes moved over copy bandwidth, and lines over the engine's speed in cache."""
    asked = request(comm.Get_size(), shape, dtype=dtype, grid=grid, padding=padding)
    start = Pencil(Subcomm(comm, asked.dims), asked.points, asked.transforms[0].axis)
    planned = steps(start, asked.transforms, asked.joined)
    moved = 0
    for each in passes(planned):
        first, last = each.sweeps[0], each.sweeps[-1]
        moved += math.prod(first.before.subshape) * first.transform.input_dtype.itemsize
        moved += math.prod(last.after.subshape) * last.transform.dtype.itemsize
    tiles = Tiles(engine(asked.backend), vertical=asked.backend == "vertical")
    computed = sum(transforming(comm, step, tiles) for step in planned if isinstance(step, Sweep))
    return moved / copy_bandwidth(comm, moved // 4) + computed


def copy_bandwidth(comm: MPI.Intracomm, nbytes: int) -> float:
    """Bytes read and written in a second by each rank while all copy."""
    source, target = np.ones(nbytes, np.uint8), np.zeros(nbytes, np.uint8)
    return 2 * nbytes / best(comm, lambda: np.copyto(target, source))


def transforming(comm: MPI.Intracomm, sweep: Sweep, tiles: Tiles) -> float:
    """Seconds to transform the lines of a sweep in tiles that stay in cache, on all ranks at once."""
    line = sweep.transform.line(Way.FORWARD)
    lines = math.prod(sweep.before.subshape) // line.n
    pair = tiles.pair(line, lines)
    rows = min(pair.rows, lines)
    execute = vertically(pair, rows) if isinstance(pair, Workspace) else in_tiles(pair, rows)
    return lines / rows * best(comm, lambda: [execute() for _ in range(100)]) / 100


def in_tiles(pair: Pair, rows: int) -> Callable[[], Any]:
    """The engine's transform of so many lines."""
    for tile in (pair.before, pair.after):
        tile[:] = 0
    return pair.plan(rows)


def vertically(workspace: Workspace, rows: int) -> Callable[[], Any]:
    """A vertical sweep over so many lines that lie side by side in cache."""
    line = workspace.line
    before, after = (np.zeros((length, rows), dtype) for length, dtype in zip(line.lengths, line.dtypes, strict=True))
    sides = [(Piece(0, len(tile), tile.ctypes.data, tile.strides),) for tile in (before, after)]
    kernel = make(workspace, 0, before.shape, *sides, (np.longdouble(1),) * 2, None, stream=False)

    def execute(kept: Any = (before, after)) -> None:
        kernel()

    return execute


def best(comm: MPI.Intracomm, call: Callable[[], Any], times: int = 7) -> float:
    """The least seconds of a call that all ranks begin together."""
    least = math.inf
    for _ in range(times):
        comm.Barrier()
        start = time.perf_counter()
        call()
        least = min(least, comm.allreduce(time.perf_counter() - start, MPI.MAX))
    return least
