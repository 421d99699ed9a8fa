"""What plans say of themselves when they are printed: one line, found without communication."""

import numpy as np
import pytest
from installed import DEFAULT
from mpi4py import MPI
from support import check, everywhere

from mpi4py_pencil import DCT, FFT1D, PFFT, Fourier, Pencil, Subcomm, Transfer

COMM, SELF = MPI.COMM_WORLD, MPI.COMM_SELF

PLANS = {
    f"shape=(12, 10), dtype='float64', axes=(0, 1), grid=(1, 1), method='auto', backend={DEFAULT!r}": {},
    "shape=(12, 10), dtype='complex64', axes=(1,), grid=(1, 1), method='pairwise', backend='numpy'": {
        "dtype": "F",
        "axes": 1,
        "method": "pairwise",
        "backend": "numpy",
    },
    "shape=(12, 10), dtype='float64', axes=(0, 1), grid=(1, 1), padded=(18, 15), threads=2, method='auto', "
    f"backend={DEFAULT!r}": {"padding": 1.5, "threads": 2},
    "shape=(12, 10), dtype='float64', axes=(1, 0), grid=(1, 1), padded=(12, 15), transforms={0: DCT(type=2)}, "
    f"method='auto', backend={DEFAULT!r}": {
        "axes": (1, 0),
        "padding": (1, 1.5),
        "transforms": {0: DCT(2), 1: Fourier()},
    },
}


@pytest.mark.parametrize(("expected", "arguments"), PLANS.items())
def test_a_plan_says_what_it_was_asked_to_be(expected, arguments):
    fft = PFFT(SELF, (12, 10), **arguments)
    np.testing.assert_equal(repr(fft), f"PFFT({expected})")
    fft.close()
    np.testing.assert_equal(repr(fft), f"closed PFFT({expected})")


def test_a_direction_says_whose_it_is():
    fft = PFFT(SELF, (4, 6))
    for name in ("forward", "backward"):
        direction = getattr(fft, name)
        np.testing.assert_equal(repr(direction), f"{fft}.{name}")
        np.testing.assert_equal(repr(direction.adjoint), f"{fft}.{name}.adjoint")
        np.testing.assert_equal(repr(direction.adjoint.adjoint), f"{fft}.{name}")


@pytest.mark.parallel([2])
def test_the_exchange_is_the_one_that_was_chosen():
    for method in ("alltoallv", "alltoallw"):
        subcomm = Subcomm(COMM, [2, 1])
        before = Pencil(subcomm, (4, 6), 1)
        after = before.pencil(0)
        plans = PFFT(COMM, (4, 6), method=method), FFT1D(COMM, 12, method=method), Transfer(before, after, "F", method)
        expected = (
            f"PFFT(shape=(4, 6), dtype='float64', axes=(0, 1), grid=(2, 1), method='{method}', backend={DEFAULT!r})",
            f"FFT1D(n=12, dtype='complex128', factors=(3, 4), ranks=2, method='{method}', backend={DEFAULT!r})",
            f"Transfer({before}, {after}, dtype='complex64', method='{method}')",
        )
        with everywhere():
            np.testing.assert_equal(tuple(map(repr, plans)), expected)
            plans[1].close()
            np.testing.assert_equal(repr(plans[1]), f"closed {expected[1]}")
    chosen = before.transfer(after, float).method
    for plan in (PFFT(COMM, (4, 6)), FFT1D(COMM, 12)):
        check(f"method='{chosen}'" in repr(plan), f"{plan}, not {chosen}")


@pytest.mark.parallel([2])
def test_saying_so_takes_no_other_rank():
    fft = PFFT(COMM, (4, 6))
    said = repr(fft) if COMM.rank == 0 else ""
    check(bool(said) == (COMM.rank == 0), said)
