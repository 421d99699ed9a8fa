"""The command tune: what is fastest for a transform, found by trying, and kept as wisdom."""

from __future__ import annotations

from typing import Any

import click
from mpi4py import MPI

from ..pfft import planned
from ..plan.arguments import Request, request
from ..plan.tuning import Choice, candidates, tuned
from ..plan.wisdom import wisdom_file
from ..ranks.agreement import agreed
from ..ranks.communicators import ranks_per_node
from .options import refusing, transform_options

HELP = """Find by trying which process grid, exchange, engine and size of tiles are fastest for a transform on
these ranks, and keep it as wisdom, which plans of the same transform read. Prints the time that each takes,
forward and backward together. All engines are tried unless one is given; then only plans with it are tuned.

\b
For example:
mpiexec -n 2 mpi4py-pencil tune --shape 256 256 256 --padding 3/2"""


def command() -> click.Command:
    """Return the command with its options, which are arguments of a PFFT."""
    short = "Find the fastest plan of a transform."
    return click.Command("tune", callback=tune, params=transform_options(), help=HELP, short_help=short)


def tune(**asked_for: Any) -> int:
    """Run the command tune with parsed options and return the exit status."""
    comm = MPI.COMM_WORLD
    size = comm.Get_size()
    per_node = ranks_per_node(comm)
    with refusing():
        asked = agreed(comm, lambda: request(size, ranks_per_node=per_node, **asked_for), Request.arguments)
    among = candidates(comm, asked)
    width = max(len("grid"), *(len(by_x(grid)) for grid in among.grids))
    ranks = f"{size} rank{'s' * (size > 1)}" + (f" of {asked.threads} threads" if asked.threads > 1 else "")
    print(f"{' x '.join(map(str, asked.points))} points, {asked.dtype}, {ranks}: forward and backward")
    print(f"{among.tries} plans to try at the most; the first is the default\n")
    print(f"{'grid':<{width}}  {'exchange':<9}  {'parts':>5}  {'engine':<8}  {'tile KiB':>8}  {'ms':>10}", flush=True)
    times: dict[Choice, float] = {}

    def row(choice: Choice, seconds: float) -> None:
        times[choice] = 1000 * seconds
        print(f"{cells(choice, width)}  {times[choice]:>10.3f}", flush=True)

    best, file = tuned(comm, asked, planned, row)
    default, least = next(iter(times.values())), times[best]
    than = "the default" if least == default else f"the default takes {default / least:.2f} times as long"
    print(f"\nFastest: {' '.join(cells(best, 0).split())} KiB, {least:.3f} ms; {than}")
    if "auto" in among.methods and size > 1:
        print("auto: shared memory where all peers are on one node, else messages")
    print(f"Kept in {file}, where plans of this transform find it" if file else not_kept(best), flush=True)
    return 0


def not_kept(best: Choice) -> str:
    """Return why the best choice was not kept, and how to make use of it all the same."""
    file = wisdom_file()
    why = "MPI4PY_PENCIL_WISDOM is empty, or there is no home" if file is None else f"{file} cannot be written"
    return f"Not kept: {why}. Pass grid={best.grid}, method={best.method!r}, backend={best.backend!r} to PFFT"


def cells(choice: Choice, width: int) -> str:
    """Return what was tried as cells of a table."""
    how = f"{choice.method:<9}  {choice.parts or '-':>5}"
    return f"{by_x(choice.grid):<{width}}  {how}  {choice.backend:<8}  {choice.tile_bytes / 1024:>8g}"


def by_x(grid: tuple[int, ...]) -> str:
    """Return a process grid as in 2x1x1."""
    return "x".join(map(str, grid))
