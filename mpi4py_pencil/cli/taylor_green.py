"""The command taylor-green: its options, and the simulation with a table, a progress bar and a picture."""

from __future__ import annotations

import math
import signal
import sys
from contextlib import nullcontext
from fractions import Fraction
from typing import Any

import click
from mpi4py import MPI
from tqdm import tqdm

from ..examples import taylor_green as example
from ..files import Checkpoints
from .options import method_option, name_option, option, refusing
from .terminal import watched
from .values import count, not_negative, png, positive, process_grid, sizes

HELP = """Simulate the Taylor-Green vortex, which breaks up into turbulence: a pseudo-spectral solution
of the incompressible Navier-Stokes equations in a periodic box. Prints how the kinetic energy decays, and
draws the vorticity and the energy spectrum of the last state.

\b
For example:
mpiexec -n 2 mpi4py-pencil taylor-green --size 96 --nu 0.001"""


def command() -> click.Command:
    """Return the command with its options."""
    every = "Print a row every so many steps, to get some 20 rows by default."
    options: list[click.Parameter] = [
        option("-n --size", "64", "Fourier modes of each axis.", metavar="N|NxNxN", callback=sizes),
        option("--nu", 0.0025, "Viscosity: 1 / Reynolds number.", callback=not_negative),
        option("--dt", 0.05, "Time step.", callback=positive),
        option("--end", 9.0, "End time; the time step is shortened to divide it.", callback=positive),
        option("--dealias", "3/2", "Pad by 3/2, or drop the upper third.", type=click.Choice(["3/2", "mask"])),
        name_option("--precision", "double", "Of the velocity", ["double", "single"]),
        option("--grid", None, "Ranks along x, or along x and y.", metavar="P|PxQ", callback=process_grid),
        method_option(),
        option("--every", None, every, type=int, metavar="N", callback=count),
        option(
            "--checkpoint", None, "Save the state in this directory with every row, and when it ends.", metavar="DIR"
        ),
        click.Option(["--restart"], is_flag=True, help="Go on from the last state in the --checkpoint directory."),
        option("-o --output", "taylor-green.png", "PNG to write.", metavar="PATH", callback=png),
    ]
    short = "Simulate how a vortex breaks up."
    return click.Command("taylor-green", callback=taylor_green, params=options, help=HELP, short_help=short)


def taylor_green(
    size: tuple[int, int, int],
    nu: float,
    dt: float,
    end: float,
    dealias: str,
    precision: str,
    grid: tuple[int, ...] | None,
    method: str,
    every: int | None,
    checkpoint: str | None,
    restart: bool,
    output: str,
) -> int:
    """Run the command taylor-green with parsed options and return the exit status."""
    comm = MPI.COMM_WORLD
    if restart and checkpoint is None:
        raise click.UsageError("--restart needs --checkpoint, the directory from which to go on.")
    dtype = {"double": "float64", "single": "float32"}[precision]
    with refusing():
        solver = example.NavierStokes(comm, size, nu, dt, dealias, dtype, grid, method)
    about = describe(solver, dealias, precision)
    print(f"Taylor-Green vortex, Re = {reynolds(nu)}: {about}")
    try:
        with nullcontext() if checkpoint is None else Checkpoints(checkpoint) as checkpoints:
            refuse_older(checkpoints, restart)
            begin(solver, checkpoints if restart else None)
            steps = steps_left(solver, end, dt)
            if not steps:
                return 0
            ended_by = simulate(solver, steps, every or max(1, steps // 20), checkpoints)
    except FloatingPointError as error:
        raise click.ClickException(f"{error}. Try a time step below --dt {dt:g}, or more viscosity.") from error
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    if ended_by:
        saved = "" if checkpoint is None else f" and saved in {checkpoint}"
        print(f"\nInterrupted at t = {solver.time:.6g}{saved}; no picture drawn.", flush=True)
        return 128 + ended_by
    draw(solver, output, about)
    print(f"\nWrote {output}", flush=True)
    return 0


def refuse_older(checkpoints: Checkpoints | None, restart: bool) -> None:
    """Refuse a new run in the directory of an older one, whose checkpoints would have to go. Collective."""
    if checkpoints is not None and not restart and checkpoints.latest() is not None:
        raise click.ClickException(
            f"{checkpoints.directory} has checkpoints of an older run, which a new one would remove: pass --restart to "
            "go on from them, or another directory."
        )


def begin(solver: example.NavierStokes, checkpoints: Checkpoints | None) -> None:
    """Give the solver its first state, from checkpoints where there are some."""
    solver.set_velocity(example.taylor_green)
    if checkpoints is None:
        return
    if checkpoints.latest() is None:
        print(f"No checkpoint in {checkpoints.directory} yet: from the start")
    else:
        solver.restore(checkpoints)
        print(f"From step {solver.steps} in {checkpoints.directory}, t = {solver.time:.6g}")


def steps_left(solver: example.NavierStokes, end: float, dt: float) -> int:
    """Return how many steps there are to the end time, none where it has passed; set their length."""
    begun = solver.time
    if begun >= end * (1 - 1e-9):
        print(f"The run is finished: t = {begun:g}, --end {end:g}. Pass a later --end to go on.", flush=True)
        return 0
    steps, solver.dt = example.steps_to(end - begun, dt)
    solver.start_time = begun - solver.steps * solver.dt
    note = "" if solver.dt == dt else f" ({dt:g} does not divide it)"
    print(f"{steps} steps of {solver.dt:.6g} to t = {end:g}{note}\n", flush=True)
    return steps


BAR = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} steps [{elapsed}<{remaining}]"


class ParkedCursor:
    """The standard error, where a progress bar leaves the cursor at the start of its line.

    mpiexec passes on the bar and the table through two pipes, in any order. So the bar is never cleared for a
    row: the row, which is longer, is written over it.
    """

    encoding = sys.stderr.encoding

    def write(self, text: str) -> None:
        """Write, and go back to the start of the line."""
        sys.stderr.write(text + "\r")

    def flush(self) -> None:
        """Flush the standard error."""
        sys.stderr.flush()


def simulate(solver: example.NavierStokes, steps: int, every: int, checkpoints: Checkpoints | None) -> int:
    """Run the solver with a table, a progress bar and an ear for signals; return that which ended it, or 0."""
    places = max(2, 2 - math.floor(math.log10(solver.dt)))
    interrupts = [0]

    def interrupt(number: int, _: Any) -> None:
        interrupts.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a second one does not wait for the step

    def report(moment: float, energy: float, dissipation: float, seconds: float | None) -> None:
        spent = "-" if seconds is None else f"{seconds:.4f}"
        print(f"{moment:>10.{places}f}  {energy:>15.12f}  {dissipation:>15.12f}  {spent:>9}", flush=True)
        if checkpoints is not None and seconds is not None:
            solver.save(checkpoints)

    header = f"{'time':>10}  {'kinetic energy':>15}  {'dissipation':>15}  {'s / step':>9}"
    print(header, flush=True)
    # SIGTERM is what batch systems send before they end a job
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        width, hidden = len(header) - 1, solver.comm.rank != 0 or not watched()
        with tqdm(total=steps, disable=hidden, bar_format=BAR, ncols=width, file=ParkedCursor(), leave=False) as bar:
            example.run(solver, steps, every, report, bar.update, lambda: len(interrupts) > 1)
            return solver.comm.allreduce(interrupts[-1], MPI.MAX)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def draw(solver: example.NavierStokes, path: str, about: str) -> None:
    """Write the picture of the flow; rank 0 draws what the ranks send it."""
    points = solver.fft.global_shape(False)[2]
    index = round(points / 8)
    vorticity, spectrum = solver.vorticity_slice(index), solver.spectrum()
    if vorticity is not None:
        from ..plotting import plot_flow, save  # rank 0 alone waits for matplotlib

        title = f"Taylor-Green vortex, Re = {reynolds(solver.nu)}, t = {solver.time:.6g}"
        plane = f"z = {in_pi(index, points)}"
        save(plot_flow(vorticity, spectrum, min(solver.cutoff), title, plane, about), path)


def in_pi(index: int, points: int) -> str:
    """Return the coordinate 2π index/points, as "π/4" where it is a simple fraction of π."""
    part = Fraction(2 * index, points)
    if part == 0 or part.denominator > 8:
        return f"{2 * index / points:.3g}π" if part else "0"
    return f"{part.numerator if part.numerator > 1 else ''}π/{part.denominator}".removesuffix("/1")


def reynolds(nu: float) -> str:
    """Return the Reynolds number, of a vortex of unit velocity and length."""
    return f"{1 / nu:.6g}" if nu > 0 else "infinite"


def describe(solver: example.NavierStokes, dealias: str, precision: str) -> str:
    """Return how the flow is computed, in a line of ASCII, which every terminal knows."""
    modes, ranks = " x ".join(map(str, solver.shape)), solver.comm.size
    how = {"3/2": "padded by 3/2", "mask": "upper third dropped"}[dealias]
    return f"{modes} modes, {how}, {precision} precision, {ranks} rank{'s' * (ranks > 1)}"
