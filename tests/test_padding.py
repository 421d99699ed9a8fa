"""Padding and truncation, against the trigonometric interpolant written out as a sum in long double."""

import itertools
import math

import numpy as np
import pytest
from installed import each_engine
from mpi4py import MPI
from oracles import (
    ELEMENTS,
    backward_sum,
    close,
    complex_of,
    forward_sum,
    random_array,
)
from support import check, everywhere, gather_global, rng

from mpi4py_pencil import PFFT

WORLD = MPI.COMM_WORLD
FACTORS = [1, 9 / 8, 5 / 4, 3 / 2, 2, 7 / 3]


def consistent(axes, modes, dtype):
    """Return a spectrum that an array of as many points as modes has, so that nothing of it is redundant."""
    whole = random_array(rng(*modes), modes, dtype)
    return forward_sum(whole.astype(dtype), axes, modes).astype(complex_of(dtype))


def check_padding(comm, modes, axes, dtype, padding, groups=None, **options):
    """Compare both directions of a padded transform with sums over the global array."""
    dtype = np.dtype(dtype)
    real = dtype.kind == "f"
    with PFFT(comm, modes, groups or axes, dtype, padding=padding, **options) as fft:
        points = fft.global_shape(False)
        factors = np.broadcast_to(padding, len(modes))
        np.testing.assert_equal(
            points, [math.floor(n * f) if k in axes else n for k, (n, f) in enumerate(zip(modes, factors, strict=True))]
        )
        expected_shape = list(modes)
        if real:
            expected_shape[axes[-1]] = modes[axes[-1]] // 2 + 1
        np.testing.assert_equal(fft.global_shape(True), expected_shape)
        size = math.prod(points)

        whole = random_array(rng(*points), points, dtype)
        u_hat = fft.forward(whole[fft.local_slice(False)])
        found = gather_global(u_hat, fft.local_slice(True), fft.global_shape(True), comm)
        with everywhere(comm):
            close(found, forward_sum(whole, axes, modes), dtype, size, factor=8)

        spectrum = consistent(axes, modes, dtype)
        u = fft.backward(spectrum[fft.local_slice(True)])
        found = gather_global(u, fft.local_slice(False), points, comm)
        with everywhere(comm):
            close(found, backward_sum(spectrum, axes, points, modes, real), dtype, size, factor=8)

        again = gather_global(fft.forward(u), fft.local_slice(True), fft.global_shape(True), comm)
        with everywhere(comm):
            close(again, spectrum, dtype, size, factor=16)


@pytest.mark.parametrize("dtype", ELEMENTS, ids=lambda d: d.name)
@pytest.mark.parametrize("factor", FACTORS)
def test_every_length_up_to_twenty(factor, dtype):
    """Even and odd, padded by nothing, by one point and by many; real lengths of 3 modulo 4 among them."""
    for n in range(1, 21):
        check_padding(MPI.COMM_SELF, (n,), (0,), dtype, factor, backend="numpy")


@pytest.mark.parallel([1, 3])
@pytest.mark.parametrize("factor", FACTORS)
def test_there_and_back_for_every_length_up_to_forty(factor):
    """Two lengths in one array, so that each is also that of an axis which follows another; real lengths last.

    More ranks take every third length, not the same ones.
    """
    lengths = range(1, 41) if WORLD.size < 3 else range(WORLD.size - 2, 41, 3)
    for n, dtype in itertools.product(lengths, "dD"):
        if dtype == "D" and n > 20:
            continue
        modes = (n, 41 - n) if dtype == "D" else (n % 7 + 1, n)
        spectrum = consistent((0, 1), modes, dtype)
        with PFFT(WORLD, modes, (0, 1), dtype, padding=factor, backend="numpy") as fft:
            u_hat = spectrum[fft.local_slice(True)]
            u = fft.backward(u_hat)
            again = fft.forward(u)
            expected = backward_sum(spectrum, (0, 1), fft.global_shape(False), modes, dtype == "d")
            with everywhere():
                np.testing.assert_equal(fft.global_shape(False), [math.floor(n * factor) for n in modes])
                mine = expected[fft.local_slice(False)]
                size = np.linalg.norm(spectrum.ravel())
                np.testing.assert_allclose(again, u_hat, rtol=0, atol=4e-16 * size, err_msg=f"{modes}")
                np.testing.assert_allclose(u, mine, rtol=0, atol=4e-16 * math.prod(modes) * size, err_msg=f"{modes}")


@pytest.mark.parallel([1, 3])
@pytest.mark.parametrize("factor", FACTORS)
def test_symmetries(factor):
    """A spectrum of real values gives real values; mirrored modes give the mirrored field, conjugated ones its own.

    Of an even number of modes the Nyquist mode is its own mirror image.
    """
    for modes in ((4, 6), (5, 8), (7, 9), (2, 1), (12, 3)):
        with PFFT(WORLD, modes, dtype=complex, padding=factor, backend="scipy") as fft:

            def backward(spectrum, fft=fft):
                u = fft.backward(spectrum[fft.local_slice(True)])
                return gather_global(u, fft.local_slice(False), fft.global_shape(False))

            real = forward_sum(random_array(rng(*modes), modes, "d").astype(complex), (0, 1), modes).astype(complex)
            spectrum = random_array(rng(*modes), modes, "D")
            u, mirrored, conjugated = (backward(s) for s in (spectrum, mirror(spectrum), mirror(spectrum).conj()))
            of_real = backward(real)
            with everywhere():
                np.testing.assert_allclose(of_real.imag, 0, atol=1e-14)
                np.testing.assert_allclose(mirrored, mirror(u), atol=1e-13)
                np.testing.assert_allclose(conjugated, u.conj(), atol=1e-13)


def mirror(array):
    """Return an array with every index k in place of -k."""
    return np.roll(array[::-1, ::-1], 1, axis=(0, 1))


@pytest.mark.parallel([1, 2])
def test_both_signs_of_the_nyquist_mode_count_alike():
    """Points that resolve them both hold half of it for each; forward takes the sum of the two."""
    for n, factor in itertools.product((2, 4, 6, 10), (1.5, 2, 7 / 3)):
        points = math.floor(n * factor)
        for axis in (0, 1):
            modes = [3, 3]
            modes[axis] = n
            with PFFT(WORLD, modes, dtype=complex, padding=[factor if k == axis else 1 for k in (0, 1)]) as fft:
                x = 2 * np.pi * np.arange(points) / points
                for sign in (1, -1):
                    wave = np.exp(sign * 1j * n / 2 * x)
                    whole = np.ones((points, 3)) * wave[:, None] if axis == 0 else np.ones((3, points)) * wave
                    found = gather_global(
                        fft.forward(whole[fft.local_slice(False)].copy()), fft.local_slice(True), tuple(modes)
                    )
                    expected = np.zeros(modes)
                    expected[(n // 2, 0) if axis == 0 else (0, n // 2)] = 1
                    with everywhere():
                        np.testing.assert_allclose(found, expected, atol=1e-15)


@each_engine(ELEMENTS)
def test_engines_pad_alike(name, dtype):
    for n in (1, 2, 3, 7, 8, 15, 16):
        check_padding(MPI.COMM_SELF, (n, 3), (0,), dtype, (1.5, 1), backend=name)


@pytest.mark.parametrize("real", [True, False])
def test_a_single_wave_is_that_wave_at_the_padded_points(real):
    """The definition itself: mode k alone is exp(2 pi i k x) at every point."""
    n = 8
    with PFFT(MPI.COMM_SELF, (n,), dtype=float if real else complex, padding=1.5) as fft:
        x = np.arange(12) / 12
        for k in range(n // 2 + 1) if real else range(n):
            u_hat = np.zeros(fft.shape(True), complex)
            u_hat[k] = 1
            wave = 2 * np.pi * (k if k <= n // 2 else k - n) * x
            if real:
                expected = np.cos(wave) if k in (0, n // 2) else 2 * np.cos(wave)
            else:
                expected = np.cos(wave) if k == n // 2 else np.exp(1j * wave)
            np.testing.assert_allclose(fft.backward(u_hat), expected, rtol=0, atol=1e-15 * n)


def test_a_product_of_padded_waves_is_not_aliased():
    """Why one pads: the square of a wave beyond what the modes resolve vanishes instead of turning up elsewhere."""
    n = 9
    with PFFT(MPI.COMM_SELF, (n,), dtype=complex, padding=1.5) as fft:
        u_hat = np.zeros(n, complex)
        u_hat[4] = 1
        square = fft.forward(fft.backward(u_hat) ** 2)
        np.testing.assert_allclose(square, 0, atol=1e-15)
        u_hat[:] = [0, 0, 1, 0, 0, 0, 0, 0, 0]
        expected = [0, 0, 0, 0, 1, 0, 0, 0, 0]
        np.testing.assert_allclose(fft.forward(fft.backward(u_hat) ** 2), expected, atol=1e-15)


CASES = [
    ((8, 7), (0, 1), 1.5),
    ((7, 6), (1, 0), 1.5),
    ((7, 4, 11), (0, 1, 2), 1.5),
    ((4, 6, 3), (2, 0, 1), (1.25, 2, 1.5)),
    ((4, 5, 8), (1, 2), (1, 2, 1.5)),
    ((5, 3, 6), (0, 2), 1.5),
    ((2, 3, 4, 3), (3, 1, 0, 2), 1.5),
    ((1, 2, 1), (0, 1, 2), 2),
]


@pytest.mark.parallel([1, 4])
def test_several_axes_and_ranks():
    for (modes, axes, padding), dtype, method in itertools.product(CASES, "dD", ["shared", "alltoallw"]):
        check_padding(WORLD, modes, axes, dtype, padding, method=method)
    for dtype in "fFgG":
        check_padding(WORLD, (7, 4, 11), (0, 1, 2), dtype, 1.5, grid=[0, 0, 1])
    check(True, "all ranks got here")


def test_a_ratio_stands_for_its_points():
    for n, m in [(11, 15), (13, 30), (19, 53), (87, 128)]:  # of all but the last floor(n * (m / n)) is m - 1
        np.testing.assert_equal(PFFT(MPI.COMM_SELF, (n,), padding=m / n, backend="numpy").global_shape(False), (m,))


@pytest.mark.parallel(2)
def test_planes_and_padding_in_one_pass():
    """Large enough that two sweeps go plane by plane, with gaps to fill in both; a prime on one axis."""
    for dtype in "dD":
        check_padding(WORLD, (34, 31, 36), (0, 1, 2), dtype, 1.5, grid=[0, 1, 1])
        check_padding(WORLD, (34, 31, 36), (2, 1, 0), dtype, (1.5, 1, 1.25), grid=[1, 0, 1])


@pytest.mark.parallel([1, 2, 4])
def test_padding_of_groups():
    """Whether the axes are collapsed or not."""
    for dtype, collapse in itertools.product("dD", (False, True)):
        options = {"collapse": collapse, "backend": "scipy"}
        for groups, grid in ((((0, 1), (2, 3)), [0, 1]), (((0, 1), (2, 3)), [1, 0]), (((2,), (0, 3), (1,)), None)):
            axes = tuple(axis for group in groups for axis in group)
            check_padding(WORLD, (5, 6, 4, 7), axes, dtype, 1.5, groups, grid=grid, **options)
        check_padding(WORLD, (8, 9, 7), (0, 1, 2), dtype, (1.5, 7 / 3, 1), grid=[1, 0, 1], **options)
