"""Measuring: calls that take turns, on ranks that begin together."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from mpi4py import MPI

MOST = 201
"""Runs of a call that takes microseconds."""
POLL = 1e-3

Measured = Callable[[], float]


def timed(comm: MPI.Intracomm, call: Callable[[], Any]) -> Measured:
    """The call as one that returns its seconds on the slowest rank. Collective."""

    def measured() -> float:
        comm.Barrier()
        start = time.perf_counter()
        call()
        return comm.allreduce(time.perf_counter() - start, MPI.MAX)

    return measured


def quietly(comm: MPI.Intracomm, call: Callable[[], Any]) -> Any:
    """What rank 0 finds out, for all, while the others sleep instead of polling: the cores belong to another process.

    Collective.
    """
    result = call() if comm.Get_rank() == 0 else None
    arrived = comm.Ibarrier()
    while not arrived.Test():
        time.sleep(POLL)
    return comm.bcast(result)


def in_turns(calls: dict[str, Measured], runs: int, seconds: float) -> dict[str, list[float]]:
    """Seconds of each call, run by run, the calls taking turns; a first run of each does not count. Collective.

    There are `runs` of each, and more of short calls: as many as take `seconds`, up to MOST.
    """
    longest = max(call() for call in calls.values())
    times = max(runs, min(MOST, int(seconds / longest)))
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(times):
        for name, call in calls.items():
            found[name].append(call())
    return found
