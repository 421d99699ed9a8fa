"""The Taylor-Green solver against a number from the literature, a serial solver, exact solutions and itself."""

import itertools
from functools import partial

import numpy as np
import pytest
from mpi4py import MPI
from support import check, expect_everywhere

from mpi4py_pencil.examples.taylor_green import NavierStokes, largest_kept, run, steps_to, taylor_green

COMM = MPI.COMM_WORLD
# What mpi4py-fft's own demo of this flow finds: 32³ points, ν = 0.000625, ten steps of 0.01.
ENERGY = 0.124953117517


def start(shape, nu=0.01, dt=0.01, velocity=taylor_green, **settings):
    solver = NavierStokes(COMM, shape, nu, dt, **settings)
    solver.set_velocity(velocity)
    return solver


def rows_of(solver, steps, every):
    """Run to the end and return what was reported."""
    rows = []
    check(run(solver, steps, every, lambda *row: rows.append(row)), "the run did not finish")
    return rows


def unsymmetric(x, y, z):
    """Return a velocity that has no symmetry and a divergence, so that no term is zero by luck."""
    return (
        np.cos(x + 2 * y - z + 0.3) + 0.5 * np.sin(2 * z + y),
        np.sin(x - y + 2 * z + 1.1) + 0.2,
        np.cos(2 * x + y + 0.7) * np.cos(z - 0.4),
    )


class Serial:
    """The same equations with full complex transforms of whole arrays, all wavenumbers there, most of them zero."""

    def __init__(self, points, cutoff, nu):
        axes = [np.fft.fftfreq(m, 1 / m) for m in points]
        self.k = np.array(np.meshgrid(*axes, indexing="ij"))
        self.kept = np.all([abs(k) <= c for k, c in zip(self.k, cutoff, strict=True)], axis=0)
        self.points, self.nu = points, nu

    def project(self, a):
        k2 = np.einsum("i...,i...", self.k, self.k)
        return self.kept * (a - self.k * np.einsum("i...,i...", self.k, a) / np.where(k2 == 0, 1, k2))

    def transform(self, u):
        return np.fft.fftn(u, axes=(1, 2, 3), norm="forward")

    def velocity(self, function):
        x = np.meshgrid(*(2 * np.pi * np.arange(m) / m for m in self.points), indexing="ij")
        return self.project(self.transform([np.broadcast_to(c, self.points) for c in function(*x)]))

    def slope(self, a):
        u, w = (np.fft.ifftn(f, axes=(1, 2, 3), norm="forward").real for f in (a, np.cross(1j * self.k, a, 0, 0, 0, 0)))
        return self.project(self.transform(np.cross(u, w, 0, 0, 0, 0))) - self.nu * (self.k**2).sum(0) * a

    def step(self, a, h):
        k1 = self.slope(a)
        k2 = self.slope(a + h / 2 * k1)
        k3 = self.slope(a + h / 2 * k2)
        k4 = self.slope(a + h * k3)
        return a + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def grids():
    """Return the chosen grid, slabs, and where there is one a grid that divides two axes."""
    size = COMM.size
    divided = [(p, size // p, 1) for p in range(2, size) if size % p == 0]
    return [None, (size, 1, 1), (1, size, 1), *divided]


@pytest.mark.parallel([1, 3, 4])
def test_energy_of_the_reference():
    for grid in grids():
        solver = start((32, 32, 32), 0.000625, 0.01, dealias="mask", grid=grid)
        plane = solver.vorticity_slice(4)
        rows = rows_of(solver, 10, 4)
        np.testing.assert_equal([round(row[0], 9) for row in rows], [0, 0.04, 0.08, 0.1])
        np.testing.assert_allclose(rows[-1][1], ENERGY, rtol=0, atol=6e-13)
        divergence = sum(k * a for k, a in zip(solver.k, np.asarray(solver.u_hat), strict=True))
        np.testing.assert_allclose(divergence, 0, atol=1e-15)
        np.testing.assert_allclose(solver.spectrum().sum(), rows[-1][1], rtol=1e-13)
        if COMM.rank == 0:
            check_initial_plane(plane)
        else:
            np.testing.assert_equal(plane, None)


def check_initial_plane(plane):
    """Compare with the vorticity of the initial vortex at z = π/4."""
    x, y = np.meshgrid(*[2 * np.pi / 32 * np.arange(32)] * 2, indexing="ij")
    sides = np.cos(x) ** 2 * np.sin(y) ** 2 + np.sin(x) ** 2 * np.cos(y) ** 2
    expected = np.sqrt(sides / 2 + 2 * np.sin(x) ** 2 * np.sin(y) ** 2)
    np.testing.assert_allclose(plane, expected, atol=1e-13)


@pytest.mark.parallel([1, 4])
@pytest.mark.parametrize("dealias", ["mask", "3/2"])
def test_steps_of_a_serial_solver(dealias):
    for shape in [(8, 8, 8), (7, 6, 5), (4, 2, 2), (6, 9, 3), (1, 5, 8), (3, 11, 1)]:
        for dtype, precision in [("float64", 1e-13), ("float32", 2e-6)]:
            solver = start(shape, 0.05, 0.02, unsymmetric, dealias=dealias, dtype=dtype)
            points = [n * 3 // 2 for n in shape] if dealias == "3/2" else shape
            serial = Serial(points, [largest_kept(n, dealias) for n in shape], 0.05)
            expected = serial.velocity(unsymmetric)
            for _ in range(2):
                compare(solver, expected, precision)
                solver.step()
                expected = serial.step(expected, 0.02)
            compare(solver, expected, precision)
            np.testing.assert_equal(solver.u_hat.dtype, np.result_type(dtype, np.complex64))


def compare(solver, expected, precision):
    """Compare this rank's coefficients, and the sums over all, with those of a serial solver."""
    index = np.ix_(*(k.ravel().astype(int) % m for k, m in zip(solver.k, expected.shape[1:], strict=True)))
    mine = expected[(slice(None), *index)]
    for k, n, axis in zip(solver.k, solver.shape, range(1, 4), strict=True):
        dropped = np.flatnonzero(abs(k.ravel()) > (n - 1) // 2)  # on the padded grid another wavenumber lies there
        mine[(slice(None),) * axis + (dropped,)] = 0
    np.testing.assert_allclose(solver.u_hat, mine, rtol=0, atol=precision)
    energy, dissipation = solver.energy_and_dissipation()
    k = np.meshgrid(*(np.fft.fftfreq(m, 1 / m) for m in expected.shape[1:]), indexing="ij")
    k2 = sum(x**2 for x in k)
    density = 0.5 * (abs(expected) ** 2).sum(axis=0)
    np.testing.assert_allclose(energy, density.sum(), rtol=10 * precision)
    np.testing.assert_allclose(dissipation, 2 * solver.nu * (k2 * density).sum(), atol=10 * precision)
    spectrum = solver.spectrum()
    shells = np.bincount(np.rint(np.sqrt(k2)).astype(int).ravel(), density.ravel(), minlength=len(spectrum))
    np.testing.assert_allclose(spectrum, shells[: len(spectrum)], atol=10 * precision)
    np.testing.assert_allclose(spectrum.sum(), energy, rtol=1e-13)


@pytest.mark.parametrize("dealias", ["mask", "3/2"])
def test_a_plane_vortex_decays_exactly(dealias):
    def vortex(x, y, z):
        return np.sin(x) * np.cos(y), -np.cos(x) * np.sin(y), 0

    solver = start((12, 9, 4), 0.1, 0.02, vortex, dealias=dealias)
    before = np.array(solver.u_hat)
    rows = rows_of(solver, 50, 50)
    decay = np.exp(-2 * solver.nu * solver.time)
    np.testing.assert_allclose(solver.time, 1, rtol=1e-14)
    np.testing.assert_allclose(solver.u_hat, decay * before, atol=1e-13)
    np.testing.assert_allclose(rows[-1][1:3], [decay**2 / 4, decay**2 * 0.1], rtol=1e-11)
    solver.set_velocity(vortex)
    np.testing.assert_equal(solver.time, 0)
    np.testing.assert_array_equal(solver.u_hat, before)


def test_energy_falls_by_the_dissipation():
    solver = start((16, 16, 16), 0.02, 0.01, unsymmetric, dealias="3/2")
    rows = rows_of(solver, 8, 1)
    time, energy, dissipation = np.array([row[:3] for row in rows]).T
    fall = (8 * energy[1:-3] - 8 * energy[3:-1] - energy[:-4] + energy[4:]) / (12 * (time[1] - time[0]))
    np.testing.assert_allclose(fall, dissipation[2:-2], rtol=1e-6)


def test_both_ways_to_dealias_agree_where_the_flow_is_resolved():
    states = []
    for dealias in ("mask", "3/2"):
        solver = start((32, 32, 32), 0.05, 0.05, dealias=dealias)
        run(solver, 10, 10, lambda *row: None)
        low = np.ix_(range(3), *(abs(k.ravel()) <= largest_kept(32, "mask") for k in solver.k))
        states.append(np.asarray(solver.u_hat)[low])
    np.testing.assert_allclose(states[0], states[1], atol=1e-9)


@pytest.mark.parallel(3)
def test_one_rank_stops_all_and_a_blow_up_is_told_to_all():
    solver = start((8, 8, 8))
    rows = []
    done = run(
        solver,
        50,
        20,
        lambda *row: rows.append(row),
        interrupted=lambda: COMM.rank == 1 and solver.steps == 7,
    )
    np.testing.assert_equal((done, solver.steps, len(rows)), (False, 7, 2))

    wild = start((8, 8, 8), 0.5, 2.0, unsymmetric)
    expect_everywhere(FloatingPointError, "blew up before t = .*: energy", lambda: run(wild, 50, 1, lambda *row: None))
    expect_everywhere(ValueError, "dealias is 'half'", lambda: NavierStokes(COMM, (8, 8, 8), 0, 1, dealias="half"))


def test_the_modes_that_are_kept_have_no_aliases():
    """Both ways keep the very same modes of these sizes, the highest of which are all in use."""
    for points, modes in [(12, 8), (16, 11), (14, 9)]:
        states = []
        for size, dealias in [(points, "mask"), (modes, "3/2")]:
            cutoff = largest_kept(size, dealias)
            solver = start((size,) * 3, 0, velocity=partial(every_mode, cutoff), dealias=dealias)
            solver.step()
            states.append((cutoff, np.array(solver.u_hat)))
        np.testing.assert_equal(states[0][0], states[1][0])
        np.testing.assert_allclose(states[0][1], states[1][1], atol=1e-13)


def every_mode(cutoff, x, y, z):
    """Return a velocity in which all wave numbers up to the largest are in use."""
    u = np.zeros((3, x.size, y.size, z.size))
    for p, q in itertools.product(range(-cutoff, cutoff + 1), range(cutoff + 1)):
        u[0] += np.cos(p * y + q * z + p * q)
        u[1] += np.sin(p * z - q * x)
        u[2] += np.cos(q * x + p * y + 1)
    return u / cutoff**2


def test_steps_end_at_the_end():
    for end, dt, steps in [
        (0.1, 0.01, 10),
        (9, 0.05, 180),
        (0.3, 0.1, 3),
        (1, 0.3, 4),
        (0.01, 5, 1),
        (1e-3, 1e-3, 1),
    ]:
        number, length = steps_to(end, dt)
        np.testing.assert_equal(number, steps)
        np.testing.assert_allclose(number * length, end, rtol=1e-9)
        check(length <= dt, f"{length} is longer than {dt}")
