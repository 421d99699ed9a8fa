"""Padding and truncation, against the trigonometric interpolant written out as a sum in long double."""

import itertools
import math

import numpy as np
import pytest
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
FACTORS = [1, 9 / 8, 5 / 4, 3 / 2, 2]


def consistent(axes, modes, dtype):
    """Return a spectrum that an array of as many points as modes has, so that nothing of it is redundant."""
    whole = random_array(rng(*modes), modes, dtype)
    return forward_sum(whole.astype(dtype), axes, modes).astype(complex_of(dtype))


def check_padding(comm, modes, axes, dtype, padding, **options):
    """Compare both directions of a padded transform with sums over the global array."""
    dtype = np.dtype(dtype)
    real = dtype.kind == "f"
    with PFFT(comm, modes, axes, dtype, padding=padding, **options) as fft:
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


@pytest.mark.parametrize("backend", ["pyfftw", "scipy", "numpy"])
def test_engines_pad_alike(backend):
    for n, dtype in itertools.product((1, 2, 3, 7, 8, 15, 16), "fdgFDG"):
        check_padding(MPI.COMM_SELF, (n, 3), (0,), dtype, (1.5, 1), backend=backend)


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


@pytest.mark.parallel([1, 2, 3, 4])
def test_several_axes_and_ranks():
    for (modes, axes, padding), dtype, method in itertools.product(CASES, "dD", ["shared", "alltoallw"]):
        check_padding(WORLD, modes, axes, dtype, padding, method=method)
    for dtype in "fFgG":
        check_padding(WORLD, (7, 4, 11), (0, 1, 2), dtype, 1.5, grid=[0, 0, 1])
    check(True, "all ranks got here")


@pytest.mark.parallel(2)
def test_planes_and_padding_in_one_pass():
    """Large enough that two sweeps go plane by plane, with gaps to fill in both; a prime on one axis."""
    for dtype in "dD":
        check_padding(WORLD, (34, 31, 36), (0, 1, 2), dtype, 1.5, grid=[0, 1, 1])
        check_padding(WORLD, (34, 31, 36), (2, 1, 0), dtype, (1.5, 1, 1.25), grid=[1, 0, 1])
