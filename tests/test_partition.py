"""Who owns which indices: against numpy.array_split and plain slicing."""

import numpy as np
from lockstep import given, st
from support import check

from mpi4py_pencil.layout.arrays import strides
from mpi4py_pencil.layout.partition import Kept, block, overlap

runs = st.tuples(st.integers(0, 30), st.integers(0, 30))


@st.composite
def ends(draw):
    """Draw an axis of which only indices at both ends are kept, and these."""
    length = draw(st.integers(1, 30))
    low = draw(st.integers(0, length))
    high = draw(st.integers(0, length - low))
    indices = list(range(length))
    return Kept(length, low, high), indices[:low] + indices[length - high :]


@given(st.integers(0, 200), st.integers(1, 50))
def test_blocks_are_those_of_array_split(n, parts):
    expected = np.array_split(np.arange(n), parts)
    blocks = [block(n, parts, k) for k in range(parts)]
    found = [np.arange(n)[start : start + size] for start, size in blocks]
    np.testing.assert_equal(len(found), parts)
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    # an empty block lies in the array too, so that slices of it do
    check(all(0 <= start <= n for start, _ in blocks), f"{blocks} leave {n} points")


@given(st.integers(0, 10**12), st.integers(1, 10**6), st.data())
def test_large_partitions_need_no_list(n, parts, data):
    index = data.draw(st.integers(0, parts - 1))
    start, size = block(n, parts, index)
    check(size in (n // parts, -(-n // parts)), f"{size} of {n} points for one of {parts}")
    end = n if index == parts - 1 else block(n, parts, index + 1)[0]
    np.testing.assert_equal(start + size, end)
    np.testing.assert_equal(block(n, parts, 0)[0], 0)


@given(runs, runs)
def test_overlap_is_the_intersection(a, b):
    expected = sorted(set(range(a[0], sum(a))) & set(range(b[0], sum(b))))
    start, size = overlap(a, b)
    np.testing.assert_equal(size, len(expected))
    if expected:
        np.testing.assert_equal(start, expected[0])
    np.testing.assert_equal(overlap(b, a), (start, size))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.randoms(use_true_random=False), st.integers(1, 32))
def test_strides_are_those_of_a_transposed_array(shape, random, itemsize):
    order = random.sample(range(len(shape)), len(shape))
    stored = np.empty([shape[k] for k in order], f"V{itemsize}").transpose(np.argsort(order))
    mine = strides(tuple(shape), tuple(order), itemsize)
    # numpy gives any stride to an axis of one point
    for n, ours, theirs in zip(shape, mine, stored.strides, strict=True):
        check(n == 1 or ours == theirs, f"{mine} for {shape} in order {order}, numpy has {stored.strides}")


@given(ends(), st.integers(1, 12))
def test_kept_indices_stay_in_the_blocks_of_the_whole_axis(case, parts):
    """Their blocks follow each other, also those that keep nothing."""
    kept, indices = case
    for index in range(parts):
        start, size = block(kept.length, parts, index)
        first, count = kept.block(parts, index)
        np.testing.assert_equal(indices[first : first + count], [k for k in indices if start <= k < start + size])
        np.testing.assert_equal(first, sum(k < start for k in indices))


@given(ends(), st.data())
def test_runs_find_each_kept_index_of_a_block_once(case, data):
    kept, indices = case
    start = data.draw(st.integers(0, kept.length))
    size = data.draw(st.integers(0, kept.length - start))
    found = [(place + k, at + k) for place, at, length in kept.runs(start, size) for k in range(length)]
    expected = [k - start for k in indices if start <= k < start + size]
    np.testing.assert_equal(found, list(enumerate(expected)))
    check(all(length > 0 for *_, length in kept.runs(start, size)), "an empty run")
