"""The command line: ``mpiexec -n 2 mpi4py-pencil taylor-green`` and the like.

Every rank parses the same arguments and comes to the same end; rank 0 alone speaks. Bad arguments are refused
in one line with exit status 2, before anything is computed. A module for each command has its options, its help
and what it does. These modules are imported when a command runs, after it is known that the libraries of the
extra "cli" are there, so that a missing one is a line too.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import time
import traceback
import warnings
from contextlib import nullcontext, redirect_stdout
from importlib.util import find_spec
from typing import TYPE_CHECKING, NoReturn

from mpi4py import MPI

from .. import __version__

if TYPE_CHECKING:
    import click

NEEDED = ("click", "tqdm", "matplotlib")
BAD_ARGUMENT, INTERRUPTED = 2, 128 + signal.SIGINT


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
        With status 0 when all is done, 1 when the flow blew up, 2 for bad arguments, 130 after Ctrl-C, 143 after
        SIGTERM.
    """
    comm = MPI.COMM_WORLD
    arguments = sys.argv[1:] if arguments is None else arguments
    warnings.formatwarning = lambda message, *_: f"Warning: {message}\n"
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

    from .values import joined

    with nullcontext() if comm.rank == 0 else redirect_stdout(io.StringIO()):
        try:
            return int(commands().main(joined(arguments), prog_name="mpi4py-pencil", standalone_mode=False))
        except click.ClickException as error:
            return refuse(comm, error.format_message(), error.exit_code)


def commands() -> click.Group:
    """Return the group of all commands."""
    import click

    from . import check, info, network, plan, taylor_green, tune

    about = "Parallel FFTs from the command line. Start all but plan and info, which need one process, with mpiexec."
    modules = (taylor_green, check, network, plan, tune, info)
    group = click.Group(commands=[module.command() for module in modules], help=about)
    return click.version_option(__version__)(group)


def refuse(comm: MPI.Intracomm, message: str, status: int = BAD_ARGUMENT) -> int:
    """Say in one line, once, what is wrong, and return the exit status."""
    if comm.rank == 0:
        print("Error:", " ".join(message.split()), file=sys.stderr, flush=True)
    return status


def abort(comm: MPI.Intracomm, error: BaseException) -> NoReturn:
    """Tell what this rank did not expect, with its traceback, and end all ranks: others may wait for it."""
    time.sleep(min(comm.rank, 5))  # the first rank that meets an error tells it, and ends the others
    if isinstance(error, MemoryError):
        print(f"Error: rank {comm.rank} has too little memory: {error}", file=sys.stderr)
    elif not isinstance(error, KeyboardInterrupt):
        traceback.print_exception(error)
    sys.stdout.flush()
    sys.stderr.flush()
    time.sleep(0.5)  # mpiexec drops what it has not read yet when a job aborts
    status = INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1
    comm.Abort(status)
    os._exit(status)  # MPICH's Abort may return; to go on would be to meet the others in MPI_Finalize
