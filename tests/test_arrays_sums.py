"""Sums that are started and ended later, and such as no order of the ranks changes."""

import subprocess
import sys

import numpy as np
import pytest
import spread
from lockstep import given, settings, st
from mpi4py import MPI
from support import check, everywhere, expect_everywhere, same_everywhere

from mpi4py_pencil import DistArray
from mpi4py_pencil import arrays as xp

WORLD = MPI.COMM_WORLD
RANKS = [1, 2, 3]
EXAMPLES = 8


@pytest.mark.parallel([*RANKS, 5])
@settings(max_examples=EXAMPLES)
@given(spread.shapes(), st.data())
def test_inner_products_are_numpys_on_the_gathered_arrays(shape, data):
    pairs, expected = [], []
    for _ in range(data.draw(st.integers(1, 4))):
        dtype = data.draw(st.sampled_from(["f8", "f4", "D", "F", "g", "f2"]))
        array, whole = data.draw(spread.arrays(shape, [dtype]))
        other, more = data.draw(spread.arrays(whole.shape, ["f8", "F"], views=0))
        ours, theirs = data.draw(
            st.sampled_from([((array, other), (whole, more)), ((more, array), (more, whole)), ((2, array), (2, whole))])
        )
        pairs.append(ours)
        expected.append(np.vdot(np.broadcast_to(theirs[0], whole.shape).astype(np.result_type(*theirs)), theirs[1]))
    pending = xp.inner_products(*pairs)
    for ours in pairs:
        ours[1][...] = 0  # what has been started has read it
    found = pending.wait()
    with everywhere():
        np.testing.assert_equal(pending.test(), True)
        np.testing.assert_equal([x.dtype for x in found], [x.dtype for x in expected])
        np.testing.assert_allclose(found, expected, rtol=1e-3)
        np.testing.assert_equal(pending.wait(), found)
    same_everywhere(found)


@pytest.mark.parallel(RANKS)
def test_inner_products_are_refused_on_every_rank():
    g = xp.ones((3, 4))
    for error, match, call in (
        (TypeError, "of one pair", lambda: xp.inner_products()),
        (TypeError, "of pairs", lambda: xp.inner_products(g)),
        (TypeError, "of pairs", lambda: xp.inner_products((g, g, g))),
        (TypeError, "must have a global array", lambda: xp.inner_products((1, np.ones(3)))),
        (TypeError, "as_global", lambda: xp.inner_products((g, DistArray((3, 4), [WORLD.size, 1])))),
        (TypeError, "use vecdot", lambda: xp.inner_products((1, xp.ones(3, dtype=int)))),
        (ValueError, "must be equal", lambda: xp.inner_products((g, g[0]))),
    ):
        expect_everywhere(error, match, call)
    if WORLD.size > 1:
        half = WORLD.Split(WORLD.rank % 2)
        ctx = xp.Context(half)
        here = ctx.ones(3)
        expect_everywhere(ValueError, "different communicators", lambda: xp.inner_products((g, g), (here, here)))
        pending = xp.inner_products((here, here))
        half.Free()
        check(pending.wait()[0] == 3, "what was started ends where the communicator is freed")
        expect_everywhere(ValueError, "freed", lambda: xp.inner_products((here, here)))


@pytest.mark.parallel([2])
def test_what_nobody_waits_for_is_kept_until_it_has_ended_and_no_longer():
    from mpi4py_pencil.arrays.pending import _started

    g = xp.ones(5)
    for k in range(1, 10**4):
        pending = xp.inner_products((k, g))
        if k % 3 == 0:
            check(pending.wait()[0] == 5 * k, "a wrong sum") if k % 999 == 0 else pending.wait()
    WORLD.Barrier()
    xp.inner_products((1, g)).wait()
    WORLD.Barrier()
    xp.inner_products((1, g)).wait()
    check(len(_started) < 10, f"{len(_started)} operations are kept")


ABANDONED = """
from mpi4py_pencil import arrays as xp
from mpi4py import MPI

g = xp.ones(5)
{start}xp.inner_products((g, g))
{end}
print("done")
"""


@pytest.mark.parametrize(
    ("start", "end"), [("pending = ", "MPI.Finalize()"), ("pending = MPI.COMM_WORLD.rank or ", ""), ("", "")]
)
def test_programs_end_that_wait_for_nothing(tmp_path, start, end):
    """Also where another rank has never started it."""
    program = tmp_path / "program.py"
    program.write_text(ABANDONED.format(start=start, end=end))
    command = ["mpiexec", "-n", "2", sys.executable, str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode or done.stdout.count("done") != 2:
        pytest.fail(f"{done.returncode}: {done.stdout}{done.stderr}")
