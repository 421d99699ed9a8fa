"""Conjugate gradients, classical and pipelined, of global arrays: a solver to read, to run and to copy.

    A x = b,    A symmetric and positive definite.

The classical method waits for its ranks twice in an iteration: a step needs pᵀ A p, the next direction rᵀ r. The
pipelined one has all its inner products in one reduction, which goes on while the products with A are formed. What it
needs before they are there it predicts by recurrences, and recomputes it from the vectors afterwards ("predict and
recompute"), so that it is as accurate as the classical one in practice. The price is a second product with A.

A is a function of vectors that returns its products with each. There are two:

- `Dense`, a matrix with the eigenvalues λᵢ = λ₁ + (i - 1) / (n - 1) (λₙ - λ₁) ρⁿ⁻ⁱ of Strakoš's model problem, of which
  most lie together at λ₁, and its eigenvectors are sines: with κ = λₙ / λ₁ = 10⁶ and ρ = 0.9 rounding matters.
- `Helmholtz`, A u = -∇²u + c(x) u, u periodic in three dimensions, the derivatives by `PFFT`.

``mpiexec -n 2 python -m mpi4py -m mpi4py_pencil.examples.conjugate_gradients`` prints how the residuals fall, and draws
them into ``conjugate_gradients.png``, which takes matplotlib (the extra "cli").

Sources: M. R. Hestenes and E. Stiefel, J. Res. Nat. Bur. Stand. 49 (1952); T. Chen and E. Carson, SIAM J. Sci. Comput.
42 (2020), the pipelined method, without a preconditioner; Z. Strakoš, Linear Algebra Appl. 154 (1991), the eigenvalues.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from mpi4py_pencil import PFFT
from mpi4py_pencil import arrays as xp

Array = NDArray[Any]
Vector = xp.GlobalArray
Operator = Callable[..., list[Vector]]
Solver = Callable[[Operator, Vector], Iterator[tuple[Vector, float]]]


def classical(a: Operator, b: Vector) -> Iterator[tuple[Vector, float]]:
    """Yield the approximate solution, from 0 on, and the norm of its residual, by the method of Hestenes and Stiefel.

    Collective, at each step.
    """
    x, r, p = xp.zeros_like(b), b, b
    (rr,) = xp.inner_products((r, r)).wait()
    while True:
        yield x, float(np.sqrt(rr))
        (s,) = a(p)
        (ps,) = xp.inner_products((p, s)).wait()
        alpha = rr / ps
        x = x + alpha * p
        r = r - alpha * s
        before, (rr,) = rr, xp.inner_products((r, r)).wait()
        p = r + (rr / before) * p


def pipelined(a: Operator, b: Vector) -> Iterator[tuple[Vector, float]]:
    """Yield the same by the pipelined predict-and-recompute method of Chen and Carson. Collective, at each step."""
    x, r, p = xp.zeros_like(b), b, b
    (s,) = w, *_ = a(p)
    (u,) = a(s)
    rr, ps, rs, ss = xp.inner_products((r, r), (p, s), (r, s), (s, s)).wait()
    while True:
        yield x, float(np.sqrt(rr))
        alpha = rr / ps
        x = x + alpha * p
        r = r - alpha * s
        w = w - alpha * u  # A r, predicted
        beta = (rr - 2 * alpha * rs + alpha**2 * ss) / rr  # rᵀr, predicted, over that before
        p = r + beta * p
        s = w + beta * s
        products = xp.inner_products((r, r), (p, s), (r, s), (s, s))
        u, w = a(s, r)  # meanwhile
        rr, ps, rs, ss = products.wait()


def eigenvalues(n: int, kappa: float = 1e6, rho: float = 0.9) -> Array:
    """Return the eigenvalues of the model problem, from 1/kappa to 1. Local."""
    i = np.arange(n)
    return np.asarray(1 / kappa + i / (n - 1) * (1 - 1 / kappa) * rho ** (n - 1 - i))


class Dense:
    """The matrix of given eigenvalues whose k-th eigenvector is sin(π (i + 1) (k + 1) / (n + 1)).

    Collective over the ranks of the context, which have rows each. By the addition theorem for sines an entry is
    c(i - j) - c(i + j + 2), where c(d) is the sum of λₖ cos(π d (k + 1) / (n + 1)) over n + 1.
    """

    def __init__(self, context: xp.Context, values: Array) -> None:
        n = len(values)
        d, k = np.arange(2 * n + 2)[:, None], np.arange(1, n + 1)
        c = np.cos(np.pi / (n + 1) * (d * k % (2 * n + 2))) @ values / (n + 1)
        self.matrix = context.fromfunction(
            lambda i, j: c[abs(i - j)] - c[i + j + 2], (n, n), distribution=["block", None]
        )

    def __call__(self, *vectors: Vector) -> list[Vector]:
        """The products with each vector. Collective."""
        return [self.matrix @ x for x in vectors]


class Helmholtz:
    """-∇²u + c u with a plan's derivatives, for a positive function c at its points. Collective over its ranks."""

    def __init__(self, fft: PFFT, c: Vector) -> None:
        self._fft, self._c = fft, c
        self._square = sum(k**2 for k in fft.wavenumbers())

    def __call__(self, *fields: Vector) -> list[Vector]:
        """The operator of each field. Collective."""
        return [self._minus_laplacian(u) + self._c * u for u in fields]

    def _minus_laplacian(self, u: Vector) -> Vector:
        return xp.from_distarray(self._fft.backward(self._square * self._fft.forward(u.as_local())))


def dense_problem(context: xp.Context, n: int) -> tuple[Operator, Vector]:
    """Return the model problem and a right-hand side in which all eigenvectors are alike. Collective."""
    values = eigenvalues(n)
    k = np.arange(1, n + 1)

    def entry(i: Array) -> Array:
        return np.sin(np.pi / (n + 1) * ((i[:, None] + 1) * k % (2 * n + 2))) @ np.full(n, np.sqrt(2 / (n + 1) / n))

    return Dense(context, values), context.fromfunction(entry, (n,))


def helmholtz_problem(comm: MPI.Intracomm, n: int) -> tuple[Operator, Vector]:
    """Return Helmholtz's equation on n x n x n points, in a medium of two kinds, and waves from a point. Collective."""
    fft = PFFT(comm, (n, n, n), dtype=float)
    x, y, z = fft.local_mesh()
    c, b = fft.empty_input(), fft.empty_input()
    c[...] = 1 + 99 / (1 + np.exp(8 * (np.cos(x) + np.cos(y) + np.cos(z))))
    b[...] = np.exp(4 * (np.cos(x - 2) + np.cos(y - 2) + np.cos(z - 2) - 3))
    return Helmholtz(fft, xp.from_distarray(c)), xp.from_distarray(b)


SOLVERS: dict[str, Solver] = {"classical": classical, "pipelined": pipelined}


def history(solver: Solver, problem: tuple[Operator, Vector], iterations: int) -> list[float]:
    """Return the norms of the residuals over that of the first, of so many iterations. Collective."""
    norms = [norm for _, norm in islice(solver(*problem), iterations + 1)]
    return [norm / norms[0] for norm in norms]


def main(n: int = 48, points: int = 32, path: str = "conjugate_gradients.png") -> None:
    """Print how the residuals fall, and draw them. Collective over MPI.COMM_WORLD."""
    from mpi4py_pencil.plotting import Curves, plot_panels, save

    comm = MPI.COMM_WORLD
    problems = {
        f"Strakoš's matrix of {n} rows": (dense_problem(xp.Context(comm), n), 160),
        f"Helmholtz's equation, {points}³ points": (helmholtz_problem(comm, points), 80),
    }
    if comm.rank == 0:
        print(f"Conjugate gradients, {comm.size} rank{'s' * (comm.size > 1)}: residuals\n")
    panels = []
    for title, (problem, iterations) in problems.items():
        found = {name: history(solver, problem, iterations) for name, solver in SOLVERS.items()}
        curves = {name: (np.arange(iterations + 1), norms) for name, norms in found.items()}
        panels.append(Curves(title, "Iteration", "Norm of the residual / that of b", curves, "semilogy"))
        if comm.rank == 0:
            print(f"{title}\n{'':>10}" + "".join(f"{name:>12}" for name in found))
            for k in range(0, iterations + 1, iterations // 8):
                print(f"{k:>10}" + "".join(f"{norms[k]:>12.1e}" for norms in found.values()))
            print(flush=True)
    if comm.rank == 0:
        save(plot_panels(panels, "Conjugate gradients", f"{comm.size} rank{'s' * (comm.size > 1)}"), path)
        print(f"Wrote {path}")


if __name__ == "__main__":
    main()
