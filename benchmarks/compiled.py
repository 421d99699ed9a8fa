"""The functions of the Taylor-Green solver compiled by numba: one loop each, where numpy has one for each operator."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from mpi4py_pencil.examples.taylor_green import ADVANCES, WEIGHTS, NavierStokes

Array = np.ndarray[Any, Any]


def compiled(comm: Any, like: NavierStokes, dealias: str, fused: bool) -> NavierStokes:
    """A solver like another whose functions are compiled; `fused` has its stages advanced where forward writes them."""
    solver = NavierStokes(comm, like.shape, like.nu, like.dt, dealias=dealias)
    solver.u_hat[...] = like.u_hat
    solver.advance = lambda *arguments: _advance(solver, *arguments)  # type: ignore[method-assign]
    if not fused:
        solver.product = solver.fft.pointwise(_cross, inputs=6, outputs=3, before=_with_vorticity)
        return solver

    def after(slope: Array, u_hat: Array, k: list[Array], number: int, start: Array, total: Array) -> None:
        _advance(solver, slope, u_hat, start, total, k, number)

    def step() -> None:
        for number in range(len(WEIGHTS)):
            solver.product(solver.u_hat, solver.u_hat, number, start=solver.start, total=solver.sum)

    solver.product = solver.fft.pointwise(_cross, inputs=6, outputs=3, before=_with_vorticity, after=after)
    solver.step = step  # type: ignore[method-assign]
    return solver


def _with_vorticity(u_hat: Array, out: Array, k: list[Array], _: int = 0) -> None:
    """The velocity and its vorticity."""
    _vorticity(u_hat, out, *k)


def _cross(x: Array, out: Array, _: int = 0) -> None:
    """Velocity times vorticity."""
    _product(x, out)


def _advance(
    solver: NavierStokes, slope: Array, u_hat: Array, start: Array, total: Array, k: list[Array], number: int
) -> None:
    """A stage of Runge and Kutta's method."""
    along, dt = ADVANCES[number], solver.dt
    factors = dt, dt * solver.nu, WEIGHTS[number], 0.0 if along is None else along
    _stage(slope, u_hat, start, total, *k, *factors, number == 0, along is None)


@numba.njit
def _vorticity(u: Array, out: Array, k0: Array, k1: Array, k2: Array) -> None:
    for i in range(u.shape[1]):
        for j in range(u.shape[2]):
            for m in range(u.shape[3]):
                a, b, c = u[0, i, j, m], u[1, i, j, m], u[2, i, j, m]
                x, y, z = k0[i, 0, 0], k1[0, j, 0], k2[0, 0, m]
                out[0, i, j, m], out[1, i, j, m], out[2, i, j, m] = a, b, c
                out[3, i, j, m] = complex(z * b.imag - y * c.imag, y * c.real - z * b.real)
                out[4, i, j, m] = complex(x * c.imag - z * a.imag, z * a.real - x * c.real)
                out[5, i, j, m] = complex(y * a.imag - x * b.imag, x * b.real - y * a.real)


@numba.njit
def _product(x: Array, out: Array) -> None:
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            for m in range(x.shape[3]):
                a, b, c = x[0, i, j, m], x[1, i, j, m], x[2, i, j, m]
                p, q, r = x[3, i, j, m], x[4, i, j, m], x[5, i, j, m]
                out[0, i, j, m] = b * r - c * q
                out[1, i, j, m] = c * p - a * r
                out[2, i, j, m] = a * q - b * p


@numba.njit
def _stage(
    slope: Array,
    u: Array,
    start: Array,
    total: Array,
    k0: Array,
    k1: Array,
    k2: Array,
    dt: float,
    viscous: float,
    weight: float,
    along: float,
    first: bool,
    last: bool,
) -> None:
    for i in range(u.shape[1]):
        for j in range(u.shape[2]):
            x, y = k0[i, 0, 0], k1[0, j, 0]
            for m in range(u.shape[3]):
                z = k2[0, 0, m]
                square = x * x + y * y + z * z
                a, b, c = slope[0, i, j, m], slope[1, i, j, m], slope[2, i, j, m]
                gradient = (x * a + y * b + z * c) / max(square, 1.0)
                for n, (s, wave) in enumerate(((a, x), (b, y), (c, z))):
                    here = u[n, i, j, m]
                    d = dt * (s - wave * gradient) - viscous * square * here
                    if first:
                        start[n, i, j, m] = here
                        total[n, i, j, m] = here
                    if last:
                        u[n, i, j, m] = total[n, i, j, m] + weight * d
                    else:
                        total[n, i, j, m] += weight * d
                        u[n, i, j, m] = start[n, i, j, m] + along * d
