"""Instructions: operations, and between which places each is carried out in a program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from .._kernels import ABSOLUTE, SOURCE, TARGET, Operation, Polled, Program, Threads

# An operation, and from and to which of `ABSOLUTE` (addresses of its own), `SOURCE` and `TARGET` (those that a call
# gives) and `PLANE` (memory in cache between two sweeps).
Instruction = tuple[Operation, int, int]
# Seconds from one look after what travels to the next: a network is not to run dry, and a look takes a microsecond.
_EVERY = 1e-4


def anywhere(operation: Operation) -> Instruction:
    """An operation that knows itself where it starts from and ends at."""
    return operation, ABSOLUTE, ABSOLUTE


def polled(listed: Sequence[Instruction], poll: Callable[[], object]) -> Instruction:
    """What carries out instructions, and calls a function between their tiles while messages travel."""
    return Polled(Program(listed), poll, _EVERY), SOURCE, TARGET


def side_by_side(pool: ThreadPoolExecutor | None, shares: Sequence[list[Instruction]]) -> list[Instruction]:
    """What carries out the share of each thread: this one's and those of the pool."""
    filled = [share for share in shares if share]
    if pool is None or len(filled) < 2:
        return [one for share in filled for one in share]
    return [(Threads(pool.submit, [Program(share) for share in filled]), SOURCE, TARGET)]
