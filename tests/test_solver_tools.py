"""Energies, projections, products and random fields, against numpy on the gathered arrays."""

import itertools

import numpy as np
import pytest
from mpi4py import MPI
from oracles import random_array, same_bits
from support import everywhere, expect_everywhere, gather_global, rng, same_everywhere

from mpi4py_pencil import DCT, DST, PFFT, Ball
from mpi4py_pencil.spectral import (
    cross,
    curl,
    dealias,
    divergence,
    energy,
    enstrophy,
    gradient,
    inverse_curl,
    project,
    random_field,
    spectrum,
)

WORLD = MPI.COMM_WORLD
LAST = WORLD.rank == WORLD.size - 1

# Shape, and further arguments of a plan.
PLANS = [
    ((9, 8), {}),
    ((8, 9), {"axes": (1, 0)}),
    ((6, 9, 8), {"padding": 1.5}),
    ((6, 7, 10), {"axes": (2, 0, 1), "norm": "ortho"}),
    ((8, 5, 6), {"axes": (0, 2), "norm": "backward"}),
    ((7, 4, 6), {"axes": 2}),
    ((12, 10), {"truncation": 3}),
    ((9, 8, 7), {"truncation": Ball(3)}),
]


def plans(comm=WORLD):
    """Yield plans of all kinds, of real and complex data; those of one dimension on one rank."""
    kinds = [*PLANS, ((9,), {}), ((8,), {"padding": 2})] if comm.size == 1 else PLANS
    for (shape, others), dtype in itertools.product(kinds, "dD"):
        with PFFT(comm, shape, dtype=dtype, **others) as fft:
            yield fft


def falling(k):
    """Return a spectrum."""
    return 1 / (1 + k) ** 2


def whole(fft, block, output, components=()):
    """Return a gathered array."""
    return gather_global(block, fft.local_slice(output), (*components, *fft.global_shape(output)))


@pytest.mark.parallel([1, 2, 4])
def test_energy_is_the_mean_of_squares():
    for fft in plans():
        for rank in (0, 1):
            components = [fft.dimensions] * rank
            u_hat = fft.forward(random_array(rng(WORLD.rank), (*components, *fft.shape(False)), fft.dtype()))
            u = whole(fft, fft.backward(u_hat), False, components)
            expected = 0.5 * (np.abs(u) ** 2).sum() / np.prod(fft.global_shape(False))
            found = same_everywhere(energy(fft, u_hat))
            np.testing.assert_allclose(found, expected, rtol=1e-13, err_msg=f"{fft}")
            np.testing.assert_allclose(same_everywhere(spectrum(fft, u_hat)[1]).sum(), expected, rtol=1e-13)


def shells_of(u, box):
    """Return the energy of a whole field in shells by a full complex transform, and how far the shells are apart."""
    n, unit = u.shape[-len(box) :], 2 * np.pi / max(box)
    u_hat = np.fft.fftn(u, axes=range(-len(box), 0), norm="forward")
    axes = (np.fft.fftfreq(m, length / m / (2 * np.pi)) for m, length in zip(n, box, strict=True))
    k = np.meshgrid(*axes, indexing="ij")
    shell = np.rint(np.sqrt(sum(x**2 for x in k)) / unit).astype(int)
    density = 0.5 * (np.abs(u_hat) ** 2).reshape(-1, *n).sum(axis=0)
    return [density[shell == s].sum() for s in range(shell.max() + 1)], unit


@pytest.mark.parallel([1, 3])
def test_spectrum():
    for shape, box in (((9, 8), (2 * np.pi,) * 2), ((6, 8, 9), (1.0, 2.3, 1.9)), ((8, 7, 6), (2 * np.pi,) * 3)):
        for dtype, rank in itertools.product("dFg", (0, 1)):
            with PFFT(WORLD, shape, dtype=dtype) as fft:
                u = random_array(rng(WORLD.rank, 1), (*[len(shape)] * rank, *fft.shape(False)), dtype)
                k, found = spectrum(fft, fft.forward(u), box)
                expected, unit = shells_of(whole(fft, u, False, [len(shape)] * rank).astype(complex), box)
                np.testing.assert_allclose(same_everywhere(k), unit * np.arange(len(expected)), rtol=1e-14)
                np.testing.assert_allclose(same_everywhere(found), expected, rtol=1e-5 if dtype == "F" else 1e-12)


@pytest.mark.parallel([1, 3])
def test_enstrophy():
    """Of a Taylor-Green vortex, by hand; of any field, half of the mean square of its curl."""
    with PFFT(WORLD, (8, 8, 8)) as fft:
        x, y, z = fft.local_mesh()
        u = fft.empty_input(1)
        u[0], u[1], u[2] = np.sin(x) * np.cos(y) * np.cos(z), -np.cos(x) * np.sin(y) * np.cos(z), 0
        u_hat = fft.forward(u)
        np.testing.assert_allclose((energy(fft, u_hat), enstrophy(fft, u_hat)), (1 / 8, 3 / 8), rtol=1e-13)
    with PFFT(WORLD, (8, 9)) as fft:
        u_hat = fft.forward(random_array(rng(WORLD.rank), (2, *fft.shape(False)), "d"))
        w = whole(fft, fft.backward(curl(fft, u_hat, (1, 2))), False)
        np.testing.assert_allclose(same_everywhere(enstrophy(fft, u_hat, (1, 2))), 0.5 * (w**2).mean(), rtol=1e-13)


def projected(u_hat, box):
    """Return the projection of whole modes, by a matrix for each mode; Nyquist modes are not differentiated."""
    n = u_hat.shape[1:]
    k = [np.fft.fftfreq(m, 1 / m) * (2 * np.pi / length) for m, length in zip(n, box, strict=True)]
    for m, each in zip(n, k, strict=True):
        if m % 2 == 0:
            each[m // 2] = 0
    result = u_hat.copy()
    for index in np.ndindex(n):
        v = np.array([each[i] for each, i in zip(k, index, strict=True)])
        if v.any():
            result[(slice(None), *index)] -= v * (v @ u_hat[(slice(None), *index)]) / (v @ v)
    return result


@pytest.mark.parallel([1, 3])
def test_projection():
    for shape, box in (((6, 7), (2.0, 3.0)), ((4, 5, 6), (1.0, 2.0, 3.0))):
        with PFFT(WORLD, shape, dtype=complex) as fft:
            u_hat = fft.forward(random_array(rng(WORLD.rank), (len(shape), *fft.shape(False)), "D"))
            expected = projected(whole(fft, u_hat, True, [len(shape)]), box)
            found = project(fft, u_hat, box)
            np.testing.assert_allclose(whole(fft, found, True, [len(shape)]), expected, rtol=0, atol=1e-15)
            returned = project(fft, u_hat, box, out=u_hat)
            with everywhere():
                same_bits(np.asarray(u_hat), np.asarray(found))
                np.testing.assert_equal(returned is u_hat, True)
                np.testing.assert_allclose(divergence(fft, u_hat, box), 0, atol=1e-13)
                np.testing.assert_allclose(project(fft, u_hat, box), u_hat, rtol=0, atol=1e-15)
                np.testing.assert_allclose(project(fft, gradient(fft, u_hat[0], box), box), 0, atol=1e-13)


@pytest.mark.parallel([1, 2])
def test_projection_in_one_precision_and_dimension():
    """Tensors too, whose first axis counts; real data of odd and even shapes."""
    for shape, dtype in (((8, 6, 4), "f"), ((5, 8, 7), "g"), ((9, 8), "d")):
        with PFFT(WORLD, shape, dtype=dtype) as fft:
            tensor = fft.forward(random_array(rng(WORLD.rank), (len(shape), 2, *fft.shape(False)), dtype))
            found = project(fft, tensor)
            single = project(fft, np.ascontiguousarray(tensor[:, 1]))
            with everywhere():
                np.testing.assert_equal(found.dtype, fft.dtype(True))
                same = np.finfo(dtype).eps
                np.testing.assert_allclose(found[:, 1], single, rtol=0, atol=10 * same)
                np.testing.assert_allclose(divergence(fft, found), 0, atol=100 * same)
    if WORLD.size == 1:
        with PFFT(WORLD, (8,)) as fft:
            found = project(fft, fft.forward(rng(1).standard_normal((1, 8))))
            np.testing.assert_array_equal(found[0, 1:4], 0)


@pytest.mark.parallel([1, 3])
def test_dealiasing_leaves_products_without_aliases():
    """Of each axis the modes below a third stay; the product of two fields is what a convolution makes, in these."""
    for shape, dtype in (((9, 12), "d"), ((10, 8), "D"), ((5, 6, 7), "d")):
        with PFFT(WORLD, shape, dtype=dtype) as fft, PFFT(WORLD, shape, dtype=dtype, padding=2, like=fft) as fine:
            a, b = (fft.forward(random_array(rng(WORLD.rank, k), fft.shape(False), dtype)) for k in (0, 1))
            kept = dealias(fft, a)
            ks = [np.abs(np.broadcast_to(k, fft.shape(True))) for k in fft.wavenumbers()]
            inside = np.all([3 * k < n for k, n in zip(ks, shape, strict=True)], axis=0)
            b = dealias(fft, b, out=b)
            coarse = dealias(fft, fft.forward(fft.backward(kept) * fft.backward(b)))
            exact = dealias(fft, fine.forward(fine.backward(kept) * fine.backward(b)))
            with everywhere():
                np.testing.assert_array_equal(kept, np.where(inside, a, 0))
                np.testing.assert_allclose(coarse, exact, rtol=0, atol=1e-15)


@pytest.mark.parallel([1, 2])
def test_the_velocity_of_a_vorticity():
    for shape, box, dtype in (((8, 9), (1.0, 2.0), "d"), ((5, 6, 8), (3.0, 2.0, 1.0), "D"), ((6, 4, 6), 2.0, "f")):
        with PFFT(WORLD, shape, dtype=dtype) as fft:
            flow = dealias(fft, fft.forward(random_array(rng(WORLD.rank), (len(shape), *fft.shape(False)), dtype)))
            flow = project(fft, flow, box)
            flow[(..., *[slice(0, 1)] * len(shape))] *= np.all([s.start != 0 for s in fft.local_slice(True)])
            zero = [s.start == 0 for s in fft.local_slice(True)]
            if all(zero):
                flow[(slice(None), *[0] * len(shape))] = 0
            found = inverse_curl(fft, curl(fft, flow, box), box)
            with everywhere():
                np.testing.assert_allclose(found, flow, rtol=0, atol=20 * np.finfo(dtype).eps)
                np.testing.assert_equal(found.shape, flow.shape)


@pytest.mark.parametrize("shape", [(3, 5), (3, 4, 600, 7), (2, 9, 300, 8), (2, 1)])
def test_cross_product(shape):
    """In place of either, into other memory, of any strides and dtypes."""
    u, v = random_array(rng(1), shape, "d"), random_array(rng(2), shape, "F")
    expected = np.cross(u.T, v.T).T if shape[0] == 3 else u[0] * v[1] - u[1] * v[0]
    np.testing.assert_array_equal(cross(u, v), expected)
    np.testing.assert_array_equal(
        cross(u.astype(complex)[..., ::-1], v.astype(complex)[..., ::-1]), expected[..., ::-1]
    )
    for k in (0, 1) if shape[0] == 3 else ():
        pair = [u.astype("D"), v.astype("D")]
        returned = cross(*pair, out=pair[k])
        np.testing.assert_array_equal(pair[k], expected)
        np.testing.assert_equal(returned is pair[k], True)


def test_cross_products_that_do_not_fit():
    u = np.zeros((3, 4, 5))
    for call, exception, message in [
        (lambda: cross(u, u[:2]), ValueError, r"u and v have the shapes \(3, 4, 5\) and \(2, 4, 5\)"),
        (lambda: cross(u[0], u[0]), ValueError, "2 or 3 components first"),
        (lambda: cross(u[:, 0, 0], u[:, 0, 0]), ValueError, "2 or 3 components first"),
        (lambda: cross(u, 1), TypeError, "v must be a numpy array, not int"),
        (lambda: cross(u, u, out=u[:2]), ValueError, r"out has shape \(2, 4, 5\)"),
        (lambda: cross(u, u, out=u.astype("f")), TypeError, "out has dtype float32"),
        (lambda: cross(u, u, out=u[::-1]), ValueError, "out overlaps u or v"),
    ]:
        with pytest.raises(exception, match=message):
            call()


@pytest.mark.parallel([1, 3, 4])
def test_random_fields_belong_to_their_seed():
    """To the last bit the same on any ranks and grids; the low modes also where there are more of them."""
    for shape, axes, dtype, rank in [
        ((8, 9), (0, 1), "d", 0),
        ((6, 8), (1, 0), "D", 1),
        ((6, 5, 8), (0, 1, 2), "d", 1),
        ((4, 8, 6), (1, 2, 0), "f", 0),
        ((4, 5, 6), (1, 2), "d", 0),
        ((4, 4), (0, 1), "d", 1),  # of fewer modes than ranks
    ]:
        with PFFT(MPI.COMM_SELF, shape, axes, dtype) as alone, PFFT(WORLD, shape, axes, dtype) as fft:
            expected = np.asarray(random_field(alone, falling, 1234, rank))
            found = np.asarray(random_field(fft, falling, 1234, rank))
            other = np.asarray(random_field(fft, falling, 1235, rank))
            with everywhere():
                same_bits(found, np.ascontiguousarray(expected[(..., *fft.local_slice(True))]))
                np.testing.assert_equal(bool(np.any(found == other)) and found.size > 1, False)
    with PFFT(WORLD, (8, 8, 8)) as fft, PFFT(WORLD, (12, 16, 10)) as fine:
        few, many = (whole(plan, random_field(plan, lambda k: k < 3, 5), True) for plan in (fft, fine))
        for i, j in itertools.product(range(-2, 3), repeat=2):
            np.testing.assert_allclose(many[i, j, :3], few[i, j, :3], rtol=1e-14)


@pytest.mark.parallel([1, 3])
def test_random_fields_of_real_data_are_real():
    """Modes come back as they were, those without a stored partner too; and none but those beyond a limit are zero."""
    for fft in plans():
        for rank in (0, 1):
            u_hat = random_field(fft, falling, 3, rank)
            again = fft.forward(fft.backward(u_hat))
            with everywhere():
                largest = np.abs(u_hat).max(initial=0)
                np.testing.assert_allclose(again, u_hat, rtol=0, atol=1e-14 * max(1, largest), err_msg=f"{fft}")
                if not fft._asked.reach[fft.axes[-1]] and fft._asked.ball is None:
                    np.testing.assert_equal(np.count_nonzero(u_hat), u_hat.size)


def test_spectrum_and_moments_of_random_fields():
    """The energy of each shell is on the average what was asked for, in all components together; numbers are normal."""
    for shape, others in (
        ((8, 6, 9), {}),
        ((8, 9), {"norm": "ortho", "dtype": complex}),
        ((6, 4, 8), {"padding": 1.5, "axes": (0, 2)}),
    ):
        with PFFT(MPI.COMM_SELF, shape, **others) as fft:
            found = [spectrum(fft, random_field(fft, falling, seed, 1), 2.0) for seed in range(100)]
            k, samples = found[0][0], np.array([energies for _, energies in found])
            box = np.pi
            np.testing.assert_allclose(k, box * np.arange(len(k)))
            error = samples.std(axis=0) / np.sqrt(len(samples))
            np.testing.assert_array_less(np.abs(samples.mean(axis=0) - falling(np.arange(len(k)))), 4.5 * error)
    with PFFT(MPI.COMM_SELF, (64, 64), dtype=complex) as fft:
        z = np.asarray(random_field(fft, lambda k: np.ones(len(k)), 8)).ravel()
        shell = np.rint(np.hypot(*np.meshgrid(*[np.fft.fftfreq(64, 1 / 64)] * 2))).astype(int).ravel()
        z = z * np.sqrt(np.bincount(shell)[shell] / 2)
        moments = [
            np.mean(m) for m in (z, z**2, abs(z) ** 2, abs(z) ** 4, z[1:] * z[:-1].conj(), z[64:] * z[:-64].conj())
        ]
        np.testing.assert_allclose(moments, [0, 0, 1, 2, 0, 0], atol=0.1)


REFUSED = [
    (lambda fft: energy(fft, np.zeros(3, complex)), ValueError, r"u_hat has shape \(3,\)"),
    (lambda fft: spectrum(fft, [1]), TypeError, "u_hat must be a numpy array"),
    (lambda fft: spectrum(fft, fft.empty_output(), -1), ValueError, "lengths -1 must be positive"),
    (lambda fft: enstrophy(fft, fft.empty_output()), ValueError, "a curl needs one, of length 2"),
    (lambda fft: random_field(fft, falling, -1), ValueError, "seed must be a whole number from 0 .*, not -1"),
    (lambda fft: random_field(fft, falling, 1.5), ValueError, "seed must be a whole number from 0 .*, not 1.5"),
    (lambda fft: random_field(fft, 3, 1), TypeError, "spectrum must be a function of the wave number, not 3"),
    (lambda fft: random_field(fft, lambda k: -k, 1), ValueError, "spectrum must give an energy of 0 or more"),
    (lambda fft: random_field(fft, lambda k: k[1:], 1), ValueError, "for each of 7 shells"),
    (lambda fft: random_field(fft, falling, 1, -1), ValueError, "rank must count leading component axes"),
]


@pytest.mark.parallel([1, 3])
def test_what_does_not_fit():
    """What is collective raises on every rank where one is wrong; what belongs to other axes is refused."""
    with PFFT(WORLD, (8, 9)) as fft:
        for call, exception, message in REFUSED:
            expect_everywhere(exception, message, lambda call=call: call(fft))
            if WORLD.size > 1:
                fine = random_field(fft, falling, 1)
                alone = (lambda call=call: call(fft)) if LAST else lambda fine=fine: energy(fft, fine)
                expect_everywhere(exception, message if LAST else f"on rank {WORLD.size - 1}: ", alone)
        vector = fft.empty_output(1)
        for call, message in [
            (lambda: project(fft, vector[0]), "a projection needs a first one of length 2"),
            (lambda: project(fft, vector, out=vector[::-1]), "out overlaps u_hat"),
            (lambda: dealias(fft, vector, out=vector[0]), "out has shape"),
            (lambda: inverse_curl(fft, vector), "a vorticity in 2 dimensions has none"),
        ]:
            expect_everywhere(ValueError, message, call)
    if WORLD.size > 1:
        with PFFT(WORLD, (8, 9)) as fft:
            expect_everywhere(ValueError, "disagree on seed", lambda: random_field(fft, falling, int(LAST)))
            expect_everywhere(ValueError, "disagree on spectrum", lambda: random_field(fft, lambda k: k + LAST, 1))
    with (
        PFFT(WORLD, (8, 9), transforms={1: DST(1)}) as walls,
        PFFT(WORLD, (8, 9), axes=1, transforms={1: DCT(2)}) as row,
    ):
        for fft, name in ((walls, r"axis 1 has DST\(type=1\)"), (row, r"axis 1 has DCT\(type=2\)")):
            u_hat = fft.forward(np.zeros(fft.shape(False)))
            for call in (
                lambda fft=fft, u=u_hat: energy(fft, u),
                lambda fft=fft, u=u_hat: spectrum(fft, u),
                lambda fft=fft, u=u_hat: dealias(fft, u),
                lambda fft=fft: random_field(fft, falling, 1),
            ):
                expect_everywhere(ValueError, f"{name}: .* is for Fourier axes alone", call)
