"""The command plan: what a transform does on a machine that need not be there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from mpi4py import MPI

from ..description import emulated, text
from .options import NUMBERS, method_option, option, refusing, transform_options
from .values import count, json_file, rank_count

HELP = """Tell what a parallel transform does on so many ranks, without them: who has what, the sweeps and
the exchanges, what is sent from rank to rank and from node to node, and the memory of the plan.

\b
For example:
mpi4py-pencil plan --shape 1024 1024 1024 --ranks 65536 --ranks-per-node 128"""


def command() -> click.Command:
    """Return the command with its options: the arguments of a PFFT, and the machine."""
    node = "So many consecutive ranks share a node."
    shape, *others = transform_options()
    options = [
        shape,
        option("--ranks", None, "Number of ranks.", required=True, type=int, metavar="N", callback=rank_count),
        option("--ranks-per-node", None, node, type=int, metavar="N", callback=count),
        *others,
        option("--grid", None, "Process grid, 0 or -1 where open; chosen by default.", **NUMBERS),
        method_option(),
        option(
            "--json output", None, "Write JSON to this file, or print it for -.", metavar="PATH", callback=json_file
        ),
    ]
    short = "Tell what a transform will do on any number of ranks."
    return click.Command("plan", callback=plan, params=options, help=HELP, short_help=short)


def plan(output: str | None, ranks: int, **asked: Any) -> int:
    """Run the command plan with parsed options and return the exit status."""
    with refusing():
        told = emulated(ranks, **asked)
    figures = json.dumps(told, indent=2)
    print(figures if output == "-" else text(told), flush=True)
    if output not in (None, "-") and MPI.COMM_WORLD.rank == 0:
        Path(output).write_text(figures + "\n", encoding="utf-8")
    return 0
