"""A stage timer: how long each rank sweeps, exchanges and waits, stage by stage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from mpi4py import MPI

WAIT, SWEEP, EXCHANGE = "wait", "sweep", "exchange"


class Clock:
    """What the pipelines of a plan report to while it is on."""

    def __init__(self) -> None:
        self.on = False
        self.calls: dict[tuple[str, str, str], int] = defaultdict(int)
        self.seconds: dict[tuple[str, str, str], float] = defaultdict(float)

    def book(self, way: str, stages: Sequence[tuple[str, str]], seconds: Sequence[float]) -> None:
        """Add one call of a direction: the stage and what was done in it, and the time of each instruction."""
        for key in dict.fromkeys((way, *stage) for stage in stages):
            self.calls[key] += 1
        for stage, each in zip(stages, seconds, strict=True):
            self.seconds[(way, *stage)] += each


@dataclass(frozen=True)
class Stage:
    """One line of the table: seconds a call, over the ranks.

    Attributes
    ----------
    way : str
        "forward" or "backward", or the adjoint of one.
    stage : str
        The axes whose lines were transformed.
    what : str
        "wait" for the outbox to be free, "sweep", or "exchange" after it, which includes waiting for slower ranks.
    calls : int
        How often.
    fastest, median, slowest : float
        Mean seconds a call of the fastest rank, the median over the ranks, and of the slowest.
    """

    way: str
    stage: str
    what: str
    calls: int
    fastest: float
    median: float
    slowest: float


@dataclass
class Timings:
    """What was timed, the same on every rank; printed as a table in milliseconds.

    Attributes
    ----------
    stages : list of Stage
        In the order of the calls; empty until the timing ends.
    """

    stages: list[Stage] = field(default_factory=list)

    def __str__(self) -> str:
        """The table."""
        width = max((len(s.stage) for s in self.stages), default=6) + 2
        lines = [f"ms a call, over the ranks{'':{width - 3}}{'calls':>16}{'min':>10}{'median':>10}{'max':>10}"]
        way = stage = ""
        for s in self.stages:
            # what is the same as in the line above is not said again
            stage = "" if (s.way, s.stage) == (way, stage) else s.stage
            numbers = "".join(f"{1e3 * t:10.3f}" for t in (s.fastest, s.median, s.slowest))
            lines.append(f"{'' if s.way == way else s.way:22}{stage:{width}}{s.what:10}{s.calls:>6}{numbers}")
            way, stage = s.way, s.stage
        return "\n".join(lines)


@contextmanager
def timed(comm: MPI.Intracomm, clock: Clock) -> Iterator[Timings]:
    """Turn a clock on, and gather what it counted. Collective over `comm` at the end, unless an exception ends it."""
    if clock.on:
        raise RuntimeError("this plan is being timed already")
    clock.on = True
    clock.calls.clear()
    clock.seconds.clear()
    timings = Timings()
    try:
        yield timings
    finally:
        clock.on = False
    everyone = comm.allgather({key: (calls, clock.seconds[key] / calls) for key, calls in clock.calls.items()})
    for (way, stage, what), (calls, _) in everyone[0].items():
        means = [theirs[way, stage, what][1] for theirs in everyone if (way, stage, what) in theirs]
        timings.stages.append(Stage(way, stage, what, calls, min(means), float(np.median(means)), max(means)))
