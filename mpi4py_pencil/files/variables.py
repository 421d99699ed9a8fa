"""Fields over time, whatever the format of the file: their names, their axes, and which step may follow which."""

from __future__ import annotations

import numbers
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..layout.arrays import said

# The attribute of a file that has the coordinates along each axis, as JSON.
DOMAIN = "domain"


class Axis(NamedTuple):
    """An axis of a variable: which of a field it is, of how many; which part of it there is, and of how many points.

    Components are not counted: they have negative numbers.
    """

    number: int
    of: int
    start: int
    length: int
    points: int

    @property
    def name(self) -> str:
        """Of its dimension."""
        if self.number < 0:
            name = "component" + ("" if self.number == -1 else f"_{-self.number}")
        else:
            name = "xyz"[self.number] if self.of <= 3 else f"x{self.number}"
        return name if self.length == self.points else f"{name}_{self.start}to{self.start + self.length}"

    @property
    def names(self) -> tuple[str, str]:
        """Of its dimension, and what that is called where a file has another of this name."""
        return self.name, f"{self.name}_{self.length}"


class Wanted(NamedTuple):
    """A variable to be written: its name, the suffix of slices of its kind, its shape, its dtype, and its axes."""

    name: str
    kind: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    axes: list[Axis]


class There(NamedTuple):
    """A variable that is in a file: its shape without time, its dtype, and how many steps it has."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    steps: int


def check_name(name: Any) -> None:
    """Refuse, with ValueError, what cannot be the name of a field."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII):
        raise ValueError(f"fields has the name {name!r}: it must be of letters, digits and '_'")
    if re.fullmatch(r"(time|step|component|[xyz]|x\d+)(_.*)?", name):
        raise ValueError(f"fields has the name {name!r}, as a dimension of the file is called")


def level_of(compression: Any, otherwise: str) -> int:
    """A level of compression; `otherwise` says what else might have been given.

    Raises
    ------
    ValueError
        Where it is none.
    """
    if isinstance(compression, (bool, np.bool_)) or not hasattr(compression, "__index__") or not 1 <= compression <= 9:
        raise ValueError(f"compression must be 1 to 9, or {otherwise}, not {said(compression)}")
    return int(compression)


def row_of(path: Path, known: Sequence[Any], step: int) -> int:
    """The index of a step behind those that are known: that of the last one, if it is the same, or a new one.

    Raises
    ------
    ValueError
        Where it comes before the last one.
    """
    if len(known) and step < known[-1]:
        raise ValueError(f"step {step} comes before the last one in {path}, {known[-1]}")
    return len(known) - (len(known) > 0 and known[-1] == step)


def check_fits(path: Path, each: Wanted, there: There | None, row: int) -> None:
    """Refuse, with ValueError, a variable that is another one than before, or has not the steps of the others."""
    if there is not None and (there.shape, there.dtype) != (each.shape, each.dtype):
        raise ValueError(
            f"{each.name!r} has the shape {each.shape} and dtype {each.dtype}, in {path} {there.shape} and "
            f"{there.dtype}"
        )
    before = 0 if there is None else there.steps
    if before == row + 1:
        raise ValueError(f"{path} has this step of {each.name!r} already")
    if before != row:
        raise ValueError(
            f"{path} has {row} steps before this one, but {before} of {each.name!r}: variables of one file "
            "are written at the same steps, or into files of their own"
        )


def coordinates(domain: list[Any] | None, axis: Axis) -> np.ndarray[Any, Any] | None:
    """The coordinates of an axis; None where there are none.

    Raises
    ------
    ValueError
        Where those of the file are of other axes.
    """
    if domain is None or axis.number < 0:
        return None
    if len(domain) != axis.of:
        raise ValueError(f"domain has {len(domain)} axes, the field {axis.of}")
    values = domain[axis.number]
    if isinstance(values, dict):
        values = values["start"] + np.arange(axis.points) * (values["length"] / axis.points)
    if len(values) != axis.points:
        raise ValueError(
            f"domain has {len(values)} coordinates along axis {axis.number}, the field {axis.points} points"
        )
    return np.asarray(values, "<f8")[axis.start : axis.start + axis.length]


def find(path: Path, name: str, step: Any, known: list[int]) -> int:
    """The index of a step of a variable.

    Raises
    ------
    TypeError, ValueError
        Where there is no such step.
    """
    if not isinstance(step, numbers.Integral):
        raise TypeError(f"step must be a whole number, not {said(step)}")
    step = int(step)
    if step < 0 and -step <= len(known):
        return len(known) + step
    if step not in known:
        raise ValueError(f"{path} has no step {step} of {name!r}: there are {known}")
    return known.index(step)


def check_holds(path: Path, name: str, there: There, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse, with ValueError, an array that a variable does not fit into."""
    if there.shape != shape:
        raise ValueError(f"{path} has {name!r} of shape {there.shape}, out has {shape}")
    if not np.can_cast(there.dtype, dtype):
        raise ValueError(f"{path} has {name!r} of dtype {there.dtype}, which out, of {dtype}, does not hold")
