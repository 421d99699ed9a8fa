"""What the options' texts mean: click calls each with its context, the option and the value, and takes what it returns.

All raise click.BadParameter, which becomes one line that names the option, the value and what would be right.
"""

from __future__ import annotations

import itertools
import math
import os
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

from click import BadParameter
from mpi4py import MPI

MOST_RANKS = 10_000_000


def joined(arguments: list[str]) -> list[str]:
    """Return the arguments with numbers that follow each other as one: click gives an option one value."""
    found = itertools.groupby(arguments, lambda argument: bool(re.fullmatch(r"-?\.?\d[\d./,xX-]*", argument)))
    return [part for numbers, group in found for part in ([" ".join(group)] if numbers else group)]


def integers(text: str) -> tuple[int, ...]:
    """Return the numbers in "64 32", "64x32" or "64,32"; none if it is not of this form."""
    parts = re.split(r"[x,\s]+", text.lower().strip())
    return tuple(map(int, parts)) if all(re.fullmatch(r"-?\d{1,15}", part, re.ASCII) for part in parts) else ()


def whole_numbers(_: Any, __: Any, value: str | None) -> tuple[int, ...] | None:
    """Return the numbers in "64 32", "64x32" or "64,32"."""
    numbers = None if value is None else integers(value)
    if numbers == ():
        raise BadParameter(f"{value!r} must be whole numbers, as in 64 32 32.")
    return numbers


def sizes(_: Any, __: Any, value: str) -> tuple[int, ...]:
    """Return three sizes from "64" or "64x32x32"."""
    numbers = integers(value)
    if len(numbers) not in (1, 3) or min(numbers) < 1:
        raise BadParameter(f"{value!r} must be a positive number, or three as in 64x32x32.")
    return numbers * 3 if len(numbers) == 1 else numbers


def process_grid(_: Any, __: Any, value: str | None) -> tuple[int, ...] | None:
    """Return the ranks along x, y and z from "2" or "2x1", which must multiply to the number of ranks."""
    if value is None:
        return None
    numbers, ranks = integers(value), MPI.COMM_WORLD.size
    if len(numbers) not in (1, 2) or min(numbers) < 1:
        raise BadParameter(f"{value!r} must be a positive number, or two as in 2x1.")
    if math.prod(numbers) != ranks:
        raise BadParameter(f"{value!r} makes {math.prod(numbers)} blocks, but must make as many as ranks, {ranks}.")
    return *numbers, *[1] * (3 - len(numbers))


def fractions(_: Any, __: Any, value: str | None) -> float | list[float] | None:
    """Return the number in "3/2", or those in "3/2 1.5 1" or "3/2,1.5,1"."""
    if value is None:
        return None
    parts = re.split(r"[,\s]+", value.strip())
    try:
        if not all(re.fullmatch(r"-?[\d./]{1,31}", part, re.ASCII) for part in parts):
            raise ValueError
        numbers = [float(Fraction(part)) for part in parts]
    except (ValueError, ZeroDivisionError):
        raise BadParameter(f"{value!r} must be numbers or fractions, as in 3/2.") from None
    return numbers[0] if len(numbers) == 1 else numbers


def rank_count(_: Any, __: Any, value: int) -> int:
    """Return a number of ranks whose figures can all be held at once, as finding the busiest takes."""
    if not 1 <= value <= MOST_RANKS:
        raise BadParameter(f"{value} must be between 1 and {MOST_RANKS}.")
    return value


def not_negative(_: Any, __: Any, value: float) -> float:
    """Return a finite number, 0 or more."""
    if not 0 <= value < math.inf:
        raise BadParameter(f"{value:g} must be a finite number, 0 or more.")
    return value


def positive(_: Any, __: Any, value: float) -> float:
    """Return a finite number above 0."""
    if not 0 < value < math.inf:
        raise BadParameter(f"{value:g} must be a finite number above 0.")
    return value


def count(_: Any, __: Any, value: int | None) -> int | None:
    """Return a whole number, 1 or more, or absent."""
    if value is not None and value < 1:
        raise BadParameter(f"{value} must be 1 or more.")
    return value


def png(_: Any, __: Any, value: str) -> str:
    """Return a path that can be written: rank 0 opens it now, before a run that may take hours."""
    if not value.lower().endswith(".png"):
        raise BadParameter(f"{value!r} must end in .png.")
    return writable(value)


def json_file(_: Any, __: Any, value: str | None) -> str | None:
    """Return a path that can be written, "-" or absent."""
    return value if value in (None, "-") else writable(value)


def writable(value: str) -> str:
    """Return a path that rank 0 can write. Collective over MPI.COMM_WORLD."""
    reason = None
    if MPI.COMM_WORLD.rank == 0:
        path = Path(value)
        new = not os.path.lexists(path)
        try:
            with path.open("ab"):
                pass
            if new:
                path.unlink()
        except OSError as error:
            reason = error.strerror
    reason = MPI.COMM_WORLD.bcast(reason)
    if reason is not None:
        raise BadParameter(f"{value!r} cannot be written: {reason}.")
    return value
