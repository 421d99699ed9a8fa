"""What is timed, and what is told of it."""

import time

import numpy as np
import pytest
from mpi4py import MPI
from support import check, everywhere, expect_everywhere, same_everywhere

from mpi4py_pencil import PFFT, LinearMap
from mpi4py_pencil.plan.timing import Stage, Timings

WORLD = MPI.COMM_WORLD


def rows(timings):
    """Return the names and calls of all stages."""
    return [(s.way, s.stage, s.what, s.calls) for s in timings.stages]


def expected_rows(way, stages, calls):
    """Return those of the stages of a way: every stage but the last waits for its outbox, and exchanges."""
    for k, stage in enumerate(stages):
        last = k == len(stages) - 1
        for what in ("sweep",) if last else ("wait", "sweep", "exchange"):
            yield way, stage, what, calls


@pytest.mark.parallel([1, 2, 4])
def test_stages():
    """Each of both ways in order, counted, the same on every rank, from the fastest to the slowest."""
    with PFFT(WORLD, (12, 10, 8), dtype=complex, grid=[0, 0, 1]) as fft:
        u = np.ones(fft.shape(False), complex)
        u_hat = fft.forward(u)
        with fft.timings() as timings:
            for _ in range(3):
                u_hat = fft.forward(u)
            fft.backward(u_hat)
            check(timings.stages == [], "filled in before the end")
        forward = ["axes 2", "axes 1", "axes 0"]
        expected = [*expected_rows("forward", forward, 3), *expected_rows("backward", forward[::-1], 1)]
        with everywhere():
            np.testing.assert_equal(rows(timings), expected)
            for stage in timings.stages:
                check_order(stage)
        same_everywhere([(s.fastest, s.median, s.slowest) for s in timings.stages])


def check_order(stage):
    """Raise AssertionError unless the times of a stage are possible."""
    if not 0 <= stage.fastest <= stage.median <= stage.slowest < 60:
        raise AssertionError(f"{stage}")


@pytest.mark.parallel([1, 2])
def test_stages_of_two_axes_and_of_adjoints():
    with PFFT(WORLD, (60, 40, 40), dtype=complex, grid=[0, 1, 1], backend="numpy") as fft:
        u = np.ones(fft.shape(False), complex)
        with fft.timings() as timings:
            fft.forward.adjoint(fft.forward(u))
        ways = (("forward", ["axes 2, 1", "axes 0"]), ("adjoint of forward", ["axes 0", "axes 1, 2"]))
        with everywhere():
            np.testing.assert_equal(
                rows(timings), [row for way, stages in ways for row in expected_rows(way, stages, 1)]
            )


@pytest.mark.parallel([1, 2])
def test_a_stage_takes_as_long_as_what_it_does():
    """A sweep that sleeps, longer on one rank than on the other, takes that long; all stages no longer than a call."""
    nap = 0.004 * (1 + WORLD.rank)

    def slow(lines):
        time.sleep(nap)
        return lines

    transforms = {0: LinearMap(slow, slow)}
    with PFFT(WORLD, (6, 5, 4), dtype=complex, grid=[0, 1, 1], transforms=transforms) as fft:
        u = np.ones(fft.shape(False), complex)
        start = time.perf_counter()
        with fft.timings() as timings:
            fft.forward(u)
            fft.forward(u)
            most = WORLD.allreduce(time.perf_counter() - start, MPI.MAX) / 2
    with everywhere():
        (sleeping,) = (s for s in timings.stages if (s.stage, s.what) == ("axes 0", "sweep"))
        check(sleeping.fastest >= 0.004, f"{sleeping} slept")
        check(0.004 * WORLD.size <= sleeping.slowest <= most, f"{sleeping} slept on the last rank; a call took {most}")
        check(sum(s.fastest for s in timings.stages) <= most, f"{timings} are longer than a call of {most}")


@pytest.mark.parallel([1, 3])
def test_only_what_is_in_the_block():
    """Calls before, between and after are not counted, nor those of other plans; each block begins anew."""
    with PFFT(WORLD, (6, 5, 4)) as fft, PFFT(WORLD, (6, 5, 4)) as other:
        u = np.ones(fft.shape(False))
        fft.forward(u)
        with fft.timings() as first:
            fft.forward(u)
            other.forward(u)
        found = rows(first)
        fft.forward(u)
        fft.backward(fft.forward(u))
        with fft.timings() as second:
            pass
        with fft.timings() as third:
            fft.backward(fft.forward(u))
        with everywhere():
            np.testing.assert_equal(rows(first), found)
            np.testing.assert_equal({calls for *_, calls in found}, {1})
            np.testing.assert_equal({way for way, *_ in found}, {"forward"})
            np.testing.assert_equal(second.stages, [])
            np.testing.assert_equal([r for r in rows(third) if r[0] == "forward"], found)
            np.testing.assert_equal({way for way, *_ in rows(third)}, {"forward", "backward"})


@pytest.mark.parallel([1, 2])
def test_one_block_at_a_time():
    """A block within a block is refused, and the outer one goes on."""
    with PFFT(WORLD, (6, 5, 4)) as fft:
        u = np.ones(fft.shape(False))

        def nested():
            with fft.timings():
                pass

        with fft.timings() as timings:
            fft.forward(u)
            expect_everywhere(RuntimeError, "this plan is being timed already", nested)
            fft.forward(u)
        with everywhere():
            np.testing.assert_equal({calls for *_, calls in rows(timings)}, {2})


@pytest.mark.parallel([1, 2])
def test_an_exception_ends_the_block():
    """It comes through, nobody waits for the others, and the plan can be timed again."""
    with PFFT(WORLD, (6, 5, 4)) as fft:
        u = np.ones(fft.shape(False))

        def failing():
            with fft.timings():
                fft.forward(u)
                raise KeyError("mine")

        expect_everywhere(KeyError, "mine", failing)
        fft.forward(u)
        with fft.timings() as timings:
            fft.forward(u)
        with everywhere():
            np.testing.assert_equal({calls for *_, calls in rows(timings)}, {1})


TABLE = """\
ms a call, over the ranks                   calls       min    median       max
forward               axes 2, 1  wait          12     0.001     0.002     0.004
                                 sweep         12  1234.500  2000.000  2500.250
                      axes 0     sweep         12     3.000     4.000     5.000
adjoint of forward    axes 0     sweep          1     3.000     4.000     5.000"""


def test_a_table():
    numbers = (3e-3, 4e-3, 5e-3)
    timings = Timings(
        [
            Stage("forward", "axes 2, 1", "wait", 12, 1e-6, 2e-6, 4e-6),
            Stage("forward", "axes 2, 1", "sweep", 12, 1.2345, 2, 2.50025),
            Stage("forward", "axes 0", "sweep", 12, *numbers),
            Stage("adjoint of forward", "axes 0", "sweep", 1, *numbers),
        ]
    )
    np.testing.assert_equal(str(timings), TABLE)
    np.testing.assert_equal(str(Timings()).splitlines()[0].split()[-4:], ["calls", "min", "median", "max"])
