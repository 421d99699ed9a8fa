"""Two methods of Runge and Kutta's kind, as functions: what the examples advance in time with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Slope = Callable[[Array], Array]


def rk4(slope: Slope, u: Array, dt: float) -> Array:
    """Return `u` after a step of du/dt = slope(u), by the classical method of the fourth order."""
    a = slope(u)
    b = slope(u + dt / 2 * a)
    c = slope(u + dt / 2 * b)
    d = slope(u + dt * c)
    return u + dt / 6 * (a + 2 * b + 2 * c + d)


def etdrk4(linear: Array, dt: float) -> Callable[[Slope, Array], Array]:
    """Return a function that makes a step of du/dt = linear · u + slope(u): ``u = step(slope, u)``.

    Of the fourth order; the linear part, a real factor for each mode, is integrated exactly, so that it may be as stiff
    as it likes.

    Parameters
    ----------
    linear : ndarray of float
        The factors, which broadcast against the modes.
    dt : float
        The time step.

    References
    ----------
    S. M. Cox and P. C. Matthews, J. Comput. Phys. 176 (2002), the method; A.-K. Kassam and L. N. Trefethen, SIAM J.
    Sci. Comput. 26 (2005), the means over circles, without which its weights lose all digits for small factors.
    """
    whole, half = np.exp(dt * linear), np.exp(dt / 2 * linear)
    middle, first, second, third = (np.zeros_like(whole) for _ in range(4))
    circle = np.exp(1j * np.pi * (np.arange(16) + 0.5) / 16)  # the lower half is its conjugate
    for root in circle:
        z = dt * linear + root
        e = np.exp(z)
        middle += dt / 16 * ((np.exp(z / 2) - 1) / z).real
        first += dt / 16 * ((-4 - z + e * (4 - 3 * z + z**2)) / z**3).real
        second += dt / 16 * ((2 + z + e * (z - 2)) / z**3).real
        third += dt / 16 * ((-4 - 3 * z - z**2 + e * (4 - z)) / z**3).real

    def step(slope: Slope, u: Array) -> Array:
        n_u = slope(u)
        a = half * u + middle * n_u
        n_a = slope(a)
        b = half * u + middle * n_a
        n_b = slope(b)
        c = half * a + middle * (2 * n_b - n_u)
        return whole * u + first * n_u + 2 * second * (n_a + n_b) + third * slope(c)

    return step
