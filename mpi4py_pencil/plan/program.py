"""A direction of a plan as a program, with the stages that its instructions belong to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _kernels
from ..exchange import Exchange
from ..layout.arrays import address
from ..sweep.instruction import Instruction, anywhere
from .timing import EXCHANGE, WAIT, Clock

Array = np.ndarray[Any, Any]
# The stage, what is done in it, and by which instructions.
Stage = tuple[str, str, Sequence[Instruction]]


def chained(passes: Sequence[Stage], exchanges: Sequence[Exchange]) -> list[Stage]:
    """The stages of passes with an exchange between any two."""
    stages: list[Stage] = []
    for k, (name, what, listed) in enumerate(passes):
        before, after = exchanges[:k][-1:], exchanges[k : k + 1]
        stages += [(name, WAIT, [anywhere(each.claim)]) for each in after]
        stages.append((name, what, [*listed, *(anywhere(each.release) for each in before)]))
        stages += [(name, EXCHANGE, [anywhere(each.deliver)]) for each in after]
    return stages


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
