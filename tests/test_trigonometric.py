"""Cosine, sine and Hartley transforms next to Fourier's, in parallel, against scipy.fft of the global array."""

import itertools
import math

import numpy as np
import pytest
from families import FAMILIES, calls, requests
from lockstep import example, given, settings
from mpi4py import MPI
from oracles import ELEMENTS, back_by_scipy, by_scipy, close, random_array, same_bits
from support import RANKS, check, everywhere, expect_everywhere, gather_global, rng

from mpi4py_pencil import DCT, DST, PFFT, Fourier, Hartley
from mpi4py_pencil.exchange import METHODS

WORLD = MPI.COMM_WORLD
NORMS = ("forward", "backward", "ortho")


def norm_of(norm, normalize, forward):
    """Return the norm that scales a direction as `normalize` asks."""
    if normalize is None:
        return norm
    return "forward" if normalize == forward else "backward"


def check_plan(shape, kinds, asked, components=(), normalize=None):
    """Compare both directions with scipy.fft along one axis after the other; the input stays as it is."""
    dtype = np.dtype(asked.get("dtype", "d"))
    norm = asked.get("norm", "forward")
    with PFFT(WORLD, shape, **asked) as fft:
        axes = [axis + len(components) for axis in fft.axes]
        names = {axis + len(components): kind for axis, kind in kinds.items()}
        whole = random_array(rng(*shape), components + shape, dtype)
        modes = by_scipy(whole, axes, names, norm_of(norm, normalize, True))
        kind = np.dtype(dtype.char.upper()) if "fourier" in kinds.values() else dtype
        spectrum = random_array(rng(*shape, 1), modes.shape, kind)
        points = back_by_scipy(
            spectrum, axes, names, norm_of(norm, normalize, False), components + shape, dtype.kind == "f"
        )
        for forward, u, expected in ((True, whole, modes), (False, spectrum, points)):
            call = fft.forward if forward else fft.backward
            source = u[(..., *fft.local_slice(not forward))].copy()
            before = source.copy()
            result = call(source, normalize=normalize)
            found = gather_global(result, fft.local_slice(forward), expected.shape)
            with everywhere():
                np.testing.assert_equal(fft.global_shape(forward), expected.shape[len(components) :])
                np.testing.assert_equal((result.dtype, fft.dtype(forward)), (kind if forward else dtype,) * 2)
                close(found, expected, dtype, math.prod(shape), factor=10)
                same_bits(source, before)


# Cosines along the first axis, the half of a spectrum along the last, and nothing along the one between.
MIXED = ((6, 5, 8), {0: "dct2", 2: "fourier"}, {"axes": (0, 2), "transforms": {0: DCT(2)}})


@pytest.mark.parallel(RANKS)
@settings(max_examples=25 if WORLD.size < 5 else 10)
@given(requests(), calls())
@example(MIXED, ((), None))
@example(((9, 1, 2), {1: "dst1", 2: "dct1"}, {"axes": (1, 2), "transforms": {1: DST(1), 2: DCT(1)}}), ((2,), False))
@example(((4, 5), {0: "dct3", 1: "dct3"}, {"transforms": {(0, 1): DCT(3)}, "norm": "ortho"}), ((), None))
def test_any_request(case, call):
    shape, kinds, asked = case
    components, normalize = call
    check_plan(shape, kinds, asked, components, None if asked.get("norm") == "ortho" else normalize)


@pytest.mark.parallel([1, 3, 4])
def test_cosines_nothing_and_half_a_spectrum():
    """By every exchange, norm, precision and order of the axes."""
    shape, kinds, asked = MIXED
    for k, (method, norm, dtype) in enumerate(itertools.product(METHODS, NORMS, ELEMENTS)):
        options = {**asked, "axes": ((0, 2), (2, 0))[k % 2], "method": method, "norm": norm, "dtype": dtype}
        check_plan(shape, kinds, options)


def test_every_kind_at_every_length():
    """Along one axis, next to one that is left as it is: the weights of the points on the ends among them.

    On one rank: how a line is transformed does not depend on who else has some.
    """
    for (kind, family), n, norm in itertools.product(FAMILIES.items(), range(1, 10), NORMS):
        if (kind, n) != ("dct1", 1):
            for dtype in "dF":
                check_plan((n, 3), {0: kind}, {"axes": 0, "transforms": {0: family}, "norm": norm, "dtype": dtype})


LARGE = [
    ((33, 44, 44), {0: "dct2", 1: "dst3", 2: "hartley"}, (0, 1, 2)),
    ((33, 44, 44), {0: "fourier", 1: "dct4", 2: "dst2"}, (0, 2, 1)),
    ((44, 33, 44), {0: "dst1", 1: "fourier", 2: "dct1"}, (1, 2, 0)),
    ((17, 9, 21, 23), {0: "fourier", 1: "dct3", 2: "fourier", 3: "dct2"}, (0, 1, 2, 3)),
]


@pytest.mark.parallel([1, 3])
def test_arrays_larger_than_the_cache():
    """Where two sweeps go plane by plane, over slabs and over pencils."""
    for (shape, kinds, axes), dtype in itertools.product(LARGE, "dD"):
        transforms = {axis: FAMILIES[kind] for axis, kind in kinds.items()}
        for grid, norm in ((None, "forward"), ([1 if k == axes[-1] else 0 for k in range(len(shape))], "ortho")):
            check_plan(
                shape, kinds, {"axes": axes, "transforms": transforms, "dtype": dtype, "grid": grid, "norm": norm}
            )


@pytest.mark.parallel([2, 4])
def test_groups_of_axes():
    """Axes that are undivided together may have different transforms."""
    kinds = {0: "dct2", 1: "fourier", 2: "dst2", 3: "hartley"}
    transforms = {axis: FAMILIES[kind] for axis, kind in kinds.items()}
    for axes, dtype in itertools.product((((0, 1), (2, 3)), ((3, 0), (1, 2)), ((1,), (0, 3, 2))), "dF"):
        check_plan((4, 5, 6, 7), kinds, {"axes": axes, "transforms": transforms, "dtype": dtype})


@pytest.mark.parallel([1, 3])
def test_a_single_cosine_is_a_single_mode():
    """What the conventions mean: cos(k theta) at the points of type 2 is half of mode k, and sin(k theta) likewise."""
    n, k = 12, 5
    middle = (np.arange(n) + 0.5) / n * np.pi
    for family, wave, mode in ((DCT(2), np.cos(k * middle), k), (DST(2), np.sin(k * middle), k - 1)):
        with PFFT(WORLD, (n, 4), (0,), transforms={0: family}) as fft:
            u = np.tile(wave[:, None], 4)[fft.local_slice(False)]
            found = gather_global(fft.forward(u), fft.local_slice(True), (n, 4))
        expected = np.zeros((n, 4))
        expected[mode] = 0.5
        with everywhere():
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-15)


@pytest.mark.parallel([1, 2])
def test_ortho_is_orthonormal():
    """Lengths are kept, by whatever is computed along the axes; half a spectrum has half of the modes."""
    kinds = [kind for kind in FAMILIES if kind != "fourier"]
    for kind, dtype in itertools.product(kinds, "dD"):
        transforms = {0: FAMILIES[kind], 1: Fourier() if dtype == "D" else Hartley()}
        with PFFT(WORLD, (5, 6), dtype=dtype, transforms=transforms, norm="ortho") as fft:
            whole = random_array(rng(11), (5, 6), dtype)
            found = gather_global(fft.forward(whole[fft.local_slice(False)]), fft.local_slice(True), (5, 6))
        check(abs(np.linalg.norm(found) / np.linalg.norm(whole) - 1) < 1e-14, f"{kind} {dtype}")


@pytest.mark.parallel([1, 2])
def test_refusals():
    with PFFT(WORLD, (4, 4), transforms={0: DCT(2)}, norm="ortho") as fft:
        u = np.ones(fft.shape(False))
        for normalize in (True, False):
            expect_everywhere(
                ValueError,
                f"normalize={normalize} has no meaning where norm='ortho'",
                lambda normalize=normalize: fft.forward(u, normalize=normalize),
            )
    for family, number in itertools.product((DCT, DST), (0, 5, "2", None)):
        message = f"{family.__name__} has the types 1, 2, 3 and 4, not {number!r}"
        expect_everywhere(ValueError, message, lambda family=family, number=number: family(number))
    for kind in ("dct2", "dst3"):
        expect_everywhere(
            ValueError,
            f"backend 'numpy' has no transform {kind!r}: use 'pyfftw', 'ducc' or 'scipy'",
            lambda kind=kind: PFFT(WORLD, (4, 4), transforms={0: FAMILIES[kind]}, backend="numpy"),
        )
