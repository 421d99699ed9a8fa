"""Roots of unity."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def roots(n: int, exponents: Array, wide: type[np.floating[Any]]) -> Array:
    """The roots of unity exp(-2 pi i m / n) for exponents 0 <= m < n.

    Angles are reduced to the first eighth of the circle in integers, where sine and cosine lose nothing.
    """
    octants, rest = np.divmod(8 * exponents, n)
    odd = octants % 2 == 1
    angles = np.where(odd, n - rest, rest) / wide(n) * np.arctan(wide(1))
    cosine, sine = np.cos(angles), np.sin(angles)
    first = np.where(odd, sine, cosine) - 1j * np.where(odd, cosine, sine)
    return first * np.array([1, -1j, -1, 1j])[octants // 2]
