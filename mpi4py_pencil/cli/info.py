"""The command info: what a file holds."""

from __future__ import annotations

from pathlib import Path

import click
from mpi4py import MPI

from ..files.contents import contents
from ..ranks.agreement import told

HELP = """Tell what a file holds: one of numpy's, an HDF5 or NetCDF file, a checkpoint, or a directory of
checkpoints. The bytes of checkpoints are compared with their checksums; where one is damaged the exit status is 1.

\b
For example:
mpi4py-pencil info run/checkpoints"""


def command() -> click.Command:
    """Return the command."""
    path = click.Argument(["path"], metavar="PATH")
    return click.Command("info", callback=info, params=[path], help=HELP, short_help="Tell what a file holds.")


def _show(path: str) -> None:
    """Print what lies at a path, as far as it can be told."""
    for line in contents(Path(path)):
        print(line)


def info(path: str) -> int:
    """Run the command info with parsed options and return the exit status."""
    try:
        told(MPI.COMM_WORLD, lambda: _show(path))
    except (OSError, ValueError, ImportError) as error:
        raise click.ClickException(str(error)) from error
    return 0
