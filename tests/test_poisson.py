"""Poisson's equation between two walls: how the errors fall, and a serial solver of each kind."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.fft
from mpi4py import MPI
from numpy.polynomial import chebyshev
from support import check, gather_global, rng, same_everywhere

from mpi4py_pencil import PFFT
from mpi4py_pencil.examples.poisson import (
    SIZES,
    SOLUTIONS,
    SOLVERS,
    by_polynomials,
    by_sines,
    error,
    errors,
    not_odd,
    odd,
    wall_modes,
)

COMM = MPI.COMM_WORLD
RATE = 2 - np.sqrt(3)


def grids():
    """Return the chosen grid, slabs along each axis, and where there is one a grid that divides two axes."""
    size = COMM.size
    return [None, (size, 1, 1), (1, size, 1), *((p, size // p, 1) for p in range(2, size) if size % p == 0)]


@pytest.mark.parallel([1, 4])
@pytest.mark.parametrize("kind", SOLUTIONS)
@pytest.mark.parametrize("name", SOLVERS)
def test_convergence(name, kind):
    """Geometric, as the nearest singularity says; sines of what is not odd at the walls converge like n⁻² only."""
    solve, exact = SOLVERS[name], SOLUTIONS[kind]
    found = {}
    for n, grid in zip((8, 16, 24, 32, 40), (*grids(), *grids(), *grids()), strict=False):
        points, u = solve(COMM, n, lambda *x: exact(*x)[1], grid)
        found[n] = same_everywhere(error(COMM, points, u, exact))
    ratios = [found[n + 8] / found[n] for n in (8, 16, 24, 32)]
    if (solve, exact) == (by_sines, not_odd):
        expected = [(n / (n + 8)) ** 2 for n in (8, 16, 24, 32)]
        np.testing.assert_allclose(ratios, expected, rtol=0.15)
        check(found[40] > 1e-4, f"{found}: nothing converges so well")
    else:
        check(max(ratios) < RATE**4 * 1.2, f"{found}: ratios {ratios}, expected about {RATE**4}")
        check(found[40] < 1e-12, f"{found}")


@pytest.mark.parallel([1, 3])
@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("n", [45, 47])
def test_few_digits_are_lost(name, n):
    """Also of odd numbers of points, one of them of a prime number; more points than the function needs."""
    for exact in (odd, not_odd)[: 1 + (SOLVERS[name] is by_polynomials)]:
        points, u = SOLVERS[name](COMM, n, lambda *x, exact=exact: exact(*x)[1])
        found = error(COMM, points, u, exact)
        check(found < 5e-13, f"{found}")


def serial_by_sines(f):
    """Return the solution by scipy, of values at all points."""
    n = f.shape[0]
    f_hat = np.fft.fft2(scipy.fft.dst(f, type=1, axis=2), axes=(0, 1))
    kx, ky, m = np.ix_(np.fft.fftfreq(n, 1 / n), np.fft.fftfreq(n, 1 / n), np.arange(1, n))
    u_hat = f_hat / -(kx**2 + ky**2 + (np.pi * m) ** 2)
    return scipy.fft.idst(np.fft.ifft2(u_hat, axes=(0, 1)).real, type=1, axis=2)


def serial_by_polynomials(f):
    """Return the solution by a dense system of equations for each wave, in Chebyshev coefficients."""
    n = f.shape[0]
    x = np.cos(np.pi * np.arange(n + 1) / n)  # z = (1 - x) / 2
    values = chebyshev.chebvander(x, n)
    bend = 4 * chebyshev.chebval(x, chebyshev.chebder(np.eye(n + 1), 2)).T
    f_hat = np.fft.fft2(f, axes=(0, 1))
    k = np.fft.fftfreq(n, 1 / n)
    matrix = bend - (k[:, None, None, None] ** 2 + k[:, None, None] ** 2) * values
    matrix[..., [0, -1], :] = values[[0, -1]]
    right = np.pad(f_hat, [(0, 0), (0, 0), (1, 1)])
    u_hat = np.linalg.solve(matrix, right[..., None])[..., 0] @ values.T
    return np.fft.ifft2(u_hat, axes=(0, 1)).real[..., 1:-1]


@pytest.mark.parallel([1, 3, 4])
@pytest.mark.parametrize("n", [2, 3, 8, 13])
def test_the_same_numbers_as_serial_solvers(n):
    """Of a right-hand side that is no smooth function, on every grid."""
    f = rng(n).standard_normal((n, n, n - 1))
    for solve, serial in ((by_sines, serial_by_sines), (by_polynomials, serial_by_polynomials)):
        expected = serial(f)
        for grid in grids():
            with PFFT(COMM, f.shape, grid=grid) as plan:  # who has which points
                here = plan.local_slice(False)
            points, u = solve(COMM, n, lambda *x, here=here: f[here], grid)
            np.testing.assert_equal([p.size for p in points], [s.stop - s.start for s in here])
            whole = gather_global(u, u.local_slice(), f.shape)
            np.testing.assert_allclose(whole, expected, rtol=0, atol=1e-12 * np.max(abs(expected)))


def test_modes_of_the_walls():
    """Those of the second derivative are sines where the polynomials resolve them."""
    for n in (2, 3, 8, 33, 128):
        z, eigenvalues, vectors, inverse = wall_modes(n)
        np.testing.assert_allclose(z, (1 - np.cos(np.pi * np.arange(1, n) / n)) / 2, atol=1e-15)
        np.testing.assert_allclose(inverse @ vectors, np.eye(n - 1), atol=1e-12)
        np.testing.assert_array_less(eigenvalues, 0)
        expected = -((np.pi * np.arange(1, n)) ** 2)
        resolved = n // 4
        np.testing.assert_allclose(np.sort(eigenvalues)[::-1][:resolved], expected[:resolved], rtol=1e-2)
        bent = vectors * eigenvalues
        x = 1 - 2 * np.pad(z, 1, constant_values=(0, 1))
        fit = np.linalg.solve(chebyshev.chebvander(x, n), np.pad(vectors, [(1, 1), (0, 0)]))
        again = 4 * chebyshev.chebval(x[1:-1], chebyshev.chebder(fit, 2)).T
        np.testing.assert_allclose(again, bent, rtol=0, atol=1e-15 * n**4 * n)


def test_what_is_printed_and_drawn(tmp_path):
    call = ["mpiexec", "-n", "2", sys.executable, "-m", "mpi4py", "-m", "mpi4py_pencil.examples.poisson"]
    done = subprocess.run(call, capture_output=True, text=True, timeout=100, cwd=tmp_path)
    np.testing.assert_equal((done.returncode, done.stderr), (0, ""))
    title, blank, kinds, names, *rows, gap, wrote = done.stdout.splitlines()
    np.testing.assert_equal(title, "Poisson's equation between two walls, 2 ranks: largest errors")
    np.testing.assert_equal(kinds.split(), [word for kind in SOLUTIONS for word in kind.split()])
    np.testing.assert_equal(names.split(), ["n", *SOLVERS, *SOLVERS])
    np.testing.assert_equal((blank, gap, wrote), ("", "", "Wrote poisson.png"))
    np.testing.assert_equal([int(row.split()[0]) for row in rows], SIZES)
    expected = list(errors(MPI.COMM_SELF, 16).values())
    np.testing.assert_allclose([float(word) for word in rows[SIZES.index(16)].split()[1:]], expected, rtol=0.05)
    from matplotlib.image import imread

    np.testing.assert_array_less(0.1, imread(tmp_path / "poisson.png")[..., :3].std())
