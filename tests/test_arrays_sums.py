"""Sums that are started and ended later, and such as no order of the ranks changes."""

import math
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


@pytest.mark.parallel([*RANKS, 6])
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


@st.composite
def numbers(draw, shape, dtype):
    """Draw numbers of very different sizes, and some that are not finite."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    limits = np.finfo(dtype)
    wide = draw(st.sampled_from([3, 30, min(limits.maxexp, 1000) // 2]))
    parts = np.ldexp(rng.standard_normal((2, *shape)), rng.integers(-wide, wide, (2, *shape)))
    if draw(st.integers(0, 4)) == 0:
        parts = np.where(rng.random(parts.shape) < 0.05, draw(st.sampled_from([np.inf, -np.inf, np.nan])), parts)
    with np.errstate(over="ignore"):
        return (parts[0] + 1j * parts[1]).astype(dtype) if np.dtype(dtype).kind == "c" else parts[0].astype(dtype)


def one_rank(whole):
    """Return the global array that this rank alone has."""
    return xp.asarray(whole, context=xp.Context(MPI.COMM_SELF))


def same_bits(array, other):
    found, expected = array.to_numpy(), other.to_numpy()
    with everywhere():
        np.testing.assert_equal(found.dtype, expected.dtype)
        np.testing.assert_equal(bits(found), bits(expected), f"{found} {expected}")
    return expected


def bits(array):
    """Return the bits of an array, but for those that fill up long double numbers."""
    whole = np.asarray(array)
    return repr(whole.tolist()) if whole.dtype.char in "gG" else whole.tobytes()


@pytest.mark.parallel([1, 3, 6])
@settings(max_examples=7)
@given(spread.shapes(1), st.sampled_from(["f8", "f4", "D", "F", "g", "f2"]), st.data())
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_reproducible_sums_are_the_same_to_the_bit_on_any_number_of_ranks(shape, dtype, data):
    whole = data.draw(numbers(shape, dtype))
    array, alone = xp.asarray(whole, distribution=data.draw(spread.distributions(shape))), one_rank(whole)
    axis = data.draw(st.none() | st.integers(0, len(shape) - 1))
    mask = data.draw(st.sampled_from([True, whole.real > 0]))
    options = {"axis": axis, "keepdims": data.draw(st.booleans()), "reproducible": True}
    for name in ("sum", "mean", "var", "std"):
        ours, theirs = (getattr(xp, name)(x, **options, where=mask) for x in (array, alone))
        found = same_bits(ours, theirs)
        if name == "sum":
            kind = np.result_type(whole, np.float64)
            exact = np.sum(whole, axis, kind, keepdims=options["keepdims"], where=mask)
            size = np.sum(np.abs(whole.astype(kind)), axis, keepdims=options["keepdims"], where=mask)
            errors = (np.finfo(kind).eps * size * 100 + np.finfo(dtype).eps * np.abs(exact) + 1e-300).astype(float)
            with everywhere():
                near = np.isfinite(size) & (np.abs(exact) < np.finfo(dtype).max / 2)
                np.testing.assert_array_less(np.abs(found - exact)[near].astype(float), errors[near])
    for order in (0, 1, 2, 3):
        ours, theirs = (xp.linalg.vector_norm(x, ord=order, **options) for x in (array, alone))
        same_bits(ours, theirs)
    same_bits(*(xp.vecdot(x, x, reproducible=True) for x in (array, alone)))
    pairs = [[(x, x), (1, x), (x, x.real)] for x in (array, alone)]
    ours, theirs = (xp.inner_products(*found, reproducible=True).wait() for found in pairs)
    with everywhere():
        np.testing.assert_equal([bits(x) for x in ours], [bits(x) for x in theirs])
        np.testing.assert_equal(ours[0].dtype, whole.dtype)


@pytest.mark.parallel([1, 3])
def test_reproducible_sums_are_nearly_exact_where_others_are_not():
    rng = np.random.default_rng(2)
    for scale in (1.0, 2.0**1000, 2.0**-1040):
        half = rng.standard_normal(40000) * np.ldexp(1.0, rng.integers(-20, 20, 40000)) * scale
        whole = np.concatenate([half, [scale / 8], -half])
        rng.shuffle(whole)
        for axes in (["block"], ["cyclic"]):
            total = xp.sum(xp.asarray(whole, distribution=axes), reproducible=True)
            check(float(total) == scale / 8, f"{float(total)} {scale / 8}")
    table = rng.standard_normal((20000, 3, 2))
    expected = [[math.fsum(table[:, i, j]) for j in range(2)] for i in range(3)]
    for axes in (["block", None, None], [None, "block", None]):
        found = xp.sum(xp.asarray(table, distribution=axes), axis=0, reproducible=True).to_numpy()
        with everywhere():
            np.testing.assert_allclose(found, expected, rtol=1e-15)
    ints = xp.arange(10)
    check(int(xp.sum(ints, reproducible=True)) == 45, "whole numbers are added as ever")


@pytest.mark.parallel([3])
def test_replicas_count_once():
    for x in (xp.asarray(2.0), xp.ones((2, 2), distribution=[None, None])):
        for reproducible in (False, True):
            found = xp.inner_products((x, x), (1, x), (x, 1j), reproducible=reproducible).wait()
            total = 4 if x.ndim else 2
            with everywhere():
                np.testing.assert_equal(found, (4, total, total * 1j))


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
    from mpi4py_pencil.arrays.pending import _started_on

    g = xp.ones(5)
    for k in range(1, 2000):
        pending = xp.inner_products((k, g))
        if k % 3 == 0:
            check(pending.wait()[0] == 5 * k, "a wrong sum") if k % 999 == 0 else pending.wait()
    WORLD.Barrier()
    xp.inner_products((1, g)).wait()
    WORLD.Barrier()
    xp.inner_products((1, g)).wait()
    kept = len(_started_on(g.context.own).operations)
    check(kept < 10, f"{kept} operations are kept")


ABANDONED = """
from mpi4py_pencil import arrays as xp
from mpi4py import MPI

g = xp.ones(5)
xp.inner_products((1, g)).wait()
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


@pytest.mark.parallel([1, 2, 3])
def test_means_of_foreign_byte_order():
    """Are in this machine's, as numpy's, on ranks without points too."""
    whole = np.arange(12.0).reshape(4, 3).astype(">f8")
    g = xp.asarray(whole, distribution=["block", None])
    for reproducible in (False, True):
        for x, numbers in ((g, whole), (g[0], whole[0])):
            found = [getattr(x, name)(reproducible=reproducible) for name in ("sum", "mean", "var", "std")]
            values = [each.to_numpy() for each in found]
            with everywhere():
                wanted = [getattr(numbers, name)() for name in ("sum", "mean", "var", "std")]
                np.testing.assert_allclose(values, wanted, rtol=1e-15)
                np.testing.assert_equal({each.dtype.str for each in found}, {np.dtype(float).str})


@pytest.mark.parallel([2])
def test_what_all_have_may_have_bytes_of_nobodys(monkeypatch):
    """Those between long double numbers."""
    monkeypatch.setenv("MPI4PY_PENCIL_CHECK", "1")
    junk = np.frombuffer(bytes([MPI.COMM_WORLD.rank + 1]) * 64, np.uint8).copy()
    a = np.ndarray(4, np.longdouble, junk)
    a[...] = [1, np.inf, np.nan, 1 + np.finfo(np.longdouble).eps]
    found = xp.Context().asarray(a).to_numpy()
    with everywhere():
        np.testing.assert_array_equal(found, a)
