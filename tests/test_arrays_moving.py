"""Points that go to other ranks: margins, replicas, what is started and ended later, and what each rank asks for."""

import functools
import gc

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


def equal(array, whole):
    gathered = array.to_numpy()
    with everywhere():
        np.testing.assert_array_equal(gathered, whole)


@st.composite
def blocks(draw, shape):
    """Draw a distribution whose axes are whole or in blocks, perhaps in the reverse order of the ranks."""
    size = WORLD.size
    first = draw(st.sampled_from([k for k in range(1, size + 1) if size % k == 0]))
    dims = draw(st.sampled_from([(size,), (first, size // first)]))
    divided = draw(st.permutations(range(len(shape))))[: draw(st.integers(0, len(dims)))]
    order = {axis: d for d, axis in enumerate(divided)}
    maps = []
    for k, n in enumerate(shape):
        parts = dims[order[k]] if k in order else 1
        cuts = sorted(draw(st.lists(st.integers(0, n), min_size=parts - 1, max_size=parts - 1)))
        made = draw(st.sampled_from([xp.Block.even(n, parts), xp.Block.of_sizes(np.diff([0, *cuts, n]))]))
        maps.append(draw(st.sampled_from([made, made.sliced(n - 1, -1, n)])) if n else made)
    return xp.Distribution(maps, [order.get(k) for k in range(len(shape))], dims)


@pytest.mark.parallel([*RANKS, 4, 6])
@settings(max_examples=12)
@given(spread.shapes(0, 3, 6), st.data())
def test_margins_have_the_points_of_any_neighbours(shape, data):
    """Numpy's own indices say what belongs there: corners, several blocks, and the array more than once."""
    whole = spread.values(shape, data.draw(st.sampled_from(["f8", "F", "i2"])), 3)
    array = xp.asarray(whole, distribution=data.draw(blocks(shape)))
    widths = [data.draw(st.integers(0, 4)) for _ in shape]
    periodic = [data.draw(st.booleans()) for _ in shape]
    h = xp.halo(array, widths, periodic)
    memory = h.padded
    local = array.local.shape
    lists = [which.reshape(-1) for which in array.distribution.indices(WORLD.rank)]
    for factor in (1, 3):
        h.array.local[...] = factor * array.local
        expected = np.zeros_like(memory)
        if array.local.size:
            wide = [np.arange(i[0] - w, i[0] + n + w) for i, n, w in zip(lists, local, widths, strict=True)]
            points = whole[np.ix_(*(i % n for i, n in zip(wide, shape, strict=True)))] if shape else whole
            inside = [(i >= 0) & (i < n) | p for i, n, p in zip(wide, shape, periodic, strict=True)]
            expected = np.where(
                functools.reduce(np.logical_and, np.meshgrid(*inside, indexing="ij"), True), factor * points, 0
            )
        found = h.update()
        with everywhere():
            np.testing.assert_array_equal(found, expected)
            np.testing.assert_equal(found is memory, True)
        equal(h.array, factor * whole)


@pytest.mark.parallel(RANKS)
def test_margins_of_views_and_their_refusals():
    whole = np.arange(60.0).reshape(5, 12)
    view = xp.asarray(whole, distribution=[None, "block"])[::2, 3:]
    h = xp.halo(view, (0, 2), periodic=True)
    h.update()
    equal(h.array, whole[::2, 3:])
    start = view.distribution.indices(WORLD.rank)[1].reshape(-1)
    if start.size:
        wide = np.arange(start[0] - 2, start[-1] + 3) % 9
    with everywhere():
        if start.size:
            np.testing.assert_array_equal(h.padded, whole[::2, 3:][:, wide])
    for error, match, call in (
        (ValueError, "negative", lambda: xp.halo(view, -1)),
        (ValueError, "each of the 2 axes", lambda: xp.halo(view, (1, 1, 1))),
        (ValueError, "each of the 2 axes", lambda: xp.halo(view, 1, [True])),
        (TypeError, "of type int", lambda: xp.halo(view, 0.5)),
        (TypeError, "is of global arrays", lambda: xp.halo(whole, 1)),
        (TypeError, "as_global", lambda: xp.halo(DistArray((4, 4), [0, 1]), 1)),
        (ValueError, "not in blocks", lambda: xp.halo(xp.zeros(8, distribution=["cyclic"]), 1)),
    ):
        expect_everywhere(error, match, call)
    half = WORLD.Dup()
    kept = xp.halo(xp.Context(half).ones(4), 1)
    half.Free()
    expect_everywhere(ValueError, "freed", kept.update)
    if WORLD.size > 1:
        expect_everywhere(ValueError, "disagree on width", lambda: xp.halo(view, WORLD.rank % 2))
    for _ in range(60):  # requests and communicators are given back
        xp.halo(view, 1, True).update()
    gc.collect()


@pytest.mark.parallel([*RANKS, 6])
@settings(max_examples=EXAMPLES)
@given(spread.arrays(), st.data())
def test_each_rank_takes_the_points_it_asks_for(pair, data):
    array, whole = pair
    n = WORLD.rank * data.draw(st.integers(0, 3)) if 0 not in whole.shape else 0  # other numbers on other ranks
    rng = np.random.default_rng(WORLD.rank)
    index = [rng.integers(-m, m, (n, 2)) if k else rng.integers(-m, m, (n, 1)) for k, m in enumerate(whole.shape) if m]
    index = index if 0 not in whole.shape else [np.zeros((0, 2), int)] * whole.ndim
    found = xp.take_points(array, *index)
    with everywhere():
        np.testing.assert_array_equal(found, whole[tuple(index)] if index else whole)
        np.testing.assert_equal(found.dtype, whole.dtype)


@pytest.mark.parallel([*RANKS, 6])
@settings(max_examples=EXAMPLES)
@given(spread.arrays(), st.data())
def test_gathering_and_scattering_go_on_while_others_work(pair, data):
    array, whole = pair
    target = data.draw(spread.distributions(whole.shape))
    root = data.draw(st.integers(0, WORLD.size - 1))
    given_ = whole.copy() if WORLD.rank == root else None
    pending = [xp.gathering(array, root), xp.gathering(array), xp.scattering(given_, root, distribution=target)]
    if array.local.flags.writeable:
        array.local[...] = 0  # what has been started has read it
    if given_ is not None:
        given_[...] = 0
    one, every, made = (each.wait() for each in pending)
    with everywhere():
        np.testing.assert_equal(one is None, root != WORLD.rank)
        np.testing.assert_array_equal(whole if one is None else one, whole)
        np.testing.assert_array_equal(every, whole)
        np.testing.assert_equal(made.distribution, target)
    equal(made, whole)
    replicas = xp.bcast(whole if WORLD.rank == root else "not looked at", root)
    with everywhere():
        np.testing.assert_array_equal(replicas.local, whole)
        np.testing.assert_equal(replicas.dtype, whole.dtype)
        np.testing.assert_equal(np.shares_memory(replicas.local, whole), False)
    equal(replicas, whole)


@pytest.mark.parallel([1, 2, 3, 4])
def test_functions_of_blocks():
    ctx = xp.Context()
    g = ctx.arange(7.0, distribution=["cyclic"])
    found = ctx.apply(lambda block, factor, other: (factor * block.sum(), other.size), g, 2, other=g)
    same_everywhere(found)
    with everywhere():
        np.testing.assert_equal(len(found), WORLD.size)
        np.testing.assert_equal((sum(a for a, _ in found), sum(n for _, n in found)), (42, 7))

    def doubled(block):
        block *= 2
        return WORLD.rank

    ctx.register(doubled)
    check(ctx.doubled(g) == list(range(WORLD.size)), "what a registered function returns")
    equal(g, 2 * np.arange(7.0))
    ctx.register(doubled)

    def zeros():
        """Have a name that a context has."""

    last = WORLD.rank == WORLD.size - 1

    def fails(block):
        if last:
            raise KeyError("of one rank")

    for error, match, call in (
        (ValueError, "another 'zeros'", lambda: ctx.register(zeros)),
        (TypeError, "no function with a name", lambda: ctx.register(lambda block: 0)),
        (TypeError, "no function with a name", lambda: ctx.register(3)),
        ((KeyError, RuntimeError), "of one rank", lambda: ctx.apply(fails, g)),
        ((KeyError, RuntimeError), "of one rank", lambda: ctx.fromfunction(fails, 7)),
        (ValueError, "broadcast", lambda: ctx.fromfunction(lambda i: np.ones(9) if last else i, 7)),
        (ValueError, "another communicator", lambda: ctx.apply(fails, xp.Context(MPI.COMM_SELF).ones(2))),
        (IndexError, "out of bounds", lambda: xp.take_points(g, [7 - WORLD.rank])),
        (TypeError, "whole numbers", lambda: xp.take_points(g, [0.5])),
        (ValueError, "1 axes", lambda: xp.take_points(g, [0], [0])),
        (ValueError, "root", lambda: xp.gathering(g, WORLD.size)),
        (ValueError, "root", lambda: xp.bcast(1, -1)),
        (TypeError, "already", lambda: xp.scattering(g)),
        (TypeError, "Python objects", lambda: xp.bcast([None])),
    ):
        if call is not None and not (match == "another communicator" and WORLD.size == 1):
            expect_everywhere(error, match, call)


@pytest.mark.parallel([1, 2, 3, 6])
def test_groups_of_ranks_hold_replicas_and_reduce_them_by_themselves():
    ctx = xp.Context()
    rng = np.random.default_rng(1)
    whole = rng.integers(-9, 9, (7, 3)).astype(float)
    array = ctx.asarray(whole, distribution=["cyclic", None])
    for mask in (
        [0] * ctx.size,
        list(range(ctx.size)),
        [min(r, 1) for r in range(ctx.size)],
        [r % 2 for r in range(ctx.size)],
    ):
        group = ctx.group(mask)
        members = [r for r, number in enumerate(mask) if number == mask[ctx.rank]]
        check(ctx.group(mask) is group and group.size == len(members), "a group is made twice, or of others")
        g = xp.replica(array, group)
        g *= mask[ctx.rank] + 1
        expected = whole * (mask[ctx.rank] + 1)
        found = [float(g.sum()), float(np.linalg.norm(g)), *g.max(axis=0).to_numpy()]
        with everywhere():
            np.testing.assert_allclose(found, [expected.sum(), np.linalg.norm(expected), *expected.max(axis=0)])
            np.testing.assert_array_equal(g.to_numpy(), expected)
        other = xp.replica(array, group, distribution=[None, "block"])
        with everywhere():
            np.testing.assert_array_equal(other.to_numpy(), whole)
    for error, match, call in (
        (ValueError, "for each of the", lambda: ctx.group([0] * (ctx.size + 1))),
        (ValueError, "0 or more", lambda: ctx.group([-1] * ctx.size)),
        (TypeError, "must be a Context", lambda: xp.replica(array, None)),
    ):
        expect_everywhere(error, match, call)
    if ctx.size > 1:
        expect_everywhere(ValueError, "disagree on mask", lambda: ctx.group([ctx.rank] * ctx.size))
    parent = WORLD.Dup()
    group = xp.Context(parent).group([r % 2 for r in range(WORLD.size)])
    g = group.ones(4)
    parent.Free()
    expect_everywhere(ValueError, "freed", g.to_numpy)


@pytest.mark.parallel([1, 2, 3])
def test_what_one_rank_alone_cannot_do_is_everyones_affair():
    """What cannot be sent, numbers that MPI does not have, masks that would be lost."""
    ctx = xp.Context()
    last = ctx.rank == ctx.size - 1
    masked = np.ma.masked_array([1.0, 2.0], [0, 1])
    for error, match, call in (
        (BaseException, "pickle", lambda: ctx.apply(lambda: (lambda: 1) if last else 1)),
        (ValueError, "disagree on mask" if ctx.size > 1 else None, lambda: ctx.group([2**40 + last] * ctx.size)),
        (TypeError, "whole numbers", lambda: ctx.group([0.5] * ctx.size)),
        (TypeError, "mask would be lost", lambda: xp.bcast(masked)),
        (TypeError, "mask would be lost", lambda: xp.take_points(xp.arange(2), np.ma.masked_array([0], [1]))),
    ):
        if match:
            expect_everywhere(error, match, call)
    check(ctx.group([2**40] * ctx.size) is ctx.group([7] * ctx.size), "a group is made again")
    equal(xp.bcast(np.arange(3.0) if ctx.rank == 0 else xp.ones(2)), np.arange(3.0))


@pytest.mark.parallel([1, 2, 3])
def test_points_are_named_by_any_whole_numbers():
    for axes in (["block"], ["cyclic"], None):
        g = xp.arange(1000.0, distribution=axes)
        for dtype in ("u1", "i1", "u8", "i8"):
            kind = dtype if g.context.rank else "i8"
            found = xp.take_points(g, np.array([5, 100], kind))
            with everywhere():
                np.testing.assert_array_equal(found, [5, 100])
    expect_everywhere(IndexError, "out of bounds", lambda: xp.take_points(xp.arange(9), np.array([2**63], "u8")))
