"""A direction of a plan as a program, with the stages that its instructions belong to."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from .. import _kernels
from ..exchange import Exchange
from ..layout.arrays import address
from ..sweep.instruction import Instruction, anywhere, polled
from .leg import Stretch
from .timing import EXCHANGE, WAIT, Clock

Array = np.ndarray[Any, Any]
# The stage, what is done in it, and by which instructions.
Stage = tuple[str, str, Sequence[Instruction]]
# What is done in a pass, and the instructions of it: of all of it, or of a stretch.
Sweeping = tuple[str, str, Callable[[Stretch | None], Sequence[Instruction]]]


def chained(passes: Sequence[Sweeping], exchanges: Sequence[Exchange]) -> list[Stage]:
    """The stages of passes with an exchange between any two."""
    stages: list[Stage] = []
    ends: list[Exchange | None] = [None, *exchanges, None]
    for k, ((name, what, _), before, after) in enumerate(zip(passes, ends[:-1], ends[1:], strict=True)):
        if after is not None:
            stages.append((name, WAIT, [anywhere(after.claim)]))
        stages += _in_parts(passes[k], passes[k - 1][0], before, after)
        if before is not None:
            stages.append((name, what, [anywhere(before.release)]))
        if after is not None and after.outward is None:
            stages.append((name, EXCHANGE, [anywhere(after.deliver)]))
    return stages


def _in_parts(sweeping: Sweeping, name_before: str, before: Exchange | None, after: Exchange | None) -> Iterator[Stage]:
    """A pass, in stretches where an exchange is cut: each is swept once what it reads has come, and then it goes.

    Where the pass is cut along one axis for what comes and along another for what goes, it begins once all has come.
    """
    name, what, sweep = sweeping
    coming = None if before is None else before.inward
    going = None if after is None else after.outward
    one = going or coming
    if one is None:
        yield name, what, sweep(None)
        return
    poll = one.poll if coming is None or going is None else partial(_both, coming.poll, going.poll)
    apart = coming is not None and coming.axis != one.axis
    waits, starts = (list(zip(p.ends, p.operations, strict=True)) if p else [] for p in (coming, going))
    cuts = sorted({0, *(end for end, _ in starts), *(end for end, _ in waits if not apart)})
    there = 0
    for start, stop in list(itertools.pairwise(cuts)) or [(0, 0)]:
        while waits and (apart or there < stop):
            there, wait = waits.pop(0)
            yield name_before, EXCHANGE, [anywhere(wait)]
        listed = sweep((one.axis, start, stop))
        if listed:
            yield name, what, [polled(listed, poll)]
        while stop and starts and starts[0][0] <= stop:
            yield name, EXCHANGE, [anywhere(starts.pop(0)[1])]
    yield name_before, EXCHANGE, [anywhere(wait) for _, wait in waits]
    yield name, EXCHANGE, [anywhere(start) for _, start in starts]


def _both(first: Callable[[], object], second: Callable[[], object]) -> None:
    """Call both."""
    first()
    second()


class Program:
    """Instructions between an array of the caller and another, compiled.

    Parameters
    ----------
    name : str
        What it does, for the timings.
    stages : sequence of Stage
        What it does.
    clock : Clock
        What it reports to.
    """

    def __init__(self, name: str, stages: Sequence[Stage], clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._stages = [(stage, what) for stage, what, listed in stages for _ in listed]
        self._code = _kernels.Program([one for *_, listed in stages for one in listed])

    def __call__(self, source: Array, target: Array, normalize: bool, agreed: bool = False) -> None:
        """Go from one array to the other; `agreed` as `_kernels.Program.execute` has it."""
        if not self._clock.on:
            self._code.execute(address(source), address(target), normalize, agreed)
            return
        at = np.zeros(len(self._stages) + 1)
        self._code.execute(address(source), address(target), normalize, agreed, at)
        self._clock.book(self._name, self._stages, np.diff(at).tolist())
