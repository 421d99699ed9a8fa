"""Redistribution between any two pencils, against slices of the global array."""

import functools
import itertools
import random
import time

import numpy as np
import pytest
from layouts import Layout, empty_like, laid_out, layouts, untouched_elsewhere
from lockstep import example, given, settings, st
from mpi4py import MPI
from oracles import numbered
from support import RANKS, check, everywhere, expect_everywhere

from mpi4py_pencil import Pencil, Subcomm, Transfer
from mpi4py_pencil.exchange import METHODS, alltoallw
from mpi4py_pencil.layout.boxes import Box

WORLD = MPI.COMM_WORLD
RECORD = np.dtype([("a", "i2"), ("b", "f8"), ("c", "S3")])
KINDS = ["?", "i1", "u2", "f4", "f8", "g", "F", "D", "G", "S5", "U2", "M8[s]", "m8[D]", RECORD]


def check_both_ways(before, after, kind, method):
    """Redistribute a global array there and another one back, between plain arrays."""
    whole = numbered(before.shape, kind)
    back = np.ascontiguousarray(whole[..., ::-1])
    transfer = before.transfer(after, kind, method)
    a, b = whole[before.local_slice()].copy(), np.zeros(after.subshape, kind)
    transfer.forward(a, b)
    again = np.zeros(before.subshape, kind)
    transfer.backward(back[after.local_slice()].copy(), again)
    with everywhere():
        np.testing.assert_array_equal(a, whole[before.local_slice()], "forward has changed its input")
        np.testing.assert_array_equal(b, whole[after.local_slice()], f"{method} {kind} {before} {after}")
        np.testing.assert_array_equal(again, back[before.local_slice()], f"{method} {kind} {before} {after}, back")


def alignments(start):
    """Return pencils of every alignment, one made from the other, so that some differ in all their axes."""
    pencils = [start]
    for axis in (*reversed(range(len(start.shape))), len(start.shape) - 1):
        pencils.append(pencils[-1].pencil(axis))
    return pencils


SPLITS = [
    ((8, 8), [0, 1]),
    ((3, 10), [0, 1]),
    ((5, 7, 3), [0, 0, 1]),
    ((4, 1, 9), [0, 1, 0]),
    ((3, 2, 5, 4), [0, 0, 1, 0]),
    ((2, 3, 4, 1, 3), [0, 1, 0, 0, 1]),
]


@pytest.mark.parallel(RANKS)
def test_any_pair_of_alignments():
    """Neighbours and those that differ in three axes or more; more ranks than points, so that blocks are empty."""
    kinds, methods = itertools.cycle(KINDS), itertools.cycle(METHODS)
    for shape, dims in SPLITS:
        pencils = alignments(Pencil(Subcomm(WORLD, dims), shape, dims.index(1)))
        pairs = list(itertools.product(pencils, repeat=2))
        for before, after in random.Random(len(shape)).sample(pairs, min(len(pairs), 12)):
            check_both_ways(before, after, next(kinds), next(methods))


@pytest.mark.parallel([2, 4, 6])
def test_every_method_carries_every_dtype():
    start = Pencil(Subcomm(WORLD, [0, 0, 1]), (5, 7, 4), 2)
    for kind, method in itertools.product(KINDS, METHODS):
        check_both_ways(start, start.pencil(0), kind, method)


@st.composite
def transfers(draw):
    """Draw a shape and its split, two alignments, a dtype, a method and two layouts."""
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=2, max_size=4)))
    ndim = len(shape)
    axis, other = draw(st.integers(0, ndim - 1)), draw(st.integers(0, ndim - 1))
    dims = [1 if k == axis else 0 for k in range(ndim)]
    kind, method = draw(st.sampled_from(KINDS)), draw(st.sampled_from(METHODS))
    return shape, dims, axis, other, kind, method, draw(layouts(ndim)), draw(layouts(ndim))


@pytest.mark.parallel(RANKS)
@settings(max_examples=30)
@given(transfers())
def test_any_layout(case):
    """Orders, gaps, negative steps and addresses of all kinds; the input is read-only, its surroundings stay."""
    shape, dims, axis, other, kind, method, source, target = case
    whole = numbered(shape, kind)
    before = Pencil(Subcomm(WORLD, dims), shape, axis)
    after = before.pencil(other)
    transfer = Transfer(before, after, kind, method)
    for move, one, two in ((transfer.forward, before, after), (transfer.backward, after, before)):
        a, a_memory = laid_out(whole[one.local_slice()], source)
        b, b_memory = empty_like(two.subshape, kind, target)
        a.flags.writeable = False
        memory = a_memory.copy()
        move(a, b)
        with everywhere():
            np.testing.assert_array_equal(b, whole[two.local_slice()])
            np.testing.assert_array_equal(a_memory, memory, "the input has changed")
            untouched_elsewhere(b, b_memory)


@pytest.mark.parallel([1, 3])
@settings(max_examples=40)
@example((5, 1), 1, 0, 1, Layout((0, 1), (-1, 1), 0), Layout((0, 1), (1, 1), 0))
@example((5, 1), 1, 0, 1, Layout((0, 1), (1, 1), 0), Layout((1, 0), (-1, -1), 0))
@given(
    st.tuples(st.integers(1, 9), st.integers(1, 5)),
    st.sampled_from([1, 2, 3, 4, 8, 16, 32]),
    st.integers(0, 1),
    st.integers(0, 1),
    layouts(2),
    layouts(2),
)
def test_datatypes_of_negative_steps(shape, itemsize, axis, other, source, target):
    """Items of any size, backwards along any axes on both sides: MPI libraries have been wrong about single bytes."""
    whole = numbered(shape, f"S{itemsize}")
    before = Pencil(Subcomm(WORLD, [int(k == axis) for k in range(2)]), shape, axis)
    after = before.pencil(other)
    a, _ = laid_out(whole[before.local_slice()], source)
    b, memory = empty_like(after.subshape, whole.dtype, target)
    Transfer(before, after, whole.dtype, "alltoallw").forward(a, b)
    with everywhere():
        np.testing.assert_array_equal(b, whole[after.local_slice()])
        untouched_elsewhere(b, memory)


@pytest.mark.parallel([2, 3])
@pytest.mark.parametrize("far", [1, 24, 90])
def test_boxes_too_far_away_for_an_int(far, monkeypatch):
    """All or some of the boxes have their place in their datatypes, on either side of the address of the array."""
    monkeypatch.setattr(alltoallw, "_FAR", far)
    before = Pencil(Subcomm(WORLD, [0, 1]), (7, 6), 1)
    after = before.pencil(0)
    whole = numbered(before.shape, "f8")
    for one, two in itertools.product(itertools.product((1, -1), repeat=2), repeat=2):
        a, _ = laid_out(whole[before.local_slice()], Layout((0, 1), one, 0))
        b, memory = empty_like(after.subshape, whole.dtype, Layout((1, 0), two, 0))
        before.transfer(after, "f8", "alltoallw").forward(a, b)
        with everywhere():
            np.testing.assert_array_equal(b, whole[after.local_slice()])
            untouched_elsewhere(b, memory)
    last = Box((5, 0), (1, 6))
    typed = alltoallw.Typed([Box((0, 0), (1, 6)), last], (48, 8), 8)
    np.testing.assert_array_equal(typed.places, [0, 0], "beyond what an int can say nothing is said by ints")


@pytest.mark.parallel([2, 3])
def test_large_and_often():
    """More than a cache, messages that wait for their receiver, other contents each time."""
    shape = (61, 47, 53)
    before = Pencil(Subcomm(WORLD, [0, 1, 1]), shape, 2)
    after = before.pencil(0)
    whole = numbered(shape, "D")
    for method in METHODS:
        transfer = before.transfer(after, "D", method)
        for turn in range(6):
            turned = np.roll(whole, turn, axis=0)
            a, b = turned[before.local_slice()], np.zeros(after.subshape, "D")
            if turn % 2:
                transfer.forward(a, b)
                expected, found = turned[after.local_slice()], b
            else:
                found = np.zeros(before.subshape, "D", order="F")
                transfer.backward(turned[after.local_slice()], found)
                expected = a
            with everywhere():
                np.testing.assert_array_equal(found, expected, f"{method}, turn {turn}")


@pytest.mark.parallel([2, 3])
def test_ranks_that_come_late():
    """Nobody overwrites what a late rank has not read yet; compared at the end, since that brings ranks in step."""
    before = Pencil(Subcomm(WORLD, [0, 1]), (90, 91), 1)
    after = before.pencil(0)
    whole = numbered(before.shape, "f8")
    for method in METHODS:
        transfer = before.transfer(after, "f8", method)
        results = []
        for turn in range(30):
            if turn % WORLD.size == WORLD.rank:
                time.sleep(0.002)
            results.append(np.zeros(after.subshape))
            transfer.forward(whole[before.local_slice()] * turn, results[-1])
        wrong = [k for k, b in enumerate(results) if not np.array_equal(b, whole[after.local_slice()] * k)]
        check(not wrong, f"{method}: wrong in turns {wrong}")


@pytest.mark.parallel([1, 2, 4])
def test_more_layouts_than_are_kept():
    """A dozen layouts, and the first again, whose preparation has been dropped by then."""
    before = Pencil(Subcomm(WORLD, [0, 1, 1]), (5, 4, 6), 2)
    after = before.pencil(0)
    whole = numbered(before.shape, "f8")
    for method in METHODS:
        transfer = before.transfer(after, "f8", method)
        for gap in (*range(1, 13), 1):
            a = whole[before.local_slice()].repeat(gap, axis=2)[..., ::gap]
            b = np.zeros((*after.subshape, gap))[..., 0]
            transfer.forward(a, b)
            with everywhere():
                np.testing.assert_array_equal(b, whole[after.local_slice()])


def slab():
    """Return two pencils of a matrix, an array of ones for the first, and one of zeros for the second."""
    before = Pencil(Subcomm(WORLD, [0, 1]), (6, 6), 1)
    after = before.pencil(0)
    return before, after, np.ones(before.subshape), np.zeros(after.subshape)


def bad_calls(move, a, b):
    """Return calls of a transfer from arrays like `a` to arrays like `b` with arrays that do not fit."""
    fixed = b.copy()
    fixed.flags.writeable = False
    both = np.zeros(a.size + b.size)
    overlapping = both[: a.size].reshape(a.shape), both[a.size - 1 : a.size - 1 + b.size].reshape(b.shape)
    return [
        (lambda: move.forward(a, b[:5]), ValueError, r"b has shape \(5, \d\), expected this rank's block \(6, \d\)"),
        (lambda: move.forward(a[0], b), ValueError, r"a has shape \(6,\), expected this rank's block"),
        (lambda: move.backward(b[0], a), ValueError, r"b has shape \(\d,\), expected"),
        (lambda: move.forward(a.astype("f4"), b), TypeError, "a has dtype float32, expected float64"),
        (lambda: move.forward(a, b.astype(complex)), TypeError, "b has dtype complex128, expected float64"),
        (lambda: move.forward(a.tolist(), b), TypeError, "a must be a numpy array, not list"),
        (lambda: move.forward(a, None), TypeError, "b must be a numpy array, not NoneType"),
        (lambda: move.forward(a, fixed), ValueError, "b is read-only"),
        (lambda: move.forward(*overlapping), ValueError, "a and b overlap in memory"),
    ]


@pytest.mark.parallel([1, 3])
def test_refusals():
    """Before anything is sent: the next good call works."""
    before, after, a, b = slab()
    for method in METHODS:
        transfer = before.transfer(after, float, method)
        for call, exception, message in bad_calls(transfer, a, b):
            expect_everywhere(exception, message, call)
        b[:] = 0
        transfer.forward(a, b)
        check(np.all(b == 1), f"{method}: the good call after the bad ones")


@pytest.mark.parallel([1, 3])
def test_what_cannot_be_planned():
    before, after, _, _ = slab()
    elsewhere = Pencil(Subcomm(WORLD, [0, 1]), (6, 7), 0 if WORLD.size == 1 else 1)
    for call, exception, message in [
        (lambda: Transfer(before, elsewhere, float), ValueError, r"\(6, 6\) and \(6, 7\)"),
        (lambda: Transfer(before, after, object), TypeError, "dtype object holds references"),
        (lambda: Transfer(before, after, [("a", "O")]), TypeError, "holds references"),
        (lambda: Transfer(before, after, "S"), TypeError, "no fixed item size"),
        (lambda: Transfer(before, after, float, "mail"), ValueError, "method 'mail' does not exist"),
        (lambda: Transfer(before, after, float, None), ValueError, "method None does not exist"),
    ]:
        expect_everywhere(exception, message, call)


@pytest.mark.parallel([2, 3])
def test_what_differs_between_ranks_is_refused_on_all():
    last = WORLD.rank == WORLD.size - 1
    before, after, _, _ = slab()
    for call, exception, message in [
        (lambda: Transfer(before, after, "f4" if last else "f8"), ValueError, "the ranks disagree.*float"),
        (lambda: Transfer(before, after, "f8", "pairwise" if last else "auto"), ValueError, "disagree.*pairwise"),
        (lambda: Transfer(before, after, object if last else "f8"), TypeError, "references"),
        (lambda: Transfer(before, after, "f8", "mail" if last else "auto"), ValueError, "'mail' does not exist"),
        (lambda: Transfer(*larger(last)), ValueError, "the ranks disagree"),
    ]:
        expect_everywhere(exception, message, call)
    check_both_ways(before, after, "f8", "auto")


def larger(last):
    """Return pencils of another shape on the last rank."""
    start = Pencil(Subcomm(WORLD, [0, 1]), (6, 7 if last else 6), 1)
    return start, start.pencil(0), float


@pytest.mark.parallel(4)
def test_pencils_over_two_communicators_do_not_go_together():
    comm = WORLD.Dup()
    grids = Subcomm(WORLD, [4, 1, 1]), Subcomm(comm, [2, 2, 1])
    one, other = (Pencil(subcomm, (6, 6, 6), 2) for subcomm in grids)
    expect_everywhere(ValueError, "do not divide arrays among the same ranks", lambda: Transfer(one, other, float))
    comm.Free()


@pytest.mark.parallel([2, 3])
def test_a_bad_array_on_one_rank_with_the_check_switched_on(monkeypatch):
    """Nobody hangs, everybody gets an error of the same type, and the next good call works."""
    monkeypatch.setenv("MPI4PY_PENCIL_CHECK", "1")
    last = WORLD.rank == WORLD.size - 1
    before, after, a, b = slab()
    for method in METHODS:
        transfer = before.transfer(after, float, method)
        good = functools.partial(transfer.forward, a, b)
        for bad, exception, message in bad_calls(transfer, a, b):
            expect_everywhere(exception, message, bad if last else good)
        b[:] = 0
        good()
        check(np.all(b == 1), f"{method}: the good call after the bad ones")


@pytest.mark.parallel([2, 3])
def test_a_mistake_on_one_rank_is_refused_on_all():
    before, after, a, b = slab()
    other = Pencil(Subcomm(WORLD, [0, 1]), (6, 7), 1)
    wrong = other if WORLD.rank == WORLD.size - 1 else after
    expect_everywhere(ValueError, "different global shapes", lambda: Transfer(before, wrong, float))
    before.transfer(after, float).forward(a, b)
    check(np.all(b == 1), "the good transfer after the bad one")


@pytest.mark.parallel([1])
@pytest.mark.parametrize("method", METHODS)
def test_arrays_may_be_interleaved(method):
    """Their extents overlap, their items do not."""
    before, after, a, _ = slab()
    both = np.zeros((*a.shape, 2))
    both[..., 0] = np.arange(a.size).reshape(a.shape)
    expected = both[..., 0].copy()
    before.transfer(after, float, method).forward(both[..., 0], both[..., 1])
    np.testing.assert_array_equal(both[..., 1], expected)
