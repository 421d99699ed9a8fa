"""One transform of lines, as a sweep carries it out: what the engine computes, and what is done before and after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Protocol

import numpy as np

from ..layout.partition import Kept
from ..layout.way import Way

Tile = np.ndarray[Any, Any]


class Edit(IntEnum):
    """What is done to points of a line in the tile, as cython_kernels/copy.h numbers it.

    To all points from i up to j; but COPY puts point i at j too, ADD adds point j to point i, and REAL drops the
    imaginary part of point i.
    """

    ZERO = 0
    COPY = 1
    ADD = 2
    REAL = 3
    HALVE = 4
    DOUBLE = 5
    ROOT_HALF = 6
    ROOT_TWO = 7


Edits = tuple[tuple[Edit, int, int], ...]


@dataclass(frozen=True)
class Run:
    """Consecutive points: where they start along the array's axis, where in the tile's line, and how many they are."""

    start: int
    at: int
    length: int


class Map(Protocol):
    """What takes the place of an engine: a linear map of all lines of a tile."""

    @property
    def adjoint(self) -> Map | None:
        """The adjoint map, if it is known."""

    def plan(self, before: Tile, after: Tile) -> Callable[[], Any]:
        """A callable that maps every line of `before` into `after`."""


@dataclass(frozen=True)
class Line:
    """One direction of a transform of lines.

    Attributes
    ----------
    kind : str
        What the engine computes, all without a scale: "forward" or "backward" (complex to complex, exponent -1 or +1),
        "r2c", "c2r", "dct1" to "dct4", "dst1" to "dst4" or "hartley"; or "map".
    n : int
        The points of the transform.
    dtypes : pair of numpy.dtype
        Of the array before and after.
    lengths : pair of int
        Items in the tile's line before and after.
    runs : pair of tuple of Run
        Where the points of the array lie in the tile's line, before and after.
    edits : pair of tuple of (Edit, int, int)
        What is done to points of the tile's line before and after.
    map : Map, optional
        Of the kind "map".
    """

    kind: str
    n: int
    dtypes: tuple[np.dtype[Any], np.dtype[Any]]
    lengths: tuple[int, int]
    runs: tuple[tuple[Run, ...], tuple[Run, ...]]
    edits: tuple[Edits, Edits] = ((), ())
    map: Map | None = None

    def extent(self, side: int) -> int:
        """Items along the axis of the array before (0) or after (1)."""
        return sum(run.length for run in self.runs[side])

    @property
    def gaps(self) -> Edits:
        """Zeros for the points of the tile's line that the array before does not have."""
        ends = [0, *(run.at + run.length for run in self.runs[0])]
        starts = [*(run.at for run in self.runs[0]), self.lengths[0]]
        return tuple((Edit.ZERO, i, j) for i, j in zip(ends, starts, strict=True) if i < j)


def direct(kind: str, n: int, dtype: np.dtype[Any], edits: tuple[Edits, Edits] = ((), ())) -> Line:
    """Lines of `n` points that become lines of as many, all of them kept."""
    runs = (Run(0, 0, n),)
    return Line(kind, n, (dtype, dtype), (n, n), (runs, runs), edits)


@dataclass(frozen=True)
class Transform:
    """What is computed along one axis of an array, forward and backward.

    Attributes
    ----------
    axis : int
        The axis of the array.
    name : str
        What it is, for people.
    family : object
        What it was made from: a `Fourier`, `DCT`, … .
    lines : pair of Line
        Forward and backward.
    size : int
        What backward after forward, both without a scale, multiplies a line with that it gives back.
    modes : int
        Of the transformed axis, where no mode is truncated.
    kept : Kept or None
        Which of the items of the transformed axis are kept where others are truncated.
    """

    axis: int
    name: str
    family: Any
    lines: tuple[Line, Line]
    size: int
    modes: int
    kept: Kept | None = None

    @property
    def points(self) -> int:
        """Items along the axis before forward."""
        return self.lines[0].extent(0)

    @property
    def length(self) -> int:
        """Items along the axis after forward, truncated ones not counted."""
        return self.lines[0].extent(1)

    @property
    def full_length(self) -> int:
        """Items along the axis after forward, with zeros where modes are truncated."""
        return self.length if self.kept is None else self.kept.length

    @property
    def input_dtype(self) -> np.dtype[Any]:
        """Before forward."""
        return self.lines[0].dtypes[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """After forward."""
        return self.lines[0].dtypes[1]

    @property
    def real(self) -> bool:
        """Whether it takes real points to the half of a complex spectrum."""
        return self.lines[0].kind == "r2c"

    def line(self, way: Way, adjoint: bool = False) -> Line:
        """The lines of one way; of an adjoint those that run that way."""
        return adjoint_of(self.lines[way.back]) if adjoint else self.lines[way]

    def __str__(self) -> str:
        """What it takes to what."""
        return f"{self.name} {self.points}" + (f" -> {self.length}" if self.length != self.points else "")


# An edit's adjoint: all others are their own.
_TURNED = {Edit.COPY: Edit.ADD, Edit.ADD: Edit.COPY}


def adjoint_of(line: Line) -> Line:
    """The adjoint of a transform of lines, with respect to the sum of conj(a) * b over the items that are stored.

    Where real points become half of a complex spectrum the sum's real part is meant: real and imaginary parts count as
    two real numbers each, and the modes that are not stored do not count.

    Raises
    ------
    ValueError
        Where the line's map has no adjoint.
    """
    kind, before, after = _kernel_adjoint(line)
    edits = (_turned(line.edits[1]) + before, after + _turned(line.edits[0]))
    if line.map is not None and line.map.adjoint is None:
        raise ValueError("the adjoint of a map given as functions is not known: give LinearMap its adjoints")
    return replace(
        line,
        kind=kind,
        dtypes=line.dtypes[::-1],
        lengths=line.lengths[::-1],
        runs=line.runs[::-1],
        edits=edits,
        map=line.map and line.map.adjoint,
    )


def _turned(edits: Edits) -> Edits:
    """The adjoint of edits one after the other."""
    return tuple((_TURNED.get(what, what), i, j) for what, i, j in reversed(edits))


def _kernel_adjoint(line: Line) -> tuple[str, Edits, Edits]:
    """The kind of the adjoint of what an engine computes, and the edits before and after it.

    The matrices of the cosine and sine transforms are symmetric, or each other's transpose, but for the weight of the
    first or last point; a half spectrum stands for its other half too, which doubles the weight of what has one.
    """
    n = line.n
    paired = (1, (n + 1) // 2)
    inner, first, last = (1, n - 1), (0, 1), (n - 1, n)
    return {
        "forward": ("backward", (), ()),
        "backward": ("forward", (), ()),
        "r2c": ("c2r", ((Edit.HALVE, *paired),), ()),
        "c2r": ("r2c", (), ((Edit.DOUBLE, *paired),)),
        "dct1": ("dct1", ((Edit.HALVE, *inner),), ((Edit.DOUBLE, *inner),)),
        "dct2": ("dct3", ((Edit.DOUBLE, *first),), ()),
        "dct3": ("dct2", (), ((Edit.HALVE, *first),)),
        "dst2": ("dst3", ((Edit.DOUBLE, *last),), ()),
        "dst3": ("dst2", (), ((Edit.HALVE, *last),)),
    }.get(line.kind, (line.kind, (), ()))
