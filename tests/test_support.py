"""The helpers of the tests fail when they should, on every rank."""

import numpy as np
import pytest
from lockstep import given, settings, st
from mpi4py import MPI
from support import RANKS, check, everywhere, expect_everywhere, gather_global, rng, same_everywhere

WORLD = MPI.COMM_WORLD
SEVERAL = [n for n in RANKS if n <= 3]


def last(comm=WORLD):
    return comm.rank == comm.size - 1


@pytest.mark.parallel(SEVERAL)
def test_check_raises_on_every_rank():
    def call():
        check(not last(), "the last rank's fault")

    expect_everywhere(AssertionError, f"^rank {WORLD.size - 1}: the last rank's fault$", call)
    check(True, "no fault")


@pytest.mark.parallel(SEVERAL)
def test_everywhere_raises_on_every_rank():
    def call():
        with everywhere():
            np.testing.assert_equal(last(), False, "the last rank's fault")

    expect_everywhere(AssertionError, r"the last rank's fault[\s\S]*test_support.py", call)


@pytest.mark.parallel(SEVERAL)
def test_expect_everywhere_wants_the_error_of_every_rank():
    def call():
        if not last():
            raise ValueError("bad shape")

    def expectation():
        expect_everywhere(ValueError, "bad shape", call)

    expect_everywhere(AssertionError, f"rank {WORLD.size - 1}: .* instead of raising ValueError", expectation)


@pytest.mark.parallel(SEVERAL)
def test_expect_everywhere_wants_the_message():
    def call():
        raise ValueError("bad shape")

    def expectation():
        expect_everywhere(ValueError, "bad dtype", call)

    expect_everywhere(AssertionError, "rank 0: ValueError: bad shape", expectation)


@pytest.mark.parallel(2)
def test_same_everywhere():
    same_everywhere((3, "x"))
    same_everywhere(rng(1, 2).random(5))
    expect_everywhere(AssertionError, "the ranks differ", lambda: same_everywhere(WORLD.rank))


@pytest.mark.parallel(SEVERAL)
def test_gather_global_with_an_empty_block():
    whole = rng().random((2, 3, 5))
    rows = slice(0, 3) if last() else slice(0, 0)
    where = (rows, slice(0, 5))
    gathered = gather_global(whole[:, rows], where, whole.shape)
    with everywhere():
        np.testing.assert_equal(gathered, whole)


@pytest.mark.parallel(2)
def test_gather_global_wants_each_point_once():
    start = 2 * WORLD.rank
    twice = slice(start, start + 3)
    expect_everywhere(AssertionError, "how many ranks", lambda: gather_global(np.ones(3), (twice,), (5,)))
    expect_everywhere(AssertionError, "wanted", lambda: gather_global(np.ones(1), (twice,), (5,)))


@pytest.mark.parallel(3)
@settings(max_examples=20)
@given(st.lists(st.floats()), st.integers())
def test_ranks_draw_the_same_examples(floats, integer):
    same_everywhere(repr((floats, integer)))


@pytest.mark.parallel(2)
def test_ranks_shrink_together():
    sizes = []

    @given(st.integers(0, 1000))
    def fails_on_one_rank(n):
        sizes.append(n)
        check(n < 100 or not last(), f"{n} is too much")

    expect_everywhere(AssertionError, "rank 1: 100 is too much", fails_on_one_rank)
    same_everywhere(sizes)
