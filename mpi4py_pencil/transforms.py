"""What is computed along one axis, as descriptions: lengths, dtypes, and which points of a line are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

# Edits of a complex line in the tile, as cython_kernels/copy.h numbers them.
ZERO, SPLIT, FOLD, HALVE_REAL, DOUBLE_REAL = range(5)


@dataclass(frozen=True)
class Run:
    """Consecutive points: where they start along the array's axis, where in the tile's line, and how many they are."""

    start: int
    at: int
    length: int


@dataclass(frozen=True)
class Line:
    """One direction of a transform of lines, as a sweep carries it out.

    Attributes
    ----------
    kind : str
        "forward" or "backward" (complex to complex, exponent -1 or +1), "r2c" or "c2r"; all without a scale.
    n : int
        The points of the transform.
    dtypes : pair of numpy.dtype
        Of the array before and after.
    lengths : pair of int
        Items in the tile's line before and after.
    runs : pair of tuple of Run
        Where the points of the array lie in the tile's line, before and after.
    edits : pair of tuple of (int, int, int)
        What is done to points of the tile's line before and after: (what, i, j).
    """

    kind: str
    n: int
    dtypes: tuple[np.dtype[Any], np.dtype[Any]]
    lengths: tuple[int, int]
    runs: tuple[tuple[Run, ...], tuple[Run, ...]]
    edits: tuple[tuple[tuple[int, int, int], ...], tuple[tuple[int, int, int], ...]]

    def extent(self, side: int) -> int:
        """Items along the axis of the array before (0) or after (1)."""
        return sum(run.length for run in self.runs[side])


@dataclass(frozen=True)
class Transform:
    """A Fourier transform along one axis, between `points` in space and the lowest `modes` of them.

    With fewer modes than points, forward truncates and backward pads with zeros. Where the number of modes is even,
    its Nyquist mode stands for both signs of the wave number, as in the trigonometric interpolant: backward gives half
    of it to each, forward adds the two.

    Attributes
    ----------
    axis : int
        The axis of the array.
    points, modes : int
        Points in space, and modes kept; modes <= points.
    real : bool
        Whether the points are real: then the modes with a negative wave number are not stored.
    dtype : numpy.dtype
        Of the modes: a complex type.
    """

    axis: int
    points: int
    modes: int
    real: bool
    dtype: np.dtype[Any]

    @property
    def length(self) -> int:
        """Items along the axis of the transformed array."""
        return self.modes // 2 + 1 if self.real else self.modes

    @property
    def input_dtype(self) -> np.dtype[Any]:
        """Of the points."""
        return np.empty(0, self.dtype).real.dtype if self.real else self.dtype

    def __str__(self) -> str:
        """What it computes from how many points, and how many modes it keeps where it does not keep all."""
        kept = "" if self.modes == self.points else f" -> {self.modes} modes"
        return f"{'r2c' if self.real else 'c2c'} {self.points}{kept}"

    def line(self, forward: bool) -> Line:
        """The transform of lines in one direction."""
        space = ((Run(0, 0, self.points),), ())
        spectrum = (self._kept(), self._edits(forward))
        sides = [(self.input_dtype, self.points, *space), (self.dtype, self._spectrum(), *spectrum)]
        kind = ("r2c" if forward else "c2r") if self.real else ("forward" if forward else "backward")
        before, after = sides if forward else reversed(sides)
        dtypes, lengths, runs, edits = zip(before, after, strict=True)
        return Line(kind, self.points, dtypes, lengths, runs, edits)

    def _spectrum(self) -> int:
        """Items in a line of the full spectrum."""
        return self.points // 2 + 1 if self.real else self.points

    def _kept(self) -> tuple[Run, ...]:
        """Where the kept modes lie in the full spectrum."""
        if self.real or self.modes == self.points:
            return (Run(0, 0, self.length),)
        positive = self.modes // 2 + 1 if self.modes % 2 == 0 else (self.modes + 1) // 2
        negative = self.modes - positive
        low = Run(0, 0, positive)
        return (low, Run(positive, self.points - negative, negative)) if negative else (low,)

    def _edits(self, forward: bool) -> tuple[tuple[int, int, int], ...]:
        """Edits of the full spectrum: after the gather of a backward line, before the scatter of a forward one."""
        if self.modes == self.points:
            return ()
        nyquist = self.modes // 2 if self.modes % 2 == 0 else None
        last = self._kept()[0].length
        upper = self._spectrum() - (0 if self.real or len(self._kept()) == 1 else self._kept()[1].length)
        gap = () if forward or upper <= last else ((ZERO, last, upper),)
        if nyquist is None:
            return gap
        if self.real:
            return (*gap, (DOUBLE_REAL if forward else HALVE_REAL, nyquist, nyquist))
        return (*gap, (FOLD if forward else SPLIT, nyquist, self.points - nyquist))
