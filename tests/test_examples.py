"""The small solvers that come with the package, against serial ones of another form and against exact solutions."""

import itertools
from functools import partial

import numpy as np
import pytest
from mpi4py import MPI
from scipy.integrate import solve_ivp
from support import gather_global, rng, same_everywhere

from mpi4py_pencil import spectral
from mpi4py_pencil.examples import flames, mhd, mixing, turbulence
from mpi4py_pencil.examples.gathering import gathered
from mpi4py_pencil.examples.stepping import etdrk4, rk4

COMM = MPI.COMM_WORLD


def whole(fft, u_hat):
    """Return the gathered field of modes, on every rank."""
    u = np.asarray(fft.backward(u_hat))
    shape = fft.global_shape(False)
    return gather_global(u, fft.local_slice(False), (*u.shape[: u.ndim - len(shape)], *shape))


def on_one(call, *arguments):
    """Return what a serial solver finds on rank 0; the others need not compute it again."""
    return COMM.bcast(call(*arguments) if COMM.rank == 0 else None)


def solved(slope, start, end):
    """Return the solution of dy/dt = slope(y) at the end, y of any shape, by scipy."""
    found = solve_ivp(
        lambda _, y: slope(y.reshape(start.shape)).ravel(), (0, end), start.ravel(), "DOP853", rtol=1e-9, atol=1e-8
    )
    return found.y[:, -1].reshape(start.shape)


def waves(n, ndim, keep):
    """Return the wave numbers of a full spectrum of n points along each axis, and which of them are kept."""
    k = np.array(np.meshgrid(*[np.fft.fftfreq(n, 1 / n)] * ndim, indexing="ij"))
    return k, np.all(abs(k) <= keep, axis=0)


def logistic(step, steps):
    """Return how far u' = u - u², u(0) = 1/2, is from its solution at 1."""
    u = np.array([0.5])
    for _ in range(steps):
        u = step(u)
    return abs(u[0] - 1 / (1 + np.exp(-1.0)))


def test_the_order_of_the_methods():
    """Errors fall by 2⁴ where the step is halved; the stiff part of ETDRK4 is exact by itself."""
    by_rk4 = [logistic(lambda u, n=n: rk4(lambda v: v - v**2, u, 1 / n), n) for n in (8, 16, 32)]
    by_etdrk4 = [logistic(partial(etdrk4(np.array([1.0]), 1 / n), lambda v: -(v**2)), n) for n in (8, 16, 32)]
    for errors in (by_rk4, by_etdrk4):
        ratios = [a / b for a, b in itertools.pairwise(errors)]
        np.testing.assert_allclose(ratios, 16, rtol=0.25)
    factors = np.array([0.0, -1e-9, -1.0, -1e5])
    step = etdrk4(factors, 0.5)
    np.testing.assert_allclose(step(np.zeros_like, np.ones(4)), np.exp(factors / 2), rtol=1e-14)
    # a constant slope: the integral of the exponential, without loss of digits where the factor is small
    expected = np.exp(factors / 2) + np.array([0.5, 0.5, 1 - np.exp(-0.5), 1e-5])
    np.testing.assert_allclose(step(np.ones_like, np.ones(4)), expected, rtol=1e-9)


def serial_turbulence(w, nu, end):
    """Return the vorticity at the end, from the curl of the divergence of u u, over the full complex spectrum."""
    n = len(w)
    k, kept = waves(n, 2, (n - 1) // 3)
    square = np.maximum((k**2).sum(axis=0), 1)

    def slope(w_hat):
        u = np.fft.ifft2(1j * np.array([k[1], -k[0]]) / square * w_hat).real
        flux = [[np.fft.fft2(a * b) for b in u] for a in u]
        force = [-1j * (k[0] * flux[0][i] + k[1] * flux[1][i]) for i in range(2)]
        return kept * 1j * (k[0] * force[1] - k[1] * force[0]) - nu * (k**2).sum(axis=0) * w_hat

    return np.fft.ifft2(solved(slope, kept * np.fft.fft2(w), end)).real


@pytest.mark.parallel([1, 3])
def test_turbulence():
    n, nu, dt = 20, 0.02, 0.02
    fft = turbulence.plan(COMM, n)
    w_hat = turbulence.random_vorticity(fft, 3)
    np.testing.assert_allclose(spectral.energy(fft, spectral.inverse_curl(fft, w_hat)), 0.5, rtol=1e-12)
    start, before = whole(fft, w_hat), [0.5, spectral.energy(fft, w_hat)]
    states = turbulence.flow(fft, w_hat, nu, dt)
    for _ in range(20):
        w_hat = next(states)
        after = [spectral.energy(fft, spectral.inverse_curl(fft, w_hat)), spectral.energy(fft, w_hat)]
        np.testing.assert_array_less(after, before)
        before = after
    np.testing.assert_allclose(whole(fft, w_hat), on_one(serial_turbulence, start, nu, 0.4), rtol=0, atol=2e-5)


@pytest.mark.parallel([1, 2])
def test_a_vortex_that_is_carried_nowhere_decays_exactly():
    fft = turbulence.plan(COMM, 16)
    x, y = fft.local_mesh()
    w = fft.empty_input()
    w[...] = np.cos(x) * np.cos(2 * y) + 3 * np.sin(2 * x) * np.cos(y)  # both of k² = 5
    start = fft.forward(w)
    states = turbulence.flow(fft, start, 0.1, 0.25)
    for _ in range(4):
        w_hat = next(states)
    np.testing.assert_allclose(w_hat, np.exp(-0.5) * start, rtol=0, atol=1e-14)


@pytest.mark.parallel([1, 2])
def test_mixing():
    """Without diffusion the dye is what it was where the flow came from, whatever way it took."""
    fft, speed, phases = mixing.plan(COMM, 48), 0.8, (0.3, 1.1)
    dye = fft.empty_input()
    dye[...] = np.cos(fft.local_mesh()[0]) + np.sin(fft.local_mesh()[1])
    theta_hat = mixing.mixed(fft, fft.forward(dye), phases, speed, 0, 16)[-1]
    x, y = np.meshgrid(*[2 * np.pi * np.arange(72) / 72] * 2, indexing="ij")
    y = y - speed / 2 * np.sin(x + phases[1])
    x = x - speed / 2 * np.sin(y + phases[0])
    np.testing.assert_allclose(whole(fft, theta_hat), np.cos(x) + np.sin(y), rtol=0, atol=1e-6)
    # diffusion alone
    still = mixing.mixed(fft, theta_hat, (0, 0), 0, 0.1, 8)[-1]
    decay = np.exp(-0.1 * sum(k**2 for k in fft.wavenumbers()))
    np.testing.assert_allclose(np.abs(still)[:4, :4], np.abs(decay * theta_hat)[:4, :4], rtol=0, atol=1e-5)


def serial_fronts(m, length, end):
    """Return the values at m points, by a matrix for each derivative and a method for stiff equations."""
    q, start = 2 * np.pi / length, np.cos(2 * np.pi * np.arange(m) / m) + 0.5 * np.sin(6 * np.pi * np.arange(m) / m)
    first = np.fft.irfft(1j * q * np.arange(m // 2 + 1)[:, None] * np.fft.rfft(np.eye(m), axis=0), m, axis=0)
    linear = -first @ first - np.linalg.matrix_power(first, 4)
    return solve_ivp(lambda _, u: -u * (first @ u) + linear @ u, (0, end), start, "LSODA", rtol=1e-10, atol=1e-12).y[
        :, -1
    ]


@pytest.mark.parallel([1, 3])
def test_fronts():
    n, length, end = 45, 22.0, 2.0
    fft = flames.plan(COMM, n)
    (x,) = fft.local_mesh(length)
    q = 2 * np.pi / length
    states = flames.advanced(fft, fft.forward(np.cos(q * x) + 0.5 * np.sin(3 * q * x)), length, 0.04, 50, 25)
    np.testing.assert_equal(len(states), 3)
    expected = on_one(serial_fronts, fft.points, length, end)
    np.testing.assert_allclose(whole(fft, states[-1]), expected, rtol=0, atol=2e-6)


@pytest.mark.parallel([1, 3])
def test_small_waves_grow_as_they_must():
    fft, length = flames.plan(COMM, 33), 20 * np.pi
    (x,) = fft.local_mesh(length)
    k = 0.1 * np.array([1, 5, 9, 12])
    start = fft.forward(1e-9 * sum(np.cos(each * x) for each in k))
    states = flames.advanced(fft, start, length, 0.25, 8, 8)
    modes = [gather_global(s, fft.local_slice(True), fft.global_shape(True))[[1, 5, 9, 12]] for s in states]
    np.testing.assert_allclose(modes[1] / modes[0], np.exp(2 * (k**2 - k**4)), rtol=1e-6)


def serial_mhd(u, b, nu, end):
    """Return both fields at the end by Elsasser's variables z± = u ± b: ∂z±/∂t = -P (z∓·∇) z± + ν ∇² z±."""
    n = u.shape[1]
    k, kept = waves(n, 3, (n - 1) // 3)
    square = (k**2).sum(axis=0)

    def slope(z_hat):
        z = np.fft.ifftn(z_hat, axes=(2, 3, 4)).real
        result = []
        for one, other in ((0, 1), (1, 0)):
            slopes = np.fft.ifftn(1j * k[:, None] * z_hat[one], axes=(2, 3, 4)).real  # [j, i]: along j of i
            carried = np.fft.fftn((z[other][:, None] * slopes).sum(axis=0), axes=(1, 2, 3)) * kept
            carried -= k * (k * carried).sum(axis=0) / np.maximum(square, 1)
            result.append(-carried - nu * square * z_hat[one])
        return np.array(result)

    z = np.fft.ifftn(solved(slope, np.fft.fftn([u + b, u - b], axes=(2, 3, 4)), end), axes=(2, 3, 4)).real
    return (z[0] + z[1]) / 2, (z[0] - z[1]) / 2


@pytest.mark.parallel([1, 3])
def test_magnetic_vortex():
    """Also that energy is lost to viscosity and resistance alone, and none of the divergences appear."""
    n, nu, dt = 8, 0.05, 0.01
    product = mhd.plan(COMM, n)
    fft = product.fft
    state = mhd.orszag_tang(fft)
    np.testing.assert_allclose(mhd.energies(fft, state), (2, 1.92), rtol=1e-12)
    start = [whole(fft, part) for part in state]
    totals, losses = [], []
    for _ in range(21):
        totals.append(sum(mhd.energies(fft, state)))
        losses.append(2 * nu * sum(spectral.enstrophy(fft, part) for part in state))
        before, state = state, rk4(lambda modes: mhd.right_side(product, modes, nu, nu), state, dt)
    same_everywhere(totals)
    expected = totals[0] - dt * (np.sum(losses) - losses[0] / 2 - losses[-1] / 2)
    np.testing.assert_allclose(totals[-1], expected, rtol=1e-5)
    np.testing.assert_allclose(
        [whole(fft, part) for part in before], on_one(serial_mhd, *start, nu, 20 * dt), rtol=0, atol=1e-6
    )
    for part in before:
        np.testing.assert_allclose(spectral.divergence(fft, part), 0, atol=1e-12)


@pytest.mark.parallel([1, 3])
def test_different_resistance():
    """A field so weak that it pushes nothing decays by its resistance, not by viscosity."""
    product = mhd.plan(COMM, 8)
    fft = product.fft
    state = 0 * mhd.orszag_tang(fft)
    b = fft.empty_input(1)
    b[...] = 0
    b[0] = np.sin(2 * fft.local_mesh()[1])
    state[1] = 1e-3 * fft.forward(b)
    slope = mhd.right_side(product, state, 0.1, 0.7)
    np.testing.assert_allclose(slope[1], -0.7 * 4 * state[1], rtol=0, atol=1e-15)


@pytest.mark.parallel([1, 3])
def test_gathered():
    a = rng(1).standard_normal((5, 4))
    mine = slice(5 * COMM.rank // COMM.size, 5 * (COMM.rank + 1) // COMM.size)
    found = gathered(COMM, a[mine], (mine, slice(None)), a.shape)
    if COMM.rank == 0:
        np.testing.assert_array_equal(found, a)
    else:
        np.testing.assert_equal(found, None)


SMALL = [
    (turbulence, {"n": 16, "dt": 0.1, "end": 1.0}, 11, "Turbulence in two dimensions, 16 x 16 points"),
    (mixing, {"n": 12, "end": 3, "steps": 4}, 7, "Mixing by a flow of shears, 12 x 12 modes"),
    (flames, {"n": 31, "end": 20.0}, 11, "Fronts of Kuramoto and Sivashinsky, 46 points"),
    (mhd, {"n": 8, "end": 0.2}, 6, "The vortex of Orszag and Tang, 8 x 8 x 8 points"),
]


@pytest.mark.parallel(2)
@pytest.mark.parametrize(("module", "arguments", "rows", "title"), SMALL, ids=lambda m: getattr(m, "__name__", "")[-9:])
def test_what_is_printed_and_drawn(module, arguments, rows, title, tmp_path, capsys):
    path = tmp_path / "picture.png"
    module.main(**arguments, path=str(path))
    lines = capsys.readouterr().out.splitlines()
    if COMM.rank == 0:
        np.testing.assert_equal(lines[0], f"{title}, {COMM.size} rank{'s' * (COMM.size > 1)}")
        np.testing.assert_equal((len(lines), lines[-1]), (rows + 5, f"Wrote {path}"))
        np.testing.assert_equal([len(line.split()) for line in lines[3:-2]], [len(lines[2].split())] * rows)
        from matplotlib.image import imread

        np.testing.assert_array_less(0.1, imread(path)[..., :3].std())
    else:
        np.testing.assert_equal((lines, path.exists()), ([], False))


@pytest.mark.parallel(2)
def test_a_run_that_goes_on(tmp_path, capsys):
    """From the last row that an earlier run has printed: the rows are those of one that was not interrupted."""
    directory, rows = COMM.bcast(tmp_path), []
    for end, saved in ((0.1, directory / "run"), (0.2, directory / "run"), (0.2, None)):
        mhd.main(n=8, end=end, path=str(tmp_path / "mhd.png"), directory=saved)
        rows.append([line for line in capsys.readouterr().out.splitlines()[3:-2] if line.split()[0] > "0.09"])
    if COMM.rank == 0:
        np.testing.assert_equal([row.split()[0] for row in rows[1]], ["0.12", "0.16", "0.20"])
        np.testing.assert_equal(rows[1], rows[2])
