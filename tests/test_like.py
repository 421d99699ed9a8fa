"""Plans that belong together: modes of one fit the other."""

from functools import partial

import numpy as np
import pytest
from mpi4py import MPI
from support import everywhere, expect_everywhere, gather_global, rng

from mpi4py_pencil import PFFT, newDistArray
from mpi4py_pencil.plan.arguments import request

WORLD = MPI.COMM_WORLD
SHAPES = [(64, 64, 64), (128, 128, 128), (256, 256, 256), (8, 8, 8), (6, 4, 5), (9, 16), (5, 4, 3, 6)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_plans_of_one_shape_choose_one_grid(shape):
    """On any number of ranks: what fits on a laptop fits on the cluster."""
    for size in [*range(1, 13), 16, 24, 48, 64, 96, 256]:
        grids = {
            request(size, shape, dtype=dtype, padding=padding).dims
            for dtype in "fFg"
            for padding in (None, 1.5, 2, (1.5, *[1] * (len(shape) - 1)))
        }
        np.testing.assert_equal(len(grids), 1, f"{size} ranks: {grids}")


@pytest.mark.parallel([1, 2, 4, 6])
def test_modes_go_from_one_plan_to_the_other():
    """Twice as many points have those of the plain plan among them."""
    shape = (8, 9, 10)
    whole = rng(5).standard_normal(shape)
    for dims in (None, [1, 0, 1], [0, 0, 1]):
        plain = PFFT(WORLD, shape, grid=dims)
        padded = PFFT(WORLD, shape, padding=2, like=None if dims is None else plain)
        u = newDistArray(plain, False, val=whole[plain.local_slice(False)])
        fine = padded.backward(plain.forward(u))
        found = gather_global(fine, padded.local_slice(False), padded.global_shape(False))
        with everywhere():
            np.testing.assert_allclose(found[::2, ::2, ::2], whole, atol=1e-13)
        back = plain.backward(padded.forward(fine))
        with everywhere():
            np.testing.assert_allclose(back, u, atol=1e-13)


@pytest.mark.parallel([2, 4])
def test_plans_that_cannot_belong_together():
    fft = PFFT(WORLD, (8, 8, 8), grid=[0, 1, 1])
    for other, exception, message in [
        ({"like": 3}, TypeError, "like must be a PFFT, not 3"),
        ({"like": fft, "grid": [0, 1, 1]}, ValueError, "grid .* and like say the same"),
        ({"like": PFFT(MPI.COMM_SELF, (8, 8, 8))}, ValueError, "like is a plan of other ranks than comm"),
        ({"like": fft, "shape": (8, 8)}, ValueError, "like has 3 axes, shape has 2"),
        ({"like": fft, "axes": (1, 0, 2)}, ValueError, "like has modes divided among .* this plan among"),
    ]:
        expect_everywhere(exception, message, partial(PFFT, WORLD, **{"shape": (8, 8, 8), **other}))
    last = WORLD.rank == WORLD.size - 1
    expect_everywhere(ValueError, "disagree on like", partial(PFFT, WORLD, (8, 8, 8), like=None if last else fft))


@pytest.mark.parallel(4)
def test_modes_that_do_not_fit_say_why():
    slabs, pencils = PFFT(WORLD, (8, 8, 8), grid=[4, 1, 1]), PFFT(WORLD, (8, 8, 8), grid=[2, 2, 1])
    u_hat = newDistArray(slabs)
    expect_everywhere(ValueError, r"u_hat has shape .* of \(8, 8, 5\) divided among", lambda: pencils.backward(u_hat))
