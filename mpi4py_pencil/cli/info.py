"""The command info: what a file holds."""

from __future__ import annotations

from pathlib import Path

import click
from mpi4py import MPI

from ..files.contents import contents
from ..ranks.agreement import told

HELP = """Tell what a file holds: one of numpy's, an HDF5 or NetCDF file, a checkpoint, or a directory of
checkpoints. The bytes of checkpoints are compared with their checksums.

\b
For example:
mpi4py-pencil info run/checkpoints"""


def command() -> click.Command:
    """Return the command."""
    path = click.Argument(["path"], metavar="PATH")
    return click.Command("info", callback=info, params=[path], help=HELP, short_help="Tell what a file holds.")


def info(path: str) -> int:
    """Run the command info with parsed options and return the exit status."""
    try:
        for line in told(MPI.COMM_WORLD, lambda: list(contents(Path(path)))):
            print(line)
    except (OSError, ValueError, ImportError) as error:
        raise click.ClickException(str(error)) from error
    return 0
