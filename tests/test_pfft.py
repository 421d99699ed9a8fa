"""Parallel transforms, against numpy.fft of the global array and, for their exactness, a sum in long double."""

import itertools
import math

import numpy as np
import pytest
from installed import engines
from layouts import empty_like, laid_out, layouts, untouched_elsewhere
from lockstep import example, given, settings, st
from mpi4py import MPI
from oracles import (
    ELEMENTS,
    along,
    close,
    complex_of,
    half_projection,
    interpolation,
    projection,
    random_array,
    same_bits,
    transformed,
)
from support import RANKS, check, everywhere, gather_global, rng

from mpi4py_pencil import PFFT, DistArray, newDistArray
from mpi4py_pencil.exchange import METHODS

WORLD = MPI.COMM_WORLD
SEVERAL = [n for n in RANKS if n > 1]


def block(fft, whole, forward_output):
    """Return this rank's block of a global array, by slicing; leading component axes are whole."""
    return whole[(..., *fft.local_slice(forward_output))]


def close_to(fft, result, whole, forward_output, dtype, factor=10):
    """Gather a result and compare it with a global array: the error of all of it, relative to all of it."""
    found = gather_global(result, fft.local_slice(forward_output), whole.shape, fft.comm)
    with everywhere(fft.comm):
        close(found, whole, dtype, math.prod(fft.global_shape(False)), factor)


def check_plan(fft, whole, what=""):
    """Compare both directions with numpy.fft of the global array, and what the plan says of its arrays."""
    dtype = whole.dtype
    spectrum = transformed(whole, fft.axes)
    sides = [(False, whole), (True, spectrum)]
    u_hat = fft.forward(block(fft, whole, False).copy())
    u = fft.backward(block(fft, spectrum, True).copy())
    close_to(fft, u_hat, spectrum, True, dtype)
    close_to(fft, u, whole, False, dtype)
    with everywhere():
        for (output, expected), result, pencil in zip(sides, (u, u_hat), fft.pencil, strict=True):
            np.testing.assert_equal(fft.global_shape(output), expected.shape)
            np.testing.assert_equal(fft.shape(output), block(fft, expected, output).shape)
            np.testing.assert_equal(fft.dtype(output), complex_of(dtype) if output else dtype)
            np.testing.assert_equal(result.dtype, fft.dtype(output))
            np.testing.assert_equal((result.global_shape, result.pencil.axis), (pencil.shape, pencil.axis), what)
        np.testing.assert_equal([p.axis for p in fft.pencil], [fft.axes[-1], fft.axes[0]])


@st.composite
def requests(draw):
    """Draw what a user may ask for; on one rank, arrays of one axis too."""
    several = WORLD.size > 1
    ndim = draw(st.integers(1 + several, 4))
    shape = tuple(draw(st.lists(st.sampled_from([1, 2, 3, 4, 5, 7, 8, 9]), min_size=ndim, max_size=ndim)))
    axes = tuple(draw(st.permutations(range(ndim)))[: draw(st.integers(1, ndim))])
    open_axes = draw(st.lists(st.booleans(), min_size=ndim, max_size=ndim))
    grid = [0 if is_open and k != axes[-1] else 1 for k, is_open in enumerate(open_axes)]
    if several and 0 not in grid:
        grid = None
    dtype, method = draw(st.sampled_from("dDfFgG")), draw(st.sampled_from(METHODS))
    return shape, {"axes": axes, "grid": grid, "dtype": dtype, "method": method}


# Shapes that are easily got wrong: more ranks than points along every axis, primes, lengths of one.
HARD = [
    ((2, 2), {"dtype": "D"}),
    ((1, 3, 2), {"dtype": "d"}),
    ((1, 1, 1), {"dtype": "d"}),
    ((7, 11, 13), {"dtype": "f", "axes": (1, 2, 0)}),
    ((5, 1, 1, 2), {"dtype": "d", "axes": (3, 0, 2, 1), "grid": [0, 0, 0]}),
    ((3, 2, 4, 3, 2), {"dtype": "d", "grid": [0, 0, 1, 0, 1]}),
    ((2, 3, 2, 3, 2, 3), {"dtype": "D", "axes": (0, 5, 1, 4, 2, 3), "grid": [0, -1, 0]}),
    ((2, 3, 2, 3, 2, 3), {"dtype": "F", "axes": (4, 1)}),
]


@pytest.mark.parallel(RANKS)
def test_hard_shapes():
    for (shape, asked), method in zip(2 * HARD, itertools.cycle(METHODS[::-1]), strict=False):
        with PFFT(WORLD, shape, method=method, **asked) as fft:
            check_plan(fft, random_array(rng(*shape), shape, asked["dtype"]), f"{shape} {asked} {method}")


@pytest.mark.parallel(RANKS)
@settings(max_examples=25)
@given(requests().flatmap(lambda case: st.tuples(st.just(case), st.sampled_from(engines(case[1]["dtype"])))))
@example((((4, 1, 3), {"axes": (1, 2), "dtype": "d"}), "pyfftw"))
def test_any_request(case):
    (shape, asked), backend = case
    with PFFT(WORLD, shape, backend=backend, **asked) as fft:
        check_plan(fft, random_array(rng(*shape), shape, asked["dtype"]))


@st.composite
def calls(draw):
    """Draw a request, layouts of source and target, component axes, and whether to scale."""
    shape, asked = draw(requests())
    components = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    ndim = len(shape) + len(components)
    normalize = draw(st.sampled_from([None, True, False]))
    return shape, asked, components, draw(layouts(ndim)), draw(layouts(ndim)), normalize


@pytest.mark.parallel(RANKS)
@settings(max_examples=15)
@given(calls())
def test_any_call(case):
    """Inputs and outputs of any layout, with component axes; inputs are read-only and stay as they are.

    Beside the outputs nothing is written.
    """
    shape, asked, components, source, target, normalize = case
    with PFFT(WORLD, shape, **asked) as fft:
        axes = [axis + len(components) for axis in fft.axes]
        whole = random_array(rng(*shape), components + shape, asked["dtype"])
        for way, call in enumerate((fft.forward, fft.backward)):
            scaled = transformed(whole, axes, normalize=way == 0 if normalize is None else normalize)
            plain = transformed(whole, axes, normalize=not normalize if normalize is not None else True)
            given, expected = (whole, scaled) if way == 0 else (plain, whole)
            u, u_memory = laid_out(block(fft, given, way == 1), source)
            out, out_memory = empty_like(block(fft, expected, way == 0).shape, expected.dtype, target)
            u.flags.writeable = False
            before = u_memory.copy()
            returned = call(u, out, normalize=normalize)
            close_to(fft, out, expected, way == 0, whole.dtype)
            with everywhere():
                np.testing.assert_equal(returned is out, True)
                same_bits(u_memory, before)
                untouched_elsewhere(out, out_memory)


SLABS = [
    ((33, 44, 44), (0, 1, 2)),
    ((33, 44, 44), (0, 2, 1)),
    ((44, 33, 44), (1, 2, 0)),
    ((17, 9, 21, 23), (0, 1, 2, 3)),
    ((67, 31, 37), (2, 0)),
    ((300, 260), (0, 1)),
]


@pytest.mark.parallel([1, 4])
def test_arrays_larger_than_the_cache():
    """Sweeps plane by plane, in tiles with remainders, with stores past the cache; the ranks' blocks differ in size.

    Some of the shapes are such that the larger blocks do not stay in cache and the smaller ones do.
    """
    for (shape, axes), dtype in itertools.product(SLABS, "dD"):
        whole = random_array(rng(*shape), shape, dtype)
        for grid, method in zip((None, [0] * len(shape)), ("shared", "pairwise"), strict=True):
            dims = grid and [1 if k == axes[-1] else 0 for k in range(len(shape))]
            with PFFT(WORLD, shape, axes, dtype, dims, method=method) as fft:
                check_plan(fft, whole, f"{shape} {axes} {dtype} {dims} {method}")


@pytest.mark.parallel([2])
def test_blocks_on_both_sides_of_the_size_of_the_cache():
    """What one rank's block is like must not change how another reads its boxes."""
    for n in range(15, 19):
        shape = (n * WORLD.size + 1, 44, 44)
        for dtype, method in (("D", "shared"), ("d", "alltoallv"), ("D", "pairwise"), ("F", "alltoallw")):
            whole = random_array(rng(*shape), shape, dtype)
            with PFFT(WORLD, shape, dtype=dtype, grid=[0, 1, 1], method=method, backend="scipy") as fft:
                check_plan(fft, whole, f"{shape} {dtype} {method}")


IN_PLACE = [
    ((6, 5, 4), (1,), [0, 1, 1]),
    ((6, 5, 4), (2, 1), [0, 1, 1]),
    ((3, 70, 1000), (1, 2), [0, 1, 1]),
    ((8, 8), (0, 1), None),
    ((8, 4, 16), (0, 1, 2), None),
]


@pytest.mark.parallel([1, 2, 4])
def test_in_place():
    """`out` may be the input, or lie in its memory in another shape: then, and only then, the input is overwritten."""
    for shape, axes, grid in IN_PLACE:
        whole = random_array(rng(6), shape, "D")
        with PFFT(WORLD, shape, axes, complex, grid) as fft:
            for way, call in enumerate((fft.forward, fft.backward)):
                u = block(fft, whole, way == 1).copy()
                expected = call(u)
                out = u if u.shape == expected.shape else u.reshape(expected.shape)
                returned = call(u, out)
                with everywhere():
                    np.testing.assert_equal(returned is out, True)
                    same_bits(out, np.asarray(expected))


@pytest.mark.parallel([1, 3])
def test_an_output_that_is_the_input_transposed():
    """One sweep reads and writes the same memory in different orders."""
    shape = (200 * WORLD.size, 200)
    whole = random_array(rng(6), shape, "D")
    with PFFT(WORLD, shape, (1,), complex, [0, 1]) as fft:
        memory = block(fft, whole, False).copy()
        expected = fft.forward(memory)
        fft.forward(memory, memory.T)
        with everywhere():
            np.testing.assert_array_equal(memory.T, expected)


@pytest.mark.parallel([1, 3])
def test_results_are_the_caller_s():
    """Many results held at once stay as they were, and writing to them disturbs nothing."""
    whole = random_array(rng(7), (40, 6, 12, 10), "d")
    for method in METHODS:
        with PFFT(WORLD, (6, 12, 10), method=method) as fft:
            spectra = [fft.forward(block(fft, part, False)) for part in whole]
            points = [fft.backward(u_hat) for u_hat in spectra]
            expected = transformed(whole, (1, 2, 3))
            for k, (u_hat, u) in enumerate(zip(spectra, points, strict=True)):
                close_to(fft, u_hat, expected[k], True, "d")
                close_to(fft, u, whole[k], False, "d")
                u_hat[...] = u[...] = np.nan
            check(not any(np.shares_memory(a, b) for a, b in itertools.pairwise(spectra)), "results share memory")
            close_to(fft, fft.forward(block(fft, whole[3], False)), expected[3], True, "d")


@pytest.mark.parallel([2, 3])
def test_ranks_that_come_late():
    """Calls one after the other with other contents each, while ranks come late in turn; compared at the end."""
    whole = random_array(rng(8), (30, 18, 20, 16), "D")
    for method in METHODS:
        with PFFT(WORLD, (18, 20, 16), dtype=complex, method=method, grid=[0, 1, 1]) as fft:
            results = []
            for k, part in enumerate(whole):
                u = block(fft, part, False)
                for _ in range(600 if k % WORLD.size == WORLD.rank else 1):
                    u = u + 0  # idle work
                results.append(fft.backward(fft.forward(u)))
            for part, result in zip(whole, results, strict=True):
                close_to(fft, result, part, False, "D")


@pytest.mark.parallel([1, 2, 4])
def test_distributed_arrays():
    """What newDistArray makes fits the plan; fields of vectors and tensors go through component by component too."""
    fft = PFFT(WORLD, (6, 5, 4))
    for rank in (0, 1, 2):
        u = newDistArray(fft, False, val=2, rank=rank)
        u_hat = newDistArray(fft, rank=rank)
        with everywhere():
            np.testing.assert_equal([type(u), type(u_hat)], [DistArray, DistArray])
            np.testing.assert_equal((u.shape, u.rank), ((3,) * rank + fft.shape(False), rank))
            np.testing.assert_equal((u_hat.shape, u_hat.rank), ((3,) * rank + fft.shape(True), rank))
            np.testing.assert_equal((u.alignment, u_hat.alignment), (2, 0))
            np.testing.assert_equal((u.dtype, u_hat.dtype), (np.dtype(float), np.dtype(complex)))
            np.testing.assert_array_equal(u, 2)
            np.testing.assert_array_equal(u_hat, 0)
        whole = random_array(rng(9), u.global_shape, float)
        u[...] = whole[u.local_slice()]
        expected = transformed(whole, range(rank, rank + 3))
        together = fft.forward(u)
        close_to(fft, together, expected, True, float)
        with everywhere():
            np.testing.assert_equal((together.global_shape, together.rank), (expected.shape, rank))
            np.testing.assert_equal(together.alignment, 0)
        if rank:
            for k in range(3):
                fft.forward(u[k], u_hat[k])
            with everywhere():
                np.testing.assert_array_equal(u_hat, together)
    fft.close()


@pytest.mark.parallel([1, 3])
def test_component_axes_of_any_extents():
    """Also of those that one after another differ, and that are found on an array without a pencil."""
    shape = (5, 4, 6)
    with PFFT(WORLD, shape, (0, 2, 1)) as fft:
        for components in ((1,), (7,), (2, 5), (3, 1), (2, 1, 2), (7,)):
            whole = random_array(rng(*components), components + shape, float)
            u_hat = fft.forward(block(fft, whole, False).copy())
            expected = transformed(whole, [axis + len(components) for axis in fft.axes])
            back = fft.backward(u_hat)
            close_to(fft, u_hat, expected, True, float)
            close_to(fft, back, whole, False, float)
            check(u_hat.rank == len(components), f"{u_hat.rank} component axes, not {len(components)}")


@pytest.mark.parallel([1, 2, 4])
def test_parts_of_the_ranks():
    """Plans over a part of the ranks, with others over the other part at the same time."""
    color = WORLD.rank % 2
    comm = WORLD.Split(color)
    shape = (7, 6, 5 + color)
    whole = random_array(rng(10, color), shape, float)
    with PFFT(comm, shape) as fft:
        close_to(fft, fft.forward(block(fft, whole, False)), transformed(whole, (0, 1, 2)), True, float)
    comm.Free()


@pytest.mark.parallel([1, 2])
def test_a_plan_knows_itself():
    with PFFT(WORLD, (6, 8), axes=(1, 0), dtype="f4") as fft:
        check(fft.comm is WORLD, "the communicator is that of the caller")
        np.testing.assert_equal(fft.axes, (1, 0))
        np.testing.assert_equal(fft.dimensions, 2)
        np.testing.assert_equal([c.size for c in fft.subcomm], [1, WORLD.size])
        np.testing.assert_equal(fft.global_shape(False), (6, 8))
        np.testing.assert_equal(fft.global_shape(True), (4, 8))
        np.testing.assert_equal((fft.dtype(False), fft.dtype(True)), (np.dtype("f4"), np.dtype("F")))
    with PFFT(WORLD, (6, 8), axes=-1) as fft:
        np.testing.assert_equal(fft.axes, (1,))


EXACT = [((24, 20), (0, 1)), ((13, 5, 6), (2, 0, 1)), ((4, 3, 32), (2,)), ((31, 2, 16), (1, 2, 0))]


@pytest.mark.parallel([1, 2])
def test_as_exact_as_an_fft_can_be():
    """A few eps * sqrt(log2(N)) away from the sum that defines the transform, in long double, in every precision."""
    pairs = [(dtype, backend) for dtype in ELEMENTS for backend in engines(dtype)]
    for (shape, axes), (dtype, backend) in itertools.product(EXACT, pairs):
        whole = random_array(rng(*shape), shape, dtype)
        expected = whole.astype(np.clongdouble if dtype.kind == "c" else np.longdouble)
        for k, axis in enumerate(reversed(axes)):
            matrix = half_projection if k == 0 and dtype.kind == "f" else projection
            expected = along(matrix(shape[axis], shape[axis]), expected, axis)
        points = math.prod(shape[axis] for axis in axes)
        with PFFT(WORLD, shape, axes, dtype, backend=backend) as fft:
            u_hat = fft.forward(block(fft, whole, False))
            found = gather_global(u_hat, fft.local_slice(True), expected.shape)
            with everywhere():
                close(found, expected, dtype, points, factor=3)
            if dtype.kind == "c":
                spectrum = random_array(rng(*shape), shape, dtype)
                expected = spectrum.astype(np.clongdouble)
                for axis in axes:
                    expected = along(interpolation(shape[axis], shape[axis]), expected, axis)
                u = fft.backward(block(fft, spectrum, True))
                found = gather_global(u, fft.local_slice(False), expected.shape)
                with everywhere():
                    close(found, expected, dtype, points, factor=3)
