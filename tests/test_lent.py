"""Transfers from arrays in shared windows: the same bytes arrive, whoever lends and whatever is done afterwards."""

import gc
import itertools
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI
from oracles import numbered
from support import RANKS, check, everywhere

from mpi4py_pencil import Pencil, Subcomm
from mpi4py_pencil.exchange import METHODS

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


@pytest.mark.parallel([2, 3, 4])
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


@pytest.mark.parallel([2, 3])
def test_an_array_outlives_its_transfer_and_its_window_goes_with_it():
    def room():
        WORLD.Barrier()
        shm = Path("/dev/shm")
        found = sum(path.stat().st_blocks for path in shm.iterdir() if path.is_file()) if shm.is_dir() else 0
        WORLD.Barrier()
        return found

    transfer, first, _ = sides((64, 32, 16), float)
    kept = transfer.empty()
    kept[...] = first
    del transfer
    used = []
    for _ in range(8):
        transfer, _, second = sides((64, 32, 16), float)
        source = transfer.empty()
        source[...] = first
        target = np.empty_like(second)
        transfer.forward(source, target)
        check(np.array_equal(target, second), "the right numbers")
        del transfer, source
        gc.collect()
        used.append(WORLD.allreduce(room(), MPI.MAX))
    check(np.array_equal(kept, first), "an array that is kept is whole")
    check(max(used[4:]) <= max(used[:4]), f"windows pile up: {used}")
