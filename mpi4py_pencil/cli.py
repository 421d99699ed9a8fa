"""The command line: ``mpiexec -n 2 mpi4py-pencil taylor-green``, ``mpi4py-pencil plan``, ``mpiexec … tune``.

Every rank parses the same arguments and comes to the same end; rank 0 alone speaks. Bad arguments are refused
in one line with exit status 2, before anything is computed. The libraries of the extra "cli" are imported
when a command runs, so that a missing one is a line too.
"""

from __future__ import annotations

import io
import itertools
import json
import math
import os
import re
import signal
import sys
import time
import traceback
from contextlib import nullcontext, redirect_stdout
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from mpi4py import MPI

if TYPE_CHECKING:
    import click

    from .examples.taylor_green import NavierStokes
    from .tuning import Choice

NEEDED = ("click", "tqdm", "matplotlib")
BAD_ARGUMENT, BLOWN_UP, INTERRUPTED = 2, 1, 128 + signal.SIGINT


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    Collective over MPI.COMM_WORLD.

    Parameters
    ----------
    arguments : list of str, optional
        The command's name and options; those of the process when absent.

    Raises
    ------
    SystemExit
        With status 0 when all is done, 1 when the flow blew up, 2 for bad arguments, 130 after Ctrl-C.
    """
    comm = MPI.COMM_WORLD
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        status = run_command(comm, arguments or ["--help"])
    except BaseException as error:  # whatever it is, the other ranks must not wait for this one
        abort(comm, error)
    sys.exit(status)


def run_command(comm: MPI.Intracomm, arguments: list[str]) -> int:
    """Run one command and return the exit status."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        return refuse(comm, f"the command line needs {', '.join(missing)}: pip install 'mpi4py-pencil[cli]'")
    import click

    with nullcontext() if comm.rank == 0 else redirect_stdout(io.StringIO()):
        try:
            return int(commands().main(joined(arguments), prog_name="mpi4py-pencil", standalone_mode=False))
        except click.ClickException as error:
            return refuse(comm, error.format_message())


def refuse(comm: MPI.Intracomm, message: str, status: int = BAD_ARGUMENT) -> int:
    """Say in one line, once, what is wrong, and return the exit status."""
    if comm.rank == 0:
        print("Error:", " ".join(message.split()), file=sys.stderr, flush=True)
    return status


def abort(comm: MPI.Intracomm, error: BaseException) -> NoReturn:
    """Print the traceback of what this rank did not expect, and end all ranks: others may wait for it."""
    time.sleep(min(comm.rank, 5))  # the first rank that meets an error tells it, and ends the others
    if not isinstance(error, KeyboardInterrupt):
        traceback.print_exception(error)
    sys.stdout.flush()
    sys.stderr.flush()
    time.sleep(0.5)  # mpiexec drops what it has not read yet when a job aborts
    status = INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1
    comm.Abort(status)
    os._exit(status)  # MPICH's Abort may return; to go on would be to meet the others in MPI_Finalize


# --- Commands and their options -----------------------------------------------------------------------------


def commands() -> click.Group:
    """Return the group of all commands."""
    import click

    vortex = click.Command("taylor-green", callback=taylor_green, params=options(), help=VORTEX_HELP)
    vortex.short_help = "Simulate how a vortex breaks up."
    figures = click.Command("plan", callback=plan, params=plan_options(), help=PLAN_HELP)
    figures.short_help = "Tell what a transform will do on any number of ranks."
    tuning = click.Command("tune", callback=tune, params=tune_options(), help=TUNE_HELP)
    tuning.short_help = "Find the fastest plan of a transform."
    return click.Group(commands=[vortex, figures, tuning], help=HELP)


HELP = "Programs that show what mpi4py_pencil does. Start taylor-green with mpiexec; plan needs one process."
VORTEX_HELP = """Simulate the Taylor-Green vortex, which breaks up into turbulence: a pseudo-spectral solution
of the incompressible Navier-Stokes equations in a periodic box. Prints how the kinetic energy decays, and
draws the vorticity and the energy spectrum of the last state.

For example: mpiexec -n 2 mpi4py-pencil taylor-green --size 96 --nu 0.001"""
PLAN_HELP = """Tell what a parallel transform does on so many ranks, without them: who has what, the sweeps and
the exchanges, what is sent from rank to rank and from node to node, and the memory of the plan.

\b
For example:
mpi4py-pencil plan --shape 1024 1024 1024 --ranks 65536 --ranks-per-node 128"""
TUNE_HELP = """Find by trying which process grid, exchange, engine and size of tiles are fastest for a transform on
these ranks, and keep it as wisdom, which plans of the same transform read. Prints the time that each takes,
forward and backward.

For example: mpiexec -n 2 mpi4py-pencil tune --shape 256 256 256 --dtype float32 --padding 3/2"""


def option(flags: str, default: Any, text: str, **settings: Any) -> click.Option:
    """Return an option that shows its default, if it has one."""
    import click

    if default is not None:
        settings |= {"default": default, "show_default": True}
    return click.Option(flags.split(), help=text, **settings)


def options() -> list[click.Parameter]:
    """Return the options of taylor-green."""
    from click import Choice

    rows = "Print a row every so many steps, to get some 20 rows by default."
    return [
        option("-n --size", "64", "Fourier modes of each axis.", metavar="N|NxNxN", callback=sizes),
        option("--nu", 0.0025, "Viscosity; 1/nu is the Reynolds number.", callback=not_negative),
        option("--dt", 0.05, "Time step.", callback=positive),
        option("--end", 9.0, "End time; the time step is shortened to divide it.", callback=positive),
        option("--dealias", "3/2", "Pad by 3/2, or drop the upper third.", type=Choice(["3/2", "mask"])),
        option("--precision", "double", "Of the velocity.", type=Choice(["double", "single"])),
        option("--grid", None, "Ranks along x, or along x and y.", metavar="P|PxQ", callback=process_grid),
        option("--method", "auto", "How ranks exchange data.", type=Choice(METHODS)),
        option("--every", None, rows, type=int, callback=count),
        option("-o --output", "taylor-green.png", "Where to write the PNG.", metavar="PATH", callback=png),
    ]


def plan_options() -> list[click.Parameter]:
    """Return the options of plan, which are the arguments of a PFFT and the machine."""
    from click import Choice

    numbers: dict[str, Any] = {"metavar": "N ...", "callback": whole_numbers}
    grid, to = "Process grid, 0 or -1 where open; chosen by default.", "a file, or - to print it instead"
    return [
        option("--shape", None, "Global shape: the modes along each axis.", required=True, **numbers),
        option("--ranks", None, "Number of ranks.", required=True, type=int, metavar="N", callback=rank_count),
        option("--dtype", "float64", "Of the input.", type=Choice(DTYPES)),
        option("--axes", None, "Axes to transform, the last first; all by default.", **numbers),
        option("--grid", None, grid, **numbers),
        option("--padding", None, "Factor, for all axes or each, as in 3/2.", metavar="F ...", callback=fractions),
        option(
            "--ranks-per-node", None, "So many consecutive ranks share a node.", type=int, metavar="N", callback=count
        ),
        option("--method", "auto", "How ranks exchange data.", type=Choice(METHODS)),
        option("--json output", None, f"Write the figures as JSON: {to}.", metavar="PATH", callback=json_file),
    ]


def tune_options() -> list[click.Parameter]:
    """Return the options of tune, which are arguments of PFFT."""
    from click import Choice

    numbers: dict[str, Any] = {"metavar": "N ...", "callback": whole_numbers}
    return [
        option("--shape", None, "Global shape: the modes along each axis.", required=True, **numbers),
        option("--dtype", "float64", "Of the input.", type=Choice(DTYPES)),
        option("--axes", None, "Axes to transform, the last first; all by default.", **numbers),
        option("--padding", None, "Factor, for all axes or each, as in 3/2.", metavar="F ...", callback=fractions),
    ]


METHODS = ["auto", "shared", "alltoallv", "alltoallw", "pairwise"]
DTYPES = ["float32", "float64", "longdouble", "complex64", "complex128", "clongdouble"]


def bad(message: str) -> click.BadParameter:
    """Return the exception that refuses the value of the option being parsed."""
    import click

    return click.BadParameter(message)


def joined(arguments: list[str]) -> list[str]:
    """Return the arguments with numbers that follow each other as one: click gives an option one value."""
    found = itertools.groupby(arguments, lambda argument: bool(re.fullmatch(r"-?[\d./]*\d", argument)))
    return [part for numbers, group in found for part in ([" ".join(group)] if numbers else group)]


def integers(text: str) -> list[int] | None:
    """Return the positive numbers in "4" or "4x2"; None if it is not of this form."""
    parts = text.lower().split("x")
    numbers = [int(part) if part.isascii() and part.isdigit() else 0 for part in parts]
    return numbers if min(numbers) > 0 else None


# click calls each of these with its context, the option and the value given, and takes what it returns.


def sizes(_: Any, __: Any, value: str) -> tuple[int, ...]:
    """Return three sizes from "64" or "64x32x32"."""
    numbers = integers(value)
    if numbers is None or len(numbers) not in (1, 3):
        raise bad(f"{value!r} must be a positive number, or three as in 64x32x32.")
    return tuple(numbers * 3 if len(numbers) == 1 else numbers)


def process_grid(_: Any, __: Any, value: str | None) -> tuple[int, ...] | None:
    """Return the ranks along x, y and z from "2" or "2x1", which must multiply to the number of ranks."""
    if value is None:
        return None
    numbers, ranks = integers(value), MPI.COMM_WORLD.size
    if numbers is None or len(numbers) > 2:
        raise bad(f"{value!r} must be a positive number, or two as in 2x1.")
    if math.prod(numbers) != ranks:
        raise bad(f"{value!r} makes {math.prod(numbers)} blocks, but must make as many as ranks, {ranks}.")
    return *numbers, *[1] * (3 - len(numbers))


def whole_numbers(_: Any, __: Any, value: str | None) -> tuple[int, ...] | None:
    """Return the numbers in "64 32", "64x32" or "64,32"."""
    if value is None:
        return None
    parts = re.split(r"[x,\s]+", value.lower().strip())
    if not all(re.fullmatch(r"-?\d{1,15}", part, re.ASCII) for part in parts):
        raise bad(f"{value!r} must be whole numbers, as in 64 32 32.")
    return tuple(map(int, parts))


def fractions(_: Any, __: Any, value: str | None) -> float | list[float] | None:
    """Return the factor in "3/2", or those in "3/2 1.5 1" or "3/2,1.5,1"."""
    try:
        factors = None if value is None else [float(Fraction(part)) for part in re.split(r"[,\s]+", value.strip())]
    except (ValueError, ZeroDivisionError, OverflowError):
        raise bad(f"{value!r} must be numbers or fractions, as in 3/2.") from None
    return factors[0] if factors and len(factors) == 1 else factors


def rank_count(_: Any, __: Any, value: int) -> int:
    """Return a number of ranks whose figures can all be held at once, as finding the busiest takes."""
    if not 1 <= value <= MOST_RANKS:
        raise bad(f"{value} must be between 1 and {MOST_RANKS}.")
    return value


MOST_RANKS = 10_000_000


def not_negative(_: Any, __: Any, value: float) -> float:
    """Return a finite number, 0 or more."""
    if not 0 <= value < math.inf:
        raise bad(f"{value:g} must be a finite number, 0 or more.")
    return value


def positive(_: Any, __: Any, value: float) -> float:
    """Return a finite number above 0."""
    if not 0 < value < math.inf:
        raise bad(f"{value:g} must be a finite number above 0.")
    return value


def count(_: Any, __: Any, value: int | None) -> int | None:
    """Return a whole number, 1 or more, or absent."""
    if value is not None and value < 1:
        raise bad(f"{value} must be 1 or more.")
    return value


def png(_: Any, __: Any, value: str) -> str:
    """Return a path that can be written: rank 0 opens it now, before a run that may take hours."""
    if not value.lower().endswith(".png"):
        raise bad(f"{value!r} must end in .png.")
    return writable(value)


def json_file(_: Any, __: Any, value: str | None) -> str | None:
    """Return a path that can be written, "-" or absent."""
    return value if value in (None, "-") else writable(value)


def writable(value: str) -> str:
    """Return a path that rank 0 can write. Collective over MPI.COMM_WORLD."""
    reason = None
    if MPI.COMM_WORLD.rank == 0:
        path = Path(value)
        new = not os.path.lexists(path)
        try:
            with path.open("ab"):
                pass
            if new:
                path.unlink()
        except OSError as error:
            reason = error.strerror
    reason = MPI.COMM_WORLD.bcast(reason)
    if reason is not None:
        raise bad(f"{value!r} cannot be written: {reason}.")
    return value


# --- The commands -------------------------------------------------------------------------------------------


def plan(output: str | None, ranks: int, **asked: Any) -> int:
    """Run the command plan with parsed options and return the exit status."""
    import click

    from .description import emulated, text

    try:
        told = emulated(ranks, **asked)
    except (TypeError, ValueError, ImportError) as error:
        raise click.UsageError(str(error)) from error
    figures = json.dumps(told, indent=2)
    print(figures if output == "-" else text(told), flush=True)
    if output not in (None, "-") and MPI.COMM_WORLD.rank == 0:
        Path(output).write_text(figures + "\n", encoding="utf-8")
    return 0


def tune(shape: tuple[int, ...], dtype: str, axes: tuple[int, ...] | None, padding: float | list[float] | None) -> int:
    """Run the command tune with parsed options and return the exit status."""
    import click

    from .agreement import agreed
    from .arguments import request
    from .pfft import planned
    from .tuning import tuned

    comm = MPI.COMM_WORLD
    try:
        asked = agreed(comm, lambda: request(comm.Get_size(), shape, axes=axes, dtype=dtype, padding=padding))
    except (TypeError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    ranks = f"{comm.Get_size()} rank{'s' * (comm.Get_size() > 1)}"
    print(f"{' x '.join(map(str, asked.points))} points, {asked.dtype}, {ranks}: forward and backward\n")
    width = max(len("grid"), len("x".join(map(str, asked.points))))
    print(f"{'grid':<{width}}  {'exchange':<9}  {'engine':<6}  {'tile KiB':>8}  {'ms':>10}", flush=True)

    def row(choice: Choice, seconds: float) -> None:
        print(f"{cells(choice, width)}  {1000 * seconds:>10.3f}", flush=True)

    best, file = tuned(comm, asked, planned, row)
    print(f"\nFastest: {' '.join(cells(best, 0).split())} KiB")
    print(
        "Not kept: MPI4PY_PENCIL_WISDOM is empty, or names what cannot be written."
        if file is None
        else f"Kept in {file}",
        flush=True,
    )
    return 0


def cells(choice: Choice, width: int) -> str:
    """Return what was tried as cells of a table."""
    grid = "x".join(map(str, choice.grid))
    return f"{grid:<{width}}  {choice.method:<9}  {choice.backend:<6}  {choice.tile_bytes / 1024:>8g}"


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
    output: str,
) -> int:
    """Run the command taylor-green with parsed options and return the exit status."""
    import click

    from .examples import taylor_green as example

    comm = MPI.COMM_WORLD
    steps, shorter = example.steps_to(end, dt)
    dtype = {"double": "float64", "single": "float32"}[precision]
    try:
        solver = example.NavierStokes(comm, size, nu, shorter, dealias, dtype, grid, method)
    except ValueError as error:  # raised by all ranks together: a plan compares its arguments among them
        raise click.UsageError(str(error)) from error
    about = describe(solver, dealias, precision)
    note = "" if shorter == dt else f" ({dt:g} does not divide it)"
    print(f"Taylor-Green vortex, Re = {reynolds(nu)}: {about}")
    print(f"{steps} steps of {shorter:.6g} to t = {end:g}{note}\n", flush=True)

    solver.set_velocity(example.taylor_green)
    try:
        if not simulate(solver, steps, every or max(1, steps // 20)):
            print(f"\nInterrupted at t = {solver.time:.6g}; no picture drawn.", flush=True)
            return INTERRUPTED
    except FloatingPointError as error:
        return refuse(comm, f"{error}. Try a time step below --dt {dt:g}, or more viscosity.", BLOWN_UP)
    draw(solver, output, about)
    print(f"\nWrote {output}", flush=True)
    return 0


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


def simulate(solver: NavierStokes, steps: int, every: int) -> bool:
    """Run the solver with a table, a progress bar and an ear for Ctrl-C; return whether it was let finish."""
    from tqdm import tqdm

    from .examples.taylor_green import run

    places = max(2, 2 - math.floor(math.log10(solver.dt)))
    interrupts = []

    def interrupt(*_: Any) -> None:
        interrupts.append(True)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a second one does not wait for the step

    def report(moment: float, energy: float, dissipation: float, seconds: float | None) -> None:
        spent = "-" if seconds is None else f"{seconds:.4f}"
        print(f"{moment:>10.{places}f}  {energy:>15.12f}  {dissipation:>15.12f}  {spent:>9}", flush=True)

    header = f"{'time':>10}  {'kinetic energy':>15}  {'dissipation':>15}  {'s / step':>9}"
    print(header, flush=True)
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        width, hidden = len(header) - 1, solver.comm.rank != 0
        with tqdm(total=steps, disable=hidden, bar_format=BAR, ncols=width, file=ParkedCursor(), leave=False) as bar:
            return run(solver, steps, every, report, bar.update, lambda: bool(interrupts))
    finally:
        signal.signal(signal.SIGINT, before)


def draw(solver: NavierStokes, path: str, about: str) -> None:
    """Write the picture of the flow; rank 0 draws what the ranks send it."""
    points = solver.fft.global_shape(False)[2]
    index = round(points / 8)
    vorticity, spectrum = solver.vorticity_slice(index), solver.spectrum()
    if vorticity is not None and spectrum is not None:
        from .plotting import plot_flow, save

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


def describe(solver: NavierStokes, dealias: str, precision: str) -> str:
    """Return how the flow is computed, in a line of ASCII, which every terminal knows."""
    modes, ranks = " x ".join(map(str, solver.shape)), solver.comm.size
    how = {"3/2": "padded by 3/2", "mask": "upper third dropped"}[dealias]
    return f"{modes} modes, {how}, {precision} precision, {ranks} rank{'s' * (ranks > 1)}"
