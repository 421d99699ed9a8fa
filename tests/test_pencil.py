"""How arrays are split, and what goes from whom to whom: for all ranks of a grid in one process."""

import numpy as np
import pytest
from fakes import grid
from lockstep import given, settings, st
from mpi4py import MPI
from support import RANKS, check, everywhere, gather_global, same_everywhere

from mpi4py_pencil import Pencil, Subcomm
from mpi4py_pencil.layout.boxes import boxes, spread
from mpi4py_pencil.layout.partition import Kept

WORLD = MPI.COMM_WORLD


@st.composite
def split_arrays(draw, most_axes=4):
    """Draw a shape, a grid of up to 24 ranks, and an axis that it leaves undivided."""
    shape = draw(st.lists(st.integers(1, 7), min_size=1, max_size=most_axes))
    axis = draw(st.integers(0, len(shape) - 1))
    dims = [1 if k == axis else draw(st.integers(1, 3)) for k in range(len(shape))]
    return tuple(shape), dims, axis


@st.composite
def kept_arrays(draw):
    """Draw what `split_arrays` does for the kept indices, which of each axis they are, and the shape of all indices."""
    shape, dims, axis = draw(split_arrays(3))
    kept = []
    for n in shape:
        low = draw(st.integers(0, n))
        kept.append(draw(st.sampled_from([None, Kept(n + draw(st.integers(0, 8)), low, n - low)])))
    whole = tuple(n if each is None else each.length for n, each in zip(shape, kept, strict=True))
    return shape, dims, axis, kept, whole


def kept_indices(kept, whole):
    """Return lists of the kept indices of each axis."""
    each = [list(range(n)) for n in whole]
    return [
        k if keep is None else k[: keep.low] + k[keep.length - keep.high :] for k, keep in zip(each, kept, strict=True)
    ]


def block_of(pencil, whole):
    return whole[pencil.local_slice()]


@given(split_arrays())
def test_every_point_has_one_owner(case):
    shape, dims, axis = case
    owners = np.zeros(shape, int)
    for _, subcomm in grid(dims):
        pencil = Pencil(subcomm, shape, axis)
        block_of(pencil, owners)[...] += 1
        np.testing.assert_equal(block_of(pencil, owners).shape, pencil.subshape)
        np.testing.assert_equal(pencil.subshape[axis], shape[axis])
        np.testing.assert_equal([s.start for s in pencil.local_slice()], pencil.substart)
    np.testing.assert_array_equal(owners, 1)


@given(split_arrays(), st.data())
def test_another_alignment_swaps_two_communicators(case, data):
    shape, dims, axis = case
    other = data.draw(st.integers(-len(shape), len(shape) - 1))
    for _, subcomm in grid(dims):
        pencil = Pencil(subcomm, shape, axis).pencil(other)
        np.testing.assert_equal(pencil.axis, range(len(shape))[other])
        expected = list(subcomm)
        expected[axis], expected[other] = expected[other], expected[axis]
        check(list(pencil.subcomm) == expected, "other communicators than the two have moved")
        np.testing.assert_equal(pencil.subshape[other], shape[other])


def received(coords, before, after, moved, whole):
    """Return the block that a rank puts together of what its peers send it."""
    result = np.full(after[coords].subshape, -1)
    comm = moved[coords].comm
    for rank, box in enumerate(moved[coords].receives):
        sender = coords if comm == MPI.COMM_SELF else comm.peer(rank)
        sent = moved[sender].sends[coords[comm.axis] if sender != coords else rank]
        np.testing.assert_equal(sent.shape, box.shape)
        np.testing.assert_equal(box.size, np.prod(box.shape))
        part(result, box)[...] = part(block_of(before[sender], whole), sent)
    return result


@given(split_arrays(), st.data())
def test_boxes_bring_each_rank_its_block(case, data):
    """What the sender takes to be a peer's box is what the peer takes it to be, and all together are the array."""
    shape, dims, axis = case
    other = data.draw(st.integers(0, len(shape) - 1))
    whole = np.arange(np.prod(shape)).reshape(shape)
    before = {coords: Pencil(subcomm, shape, axis) for coords, subcomm in grid(dims)}
    after = {coords: pencil.pencil(other) for coords, pencil in before.items()}
    moved = {coords: boxes(before[coords], after[coords]) for coords in before}
    for coords in before:
        np.testing.assert_array_equal(received(coords, before, after, moved, whole), block_of(after[coords], whole))
        np.testing.assert_equal(moved[coords].reversed().sends, moved[coords].receives)


@given(kept_arrays(), st.data())
def test_kept_indices_and_their_boxes(case, data):
    """Each rank has those of its block of the whole array, and they stay together where the alignment changes."""
    shape, dims, axis, kept, whole = case
    other = data.draw(st.integers(0, len(shape) - 1))
    numbers = np.arange(np.prod(whole)).reshape(whole)
    indices = kept_indices(kept, whole)
    compact = numbers[np.ix_(*indices)]
    before = {coords: Pencil(subcomm, shape, axis, kept) for coords, subcomm in grid(dims)}
    after = {coords: pencil.pencil(other) for coords, pencil in before.items()}
    for pencil in [*before.values(), *after.values()]:
        full = pencil.full()
        np.testing.assert_equal((full.shape, full.axis), (whole, pencil.axis))
        mine = [set(range(s.start, s.stop)) for s in full.local_slice()]
        np.testing.assert_equal(
            block_of(pencil, compact),
            numbers[np.ix_(*[np.array([k for k in i if k in m], int) for i, m in zip(indices, mine, strict=True)])],
        )
    moved = {coords: boxes(before[coords], after[coords]) for coords in before}
    for coords in before:
        np.testing.assert_array_equal(received(coords, before, after, moved, compact), block_of(after[coords], compact))
        np.testing.assert_equal(sum(box.size for box in moved[coords].sends), np.prod(before[coords].subshape))


@given(kept_arrays())
def test_a_block_of_kept_indices_is_spread_over_the_whole_block(case):
    shape, dims, axis, kept, whole = case
    numbers = np.arange(np.prod(whole)).reshape(whole)
    compact = numbers[np.ix_(*kept_indices(kept, whole))]
    for _, subcomm in grid(dims):
        pencil = Pencil(subcomm, shape, axis, kept)
        spreading = spread(pencil)
        mine, block = block_of(pencil.full(), numbers), block_of(pencil, compact)
        np.testing.assert_equal(spreading.shape, mine.shape)
        result, times = np.full(mine.shape, -2), np.zeros(block.shape, int)
        for gap in spreading.gaps:
            part(result, gap)[...] = -1
        for box, start in spreading.blocks:
            target = tuple(slice(a, a + n) for a, n in zip(start, box.shape, strict=True))
            check(np.all(result[target] == -2), "a gap or another box covers a kept index")
            result[target] = part(block, box)
            part(times, box)[...] += 1
        np.testing.assert_array_equal(times, 1)
        np.testing.assert_array_equal(result, np.where(np.isin(mine, compact), mine, -1))


def part(array, box):
    return array[tuple(slice(start, start + n) for start, n in zip(box.start, box.shape, strict=True))]


REFUSED = [
    (lambda s: Pencil(s, (4, 4)), ValueError, r"shape \(4, 4\) has 2 axes, subcomm has 3"),
    (lambda s: Pencil(s, (4, 4, 4), 3), ValueError, r"axis 3 does not exist: the array has 3 axes"),
    (lambda s: Pencil(s, (4, 4, 4), -4), ValueError, r"axis -4 does not exist"),
    (lambda s: Pencil(s, (4, 4, 4), 1.0), TypeError, r"axis must be an int, not 1.0"),
    (lambda s: Pencil(s, (4, 0, 4), 2), ValueError, r"shape \(4, 0, 4\)"),
    (lambda s: Pencil(s, (4, 4.5, 4), 2), TypeError, r"shape must be a sequence of ints, not \(4, 4.5, 4\)"),
    (lambda s: Pencil(s, 64, 2), TypeError, r"shape must be a sequence of ints, not 64"),
    (lambda s: Pencil(s, (4, 4, 4), 0), ValueError, r"axis 0 is divided among 2 ranks.*\[2, 3, 1\]"),
    (lambda s: Pencil(s, (4, 4, 4)).pencil(5), ValueError, r"axis 5 does not exist"),
    (lambda s: boxes(Pencil(s, (4, 4, 4)), Pencil(s, (4, 4, 5))), ValueError, r"\(4, 4, 4\) and \(4, 4, 5\)"),
]


@pytest.mark.parametrize(("call", "exception", "message"), REFUSED)
def test_refusals(call, exception, message):
    _, subcomm = next(grid([2, 3, 1]))
    with pytest.raises(exception, match=message):
        call(subcomm)


def test_pencils_of_different_grids_do_not_go_together():
    (_, one), (_, other) = next(grid([2, 3, 1])), next(grid([3, 2, 1]))
    with pytest.raises(ValueError, match="do not divide arrays among the same ranks"):
        boxes(Pencil(one, (4, 4, 4)), Pencil(other, (4, 4, 4)))


@pytest.mark.parallel(RANKS)
@settings(max_examples=25)
@given(split_arrays(), st.data())
def test_blocks_of_real_ranks(case, data):
    """The blocks of all ranks are the array, whatever the alignment; component axes are divided nowhere."""
    shape, _, axis = case
    if len(shape) == 1 and WORLD.size > 1:
        shape, axis = (*shape, 3), 1
    subcomm = Subcomm(WORLD, [1 if k == axis else 0 for k in range(len(shape))])
    components = data.draw(st.integers(0, 2))
    whole = np.arange(3**components * np.prod(shape)).reshape((3,) * components + shape)
    pencil = Pencil(subcomm.with_components(components), whole.shape, axis + components)
    for other in range(components, whole.ndim):
        turned = pencil.pencil(other)
        gathered = gather_global(whole[turned.local_slice()], turned.local_slice(), whole.shape)
        with everywhere():
            np.testing.assert_array_equal(gathered, whole)
            np.testing.assert_equal(turned.subshape[:components], (3,) * components)
    same_everywhere(repr(pencil))
