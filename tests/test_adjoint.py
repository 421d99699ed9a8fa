"""Adjoints: by their definition, the dot test, and against the matrix of the transform, column by column."""

import itertools
import math

import numpy as np
import pytest
from families import FAMILIES, calls, shapes_and_axes
from installed import engines
from lockstep import example, given, settings, st
from mpi4py import MPI
from oracles import ELEMENTS, random_array, same_bits
from support import RANKS, check, everywhere, expect_everywhere, gather_global, rng

from mpi4py_pencil import DCT, DST, PFFT, Ball, Chebyshev, DistArray, Hartley, Legendre, LinearMap
from mpi4py_pencil.exchange import METHODS

WORLD = MPI.COMM_WORLD


def times(matrix, part=np.asarray):
    """Return the function that maps lines by a matrix in their precision, and keeps all of the result or a part."""

    def mapped(lines):
        kind = lines.real.dtype.char
        return part(lines @ matrix.T.astype(kind.upper() if matrix.dtype.kind == "c" else kind))

    return mapped


def real_part(lines):
    return lines.real


def mapped(n, length, dtype, functions=False):
    """Return a map of n points to as many values as `length` says, by random matrices or by functions."""
    generator = rng(n, length)
    there, back = random_array(generator, (length, n), dtype), random_array(generator, (n, length), dtype)
    if not functions:
        return LinearMap(there, back)
    return LinearMap(times(there), times(back), adjoints=(times(there.conj().T), times(back.conj().T)))


def halved(n, length):
    """Return a map by functions of n real points to complex values."""
    generator = rng(n, length, 1)
    there, back = random_array(generator, (length, n), "D"), random_array(generator, (n, length), "D")
    adjoints = times(there.conj().T, real_part), times(back.conj().T)
    return LinearMap(times(there), times(back, real_part), adjoints)


@st.composite
def transforms_of(draw, shape, axes, real, norm):
    """Draw what is computed along each of the axes but Fourier transforms."""
    chosen = {}
    for axis in reversed(axes):
        n, length = shape[axis], draw(st.integers(1, 6))
        choices = [f for kind, f in sorted(FAMILIES.items()) if kind != "fourier" and (kind, n) != ("dct1", 1)]
        choices += [Legendre()] + [Chebyshev(), *[Chebyshev("lobatto")] * (n > 1)] * (norm != "ortho")
        choices += [mapped(n, length, "d"), mapped(n, length, "d", functions=True)]
        half = halved(n, length)
        choices += [half] if real else [mapped(n, length, "D"), mapped(n, length, "D", functions=True)]
        # every second axis or so is Fourier's
        family = draw(st.sampled_from([None] * len(choices) + choices))
        if family is not None:
            chosen[axis] = family
        real = real and family not in (None, half)
    return chosen


@st.composite
def requests(draw):
    """Draw a shape and the keyword arguments of a plan."""
    shape, axes, grid = draw(shapes_and_axes(lengths=(1, 2, 3, 4, 5, 8), most=3))
    dtype, norm = draw(st.sampled_from("dDfFgG")), draw(st.sampled_from(["forward", "backward", "ortho"]))
    transforms = draw(transforms_of(shape, axes, dtype in "dfg", norm))
    fourier = [axis in axes and axis not in transforms for axis in range(len(shape))]
    padding, truncation = None, None
    if any(fourier):
        padding = draw(st.sampled_from([None, None, 1.5, tuple(1.5 if f else 1 for f in fourier)]))
        each = tuple(draw(st.sampled_from([None, 0, 1, 2, 2.5])) if f else None for f in fourier)
        ball = Ball(tuple(draw(st.sampled_from([0.5, 1, 2.5])) if f else None for f in fourier))
        truncation = draw(st.sampled_from([None, None, 1, each, ball, Ball(2)]))
    cosines = any(isinstance(family, DCT | DST | Chebyshev) for family in transforms.values())
    return shape, {
        "axes": axes,
        "grid": grid,
        "dtype": dtype,
        "norm": norm,
        "padding": padding,
        "truncation": truncation,
        "transforms": transforms,
        "method": draw(st.sampled_from(METHODS)),
        "backend": draw(st.sampled_from(("pyfftw", "ducc", "scipy") if cosines else engines(dtype))),
    }


def dot(a, b):
    """Return the sum of conj(a) * b over all ranks, in long double."""
    return WORLD.allreduce(np.vdot(np.asarray(a, np.clongdouble), np.asarray(b, np.clongdouble)))


def check_dots(fft, components=(), normalize=None):
    """Check that <y, A x> is <A* y, x> for both directions, and what the adjoints say of their arrays."""
    dtype = fft.dtype(False)
    sides = []
    for output in (False, True):
        whole = random_array(rng(*components, output), components + fft.global_shape(output), fft.dtype(output))
        sides.append(whole[(..., *fft.local_slice(output))].copy())
    real = dtype.kind != fft.dtype(True).kind
    for way, direct in enumerate((fft.forward, fft.backward)):
        x, y = sides[way], sides[1 - way]
        kept = x.copy(), y.copy()
        there, back = direct(x, normalize=normalize), direct.adjoint(y, normalize=normalize)
        with everywhere():
            same_bits(x, kept[0])
            same_bits(y, kept[1])
            np.testing.assert_equal((there.shape, there.dtype), (y.shape, y.dtype))
            np.testing.assert_equal((back.shape, back.dtype), (x.shape, x.dtype))
            np.testing.assert_equal(type(back), DistArray)
            np.testing.assert_equal(back.global_shape[len(components) :], fft.global_shape(way == 1))
        left, right = dot(y, there), dot(back, x)
        apart = abs((left - right).real if real else left - right)
        size = [np.sqrt(dot(a, a).real * dot(b, b).real) for a, b in ((y, there), (back, x))]
        check(apart <= 50 * np.finfo(dtype).eps * max(size), f"<y, A x> = {left}, <A* y, x> = {right} of {size}")


@pytest.mark.parallel(RANKS)
@settings(max_examples=25 if WORLD.size < 5 else 10)
@given(requests(), calls())
@example(((6, 5, 8), {"axes": (0, 2), "transforms": {0: DCT(2)}}), ((), None))
@example(((8, 7, 6), {"truncation": Ball(2.5), "padding": 1.5, "dtype": "d"}), ((3,), True))
@example(((8, 7, 6), {"truncation": 2, "dtype": "D", "norm": "backward"}), ((), None))
@example(((8, 8), {"padding": 1.5, "dtype": "d"}), ((), False))
def test_dots(case, call):
    shape, asked = case
    components, normalize = call
    with PFFT(WORLD, shape, **asked) as fft:
        check_dots(fft, components, None if asked.get("norm") == "ortho" else normalize)


@pytest.mark.parallel([1, 3])
def test_dots_of_arrays_larger_than_the_cache():
    """Where two sweeps go plane by plane, in slabs and pencils, padded, truncated and by maps."""
    shape = (33, 40, 44)
    requests = [
        {"padding": 1.5},
        {"truncation": (5, None, 11)},
        {"transforms": {0: DCT(1), 2: DST(2)}},
        {"transforms": {1: mapped(40, 23, "d"), 2: Chebyshev()}},
        {"transforms": {0: Legendre(), 1: Hartley()}, "axes": (2, 1, 0)},
    ]
    for asked, dtype in itertools.product(requests, "dD" if WORLD.size == 1 else "d"):
        for dims in (None, [0, 0, 1] if asked.get("axes") is None else [1, 0, 0]):
            with PFFT(WORLD, shape, dtype=dtype, grid=dims, **asked) as fft:
                check_dots(fft)


def matrix(fft, call, forward):
    """Return the matrix of a call, with real and imaginary parts of points and of modes as coordinates of their own.

    Its columns are what becomes of the unit vectors, which go through together as components.
    """
    shape, dtype = fft.global_shape(not forward), fft.dtype(not forward)
    units = np.eye(math.prod(shape), dtype=dtype).reshape(-1, *shape)
    if dtype.kind == "c":
        units = np.concatenate([units, 1j * units])
    rows = call(units[(..., *fft.local_slice(not forward))].astype(dtype))
    found = gather_global(rows, fft.local_slice(forward), (len(units), *fft.global_shape(forward)))
    found = found.reshape(len(units), -1)
    return (np.concatenate([found.real, found.imag], axis=1) if found.dtype.kind == "c" else found).T


def check_matrices(fft):
    """Check that the matrices of the adjoints are the transposed ones: of complex coordinates the conjugate ones."""
    for forward, call in ((True, fft.forward), (False, fft.backward)):
        there, back = matrix(fft, call, forward), matrix(fft, call.adjoint, not forward)
        with everywhere():
            tolerance = 16 * np.finfo(there.dtype).eps * np.abs(there).max()
            np.testing.assert_allclose(back, there.T, rtol=0, atol=tolerance)


def test_the_matrix_of_every_kind():
    """At every short length, even and odd; the weights of single points are where they belong."""
    norms = itertools.cycle(["forward", "backward", "ortho"])
    for (kind, family), n, dtype in itertools.product(FAMILIES.items(), range(1, 7), "dD"):
        if (kind, n) != ("dct1", 1):
            with PFFT(WORLD, (n, 2), (0,), dtype, transforms={0: family}, norm=next(norms)) as fft:
                check_matrices(fft)
    for family, n, dtype in itertools.product((Chebyshev(), Chebyshev("lobatto"), Legendre()), (2, 3, 6), ELEMENTS):
        with PFFT(WORLD, (n, 2), (0,), dtype, transforms={0: family}) as fft:
            check_matrices(fft)
    for n, length in ((3, 5), (4, 2)):
        for family, dtype in [(mapped(n, length, "d"), "f"), (mapped(n, length, "D"), "D"), (halved(n, length), "d")]:
            with PFFT(WORLD, (n, 2), (0,), dtype, transforms={0: family}) as fft:
                check_matrices(fft)


def test_the_matrix_of_padding_and_truncation():
    """Of the modes that are stored but truncated the rows are zero."""
    for n, dtype in itertools.product(range(1, 8), "dD"):
        for asked in ({"padding": (1.5, 1)}, {"truncation": (1, None)}, {"padding": (2, 1), "truncation": (2, None)}):
            with PFFT(WORLD, (n, 2), (0,), dtype, **asked) as fft:
                check_matrices(fft)


SEVERAL = [
    ((3, 4), {"dtype": "d"}),
    ((4, 3), {"dtype": "D", "norm": "ortho"}),
    ((3, 4), {"axes": (1, 0), "transforms": {0: DCT(2)}}),
    ((2, 3, 4), {"axes": (0, 2), "transforms": {0: DCT(2)}}),
    ((3, 2, 3), {"transforms": {(0, 2): DST(3), 1: Hartley()}, "norm": "ortho"}),
    ((2, 3, 2), {"transforms": {1: halved(3, 2), 2: DCT(1)}, "norm": "backward"}),
    ((4, 5), {"truncation": Ball(1.5)}),
    ((4, 5), {"truncation": Ball((1, 2)), "dtype": "D", "padding": 1.5}),
    ((4, 4), {"truncation": 1, "padding": (1, 1.5)}),
]


@pytest.mark.parallel([1, 3])
def test_the_matrix_of_several_axes():
    for (shape, asked), method in zip(SEVERAL, itertools.cycle(METHODS), strict=False):
        with PFFT(WORLD, shape, method=method, **asked) as fft:
            check_matrices(fft)


@pytest.mark.parallel([1, 2, 4])
def test_the_adjoint_of_the_adjoint_is_the_transform():
    """Bit by bit; and adjoints write into what they are given."""
    for asked in ({}, {"padding": 1.5}, {"transforms": {0: DCT(3), 2: mapped(6, 4, "d")}}, {"truncation": Ball(2)}):
        with PFFT(WORLD, (4, 5, 6), **asked) as fft:
            u = rng(1).standard_normal(fft.global_shape(False))[fft.local_slice(False)]
            u_hat = fft.forward(u)
            into = np.full(fft.shape(False), np.nan)
            returned = fft.forward.adjoint(u_hat, into)
            with everywhere():
                np.testing.assert_equal(returned is into, True)
                same_bits(into, np.asarray(fft.forward.adjoint(u_hat)))
                same_bits(np.asarray(fft.forward.adjoint.adjoint(u)), np.asarray(u_hat))
                same_bits(np.asarray(fft.backward.adjoint.adjoint(u_hat)), np.asarray(fft.backward(u_hat)))


@pytest.mark.parallel([1, 3])
def test_adjoints_of_orthonormal_transforms_undo_them():
    """Of complex data and of real kinds; so they do with forward, scaled, and backward, not scaled, but for N."""
    for asked in ({"dtype": "D"}, {"transforms": {0: DCT(2), 1: DST(4)}}, {"transforms": {0: DST(3), 1: Hartley()}}):
        with PFFT(WORLD, (5, 6), norm="ortho", **asked) as fft:
            u = random_array(rng(2), (5, 6), fft.dtype(False))[fft.local_slice(False)]
            for forward, backward in ((fft.forward, fft.forward.adjoint), (fft.backward.adjoint, fft.backward)):
                again = backward(forward(u))
                with everywhere():
                    np.testing.assert_allclose(again, u, rtol=0, atol=1e-14)


@pytest.mark.parallel([1, 3])
def test_functions_without_adjoints_are_refused():
    """On every rank, before anything is sent; the transform itself goes on. The adjoint of a matrix beside is known."""
    there, back = times(np.eye(4)), times(np.eye(4))
    for family, known in (
        (LinearMap(there, back), (False, False)),
        (LinearMap(np.eye(4), back), (True, False)),
        (LinearMap(there, np.eye(4)), (False, True)),
        (LinearMap(there, back, adjoints=(there, back)), (True, True)),
    ):
        with PFFT(WORLD, (4, 3), transforms={0: family}) as fft:
            u = rng(3).standard_normal((4, 3))[fft.local_slice(False)]
            u_hat = fft.forward(u)
            for call, given_, has in ((fft.forward, u_hat, known[0]), (fft.backward, u, known[1])):
                if has:
                    call.adjoint(given_)
                else:
                    message = "the adjoint of a map given as functions is not known: give LinearMap its adjoints"
                    expect_everywhere(ValueError, message, lambda c=call, a=given_: c.adjoint(a))
            again = fft.backward(u_hat)
            with everywhere():
                np.testing.assert_allclose(again, u, rtol=0, atol=1e-15)


@pytest.mark.parallel([1, 2])
def test_arrays_that_do_not_fit_are_refused():
    """The adjoint of forward takes modes, and is refused points."""
    with PFFT(WORLD, (4, 6)) as fft:
        u, u_hat = np.ones(fft.shape(False)), np.ones(fft.shape(True), complex)
        expect_everywhere(TypeError, "u_hat has dtype float64, expected complex128", lambda: fft.forward.adjoint(u))
        expect_everywhere(TypeError, "u has dtype complex128, expected float64", lambda: fft.backward.adjoint(u_hat))
        expect_everywhere(ValueError, "out has shape", lambda: fft.forward.adjoint(u_hat, u[:, 1:]))
        wrong = LinearMap(times(np.ones((3, 4))), times(np.ones((4, 3))), adjoints=(times(np.eye(3)), times(np.eye(4))))
    with PFFT(WORLD, (4, 6), (0,), transforms={0: wrong}) as fft:
        y = np.ones(fft.shape(True))
        expect_everywhere(ValueError, r"made float64 lines of shape \(\d+, 3\)", lambda: fft.forward.adjoint(y))
    fft = PFFT(WORLD, (4, 6))
    adjoint = fft.forward.adjoint
    fft.close()
    expect_everywhere(ValueError, "this PFFT is closed", lambda: adjoint(u_hat))
