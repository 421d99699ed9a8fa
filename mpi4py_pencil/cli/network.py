"""The command network: what a machine's network, memory and processors do, measured for predictions."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import click
from mpi4py import MPI

from ..description.machine import Link, Machine, save
from ..description.wording import bytes_of, count
from ..plan.wisdom import machine as named
from ..ranks.agreement import told
from .measuring import Nodes, measured
from .options import option
from .values import json_file

HELP = """Measure what carries an exchange, with all ranks of each node at work: messages between nodes and within,
windows, memory, and lines in cache. Takes some seconds. The file is what `mpi4py-pencil plan --network` reads: JSON,
which may be changed by hand. What needs several nodes, or several ranks on one, is left out where there is one.

\b
For example:
mpiexec -n 256 mpi4py-pencil network --output network.json"""


def command() -> click.Command:
    """Return the command with its options."""
    output = option("-o --output", None, "Write the figures to this file.", metavar="FILE", callback=json_file)
    short = "Measure network, memory and sweeps, for predictions."
    return click.Command("network", callback=network, params=[output], help=HELP, short_help=short)


def network(output: str | None) -> int:
    """Run the command network with parsed options and return the exit status."""
    comm = MPI.COMM_WORLD
    nodes = Nodes(comm)
    about = {"machine": named(comm), "date": comm.bcast(time.strftime("%Y-%m-%d"))}
    print(f"{count(comm.Get_size(), 'rank')} on {count(nodes.count, 'node')}: {about['machine']}", flush=True)
    found = replace(measured(nodes), about=about)
    nodes.free()
    for line in lines(found):
        print(line)
    if output is not None:
        try:
            told(comm, lambda: save(found, Path(output)))
        except OSError as error:
            raise click.ClickException(str(error)) from error
        print(f"Wrote {output}", flush=True)
    return 0


def lines(machine: Machine) -> list[str]:
    """Return the figures as people read them, and what was not measured."""
    ranks = count(machine.ranks_per_node, "rank")
    fence = "not measured: needs several ranks on a node and room in /dev/shm"
    return [
        f"between nodes  {_link(machine.between, 'several nodes')}",
        f"within a node  {_link(machine.within, 'several ranks on a node')}",
        f"windows        {fence if machine.fence is None else f'{_us(machine.fence)} to wait for each other'}",
        f"memory         {bytes_of(machine.memory)}/s read and written by {ranks} of a node",
        f"call           {_us(machine.call)}",
        f"lines          {', '.join(f'{1e9 * s:.2f} ns a point of {n}' for n, s in machine.sweeps.items())}",
    ]


def _link(link: Link | None, needed: str) -> str:
    """What carries messages, in words."""
    if link is None:
        return f"not measured: needs {needed}"
    return (
        f"{_us(link.latency)} latency, {_us(link.message)} a message more; {bytes_of(link.bandwidth)}/s a node, "
        f"{bytes_of(link.alone)}/s a rank alone, whose core works {1e9 * link.work:.2g} ns a byte"
    )


def _us(seconds: float) -> str:
    """Microseconds."""
    return f"{1e6 * seconds:.3g} µs"
