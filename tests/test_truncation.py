"""Truncated spectra, against numpy.fft and sums in long double, with the modes beyond the wave numbers masked."""

import itertools
import math

import numpy as np
import pytest
from caches import small_caches
from layouts import empty_like, laid_out, layouts, untouched_elsewhere
from lockstep import example, given, settings, st
from mpi4py import MPI
from oracles import ELEMENTS, backward_sum, beyond, close, complex_of, forward_sum, random_array, same_bits, transformed
from support import RANKS, check, everywhere, gather_global, rng

from mpi4py_pencil import PFFT, Ball
from mpi4py_pencil.exchange import METHODS
from mpi4py_pencil.exchange.alltoallv import Alltoallv
from mpi4py_pencil.layout.boxes import boxes
from mpi4py_pencil.plan.steps import Exchange, steps

WORLD = MPI.COMM_WORLD


def mask_of(fft, modes, truncation):
    """Return where the global spectrum of a plan is truncated."""
    ball = isinstance(truncation, Ball)
    reach = truncation.reach if ball else truncation
    reach = [reach] * len(modes) if np.ndim(reach) == 0 else reach
    return beyond(fft.global_shape(True), modes, fft.axes, reach, fft.dtype().kind == "f", ball)


def check_truncation(modes, dtype, truncation, **options):
    """Compare both directions, to arrays full of garbage, with what the masked spectrum says."""
    dtype = np.dtype(dtype)
    real = dtype.kind == "f"
    with PFFT(WORLD, modes, dtype=dtype, truncation=truncation, **options) as fft:
        points, size = fft.global_shape(False), math.prod(fft.global_shape(False))
        mask = mask_of(fft, modes, truncation)
        whole = random_array(rng(*modes), points, dtype)
        if points == tuple(modes):
            spectrum = transformed(whole, fft.axes)
        else:
            spectrum = forward_sum(whole, fft.axes, modes)
        spectrum = np.where(mask, 0, spectrum)

        u_hat = np.full(fft.shape(True), np.nan, complex_of(dtype))
        fft.forward(whole[fft.local_slice(False)], u_hat)
        found = gather_global(u_hat, fft.local_slice(True), spectrum.shape)
        with everywhere():
            # beside what is kept, to which a projection on few modes may leave little
            scale = np.linalg.norm(whole.ravel()) / math.sqrt(size)
            error = np.abs(found - spectrum).max(initial=0)
            np.testing.assert_array_less(error, 40 * np.finfo(dtype).eps * max(scale, 1))
            np.testing.assert_equal(np.count_nonzero(found[mask]), 0)

        given = np.where(mask, np.nan, spectrum).astype(complex_of(dtype))[fft.local_slice(True)].copy()
        before = given.copy()
        u = fft.backward(given)
        found = gather_global(u, fft.local_slice(False), points)
        with everywhere():
            same_bits(given, before)
            close(found, backward_sum(spectrum, fft.axes, points, modes, real), dtype, size, factor=16)


FIXED = [
    ((8, 9, 10), (2, 2, 2)),
    ((8, 9, 10), (3, None, 1)),
    ((5, 6, 7), (0, 0, 0)),
    ((5, 6, 7), (None, 1, 2.5)),
    ((8, 8, 8), (4, 4, 4)),  # nothing is beyond
    ((8, 8, 8), (3.99, 3, 4)),  # the Nyquist modes alone are
    ((1, 2, 3), 0),
    ((6, 5, 4), 100),
    ((9, 8), (2, 3)),
    ((8, 9, 10), Ball(3)),
    ((8, 9, 10), Ball((2, 3.5, None))),
    ((7, 6, 8), Ball(4.5)),
    ((7, 6, 8), Ball(0.5)),
    ((4, 4, 4), Ball(2)),  # the surface goes through Nyquist modes
]


@pytest.mark.parallel(RANKS)
def test_fixed_cases():
    for (modes, truncation), dtype in itertools.product(FIXED, "dD" if WORLD.size < 5 else "d"):
        check_truncation(modes, dtype, truncation, backend="numpy")
        if WORLD.size < 5:
            check_truncation(modes, dtype, truncation, backend="scipy", padding=1.5)
    for dtype in "fFgG" if WORLD.size < 5 else "":
        check_truncation((8, 9, 10), dtype, (3, None, 1), backend="scipy")
        check_truncation((8, 9, 10), dtype, Ball(3), backend="scipy", padding=(1, 1.5, 2))


def inside(waves, reach):
    """Return which wave numbers are in an ellipsoid, computed in whole numbers."""
    whole = math.lcm(*reach)
    squares = sum((np.asarray(k, object) * (whole // r)) ** 2 for k, r in zip(waves, reach, strict=True))
    return squares <= whole**2


@pytest.mark.parametrize(
    "reach", [*((r,) * 3 for r in (1, 3, 7, 13, 17, 26, 39)), (6, 10, 15), (26, 13, 39), (7, 49, 21)]
)
def test_the_surface_of_a_ball_is_inside(reach):
    """Also where the squares of what is rounded sum to more than 1; the next points are not."""
    waves = np.ogrid[tuple(slice(-r, r + 2) for r in reach)]
    expected = inside(waves, reach)
    np.testing.assert_equal(Ball(reach).outside(waves), ~expected.astype(bool))
    if len(set(reach)) == 1:
        np.testing.assert_equal(Ball(reach[0]).outside(waves), ~expected.astype(bool))


def test_a_plan_keeps_the_surface():
    with PFFT(MPI.COMM_SELF, (28, 27, 28), dtype=complex, truncation=Ball(13), backend="numpy") as fft:
        u_hat = fft.forward(random_array(rng(13), (28, 27, 28), "D"))
    waves = np.meshgrid(*(np.fft.fftfreq(n, 1 / n).round().astype(int) for n in (28, 27, 28)), indexing="ij")
    np.testing.assert_equal(np.asarray(u_hat) != 0, inside(waves, (13, 13, 13)).astype(bool))


@pytest.mark.parallel([4, 6])
def test_grids_of_two_axes():
    for method, dtype in itertools.product(METHODS, "dD"):
        options = {"method": method, "backend": "numpy"}
        check_truncation((8, 9, 10), dtype, (2, 3, 2), grid=[2, 0, 1], **options)
        check_truncation((8, 9, 10), dtype, (2, None, 2), axes=(1, 2, 0), grid=[1, 2, 0], **options)
        check_truncation((8, 9, 10), dtype, Ball(3), grid=[0, 2, 1], padding=1.5, **options)


@pytest.mark.parallel([3, 4, 6])
def test_ranks_that_keep_no_mode():
    """Those in the middle of a truncated axis: their part of the output is zero all the same."""
    shape = (4 * WORLD.size, 15, 16)
    for dtype, method in itertools.product("dD", METHODS):
        options = {"method": method, "backend": "numpy"}
        check_truncation(shape, dtype, (0, 2, 2), axes=(1, 0, 2), grid=[1, 0, 1], **options)
        check_truncation(shape[::-1], dtype, (1, None, 1), axes=(0, 2, 1), grid=[0, 1, 1], **options)
    for truncation in ((1, None, None), Ball(1.5)):
        check_truncation(shape, "d", truncation, axes=(1, 0, 2), grid=[1, 0, 1], backend="numpy")
        check_truncation(shape, "D", truncation, axes=(1, 0), grid=[1, 0, 1], backend="numpy")


@pytest.mark.parallel([1, 2, 4])
def test_planes_and_truncation_in_one_pass():
    """Large enough that two sweeps go plane by plane, and that stores pass the cache by."""
    for dtype in "dD":
        check_truncation((34, 31, 60), dtype, (9, 7, 20), grid=[0, 1, 1], backend="scipy")
        check_truncation((60, 31, 34), dtype, (9, None, 11), axes=(2, 0, 1), grid=[1, 1, 0], backend="scipy")
        check_truncation((34, 31, 60), dtype, (9, None, 20), axes=(0, 2), grid=[1, 0, 1], backend="scipy")
        check_truncation((44, 31, 36), dtype, Ball(12), padding=1.5, backend="scipy")


@st.composite
def requests(draw):
    """Draw what a user may ask for, all that can go with truncation."""
    ndim = draw(st.integers(1 + (WORLD.size > 1), 4))
    modes = tuple(draw(st.lists(st.sampled_from([1, 2, 3, 4, 5, 7, 8, 12]), min_size=ndim, max_size=ndim)))
    axes = tuple(draw(st.permutations(range(ndim)))[: draw(st.integers(1, ndim))])
    waves = st.sampled_from([None, 0, 1, 1.5, 2, 3, 6])
    if draw(st.booleans()):
        truncation = Ball(tuple(draw(waves) or None if k in axes else None for k in range(ndim)))
    else:
        truncation = tuple(draw(waves) if k in axes else None for k in range(ndim))
    grid = [1 if k == axes[-1] else draw(st.sampled_from([0, 0, 1])) for k in range(ndim)]
    options = {
        "axes": axes,
        "grid": None if WORLD.size > 1 and 0 not in grid else grid,
        "padding": tuple(draw(st.sampled_from([1, 1, 1.5])) if k in axes else 1 for k in range(ndim)),
        "method": draw(st.sampled_from(METHODS)),
        "backend": draw(st.sampled_from(["scipy", "numpy"])),
        "threads": draw(st.sampled_from([1, 2, 3])),
    }
    return modes, draw(st.sampled_from("dDfF")), truncation, options


@pytest.mark.parallel([1, 3, 4])
@settings(max_examples=25)
@given(requests(), st.booleans())
@example(((7, 8, 12), "d", (1, 2, 3), {"axes": (1, 2, 0), "threads": 2, "backend": "scipy"}), True)
def test_any_request(case, small):
    modes, dtype, truncation, options = case
    if small:
        with small_caches():
            check_truncation(modes, dtype, truncation, **options)
    else:
        check_truncation(modes, dtype, truncation, **options)


@pytest.mark.parallel([1, 2, 4])
@settings(max_examples=40)
@given(requests(), st.lists(st.integers(1, 3), max_size=2).map(tuple), st.data())
def test_any_arrays(case, components, data):
    """Of any layout, with component axes; inputs are read-only and stay as they are, beside outputs nothing changes."""
    modes, dtype, truncation, options = case
    options["padding"] = None
    ndim = len(modes) + len(components)
    sides = [data.draw(layouts(ndim)) for _ in range(2)]
    with PFFT(WORLD, modes, dtype=dtype, truncation=truncation, **options) as fft:
        axes = [axis + len(components) for axis in fft.axes]
        mask = mask_of(fft, modes, truncation)
        whole = random_array(rng(*modes), components + modes, dtype)
        spectrum = np.where(mask, 0, transformed(whole, axes)).astype(complex_of(dtype))
        points = backward_sum(spectrum, axes, components + modes, components + modes, whole.dtype.kind == "f")
        garbage = np.where(mask, np.nan, spectrum).astype(complex_of(dtype))
        for way, (call, given, expected) in enumerate(
            ((fft.forward, whole, spectrum), (fft.backward, garbage, points.astype(dtype)))
        ):
            mine, theirs = fft.local_slice(way == 1), fft.local_slice(way == 0)
            source, memory = laid_out(given[(..., *mine)], sides[way])
            out, beside = empty_like(expected[(..., *theirs)].shape, expected.dtype, sides[1 - way])
            source.flags.writeable = False
            before = memory.copy()
            call(source, out)
            found = gather_global(out, theirs, expected.shape)
            with everywhere():
                same_bits(memory, before)
                allowed = 60 * np.finfo(dtype).eps * max(1, np.abs(expected).max(initial=0))
                np.testing.assert_array_less(np.abs(found - expected), allowed)
                if way == 0:
                    np.testing.assert_equal(np.count_nonzero(found[..., mask]), 0)
                untouched_elsewhere(out, beside)


@pytest.mark.parallel([1, 3])
def test_in_place():
    """`out` may be the input, which has garbage where modes are truncated."""
    for shape, axes, grid in (((6, 5, 8), (1,), [0, 1, 1]), ((8, 8), (0, 1), None), ((3, 70, 300), (2, 1), [0, 1, 1])):
        for truncation in (1, Ball(1.5)):
            whole = random_array(rng(6), shape, "D")
            with PFFT(WORLD, shape, axes, complex, grid, truncation=truncation) as fft:
                for way, call in enumerate((fft.forward, fft.backward)):
                    u = whole[fft.local_slice(way == 1)].copy()
                    expected = call(u)
                    if u.shape != expected.shape:
                        u = u.reshape(expected.shape)
                    returned = call(u.reshape(fft.shape(way == 1)), u)
                    with everywhere():
                        np.testing.assert_equal(returned is u, True)
                        same_bits(u, np.asarray(expected))


@pytest.mark.parallel([1, 3])
@pytest.mark.parametrize("dtype", ELEMENTS, ids=lambda d: d.name)
def test_adjoints_of_truncated_transforms(dtype):
    """Also they give zeros where there are no modes, and ignore what stands there."""
    for truncation in ((2, None, 1), Ball((2, 3, 2))):
        with PFFT(WORLD, (6, 7, 8), dtype=dtype, truncation=truncation, backend="scipy") as fft:
            mask = mask_of(fft, (6, 7, 8), truncation)[fft.local_slice(True)]
            x = random_array(rng(1), fft.global_shape(False), dtype)[fft.local_slice(False)]
            y = random_array(rng(2), fft.global_shape(True), fft.dtype(True))[fft.local_slice(True)]
            garbage = np.where(mask, np.nan, y).astype(y.dtype)
            forward = dot(y, fft.forward(x)), dot(fft.forward.adjoint(garbage), x)
            backward = dot(x, fft.backward(garbage)), dot(fft.backward.adjoint(x), y)
            with everywhere():
                np.testing.assert_allclose(*forward, rtol=0, atol=100 * np.finfo(dtype).eps)
                np.testing.assert_allclose(*backward, rtol=0, atol=1e5 * np.finfo(dtype).eps)
                np.testing.assert_equal(np.count_nonzero(np.asarray(fft_zeros(fft, x))[mask]), 0)


def dot(a, b):
    """Return the real part of the sum of conj(a) * b over all ranks."""
    return WORLD.allreduce(np.vdot(np.asarray(a, np.clongdouble), np.asarray(b, np.clongdouble)).real)


def fft_zeros(fft, x):
    """Return the adjoint of backward of an array in memory full of garbage."""
    return fft.backward.adjoint(x, np.full(fft.shape(True), np.nan, fft.dtype(True)))


COUNTED = [
    ((8, 9, 10), (0, 1, 2), (2, 2, 2), [0, 1, 1]),
    ((16, 12, 10), (0, 1, 2), (1, 4, None), [0, 0, 1]),
    ((16, 12, 10), (2, 0, 1), (None, 2, 3), [0, 1, 0]),
    ((12, 9, 8), ((0,), (1, 2)), (2, 1, 1), [0, 1, 1]),
]


@pytest.mark.parallel([2, 3, 4, 6])
def test_truncated_modes_are_not_sent():
    """The boxes of the plan are as large as there are kept modes, counted one by one."""
    for (shape, axes, reach, grid), real in itertools.product(COUNTED, (True, False)):
        asked = {"dtype": float if real else complex, "grid": grid, "truncation": reach, "backend": "numpy"}
        with PFFT(WORLD, shape, axes, method="alltoallv", **asked) as fft:
            chosen = fft._asked
            planned = steps(fft.pencil[0], chosen.transforms, chosen.groups)
            done, moved = [], []
            for step in planned:
                if not isinstance(step, Exchange):
                    done.append(step.transform.axis)
                    continue
                parts = boxes(step.before, step.after)
                for pencil, found in ((step.before, parts.sends), (step.after, parts.receives)):
                    mine = [len(kept_here(k, fft, shape, reach, real, done, pencil)) for k in range(len(shape))]
                    with everywhere():
                        np.testing.assert_equal(sum(box.size for box in found), math.prod(mine))
                moved.append(math.prod(mine))
            check(len(moved) >= 1, "a plan without an exchange")


def kept_here(axis, fft, shape, reach, real, done, pencil):
    """Return the indices that a rank of a pencil has along an axis after the transforms along those that are `done`."""
    n, half = shape[axis], real and axis == fft.axes[-1]
    length = n // 2 + 1 if half and axis in done else n
    waves = np.arange(length) if half else np.abs(np.fft.fftfreq(n, 1 / n))
    mine = np.array_split(np.arange(length), pencil.sizes[axis])[pencil.ranks[axis]]
    if axis not in done or reach[axis] is None:
        return mine
    return [k for k in mine if waves[k] <= reach[axis]]


@pytest.mark.parallel([2, 3])
def test_what_mpi_is_given_to_send(monkeypatch):
    """The kept modes that change their rank and nothing else, forward and backward."""
    shape, reach = (24, 20, 16), (3, 2, 1)
    counts = []
    deliver = Alltoallv._deliver

    def counted(exchange, *places):
        counts.append(sum(exchange._send[1]))
        deliver(exchange, *places)

    monkeypatch.setattr(Alltoallv, "_deliver", counted)
    options = {"dtype": complex, "grid": [0, 1, 1], "method": "alltoallv", "backend": "numpy"}
    for truncation, modes in ((None, shape[1:]), (reach, (5, 3))):
        with PFFT(WORLD, shape, truncation=truncation, **options) as fft:
            fft.backward(fft.forward(np.zeros(fft.shape(False), complex)))
        rows, columns = (owners(shape[k]) for k in (0, 1))  # the first axis is whole yet when it is sent
        kept = columns if truncation is None else columns[np.abs(np.fft.fftfreq(20, 1 / 20)) <= reach[1]]
        np.testing.assert_equal(len(kept), modes[0])
        moving = np.count_nonzero(rows[:, None] != kept) * modes[1]
        total = WORLD.allreduce(counts[0]), WORLD.allreduce(counts[1])
        counts.clear()
        with everywhere():
            np.testing.assert_equal(total, (moving, moving))


def owners(n):
    """Return the rank that has each of n indices."""
    return np.concatenate([np.full(len(part), k) for k, part in enumerate(np.array_split(np.arange(n), WORLD.size))])
