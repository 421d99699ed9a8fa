"""What a plan takes between nodes next to what is predicted: the machine is measured in the same job.

    mpiexec -n 4 python benchmarks/prediction.py --shape 128x128x128 --grid 4x1x1 --grid 2x2x1

Prints a row for each grid and method: milliseconds predicted and measured and their ratio, forward and backward. What
is measured, the machine's figures too, is the least of some runs on the slowest rank. With --network those figures are
a file's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
from mpi4py import MPI
from scaling import numbers

from mpi4py_pencil import PFFT
from mpi4py_pencil.cli import measuring
from mpi4py_pencil.cli.network import lines
from mpi4py_pencil.description.machine import load
from mpi4py_pencil.description.prediction import predictions


@click.command(help=__doc__)
@click.option("--shape", "shapes", multiple=True, default=["128x128x128"], show_default=True)
@click.option("--grid", "grids", multiple=True, help="As in 2x2x1; may be repeated.  [default: all]")
@click.option("--method", "methods", multiple=True, help="May be repeated.  [default: all]")
@click.option("--dtype", default="complex128", show_default=True, help="Of the input.")
@click.option("--runs", default=15, show_default=True, type=click.IntRange(1))
@click.option("--network", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(
    shapes: tuple[str, ...],
    grids: tuple[str, ...],
    methods: tuple[str, ...],
    dtype: str,
    runs: int,
    network: Path | None,
) -> None:
    """Measure and compare."""
    comm = MPI.COMM_WORLD
    nodes = measuring.Nodes(comm)
    measuring.LEAST = runs
    machine = load(network) if network else measuring.measured(nodes)
    say = click.echo if comm.Get_rank() == 0 else lambda line: None
    say(f"{comm.Get_size()} ranks on {nodes.count} nodes, {dtype}, {time.strftime('%Y-%m-%d')}")
    for line in lines(machine):
        say(line)
    cells = "".join(f"{name:>10}" for name in ("predicted", "measured", "ratio"))
    say(f"{'shape':<14}{'grid':<8}{'method':<10}{cells}{cells} backward")
    for shape in (numbers(None, None, text) for text in shapes):
        asked = [{"grid": numbers(None, None, text)} for text in grids] or [{}]
        for one in asked:
            for each in predictions(comm.Get_size(), shape, machine, nodes.most, dtype=dtype, **one):
                if methods and each.method not in methods:
                    continue
                cells = f"{'x'.join(map(str, shape)):<14}{'x'.join(map(str, each.grid)):<8}{each.method:<10}"
                taken = both_ways(comm, shape, each.grid, dtype, each.method, runs)
                for said, found in zip((each.seconds, each.backward), taken, strict=True):
                    cells += f"{1e3 * said:>10.1f}{1e3 * found:>10.1f}{said / found:>10.2f}"
                say(cells)


def both_ways(
    comm: MPI.Intracomm, shape: tuple[int, ...], grid: tuple[int, ...], dtype: str, method: str, runs: int
) -> tuple[float, float]:
    """The seconds of a transform forward and backward. Collective."""
    with PFFT(comm, shape, grid=grid, dtype=dtype, method=method) as fft:
        u, u_hat = np.ones(fft.shape(False), dtype), fft.empty_output()
        forward = least(comm, lambda: fft.forward(u, u_hat), runs)
        return forward, least(comm, lambda: fft.backward(u_hat, u), runs)


def least(comm: MPI.Intracomm, call: Callable[[], Any], runs: int) -> float:
    """The seconds of a call on the slowest rank, the least of some runs after a first. Collective."""
    taken = []
    for _ in range(1 + runs):
        comm.Barrier()
        start = time.perf_counter()
        call()
        taken.append(comm.allreduce(time.perf_counter() - start, MPI.MAX))
    return min(taken[1:])


if __name__ == "__main__":
    main()
