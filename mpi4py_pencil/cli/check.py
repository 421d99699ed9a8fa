"""The command check: whether a machine is fit for parallel transforms, and what plans make of it."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np
from mpi4py import MPI

from .. import _kernels
from ..description.wording import bytes_of, count
from ..engines import with_vertical
from ..exchange.window import Window
from ..pfft import PFFT
from ..ranks.agreement import agreed, nothing
from ..ranks.communicators import ranks_per_node
from .measuring import Nodes, around, seconds

HELP = """Check that these ranks can transform together: which nodes and cores they are on, that all ranks of a node
see what one writes to shared memory, that messages come through, and that a transform is that of numpy. Says what
plans will choose by themselves, and why. Takes some seconds; the last line is the verdict, and the exit status is 0
where all is well and 1 where something is not.

\b
For example:
mpiexec -n 64 mpi4py-pencil check"""

SHAPE = (24, 20, 18)
TOLERANCE = 1e-13
# Bytes of messages.
LARGE = 1024 * 1024
# Seconds of a message that no fast network takes, nor ranks that have cores of their own.
SLOW = 2e-4


@dataclass(frozen=True)
class Finding:
    """A line of the report; `problem` is what is wrong, `note` what is only slower than it could be."""

    name: str
    text: str
    problem: str = ""
    note: str = ""


def command() -> click.Command:
    """Return the command, which has no options."""
    return click.Command("check", callback=check, help=HELP, short_help="Check that all works on these ranks.")


def check() -> int:
    """Run the command check and return the exit status."""
    comm = MPI.COMM_WORLD
    nodes = Nodes(comm)
    problems: list[str] = []
    for finding in findings(nodes):
        print(f"{finding.name:<10} {finding.text}", flush=True)
        if finding.note:
            print(f"{'':<10} note: {finding.note}", flush=True)
        problems += [finding.problem] if finding.problem else []
    nodes.free()
    print(f"PROBLEM: {'; '.join(problems)}" if problems else "All is well.", flush=True)
    return 1 if problems else 0


def findings(nodes: Nodes) -> Iterator[Finding]:
    """What is found, line by line. Collective; the same on all ranks."""
    yield ranks(nodes)
    yield software()
    yield cores(nodes)
    yield windows(nodes)
    yield messages(nodes)
    yield from transform(nodes.comm)


def ranks(nodes: Nodes) -> Finding:
    """How many ranks there are on which nodes."""
    comm = nodes.comm
    names = comm.allgather(MPI.Get_processor_name() if nodes.number == 0 else "")
    names = [name for name in names if name]
    shown = ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
    each = str(nodes.least) if nodes.least == nodes.most else f"{nodes.least} to {nodes.most}"
    note = "" if ranks_per_node(comm) else "ranks of a node do not follow each other: grids are chosen without nodes"
    return Finding("ranks", f"{comm.Get_size()} on {count(nodes.count, 'node')} ({shown}), {each} on each", note=note)


def software() -> Finding:
    """Which libraries are at work."""
    library = " ".join(MPI.Get_library_version().replace("\0", "").split("\n")[0].split(",")[0].split())
    packages = ", ".join(f"{name} {version(name)}" for name in ("mpi4py-pencil", "mpi4py", "numpy", "pyfftw"))
    return Finding("software", f"{library}; {packages}; Python {platform.python_version()}")


def cores(nodes: Nodes) -> Finding:
    """What the ranks compute with: instructions, cores, threads."""
    found, (number, vector) = _kernels.instruction_sets(), with_vertical.instruction_set()
    alike = nodes.comm.allreduce(number, MPI.MAX) == nodes.comm.allreduce(number, MPI.MIN)
    mine = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    together = len(set().union(*nodes.node.allgather(mine)))
    least = nodes.comm.allreduce(len(mine), MPI.MIN)
    crowded = nodes.comm.allreduce(nodes.node.Get_size() > together, MPI.LOR)
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    notes = []
    if crowded:
        notes.append("there are more ranks than cores on a node, which they share")
    if not alike:
        notes.append("the ranks have different processors")
    return Finding(
        "cores",
        f"{found[number][0]}, vectors of {vector} bytes; a rank may use {count(least, 'core')}, "
        f"OMP_NUM_THREADS is {threads}",
        note="; ".join(notes),
    )


def windows(nodes: Nodes) -> Finding:
    """Whether what a rank writes into a window is seen by all ranks of its node, and what room there is."""
    comm, seen, error = nodes.comm, False, ""
    try:
        seen = _seen(nodes.node)
    except MemoryError as none:
        error = str(none)
    room = os.statvfs("/dev/shm") if Path("/dev/shm").is_dir() else None
    free = comm.allreduce(room.f_bavail * room.f_frsize if room else 0, MPI.MIN)
    text = f"{bytes_of(free)} free in /dev/shm of the fullest node"
    errors = [each for each in comm.allgather(error) if each]
    if errors:
        return Finding("windows", text, note=f"none to be had, so that all exchanges go by messages: {errors[0]}")
    if not comm.allreduce(seen, MPI.LAND):
        return Finding("windows", text, "what one rank writes into a shared window is not seen by others of its node")
    small = free < 1024**3
    return Finding(
        "windows",
        f"{text}; what one rank writes there all of its node see",
        note="little: exchanges that find no room go by messages instead" if small else "",
    )


def _seen(node: MPI.Intracomm) -> bool:
    """Whether this rank sees what all ranks of its node have written. Collective over them."""
    window = Window(node, 8)
    window.segment(node.Get_rank(), 8)[:] = node.Get_rank() % 251 + 1
    window.fence()
    return all(np.all(window.segment(rank, 8) == rank % 251 + 1) for rank in range(node.Get_size()))


def messages(nodes: Nodes) -> Finding:
    """How fast messages go around the nodes, and within them."""
    told, slow = [], []
    for name, ring, count_, takes_part in (
        ("between nodes", nodes.across, nodes.count, nodes.number < nodes.least),
        ("within a node", nodes.node, nodes.most, True),
    ):
        if count_ > 1:
            latency = seconds(nodes.comm, around(ring, 1, takes_part), 10)
            large = seconds(nodes.comm, around(ring, LARGE, takes_part))
            sending = nodes.least if ring is nodes.across else nodes.most
            slow += [name] if latency > SLOW else []
            told.append(f"{name} {1e6 * latency:.3g} µs, {bytes_of(sending * LARGE / large)}/s a node")
    note = f"messages {' and '.join(slow)} take long: a slow network, ranks that wait for cores, or a busy machine"
    return Finding("messages", "; ".join(told) or "none: there is one rank", note=note if slow else "")


def transform(comm: MPI.Intracomm) -> Iterator[Finding]:
    """A small transform next to numpy's, and what a plan chooses by itself."""
    shape = " x ".join(map(str, SHAPE))
    try:
        with PFFT(comm, SHAPE) as fft:
            told = fft.description()
            error = comm.allreduce(agreed(comm, lambda: _error(fft), nothing), MPI.MAX)
    except Exception as failed:  # whatever it is, it is what is to be found out
        yield Finding("transform", f"{shape} real points", f"a transform fails: {failed!r:.300}")
        return
    wrong = "" if error < TOLERANCE else f"a transform differs from numpy's by {error:.3g}"
    yield Finding("transform", f"{shape} real points there and back: differs from numpy's by {error:.2g}", wrong)
    exchanges = [step for step in told["steps"] if step["step"] == "exchange"]
    chosen = sorted(set().union(*comm.allgather({(s["from_axis"], s["to_axis"], s["method"]) for s in exchanges})))
    ways = "; ".join(f"{a} -> {b} by {method}, {WHY.get(method, WISDOM)}" for a, b, method in reversed(chosen))
    engine = f"engine {told['engine']}, {WHY.get(told['engine'], WISDOM)}"
    yield Finding("plan", f"grid {'x'.join(map(str, told['grid']))}; {engine}; {ways or 'no exchange, with one rank'}")


WISDOM = "as wisdom says"
WHY = {
    "shared": "since its peers share a node",
    "alltoallv": "since its peers are on nodes of their own and boxes are small, or there is no room in /dev/shm",
    "hybrid": "since some of its peers share a node",
    "joined": "since boxes are small, and some ranks share a node",
    "pairwise": "since its peers are on nodes of their own, or there is no room in /dev/shm",
    "vertical": "since vectors have 32 bytes or more",
    "pyfftw": "since vectors of some ranks have less than 32 bytes",
}


def _error(fft: PFFT) -> float:
    """How far this rank's part is from the right one, there and back. Collective over the ranks of the plan."""
    u = np.random.default_rng(1).standard_normal(SHAPE)
    points, modes = fft.empty_input(), fft.empty_output()
    points[...] = u[fft.local_slice(False)]
    fft.forward(points, modes)
    right = (np.fft.rfftn(u) / u.size)[fft.local_slice(True)], u[fft.local_slice(False)]
    found = np.asarray(modes), np.asarray(fft.backward(modes))
    return max(float(np.abs(mine - theirs).max(initial=0)) for mine, theirs in zip(found, right, strict=True))
