"""The two examples with which global redistribution is usually explained, with every value written out."""

import itertools

import numpy as np
import pytest
from mpi4py import MPI
from support import check, everywhere, gather_global

from mpi4py_pencil import DistArray, Pencil, Subcomm

WORLD = MPI.COMM_WORLD


@pytest.mark.parallel(4)
def test_a_matrix_on_four_ranks():
    """Rows of a matrix on four ranks, each filled with its rank, become columns and then rows again."""
    a = DistArray((8, 8), [0, 1], dtype=int)
    a[:] = WORLD.rank
    with everywhere():
        np.testing.assert_equal((a.shape, a.alignment, a.commsizes), ((2, 8), 1, [4, 1]))

    b = a.redistribute(0)
    with everywhere():
        np.testing.assert_equal((b.shape, b.alignment, b.commsizes), ((8, 2), 0, [1, 4]))
        expected = [[0, 0], [0, 0], [1, 1], [1, 1], [2, 2], [2, 2], [3, 3], [3, 3]]
        np.testing.assert_array_equal(b, expected)

    c = b.redistribute(1)
    with everywhere():
        np.testing.assert_equal((c.shape, c.alignment, c.commsizes), ((2, 8), 1, [4, 1]))
        np.testing.assert_array_equal(c, np.full((2, 8), WORLD.rank))
        np.testing.assert_array_equal(b, expected, "redistribute has changed what it redistributed")


def four_axes():
    """Return the pencils aligned in the axes 3, 2, 1 and 0 of an array of 8 ** 4 points, and the array."""
    p3 = Pencil(Subcomm(WORLD, [0, 0, 0, 1]), (8, 8, 8, 8), 3)
    p2 = p3.pencil(2)
    p1 = p2.pencil(1)
    p0 = p1.pencil(0)
    return (p3, p2, p1, p0), np.arange(8.0**4).reshape(8, 8, 8, 8)


@pytest.mark.parallel([4, 6])
def test_four_axes_and_three_groups_by_transfers():
    """The alignment goes from axis 3 to 2, 1 and 0 by forward, and back by backward."""
    pencils, whole = four_axes()
    sizes = [comm.size for comm in pencils[0].subcomm]
    check(sizes == {4: [2, 2, 1, 1], 6: [3, 2, 1, 1]}[WORLD.size], f"the ranks are arranged as {sizes}")
    expected = [sizes, [*sizes[:2], 1, sizes[2]], [sizes[0], 1, *sizes[1:3]], [1, *sizes[:3]]]
    with everywhere():
        for pencil, wanted in zip(pencils, expected, strict=True):
            np.testing.assert_equal(list(pencil.sizes), wanted)

    transfers = [one.transfer(other, float) for one, other in itertools.pairwise(pencils)]
    arrays = [whole[pencils[0].local_slice()].copy(), *(np.zeros(pencil.subshape) for pencil in pencils[1:])]
    for k, transfer in enumerate(transfers):
        transfer.forward(arrays[k], arrays[k + 1])
    with everywhere():
        for pencil, array in zip(pencils, arrays, strict=True):
            np.testing.assert_array_equal(array, whole[pencil.local_slice()])

    doubled = [2 * array if k == 3 else np.zeros_like(array) for k, array in enumerate(arrays)]
    for k in (2, 1, 0):
        transfers[k].backward(doubled[k + 1], doubled[k])
    with everywhere():
        for pencil, array in zip(pencils, doubled, strict=True):
            np.testing.assert_array_equal(array, 2 * whole[pencil.local_slice()])


@pytest.mark.parallel([4, 6])
def test_four_axes_and_three_groups_by_redistribute():
    """The same with arrays that know their pencils."""
    pencils, whole = four_axes()
    array = DistArray((8, 8, 8, 8), [0, 0, 0, 1])
    array[...] = whole[array.local_slice()]
    for axis in (2, 1, 0, 1, 2, 3):
        array = array.redistribute(axis)
        with everywhere():
            np.testing.assert_equal((array.alignment, list(array.commsizes)), (axis, list(pencils[3 - axis].sizes)))
            np.testing.assert_array_equal(array, whole[pencils[3 - axis].local_slice()])
    gathered = gather_global(array, array.local_slice(), (8, 8, 8, 8))
    with everywhere():
        np.testing.assert_array_equal(gathered, whole)
