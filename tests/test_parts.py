"""Plans whose exchanges are cut into parts: the same numbers as without, and what the plan is cut along."""

import gc
import itertools
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from mpi4py import MPI
from support import check, everywhere, expect_everywhere, rng
from test_four_step import check_plan as check_line

from mpi4py_pencil import FFT1D, PFFT, Pencil, Subcomm
from mpi4py_pencil.exchange import memory, messages
from mpi4py_pencil.plan import cuts
from mpi4py_pencil.sweep import cache

WORLD = MPI.COMM_WORLD
METHODS = ["pairwise", "hybrid"]
LENGTHS = ("padding", "truncation")
CASES = [
    ((16, 18, 20), {}),
    ((16, 18, 20), {"grid": (0, 0, 1)}),
    ((12, 11, 10, 9), {"grid": (0, 0, 1, 1)}),
    ((12, 12, 10, 9), {"grid": (0, 1, 0, 1), "threads": 2}),
    ((30, 28, 26), {"padding": 1.5}),
    ((28, 30, 26), {"truncation": 0.6}),
    ((7, 40, 5), {}),
    ((2, 3, 4), {}),
]


@pytest.fixture
def finely_cut(monkeypatch):
    """Cut exchanges of a few bytes."""
    monkeypatch.setattr(cuts, "_FEWEST_BYTES", 64)


def block(fft, forward_output, whole, components):
    """Return this rank's part of a global array."""
    return whole[(slice(None),) * len(components) + fft.pencil[forward_output].local_slice()]


@pytest.mark.parallel([2, 4])
@pytest.mark.parametrize("cached", [4096, None])
def test_cut_plans_give_what_serial_ones_do(monkeypatch, finely_cut, cached):
    """With passes of planes and without, slabs and pencils, vectors, both directions and their adjoints."""
    if cached:
        monkeypatch.setattr(cache, "CACHED_BYTES", cached)
    cut = 0
    kinds = itertools.cycle(itertools.product((complex, float), ((), (3,))))
    for (method, (shape, asked)), (dtype, components) in zip(itertools.product(METHODS, CASES), kinds, strict=False):
        fft = PFFT(WORLD, shape, dtype=dtype, method=method, **asked)
        serial = PFFT(MPI.COMM_SELF, shape, dtype=dtype, **{k: v for k, v in asked.items() if k in LENGTHS})
        cut += sum(each.outward is not None for pair in fft._plain.route.between for each in pair)
        points = rng(0).standard_normal((*components, *serial.shape(False))).astype(dtype)
        modes = np.asarray(serial.forward(points))
        for way, given, wanted in ((0, points, modes), (1, modes, np.asarray(serial.backward(modes)))):
            direction = (fft.forward, fft.backward)[way]
            source = np.ascontiguousarray(block(fft, bool(way), given, components))
            found = direction(source)
            with everywhere():
                np.testing.assert_allclose(
                    np.asarray(found), block(fft, not way, wanted, components), rtol=0, atol=1e-12 * len(points) * 30
                )
    check(WORLD.size == 1 or cut > 0, "something was cut")


@pytest.mark.parallel([2, 4])
def test_cut_products_give_what_serial_ones_do(finely_cut):
    """Functions of points and of modes at both ends, whose passes are cut too."""

    def made(comm, **asked):
        fft = PFFT(comm, (12, 14, 16), **asked)
        return fft, fft.pointwise(cross, 3, 3, before=doubled, after=halved)

    serial, whole = made(MPI.COMM_SELF)
    modes = np.asarray(serial.forward(rng(1).standard_normal((3, *serial.shape(False)))))
    wanted = np.asarray(whole(modes, np.empty_like(modes)))
    for method, asked in itertools.product(METHODS, ({}, {"grid": (0, 0, 1)}, {"threads": 2})):
        fft, product = made(WORLD, method=method, **asked)
        source = np.ascontiguousarray(block(fft, True, modes, (3,)))
        for _ in range(2):
            found = product(source, np.empty_like(source))
        with everywhere():
            np.testing.assert_allclose(np.asarray(found), block(fft, True, wanted, (3,)), rtol=0, atol=1e-12)


def cross(x, out):
    """Fill `out` with a product that mixes the components."""
    for k in range(3):
        out[k] = x[k - 1] * x[k - 2] + x[k]


def doubled(u_hat, out, k):
    """Fill `out` with twice the modes."""
    out[...] = 2 * u_hat


def halved(x, out, k):
    """Write half of the modes."""
    out[...] = 0.5 * x


@pytest.mark.parallel([2, 3])
def test_a_function_that_raises_in_a_cut_plan(finely_cut):
    """It raises on every rank, and the plan stays what it is: no part is left on its way."""
    fft = PFFT(WORLD, (12, 14, 16), method="pairwise")
    fails = [True]

    def function(x, out):
        if fails[0] and WORLD.rank == WORLD.size - 1:
            raise ArithmeticError("no")
        out[...] = x

    product = fft.pointwise(function)
    modes = np.asarray(fft.forward(rng(2, WORLD.rank).standard_normal(fft.shape(False))))
    for _ in range(2):
        fails[0] = True
        raised = False
        try:
            product(modes)
        except (ArithmeticError, RuntimeError):
            raised = True
        check(raised, "it raises")
        fails[0] = False
        with everywhere():
            np.testing.assert_allclose(np.asarray(product(modes)), modes, rtol=0, atol=1e-12)


@pytest.mark.parallel([4])
def test_what_a_plan_is_cut_along(finely_cut):
    """Pencils are cut along what no exchange divides anew where they can be; and a pass along one axis alone."""
    fft = PFFT(WORLD, (16, 18, 20), dtype=complex, grid=(2, 2, 1), method="pairwise")
    (there, home), (onward, back) = fft._plain.route.between
    sides = [(each.outward.axis, each.inward.axis) for each in (there, onward, back, home)]
    with everywhere():
        np.testing.assert_equal(sides, [(-3, -3), (-3, -2), (-1, -1), (-1, -3)])
    uncut = PFFT(WORLD, (16, 18, 20), dtype=complex, grid=(2, 2, 1), method="alltoallv")
    check(all(each.outward is None for pair in uncut._plain.route.between for each in pair), "Alltoallv has no parts")


@pytest.mark.parallel([2])
def test_short_messages_are_not_cut():
    fft = PFFT(WORLD, (32, 32, 32), dtype=complex, method="pairwise")
    check(all(each.outward is None for pair in fft._plain.route.between for each in pair), "they are whole")


@pytest.mark.parallel([3, 4])
def test_cut_transfers_give_what_slices_are(finely_cut):
    """Slabs and pencils, both ways, arrays of any layout; and what is read is not changed."""
    cut = 0
    for shape, dims in [
        ((12, 13, 14), [0, 1, 1]),
        ((12, 13, 14), [0, 0, 1]),
        ((9, 8, 5, 6), [0, 1, 0, 1]),
        ((7, 9), [0, 1]),
    ]:
        whole = rng(3).standard_normal(shape)
        before = Pencil(Subcomm(WORLD, dims), shape, dims.index(1))
        for axis, method in itertools.product([k for k in range(len(shape)) if k != before.axis], METHODS):
            after = before.pencil(axis)
            move = before.transfer(after, float, method)
            cut += move._ways[0]._exchange.outward is not None
            a = np.asarray(whole[before.local_slice()], order="F")
            b = np.full(after.subshape, np.nan, order="F")
            for _ in range(2):
                move.forward(a, b)
            with everywhere():
                np.testing.assert_array_equal(b, whole[after.local_slice()])
                np.testing.assert_array_equal(a, whole[before.local_slice()])
            a[...] = np.nan
            move.backward(b, a)
            with everywhere():
                np.testing.assert_array_equal(a, whole[before.local_slice()])
    check(WORLD.size == 1 or cut > 0, "something was cut")


@pytest.mark.parallel([2, 3, 4])
def test_cut_lines_give_what_numpy_does(monkeypatch):
    """All three exchanges, both ways; real and complex, an even number of modes that more points resolve, threads."""
    monkeypatch.setattr(cache, "CACHED_BYTES", 64)
    monkeypatch.setattr(cuts, "_FEWEST_BYTES", 16)
    kinds = itertools.product([(225, {}), (240, {"threads": 2}), (180, {"padding": 1.5})], "Dd")
    for ((n, asked), dtype), method in zip(kinds, itertools.cycle(METHODS), strict=False):
        fft = FFT1D(WORLD, n, dtype, method=method, **asked)
        cut = [(each.outward is not None, each.inward is not None) for way in fft._ways for each in way._exchanges]
        check(cut == [(True, True)] * 6, f"{n}: {cut}")
        check_line(fft, f"{n} {dtype} {method} {asked}")


@pytest.mark.parallel([2, 3])
@pytest.mark.parametrize("method", METHODS)
def test_what_was_interrupted_is_not_taken_for_what_comes(monkeypatch, finely_cut, method):
    """The plan says that it is to be made anew, and a new one takes none of the messages that were left behind."""
    fft = PFFT(WORLD, (12, 14, 16), method=method)
    points = rng(4).standard_normal(fft.global_shape(False))
    u = np.ascontiguousarray(points[fft.local_slice(False)])

    def stopped(*_):
        raise KeyboardInterrupt

    start = stopped if WORLD.rank == WORLD.size - 1 else MPI.Prequest.Startall
    requests = SimpleNamespace(Waitall=stopped, Testall=MPI.Request.Testall)
    monkeypatch.setattr(messages, "MPI", SimpleNamespace(Request=requests, Prequest=SimpleNamespace(Startall=start)))
    with pytest.raises((KeyboardInterrupt, RuntimeError)):
        fft.forward(100 * u)
    monkeypatch.undo()
    monkeypatch.setattr(cuts, "_FEWEST_BYTES", 64)
    for call, modes in ((fft.backward, True), (fft.forward, False)):  # of messages of their own, in the same memory
        with pytest.raises(RuntimeError, match=r"interrupted .* make anew"):
            call(np.zeros(fft.shape(modes), fft.dtype(modes)))
    again = PFFT(WORLD, (12, 14, 16), method=method)
    del fft
    gc.collect()
    with everywhere():
        wanted = np.fft.rfftn(points, norm="forward")[again.local_slice(True)]
        np.testing.assert_allclose(np.asarray(again.forward(u)), wanted, rtol=0, atol=1e-14)


@pytest.mark.parallel([2, 3])
def test_a_rank_without_memory_for_an_exchange(monkeypatch):
    """It raises on every rank, none waits, and what is made afterwards works: messages have the same tags again."""

    def full(nbytes):
        raise MemoryError("no more")

    for method in METHODS:
        with monkeypatch.context() as patched:
            if WORLD.rank == WORLD.size - 1:
                patched.setattr(memory, "aligned_bytes", full)
            expect_everywhere(MemoryError, "no more", lambda: FFT1D(WORLD, 36, method=method))  # noqa: B023
            expect_everywhere(MemoryError, "no more", lambda: PFFT(WORLD, (4, 6), method=method))  # noqa: B023
        check_line(FFT1D(WORLD, 36, method=method))


@pytest.mark.parallel([3, 4])
def test_products_cut_along_an_axis_that_serves_both_ways(finely_cut):
    """Forward's parts set out while backward's are on their way, of the same ranks; some ranks have empty blocks."""
    for shape, method in itertools.product([(9, 16, 12), (2, 3, 2)], METHODS):

        def made(comm, **asked):
            return PFFT(comm, shape, dtype=complex, axes=(1, 2), **asked)  # noqa: B023

        fft, serial = made(WORLD, grid=(1, 0, 1), method=method), made(MPI.COMM_SELF)
        modes = rng(5).standard_normal(shape) + 0j
        wanted = np.asarray(serial.pointwise(squared)(modes))
        product = fft.pointwise(squared)
        source = np.ascontiguousarray(modes[fft.local_slice(True)])
        for _ in range(5):
            found = np.asarray(product(source))
        with everywhere():
            np.testing.assert_allclose(found, wanted[fft.local_slice(True)], rtol=0, atol=1e-12)


def squared(x, out):
    """Fill `out` with squares."""
    np.multiply(x, x, out=out)


@pytest.mark.parallel([2, 4])
def test_functions_of_modes_reach_ranks_that_keep_none(finely_cut):
    """With truncation some ranks have modes of the caller's, none of which is kept."""
    for method in METHODS:
        fft = PFFT(WORLD, (16, 16, 12), grid=(0, 0, 1), truncation=[2, 2, 2], method=method)
        product = fft.pointwise(squared, before=doubled, after=halved)
        out = np.full(fft.shape(True), np.nan + 0j)
        product(np.ones(fft.shape(True), complex), out)
        check(np.all(np.isfinite(out)), "all is written")


@pytest.mark.parallel([2])
def test_plans_are_freed_as_they_are_dropped(finely_cut):
    """Their requests are freed by the thread that drops them, not by the one that collects cycles."""
    gc.collect()
    gc.disable()
    try:
        for method in METHODS:
            fft = PFFT(WORLD, (16, 18, 20), method=method)
            fft.forward(np.ones(fft.shape(False)))
            alive = [weakref.ref(each._messages) for pair in fft._plain.route.between for each in pair if each.outward]
            del fft
            check(alive and not any(each() for each in alive), "messages go with their plan")
    finally:
        gc.enable()
