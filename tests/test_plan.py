"""Which steps a transform takes and which grid it gets: decided without a message, for any number of ranks."""

import itertools
import math

import numpy as np
import pytest
from fakes import grid, lines
from lockstep import example, given, settings, st
from support import check

from mpi4py_pencil.layout.partition import Kept
from mpi4py_pencil.layout.pencil import Pencil
from mpi4py_pencil.plan.grids import choose_grid
from mpi4py_pencil.plan.steps import Exchange, Sweep, alignments, steps
from mpi4py_pencil.transforms import Fourier

COMPLEX = np.dtype(complex)


def transforms(shape, axes, real=False):
    """Return the transforms over `axes`, the last of them first, and no padding."""
    return [
        Fourier().along(axis, shape[axis], shape[axis], np.dtype(float) if real and k == 0 else COMPLEX)
        for k, axis in enumerate(reversed(axes))
    ]


def each(axes):
    """Return groups of one axis each."""
    return [(axis,) for axis in axes]


@st.composite
def requests(draw, most_ranks=3):
    """Draw a shape, the axes to transform, and a grid that leaves the first to be transformed undivided."""
    shape = draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    axes = draw(st.permutations(range(len(shape))))[: draw(st.integers(1, len(shape)))]
    dims = [1 if k == axes[-1] else draw(st.integers(1, most_ranks)) for k in range(len(shape))]
    return tuple(shape), tuple(axes), tuple(dims)


@given(requests(), st.booleans(), st.data())
def test_steps_transform_each_axis_once_where_it_is_whole(request_, real, data):
    shape, axes, dims = request_
    coords = tuple(data.draw(st.integers(0, n - 1)) for n in dims)
    start = Pencil(lines(coords, dims), shape, axes[-1])
    planned = steps(start, transforms(shape, axes, real), each(axes))
    np.testing.assert_equal([s.transform.axis for s in planned if isinstance(s, Sweep)], axes[::-1])
    here, length = start, list(shape)
    for step in planned:
        check(here.same_block(step.before), "a step begins where the one before has not ended")
        if isinstance(step, Sweep):
            axis = step.transform.axis
            np.testing.assert_equal(step.before.sizes[axis], 1)
            length[axis] = shape[axis] // 2 + 1 if real and axis == axes[-1] else shape[axis]
            check(step.after.sizes == step.before.sizes, "a sweep moves data between ranks")
        else:
            np.testing.assert_equal(step.dtype, COMPLEX)
        np.testing.assert_equal(step.after.shape, length)
        here = step.after
    np.testing.assert_equal(here.axis, axes[0])
    exchanges = [s for s in planned if isinstance(s, Exchange)]
    check(len(exchanges) <= len(axes) - 1, f"{len(exchanges)} exchanges for {len(axes)} axes")
    divided = [axis for axis in axes if dims[axis] > 1]
    check(bool(exchanges) == bool(divided), "exchanges where nothing is divided, or none where something is")


def test_slabs_exchange_once_and_pencils_twice():
    for dims, count in (([4, 1, 1], 1), ([1, 4, 1], 1), ([2, 2, 1], 2), ([1, 1, 1], 0)):
        start = Pencil(lines((0, 0, 0), dims), (8, 8, 8), 2)
        planned = steps(start, transforms((8, 8, 8), (0, 1, 2)), each((0, 1, 2)))
        np.testing.assert_equal(sum(isinstance(s, Exchange) for s in planned), count)


def test_the_mirror_of_a_plan_is_the_same_on_all_ranks():
    """All ranks take the same kinds of steps in the same order: else collective calls would not meet."""
    shape, axes, dims = (5, 4, 3, 6), (2, 0, 3, 1), (3, 1, 2, 2)
    kinds = set()
    for _, subcomm in grid(dims):
        planned = steps(Pencil(subcomm, shape, 1), transforms(shape, axes, real=True), each(axes))
        kinds.add(tuple((type(s).__name__, s.after.shape, s.after.sizes, s.after.axis) for s in planned))
    np.testing.assert_equal(len(kinds), 1)


@st.composite
def grouped(draw):
    """Draw a shape, groups of some of its axes, and a grid that leaves those of the last group undivided."""
    shape = draw(st.lists(st.integers(1, 9), min_size=1, max_size=5))
    axes = draw(st.permutations(range(len(shape))))[: draw(st.integers(1, len(shape)))]
    cuts = [0, *sorted(draw(st.sets(st.integers(1, len(axes))))), len(axes)]
    groups = tuple(tuple(axes[a:b]) for a, b in itertools.pairwise(cuts) if a < b)
    dims = [1 if k in groups[-1] else draw(st.integers(1, 3)) for k in range(len(shape))]
    return tuple(shape), groups, tuple(dims)


def fewest_exchanges(parts, groups):
    """Return how many swaps of two communicators let each group be undivided in turn, None where nothing does.

    All ways are tried.
    """
    pending = [(axis, group) for group in reversed(groups) for axis in reversed(group)]
    states = {tuple(parts): 0}
    for axis, group in pending:
        reached = {}
        for state, count in states.items():
            if state[axis] == 1:
                reached[state] = min(count, reached.get(state, count))
                continue
            for other in range(len(state)):
                if state[other] == 1 and other not in group:
                    swapped = list(state)
                    swapped[axis], swapped[other] = 1, state[axis]
                    reached[tuple(swapped)] = min(count + 1, reached.get(tuple(swapped), count + 1))
        states = reached
    return min(states.values(), default=None)


# where two of the axes that come last are divided in between
LATER = ((4, 4, 4, 4, 4), ((3, 4), (0, 1), (2,)), (2, 2, 1, 1, 1))


@settings(max_examples=300)
@given(grouped())
@example(LATER)
@example(((4, 4, 4, 4), ((0, 1, 2), (3,)), (2, 2, 1, 1)))
def test_all_axes_of_a_group_are_undivided_together(case):
    """With as few exchanges as there can be; refused only where there is no way at all."""
    _, groups, dims = case
    fewest = fewest_exchanges(dims, groups)
    if fewest is None:
        with pytest.raises(ValueError, match="cannot all be undivided together over"):
            list(alignments(dims, groups))
        return
    parts, order = list(dims), []
    swaps = iter(alignments(dims, groups))
    count = 0
    for group in reversed(groups):
        for _ in group:
            axis, other = next(swaps)
            order.append(axis)
            if other is not None:
                np.testing.assert_equal((parts[other], parts[axis] > 1), (1, True))
                parts[axis], parts[other] = parts[other], parts[axis]
                count += 1
        check(all(parts[k] == 1 for k in group), f"group {group} is divided: {parts}")
    np.testing.assert_equal(order, [axis for group in groups for axis in group][::-1])
    np.testing.assert_equal(count, fewest)


def test_the_first_group_to_be_transformed_must_be_undivided():
    with pytest.raises(ValueError, match=r"axes \(1, 2\) are transformed first: they must stay undivided"):
        list(alignments((1, 2, 1), ((0,), (1, 2))))


@given(grouped(), st.data())
def test_steps_of_groups_and_of_truncated_axes(case, data):
    """Each step goes on from the one before; what is kept of an axis stays kept; the ends are undivided."""
    shape, groups, dims = case
    if fewest_exchanges(dims, groups) is None:
        return
    axes = [axis for group in groups for axis in group]
    reach = {axis: data.draw(st.sampled_from([None, 0, 1, 2.5])) for axis in axes}
    made = [Fourier().along(k, shape[k], shape[k], COMPLEX, reach[k]) for k in reversed(axes)]
    for coords in {(0,) * len(dims), tuple(n - 1 for n in dims)}:
        here = Pencil(lines(coords, dims), shape, axes[-1])
        for step in steps(here, made, groups):
            check(here.same_block(step.before), "a step begins where the one before has not ended")
            here = step.after
            if isinstance(step, Sweep):
                np.testing.assert_equal(step.before.sizes[step.transform.axis], 1)
                np.testing.assert_equal(here.kept[step.transform.axis], step.transform.kept)
            else:
                np.testing.assert_equal(step.after.kept, step.before.kept)
        check(all(here.sizes[k] == 1 for k in groups[0]), f"group {groups[0]} is divided: {here}")
        for k, keep in enumerate(here.kept):
            truncated = k in axes and reach[k] is not None and 2 * int(reach[k]) + 1 < shape[k]
            wanted = int(reach[k]) if truncated else None
            np.testing.assert_equal(keep, Kept(shape[k], wanted + 1, wanted) if truncated else None)


def touched(shape, groups, dims):
    """Return the points that the busiest rank touches in all steps; that is rank 0, whose blocks are the largest."""
    axes = [axis for group in groups for axis in group]
    start = Pencil(lines((0,) * len(shape), dims), shape, axes[-1])
    return sum(math.prod(step.before.subshape) for step in steps(start, transforms(shape, axes), groups))


@settings(max_examples=50)
@given(grouped(), st.sampled_from([1, 2, 3, 4, 6, 7, 8, 12]))
def test_the_chosen_grid_is_the_cheapest_of_all(case, size):
    shape, groups, _ = case
    factors = [n for n in range(1, size + 1) if size % n == 0]
    grids = [
        dims
        for dims in itertools.product(*[[1] if k in groups[-1] else factors for k in range(len(shape))])
        if math.prod(dims) == size and fewest_exchanges(dims, groups) is not None
    ]
    if not grids:
        with pytest.raises(ValueError, match=rf"{size} ranks"):
            choose_grid(shape, groups, size)
        return
    chosen = choose_grid(shape, groups, size)
    check(chosen in grids, f"{chosen} is no grid of {size} ranks that {groups} can do with")
    np.testing.assert_equal(touched(shape, groups, chosen), min(touched(shape, groups, dims) for dims in grids))


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((8, 8, 8), 1, (1, 1, 1)),
        ((8, 8, 8), 4, (4, 1, 1)),  # a slab: one exchange
        ((8, 8, 8), 8, (8, 1, 1)),
        ((8, 8, 8), 16, (8, 2, 1)),  # more ranks than planes
        ((64, 4, 8), 16, (4, 4, 1)),  # not (16, 1, 1): the second axis could not take over 16 ranks
        ((2, 64, 8), 4, (1, 4, 1)),
        ((4, 64), 4, (4, 1)),
    ],
)
def test_grids_one_would_choose_by_hand(shape, size, expected):
    np.testing.assert_equal(choose_grid(shape, each(range(len(shape))), size), expected)


def test_a_hundred_thousand_ranks():
    """No list of all ranks is made anywhere: each rank's plan is made from its own place."""
    shape, size = (1024, 1000, 999), 100_000
    dims = choose_grid(shape, each((0, 1, 2)), size)
    np.testing.assert_equal(math.prod(dims), size)
    np.testing.assert_equal(dims[2], 1)
    for rank in (0, 1, 54_321, size - 1):
        start = Pencil(lines(np.unravel_index(rank, dims), dims), shape, 2)
        planned = steps(start, transforms(shape, (0, 1, 2), real=True), each((0, 1, 2)))
        np.testing.assert_equal(planned[-1].after.shape, (1024, 1000, 500))
        np.testing.assert_equal(planned[-1].after.subshape[0], 1024)
    for axis, parts in ((0, dims[0]), (1, dims[1])):
        owned = [Pencil(lines([r if k == axis else 0 for k in range(3)], dims), shape, 2) for r in range(parts)]
        np.testing.assert_equal(sum(p.subshape[axis] for p in owned), shape[axis])


def test_an_array_with_one_axis_has_one_rank():
    """Its only axis is the one that stays undivided."""
    np.testing.assert_equal(choose_grid((16,), [(0,)], 1), (1,))
    with pytest.raises(ValueError, match=r"shape \(16,\) .* 2 ranks"):
        choose_grid((16,), [(0,)], 2)
