"""Derivatives of modes, against analytic fields and, for random ones, Trefethen's differentiation matrices.

The fields are evaluated in long double at coordinates that are computed here.
"""

import itertools
import math
import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest
from families import shapes_and_axes
from layouts import empty_like, laid_out, layouts, untouched_elsewhere
from lockstep import given, settings, st
from mpi4py import MPI
from oracles import along, complex_of, random_array, same_bits
from support import RANKS, check, everywhere, expect_everywhere, rng

from mpi4py_pencil import DCT, DST, FFT1D, PFFT, DistArray, Hartley, newDistArray, spectral
from mpi4py_pencil.spectral import curl, derivative, divergence, gradient, inverse_laplacian, laplacian

WORLD = MPI.COMM_WORLD
PI = 4 * np.arctan(np.longdouble(1))


def wave(theta, order, dtype):
    """Return the derivatives of a wave by its phase."""
    cosine, sine = np.cos(theta), np.sin(theta)
    if dtype.kind == "f":
        return (cosine, -sine, -cosine, sine)[order % 4]
    return (1, 1j, -1, -1j)[order % 4] * (cosine + 1j * sine)


@dataclass(frozen=True)
class Field:
    """A product over the axes of sums of waves, at this rank's points of a transform in a box.

    The waves of an axis have two of the wave numbers that the modes allow, one of each sign; the mean is 1 or more.
    """

    fft: PFFT
    shape: tuple
    box: tuple
    seed: int

    def factor(self, axis, order):
        """Return the derivative of the factor of an axis, of the given order."""
        dtype, points, n = self.fft.dtype(False), self.fft.global_shape(False)[axis], self.shape[axis]
        x = np.arange(points)[self.fft.local_slice(False)[axis]] * (self.box[axis] / np.longdouble(points))
        q = 2 * PI / np.longdouble(self.box[axis])
        m, negative = [int(rng(self.seed, axis, k).integers(0, (n - 1) // 2 + 1)) for k in (0, 1)]
        y = np.full(x.shape, order == 0, np.longdouble)
        for number, amplitude, phase in ((m, 0.75, 0.5), (-negative, 0.5, 2.0)):
            if number:
                y = y + amplitude * (number * q) ** order * wave(number * q * x + phase, order, dtype)
        return y.reshape([-1 if k == axis else 1 for k in range(len(self.shape))])

    def __call__(self, *orders):
        """Return the derivative of these orders along the axes, in long double."""
        total = np.ones(self.fft.shape(False), np.longdouble)
        for axis, order in enumerate(orders):
            total = total * self.factor(axis, order)
        return total

    def first(self, axis):
        return self(*(int(k == axis) for k in range(len(self.shape))))

    def laplacian(self):
        return sum(self(*(2 * int(k == axis) for k in range(len(self.shape)))) for axis in range(len(self.shape)))


def modes(fft, *fields):
    """Return the modes of the field, or of the vector field with these components."""
    u = fft.empty_input(rank=int(len(fields) > 1))
    if len(fields) > 1:
        for component, field in zip(u, fields, strict=True):
            component[...] = field
    else:
        u[...] = fields[0]
    return fft.forward(u)


def scale_of(fft, shape, box, order):
    """Return by how much a derivative enlarges what rounding has put into the highest modes."""
    return max(1.0, max(math.pi * n / length for n, length in zip(shape, box, strict=True)) ** order)


def close(fft, u_hat, expected, enlarged):
    """Compare modes, at the points, with a field; the error may be as large as rounding of the input makes it."""
    u = fft.backward(u_hat)
    eps = float(np.finfo(fft.dtype(True)).eps)
    largest = float(np.max(np.abs(expected), initial=1))
    with everywhere(fft.comm):
        np.testing.assert_equal(u.dtype, fft.dtype(False))
        np.testing.assert_allclose(np.asarray(u), expected, rtol=0, atol=20 * eps * (largest + 10 * enlarged))


BOXES = [
    ((8, 9, 6), (2 * math.pi, 2 * math.pi, 2 * math.pi)),
    ((7, 6, 9), (1.0, 3.5, 0.75)),
    ((5, 12, 8), (20.0, 1.0, 4.0)),
]
PLANES = [((8, 7), (2.0, 3.0)), ((9, 10), (1.0, 0.25))]


def grids(ndim, last):
    """Return the chosen grid, and where the ranks allow it, slabs of the other axes and pencils."""
    others = [k for k in range(ndim) if k != last]
    found = [None, *([WORLD.size if k == axis else 1 for k in range(ndim)] for axis in others)]
    if len(others) > 1 and WORLD.size == 6:
        found += [[{others[0]: p, others[1]: 6 // p}.get(k, 1) for k in range(ndim)] for p in (2, 3)]
    return found


@pytest.mark.parametrize("dtype", "fdgFDG")
def test_fields_in_three_dimensions(dtype):
    check_boxes(dtype)


@pytest.mark.parallel([2, 4, 6])
@pytest.mark.parametrize("dtype", "dF")
def test_fields_in_three_dimensions_that_are_divided(dtype):
    check_boxes(dtype)


def check_boxes(dtype):
    """Compare with the derivatives of functions in boxes, padded or not, on grids in turn."""
    cases = list(itertools.product(BOXES, (None, 1.5)))
    for k, ((shape, box), padding) in enumerate(cases if WORLD.size < 3 else cases[::3]):
        axes = [(0, 1, 2), (2, 0, 1), (1, 2, 0)][(k + WORLD.size) % 3]
        choices = grids(3, axes[-1])
        grid = choices[k % len(choices)]
        with PFFT(WORLD, shape, axes, dtype, grid, padding) as fft:
            check_scalar(fft, shape, box)
            check_vector(fft, shape, box)


@pytest.mark.parallel([1, 2])
def test_blocks_that_are_computed_in_several_parts():
    """Of many rows, the last part a remainder; and of rows so long that each is a part."""
    for shape, dtype in (((45, 34, 66), "d"), ((5, 130, 300), "F")):
        with PFFT(WORLD, shape, dtype=dtype) as fft:
            check(math.prod(fft.shape(True)) > 2**14, "the block is a single part")
            check_vector(fft, shape, (1.0, 2.0, 3.0))
            u = Field(fft, shape, (1.0, 2.0, 3.0), 0)
            second = scale_of(fft, shape, (1.0, 2.0, 3.0), 2)
            close(fft, laplacian(fft, modes(fft, u(0, 0, 0)), (1.0, 2.0, 3.0)), u.laplacian(), second)


@pytest.mark.parallel([1, 3])
@pytest.mark.parametrize("dtype", "dFg")
def test_fields_in_two_dimensions(dtype):
    for (shape, box), padding, axes in itertools.product(PLANES, (None, 1.5), ((0, 1), (1, 0))):
        with PFFT(WORLD, shape, axes, dtype, padding=padding) as fft:
            check_scalar(fft, shape, box)
            u, v = Field(fft, shape, box, 1), Field(fft, shape, box, 2)
            first, whole = scale_of(fft, shape, box, 1), modes(fft, u(0, 0), v(0, 0))
            found = curl(fft, whole, box)
            check(type(found) is DistArray and found.rank == 0, "the curl of a plane field is a number")
            close(fft, found, v.first(0) - u.first(1), first)
            close(fft, divergence(fft, whole, box), u.first(0) + v.first(1), first)


def check_scalar(fft, shape, box):
    """Compare derivatives of a field of numbers with the exact ones."""
    u = Field(fft, shape, box, 0)
    ndim, zeros = len(shape), [0] * len(shape)
    u_hat = modes(fft, u(*zeros))
    before = np.array(u_hat)
    for axis, order in itertools.product(range(-1, ndim), range(4)):
        orders = list(zeros)
        orders[axis] = order
        found = derivative(fft, u_hat, axis, order, lengths=box)
        close(fft, found, u(*orders), scale_of(fft, shape, box, order))
    slopes = gradient(fft, u_hat, box)
    close(fft, slopes, np.array([u.first(axis) for axis in range(ndim)]), scale_of(fft, shape, box, 1))
    close(fft, laplacian(fft, u_hat, box), u.laplacian(), scale_of(fft, shape, box, 2))
    close(fft, divergence(fft, slopes, box), u.laplacian(), scale_of(fft, shape, box, 2))
    mean = fft.comm.allreduce(np.sum(u(*zeros))) / np.prod(fft.global_shape(False))
    close(fft, inverse_laplacian(fft, modes(fft, u.laplacian() + 3), box), u(*zeros) - mean, max(box) ** 2 * u_size(u))
    with everywhere():
        np.testing.assert_equal((type(slopes), slopes.rank), (DistArray, 1))
        same_bits(np.asarray(u_hat), before)


def u_size(u):
    """Return the largest Laplacian of a field."""
    return u.fft.comm.allreduce(float(np.max(np.abs(u.laplacian()), initial=1)), MPI.MAX)


def check_vector(fft, shape, box):
    """Compare divergence and curl with the exact ones, and with what they must be of gradients and curls."""
    u, v, w = (Field(fft, shape, box, seed) for seed in (1, 2, 3))
    first, second = (scale_of(fft, shape, box, order) for order in (1, 2))
    whole = modes(fft, u(0, 0, 0), v(0, 0, 0), w(0, 0, 0))
    close(fft, divergence(fft, whole, box), u.first(0) + v.first(1) + w.first(2), first)
    turned = np.array([w.first(1) - v.first(2), u.first(2) - w.first(0), v.first(0) - u.first(1)])
    found = curl(fft, whole, box)
    close(fft, found, turned, first)
    close(fft, divergence(fft, found, box), np.zeros(fft.shape(False)), second)
    close(fft, curl(fft, gradient(fft, whole[0], box), box), np.zeros((3, *fft.shape(False))), second)
    check(type(found) is DistArray and found.rank == 1, "a curl is a vector field")


def differentiation(n, order, length):
    """Return the matrix that differentiates the interpolant at n points, in long double (Trefethen 2000, chapter 3)."""
    if order == 0:
        return np.eye(n, dtype=np.longdouble)
    if order > 2:
        return differentiation(n, 2, length) @ differentiation(n, order - 2, length)
    if order == 2 and n % 2:
        return differentiation(n, 1, length) @ differentiation(n, 1, length)
    j = np.arange(n)[:, None] - np.arange(n)
    half = np.where(j == 0, 1, j) * (PI / n)
    sign = np.where(j % 2, -1, 1)
    if order == 1:
        matrix = sign / (2 * np.tan(half) if n % 2 == 0 else 2 * np.sin(half))
        diagonal = 0
    else:
        matrix = -sign / (2 * np.sin(half) ** 2)
        diagonal = -(n**2 + np.longdouble(2)) / 12
    return np.where(j == 0, diagonal, matrix) * (2 * PI / length) ** order


@st.composite
def calls(draw):
    """Draw a plan, an axis, an order, lengths, component axes and layouts."""
    shape, axes, _ = draw(shapes_and_axes(range(1, 10)))
    ndim = len(shape)
    asked = {"axes": axes, "dtype": draw(st.sampled_from("dDfFgG"))}
    components = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    length = draw(st.sampled_from([1.0, 0.75, 20.0]))
    lay = [draw(layouts(ndim + len(components))) for _ in range(2)]
    return shape, asked, draw(st.sampled_from(axes)), draw(st.integers(0, 5)), length, components, *lay


@pytest.mark.parallel(RANKS)
@settings(max_examples=25 if WORLD.size < 5 else 15)
@given(calls())
def test_any_derivative_of_random_points(case):
    """The Nyquist mode included: what the interpolant's derivatives are at the points. Arrays may lie in any layout."""
    shape, asked, axis, order, length, components, source, target = case
    box = [length if k == axis else None for k in range(len(shape))]
    box = [1.0 if b is None else b for b in box]
    with PFFT(WORLD, shape, **asked) as fft:
        whole = random_array(rng(*shape), components + shape, asked["dtype"])
        here = (..., *fft.local_slice(False))
        expected = along(
            differentiation(shape[axis], order, length),
            whole.astype(np.result_type(whole, "g")),
            axis + len(components),
        )
        u_hat, u_memory = laid_out(np.asarray(fft.forward(whole[here])), source)
        out, out_memory = empty_like(u_hat.shape, u_hat.dtype, target)
        u_hat.flags.writeable = False
        before = u_memory.copy()
        returned = derivative(fft, u_hat, axis, order, box, out)
        size = float(np.linalg.norm(whole.ravel())) * max(1.0, math.pi * shape[axis] / length) ** order
        found = fft.backward(np.array(out))
        error = float(np.linalg.norm((np.asarray(found) - expected[here]).ravel()))
        error = math.sqrt(WORLD.allreduce(error**2))
        check(error <= 10 * np.finfo(asked["dtype"]).eps * size, f"error {error} of {size}")
        with everywhere():
            np.testing.assert_equal(returned is out, True)
            same_bits(u_memory, before)
            untouched_elsewhere(out, out_memory)
            again = derivative(fft, np.array(u_hat), axis, order, box)
            np.testing.assert_equal((again.shape, again.rank), (u_hat.shape, len(components)))


@pytest.mark.parallel([1, 3])
@pytest.mark.parametrize("dtype", "dD")
def test_the_highest_cosine_on_a_padded_grid(dtype):
    """Of an even number of modes: no slope, but a curvature, also where the finer points would show the slope."""
    n, length = 6, 5.0
    q = 2 * math.pi / length * n / 2
    with PFFT(WORLD, (n, n, n), dtype=dtype, padding=1.5) as fft:
        for axis in range(3):
            x = fft.local_mesh(length)[axis]
            u = newDistArray(fft, False, val=np.cos(q * x) * np.ones(fft.shape(False)))
            u_hat = fft.forward(u)
            k = np.broadcast_to(fft.wavenumbers(length)[axis], u_hat.shape)
            with everywhere():
                np.testing.assert_array_equal(derivative(fft, u_hat, axis, 1, length)[np.isclose(abs(k), q)], 0)
            close(fft, u_hat, u, 1)
            close(fft, derivative(fft, u_hat, axis, 1, length), 0 * u, q)
            close(fft, derivative(fft, u_hat, axis, 3, length), 0 * u, q**3)
            close(fft, derivative(fft, u_hat, axis, 2, length), -(q**2) * u, q**2)
            close(fft, derivative(fft, u_hat, axis, 4, length), q**4 * u, q**4)
            close(fft, laplacian(fft, u_hat, length), -(q**2) * u, q**2)
            close(fft, inverse_laplacian(fft, u_hat, length), -u / q**2, 1)
            close(fft, gradient(fft, u_hat, length), np.zeros((3, *fft.shape(False))), q)


@pytest.mark.parallel([1, 2, 4])
def test_tensors():
    """A gradient adds an axis in front, a divergence takes it away; operators go through all components."""
    shape, box = (6, 5, 8), (1.0, 2.0, 3.0)
    with PFFT(WORLD, shape) as fft:
        fields = [Field(fft, shape, box, seed) for seed in range(3)]
        u_hat = modes(fft, *(u(0, 0, 0) for u in fields))
        tensor = gradient(fft, u_hat, box)
        exact = np.array([[u.first(i) for u in fields] for i in range(3)])
        check(tensor.rank == 2, "the gradient of a vector field is a tensor")
        close(fft, tensor, exact, scale_of(fft, shape, box, 1))
        waves = np.array([u.laplacian() for u in fields])
        second = scale_of(fft, shape, box, 2)
        close(fft, laplacian(fft, u_hat, box), waves, second)
        close(fft, divergence(fft, tensor, box), waves, second)
        again = inverse_laplacian(fft, laplacian(fft, tensor, box), box)
        close(fft, again, exact, scale_of(fft, shape, box, 3))
        five = np.array([u_hat[k % 3] for k in range(5)])
        for call in (gradient, laplacian, inverse_laplacian):
            many, one = call(fft, five, box), call(fft, u_hat[1], box)
            with everywhere():
                np.testing.assert_array_equal(np.asarray(many)[..., 4, :, :, :], one)


@pytest.mark.parallel([1, 2])
def test_where_the_result_goes():
    """To `out`, which may be the input where a mode depends on itself alone; to no array of the caller's else."""
    with PFFT(WORLD, (6, 5, 8)) as fft:
        u_hat = fft.forward(newDistArray(fft, False, val=random_array(rng(1), fft.shape(False), float)))
        v_hat = newDistArray(fft, rank=1, val=[u_hat, 2 * u_hat, 3 * u_hat])
        for call in (
            lambda a, **k: derivative(fft, a, 1, **k),
            lambda a, **k: laplacian(fft, a, **k),
            lambda a, **k: inverse_laplacian(fft, a, **k),
        ):
            for given in (u_hat, v_hat):
                expected, place = call(given), given.copy()
                with everywhere():
                    np.testing.assert_equal(call(place, out=place) is place, True)
                    np.testing.assert_array_equal(place, expected)
        for call, given, rank in ((gradient, u_hat, 1), (divergence, v_hat, 0), (curl, v_hat, 1), (gradient, v_hat, 2)):
            out = fft.empty_output(rank)
            out[...] = np.nan
            with everywhere():
                np.testing.assert_equal(call(fft, given, out=out) is out, True)
                np.testing.assert_array_equal(out, call(fft, given))
                np.testing.assert_array_equal(out, call(fft, np.asarray(given).copy(order="F")))


def test_nothing_is_allocated_but_the_result():
    """What lies between the operations is small beside the block."""
    with PFFT(MPI.COMM_SELF, (128, 64, 128)) as fft:
        vector, tensor, number = fft.empty_output(1), fft.empty_output(1), fft.empty_output()
        vector[...] = 1
        for call in (
            lambda: derivative(fft, vector, 0, 3, out=tensor),
            lambda: laplacian(fft, vector, out=vector),
            lambda: inverse_laplacian(fft, vector, out=tensor),
            lambda: gradient(fft, vector[0], out=tensor),
            lambda: divergence(fft, vector, out=number),
            lambda: curl(fft, vector, out=tensor),
        ):
            tracemalloc.start()
            call()
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            check(peak < number.nbytes / 4, f"{peak} bytes of {number.nbytes}")


@pytest.mark.parallel([1, 2])
def test_arguments_that_are_refused():
    with PFFT(WORLD, (4, 6, 5)) as fft, PFFT(WORLD, (4, 6, 5), grid=[1, 0, 1]) as other:
        u, v, t = (newDistArray(fft, rank=rank) for rank in range(3))
        plain = np.zeros((7, *u.shape), complex)
        line = FFT1D(WORLD, 8)
        modes = np.zeros(line.shape(True), complex)
        expect_everywhere(TypeError, "fft must be a PFFT", lambda: derivative(line, modes, 0))
        for call in (
            gradient,
            divergence,
            curl,
            laplacian,
            inverse_laplacian,
            lambda f, a, **k: derivative(f, a, 0, **k),
        ):
            expect_everywhere(TypeError, "u_hat must be a numpy array, not list", lambda c=call: c(fft, [1]))
            expect_everywhere(TypeError, "u_hat has dtype complex64", lambda c=call: c(fft, v.astype("F")))
            expect_everywhere(ValueError, "u_hat has shape", lambda c=call: c(fft, v[..., :2]))
            if WORLD.size > 1:
                mine = other.empty_output(1)
                mine[...] = 0
                expect_everywhere(ValueError, "u_hat (is distributed|has shape)", lambda c=call, a=mine: c(fft, a))
            expect_everywhere((TypeError, ValueError), "lengths", lambda c=call: c(fft, v, lengths=-1))
        for call, given in ((gradient, u), (divergence, v), (curl, v), (laplacian, u), (inverse_laplacian, u)):
            right = call(fft, given)
            expect_everywhere(ValueError, "out has shape", lambda c=call, a=given: c(fft, a, out=plain))
            expect_everywhere(TypeError, "out has dtype", lambda c=call, a=given, r=right: c(fft, a, out=r.astype("G")))
            right.flags.writeable = False
            expect_everywhere(ValueError, "out is read-only", lambda c=call, a=given, r=right: c(fft, a, out=r))
        shared = np.zeros((4, *u.shape), complex)
        for call, given, out in (
            (gradient, shared[1], shared[:3]),
            (divergence, shared[:3], shared[2]),
            (curl, shared[:3], shared[:3]),
            (curl, shared[:3], shared[1:]),
            (laplacian, shared[:3], shared[1:]),
            (inverse_laplacian, shared[:3], shared[2::-1]),
            (lambda f, a, out: derivative(f, a, 0, out=out), shared[:3], shared[1:]),
        ):
            expect_everywhere(ValueError, "out overlaps u_hat", lambda c=call, a=given, o=out: c(fft, a, out=o))
        check(not shared.any(), "nothing was written")
        for wrong in (u, t[0, None], plain):
            expect_everywhere(
                ValueError, "a divergence needs a first one of length 3", lambda a=wrong: divergence(fft, a)
            )
        for wrong in (u, t, plain):
            expect_everywhere(ValueError, "a curl needs one, of length 3", lambda a=wrong: curl(fft, a))
        expect_everywhere(ValueError, "axis 3 does not exist", lambda: derivative(fft, u, 3))
        for order in (-1, 1.0, None):
            expect_everywhere(ValueError, "order must be a whole number", lambda o=order: derivative(fft, u, 0, o))


@pytest.mark.parallel([1, 2])
def test_axes_that_cannot_be_differentiated():
    with PFFT(WORLD, (4, 6, 5), axes=(0, 2)) as fft:
        u, v = newDistArray(fft), newDistArray(fft, rank=1)
        for call in (lambda: derivative(fft, u, 1), lambda: derivative(fft, u, -2), lambda: gradient(fft, u)):
            expect_everywhere(ValueError, r"axis 1 has no Fourier modes .* the Fourier axes are \[0, 2\]", call)
        for call in (gradient, divergence, curl):
            expect_everywhere(ValueError, "axis 1 has no Fourier modes", lambda c=call: c(fft, v))
        for call in (laplacian, inverse_laplacian):
            expect_everywhere(ValueError, "axis 1 has modes that are no waves", lambda c=call: c(fft, v))
        x = fft.local_mesh()[2]
        u_hat = fft.forward(newDistArray(fft, False, val=np.sin(2 * x) + np.zeros(fft.shape(False))))
        close(fft, derivative(fft, u_hat, 2), 2 * np.cos(2 * x) + np.zeros(fft.shape(False)), 10)
    for shape in ((4,) * 4, (5, 4, 3, 2, 3)):
        with PFFT(WORLD, shape) as fft:
            expect_everywhere(ValueError, "two or three dimensions", lambda f=fft: curl(f, newDistArray(f, rank=1)))


# Along an axis between walls: the points in [0, 1], the half waves of the first mode, and whether it is a cosine.
WALLS = {
    DCT(1): (lambda n: np.arange(n) / np.longdouble(n - 1), 0, True),
    DCT(2): (lambda n: (np.arange(n) + 0.5) / np.longdouble(n), 0, True),
    DCT(3): (lambda n: np.arange(n) / np.longdouble(n), 0.5, True),
    DCT(4): (lambda n: (np.arange(n) + 0.5) / np.longdouble(n), 0.5, True),
    DST(1): (lambda n: (np.arange(n) + 1) / np.longdouble(n + 1), 1, False),
    DST(2): (lambda n: (np.arange(n) + 0.5) / np.longdouble(n), 1, False),
    DST(3): (lambda n: (np.arange(n) + 1) / np.longdouble(n), 0.5, False),
    DST(4): (lambda n: (np.arange(n) + 0.5) / np.longdouble(n), 0.5, False),
}


def between_walls(family, n, length, order, seed):
    """Return a derivative of even order of two modes along an axis with walls, at all points, in long double.

    One of them is the highest but one; the constant is none.
    """
    points, first, cosine = WALLS[family]
    k = [PI / length * (m + first) for m in (int(rng(seed).integers(1, n - 1)), n - 2)]
    of = np.cos if cosine else np.sin
    theta = points(n) * np.longdouble(length)
    return sum(a * (-(q**2)) ** (order // 2) * of(q * theta) for a, q in zip((1, 0.5), k, strict=True))


def outer(factors, here, dtype):
    """Return this rank's part of the product of one factor along each axis."""
    parts = np.ix_(*(factor[s] for factor, s in zip(factors, here, strict=True)))
    return math.prod(parts[1:], start=parts[0]) * (1 if dtype.kind == "f" else 1 - 0.5j)


@pytest.mark.parallel([1, 4])
@pytest.mark.parametrize("dtype", "dFg")
@pytest.mark.parametrize("family", WALLS, ids=str)
def test_even_derivatives_between_walls(family, dtype):
    """With another such transform along the second axis and waves along the third, or a third such transform."""
    families = list(WALLS)
    other = families[(families.index(family) + 3) % len(families)]
    shape, box = (9, 8, 10), (1.5, 3.0, 2.0)
    for last in (None, family):
        chosen = {0: family, 1: other} | ({} if last is None else {2: last})
        with PFFT(WORLD, shape, dtype=dtype, transforms=chosen) as fft:
            here = fft.local_slice(False)

            def exact(*orders, fft=fft, last=last, here=here):
                waves = np.sin(2 * PI * np.arange(10) / np.longdouble(10)) * (-((2 * PI / 2) ** 2)) ** (orders[2] // 2)
                third = waves if last is None else between_walls(last, 10, 2.0, orders[2], 3)
                factors = [between_walls(f, shape[i], box[i], orders[i], i) for i, f in ((0, family), (1, other))]
                return outer([*factors, third], here, fft.dtype(False))

            u_hat = modes(fft, exact(0, 0, 0))
            np.testing.assert_equal(u_hat.dtype.kind, "f" if last is not None and dtype in "dg" else "c")
            for axis, order in itertools.product(range(3), (0, 2, 4)):
                orders = [order * (k == axis) for k in range(3)]
                enlarged = scale_of(fft, shape, box, order)
                close(fft, derivative(fft, u_hat, axis, order, box), exact(*orders), enlarged)
            whole = exact(2, 0, 0) + exact(0, 2, 0) + exact(0, 0, 2)
            close(fft, laplacian(fft, u_hat, box), whole, scale_of(fft, shape, box, 2))
            close(
                fft,
                inverse_laplacian(fft, modes(fft, whole), box),
                exact(0, 0, 0),
                float(np.max(abs(whole), initial=1)),
            )


@pytest.mark.parallel([1, 3])
def test_the_mean_between_walls():
    """Poisson's equation leaves out the mean where all modes have a constant, and nothing where one axis has none."""
    for family, mean in ((DCT(1), 0), (DCT(2), 0), (DST(2), None), (DCT(4), None)):
        with PFFT(WORLD, (6, 7), transforms={0: family}) as fft:
            u_hat = fft.empty_output()
            u_hat[...] = random_array(rng(6), fft.global_shape(True), complex)[fft.local_slice(True)]
            found = inverse_laplacian(fft, u_hat)
            back = laplacian(fft, found)
            with everywhere():
                expected = np.array(u_hat)
                if mean is not None and expected.size and fft.local_slice(True)[1].start == 0:
                    expected[0, 0] = mean
                np.testing.assert_allclose(back, expected, rtol=1e-14)


@pytest.mark.parallel([1, 2])
def test_odd_derivatives_between_walls_are_refused():
    families = {0: DCT(2), 1: DST(1), 2: Hartley()}
    with PFFT(WORLD, (4, 6, 5, 8), transforms=families) as fft:
        u = newDistArray(fft)
        for axis, match in (
            (0, r"axis 0 has DCT\(type=2\), and a derivative of odd order makes sines of cosines"),
            (1, r"axis 1 has DST\(type=1\), and a derivative of odd order makes cosines of sines"),
            (2, r"axis 2 has Hartley\(\), and a derivative of odd order makes other modes"),
        ):
            for order in (1, 3):
                expect_everywhere(ValueError, match, lambda a=axis, o=order: derivative(fft, u, a, o))
            derivative(fft, u, axis, 2)
        derivative(fft, u, 3)
        expect_everywhere(ValueError, r"axis 0 has DCT.* the Fourier axes are \[3\]", lambda: gradient(fft, u))


def test_one_dimension():
    with PFFT(MPI.COMM_SELF, (16,), dtype="g") as fft:
        u = Field(fft, (16,), (3.0,), 4)
        u_hat = modes(fft, u(0))
        np.testing.assert_equal(gradient(fft, u_hat).shape, (1, 9))
        close(fft, divergence(fft, gradient(fft, u_hat, 3.0), 3.0), u(2), 300)
        with pytest.raises(ValueError, match="two or three dimensions"):
            curl(fft, gradient(fft, u_hat))
        np.testing.assert_equal(spectral.gradient(fft, u_hat).dtype, complex_of("g"))
