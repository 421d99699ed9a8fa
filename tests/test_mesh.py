"""Wave numbers and coordinates of a plan, against numpy's of the whole array, and what a plan says of its arrays."""

import math

import numpy as np
import pytest
from families import shapes_and_axes
from lockstep import given, settings, st
from mpi4py import MPI
from support import RANKS, check, everywhere, expect_everywhere, gather_global

from mpi4py_pencil import PFFT, DistArray, newDistArray
from mpi4py_pencil.transforms import DCT, DST, Chebyshev, Fourier, Hartley, Legendre, LinearMap, mesh

WORLD = MPI.COMM_WORLD
PI = 4 * np.arctan(np.longdouble(1))


@st.composite
def requests(draw):
    """Draw the arguments of a plan, and the lengths of the box: none, one, or one for each axis."""
    shape, axes, _ = draw(shapes_and_axes(range(1, 10)))
    ndim = len(shape)
    asked = {"axes": axes, "dtype": draw(st.sampled_from("fdgFDG")), "padding": draw(st.sampled_from([None, 1.5, 2]))}
    length = st.sampled_from([1, 0.75, 2 * math.pi, 1e-3, 1e4])
    return shape, asked, draw(st.none() | length | st.lists(length, min_size=ndim, max_size=ndim))


def precision(dtype):
    """Return the real dtype of the same precision."""
    return np.empty(0, dtype).real.dtype


def compare(fft, found, forward_output, whole):
    """Compare one sparse array for each axis with this rank's part of what lies along the whole axes."""
    real = precision(fft.dtype(False))
    for axis, (array, expected, here) in enumerate(zip(found, whole, fft.local_slice(forward_output), strict=True)):
        if axis not in fft.axes:
            np.testing.assert_equal(array, None)
            continue
        np.testing.assert_equal(array.dtype, real)
        np.testing.assert_equal(
            array.shape, [fft.shape(forward_output)[axis] if k == axis else 1 for k in range(len(found))]
        )
        np.testing.assert_allclose(array.ravel(), expected[here].astype(real), rtol=4 * np.finfo(real).eps)


@pytest.mark.parallel(RANKS)
@settings(max_examples=25 if WORLD.size < 5 else 15)
@given(requests())
def test_as_numpy_has_them(case):
    shape, asked, lengths = case
    box = (
        np.full(len(shape), 2 * PI)
        if lengths is None
        else np.broadcast_to(np.asarray(lengths, np.longdouble), len(shape))
    )
    with PFFT(WORLD, shape, **asked) as fft:
        points = fft.global_shape(False)
        k = [np.rint(np.fft.fftfreq(n) * n) for n in shape]
        if fft.dtype(False).kind == "f":
            last = fft.axes[-1]
            k[last] = np.rint(np.fft.rfftfreq(shape[last]) * shape[last])
        with everywhere():
            compare(
                fft, fft.wavenumbers(lengths), True, [2 * PI / length * n for n, length in zip(k, box, strict=True)]
            )
            x = [np.linspace(np.longdouble(0), 1, n, endpoint=False) for n in points]
            compare(fft, fft.local_mesh(lengths), False, [length * y for length, y in zip(box, x, strict=True)])
            for n, whole, axis in zip(fft.wavenumbers(), k, range(len(shape)), strict=True):
                if n is not None:
                    np.testing.assert_array_equal(
                        n.ravel(), whole[fft.local_slice(True)[axis]], "whole numbers by default"
                    )


@pytest.mark.parallel([1, 2, 4])
@pytest.mark.parametrize("dtype", "FDG")
def test_a_wave_is_the_mode_of_its_wave_number(dtype):
    """What the numbers mean, in a box of unequal lengths, on more points than modes."""
    shape, box = (6, 5, 8), (2.0, 0.5, 30.0)
    with PFFT(WORLD, shape, dtype=dtype, padding=1.5) as fft:
        for number in [(1, 2, 3), (-2, -1, 0), (2, 0, -3)]:
            wave = [2 * PI * n / length for n, length in zip(number, box, strict=True)]
            x = fft.local_mesh(box)
            u = fft.empty_input()
            u[...] = np.exp(1j * sum(q * y for q, y in zip(wave, x, strict=True)))
            here = np.ones(fft.shape(True), bool)
            for q, k in zip(wave, fft.wavenumbers(box), strict=True):
                here &= abs(k - q) < 1e-5 * abs(q) + 1e-9
            check(WORLD.allreduce(int(here.sum())) == 1, "one mode has these wave numbers")
            with everywhere():
                np.testing.assert_allclose(fft.forward(u), here, atol=100 * np.finfo(dtype).eps)


def test_axes_without_modes_have_none():
    """Other transforms than Fourier's are no ground for wave numbers, nor are axes that none goes along."""
    with PFFT(MPI.COMM_SELF, (4, 5, 6), axes=(0, 2)) as fft:
        k, x = fft.wavenumbers((1, None, 2)), fft.local_mesh((1, None, 2))
        np.testing.assert_equal([a is None for a in (*k, *x)], [False, True, False] * 2)
        square = sum(a**2 for a in fft.wavenumbers() if a is not None)
        np.testing.assert_equal(square[:, 0, :], np.array([0, 1, 4, 1])[:, None] + np.arange(4) ** 2)
        other = LinearMap(np.eye(5), np.eye(5)).along(1, 5, 5, np.dtype("D"))
        fourier = Fourier().along(2, 6, 6, np.dtype("d"))
        found = mesh.wavenumbers(fft.output.pencil, [fourier, other], None)
        np.testing.assert_equal([a is None for a in found], [True, True, False])
        found = mesh.coordinates(fft.input.pencil, [fourier, other], None)
        np.testing.assert_equal([a is None for a in found], [True, True, False])


FUNCTIONS = {"DCT": np.cos, "DST": np.sin}


@pytest.mark.parametrize("kind", [1, 2, 3, 4])
@pytest.mark.parametrize("family", [DCT, DST])
@pytest.mark.parallel([1, 3])
def test_cosines_and_sines_have_the_wave_numbers_that_are_told(family, kind):
    """The series of them, with the modes of a field as coefficients, gives the field at the points."""
    length = 3.0
    with PFFT(WORLD, (6, 7), axes=0, transforms={0: family(kind)}) as fft:
        x, k = fft.local_mesh(length)[0], fft.wavenumbers(length)[0]
        for mode in range(6):
            wave = (np.arange(6) + (kind > 2) * 0.5 + (family is DST and kind < 3)) * np.pi / length
            field = FUNCTIONS[family.__name__](wave[mode] * x) + np.zeros(fft.shape(False))
            found = abs(fft.forward(field))
            with everywhere():
                np.testing.assert_allclose(k[:, 0], wave, rtol=1e-15)
                np.testing.assert_equal(fft.wavenumbers(length)[1], None)
                expected = (np.arange(6) == mode)[:, None] * found.max(axis=0, initial=0)
                np.testing.assert_allclose(found, expected, atol=1e-15)
                np.testing.assert_equal(bool((found.max(axis=0) > 0.1).all()), True)


def test_points_of_other_families():
    shape = (8, 5, 6, 4)
    families = {0: Chebyshev("gauss"), 1: Chebyshev("lobatto"), 2: Legendre(), 3: Hartley()}
    with PFFT(MPI.COMM_SELF, shape, transforms=families) as fft:
        x, k = fft.local_mesh(), fft.wavenumbers((1, 1, 1, 2 * np.pi))
        np.testing.assert_allclose(x[0].ravel(), np.polynomial.chebyshev.chebpts1(8)[::-1], atol=1e-16)
        np.testing.assert_allclose(x[1].ravel(), np.polynomial.chebyshev.chebpts2(5)[::-1], atol=1e-16)
        np.testing.assert_allclose(x[2].ravel(), np.polynomial.legendre.leggauss(6)[0], atol=1e-15)
        np.testing.assert_allclose(x[3].ravel(), np.arange(4) * np.pi / 2)
        np.testing.assert_equal([a is None for a in k], [True, True, True, False])
        np.testing.assert_array_equal(k[3].ravel(), [0, 1, -2, -1])


@pytest.mark.parametrize("n", range(1, 10))
def test_the_nyquist_mode_may_be_left_out(n):
    for dtype in "dD":
        with PFFT(MPI.COMM_SELF, (n,), dtype=dtype) as fft:
            k = fft.wavenumbers()[0]
            without = mesh.wavenumbers(fft.output.pencil, fft._asked.transforms, None, nyquist=False)[0]
            np.testing.assert_array_equal(without, [0 if 2 * abs(i) == n else i for i in k])


@pytest.mark.parallel([1, 2])
def test_wrong_lengths_are_refused():
    with PFFT(WORLD, (4, 6, 5), axes=(0, 2)) as fft:
        for call in (fft.wavenumbers, fft.local_mesh):
            for lengths in (0, -1.0, math.nan, math.inf, (1, 1, 0), (1, 1, None)):
                expect_everywhere(ValueError, r"lengths .* must be positive", lambda c=call, b=lengths: c(b))
            for lengths in ((1,), (1, 2), np.ones((3, 1)), ()):
                expect_everywhere(ValueError, r"one for each of the 3 axes", lambda c=call, b=lengths: c(b))
            for lengths in ("long", 1j, ((1, 2), 3, 4), {}, True):
                expect_everywhere(TypeError, r"one for each of the 3 axes", lambda c=call, b=lengths: c(b))


@pytest.mark.parallel([1, 3, 4])
def test_what_a_plan_says_of_its_arrays():
    with PFFT(WORLD, (6, 5, 9), axes=(0, 2), dtype="f4", padding=(1.5, 1, 2)) as fft:
        for output, side, empty in [(False, fft.input, fft.empty_input), (True, fft.output, fft.empty_output)]:
            with everywhere():
                np.testing.assert_equal(side.pencil is fft.pencil[output], True)
                np.testing.assert_equal(side.dtype, fft.dtype(output))
                np.testing.assert_equal(side.shape, fft.shape(output))
                np.testing.assert_equal(side.global_shape, fft.global_shape(output))
                np.testing.assert_equal(side.local_slice, fft.local_slice(output))
                for rank in (0, 1, 2, np.int64(1)):
                    u, like = empty(rank), newDistArray(fft, output, rank=rank)
                    np.testing.assert_equal(type(u), DistArray)
                    np.testing.assert_equal((u.shape, u.dtype, u.rank), (like.shape, like.dtype, rank))
                    np.testing.assert_equal((u.global_shape, u.alignment), (like.global_shape, like.alignment))
                    np.testing.assert_equal(u.local_slice(), like.local_slice())
            for rank in (-1, 1.5, None, "1"):
                expect_everywhere(ValueError, "rank must count", lambda e=empty, r=rank: e(r))
            u = empty()
            gather_global(u, side.local_slice, side.global_shape)  # each point once
        with pytest.raises(AttributeError):
            fft.input.dtype = np.dtype(float)
