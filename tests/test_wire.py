"""Messages in single precision between nodes: the bound of the error, and where nothing is rounded."""

import numpy as np
import pytest
from fakes import set_apart
from mpi4py import MPI
from support import check, everywhere, expect_everywhere, rng

from mpi4py_pencil import FFT1D, PFFT, Pencil, Subcomm
from mpi4py_pencil.exchange.placement import Placed
from mpi4py_pencil.exchange.wire import to_double, to_single
from mpi4py_pencil.layout.boxes import Box
from mpi4py_pencil.plan import cuts

WORLD = MPI.COMM_WORLD
ROUNDING = 2.0**-24


@pytest.fixture
def apart(monkeypatch):
    """Have every rank on a node of its own."""
    set_apart(monkeypatch)


@pytest.mark.parametrize("size", [1, 2, 3, 1000, 2**14, 2**14 + 1, 100_000])
def test_a_box_goes_to_single_precision_and_back_in_its_own_memory(size):
    wide = rng(size).standard_normal(size + 2)
    memory, before = wide.copy(), wide[1:-1].astype(np.float32)
    placed = Placed(Box((0,), (size,)), memory[1:].ctypes.data, (8,))
    to_single(placed, 8)
    narrow = memory[1:-1].view(np.float32)
    np.testing.assert_array_equal(narrow[:size], before)
    narrow[size:] = before
    to_double(placed, 8)
    np.testing.assert_array_equal(memory[1:-1], before)
    np.testing.assert_array_equal(memory[[0, -1]], wide[[0, -1]])


def test_what_is_too_large_is_infinite_and_nothing_is_raised():
    memory = np.array([1e300, -1e300, np.nan, 1e-300])
    with np.errstate(all="raise"):
        to_single(Placed(Box((0,), (4,)), memory.ctypes.data, (8,)), 8)
    np.testing.assert_array_equal(memory.view(np.float32)[:4], np.array([np.inf, -np.inf, np.nan, 0], np.float32))


@pytest.mark.parallel([2, 3, 4])
@pytest.mark.parametrize("cut", [False, True])
def test_the_error_is_within_its_bound(monkeypatch, apart, cut):
    """An exchange changes a number by a part in 2**24, and a transform keeps the norm of that."""
    monkeypatch.setattr(cuts, "_FEWEST_BYTES", 64 if cut else 2**40)
    shape = (16, 18, 20)
    slabs, pencils = (0, 1, 1), (0, 0, 1)
    for method, grid in [("pairwise", slabs), ("hybrid", slabs), ("joined", slabs), ("pairwise", pencils)]:
        for dtype in (complex, float):
            fft = PFFT(WORLD, shape, dtype=dtype, grid=grid, method=method, wire="float32")
            exchanges = len(fft._plain.route.methods)
            points = rng(3).standard_normal(shape).astype(dtype) * 10.0 ** rng(4).integers(-5, 5, shape)
            modes = (np.fft.rfftn if dtype is float else np.fft.fftn)(points, norm="forward")
            for way, (given, wanted) in enumerate([(points, modes), (modes, points)]):
                source = np.ascontiguousarray(given[fft.pencil[way].local_slice()])
                before = source.copy()
                found = np.asarray((fft.forward, fft.backward)[way](source))
                errors = found - wanted[fft.pencil[1 - way].local_slice()]
                norms = [np.sqrt(WORLD.allreduce(float(np.sum(np.abs(a) ** 2)))) for a in (errors, found)]
                bound = exchanges * ROUNDING * (np.sqrt(2) if dtype is float else 1) * 1.001
                with everywhere():
                    np.testing.assert_array_equal(source, before)
                check(1e-10 < norms[0] / norms[1] < bound, f"{norms[0] / norms[1]:.3g}, allowed {bound:.3g}")


@pytest.mark.parallel([2, 3])
@pytest.mark.parametrize("cut", [False, True])
def test_the_error_of_a_line_is_within_its_bound(monkeypatch, apart, cut):
    """All three exchanges round, of points and of modes."""
    monkeypatch.setattr(cuts, "_FEWEST_BYTES", 64 if cut else 2**40)
    for dtype, method in ((complex, "pairwise"), (float, "hybrid")):
        line = FFT1D(WORLD, 1800, dtype, method=method, wire="float32")
        points = rng(7).standard_normal(1800).astype(dtype) * 10.0 ** rng(8).integers(-5, 5, 1800)
        modes = (np.fft.rfft if dtype is float else np.fft.fft)(points, norm="forward")
        for forward, given, wanted in ((True, points, modes), (False, modes, points)):
            found = (line.forward if forward else line.backward)(given[line.local_slice(not forward)])
            errors = found - wanted[line.local_slice(forward)]
            norms = [np.sqrt(WORLD.allreduce(float(np.sum(np.abs(a) ** 2)))) for a in (errors, found)]
            bound = 3 * ROUNDING * (np.sqrt(2) if dtype is float else 1) * 1.001
            check(1e-10 < norms[0] / norms[1] < bound, f"{norms[0] / norms[1]:.3g}, allowed {bound:.3g}")


@pytest.mark.parallel([2, 3])
@pytest.mark.parametrize("cut", [False, True])
def test_a_transfer_rounds_what_goes_to_another_node(monkeypatch, apart, cut):
    """Each number once, whether boxes are unpacked as they arrive or part by part; what stays is not touched."""
    monkeypatch.setattr(cuts, "_FEWEST_BYTES", 64 if cut else 2**40)
    before = Pencil(Subcomm(WORLD, [0, 1, 1]), (12, 13, 14), 1)
    after = before.pencil(0)
    for dtype, method in ((complex, "pairwise"), (float, "hybrid")):
        whole = rng(9).standard_normal(before.shape).astype(dtype)
        whole *= 1 + 1j if dtype is complex else 1
        rounded = whole.astype(np.complex64 if dtype is complex else np.float32).astype(dtype)
        move = before.transfer(after, dtype, method, wire="float32")
        check((move._ways[0]._exchange.outward is not None) == cut, "in parts or not")
        a, b = whole[before.local_slice()].copy(), np.empty(after.subshape, dtype)
        for _ in range(2):
            move.forward(a, b)
        back = np.empty_like(a)
        move.backward(b, back)
        kept = np.zeros(before.shape, bool)
        kept[tuple(map(_both, before.local_slice(), after.local_slice()))] = True
        with everywhere():
            np.testing.assert_array_equal(a, whole[before.local_slice()])
            np.testing.assert_array_equal(b, np.where(kept, whole, rounded)[after.local_slice()])
            np.testing.assert_array_equal(back, np.where(kept, whole, rounded)[before.local_slice()])


def _both(one, other):
    """Return the slice of what two have in common."""
    return slice(max(one.start, other.start), min(one.stop, other.stop))


@pytest.mark.parallel([2, 4])
def test_nothing_is_rounded_within_a_node():
    points = rng(5).standard_normal((8, 9, 10))
    for method in ("pairwise", "hybrid", "joined", "shared", "auto"):
        plans = [PFFT(WORLD, points.shape, method=method, wire=wire) for wire in (None, "float32")]
        source = np.ascontiguousarray(points[plans[0].pencil[0].local_slice()])
        with everywhere():
            np.testing.assert_array_equal(*(np.asarray(fft.forward(source)) for fft in plans))


@pytest.mark.parallel([2, 3])
def test_checksums_are_of_what_is_sent(monkeypatch, apart):
    monkeypatch.setenv("MPI4PY_PENCIL_CHECK", "2")
    for method in ("pairwise", "joined"):
        fft = PFFT(WORLD, (8, 9, 10), method=method, wire="float32")
        u = rng(6, WORLD.rank).standard_normal(fft.shape(False))
        with everywhere():
            np.testing.assert_allclose(np.asarray(fft.backward(fft.forward(u))), u, rtol=0, atol=1e-5)


@pytest.mark.parallel([2])
def test_refusals():
    pencil = Pencil(Subcomm(WORLD, [0, 1]), (4, 4), 1)
    for asked, refused in [
        ({"wire": "float16"}, "wire must be None or 'float32', not 'float16'"),
        ({"wire": 1}, "wire must be None or 'float32', not 1"),
        ({"wire": "float32", "dtype": "f"}, "wire='float32' is for data in double precision, not for dtype float32"),
        ({"wire": "float32", "dtype": "g"}, "is for data in double precision"),
        (
            {"wire": "float32", "method": "alltoallv"},
            "needs method 'auto', 'hybrid', 'joined' or 'pairwise'",
        ),
        ({"wire": "float32" if WORLD.rank else None}, "disagree on wire"),
    ]:
        expect_everywhere(ValueError, refused, lambda: PFFT(WORLD, (4, 4), **asked))  # noqa: B023
        expect_everywhere(ValueError, refused, lambda: FFT1D(WORLD, 16, **{"dtype": "d", **asked}))  # noqa: B023
        expect_everywhere(ValueError, refused, lambda: pencil.transfer(pencil, **{"dtype": "d", **asked}))  # noqa: B023
    for dtype in (">f8", "i8", [("re", "d"), ("im", "d")]):
        refused = "wire='float32' is for data in double precision, not for dtype"
        expect_everywhere(ValueError, refused, lambda: pencil.transfer(pencil, dtype, wire="float32"))  # noqa: B023
