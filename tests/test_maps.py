"""Linear maps along an axis, and series of Chebyshev and Legendre polynomials, against numpy on the global array."""

import itertools
import math
from functools import partial

import numpy as np
import pytest
from families import shapes_and_axes
from lockstep import example, given, settings, st
from mpi4py import MPI
from numpy.polynomial import chebyshev, legendre
from oracles import ELEMENTS, along, back_by_scipy, by_scipy, close, random_array, scale, turns
from support import RANKS, check, everywhere, expect_everywhere, gather_global, rng

from mpi4py_pencil import DCT, PFFT, Chebyshev, Fourier, Legendre, LinearMap
from mpi4py_pencil.exchange import METHODS

WORLD = MPI.COMM_WORLD
LAST = WORLD.rank == WORLD.size - 1


def matrices(n, length, kind, seed):
    """Return two random matrices, length x n and n x length, of a kind as numpy.dtype has it; not inverses."""
    generator = rng(n, length, seed)
    if kind == "i":
        return generator.integers(-3, 4, (length, n)), generator.integers(-3, 4, (n, length))
    dtype = {"f": "d", "c": "D", "g": "g"}[kind]
    return random_array(generator, (length, n), dtype), random_array(generator, (n, length), dtype)


def lines_times(matrix, part=lambda lines: lines):
    """Return the function that maps lines by a matrix and keeps their precision."""

    def mapped(lines):
        kind = np.result_type(lines, np.complex64 if matrix.dtype.kind == "c" else np.float32)
        kept = matrix.astype(kind if matrix.dtype.kind == "c" else kind.type(0).real.dtype)
        return part(lines @ kept.T)

    return mapped


def real_part(lines):
    return lines.real


class Along:
    """What is computed along an axis: the family for a plan, and forward and backward with the global array."""

    def __init__(self, axis, n, real, style, kind, length):
        self.axis, self.style = axis, style
        self.n, self.real = n, real
        if style == "fourier":
            self.family = Fourier()
            return
        self.matrices = matrices(n, length, kind, axis)
        forward, backward = self.matrices
        if style == "functions":
            forward, backward = lines_times(forward), lines_times(backward, real_part if self.halves else np.asarray)
        elif style == "mixed":
            backward = lines_times(backward, real_part if self.halves else np.asarray)
        self.family = LinearMap(forward, backward)

    @property
    def halves(self):
        """Whether real points become complex values."""
        return self.real and (self.style == "fourier" or self.matrices[0].dtype.kind == "c")

    def forward(self, whole, axis, norm):
        if self.style == "fourier":
            return by_scipy(whole, [axis], {axis: "fourier"}, norm)
        return along(self.matrices[0], whole, axis)

    def backward(self, spectrum, axis, norm):
        if self.style == "fourier":
            return back_by_scipy(spectrum, [axis], {axis: "fourier"}, norm, {axis: self.n}, self.real)
        result = along(self.matrices[1], spectrum, axis)
        return result.real if self.real else result


@st.composite
def requests(draw):
    """Draw a shape, what is computed along each axis, and a plan's keyword arguments."""
    shape, axes, grid = draw(shapes_and_axes(lengths=(1, 2, 3, 5, 8)))
    dtype = np.dtype(draw(st.sampled_from("dDfFgG")))
    real, computed = dtype.kind == "f", []
    for axis in reversed(axes):
        style = draw(st.sampled_from(["fourier", "matrices", "functions", "mixed"]))
        # the backward matrix of a complex pair gives complex points
        kinds = "ifg" if real and style == "matrices" else "ifgc"
        computed.append(Along(axis, shape[axis], real, style, draw(st.sampled_from(kinds)), draw(st.integers(1, 9))))
        real = real and not computed[-1].halves
    asked = {
        "axes": axes,
        "grid": grid,
        "dtype": dtype,
        "transforms": {each.axis: each.family for each in computed},
        "norm": draw(st.sampled_from(["forward", "backward", "ortho"])),
        "method": draw(st.sampled_from(METHODS)),
        "backend": draw(st.sampled_from(["pyfftw", "numpy"])),
    }
    return shape, computed, asked


def check_plan(shape, computed, asked, components=()):
    """Compare both directions with products of matrices with the global array."""
    dtype, norm, rank = np.dtype(asked["dtype"]), asked.get("norm", "forward"), len(components)
    with PFFT(WORLD, shape, **asked) as fft:
        whole = random_array(rng(*shape), components + shape, dtype)
        modes = whole.astype(np.result_type(whole, float))
        for each in computed:
            modes = each.forward(modes, each.axis + rank, norm)
        kind = np.dtype(dtype.char.upper()) if any(each.halves for each in computed) else dtype
        spectrum = random_array(rng(*shape, 1), modes.shape, kind)
        points = spectrum.astype(np.result_type(spectrum, float))
        for each in reversed(computed):
            points = each.backward(points, each.axis + rank, norm)
        for forward, u, expected in ((True, whole, modes), (False, spectrum, points)):
            call = fft.forward if forward else fft.backward
            result = call(u[(..., *fft.local_slice(not forward))].copy())
            found = gather_global(result, fft.local_slice(forward), expected.shape)
            with everywhere():
                np.testing.assert_equal(fft.global_shape(forward), expected.shape[rank:])
                np.testing.assert_equal((result.dtype, fft.dtype(forward)), (kind if forward else dtype,) * 2)
                # sums of products cancel: their error is relative to the terms, which random ones seldom exceed tenfold
                close(found, expected, dtype, math.prod(modes.shape) * math.prod(shape), factor=100)


@pytest.mark.parallel(RANKS)
@settings(max_examples=30 if WORLD.size < 5 else 20)
@given(requests(), st.lists(st.integers(1, 3), max_size=2).map(tuple))
def test_any_map(case, components):
    check_plan(*case, components)


@pytest.mark.parallel([1, 2, 4])
def test_every_pair_of_lengths():
    """More values than points, fewer, as many; by every exchange; next to half a spectrum."""
    pairs = itertools.product((1, 4, 7), (1, 3, 9))
    for ((n, length), dtype), method in zip(itertools.product(pairs, "dF"), itertools.cycle(METHODS), strict=False):
        real = dtype == "d"
        for axes in ((0, 2), (2, 0)):
            computed, still_real = [], real
            for axis in reversed(axes):
                style = "matrices" if axis == 0 else "fourier"
                kind = "f" if still_real else "c"
                computed.append(Along(axis, (n, 5, 6)[axis], still_real, style, kind, length))
                still_real = still_real and not computed[-1].halves
            transforms = {0: next(each.family for each in computed if each.axis == 0)}
            asked = {"axes": axes, "dtype": dtype, "method": method, "transforms": transforms}
            check_plan((n, 5, 6), computed, asked)


@pytest.mark.parallel([1, 2])
def test_maps_in_arrays_larger_than_the_cache():
    """Lines that grow and shrink where two sweeps go plane by plane."""
    for axes, dtype in itertools.product(((0, 1, 2), (1, 2, 0), (2, 0)), "dD"):
        shape, real, computed = (33, 40, 44), dtype == "d", []
        for axis, length in zip(reversed(axes), (61, 17, 50), strict=False):
            computed.append(Along(axis, shape[axis], real, "matrices", "f" if real else "c", length))
        transforms = {each.axis: each.family for each in computed}
        check_plan(shape, computed, {"axes": axes, "dtype": dtype, "transforms": transforms})


def test_matrices_are_taken_as_they_are():
    """Nested lists, views and matrices of integers; the caller's may be written to afterwards."""
    wide = rng(4).integers(-2, 3, (8, 10))
    for given_ in (wide[::2, ::2], wide[::2, ::2].tolist(), wide[::2, ::2] > 0, np.asfortranarray(wide[::2, ::2])):
        matrix = np.array(given_, float)
        forward, backward = given_, np.ones((5, 4), "f4")
        with PFFT(MPI.COMM_SELF, (5, 3), (0,), transforms={0: LinearMap(forward, backward)}) as fft:
            if isinstance(given_, np.ndarray):
                given_ = given_.copy()
            backward[...] = 7
            u = rng(5).standard_normal((5, 3))
            np.testing.assert_allclose(fft.forward(u), matrix @ u, rtol=0, atol=1e-14)
            np.testing.assert_allclose(fft.backward(matrix @ u), np.ones((5, 4)) @ matrix @ u, rtol=0, atol=1e-13)


def test_long_double_matrices_keep_their_digits():
    """A third is another number in double precision; lines of less precision are rounded once."""
    third = np.full((1, 1), 1, np.longdouble) / 3
    for dtype in ELEMENTS:
        with PFFT(MPI.COMM_SELF, (1, 1), (0,), dtype, transforms={0: LinearMap(third, 3 * third)}) as fft:
            np.testing.assert_equal(fft.forward(np.ones((1, 1), dtype))[0, 0], third.astype(dtype)[0, 0])


POLYNOMIALS = [
    (Chebyshev("gauss"), chebyshev.chebvander, lambda n: np.cos(turns(2 * np.arange(n) + 1, 4 * n))),
    (Chebyshev("lobatto"), chebyshev.chebvander, lambda n: np.cos(turns(np.arange(n), 2 * (n - 1)))),
    (Legendre(), legendre.legvander, lambda n: Legendre().places(n, 1)),
]


@pytest.mark.parametrize("n", [1, 2, 3, 8, 33, 64])
def test_points(n):
    """Those of numpy, which are in double precision; in long double, zeros of the polynomial to the last digits."""
    np.testing.assert_allclose(
        Chebyshev("gauss").places(n, 1).astype(float), chebyshev.chebpts1(n)[::-1], rtol=0, atol=1e-15
    )
    if n > 1:
        np.testing.assert_allclose(
            Chebyshev("lobatto").places(n, 1).astype(float), chebyshev.chebpts2(n)[::-1], rtol=0, atol=1e-15
        )
    x = Legendre().places(n, 1)
    np.testing.assert_equal(x.dtype, np.dtype(np.longdouble))
    np.testing.assert_allclose(x, legendre.leggauss(n)[0], rtol=0, atol=4e-16)
    # legvander computes in the precision of x, legval and legder with coefficients in double precision
    slope = legendre.legval(x, legendre.legder([0] * n + [1]))
    np.testing.assert_allclose(legendre.legvander(x, n)[:, n] / slope, 0, atol=2 * np.finfo(np.longdouble).eps)


@pytest.mark.parallel([1, 3])
@pytest.mark.parametrize("which", range(3), ids=["gauss", "lobatto", "legendre"])
def test_series(which):
    """The series of the coefficients has the values at the points, and its coefficients are those that numpy solves."""
    family, vander, nodes = POLYNOMIALS[which]
    for n, dtype in itertools.product((1, 2, 3, 4, 7, 16, 33), ELEMENTS):
        if n == 1 and which == 1:
            continue
        matrix = vander(nodes(n), n - 1)
        whole = random_array(rng(n), (3, n, 4), dtype)
        tolerance = 20 + 2 * math.sqrt(n)
        with PFFT(WORLD, whole.shape, (1,), dtype, transforms={1: family}) as fft:
            coefficients = fft.forward(whole[fft.local_slice(False)])
            found = gather_global(coefficients, fft.local_slice(True), whole.shape)
            values = fft.backward(whole[fft.local_slice(True)])
            back = gather_global(values, fft.local_slice(False), whole.shape)
        with everywhere():
            np.testing.assert_equal((coefficients.dtype, values.dtype), (dtype, dtype))
            close(along(matrix, found.astype(np.clongdouble), 1), whole, dtype, n, tolerance)
            close(back, along(matrix, whole.astype(np.clongdouble), 1), dtype, n, tolerance)
            if dtype.char not in "gG":
                lines = np.moveaxis(whole, 1, 0).reshape(n, -1).astype(np.result_type(whole, float))
                solved = np.linalg.solve(matrix.astype(float), lines).reshape(n, 3, 4)
                close(found, np.moveaxis(solved, 0, 1), dtype, n, tolerance)


@pytest.mark.parallel([1, 2])
def test_polynomials_are_their_own_series():
    """The cube of x is 3/4 T_1 + 1/4 T_3, and 3/5 P_1 + 2/5 P_3; also where a Fourier series is next to it."""
    for (family, _, nodes), norm in itertools.product(POLYNOMIALS, ("forward", "backward")):
        first, third = (0.6, 0.4) if isinstance(family, Legendre) else (0.75, 0.25)
        expected = np.zeros((6, 3))
        expected[[1, 3], 1] = [first / 2, third / 2]
        u = np.asarray(nodes(6), float)[:, None] ** 3 * np.cos(2 * np.pi * np.arange(4) / 4)
        with PFFT(WORLD, (6, 4), transforms={0: family}, norm=norm) as fft:
            u_hat = fft.forward(u[fft.local_slice(False)], normalize=True)
            found = gather_global(u_hat, fft.local_slice(True), (6, 3))
            with everywhere():
                np.testing.assert_allclose(found, expected, rtol=0, atol=1e-15)
            again = gather_global(fft.backward(u_hat, normalize=False), fft.local_slice(False), (6, 4))
            with everywhere():
                np.testing.assert_allclose(again, u, rtol=0, atol=1e-15)


@pytest.mark.parallel([1, 2])
def test_norms_do_not_touch_maps():
    """Nor Legendre series; next to a Fourier transform that is scaled."""
    matrix = rng(3).standard_normal((3, 5))
    u = rng(4).standard_normal((5, 8))
    for norm in ("forward", "backward", "ortho"):
        with PFFT(WORLD, (5, 8), transforms={0: LinearMap(matrix, matrix.T)}, norm=norm) as fft:
            found = gather_global(fft.forward(u[fft.local_slice(False)]), fft.local_slice(True), (3, 5))
        with everywhere():
            expected = matrix @ np.fft.rfft(u) * float(scale(8, norm, True))
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)


def doubled(lines):
    return 2 * lines


EYE = np.eye(4)
# For lines of four points in double precision: forward, backward, and what is said about them.
REFUSED = [
    (np.ones((3, 5)), np.ones((5, 3)), ValueError, "axis 0: the matrix is 3 x 5, but is given lines of 4 points"),
    (np.ones((3, 4)), EYE, ValueError, "axis 0: the matrix is 4 x 4, but is given lines of 3 points"),
    (np.ones((3, 4)), np.ones((5, 3)), ValueError, "axis 0: forward makes 3 values of 4 points, backward 5 of these"),
    (doubled, np.ones((4, 3)), ValueError, "axis 0: the matrix is 4 x 3, but is given lines of 4 points"),
    (doubled, np.ones((3, 4)), ValueError, "axis 0: forward makes 4 values of 4 points, backward 3 of these"),
    (doubled, lambda lines: lines[:, 1:], ValueError, "axis 0: forward makes 4 values of 4 points, backward 3"),
    (1j * EYE, -1j * EYE, TypeError, "axis 0: backward gives complex128, but the points are float64"),
    (1j * EYE, EYE, TypeError, "axis 0: backward gives complex128, but the points are float64"),
    (EYE, 1j * EYE, TypeError, "axis 0: backward gives complex128, but the points are float64"),
    (doubled, lambda lines: lines + 0j, TypeError, "axis 0: backward gives complex128, but the points are float64"),
    (lambda lines: lines.astype("f4"), doubled, TypeError, "axis 0: .* made float32 of float64: it must keep the prec"),
    (doubled, lambda lines: lines.astype("g"), TypeError, "axis 0: .* of float64: it must keep the precision"),
    (lambda lines: lines.astype(int), doubled, TypeError, "axis 0: .* made int64 of float64"),
    (
        lambda lines: lines[:1],
        doubled,
        ValueError,
        r"axis 0: .* made of 2 lines of 4 points an array of shape \(1, 4\)",
    ),
    (lambda lines: lines.sum(1), doubled, ValueError, r"axis 0: .* made of 2 lines .* an array of shape \(2,\)"),
    (lambda lines: lines.T, doubled, ValueError, r"axis 0: .* made of 2 lines .* an array of shape \(4, 2\)"),
    (lambda lines: None, doubled, ValueError, r"axis 0: .* an array of shape \(\)"),
    (doubled, lambda lines: lines[..., None], ValueError, r"axis 0: .* an array of shape \(2, 4, 1\)"),
    (lambda lines: 1 / 0, doubled, ZeroDivisionError, "division by zero"),
    (np.ones(4), EYE, TypeError, r"forward must be a function or a matrix of numbers, not float64 of shape \(4,\)"),
    (EYE, np.ones((4, 0)), TypeError, r"backward must be a function or a matrix of numbers, not float64 of .*\(4, 0\)"),
    (EYE, "inverse", TypeError, "backward must be a function or a matrix of numbers, not <U7 of shape"),
    ([["a"]], EYE, TypeError, "forward must be a function or a matrix of numbers, not <U1"),
    (EYE, None, TypeError, "backward must be a function or a matrix of numbers, not object"),
]


def plan(forward, backward, **arguments):
    """Return a plan of a map along the first axis."""
    return PFFT(WORLD, (4, 8), transforms={0: LinearMap(forward, backward)}, **{"axes": 0, **arguments})


@pytest.mark.parallel([1, 3])
def test_refusals():
    for forward, backward, exception, message in REFUSED:
        expect_everywhere(exception, message, partial(plan, forward, backward))
    for adjoints in ((doubled,), (doubled,) * 3, (doubled, None), (EYE, EYE)):
        expect_everywhere(
            TypeError, "adjoints must be two functions", partial(LinearMap, doubled, doubled, adjoints=adjoints)
        )
    expect_everywhere(TypeError, "adjoints must be", lambda: LinearMap(EYE, EYE, adjoints=(doubled, doubled)))
    for name in ("padding", "truncation"):
        given_ = {"padding": (1.5, 1), "truncation": (1, None)}[name]
        expect_everywhere(ValueError, f"{name} .* names axis 0", partial(plan, EYE, EYE, axes=(0, 1), **{name: given_}))
    expect_everywhere(ValueError, "'gauss' or 'lobatto', not 'radau'", lambda: Chebyshev("radau"))
    plan(EYE, EYE).close()


@pytest.mark.parallel([2, 3])
def test_a_function_that_fails_on_one_rank_when_it_is_planned():
    """Machines may lack what it needs; the others are told."""

    def forward(lines):
        if LAST:
            raise ImportError("no library here")
        return 2 * lines

    message = "no library here" if LAST else f"on rank {WORLD.size - 1}: .*no library here"
    expect_everywhere(ImportError, message, lambda: plan(forward, doubled))


class Moody:
    """A function that doubles lines, or does something else to them."""

    def __init__(self):
        self.mood = doubled

    def __call__(self, lines):
        return self.mood(lines)


def refuse(lines):
    raise ArithmeticError("not today")


MOODS = [
    (refuse, ArithmeticError, "not today"),
    (lambda lines: lines[:1], ValueError, r"<function Moody> made float64 lines of shape \(1, .*, expected float64"),
    (lambda lines: lines[:, :1], ValueError, r"made float64 lines of shape \(.*, 1\) of float64 lines"),
    (lambda lines: lines.astype("f4"), ValueError, "made float32 lines of .*, expected float64 of shape"),
    (lambda lines: lines + 0j, ValueError, "made complex128 lines"),
    (lambda lines: 1.0, ValueError, r"made float64 lines of shape \(\)"),
]


@pytest.mark.parallel([1, 4])
def test_functions_that_fail_when_they_are_called():
    """Wherever in the row of exchanges: the call raises on every rank that has lines, and the plan can be used again.

    Nothing is broadcast or cast in silence.
    """
    for axis, method in itertools.product(range(3), METHODS[1:]):
        moody = Moody()
        transforms = {axis: LinearMap(moody, moody), **{k: DCT(2) for k in range(3) if k != axis}}
        with PFFT(WORLD, (6, 5, 4), transforms=transforms, method=method) as fft:
            u = rng(axis).standard_normal((6, 5, 4))[fft.local_slice(False)]
            u_hat = fft.forward(u)
            check(0 not in u.shape + u_hat.shape, "every rank has lines")
            good = [np.array(u_hat), np.array(fft.backward(u_hat))]
            for mood, exception, message in MOODS:
                moody.mood = mood
                expect_everywhere(exception, message, partial(fft.forward, u))
                expect_everywhere(exception, message, partial(fft.backward, u_hat))
                moody.mood = doubled
                again = fft.forward(u), fft.backward(u_hat)
                with everywhere():
                    np.testing.assert_array_equal(again[0], good[0])
                    np.testing.assert_array_equal(again[1], good[1])


@pytest.mark.parallel(2)
@settings(max_examples=10)
@given(st.integers(1, 40), st.integers(1, 40))
@example(1, 40)
def test_functions_see_whole_lines_only(n, others):
    """In every call an array of lines, each with all of its points, none with points of another."""
    seen = []

    def sums(lines):
        seen.append(lines.shape)
        return np.cumsum(lines, axis=1)

    def differences(lines):
        return np.diff(lines, axis=1, prepend=0)

    with PFFT(WORLD, (n, others), (0,), transforms={0: LinearMap(sums, differences)}) as fft:
        whole = rng(n, others).standard_normal((n, others))
        u_hat = fft.forward(whole[fft.local_slice(False)])
        found = gather_global(u_hat, fft.local_slice(True), whole.shape)
        back = gather_global(fft.backward(u_hat), fft.local_slice(False), whole.shape)
    with everywhere():
        np.testing.assert_allclose(found, np.cumsum(whole, 0), rtol=0, atol=1e-13)
        np.testing.assert_allclose(back, whole, rtol=0, atol=1e-13)
        np.testing.assert_equal({shape[1] for shape in seen}, {n})


@pytest.mark.parallel([1, 2, 4])
@pytest.mark.parametrize("method", ["shared", "alltoallv", "alltoallw", "pairwise"])
def test_a_function_that_raises_on_one_rank(method):
    """It raises on all, wherever in the plan it is called; the ranks stay in step, and what comes next is right."""
    failing = [False]

    def double(lines):
        if failing[0] and WORLD.rank == WORLD.size - 1:
            raise ZeroDivisionError("by the user")
        return 2 * lines

    for axis in range(3):
        with PFFT(WORLD, (6, 5, 4), dtype=complex, method=method, transforms={axis: LinearMap(double, double)}) as fft:
            whole = rng(axis).random((6, 5, 4)) + 0j
            u = np.ascontiguousarray(whole[fft.local_slice(False)])
            others = [k for k in range(3) if k != axis]
            expected = 2 * np.fft.fftn(whole, axes=others, norm="forward")
            for fails in (False, True, True, False):
                failing[0] = fails
                if fails:
                    with everywhere(), pytest.raises(ZeroDivisionError, match="by the user"):
                        fft.forward(u)
                else:
                    with everywhere():
                        np.testing.assert_allclose(fft.forward(u), expected[fft.local_slice(True)], atol=1e-13)
