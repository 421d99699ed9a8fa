"""The discrete Fourier transform along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..layout.partition import Kept
from .line import Edit, Edits, Line, Run, Transform

Indices = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Fourier:
    """The discrete Fourier transform, between points in space and the lowest modes of them.

    It is what a `PFFT` computes along the axes for which nothing else is asked. Real points become the half of the
    spectrum with wave numbers that are not negative. With fewer modes than points, forward truncates and backward pads
    with zeros. Where the number of modes is even, its Nyquist mode stands for both signs of the wave number, as in the
    trigonometric interpolant: backward gives half of it to each, forward adds the two.
    """

    def along(
        self, axis: int, modes: int, points: int, dtype: np.dtype[Any], reach: float | None = None, ortho: bool = False
    ) -> Transform:
        """The transform along an axis.

        Parameters
        ----------
        axis : int
            The axis of the array.
        modes, points : int
            The modes, and the points in space; modes <= points.
        dtype : numpy.dtype
            Of the points.
        reach : float, optional
            The largest wave number that is kept; the modes beyond are truncated.
        ortho : bool
            Whether the transform is to be orthonormal but for its scale: it is.
        """
        real = dtype.kind == "f"
        kept_modes = modes if reach is None else min(modes, 2 * int(reach) + 1)
        lines = (_line(points, kept_modes, dtype, True), _line(points, kept_modes, dtype, False))
        full, high = (modes // 2 + 1, 0) if real else (modes, kept_modes // 2)
        kept = Kept(full, lines[0].extent(1) - high, high) if kept_modes < modes else None
        return Transform(axis, "r2c" if real else "c2c", self, lines, points, modes, kept)

    def waves(self, transform: Transform) -> Indices:
        """How many waves each mode has in the length of the box."""
        return np.arange(transform.full_length) if transform.real else signed(transform.modes)

    def places(self, points: int, length: np.longdouble) -> np.ndarray[Any, Any]:
        """Where the points lie in a box of this length."""
        return np.arange(points) * length / points


@dataclass(frozen=True)
class Ball:
    """The modes of a `PFFT` inside of a ball or an ellipsoid: where the squares of all k / reach sum to 1 or less.

    Parameters
    ----------
    reach : float or tuple of (float or None)
        The radius in wave numbers k (whole numbers of waves along an axis), or one for each axis of the array; None
        where an axis does not count.
    """

    reach: float | tuple[float | None, ...]

    def outside(self, wavenumbers: Sequence[np.ndarray[Any, Any] | None]) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which modes are not in it, given the whole wave numbers of each axis that has some, shaped to broadcast."""
        reach = np.broadcast_to(np.asarray(self.reach, object), len(wavenumbers))
        squares = [
            (k.astype(float) / r) ** 2
            for k, r in zip(wavenumbers, reach, strict=True)
            if k is not None and r is not None
        ]
        # a mode on the surface is inside, however the squares were rounded
        return np.asarray(sum(squares) > 1 + 1e-12)


def signed(modes: int) -> Indices:
    """The wave numbers of a full spectrum, as they are stored; that of the Nyquist mode is negative."""
    k = np.arange(modes)
    return np.where(k >= (modes + 1) // 2, k - modes, k)


def _line(points: int, modes: int, dtype: np.dtype[Any], forward: bool) -> Line:
    """One direction between `points` of a dtype and `modes`."""
    real = dtype.kind == "f"
    spectrum = points // 2 + 1 if real else points
    kept = _kept(points, modes, real)
    edits = _nyquist(points, modes, real, forward)
    space = (dtype, points, (Run(0, 0, points),), ())
    sides = [space, (np.dtype(dtype.char.upper()), spectrum, kept, edits)]
    kind = ("r2c" if forward else "c2r") if real else ("forward" if forward else "backward")
    before, after = sides if forward else reversed(sides)
    dtypes, lengths, runs, edited = zip(before, after, strict=True)
    return Line(kind, points, dtypes, lengths, runs, edited)


def _kept(points: int, modes: int, real: bool) -> tuple[Run, ...]:
    """Where the kept modes lie in the full spectrum."""
    if real:
        return (Run(0, 0, modes // 2 + 1),)
    if modes == points:
        return (Run(0, 0, modes),)
    positive = modes // 2 + 1 if modes % 2 == 0 else (modes + 1) // 2
    negative = modes - positive
    low = Run(0, 0, positive)
    return (low, Run(positive, points - negative, negative)) if negative else (low,)


def _nyquist(points: int, modes: int, real: bool, forward: bool) -> Edits:
    """What is done to the Nyquist mode of the kept ones where more points resolve both its signs.

    On the spectrum: after the gather of a backward line, before the scatter of a forward one.
    """
    if modes == points or modes % 2:
        return ()
    i, other = modes // 2, points - modes // 2
    if real:
        return ((Edit.DOUBLE if forward else Edit.HALVE, i, i + 1), (Edit.REAL, i, i + 1))
    return ((Edit.ADD, i, other),) if forward else ((Edit.HALVE, i, i + 1), (Edit.COPY, i, other))
