"""One pass over a local array: any strides, tiles and remainders, on one rank and without a message.

Through `PFFT` over one or two axes, where a transform is one sweep, or two over planes that stay in cache.
"""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from caches import small_caches
from layouts import Layout, empty_like, laid_out, layouts, untouched_elsewhere
from lockstep import given, settings, st
from mpi4py import MPI
from oracles import ELEMENTS, close, complex_of, random_array, same_bits, transformed
from support import rng

from mpi4py_pencil import PFFT
from mpi4py_pencil.layout.arrays import keep
from mpi4py_pencil.pfft import planned
from mpi4py_pencil.plan import leg
from mpi4py_pencil.plan.arguments import request
from mpi4py_pencil.sweep import tiles
from mpi4py_pencil.sweep.tiling import tiling
from mpi4py_pencil.transforms import Fourier

SELF = MPI.COMM_SELF


def check_forward(fft, whole, source, target, normalize=True):
    """Transform `whole` from one layout into another and compare; nothing else may have changed."""
    u, u_memory = laid_out(whole, source)
    u.flags.writeable = False
    before = u_memory.copy()
    expected = transformed(whole, fft.axes, normalize)
    out, out_memory = empty_like(expected.shape, complex_of(whole.dtype), target)
    result = fft.forward(u, out, normalize)
    if result is not out:
        raise AssertionError("forward returns something else than out")
    close(out, expected, whole.dtype, whole.size, factor=8)
    untouched_elsewhere(out, out_memory)
    same_bits(u_memory, before)


def check_backward(fft, whole, source, target, normalize=False):
    """The same the other way."""
    spectrum = transformed(whole, fft.axes, normalize=not normalize)
    u_hat, memory = laid_out(spectrum, source)
    u_hat.flags.writeable = False
    before = memory.copy()
    out, out_memory = empty_like(whole.shape, whole.dtype, target)
    fft.backward(u_hat, out, normalize)
    close(out, whole, whole.dtype, whole.size, factor=8)
    untouched_elsewhere(out, out_memory)
    same_bits(memory, before)


def of_tiles_and_vertical(engine):
    """Return a mark that runs a test with an engine in all precisions, and with vertical sweeps in those they have."""
    pairs = [(engine, dtype) for dtype in ELEMENTS] + [
        ("vertical", dtype) for dtype in ELEMENTS if dtype.char not in "gG"
    ]
    return pytest.mark.parametrize(("backend", "dtype"), pairs, ids=lambda part: getattr(part, "name", part))


@st.composite
def sweeps(draw):
    """Draw the shape of an array, the axes of one or two sweeps, and two layouts."""
    ndim = draw(st.integers(1, 4))
    lengths = st.sampled_from([1, 2, 3, 5, 8, 13, 16, 17]) if ndim < 4 else st.sampled_from([1, 2, 3, 5, 8])
    shape = draw(st.lists(lengths, min_size=ndim, max_size=ndim))
    axes = draw(st.permutations(range(ndim)))[: draw(st.integers(1, min(2, ndim)))]
    return tuple(shape), axes, draw(layouts(ndim)), draw(layouts(ndim))


@of_tiles_and_vertical("numpy")
@settings(max_examples=40)
@given(sweeps(), st.booleans())
def test_any_layout(backend, dtype, case, other_scale):
    shape, axes, source, target = case
    whole = random_array(rng(*shape), shape, dtype)
    with PFFT(SELF, shape, axes, dtype, backend=backend) as fft:
        check_forward(fft, whole, source, target, normalize=not other_scale)
        check_backward(fft, whole, target, source, normalize=other_scale)


PLAIN, FORTRAN = Layout((0, 1, 2), (1, 1, 1), 0), Layout((2, 1, 0), (1, 1, 1), 0)
GAPS, BACKWARDS = Layout((0, 1, 2), (1, 2, 1), 0), Layout((1, 0, 2), (1, -1, -1), 0)
UNALIGNED = Layout((0, 1, 2), (1, 1, 1), 1)


@of_tiles_and_vertical("scipy")
@pytest.mark.parametrize("shape", [(0, 63, 55), (3, 0, 325)])
def test_arrays_larger_than_the_cache(shape, backend, dtype):
    """Tiles with remainders along both of their axes, planes, and stores past the cache."""
    points = 700 * 1024 // dtype.itemsize
    shape = tuple(n or points // (shape[0] or shape[1]) // shape[2] | 1 for n in shape)
    whole = random_array(rng(*shape), shape, dtype)
    same = itertools.product([PLAIN, FORTRAN], repeat=2)
    pairs = [*same, (GAPS, BACKWARDS), (BACKWARDS, GAPS), (UNALIGNED, PLAIN), (PLAIN, UNALIGNED)]
    for axes in [(0,), (1,), (2,), (0, 2), (2, 1)]:
        with PFFT(SELF, shape, axes, dtype, backend=backend) as fft:
            for source, target in pairs if len(axes) == 1 and dtype.char in "dD" else pairs[1::3]:
                check_forward(fft, whole, source, target)
            check_backward(fft, whole, PLAIN, BACKWARDS)


@pytest.mark.parametrize("dtype", ELEMENTS, ids=lambda d: d.name)
def test_long_lines_fill_a_tile_alone(dtype):
    """Lines longer than a tile: one line, or a few of them, a tile."""
    for shape, axis in (((20011, 3), 0), ((3, 20011), 1), ((2, 9000, 5), 1)):
        whole = random_array(rng(*shape), shape, dtype)
        plain = Layout(tuple(range(len(shape))), (1,) * len(shape), 0)
        reverse = Layout(tuple(range(len(shape)))[::-1], (1,) * len(shape), 0)
        with PFFT(SELF, shape, (axis,), dtype, backend="numpy") as fft:
            check_forward(fft, whole, plain, reverse)
            check_backward(fft, whole, reverse, plain)


def test_a_repeated_row_is_read_as_often_as_it_stands_there():
    """An array made by broadcasting has strides of zero and cannot be written."""
    row = random_array(rng(1), (1, 12, 1), "D")
    u = np.broadcast_to(row, (5, 12, 7))
    for axes in [(0,), (1,), (2,), (0, 1, 2)]:
        with PFFT(SELF, u.shape, axes, complex) as fft:
            close(fft.forward(u), transformed(u.copy(), axes), "d", u.size, factor=8)


def test_many_layouts_one_after_the_other():
    """More layouts than a plan keeps; the first of them again at the end."""
    whole = random_array(rng(2), (6, 7, 8), "d")
    orders = list(itertools.permutations(range(3)))
    cases = [Layout(order, (step, 1, 1), 0) for order in orders for step in (1, -1, 2, 3)]
    with PFFT(SELF, whole.shape) as fft:
        for layout in [*cases, *cases[:3]]:
            check_forward(fft, whole, layout, cases[-1])


def test_the_oldest_makes_room():
    kept = {}
    for k in (*range(5), 1):
        np.testing.assert_equal(keep(kept, k, str(k), 3), str(k))
    np.testing.assert_equal(list(kept.items()), [(3, "3"), (4, "4"), (1, "1")])


def test_the_latest_layouts_are_not_prepared_again(monkeypatch):
    """However many came before: a program goes from one set of arrays to another."""
    made, make = [], leg.make
    monkeypatch.setattr(leg, "make", lambda *arguments: made.append(1) or make(*arguments))
    whole = random_array(rng(2), (3, 4), "d")
    cases = [Layout((0, 1), (step, 1), 0) for step in range(1, 41)]
    with PFFT(SELF, whole.shape, backend="numpy") as fft:
        for layout in cases:
            check_forward(fft, whole, layout, layout)
        made.clear()
        for layout in cases[-8:]:
            check_forward(fft, whole, layout, layout)
        np.testing.assert_equal(len(made), 0)
        check_forward(fft, whole, cases[1], cases[1])
        np.testing.assert_equal(len(made) > 0, True)


@pytest.mark.parametrize("backend", ["pyfftw", "vertical", "scipy", "numpy"])
def test_six_axes(backend):
    shape = (2, 3, 2, 5, 1, 4)
    for dtype in ELEMENTS:
        whole = random_array(rng(6), shape, dtype)
        for axes in [(5, 4, 3, 2, 1, 0), (1, 3, 0)]:
            with PFFT(SELF, shape, axes, dtype, backend=backend) as fft:
                check_forward(fft, whole, Layout((3, 1, 5, 0, 2, 4), (1, -1, 2, 1, 1, -2), 0), plain(6))
                check_backward(fft, whole, plain(6), Layout((5, 4, 3, 2, 1, 0), (1,) * 6, 0))


def plain(ndim):
    """Return the layout of a C-ordered array."""
    return Layout(tuple(range(ndim)), (1,) * ndim, 0)


@st.composite
def lines(draw):
    """Draw a line and the bytes of a tile, of a few lines or some more."""
    n, dtype = draw(st.integers(1, 40)), np.dtype(draw(st.sampled_from("fdgFDG")))
    line = Fourier().along(0, n, n, dtype).line(draw(st.booleans()))
    longest = max(m * d.itemsize for m, d in zip(line.lengths, line.dtypes, strict=True))
    return line, draw(st.integers(1, 70)) * longest + draw(st.integers(0, longest - 1))


def held(line, nbytes, extents, axis, orders):
    """Return how many lines `tiling` puts into a tile where both sides have their axes in some order."""
    widths = [d.itemsize for d in line.dtypes]
    sides = []
    for width, order in zip(widths, orders, strict=True):
        steps, step = [0] * len(extents), width
        for k in reversed(order):
            steps[k], step = step, step * extents[k]
        sides.append(tuple(steps))
    rows, unit = tiles.tile_rows(line, nbytes), tiles.unit(line)
    loops = tiling(extents, axis, *sides, widths, rows, unit, None)
    return loops.columns[1] * loops.batches[1]


@settings(max_examples=200)
@given(lines(), st.lists(st.integers(1, 150), min_size=1, max_size=4), st.data())
def test_a_tile_has_room_for_what_is_put_into_it(case, extents, data):
    axes = range(len(extents))
    axis, orders = data.draw(st.sampled_from(axes)), [data.draw(st.permutations(axes)) for _ in range(2)]
    count = math.prod(n for k, n in enumerate(extents) if k != axis)
    most = tiles._most_rows(case[0], count, case[1])
    np.testing.assert_array_less(held(*case, extents, axis, orders), most + 1)


@settings(max_examples=60)
@given(lines())
def test_and_for_no_more(case):
    """There are arrays that fill it."""
    line, nbytes = case
    most = tiles._most_rows(line, 10**6, nbytes)
    found = [held(line, nbytes, (4, count), 0, [(1, 0), (1, 0)]) for count in range(1, 4 * most)]
    np.testing.assert_equal(max(found), most)


def test_a_tile_is_no_larger_than_the_local_array():
    """Though it may be as large as it likes; sweeps that share a line over more of them have room for these."""
    shape = (3, 5, 5)
    whole = random_array(rng(3), (2, 3, *shape), "D")
    asked = replace(request(1, shape, dtype=complex, backend="numpy"), tile_bytes=1 << 45)
    with planned(SELF, asked) as fft:
        tiles = fft.description()["memory"]["tiles"]
        for u in (whole[0, 0], whole, whole[0]):
            close(fft.forward(u), transformed(u, range(u.ndim - 3, u.ndim)), "d", u.size, factor=8)
    # both ways, before and after: 25 lines of one cache line, and 15 of three
    np.testing.assert_equal(tiles, 2 * 2 * 64 * (25 * 1 + 15 * 3))


def test_as_many_axes_as_an_array_may_have():
    """Plane by plane over the axes of a large array, the others of one item each."""
    whole = random_array(rng(4), (6, 5, 4), "D")
    with small_caches(), PFFT(SELF, whole.shape, dtype=complex, backend="numpy") as fft:
        many = fft.forward(whole.reshape((1,) * 61 + whole.shape))
        close(many.reshape(whole.shape), np.fft.fftn(whole) / whole.size, np.dtype("D"), whole.size, factor=8)
