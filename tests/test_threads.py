"""Several threads a rank: the same numbers as with one, errors that surface, and no threads left behind."""

import itertools
import math
import threading
import time

import numpy as np
import pytest
from caches import small_caches
from installed import engines
from layouts import empty_like, laid_out, layouts, untouched_elsewhere
from lockstep import given, settings, st
from mpi4py import MPI
from oracles import beyond, close, random_array, transformed
from support import check, everywhere, expect_everywhere, gather_global, rng

from mpi4py_pencil import DCT, PFFT, Ball, LinearMap

WORLD = MPI.COMM_WORLD


def both(fft, whole, spectrum):
    """Return the global results of forward and of backward."""
    u_hat = fft.forward(whole[fft.local_slice(False)])
    u = fft.backward(spectrum[fft.local_slice(True)])
    return [
        gather_global(result, fft.local_slice(output), fft.global_shape(output))
        for result, output in ((u_hat, True), (u, False))
    ]


def check_threads(shape, dtype, **asked):
    """Compare plans of one, two and three threads with each other and, where there is no padding, with numpy."""
    results = []
    for threads in (1, 2, 3):
        with PFFT(WORLD, shape, dtype=dtype, threads=threads, **asked) as fft:
            whole = random_array(rng(*shape), fft.global_shape(False), dtype)
            spectrum = random_array(rng(*shape), fft.global_shape(True), fft.dtype(True))
            results.append(both(fft, whole, spectrum))
            axes = fft.axes
    with everywhere():
        for one, several in itertools.product(results[:1], results[1:]):
            for expected, found in zip(one, several, strict=True):
                close(found, expected, dtype, math.prod(shape))
        if not {"transforms", "padding"} & set(asked):
            expected = transformed(whole, axes)
            reach = asked.get("truncation")
            if reach is not None:
                ball = isinstance(reach, Ball)
                reach = [reach.reach if ball else reach] * len(shape)
                expected = np.where(
                    beyond(expected.shape, shape, axes, reach, whole.dtype.kind == "f", ball), 0, expected
                )
            close(results[0][0], expected, dtype, math.prod(shape))


ASKED = [
    {},
    {"axes": (1, 2, 0)},
    {"axes": ((0,), (1, 2))},
    {"axes": ((0, 1), (2,)), "collapse": True},
    {"truncation": 2},
    {"truncation": Ball(3), "axes": (2, 0, 1)},
    {"padding": 1.5},
    {"padding": 1.5, "truncation": 2, "axes": ((2,), (0, 1))},
]


@pytest.mark.parallel([1, 3])
@pytest.mark.parametrize("backend", engines())
def test_small_arrays_as_large_ones(backend):
    """Every engine and kind of transform, on arrays that are shared between threads only because caches are small."""
    with small_caches():
        for asked, dtype in itertools.product(ASKED if WORLD.size < 3 else ASKED[1::2], "dD"):
            check_threads((9, 8, 10), dtype, backend=backend, **asked)
        if backend not in ("numpy", "mkl"):
            check_threads((9, 8, 10), "f", backend=backend, transforms={2: DCT(2)})
            check_threads((9, 8, 10), "D", backend=backend, transforms={(0, 1, 2): DCT(3)})
            check_threads((9, 8, 10), "d", backend=backend, transforms={0: DCT(1)}, truncation=(None, 2, 3))
    check_threads((9, 8, 10), "d", backend=backend)


@pytest.mark.parallel([1, 2])
@pytest.mark.parametrize("backend", engines())
def test_arrays_larger_than_the_cache(backend):
    for asked, dtype in ((ASKED[0], "d"), (ASKED[2], "D"), (ASKED[4], "d"), (ASKED[7], "d")):
        check_threads((50, 44, 48), dtype, backend=backend, **asked)


@pytest.mark.parallel([1, 3])
@settings(max_examples=30)
@given(st.data())
def test_any_arrays(data):
    """Of any shape, also with fewer lines than threads, and any layout; nothing is written beside the outputs."""
    ndim = data.draw(st.integers(1 + (WORLD.size > 1), 4))
    shape = tuple(data.draw(st.lists(st.integers(1, 9), min_size=ndim, max_size=ndim)))
    axes = data.draw(st.permutations(range(ndim)))[: data.draw(st.integers(1, ndim))]
    components = tuple(data.draw(st.lists(st.integers(1, 3), max_size=1)))
    dtype, threads = data.draw(st.sampled_from("dDfF")), data.draw(st.integers(2, 5))
    sides = [data.draw(layouts(ndim + len(components))) for _ in range(2)]
    whole = random_array(rng(*shape), components + shape, dtype)
    spectrum = transformed(whole, [axis + len(components) for axis in axes])
    with small_caches(), PFFT(WORLD, shape, axes, dtype, threads=threads, backend="scipy") as fft:
        spectrum = spectrum.astype(fft.dtype(True))
        for way, (call, given, expected) in enumerate(
            ((fft.forward, whole, spectrum), (fft.backward, spectrum, whole))
        ):
            source, _ = laid_out(given[(..., *fft.local_slice(way == 1))], sides[way])
            out, beside = empty_like(expected[(..., *fft.local_slice(way == 0))].shape, expected.dtype, sides[1 - way])
            call(source, out)
            found = gather_global(out, fft.local_slice(way == 0), expected.shape)
            with everywhere():
                close(found, expected, dtype, math.prod(shape), factor=10)
                untouched_elsewhere(out, beside)


class Watched:
    """A map by a function that doubles, and notes which threads call it; it raises or waits when it is told to."""

    def __init__(self):
        self.threads, self.finished, self.in_caller, self.in_others = set(), [], None, None

    def __call__(self, lines):
        """Double lines."""
        me = threading.current_thread()
        self.threads.add(me)
        action = self.in_caller if me is threading.main_thread() else self.in_others
        if action is not None:
            action()
        self.finished.append(me)
        return 2 * lines

    def plan(self, shape, threads, **asked):
        """Return a plan that calls this along axis 0."""
        maps = {0: LinearMap(self, lambda lines: lines / 2)}
        return PFFT(WORLD, shape, dtype=complex, transforms=maps, threads=threads, **asked)


def fail():
    raise ArithmeticError("not a number")


@pytest.mark.parallel([1, 2])
def test_large_arrays_are_shared_and_small_ones_are_not():
    for shape, threads, expected in (((64, 60, 30), 3, {2, 3}), ((64, 60, 30), 1, {1}), ((6, 5, 4), 3, {1})):
        watched = Watched()
        with watched.plan(shape, threads) as fft:
            fft.forward(np.ones(fft.shape(False), complex))
        with everywhere():
            # a quick thread may take the part of another
            check_in(len(watched.threads), expected)
            check_in(threading.main_thread(), watched.threads)


def check_in(item, container):
    """Raise AssertionError unless a container has an item."""
    if item not in container:
        raise AssertionError(f"{item} is not one of {container}")


@pytest.mark.parallel([1, 3])
@pytest.mark.parametrize("axes", [(0, 1), (1, 0)])
def test_errors_surface(axes):
    """Whichever thread has them, after all others have ended; then the plan works as before."""
    watched = Watched()
    with small_caches(), watched.plan((12, 40), 3, axes=axes) as fft:
        u = random_array(rng(1), (12, 40), "D")[fft.local_slice(False)]
        expected = fft.forward(u)
        for in_caller, in_others in ((None, fail), (fail, lambda: time.sleep(0.05)), (fail, fail)):
            watched.in_caller, watched.in_others = in_caller, in_others
            expect_everywhere(ArithmeticError, "not a number", lambda: fft.forward(u))
            done = len(watched.finished)
            time.sleep(0.1)
            check(len(watched.finished) == done, "a thread went on after the error")
            watched.in_caller = watched.in_others = None
            WORLD.Barrier()
            again = fft.forward(u)
            with everywhere():
                np.testing.assert_array_equal(again, expected)


def settled(count):
    """Return the number of threads, when it has come down to `count` or after a few seconds."""
    end = time.monotonic() + 5
    while threading.active_count() > count and time.monotonic() < end:
        time.sleep(0.01)
    return threading.active_count()


@pytest.mark.parallel([1, 2])
def test_no_thread_is_left_behind():
    """When plans are closed, at once; when they are dropped, soon; and also after an error."""
    before = threading.active_count()
    u = np.ones((64, 60, 30), complex)
    for _ in range(5):
        with PFFT(WORLD, u.shape, dtype=complex, threads=3, backend="numpy") as fft:
            fft.forward(u[fft.local_slice(False)])
            check(threading.active_count() > before, "no thread was used")
        check(threading.active_count() == before, "a closed plan has threads")
    for _ in range(5):
        fft = PFFT(WORLD, u.shape, dtype=complex, threads=3, backend="numpy")
        fft.backward(fft.forward(u[fft.local_slice(False)]))
        fft.forward.adjoint(fft.forward(u[fft.local_slice(False)]))
    del fft
    check(settled(before) == before, "a dropped plan has threads")
    watched = Watched()
    fft = watched.plan(u.shape, 3)
    watched.in_others = fail
    expect_everywhere(ArithmeticError, "not a number", lambda: fft.forward(u[fft.local_slice(False)]))
    fft.close()
    check(threading.active_count() == before, "a plan closed after an error has threads")
    expect_everywhere(ValueError, "this PFFT is closed", lambda: fft.forward(u[fft.local_slice(False)]))
