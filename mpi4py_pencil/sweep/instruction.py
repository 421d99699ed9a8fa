"""Instructions: operations, and between which places each is carried out in a program."""

from __future__ import annotations

from .._kernels import ABSOLUTE, Operation

# An operation, and from and to which of `ABSOLUTE` (addresses of its own), `SOURCE` and `TARGET` (those that a call
# gives) and `PLANE` (memory in cache between two sweeps).
Instruction = tuple[Operation, int, int]


def anywhere(operation: Operation) -> Instruction:
    """An operation that knows itself where it starts from and ends at."""
    return operation, ABSOLUTE, ABSOLUTE
