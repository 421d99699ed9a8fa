"""Sub-communicators: sizes, who is in them, that they are shared, and that they go with their parent."""

import math

import numpy as np
import pytest
from mpi4py import MPI
from support import RANKS, check, everywhere, expect_everywhere

from mpi4py_pencil import Subcomm

WORLD = MPI.COMM_WORLD


@pytest.mark.parallel(RANKS)
def test_lines_of_a_grid():
    size = WORLD.size
    for dims in ([0], [0, 1], [1, 0, 1], [0, 0], [0, 0, 1], [0, 0, 0], [size, 1], [1, 1, size, 1], 2, 3):
        subcomm = Subcomm(WORLD, dims)
        sizes = [comm.size for comm in subcomm]
        with everywhere():
            np.testing.assert_equal(math.prod(sizes), size)
            for asked, got in zip([0] * dims if isinstance(dims, int) else dims, sizes, strict=True):
                np.testing.assert_equal(got, asked or got)
            # a rank's place in each line is its place in a row-major grid of all ranks
            place = np.unravel_index(WORLD.rank, sizes)
            np.testing.assert_equal([comm.rank for comm in subcomm], place)
        for axis, comm in enumerate(subcomm):
            members = comm.allgather(WORLD.rank)
            with everywhere():
                expected = np.arange(size).reshape(sizes)[(*place[:axis], slice(None), *place[axis + 1 :])]
                np.testing.assert_array_equal(members, expected)
    check(len(set(open_sizes())) <= 2, f"open axes are divided as equally as can be, not {open_sizes()}")


def open_sizes():
    """Return how 4 ranks are divided among two open axes, or nothing."""
    return [comm.size for comm in Subcomm(WORLD, [0, 0])] if WORLD.size == 4 else []


@pytest.mark.parallel([1, 4, 6])
def test_a_cartesian_parent_and_sharing():
    cart = WORLD.Create_cart(MPI.Compute_dims(WORLD.size, 2))
    one, other = Subcomm(cart), Subcomm(cart, list(cart.dims))
    with everywhere():
        np.testing.assert_equal([comm.size for comm in one], cart.dims)
        np.testing.assert_equal([comm.rank for comm in one], cart.coords)
        if any(a != b for a, b in zip(one, other, strict=True)):
            raise AssertionError("the same parent and grid have other communicators the second time")
        np.testing.assert_equal(Subcomm(cart, 2).grid is one.grid, list(cart.dims) == sorted(cart.dims)[::-1])
    cart.Free()


@pytest.mark.parallel([1, 3])
def test_refusals():
    size = WORLD.size
    null, inter = MPI.COMM_NULL, "MPI.COMM_WORLD"
    cases = [
        (lambda: Subcomm(WORLD, [size + 1, 1]), ValueError, rf"dims \[{size + 1}, 1\].*number of ranks, {size}"),
        (lambda: Subcomm(WORLD, [size + 1, 0]), ValueError, rf"dims \[{size + 1}, 0\].*number of ranks, {size}"),
        (lambda: Subcomm(WORLD, [-1, 0]), ValueError, r"dims \[-1, 0\] has a negative entry"),
        (lambda: Subcomm(WORLD, []), ValueError, "dims is empty"),
        (lambda: Subcomm(WORLD, 0), ValueError, "dims is empty"),
        (lambda: Subcomm(WORLD), ValueError, "dims is missing"),
        (lambda: Subcomm(WORLD, [1.0, 0]), TypeError, r"dims must be .* not \[1.0, 0\]"),
        (lambda: Subcomm(WORLD, "01"), TypeError, "dims must be .* not '01'"),
        (lambda: Subcomm(null, [0]), (TypeError, ValueError), "comm"),
        (lambda: Subcomm(inter, [0]), TypeError, "comm must be .* not 'MPI.COMM_WORLD'"),
    ]
    for call, exception, message in cases:
        expect_everywhere(exception, message, call)


@pytest.mark.parallel([2, 3])
def test_what_differs_between_ranks_is_refused_on_all():
    last = WORLD.rank == WORLD.size - 1
    expect_everywhere(ValueError, "the ranks disagree", lambda: Subcomm(WORLD, [1, 0] if last else [0, 1]))
    expect_everywhere(TypeError, "dims must be", lambda: Subcomm(WORLD, [0, None] if last else [0, 1]))
    expect_everywhere(ValueError, "dims is missing", lambda: Subcomm(WORLD, None if last else [0, 1]))
    np.testing.assert_equal(Subcomm(WORLD, [0, 1])[0].size, WORLD.size)
