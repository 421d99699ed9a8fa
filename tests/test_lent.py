"""Transfers from arrays in shared windows: the same bytes arrive, whoever lends and whatever is done afterwards."""

import errno
import gc
import itertools
import random
import warnings

import numpy as np
import pytest
from mpi4py import MPI
from oracles import numbered
from support import RANKS, check, everywhere, windows

from mpi4py_pencil import Pencil, Subcomm
from mpi4py_pencil.exchange import METHODS, methods, window

WORLD = MPI.COMM_WORLD
SHAPES = [(6, 7, 5), (2, 3, 4), (1, 1, 9)]
DTYPES = ["f4", "D", np.dtype([("a", "i2"), ("b", "f8")])]


def sides(shape, dtype, method="auto"):
    """Return a transfer of a grid along the first axis, and this rank's blocks before and after, of known numbers."""
    before = Pencil(Subcomm(WORLD, [0, 1, 1]), shape, 2)
    after = before.pencil(0)
    whole = numbered(shape, dtype)
    return before.transfer(after, dtype, method), whole[before.local_slice()], whole[after.local_slice()]


@pytest.mark.parallel(RANKS)
def test_from_lent_arrays_both_ways():
    for shape, dtype in itertools.product(SHAPES, DTYPES):
        transfer, first, second = sides(shape, dtype)
        for way, source, expected in ((0, first, second), (1, second, first)):
            lent = transfer.empty(forward_output=bool(way))
            check(lent.shape == source.shape and lent.dtype == source.dtype, "it fits")
            move = (transfer.forward, transfer.backward)[way]
            for target in (np.zeros_like(expected), np.zeros_like(expected, order="F")):
                lent[...] = source
                move(lent, target)
                lent[...] = np.zeros((), lent.dtype)  # at once: the peers have read
                WORLD.Barrier()
                with everywhere():
                    np.testing.assert_array_equal(target, expected)


@pytest.mark.parallel([2, 4])
def test_each_rank_lends_or_not_call_by_call():
    """Nobody else knows: not which array a rank passes, nor whether it is one of those."""
    transfer, first, second = sides((8, 5, 6), complex)
    arrays = [transfer.empty(), np.empty_like(first), transfer.empty(), np.asfortranarray(first)]
    for turn in range(12):
        source = arrays[(turn + turn // 4 * WORLD.rank) % 4]
        source[...] = first * (turn + 1)
        target = np.zeros_like(second)
        transfer.forward(source, target)
        with everywhere():
            np.testing.assert_array_equal(target, second * (turn + 1))
    part = arrays[0][:, ::-1]  # lies in a window, but not as the peers take it
    part[...] = first
    transfer.forward(part, target)
    check(np.array_equal(target, second), "a view is copied like any other array")


@pytest.mark.parallel([1, 2])
def test_other_methods_have_ordinary_arrays():
    for method in METHODS:
        transfer, first, second = sides((4, 4, 4), float, method)
        source, target = transfer.empty(), transfer.empty(forward_output=True)
        source[...] = first
        transfer.forward(source, target)
        with everywhere():
            np.testing.assert_array_equal(target, second)


def settled():
    """Return how many windows this process has mapped, without what waits for the garbage collector."""
    gc.collect()
    return windows()


@pytest.mark.parallel([2, 3])
def test_an_array_outlives_its_transfer_and_its_window_goes_with_it():
    before = settled()
    transfer, first, _ = sides((64, 32, 16), float)
    kept = transfer.empty()
    kept[...] = first
    del transfer
    for _ in range(4):
        transfer, _, second = sides((64, 32, 16), float)
        source = transfer.empty()
        source[...] = first
        target = np.empty_like(second)
        transfer.forward(source, target)
        check(np.array_equal(target, second), "the right numbers")
        del transfer, source
        check(windows() == before + 1, "one window is left, that of the array which is kept")
    check(np.array_equal(kept, first), "an array that is kept is whole")
    del kept
    check(windows() == before, "its window goes with it")


@pytest.mark.parallel(3)
def test_dropped_arrays_are_forgotten():
    """Windows of other sizes come to lie where those of dropped arrays were, elsewhere on every rank."""
    transfer, first, second = sides((64, 4, 4), float)
    target = np.empty_like(second)
    others, sizes = [], random.Random(2)
    before = settled()
    for turn in range(30):
        source = transfer.empty()
        source[...] = first * turn
        transfer.forward(source, target)
        with everywhere():
            np.testing.assert_array_equal(target, second * turn)
        del source
        others.append(sides((sizes.choice([4, 40, 64, 400]), sizes.choice([3, 30, 300]), 1), float)[0])
        if sizes.random() < 0.3:
            del others[sizes.randrange(len(others))]
    transfer.empty()
    check(windows() - len(others) <= before + 2, "its windows pile up")


@pytest.mark.parallel([2, 3])
def test_one_rank_keeps_what_the_others_drop():
    """Its peers read there, so they know the array until it is dropped there too."""
    before = settled()
    transfer, first, second = sides((6, 7, 5), float)
    for owner in range(WORLD.size):
        lent, other = transfer.empty(), np.empty_like(first)
        if owner != WORLD.rank:
            del lent
        for turn in range(3):
            transfer.empty()  # a chance to forget too much
            source = lent if owner == WORLD.rank else other
            source[...] = first * turn
            target = np.zeros_like(second)
            transfer.forward(source, target)
            with everywhere():
                np.testing.assert_array_equal(target, second * turn)
        lent = source = None
    del transfer
    check(windows() == before, "nothing is left")


@pytest.mark.parallel([1, 2])
def test_what_counts_as_a_lent_array():
    """The array and views that are the whole of it as it was made, but no others, nor those of another transfer."""
    transfer, first, second = sides((6, 7, 5), float)
    lent, others = transfer.empty(), sides((6, 7, 5), float)[0].empty()
    offers = transfer._ways[0].lent.offers
    for whole in (lent, lent[:], lent.view(), lent.reshape(-1).reshape(lent.shape), lent.view("i8").view(float)):
        check(offers(whole), "it is the whole array")
    for part in (lent[1:], lent.T, lent[:, ::-1], lent.copy(), others, np.asfortranarray(lent)):
        check(not offers(part), "it is not the array as it was made")
    others[...] = first
    target = np.zeros_like(second)
    transfer.forward(others, target)
    check(np.array_equal(target, second), "an array of another transfer is copied like any other")


@pytest.mark.parallel([1, 3])
@pytest.mark.parametrize("method", ["auto", "shared"])
def test_no_room_on_one_rank_gives_ordinary_arrays_on_all(method, monkeypatch):
    transfer, first, second = sides((6, 7, 5), float, method)
    if WORLD.rank == WORLD.size - 1:
        monkeypatch.setattr(window.os, "posix_fallocate", no_room)
    methods._warn_once.cache_clear()
    before = settled()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        arrays = [transfer.empty(), transfer.empty(forward_output=True)]
    messages = [text for texts in WORLD.allgather([str(w.message) for w in caught]) for text in texts]
    check(len(messages) == 1 and "empty makes ordinary arrays" in messages[0], f"warned {messages}")
    check(all(array.base is None for array in arrays), "they have memory of their own")
    check(windows() == before, "no window is left of the attempt")
    arrays[0][...] = first
    transfer.forward(*arrays)
    check(np.array_equal(arrays[1], second), "they work")
    monkeypatch.undo()
    lent = transfer.empty()
    lent[...] = first * 2
    transfer.forward(lent, arrays[1])
    check(lent.base is not None and np.array_equal(arrays[1], second * 2), "and so does the next, for which there is")


def no_room(descriptor, start, nbytes):
    raise OSError(errno.ENOSPC, "No space left on device")
