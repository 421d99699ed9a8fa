"""Derivatives along Chebyshev and Legendre axes, against numpy.polynomial and analytic functions.

What is expected is computed from arrays of the whole, in long double.
"""

import math
import tracemalloc

import numpy as np
import pytest
from layouts import empty_like, laid_out, layouts, untouched_elsewhere
from lockstep import given, settings, st
from mpi4py import MPI
from numpy.polynomial import chebyshev, legendre
from oracles import random_array, same_bits
from support import RANKS, check, everywhere, expect_everywhere, rng

from mpi4py_pencil import DCT, PFFT, Chebyshev, DistArray, Legendre, LinearMap
from mpi4py_pencil.spectral import curl, derivative, divergence, gradient, inverse_laplacian, laplacian
from mpi4py_pencil.transforms.series import chebyshev_derivative, legendre_derivative

WORLD = MPI.COMM_WORLD
FAMILIES = [Chebyshev(), Chebyshev("lobatto"), Legendre()]


def expected_derivative(family, whole, order, axis):
    """Return what numpy.polynomial makes of coefficients, with zeros for those that are gone."""
    of = legendre.legder if isinstance(family, Legendre) else chebyshev.chebder
    fewer = of(whole.astype(np.result_type(whole, "g")), order, axis=axis)
    result = np.zeros(whole.shape, fewer.dtype)
    if order < whole.shape[axis]:
        np.moveaxis(result, axis, 0)[: whole.shape[axis] - order] = np.moveaxis(fewer, axis, 0)
    return result


@st.composite
def calls(draw):
    """Draw a plan whose output is aligned along a series, an order, component axes and layouts."""
    several = WORLD.size > 1
    ndim = draw(st.integers(1 + several, 4))
    shape = draw(st.lists(st.integers(2, 9), min_size=ndim, max_size=ndim))
    axes = tuple(draw(st.permutations(range(ndim)))[: draw(st.integers(1, ndim))])
    shape[axes[0]] = draw(st.integers(2, 24))
    asked = {"axes": axes, "dtype": draw(st.sampled_from("dDfFgG"))}
    asked["transforms"] = {axes[0]: draw(st.sampled_from(FAMILIES))}
    components = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    lay = [draw(layouts(ndim + len(components))) for _ in range(2)]
    return tuple(shape), asked, draw(st.integers(0, 6)), components, *lay


@pytest.mark.parallel(RANKS)
@settings(max_examples=25 if WORLD.size < 5 else 15)
@given(calls())
def test_any_derivative_of_random_coefficients(case):
    shape, asked, order, components, source, target = case
    axis = asked["axes"][0]
    with PFFT(WORLD, shape, **asked) as fft:
        whole = random_array(rng(*shape), components + fft.global_shape(True), fft.dtype(True))
        expected = expected_derivative(asked["transforms"][axis], whole, order, axis + len(components))
        here = (..., *fft.local_slice(True))
        u_hat, u_memory = laid_out(whole[here], source)
        out, out_memory = empty_like(u_hat.shape, u_hat.dtype, target)
        u_hat.flags.writeable = False
        before = u_memory.copy()
        # the box does not matter
        returned = derivative(fft, u_hat, axis, order, 0.5, out)
        again = derivative(fft, np.array(u_hat), axis - len(shape), order)
        place = np.array(u_hat)
        derivative(fft, place, axis, order, out=place)
        size = float(np.linalg.norm(whole.ravel())) * shape[axis] ** (2 * order)
        with everywhere():
            np.testing.assert_allclose(out, expected[here], rtol=0, atol=4 * np.finfo(out.dtype).eps * size)
            np.testing.assert_equal((returned is out, type(again), again.rank), (True, DistArray, len(components)))
            np.testing.assert_array_equal(again, out)
            np.testing.assert_array_equal(place, out)
            same_bits(u_memory, before)
            untouched_elsewhere(out, out_memory)


def wavy(x, y, z, order):
    """Return a derivative along y of a function that is periodic along x and z only."""
    return np.exp(np.sin(x)) * (0.5**order * np.exp(y / 2) + 3.0**order * np.cos(3 * y + order * np.pi / 2)) * np.cos(z)


@pytest.mark.parametrize("family", FAMILIES, ids=str)
@pytest.mark.parametrize("dtype", "dDg")
def test_derivatives_of_a_function(family, dtype):
    """At the points, between two walls; the waves along the other axes have their derivatives as ever."""
    check_derivatives(family, dtype)


@pytest.mark.parallel([3, 4, 6])
def test_derivatives_of_a_function_that_is_divided():
    for family, dtype in zip(FAMILIES, "dDg", strict=True):
        check_derivatives(family, dtype)


def check_derivatives(family, dtype):
    """Compare the derivatives along all axes with those of the function."""
    with PFFT(WORLD, (32, 24, 6), axes=(1, 0, 2), dtype=dtype, transforms={1: family}) as fft:
        x, y, z = fft.local_mesh()
        u = fft.empty_input()
        u[...] = wavy(x, y, z, 0)
        u_hat = fft.forward(u)
        for order in range(4):
            found = fft.backward(derivative(fft, u_hat, 1, order))
            # rounding of a coefficient is enlarged by the square of its degree at each order
            with everywhere():
                np.testing.assert_allclose(found, wavy(x, y, z, order), rtol=0, atol=1e-14 * 30 ** (2 * order) + 1e-11)
        both = fft.backward(derivative(fft, derivative(fft, u_hat, 0), 1))
        with everywhere():
            np.testing.assert_allclose(both, np.cos(x) * wavy(x, y, z, 1), rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("of", "numpy_of"), [(chebyshev_derivative, chebyshev.chebder), (legendre_derivative, legendre.legder)]
)
def test_polynomials_of_whole_numbers_are_exact(of, numpy_of):
    """Also of more coefficients than are computed at a time, whatever axis they lie along."""
    for shape, axis in (
        ((200, 3, 120), 0),
        ((150, 2, 91), 2),
        ((3, 40, 5, 31), 1),
        ((7,), 0),
        ((2, 1), 1),
        ((4, 0), 0),
    ):
        c = rng(*shape).integers(-9, 10, shape).astype(float)
        for order in range(3):
            out = np.full(shape, np.nan)
            of(c, axis, order, out)
            expected = np.zeros(shape)
            rows = max(0, shape[axis] - order)
            if c.size:
                np.moveaxis(expected, axis, 0)[:rows] = np.moveaxis(numpy_of(c, order, axis=axis), axis, 0)[:rows]
            # numpy's divisions round
            np.testing.assert_array_equal(out, np.rint(expected))


def test_nothing_is_allocated_but_the_result():
    with PFFT(MPI.COMM_SELF, (64, 128, 128), transforms={0: Chebyshev(), 2: Legendre()}) as fft:
        u = fft.empty_output()
        u[...] = 1
        for axis in (0, 2):
            tracemalloc.start()
            derivative(fft, u, axis, 2, out=u)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            check(peak < u.nbytes / 4, f"{peak} bytes of {u.nbytes}")


@pytest.mark.parallel([1, 3])
def test_series_that_are_divided_are_refused():
    families = {0: Chebyshev(), 2: Legendre()}
    with PFFT(WORLD, (8, 6, 9), axes=(0, 1, 2), grid=[WORLD.size, 1, 1], transforms=families) as fft:
        u_hat = fft.empty_output()
        u_hat[...] = 1
        derivative(fft, u_hat, 0)
        derivative(fft, u_hat, 2)
    with PFFT(WORLD, (8, 6, 9), axes=(1, 0, 2), grid=[1, WORLD.size, 1], transforms=families) as fft:
        u_hat = fft.empty_output()
        u_hat[...] = 1
        derivative(fft, u_hat, 2)
        if WORLD.size > 1:
            match = r"axis 0 is divided among . ranks in the output.* name it first, as in axes=\(0, 1, 2\), so that"
            expect_everywhere(ValueError, match, lambda: derivative(fft, u_hat, 0))
        else:
            derivative(fft, u_hat, 0)


@pytest.mark.parallel([1, 2])
def test_what_series_do_not_have():
    with PFFT(WORLD, (8, 6, 9), transforms={0: Chebyshev()}) as fft:
        u, v = fft.empty_output(), fft.empty_output(1)
        u[...] = v[...] = 0
        for call in (lambda: gradient(fft, u), lambda: divergence(fft, v), lambda: curl(fft, v)):
            expect_everywhere(ValueError, r"axis 0 has no Fourier modes .* the Fourier axes are \[1, 2\]", call)
        for of in (laplacian, inverse_laplacian):
            expect_everywhere(ValueError, "axis 0 has modes that are no waves: Chebyshev", lambda f=of: f(fft, u))
        expect_everywhere(TypeError, "lengths", lambda: derivative(fft, u, 0, lengths="long"))
        expect_everywhere(ValueError, "lengths", lambda: derivative(fft, u, 0, lengths=(1, 2)))
        expect_everywhere(ValueError, "out overlaps u_hat", lambda: derivative(fft, v[:2], 0, out=v[1:]))
        expect_everywhere(TypeError, "u_hat has dtype", lambda: derivative(fft, u.astype("F"), 0))
    identity = LinearMap(np.eye(8), np.eye(8))
    with PFFT(WORLD, (8, 6), transforms={0: identity, 1: DCT(2)}) as fft:
        u = fft.empty_output()
        u[...] = 0
        expect_everywhere(ValueError, "axis 0 has no Fourier modes", lambda: derivative(fft, u, 0))
        expect_everywhere(ValueError, "axis 0 has modes that are no waves: LinearMap", lambda: derivative(fft, u, 0, 2))


def test_the_derivative_of_a_polynomial_in_a_longer_channel():
    """A channel of another length than 2 takes a factor of the caller's, as documented."""
    with PFFT(MPI.COMM_SELF, (12,), transforms={0: Chebyshev()}) as fft:
        height = 5.0
        y = (fft.local_mesh()[0] + 1) * height / 2
        u = fft.empty_input()
        u[...] = y**3
        slope = fft.backward(derivative(fft, fft.forward(u), 0)) * (2 / height)
        np.testing.assert_allclose(slope, 3 * y**2, rtol=1e-13, atol=1e-12)
        check(math.isclose(y.max(), height * (1 + math.cos(math.pi / 24)) / 2), "the points")
