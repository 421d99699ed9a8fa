"""The factors of a number of points, the twiddle factors, and an engine that multiplies tiles by them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..engines import Plan, Planner
from ..transforms import Line
from ..transforms.roots import roots

Array = np.ndarray[Any, Any]


def nearest_factors(n: int) -> tuple[int, int]:
    """The two factors of `n` that are nearest to its square root, the smaller first."""
    smaller = next(k for k in range(math.isqrt(n), 0, -1) if n % k == 0)
    return smaller, n // smaller


def twiddles(n: int, columns: range, modes: int, dtype: np.dtype[Any]) -> Array:
    """The factors exp(-2 pi i j k / n) for `columns` j and `modes` k, as an array of (columns, modes).

    Each is the product of two roots of unity, of which a column needs 2 sqrt(modes), computed in long double, for
    single precision in double, and rounded once. No product j k may be above n, nor n above 2**60.
    """
    wide = np.double if dtype == np.complex64 else np.longdouble
    width = math.isqrt(modes - 1) + 1
    factors = np.empty((len(columns), modes), dtype)
    step = max(1, 2**14 // modes)  # the numbers on the way stay in cache
    for start in range(0, len(columns), step):
        j = np.array(columns[start : start + step], np.int64)
        coarse = roots(n, np.outer(j, np.arange(0, modes, width)), wide)
        fine = roots(n, np.outer(j, np.arange(width)), wide)
        product = coarse[:, :, None] * fine[:, None, :]
        factors[start : start + step] = product.reshape(len(j), -1)[:, :modes]
    return factors


class Twiddled:
    """An engine that multiplies tiles of columns by the twiddle factors: after forward, conjugate before backward.

    The tiles of a part of a sweep through a matrix come in the order of its columns. Of real columns there are the
    factors for the modes that they have.

    Parameters
    ----------
    planner : Planner
        The engine that transforms.
    factors : ndarray
        A row for each of the columns.
    """

    def __init__(self, planner: Planner, factors: Array) -> None:
        self._planner = planner
        self._factors = factors
        self._column = self._stop = 0

    def begin(self, start: int, stop: int, *_: int) -> None:
        """Say that the next tiles are of the columns from `start` to `stop`."""
        self._column, self._stop = start, stop

    def __call__(self, line: Line, before: Array, after: Array) -> Plan:
        """Plan the transform of a tile and its multiplication."""
        transform = self._planner(line, before, after)
        conjugate = np.empty((len(before), self._factors.shape[1]), self._factors.dtype)

        def forward() -> None:
            transform()
            factors = self._next(len(after))
            np.multiply(after[: len(factors)], factors, out=after[: len(factors)])

        def backward() -> None:
            factors = self._next(len(before))
            np.conjugate(factors, out=conjugate[: len(factors)])
            np.multiply(before[: len(factors)], conjugate[: len(factors)], out=before[: len(factors)])
            transform()

        return forward if line.kind in ("forward", "r2c") else backward

    def _next(self, count: int) -> Array:
        """The factors of the next columns, as many as a tile holds and there are."""
        start, self._column = self._column, min(self._column + count, self._stop)
        return self._factors[start : self._column]
