"""Transforms between nodes, by the methods that there are, next to mpi4py-fft where that is installed.

    mpiexec -n 4 python benchmarks/nodes.py --shape 256x256x256 --grid 4x1x1
    SLOW=1e9 tests/hosts/hosts.sh 1,1 python benchmarks/nodes.py

Prints a row for each method: median milliseconds forward and backward on the slowest rank, in turns. "whole" is
pairwise without parts, and "wire" what auto takes with wire="float32".
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

import click
import numpy as np
from mpi4py import MPI
from peers import mpi4py_fft
from rows import Row
from scaling import numbers
from timing import in_turns, timed

from mpi4py_pencil import PFFT
from mpi4py_pencil.plan import cuts

METHODS = {
    "alltoallv": {"method": "alltoallv"},
    "whole": {"method": "pairwise"},
    "pairwise": {"method": "pairwise"},
    "hybrid": {"method": "hybrid"},
    "joined": {"method": "joined"},
    "auto": {},
    "wire": {"wire": "float32"},
}
Both = tuple[Callable[[], Any], Callable[[], Any]]


@click.command(help=__doc__)
@click.option("--shape", "shapes", multiple=True, default=["256x256x256"], show_default=True)
@click.option("--grid", help="As in 2x2x1.  [default: the plan's own]")
@click.option("--dtype", default="complex128", show_default=True, help="Of the input.")
@click.option("--runs", default=9, show_default=True, type=click.IntRange(1), help="Of each, in turns.")
def main(shapes: tuple[str, ...], grid: str | None, dtype: str, runs: int) -> None:
    """Measure."""
    comm = MPI.COMM_WORLD
    node = comm.Split_type(MPI.COMM_TYPE_SHARED)
    nodes = comm.allreduce(int(node.Get_rank() == 0))
    say = click.echo if comm.Get_rank() == 0 else lambda line: None
    dims = None if grid is None else numbers(None, None, grid)
    for shape in (numbers(None, None, text) for text in shapes):
        plans = {name: ours(comm, shape, dims, dtype, name) for name in METHODS}
        try:
            plans["mpi4py-fft"] = theirs(comm, shape, dims, dtype)
        except ImportError:
            say("mpi4py-fft is not installed")
        say(f"{' x '.join(map(str, shape))} {dtype}, {comm.Get_size()} ranks on {nodes} nodes: ms forward, backward")
        calls = {(name, way): timed(comm, call) for name, both in plans.items() for way, call in enumerate(both)}
        found = in_turns(calls, runs, 0.25)  # type: ignore[type-var]
        for name in plans:
            ways = (f"{1e3 * median(found[name, way]):10.2f}" for way in (0, 1))  # type: ignore[index]
            say(f"{name:<12}{''.join(ways)}")


def ours(comm: MPI.Intracomm, shape: tuple[int, ...], grid: tuple[int, ...] | None, dtype: str, name: str) -> Both:
    """Both directions of a plan. Collective."""
    most = cuts._MOST
    cuts._MOST = 1 if name == "whole" else most
    fft = PFFT(comm, shape, grid=grid, dtype=dtype, **METHODS[name])
    cuts._MOST = most
    u, u_hat = np.ones(fft.shape(False), dtype), np.ones(fft.shape(True), fft.dtype(True))
    return lambda: fft.forward(u, u_hat), lambda: fft.backward(u_hat, u)


def theirs(comm: MPI.Intracomm, shape: tuple[int, ...], grid: tuple[int, ...] | None, dtype: str) -> Both:
    """Both directions of a plan of mpi4py-fft. Collective."""
    planned = mpi4py_fft(comm, Row("", "transform", shape, ("mpi4py-fft",), dtype, grid=grid))
    planned.u[...] = 1
    return planned.forward, planned.backward


if __name__ == "__main__":
    main()
