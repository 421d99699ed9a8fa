"""What one rank says, or raises, is known to all: agreement itself, constructors, and calls."""

import threading
from functools import partial

import numpy as np
import pytest
from caches import small_caches
from mpi4py import MPI
from support import check, everywhere, expect_everywhere, gather_global, rng

from mpi4py_pencil import FFT1D, PFFT, DistArray, LinearMap, Pencil, Subcomm, Transfer, engines
from mpi4py_pencil.exchange import METHODS, memory
from mpi4py_pencil.plan import leg
from mpi4py_pencil.ranks.agreement import agreed
from mpi4py_pencil.sweep import tiles

WORLD = MPI.COMM_WORLD
LAST = WORLD.rank == WORLD.size - 1
ON_LAST = f"on rank {WORLD.size - 1}: "


class Mute:
    """What cannot even be told."""

    def __repr__(self):
        raise ValueError("no words")


class MuteError(Exception):
    """An error without a message."""

    def __str__(self):
        raise ValueError("no words")


def raising(error):
    """Return a function that raises on the last rank."""

    def call(*_):
        if LAST:
            raise error

    return call


@pytest.mark.parallel([1, 3])
def test_whatever_a_rank_raises():
    """Exits and interrupts too: a rank that left alone would leave the others waiting."""
    for error, theirs, message in [
        (SystemExit(3), RuntimeError, "SystemExit: 3"),
        (KeyboardInterrupt(), RuntimeError, "KeyboardInterrupt"),
        (MuteError(), RuntimeError, "MuteError: its message cannot be made"),
        (ValueError("bad"), ValueError, "bad"),
        (FloatingPointError("bad"), FloatingPointError, "bad"),
        (OverflowError("bad"), OverflowError, "bad"),
        (KeyError("bad"), KeyError, ".*bad"),
        (np.linalg.LinAlgError("bad"), np.linalg.LinAlgError, "bad"),
    ]:
        with everywhere():
            if LAST:
                with pytest.raises(BaseException) as caught:
                    agreed(WORLD, raising(error))
                np.testing.assert_equal(caught.value is error, True)
            else:
                with pytest.raises(theirs, match=ON_LAST + message):
                    agreed(WORLD, raising(error))


class Text(str):
    """Characters of a class that other ranks do not know, and that cannot be told."""

    def __repr__(self):
        raise ValueError("no words")

    def __reduce__(self):
        raise TypeError("not to be sent")


class Teller:
    """What is told by such characters."""

    def __repr__(self):
        return Text("told")

    __str__ = __repr__


class FalsyError(Exception):
    """An error that is not true."""

    def __bool__(self):
        return False


@pytest.mark.parallel([1, 3])
def test_hostile_characters():
    if WORLD.size > 1:
        expect_everywhere(ValueError, "disagree: .* has told", lambda: agreed(WORLD, lambda: Teller() if LAST else 1))
    for error, message in ((FalsyError("falsy"), "falsy"), (ValueError(Text("told")), "told")):
        wanted = (type(error) if LAST else (ValueError, RuntimeError), message if LAST else ON_LAST)
        expect_everywhere(*wanted, partial(agreed, WORLD, raising(error)))


@pytest.mark.parallel([1, 3])
def test_what_cannot_be_told():
    expect_everywhere(ValueError, "no words", lambda: agreed(WORLD, lambda: Mute() if LAST else 1))


@pytest.mark.parallel(2)
def test_long_values_are_cut_off():
    with pytest.raises(ValueError, match=r"disagree on n: rank 0 has '0+…, rank 1 has '1+…") as caught:
        agreed(WORLD, lambda: str(WORLD.rank) * 10_000, lambda n: {"m": 0, "n": n})
    check(len(str(caught.value)) < 600, "it is short")


def pencils():
    """Return two pencils of a grid, and the same over lists of its communicators, one of another shape."""
    before = Pencil(Subcomm(WORLD, [0, 1]), (6, 4), 1)
    lists = Pencil(list(before.subcomm), (6, 4), 1)
    return before, before.pencil(0), lists, lists.pencil(0), Pencil(list(before.subcomm), (6, 5), 1).pencil(0)


def exits(lines):
    """Leave the program."""
    raise SystemExit("gone")


def same(lines):
    """Return the lines."""
    return lines


@pytest.mark.parallel([2, 3])
def test_nonsense_on_one_rank_for_a_constructor():
    a, b, *lists, wrong = pencils()
    subcomm, dims = a.subcomm, [WORLD.size, 1]
    fft = PFFT(WORLD, (4, 4), grid=dims)
    for good, bad, exception, message in [
        (lambda: Transfer(a, b, float), lambda: Transfer(None, b, float), TypeError, "a must be a Pencil, not None"),
        (lambda: Transfer(a, b, float), lambda: Transfer(a, 3, float), TypeError, "b must be a Pencil, not 3"),
        (lambda: Transfer(*lists, float), lambda: Transfer(lists[0], wrong, float), ValueError, "different global"),
        (lambda: Transfer(a, b, float), lambda: Transfer(a, wrong, float), ValueError, "different global"),
        (lambda: Transfer(a, b, float), lambda: Transfer(a, b, Mute()), ValueError, "no words"),
        (lambda: PFFT(WORLD, (4, 4)), lambda: PFFT(WORLD, (4, 4), transforms={0: Mute()}), ValueError, "no words"),
        (lambda: PFFT(WORLD, (4, 4)), lambda: PFFT(WORLD, (4, 4), transforms={0: LinearMap(exits, exits)}), None, ""),
        (lambda: Subcomm(WORLD, [0, 1]), lambda: Subcomm(WORLD, Mute()), ValueError, "no words"),
        (lambda: DistArray((4, 4), subcomm), lambda: DistArray((4, 4), [0, 1]), ValueError, "disagree on dims"),
        (lambda: DistArray((4, 4), [0, 1]), lambda: DistArray((4, 4), [0, 1, 1]), ValueError, "dims name 3 axes"),
        (lambda: PFFT(WORLD, (4, 4), like=fft), lambda: PFFT(WORLD, (4, 4), grid=dims), ValueError, "disagree on like"),
        (lambda: Subcomm(WORLD, [0, 1]), lambda: Subcomm(WORLD, 2**40), ValueError, "more axes than the 64"),
        (lambda: FFT1D(WORLD, 8), lambda: FFT1D(WORLD, Mute()), TypeError, "n must be an int, not Mute"),
        (lambda: FFT1D(WORLD, 8), lambda: FFT1D(WORLD, 9), ValueError, "disagree on n: rank 0 has 8, rank . has 9"),
    ]:
        exception = exception or (SystemExit if LAST else RuntimeError)
        expect_everywhere(exception, message, bad if LAST else good)
        good()


@pytest.mark.parallel([2, 3])
def test_a_subcomm_here_and_a_list_of_its_communicators_there():
    """They are the same grid."""
    a, b, *lists, _ = pencils()
    move = Transfer(*lists, float) if LAST else Transfer(a, b, float)
    whole = rng(1).standard_normal(a.shape)
    out = np.zeros(b.subshape)
    move.forward(whole[a.local_slice()].copy(), out)
    with everywhere():
        np.testing.assert_array_equal(out, whole[b.local_slice()])


@pytest.mark.parallel([2, 3])
def test_an_engine_that_fails_on_one_rank(monkeypatch):
    """When a plan is made, and when one is added for other component axes."""
    fft = PFFT(WORLD, (4, 4), backend="numpy")
    if LAST:
        monkeypatch.setattr(engines.with_numpy, "plan", raising(MemoryError("full")))
    expect_everywhere(MemoryError, "full", lambda: PFFT(WORLD, (4, 4), backend="numpy"))
    monkeypatch.undo()
    check(abs(fft.forward(np.ones(fft.shape(False))).sum() - (WORLD.rank == 0)) < 1e-12, "it still transforms")


def calls_that_differ(fft, other, u, u_hat):
    """Return pairs of calls that do not belong together, and what differs."""
    return [
        (lambda: fft.forward(u), lambda: fft.backward(u_hat), "the call: rank 0 has 'forward', .* has 'backward'"),
        (lambda: fft.forward(u), lambda: other.forward(u), "the plan: rank 0 has 'PFFT .*', rank . has 'PFFT "),
        (lambda: fft.forward(u), lambda: fft.forward(u, normalize=False), "normalize: rank 0 has True, .* has False"),
        (lambda: fft.forward(u), lambda: fft.backward.adjoint(u), "the call: .*'forward', .*'adjoint of backward'"),
        (
            lambda: fft.forward(u),
            lambda: fft.forward(np.array([u, u])),
            r"the component axes: rank 0 has \(\), .*\(2,\)",
        ),
    ]


@pytest.mark.parallel([2, 3])
@pytest.mark.parametrize("method", ["shared", "alltoallv"])
def test_calls_that_differ_with_the_check_switched_on(monkeypatch, method):
    monkeypatch.setenv("MPI4PY_PENCIL_CHECK", "1")
    fft, other, closed = (PFFT(WORLD, (4, 4), method=method) for _ in range(3))
    u, u_hat = np.ones(fft.shape(False)), np.ones(fft.shape(True), complex)
    for mine, theirs, message in calls_that_differ(fft, other, u, u_hat):
        expect_everywhere(ValueError, "disagree on " + message, theirs if LAST else mine)
        check(abs(fft.forward(u).sum() - (WORLD.rank == 0)) < 1e-12, "the next call is right")
    wrong = partial(fft.forward, u, normalize=np.zeros(2) if LAST else None)
    expect_everywhere(TypeError, "normalize must be True or False, not ndarray", wrong)
    if LAST:
        closed.close()
    expect_everywhere(ValueError, "this PFFT is closed", lambda: closed.forward(u))


@pytest.mark.parallel([2, 3])
def test_transfers_and_lines_that_differ_with_the_check_switched_on(monkeypatch):
    monkeypatch.setenv("MPI4PY_PENCIL_CHECK", "1")
    a, b, *_ = pencils()
    move = Transfer(a, b, float)
    x, y = np.ones(a.subshape), np.zeros(b.subshape)
    there, back = lambda: move.forward(x, y), lambda: move.backward(y, x)
    expect_everywhere(ValueError, "disagree on the call: rank 0 has 'forward'", back if LAST else there)
    fft = FFT1D(WORLD, 12)
    line = np.ones(fft.shape(False), complex)
    wrong = partial(fft.forward, line, normalize=not LAST)
    expect_everywhere(ValueError, "disagree on normalize: rank 0 has True, rank . has False", wrong)
    there()
    with everywhere():
        np.testing.assert_array_equal(y, 1)


@pytest.mark.parallel([2, 3])
@pytest.mark.parametrize("method", METHODS)
def test_component_axes_that_differ_at_their_first_use(method):
    """Planning for them is collective: there it costs nothing to agree."""
    fft = PFFT(WORLD, (4, 4), method=method)
    fields = np.ones(((3 if LAST else 2), *fft.shape(False)))
    message = r"disagree on the component axes: rank 0 has \(2,\), rank . has \(3,\)"
    expect_everywhere(ValueError, message, lambda: fft.forward(fields))
    check(abs(fft.forward(fields[:2]).sum() - 2 * (WORLD.rank == 0)) < 1e-12, "the next call is right")


@pytest.mark.parallel([1, 2])
def test_plans_for_component_axes_are_bounded():
    """Nine at the most are kept, and those made again are right."""
    fft = PFFT(WORLD, (6, 5))
    mine = fft.local_slice(False)
    for count in [*range(1, 25), 1, 2]:
        whole = rng(count).standard_normal((count, 6, 5))
        found = fft.forward(whole[(slice(None), *mine)])
        modes = gather_global(found, fft.local_slice(True), (count, *fft.global_shape(True)))
        np.testing.assert_allclose(modes, np.fft.rfft2(whole) / 30, atol=1e-15)
    check(len(fft._with_components) == 8, "others are dropped")


def test_two_threads_in_one_plan():
    """The second is refused; what the first computes is right."""
    inside, go_on = threading.Event(), threading.Event()

    def wait(lines):
        inside.set()
        go_on.wait(20)
        return lines

    plain = PFFT(MPI.COMM_SELF, (4, 4), transforms={0: LinearMap(same, same), 1: LinearMap(same, same)})
    u = rng(2).standard_normal((4, 4))
    np.testing.assert_array_equal(plain.forward(u), u)

    go_on.set()
    fft = PFFT(MPI.COMM_SELF, (4, 4), transforms={0: LinearMap(wait, same), 1: LinearMap(same, same)})
    inside.clear()
    go_on.clear()
    found = []
    other = threading.Thread(target=lambda: found.append(fft.forward(u)))
    other.start()
    try:
        if not inside.wait(20):
            pytest.fail("the other thread did not begin")
        with pytest.raises(RuntimeError, match="this PFFT is at work already"):
            fft.backward(u)
    finally:
        go_on.set()
        other.join()
    np.testing.assert_array_equal(found[0], u)
    np.testing.assert_array_equal(fft.backward(u), u)


def test_a_plan_that_calls_itself():
    plans = []

    def again(lines):
        return plans[0].forward(lines) if plans else lines

    u = np.ones((4, 4))
    with small_caches():
        fft = PFFT(MPI.COMM_SELF, (4, 4), transforms={0: LinearMap(again, same), 1: LinearMap(same, same)})
    plans.append(fft)
    with pytest.raises(RuntimeError, match="this PFFT is at work already"):
        fft.forward(u)
    plans.clear()
    np.testing.assert_array_equal(fft.forward(u), u)


@pytest.mark.parametrize("make", [lambda: FFT1D(MPI.COMM_SELF, 16), lambda: transfer_of_one()])
def test_transfers_and_lines_are_for_one_thread_at_a_time(make):
    plan = make()
    shape = (16,) if isinstance(plan, FFT1D) else (4, 4)
    dtype = complex if isinstance(plan, FFT1D) else float
    u, out = np.ones(shape, dtype), np.zeros(shape, dtype)
    with plan._calls, pytest.raises(RuntimeError, match="is at work already"):
        plan.forward(u, out)
    plan.forward(u, out)


def transfer_of_one():
    """Return a transfer on one rank."""
    pencil = Pencil(Subcomm(MPI.COMM_SELF, [1, 1]), (4, 4), 1)
    return Transfer(pencil, pencil.pencil(0), float)


@pytest.mark.parallel([2, 3])
def test_lent_arrays_for_either_side():
    """All ranks ask for the same."""
    a, b, *_ = pencils()
    move = Transfer(a, b, float, "shared")
    expect_everywhere(ValueError, "disagree on forward_output", lambda: move.empty(LAST))


@pytest.mark.parallel([2, 3])
@pytest.mark.parametrize("method", ["shared", "alltoallv", "alltoallw"])
def test_no_memory_on_one_rank(monkeypatch, method):
    """Whatever was to be made there; nobody waits for that rank."""
    a, b, *_ = pencils()
    if LAST:
        full = raising(MemoryError("full"))
        for module in (memory, leg, tiles):
            monkeypatch.setattr(module, "aligned_bytes", full)
    for make in (lambda: PFFT(WORLD, (4, 4), method=method), lambda: FFT1D(WORLD, 12, method=method)):
        expect_everywhere(MemoryError, "full", make)
    if method == "alltoallv":
        expect_everywhere(MemoryError, "full", lambda: Transfer(a, b, float, method))
