"""Exchanges that verify what they bring: by MPI4PY_PENCIL_CHECK=2 a box that changed on its way raises everywhere."""

from types import SimpleNamespace

import numpy as np
import pytest
from mpi4py import MPI
from support import check, everywhere, expect_everywhere, rng

from mpi4py_pencil import FFT1D, PFFT, Pencil, Subcomm
from mpi4py_pencil._kernels import Call, Program
from mpi4py_pencil.exchange import METHODS, methods, verified
from mpi4py_pencil.layout.arrays import view_at
from mpi4py_pencil.sweep.instruction import anywhere

WORLD = MPI.COMM_WORLD
MOVERS = [method for method in METHODS if method != "auto"]
CLASSES = {
    "shared": "Shared",
    "alltoallv": "Alltoallv",
    "alltoallw": "Alltoallw",
    "pairwise": "Pairwise",
    "hybrid": "Hybrid",
    "joined": "Joined",
}


@pytest.fixture
def verifying(monkeypatch):
    """Have what is made from here on verify its exchanges."""
    monkeypatch.setenv("MPI4PY_PENCIL_CHECK", "2")


def flipping(kind):
    """Return what opens an exchange that changes a byte of what the first rank gives to the last."""

    def opened(*arguments):
        made = kind(*arguments)

        def flip(*_):
            if WORLD.rank == WORLD.size - 1:
                view_at(made.inbox[0].address, (1,), np.dtype(np.uint8), (1,))[0] ^= 1

        deliver = Program([anywhere(made.deliver), anywhere(Call(flip, True))])
        names = ("method", "outbox", "inbox", "claim", "release")
        return SimpleNamespace(made=made, deliver=deliver, **{name: getattr(made, name) for name in names})

    return opened


@pytest.mark.parallel([2, 3, 4])
def test_what_comes_as_it_went_is_let_through(verifying):
    """By all methods, slabs and pencils, plans, lines and transfers; and what is computed is what it was."""
    points = rng(0).standard_normal((12, 13, 14))
    wanted = np.fft.rfftn(points, norm="forward")
    start = Pencil(Subcomm(WORLD, [0, 0, 1]), points.shape, 2)
    for method in MOVERS:
        for grid in ((0, 1, 1), (0, 0, 1)):
            fft = PFFT(WORLD, points.shape, grid=grid, method=method)
            for _ in range(2):
                modes = fft.forward(np.ascontiguousarray(points[fft.pencil[0].local_slice()]))
                back = fft.backward(modes)
            with everywhere():
                np.testing.assert_allclose(np.asarray(modes), wanted[fft.pencil[1].local_slice()], rtol=0, atol=1e-15)
                np.testing.assert_allclose(np.asarray(back), points[fft.pencil[0].local_slice()], rtol=0, atol=1e-13)
        line = FFT1D(WORLD, 60, dtype=float, method=method)
        given = rng(1).standard_normal(60)
        with everywhere():
            local = np.ascontiguousarray(given[line.local_slice(False)])
            found = np.asarray(line.forward(local))
            np.testing.assert_allclose(
                found, np.fft.rfft(given, norm="forward")[line.local_slice(True)], rtol=0, atol=1e-14
            )
        move = start.transfer(start.pencil(1), float, method)
        source, target = np.ascontiguousarray(points[start.local_slice()]), np.empty(start.pencil(1).subshape)
        move.forward(source, target)
        with everywhere():
            np.testing.assert_array_equal(target, points[start.pencil(1).local_slice()])


@pytest.mark.parallel([2, 3])
@pytest.mark.parametrize("method", MOVERS)
def test_what_changed_on_its_way_raises_everywhere(monkeypatch, verifying, method):
    """The error names sender and receiver, on every rank."""
    monkeypatch.setattr(methods, CLASSES[method], flipping(getattr(methods, CLASSES[method])))
    last = WORLD.size - 1
    # by alltoallw the first byte of the array is what the first rank sent too
    fft = PFFT(WORLD, (6, 6, 6), method=method)
    refused = rf"rank 0 sent to rank {last}, of {WORLD.size} .* came otherwise than it went: the box of shape \(.*\) at"
    expect_everywhere(RuntimeError, refused, lambda: fft.forward(np.ones(fft.shape(False))))


@pytest.mark.parallel([2])
def test_nothing_is_verified_unless_it_is_asked(monkeypatch):
    sums = []
    monkeypatch.setattr(verified, "_sum", lambda *_: sums.append(1) or 0)
    for said in ("0", "1", "2"):
        monkeypatch.setenv("MPI4PY_PENCIL_CHECK", said)
        fft = PFFT(WORLD, (6, 6, 6), method="alltoallv")
        fft.forward(np.ones(fft.shape(False)))
        check(bool(sums) == (said == "2"), f"{len(sums)} sums where {said} is asked")
