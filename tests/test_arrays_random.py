"""Random arrays: their numbers belong to indices, so ranks and distributions make no difference."""

import math

import numpy as np
import pytest
import spread
from lockstep import given, settings, st
from mpi4py import MPI
from support import check, everywhere, expect_everywhere, same_everywhere

from mpi4py_pencil import arrays as xp
from mpi4py_pencil.philox import Counted

WORLD = MPI.COMM_WORLD
RANKS = [1, 2, 3]
SEED = 2**100 + 7


def philox(drawn):
    """Return numpy's own generator where the array of this number begins."""
    counter = (1 << 255) + (drawn << 128)
    state = np.random.Philox(key=SEED).state
    state["state"]["counter"][:] = [counter >> shift & (2**64 - 1) for shift in (0, 64, 128, 192)]
    bits = np.random.Philox(0)
    bits.state = state
    return np.random.Generator(bits)


def normals(words):
    """Return pairs of normal numbers by the definition."""
    first, second = ((words >> np.uint64(11)) * 2.0**-53).reshape(-1, 2).T
    radius = np.sqrt(-2 * np.log1p(-first))
    return np.stack([radius * np.cos(2 * np.pi * second), radius * np.sin(2 * np.pi * second)], axis=-1).reshape(-1)


@pytest.mark.parallel([*RANKS, 6])
@settings(max_examples=12)
@given(spread.shapes(longest=9), st.integers(1, 2**64), st.integers(0, 2**64 - 1), st.data())
def test_numbers_are_those_of_the_indices(shape, span, low, data):
    distribution = data.draw(spread.distributions(shape))
    rng = xp.random.default_rng(SEED)
    n = math.prod(shape)
    low = min(low, 2**64 - span)
    made = [
        rng.random(shape, distribution=distribution),
        rng.random(shape, dtype="f4", distribution=distribution),
        rng.standard_normal(shape, distribution=distribution),
        rng.standard_normal(shape, dtype="f4", distribution=distribution),
        rng.integers(low, low + span - 1, shape, dtype="u8", endpoint=True, distribution=distribution),
        rng.integers(-3, 5, shape, dtype="i1", distribution=distribution),
        rng.uniform(-2, 3, shape, distribution=distribution),
        rng.normal(10, 0.5, shape, distribution=distribution),
    ]
    words = [philox(k).bit_generator.random_raw(n + n % 2) for k in range(1, len(made) + 1)]
    expected = [
        philox(1).random(n),
        philox(2).random(n, dtype="f4"),
        normals(words[2])[:n],
        normals(words[3])[:n].astype("f4"),
        np.array([low + (int(w) * span >> 64) for w in words[4][:n]], "u8"),
        np.array([-3 + (int(w) * 8 >> 64) for w in words[5][:n]], "i1"),
        -2 + 5 * philox(7).random(n),
        10 + 0.5 * normals(words[7])[:n],
    ]
    for k, (array, whole) in enumerate(zip(made, expected, strict=True)):
        found = array.to_numpy()
        with everywhere():
            np.testing.assert_equal(array.distribution, distribution)
            np.testing.assert_equal((array.shape, array.dtype), (shape, whole.dtype))
            tolerance = {"rtol": 2e-7, "atol": 1e-7} if whole.dtype == "f4" else {"rtol": 1e-13, "atol": 1e-14}
            np.testing.assert_allclose(found.reshape(-1), whole, **tolerance, err_msg=str(k))


@pytest.mark.parallel(RANKS)
def test_large_arrays_are_the_same_to_the_bit_in_any_distribution():
    shape = (40, 30, 50)
    for name in ("random", "standard_normal"):
        whole = getattr(xp.random.default_rng(1), name)(shape, distribution=[None] * 3).local
        for axes in (["block", None, None], [None, None, "block"], [None, "cyclic", None], [None, None, 3]):
            found = getattr(xp.random.default_rng(1), name)(shape, distribution=axes).to_numpy()
            with everywhere():
                np.testing.assert_array_equal(found, whole, f"{name} {axes}")
        if name == "standard_normal":
            moments = [float(np.mean(whole**k)) for k in range(1, 5)]
            with everywhere():
                np.testing.assert_allclose(moments, [0, 1, 0, 3], atol=0.08)
                np.testing.assert_array_less(np.abs(np.corrcoef(whole.reshape(-1, 2).T)[0, 1]), 0.02)


@pytest.mark.parallel([3])
def test_ranks_draw_what_lies_on_them_alone(monkeypatch):
    """Not what lies between: of 64 ranks that share the last axis each would draw 64 times as much."""
    drawn = []

    def words(self, counter, numbers):
        drawn.append(numbers.size)
        return known(self, counter, numbers)

    known = Counted.words
    monkeypatch.setattr(Counted, "words", words)
    shape, ctx = (30, 4, 640), xp.Context()
    for axes in ([None, None, "block"], [None, None, "cyclic"]):
        shares = xp.Distribution.of(shape, axes, [64])
        points = math.prod(shares.local_shape(ctx.rank))
        for name in ("random", "standard_normal"):
            drawn.clear()
            getattr(xp.random.default_rng(1), name)(shape, distribution=shares)
            wanted = points * (2 if name == "standard_normal" else 1)
            check(sum(drawn) == wanted, f"{sum(drawn)} words are drawn for {points} points: {name}, {axes}")


def test_words_have_numbers_that_any_counter_begins_with():
    numbers = np.array([9, 0, 1, 2, 3, 4, 2**40 + 5])
    for counter in (0, 2**64 - 2, 2**128 - 1, 2**256 - 1, 12345 << 150):
        state = np.random.Philox(key=SEED).state
        state["state"]["counter"][:] = [counter >> shift & (2**64 - 1) for shift in (0, 64, 128, 192)]
        bits = np.random.Philox(0)
        expected = []
        for number in numbers:
            bits.state = state
            bits.advance(int(number) // 4)
            expected.append(bits.random_raw(4)[number % 4])
        np.testing.assert_array_equal(Counted(SEED).words(counter, numbers), np.array(expected, np.uint64))


@pytest.mark.parallel(RANKS)
def test_generators_go_on_and_are_alike_on_all_ranks():
    rng, again = xp.random.default_rng(), xp.random.default_rng(3)
    first, second = rng.random(5).to_numpy(), rng.random(5).to_numpy()
    same_everywhere(first)
    check(not np.any(first == second), "an array is drawn twice")
    check(xp.random.default_rng(3).uniform() == again.random(()), "a number of no axes")
    ctx = xp.Context(MPI.COMM_SELF)
    check(xp.random.default_rng(3, context=ctx).random(4).context is ctx, "the context is lost")
    # what a context makes concerns its own ranks alone
    made = [ctx.random.default_rng(3).random(4), ctx.fft.fftfreq(4)] if WORLD.rank == 0 else []
    check(all(each.context is ctx for each in made), "the context is lost")
    for error, match, call in (
        (ValueError, "seed", lambda: xp.random.default_rng(-1)),
        (ValueError, "seed", lambda: xp.random.default_rng("1")),
        (ValueError, "seed must be a whole number", lambda: xp.random.default_rng(np.arange(3))),
        (ValueError, "seed must be a whole number", lambda: xp.random.default_rng([1, 2])),
        (TypeError, "low must be a whole number", lambda: again.integers(2.0)),
        (TypeError, "high must be a whole number", lambda: again.integers(0, 2.0)),
        (TypeError, "high must be a whole number", lambda: again.integers(0, np.arange(2))),
        (ValueError, "no numbers", lambda: again.integers(3, 3)),
        (ValueError, "no numbers", lambda: again.integers(300, size=2, dtype="u1")),
        (TypeError, "whole numbers", lambda: again.integers(3, dtype=float)),
        (TypeError, "float64 or float32", lambda: again.random(3, dtype="D")),
        (ValueError, "negative", lambda: again.normal(0, -1, 3)),
        (ValueError, "negative", lambda: again.random((-1,))),
        (TypeError, "shape must be a length", lambda: again.random(3.5)),
        (AttributeError, "make a generator, rng = default_rng", lambda: xp.random.normal(size=3)),
    ):
        expect_everywhere(error, match, call)
    if WORLD.size > 1:
        expect_everywhere(ValueError, "disagree on seed", lambda: xp.random.default_rng(WORLD.rank))
