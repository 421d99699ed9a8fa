"""The command plan: what a transform does on a machine that need not be there, and how long it should take."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from mpi4py import MPI

from ..description import emulated, text
from ..description.machine import ASSUMED, Link, Machine, load
from ..description.prediction import as_data, prediction_text, predictions
from .options import NUMBERS, method_option, option, refusing, transform_options
from .values import count, json_file, rank_count

HELP = """Tell what a parallel transform does on so many ranks, without them: who has what, the sweeps and
the exchanges, what is sent from rank to rank and from node to node, and the memory of the plan. With --network, how
long it should take with each grid and method.

\b
For example:
mpi4py-pencil plan --shape 1024 1024 1024 --ranks 65536 --ranks-per-node 128 --network 2e-6,25e9"""


def command() -> click.Command:
    """Return the command with its options: the arguments of a PFFT, and the machine."""
    node = "So many consecutive ranks share a node."
    network = (
        "What `mpi4py-pencil network` has written, or the latency (s) and bandwidth (bytes/s) of a node, as in "
        "2e-6,25e9; given twice, the network of the file is replaced by these figures."
    )
    shape, *others = transform_options()
    options = [
        shape,
        option("--ranks", None, "Number of ranks.", required=True, type=int, metavar="N", callback=rank_count),
        option("--ranks-per-node", None, node, type=int, metavar="N", callback=count),
        *others,
        option("--grid", None, "Process grid, 0 or -1 where open; chosen by default.", **NUMBERS),
        method_option(),
        option("--network", None, network, multiple=True, metavar="FILE|S,B", callback=machine_of),
        option(
            "--json output", None, "Write JSON to this file, or print it for -.", metavar="PATH", callback=json_file
        ),
    ]
    short = "Tell what a transform will do on any number of ranks."
    return click.Command("plan", callback=plan, params=options, help=HELP, short_help=short)


def machine_of(_: Any, __: Any, values: tuple[str, ...]) -> Machine | None:
    """Return the machine that values of --network describe: a file, and what is in place of its network."""
    files = [value for value in values if "," not in value]
    given = [value for value in values if "," in value]
    if max(len(files), len(given)) > 1:
        raise click.BadParameter("give at most one file, and one latency,bandwidth, as in 2e-6,25e9")
    machine = ASSUMED
    try:
        for file in files:
            machine = load(Path(file))
        for figures in given:
            machine = replace(machine, between=_link(figures, machine), about={**machine.about, "network": figures})
    except OSError as error:
        told = f"{error.filename!r}: {error.strerror}; must be a file, or latency,bandwidth, as in 2e-6,25e9"
        raise click.BadParameter(told) from None
    except ValueError as error:
        raise click.BadParameter(f"{error}") from None
    return machine if values else None


def _link(figures: str, machine: Machine) -> Link:
    """Return the network with these figures; messages take what they took where that was measured.

    Else each takes the latency, and no work of the processor.
    """
    try:
        numbers = [float(number) for number in figures.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 2 or not all(0 < number < float("inf") for number in numbers):
        raise ValueError(f"{figures} must be seconds and bytes a second, as in 2e-6,25e9")
    message, work = (machine.between.message, machine.between.work) if machine.between else (numbers[0], 0.0)
    return Link(numbers[0], min(message, numbers[0]), numbers[1], numbers[1], work)


def plan(output: str | None, ranks: int, network: Machine | None, **asked: Any) -> int:
    """Run the command plan with parsed options and return the exit status."""
    if network is not None and asked["ranks_per_node"] is None:
        raise click.UsageError("--network needs --ranks-per-node: how many ranks share a node, and its network")
    with refusing():
        told = emulated(ranks, **asked)
        found = [] if network is None else predictions(ranks, machine=network, **asked)
    shown = text(told)
    if network is not None:
        shown += "\n\n" + prediction_text(found, network, tuple(told["grid"]), min(ranks, asked["ranks_per_node"]))
        told |= {"predictions": as_data(found)}
    figures = json.dumps(told, indent=2)
    print(figures if output == "-" else shown, flush=True)
    if output not in (None, "-") and MPI.COMM_WORLD.rank == 0:
        Path(output).write_text(figures + "\n", encoding="utf-8")
    return 0
