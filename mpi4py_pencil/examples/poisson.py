"""Poisson's equation between two walls, by sines and by polynomials: two solvers to read, to run and to copy.

    ∇²u = f  for x, y in [0, 2π) and z in [0, 1];   u periodic along x and y;   u = 0 at the walls z = 0 and z = 1.

Along x and y the modes are waves of the wave numbers kx and ky. Along z they are chosen so that the second derivative
of each is a multiple λ of it, and all are zero at the walls. Then no mode depends on another, the equation is

    (λ - kx² - ky²) û = f̂

for each, and everything that knows about parallelism is the `PFFT`. Both choices take n - 1 points inside of the walls:

- by sines, λ = -(mπ)²: quick, of the order n log n for a line. The error falls geometrically if the continuation of u
  as an odd function beyond the walls is analytic, that is, if its derivatives of even order vanish there. If they do
  not, the error falls like a power of n only.
- by polynomials at Chebyshev points, of degree n: their second derivative at the points is a matrix, and its
  eigenvectors are the modes, which `LinearMap` transforms to, of the order n² for a line. The error falls
  geometrically for any analytic u.

``mpiexec -n 2 python -m mpi4py -m mpi4py_pencil.examples.poisson`` solves both ways for two solutions, one of each
kind, on finer and finer grids, prints the errors, and draws them into ``poisson.png``, which takes matplotlib (the
extra "cli").

Sources: R. E. Lynch, J. R. Rice and D. H. Thomas, Numer. Math. 6 (1964), the diagonalisation along each axis; D. B.
Haidvogel and T. Zang, J. Comput. Phys. 30 (1979), that with Chebyshev polynomials; L. N. Trefethen, Spectral Methods in
MATLAB (2000), chapter 6, the matrix; D. Gottlieb and L. Lustman, SIAM J. Numer. Anal. 20 (1983), that its eigenvalues
are real, negative and distinct.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from mpi4py_pencil import DST, PFFT, LinearMap, spectral

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]
Field = Callable[[Array, Array, Array], Array]

BOX = (2 * np.pi, 2 * np.pi, 1.0)


def by_sines(comm: MPI.Intracomm, n: int, f: Field, grid: Sequence[int] | None = None) -> tuple[list[Array], Array]:
    """Solve Poisson's equation by Fourier series and a sine series.

    Collective over `comm`.

    Parameters
    ----------
    comm : mpi4py.MPI.Intracomm
        The ranks.
    n : int
        Intervals along each axis, 2 or more: n x n x (n - 1) points.
    f : callable
        The right-hand side, of arrays x, y, z that broadcast to this rank's block.
    grid : sequence of three int, optional
        Number of ranks along each axis, 1 along the last; chosen when absent.

    Returns
    -------
    points : list of three ndarray
        The coordinates of this rank's points, which broadcast to its block.
    u : DistArray of float
        The solution there.
    """
    fft = PFFT(comm, (n, n, n - 1), grid=grid, transforms={2: DST(1)})
    points = fft.local_mesh(BOX)
    right = fft.empty_input()
    right[...] = f(*points)
    return points, fft.backward(spectral.inverse_laplacian(fft, fft.forward(right), BOX))


def by_polynomials(
    comm: MPI.Intracomm, n: int, f: Field, grid: Sequence[int] | None = None
) -> tuple[list[Array], Array]:
    """Solve Poisson's equation by Fourier series and collocation at Chebyshev points; otherwise as `by_sines`."""
    # made once for all ranks: eigenvectors found by different processors need not agree
    z, eigenvalues, vectors, inverse = comm.bcast(wall_modes(n) if comm.rank == 0 else None)
    fft = PFFT(comm, (n, n, n - 1), grid=grid, transforms={2: LinearMap(inverse, vectors)})
    x, y, _ = fft.local_mesh(BOX)
    kx, ky, _ = fft.wavenumbers(BOX)
    points = [x, y, z[fft.local_slice(False)[2]]]
    right = fft.empty_input()
    right[...] = f(*points)
    u_hat = fft.forward(right)
    u_hat /= eigenvalues[fft.local_slice(True)[2]] - kx**2 - ky**2
    return points, fft.backward(u_hat)


def wall_modes(n: int) -> tuple[Array, Array, Array, Array]:
    """Return the modes of the second derivative of polynomials of degree `n` that are zero at both walls.

    Returns
    -------
    z : (n - 1,) ndarray
        The Chebyshev points inside of the walls.
    eigenvalues : (n - 1,) ndarray
        What the second derivative multiplies each mode with.
    vectors, inverse : (n - 1, n - 1) ndarray
        The modes at the points, each a column, and the matrix that takes values there to the modes.
    """
    j = np.arange(n + 1)
    z = np.sin(np.pi / 2 * j / n) ** 2  # from 0 to 1
    distance = np.sin(np.pi / 2 * (j[:, None] - j) / n) * np.sin(np.pi / 2 * (j[:, None] + j) / n)
    weight = (-1.0) ** j * np.where((j == 0) | (j == n), 2, 1)
    slope = np.outer(weight, 1 / weight) / (distance + np.eye(n + 1))
    slope -= np.diag(slope.sum(axis=1))  # of a constant it is zero
    eigenvalues, vectors = np.linalg.eig((slope @ slope)[1:-1, 1:-1])
    return z[1:-1], eigenvalues, vectors, np.linalg.inv(vectors)


def odd(x: Array, y: Array, z: Array) -> tuple[Array, Array]:
    """Return a solution whose odd continuation is analytic, sin(πz) / (4 - cos x - cos y - cos πz), and its Laplacian.

    It is none of a few modes: those along x, at y = z = 0, fall like (2 - √3)ᵏ, since cos x = 2 makes it infinite.
    """
    s = np.sin(np.pi * z)
    return quotient(x, y, z, s, np.pi * np.cos(np.pi * z), -(np.pi**2) * s)


def not_odd(x: Array, y: Array, z: Array) -> tuple[Array, Array]:
    """Return a solution whose second derivatives do not vanish at the walls, with z (1 - z) eᶻ in place of sin(πz)."""
    e = np.exp(z)
    return quotient(x, y, z, z * (1 - z) * e, (1 - z - z**2) * e, -z * (3 + z) * e)


def quotient(x: Array, y: Array, z: Array, s: Array, slope: Array, bend: Array) -> tuple[Array, Array]:
    """Return u = s(z) / w(x, y, z), w = 4 - cos x - cos y - cos πz, and its Laplacian, given the derivatives of s."""
    w = 4 - np.cos(x) - np.cos(y) - np.cos(np.pi * z)
    w_z = np.pi * np.sin(np.pi * z)
    squares = np.sin(x) ** 2 + np.sin(y) ** 2 + w_z**2
    laplacian = np.cos(x) + np.cos(y) + np.pi**2 * np.cos(np.pi * z)
    return s / w, bend / w - 2 * slope * w_z / w**2 + s * (2 * squares / w**3 - laplacian / w**2)


def error(comm: MPI.Intracomm, points: list[Array], u: Array, exact: Callable[..., tuple[Array, Array]]) -> float:
    """Return the largest error at the points of all ranks, relative to the largest value. Collective over `comm`."""
    right = exact(*points)[0]
    largest = np.array([np.max(abs(u - right), initial=0), np.max(abs(right), initial=0)])
    comm.Allreduce(MPI.IN_PLACE, largest, MPI.MAX)
    return float(largest[0] / largest[1])


SOLVERS = {"sines": by_sines, "polynomials": by_polynomials}
SOLUTIONS = {"odd at the walls": odd, "not odd there": not_odd}
SIZES = tuple(range(4, 61, 4))


def errors(comm: MPI.Intracomm, n: int) -> dict[tuple[str, str], float]:
    """Return the error of each solver for each solution with `n` intervals. Collective over `comm`."""
    found = {}
    for kind, exact in SOLUTIONS.items():
        for name, solve in SOLVERS.items():
            points, u = solve(comm, n, lambda *x, exact=exact: exact(*x)[1])
            found[kind, name] = error(comm, points, u, exact)
    return found


def picture(rows: Sequence[dict[tuple[str, str], float]], subtitle: str) -> Figure:
    """Return the picture of the errors with each of `SIZES`, and of what theory says of them."""
    from mpi4py_pencil.plotting import plot_convergence

    n = np.array(SIZES)
    theory = {
        "odd at the walls": ("$(2 - \\sqrt{3})^{n/2}$", 0.3 * (2 - np.sqrt(3)) ** (n / 2)),
        "not odd there": ("$n^{-2}$", 4.0 / n**2),
    }
    panels = [
        (f"Solution {kind}", {name: [row[kind, name] for row in rows] for name in SOLVERS}, theory[kind])
        for kind in SOLUTIONS
    ]
    return plot_convergence(SIZES, panels, "Poisson's equation between two walls", subtitle)


def main() -> None:
    """Print and draw the errors. Collective over MPI.COMM_WORLD."""
    from mpi4py_pencil.plotting import save

    comm = MPI.COMM_WORLD
    ranks = f"{comm.size} rank{'s' * (comm.size > 1)}"
    rows = []
    for n in SIZES:
        rows.append(errors(comm, n))
        if comm.rank == 0:
            if n == SIZES[0]:
                print(f"Poisson's equation between two walls, {ranks}: largest errors\n")
                print(f"{'':>6}" + "".join(f"  {kind:<24}" for kind in SOLUTIONS).rstrip())
                print(f"{'n':>6}" + "".join(f"  {name:<11}" for name in (*SOLVERS, *SOLVERS)).rstrip())
            print(f"{n:>6}" + "".join(f"  {value:<11.1e}" for value in rows[-1].values()).rstrip(), flush=True)
    if comm.rank == 0:
        save(picture(rows, f"n x n x (n - 1) points, {ranks}"), "poisson.png")
        print("\nWrote poisson.png")


if __name__ == "__main__":
    main()
