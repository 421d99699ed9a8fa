"""Derivatives of series of orthogonal polynomials, from their coefficients: exact, one order at a time.

The derivative of a polynomial with the coefficients c_0 .. c_(n-1) has

    Chebyshev:  c'_k = 2 / (1 + [k = 0]) * the sum of p c_p,
    Legendre:   c'_k = (2 k + 1)         * the sum of c_p,        over p = k + 1, k + 3, ... < n.

These are the recurrences c'_(k-1) = c'_(k+1) + 2 k c_k, and its like for Legendre's polynomials, summed up.

References
----------
C. Canuto et al., "Spectral Methods: Fundamentals in Single Domains" (2006), sec. 2.3 and 2.4; J. P. Boyd, "Chebyshev
and Fourier Spectral Methods", 2nd ed. (2001), app. A.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# Coefficients that are computed at a time: what lies between two operations of numpy stays in cache.
_CACHED = 2**14


def chebyshev_derivative(c: Array, axis: int, order: int, out: Array) -> None:
    """The coefficients of a derivative of Chebyshev series.

    Parameters
    ----------
    c : ndarray, real or complex
        Coefficients, in ascending order along an axis.
    axis : int
        That axis.
    order : int
        How often to differentiate; 0 copies.
    out : ndarray
        Where as many coefficients go, the highest `order` of them zero; it may be `c`.
    """
    k = np.arange(c.shape[axis])
    _differentiate(c, axis, order, out, k, np.where(k == 0, 1, 2))


def legendre_derivative(c: Array, axis: int, order: int, out: Array) -> None:
    """The coefficients of a derivative of Legendre series; parameters as of `chebyshev_derivative`."""
    k = np.arange(c.shape[axis])
    _differentiate(c, axis, order, out, np.ones_like(k), 2 * k + 1)


def _differentiate(c: Array, axis: int, order: int, out: Array, before: Array, after: Array) -> None:
    """Multiply by `before`, sum up every second coefficient from the highest on, multiply by `after`."""
    real = np.finfo(c.dtype).dtype
    column = [-1 if k == axis else 1 for k in range(c.ndim)]
    weights = before.reshape(column).astype(real), after.reshape(column).astype(real)
    for part in _parts(c.shape, axis):
        lines = c[part]
        for _ in range(order):
            lines = _slope(lines, axis, *weights)
        out[part] = lines


def _slope(c: Array, axis: int, before: Array, after: Array) -> Array:
    """One derivative of a part, as new memory."""
    terms = np.moveaxis(c * before, axis, 0)
    result = np.zeros_like(c)
    falling, slope = terms[::-1], np.moveaxis(result, axis, 0)[::-1]
    # of the falling coefficients number k gets the sum of those k - 1, k - 3, ... before it
    for parity in (0, 1):
        sums = np.cumsum(falling[parity::2], axis=0)
        slope[parity + 1 :: 2] = sums[: len(slope[parity + 1 :: 2])]
    result *= after
    return result


def _parts(shape: tuple[int, ...], axis: int) -> Iterator[tuple[slice, ...]]:
    """Indices of parts with whole lines along an axis, cut along the longest of the others."""
    size = int(np.prod(shape))
    others = [k for k in range(len(shape)) if k != axis]
    cut = max(others, key=lambda k: shape[k], default=None)
    if cut is None or size == 0:
        yield (slice(None),) * len(shape)
        return
    rows = max(1, _CACHED * shape[cut] // size)
    for start in range(0, shape[cut], rows):
        yield tuple(slice(start, start + rows) if k == cut else slice(None) for k in range(len(shape)))
