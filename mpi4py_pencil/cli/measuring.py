"""Measuring a machine: messages between nodes and within, windows, memory, and lines in cache.

All is collective over a communicator, and the same on all its ranks: seconds are those of the slowest rank, the least
of some tries, since what others do on the machine only adds to them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from mpi4py import MPI

from ..description.machine import Link, Machine
from ..exchange.window import Window
from ..pfft import PFFT
from ..sweep import cache

Array = np.ndarray[Any, Any]
T = TypeVar("T")

# A try is repeated until they have taken these seconds together, but so many times at least, and at most.
SECONDS, LEAST, MOST = 0.15, 5, 200
# Bytes of a message that the bandwidth is measured with, of an array that does not stay in cache, and how many small
# messages are under way at once.
LARGE, STREAMED, WINDOW = 4 * 1024 * 1024, 32 * 1024 * 1024, 64
LENGTHS = (64, 256, 1024)
# Transforms in a row.
CALLS = 500
# Points of an array that stays in the second-level cache with what it is transformed into.
CACHED = 16 * 1024


class Nodes:
    """Who shares a node, and rings of ranks within the nodes and across them. Collective over `comm`.

    Attributes
    ----------
    node, across : MPI.Intracomm
        The ranks of this node; those with the same number on theirs, one of each node, in the order of the nodes.
    count, least, most : int
        How many nodes there are, and the ranks of the emptiest and the fullest.
    """

    def __init__(self, comm: MPI.Intracomm) -> None:
        self.comm = comm
        self.node = MPI.Intracomm(comm.Split_type(MPI.COMM_TYPE_SHARED))
        self.across = MPI.Intracomm(comm.Split(self.node.Get_rank()))
        sizes = comm.allgather(self.node.Get_size() if self.node.Get_rank() == 0 else 0)
        found = [size for size in sizes if size]
        self.count, self.least, self.most = len(found), min(found), max(found)

    def free(self) -> None:
        """Free the communicators. Collective."""
        self.across.Free()
        self.node.Free()

    @property
    def number(self) -> int:
        """This rank's number on its node, as that of those of `across`."""
        return self.node.Get_rank()


def measured(nodes: Nodes) -> Machine:
    """The figures of the machine, but for `about`."""
    between = within = None
    if nodes.count > 1:
        between = link(nodes, nodes.across, nodes.number < nodes.least, nodes.number == 0)
    if nodes.most > 1:
        first = nodes.number < 2
        pair = MPI.Intracomm(nodes.node.Split(0 if first else MPI.UNDEFINED))
        within = link(nodes, nodes.node, True, first and pair.Get_size() > 1, pair)
        if first:
            pair.Free()
    call, sweeps = lines(nodes.comm)
    memory = nodes.most * 2 * STREAMED / copying(nodes.comm)
    return Machine(nodes.most, between, within, fence(nodes), memory, 4 * cache.TILE_BYTES, call, sweeps)


def link(nodes: Nodes, ring: MPI.Intracomm, takes_part: bool, alone: bool, pair: MPI.Intracomm | None = None) -> Link:
    """What carries messages around a ring of ranks: of all that take part, and of those alone on their nodes."""
    few = pair or ring
    latency = seconds(nodes.comm, around(few, 1, alone), 10)
    together = many_around(nodes, ring, takes_part)
    large = seconds(nodes.comm, around(ring, LARGE, takes_part))
    ranks = nodes.least if ring is nodes.across else nodes.most
    single = large if ranks == 1 else seconds(nodes.comm, around(few, LARGE, alone))
    message = max(together - latency, together / 2) / WINDOW
    return Link(latency, message, ranks * LARGE / large, LARGE / single, working(nodes, few, alone))


def working(nodes: Nodes, ring: MPI.Intracomm, takes_part: bool) -> float:
    """The seconds that a processor works for a byte while long messages go around a ring.

    It computes beside them, and looks after them as often as a plan does. What it works more than to compute alone is
    for the messages: that is less than what they take, since it waits for the network too.
    """
    compute = _transform((16, 64), 1)

    def slice_() -> None:
        for _ in range(4):
            compute()

    def slices() -> None:
        for _ in range(CALLS):
            slice_()

    def beside() -> int:
        done = 0
        requests = begun(ring, buffers)
        while not MPI.Request.Testall(requests):
            slice_()
            done += 1
        return done

    buffers = np.ones(LARGE, np.uint8), np.ones(LARGE, np.uint8)
    slices()
    alone = worked(slices)[0] / CALLS
    found: list[float] = []
    for _ in range(LEAST):
        nodes.comm.Barrier()
        more = 0.0
        if takes_part:
            taken, done = worked(beside)
            more = taken - done * alone
        found.append(nodes.comm.allreduce(more, MPI.MAX))
    return max(min(found), 0.0) / LARGE


def worked(call: Callable[[], T]) -> tuple[float, T]:
    """The seconds that this process's threads work in a call, and what it returns."""
    start = time.process_time()
    done = call()
    return time.process_time() - start, done


def begun(ring: MPI.Intracomm, buffers: tuple[Array, Array]) -> list[MPI.Request]:
    """A message from each rank of a ring to the next, under way."""
    after, before = ((ring.Get_rank() + way) % ring.Get_size() for way in (1, -1))
    # as exchanges do: a rank that takes before it sends may hold up the other direction
    return [ring.Isend(buffers[0], after), ring.Irecv(buffers[1], before)]


def around(ring: MPI.Intracomm, nbytes: int, takes_part: bool) -> Callable[[], Any]:
    """Each rank of a ring sends to the next, and receives as much; those that do not take part do nothing."""
    if not takes_part or ring.Get_size() == 1:
        return _nothing
    buffers = np.zeros(nbytes, np.uint8), np.zeros(nbytes, np.uint8)
    return lambda: MPI.Request.Waitall(begun(ring, buffers))


def many_around(nodes: Nodes, ring: MPI.Intracomm, takes_part: bool) -> float:
    """What it takes that each rank of a ring sends many small messages to the next, all at once."""
    size = ring.Get_size()
    receives: list[MPI.Prequest] = []
    sends: list[MPI.Prequest] = []
    if takes_part and size > 1:
        source, target = np.zeros((WINDOW, 8), np.uint8), np.zeros((WINDOW, 8), np.uint8)
        receives = [ring.Recv_init(one, (ring.Get_rank() - 1) % size) for one in target]
        sends = [ring.Send_init(one, (ring.Get_rank() + 1) % size) for one in source]

    def call() -> None:
        MPI.Prequest.Startall(receives)
        MPI.Prequest.Startall(sends)
        MPI.Request.Waitall(receives + sends)

    found = seconds(nodes.comm, call)
    for request in receives + sends:
        request.Free()
    return found


def fence(nodes: Nodes) -> float | None:
    """What the ranks of a node take to wait for each other in a window; None where each is alone, or has no room."""
    if nodes.most == 1:
        return None
    window: Window | None
    try:
        window = Window(nodes.node, 64)
    except MemoryError:
        window = None
    if not nodes.comm.allreduce(window is not None, MPI.LAND):
        return None

    def call() -> None:
        if window is not None:
            window.claim()
            window.fence()
            window.release()

    return seconds(nodes.comm, call, 10)


def copying(comm: MPI.Intracomm) -> float:
    """What all ranks take to copy an array that does not stay in cache."""
    source, target = np.ones(STREAMED // 8), np.zeros(STREAMED // 8)
    return seconds(comm, lambda: np.copyto(target, source))


def lines(comm: MPI.Intracomm) -> tuple[float, dict[int, float]]:
    """What a call takes beside its sweeps, and a point in cache by the length of its line."""
    # so often that ranks which share a core take turns meanwhile
    call = seconds(comm, _transform((1, 8), 1), CALLS)
    found = {}
    for n in LENGTHS:
        both = sum(
            seconds(comm, _transform(shape, axis), CALLS)
            for shape, axis in (((CACHED // n, n), 1), ((n, CACHED // n), 0))
        )
        found[n] = max(both / 2 - call, both / 4) / CACHED
    return call, found


def _transform(shape: tuple[int, ...], axis: int) -> Callable[[], Any]:
    """A transform of complex points along an axis, of this rank alone."""
    fft = PFFT(MPI.COMM_SELF, shape, axes=axis, dtype=complex)
    u, out = fft.empty_input(), fft.empty_output()
    u[...] = 1
    return lambda: fft.forward(u, out)


def seconds(comm: MPI.Intracomm, call: Callable[[], Any], times: int = 1) -> float:
    """The seconds of a call that is made so many times in a row, on the slowest rank."""
    call()
    found: list[float] = []
    while len(found) < LEAST or (sum(found) * times < SECONDS and len(found) < MOST):
        comm.Barrier()
        start = time.perf_counter()
        for _ in range(times):
            call()
        found.append(comm.allreduce((time.perf_counter() - start) / times, MPI.MAX))
    return min(found)


def _nothing() -> None:
    """Take no part."""
