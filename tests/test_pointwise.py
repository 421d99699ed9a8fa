"""Functions of points applied to modes: next to numpy.fft, and to backward, the function on whole blocks, forward."""

import ctypes
import gc
import itertools
import math
import signal
import threading
import time
from functools import partial

import numpy as np
import pytest
from caches import small_caches
from families import requests
from layouts import empty_like, laid_out, layouts
from lockstep import given, settings, st
from mpi4py import MPI
from oracles import close, random_array
from support import check, everywhere, expect_everywhere, gather_global, rng, same_everywhere

from mpi4py_pencil import DCT, PFFT, Ball, LinearMap, _kernels, newDistArray
from mpi4py_pencil.layout.arrays import view_at

WORLD = MPI.COMM_WORLD
LAST = WORLD.rank == WORLD.size - 1


def products(x, out, *values):
    """Fill all outputs, whatever their number, from all inputs."""
    rank = x.ndim - BLOCK[0]
    fields = x.reshape(math.prod(x.shape[:rank]), *x.shape[rank:])
    components = out.shape[: out.ndim - BLOCK[0]]
    for k, index in enumerate(np.ndindex(components)):
        out[index] = fields[k % len(fields)] * fields[(k + 1) % len(fields)] + sum(values)


# The axes of the block in the test that runs.
BLOCK = [0]


def apart(fft, u_hat, function, outputs, *values):
    """Return what a product is by definition: three calls with fields in space."""
    x = np.asarray(fft.backward(np.asarray(u_hat)))
    out = np.empty(outputs + fft.shape(False), x.dtype)
    function(x, out, *values)
    return np.asarray(fft.forward(out))


def modes(fft, components, *key):
    """Return modes of random points."""
    u = random_array(rng(*key, WORLD.rank), components + fft.shape(False), fft.dtype(False))
    return np.asarray(fft.forward(u))


def equal(fft, found, expected, dtype):
    """Compare what ranks have, relative to all of it."""
    size = math.prod(fft.global_shape(False))
    scale = max(WORLD.allgather(float(np.max(np.abs(expected), initial=0)))) or 1.0
    with everywhere():
        tolerance = 40 * np.finfo(dtype).eps * max(1, math.log2(size)) * scale
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


@st.composite
def cases(draw):
    """Draw a plan, the components on both sides, and how the caller's arrays lie."""
    shape, kinds, arguments = draw(requests())
    components = st.lists(st.integers(1, 3), max_size=2).map(tuple)
    if all(kind == "fourier" for kind in kinds.values()):
        arguments["padding"] = draw(st.sampled_from([None, 1.5]))
        arguments["axes"] = arguments["axes"]
    inputs, outputs = draw(components), draw(components)
    lying = draw(layouts(len(inputs) + len(shape))), draw(layouts(len(outputs) + len(shape)))
    return shape, arguments, inputs, outputs, lying, draw(st.booleans()), draw(st.sampled_from([1, 1, 2]))


@pytest.mark.parallel([1, 3, 4])
@settings(max_examples=25)
@given(cases(), st.booleans())
def test_any_plan(case, small):
    """Any transforms, grid, method, engine, precision, padding, layout; planes and tiles of any size; threads."""
    shape, arguments, inputs, outputs, lying, ends, threads = case
    BLOCK[0] = len(shape)
    cached, tile = (128, 512) if small else (1 << 19, 1 << 18)
    with small_caches(cached, tile), PFFT(WORLD, shape, threads=threads, **arguments) as fft:
        dtype = fft.dtype(False).char.lower()
        u_hat, _ = laid_out(modes(fft, inputs, 1), lying[0])
        before = after = None
        expected_in = u_hat
        if ends:
            before, after = twice, halved
            expected_in = 2 * np.asarray(u_hat)
        expected = apart(fft, expected_in, products, outputs, 0.5)
        if ends:
            expected = expected / 2 + 0.5
        product = fft.pointwise(products, inputs, outputs, before=before, after=after)
        kept = u_hat.copy()
        out, _ = empty_like(expected.shape, expected.dtype, lying[1])
        result = product(u_hat, out, 0.5)
        equal(fft, result, expected, dtype)
        if not ends:
            equal(fft, product(u_hat, None, 0.5), expected, dtype)
        check(result is out and np.array_equal(u_hat, kept), "the output is the caller's, the input as it was")
        if inputs == outputs:
            product(u_hat, u_hat, 0.5)
            equal(fft, u_hat, expected, dtype)


def twice(u_hat, out, k, *values):
    """Make the modes twice as large."""
    np.multiply(u_hat, 2, out=out)


def halved(x, out, k, *values):
    """Write half of the modes, and what was given with the call."""
    np.divide(x, 2, out=out)
    out += values[0]


@pytest.mark.parallel([1, 2, 4])
def test_a_square_against_numpy():
    """Modes of a product of fields, of the points on a finer grid, by numpy.fft of the whole."""
    shape = (8, 6, 10)
    fine = tuple(3 * n // 2 for n in shape)
    whole = rng(5).random(shape)
    spectrum = np.fft.rfftn(whole, norm="forward")
    for k, n in enumerate(shape):  # without the highest modes, which have two places on a finer grid
        spectrum[(slice(None),) * k + (n // 2,)] = 0
    padded = np.zeros((*fine[:2], fine[2] // 2 + 1), complex)
    places = [np.fft.fftfreq(n, 1 / n).astype(int) for n in shape[:2]] + [np.arange(shape[2] // 2 + 1)]
    padded[np.ix_(*places)] = spectrum
    square = np.fft.rfftn(np.fft.irfftn(padded, fine, axes=(0, 1, 2), norm="forward") ** 2, norm="forward")[
        np.ix_(*places)
    ]
    inside = np.ones(square.shape, bool)
    for k, n in enumerate(shape):
        inside[(slice(None),) * k + (n // 2,)] = False
    for grid in (None, [0, 0, 1]):
        with PFFT(WORLD, shape, padding=1.5, grid=grid) as fft:
            product = fft.pointwise(lambda x, out: np.multiply(x, x, out=out))
            found = gather_global(product(spectrum[fft.local_slice()].copy()), fft.local_slice(), square.shape)
            with everywhere():
                close(found[inside], square[inside], "d", math.prod(fine), 10)


@pytest.mark.parallel([1, 2, 4])
def test_wave_numbers_and_places():
    """What functions are told: the wave numbers of their tile, its place, the values and the arrays of the call."""
    shape = (6, 9, 8)
    for grid, threads in ((None, 1), ([0, 0, 1], 1), (None, 3)):
        with small_caches(), PFFT(WORLD, shape, grid=grid, threads=threads) as fft:
            x, y, z = np.broadcast_arrays(*fft.local_mesh())

            def function(u, out, at, shift, x=x, y=y, z=z):
                np.multiply(u[0], np.cos(x[at]) * y[at] + z[at] * shift, out=out)

            def before(u_hat, out, k, shift):
                out[0] = u_hat[0] * (k[0] + 2 * k[1] + 3j * k[2])

            def after(w, out, k, shift, *, start, total):
                total += w * (k[0] ** 2 + k[1] + k[2])
                out[...] = (start + total)[None, None]

            u_hat = modes(fft, (1,), 7)
            product = fft.pointwise(function, 1, (), before=before, after=after, places=True)
            k = fft.wavenumbers()
            start, total = modes(fft, (), 8), modes(fft, (), 9)
            kept = total.copy()
            v = np.asarray(fft.backward((u_hat[0] * (k[0] + 2 * k[1] + 3j * k[2]))[None]))
            w = np.asarray(fft.forward(v[0] * (np.cos(x) * y + z * 0.25)))
            out = np.empty((1, 1, *fft.shape()), complex)
            product(u_hat, out, 0.25, start=start, total=total)
            expected = kept + w * (k[0] ** 2 + k[1] + k[2])
            equal(fft, total, expected, "d")
            equal(fft, out[0, 0], expected + start, "d")


@pytest.mark.parallel([1, 2, 4])
def test_what_a_function_returns_is_reduced():
    """Over all tiles and ranks, those without points too; the same on every rank."""
    with small_caches(), PFFT(WORLD, (4, 3, 8), dtype=complex) as fft:
        u_hat = modes(fft, (2,), 3)
        u = np.asarray(fft.backward(u_hat))
        most = WORLD.allreduce([float(np.abs(each).max(initial=0)) for each in u])
        for name, function, expected in (
            ("max", lambda x: [np.abs(x[0]).max(), np.abs(x[1]).max()], np.reshape(most, (-1, 2)).max(0)),
            ("sum", lambda x: np.sum(np.abs(x) ** 2), WORLD.allreduce(float(np.sum(np.abs(u) ** 2)))),
            ("min", lambda x: -np.abs(x).max(), -max(most)),
        ):

            def applied(x, out, function=function):
                out[...] = x
                return function(x)

            _, found = fft.pointwise(applied, 2, 2, reduce=name)(u_hat)
            same_everywhere(np.asarray(found).tolist())
            with everywhere():
                np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parallel([1, 2, 4])
@pytest.mark.parametrize("method", ["shared", "alltoallv", "alltoallw", "pairwise"])
def test_an_exception_on_one_rank(method):
    """Of any of the functions: it raises on all ranks, which stay in step; what comes next is right."""
    failing = [""]

    def at(name):
        if failing[0] == name and LAST:
            raise ZeroDivisionError(f"in {name}")

    def function(x, out):
        at("function")
        np.multiply(x, x, out=out)

    def before(u_hat, out, k):
        at("before")
        out[...] = u_hat

    def after(x, out, k):
        at("after")
        out[...] = x

    with PFFT(WORLD, (6, 5, 4), method=method, grid=[0, 0, 1]) as fft:
        u_hat = modes(fft, (), 4)
        expected = apart(fft, u_hat, lambda x, out: np.multiply(x, x, out=out), ())
        product = fft.pointwise(function, before=before, after=after)
        for name in ("", "before", "function", "", "after", ""):
            failing[0] = name
            if name:
                with everywhere(), pytest.raises(ZeroDivisionError, match=f"in {name}"):
                    product(u_hat, np.empty_like(u_hat))
            else:
                equal(fft, product(u_hat, np.empty_like(u_hat)), expected, "d")
        failing[0] = ""
        equal(fft, fft.backward(fft.forward(fft.backward(u_hat))), fft.backward(u_hat), "d")


@pytest.mark.parallel([1, 3, 4])
def test_truncated_plans_and_maps():
    """Modes that a plan leaves out are zero; a map of the user's is called too."""
    shape = (12, 10, 8)
    square = lambda x, out: np.multiply(x, x, out=out)  # noqa: E731
    for arguments in (
        {"truncation": (3, 2, 2)},
        {"truncation": Ball(3)},
        {"transforms": {0: LinearMap(lambda a: 2 * a, lambda a: a / 2), 2: DCT(2)}},
    ):
        with PFFT(WORLD, shape, dtype=complex, **arguments) as fft:
            u_hat = modes(fft, (), 6)
            equal(fft, fft.pointwise(square)(u_hat), apart(fft, u_hat, square, ()), "d")
    for shape, arguments in (
        ((12, 10, 8), {"truncation": (3, None, 2)}),
        ((12, 10, 8), {"truncation": Ball((3, None, 2)), "padding": 1.5, "grid": [0, 0, 1]}),
        ((64, 48), {"truncation": 9, "threads": 2}),
        ((32, 3), {"truncation": (7, None), "axes": (0,), "grid": [1, 0]}),
    ):
        with PFFT(WORLD, shape, **arguments) as fft, small_caches(1 << 12, 1 << 10):
            assert_ends(fft)
    with PFFT(MPI.COMM_SELF, (8,), truncation=2) as line:
        u_hat = np.asarray(line.forward(rng(3).random(8)))
        expected = line.forward(np.asarray(line.backward(u_hat)) ** 2)
        out = np.full(5, 7 + 0j)
        close(line.pointwise(square)(u_hat, out), np.asarray(expected), "d", 8)


def assert_ends(fft):
    """Compare a product with functions of modes at both ends with calls of one after the other, on whole blocks."""

    def before(u_hat, out, k, c):
        out[0], out[1] = u_hat + 1, c * k[0] * u_hat

    def product(x, out, c):
        np.multiply(x[0], x[1], out=out[0])
        np.subtract(x[0], x[1], out=out[1])

    def after(x, out, k, c, more):
        x *= c * (1 + k[0] ** 2)
        out += x[0] + x[1] * more

    k, u_hat, more = fft.wavenumbers(), modes(fft, (), 7), modes(fft, (), 8)
    between = np.empty((2, *u_hat.shape), u_hat.dtype)
    wanted = u_hat + 1
    before(wanted, between, k, 0.5)
    after(apart(fft, between, product, (2,), 0.5), wanted, k, 0.5, more)
    fused = fft.pointwise(product, inputs=2, outputs=2, before=before, after=after)
    for _ in range(2):
        out = u_hat + 1
        equal(fft, fused(out, out, 0.5, more=more), wanted, "d")
    kept = u_hat + 1
    out = u_hat + 1
    equal(fft, fused(kept, out, 0.5, more=more), wanted, "d")
    check(np.array_equal(kept, u_hat + 1), "the input is changed")
    check(fused.description()["memory"]["ends"] == 4 * u_hat.nbytes, fused.describe())
    first = fft.pointwise(lambda x, out, c: np.copyto(out, x[0] * x[1]), inputs=2, before=before)
    equal(fft, first(kept, None, 0.5), apart(fft, between, lambda x, out: np.copyto(out, x[0] * x[1]), ()), "d")


@pytest.mark.parallel([1, 2])
def test_one_call_at_a_time():
    """Not from within a function, nor from another thread; afterwards all is well."""
    with PFFT(WORLD, (6, 4)) as fft:
        u_hat = modes(fft, (), 1)

        def calls(x, out):
            fft.forward(x.copy())

        with pytest.raises(RuntimeError, match="at work already"):
            fft.pointwise(calls)(u_hat)
        names = set()

        def noting(x, out):
            names.add(threading.current_thread().name)
            out[...] = x

        equal(fft, fft.pointwise(noting)(u_hat), u_hat, "d")
        check(names == {"MainThread"} or not names, str(names))


@pytest.mark.parallel([1, 2])
def test_what_is_not_filled_is_refused_where_calls_are_checked(monkeypatch):
    def forgets(x, out):
        out = x**2  # noqa: F841

    def forgets_one(u_hat, out, k):
        out[0] = u_hat

    def product(x, out):
        np.multiply(x[0], x[1], out=out)

    def square(x, out):
        np.multiply(x, x, out=out)

    monkeypatch.setenv("MPI4PY_PENCIL_CHECK", "1")
    for dtype in "fdD":
        fft = PFFT(WORLD, (6, 4), dtype=dtype)
        u_hat = fft.output.empty()
        u_hat[...] = 1
        wrong = {"function": fft.pointwise(forgets), "before": fft.pointwise(product, inputs=2, before=forgets_one)}
        for name, call in wrong.items():
            expect_everywhere(ValueError, f"{name} left points of out as they were", lambda: call(u_hat))  # noqa: B023
        with everywhere():
            np.testing.assert_allclose(
                fft.pointwise(square)(u_hat), fft.forward(fft.backward(u_hat) ** 2), rtol=1e-5, atol=1e-5
            )


@pytest.mark.parallel([1, 2])
def test_refusals():
    fft = PFFT(WORLD, (6, 4))
    copied = lambda x, out: np.copyto(out, x)  # noqa: E731
    for arguments, kind, message in (
        ({"function": "f"}, TypeError, "function must be a function, or the address of a compiled one, not str"),
        ({"function": 3}, TypeError, "function must be a function, or the address of a compiled one, not int"),
        ({"before": 3}, TypeError, "before must be a function, not int"),
        ({"inputs": 0}, TypeError, "inputs must be a positive int"),
        ({"outputs": (2, 1.5)}, TypeError, "outputs must be a positive int"),
        ({"reduce": "mean"}, ValueError, "reduce 'mean' does not exist: use one of 'max', 'min', 'sum'"),
        ({"places": 1}, TypeError, "places must be True or False"),
    ):
        given = {"function": copied, **arguments}
        expect_everywhere(kind, message, lambda given=given: fft.pointwise(**given))
    if WORLD.size > 1:
        differing = 2 if LAST else 1
        expect_everywhere(ValueError, "the ranks disagree on inputs", lambda: fft.pointwise(copied, differing))
    product = fft.pointwise(copied, 2, 2)
    u_hat = newDistArray(fft, True)
    expect_everywhere(ValueError, r"u_hat has shape .*, expected this rank's block \(2, ", lambda: product(u_hat))
    two = np.zeros((2, *fft.shape()), complex)
    expect_everywhere(TypeError, "out has dtype float64", lambda: product(two, np.zeros(two.shape)))
    expect_everywhere(TypeError, "start: further arrays are for the function after", lambda: product(two, start=two))
    expect_everywhere(
        TypeError, "out must be a numpy array, not float; values .* come after out", partial(product, two, 0.1)
    )
    if WORLD.size > 1:
        with everywhere(), pytest.raises(ValueError, match="u_hat has shape"):
            product(two[:1] if LAST else two)  # on one rank alone: the others do not wait for it
    made = partial(fft.pointwise, inputs=2, outputs=2)

    def returning(x, out, *_):
        return x * 2

    for arguments, name in (
        ({"function": returning}, "function"),
        ({"function": copied, "before": returning}, "before"),
    ):
        expect_everywhere(TypeError, f"{name} returned ndarray, and should fill", partial(made(**arguments), two))
    after = made(copied, after=returning)
    expect_everywhere(TypeError, "after returned ndarray, and should fill", partial(after, two, two.copy()))
    expect_everywhere(TypeError, "out must be given where there is a function after", partial(after, two))
    for returned in (None, "a", np.zeros((2, 2))):
        expect_everywhere(
            TypeError, "reduce wants a number", partial(made(lambda x, out, r=returned: r, reduce="max"), two)
        )
    fft.close()
    expect_everywhere(ValueError, "this PFFT is closed", lambda: product(two))
    expect_everywhere(ValueError, "this PFFT is closed", lambda: fft.pointwise(copied))


SIGNATURE = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_ssize_t,
    ctypes.c_void_p,
    ctypes.c_ssize_t,
    ctypes.c_void_p,
    ctypes.c_ssize_t,
    ctypes.POINTER(ctypes.c_double),
)


@pytest.mark.parallel([1, 4])
def test_compiled_functions():
    """By address: what they get, on tiles of one and of several planes; a status that is not 0 raises on every rank."""
    failing = [False]

    @SIGNATURE
    def function(points, x, step, out, out_step, values):
        if failing[0] and LAST:
            return 7
        size = points + step
        inputs = view_at(x, (size,), np.dtype(float), (8,))
        outputs = view_at(out, (points + 2 * out_step,), np.dtype(float), (8,))
        for k in range(3):
            outputs[k * out_step :][:points] = inputs[:points] * inputs[step:] ** k * values[0] + values[1]
        return 0

    def by_numpy(x, out, a, b):
        for k in range(3):
            out[k] = x[0] * x[1] ** k * a + b

    address = ctypes.cast(function, ctypes.c_void_p).value
    for small, threads, passed in itertools.product((False, True), (1, 2), (function, address)):
        cached, tile = (128, 512) if small else (1 << 19, 1 << 18)
        with small_caches(cached, tile), PFFT(WORLD, (6, 5, 8), grid=[0, 1, 1], threads=threads) as fft:
            u_hat = modes(fft, (2,), 1)
            product = fft.pointwise(passed, 2, 3)
            for values in ((2.0, 0.5), (3, -1)):
                equal(fft, product(u_hat, None, *values), apart(fft, u_hat, by_numpy, (3,), *values), "d")
            failing[0] = True
            with everywhere(), pytest.raises(RuntimeError, match="the compiled function returned 7"):
                product(u_hat, None, 1, 1)
            failing[0] = False
            equal(fft, product(u_hat, None, 1, 0), apart(fft, u_hat, by_numpy, (3,), 1, 0), "d")
            expect_everywhere(ValueError, "places and reduce", partial(fft.pointwise, function, reduce="max"))
            expect_everywhere(TypeError, "at most 32 numbers", partial(product, u_hat, None, *range(33)))
            expect_everywhere(TypeError, "at most 32 numbers", partial(product, u_hat, None, "a"))


def squared(x, out, *_):
    """Fill `out` with the squares."""
    np.multiply(x, x, out=out)


@pytest.mark.parallel([1, 2])
def test_names_of_further_arrays():
    """They may be those of the others, and do not take their place; what is only read may be read-only."""
    with PFFT(WORLD, (6, 4)) as fft:
        u_hat, further = modes(fft, (), 1), modes(fft, (), 2)
        expected = apart(fft, u_hat, squared, ())
        further.flags.writeable = False

        def after(x, out, k, *, u_hat):
            np.add(x, u_hat, out=out)

        product = fft.pointwise(squared, after=after)
        equal(fft, product(u_hat, np.empty_like(u_hat), u_hat=further), expected + further, "d")
        call = partial(product, np.zeros((2, *u_hat.shape)), np.empty_like(u_hat), u_hat=further)
        expect_everywhere((TypeError, ValueError), "u_hat has", call)
        wrong = fft.pointwise(lambda x, out: None, 2, 3)
        two = modes(fft, (2,), 1)
        expect_everywhere(ValueError, r"out has shape \(2, .*\(3, ", partial(wrong, two, two))


@pytest.mark.parallel([1, 2])
def test_what_before_reads_is_not_changed():
    with PFFT(WORLD, (6, 4)) as fft:
        u_hat = modes(fft, (), 1)
        kept = u_hat.copy()

        def before(a, out, k):
            a *= 2

        product = fft.pointwise(squared, before=before)
        expect_everywhere(ValueError, "read-only", partial(product, u_hat))
        check(np.array_equal(u_hat, kept), "the modes are what they were")


@pytest.mark.parallel([1, 3])
def test_what_is_returned_may_be_anything_of_a_tile():
    """A view, a buffer that is filled anew for each tile, truths: what counts is what it was when it was returned."""
    with small_caches(), PFFT(WORLD, (6, 5, 8)) as fft:
        u_hat = modes(fft, (), 1)
        u = np.asarray(fft.backward(u_hat))
        buffer, tiles = np.empty(()), [0]

        def into_buffer(x, out):
            tiles[0] += 1
            out[...] = x
            return np.sum(x, out=buffer)

        total = WORLD.allreduce(float(u.sum()))
        _, found = fft.pointwise(into_buffer, reduce="sum")(u_hat)
        np.testing.assert_allclose(found, total, rtol=1e-12)
        of_all = WORLD.allreduce(tiles[0])
        for one in (True, np.int8(100), np.uint8(200)):
            _, found = fft.pointwise(lambda x, out, one=one: one, reduce="sum")(u_hat)
            np.testing.assert_equal(int(found), of_all * int(one))


@pytest.mark.parallel([2, 3])
def test_reductions_that_fail_on_one_rank():
    with small_caches(), PFFT(WORLD, (6, 5, 8)) as fft:
        u_hat = modes(fft, (), 1)
        for wrong in (None, np.zeros(3), object()):
            numbers = itertools.count()

            def function(x, out, wrong=wrong, numbers=numbers):
                return wrong if LAST and next(numbers) == 1 else 1.0

            product = fft.pointwise(function, reduce="max")
            kind = TypeError if not isinstance(wrong, np.ndarray) else ValueError
            expect_everywhere(kind, "function returned", partial(product, u_hat))
        equal(fft, fft.pointwise(squared)(u_hat), apart(fft, u_hat, squared, ()), "d")


@pytest.mark.parallel([1])
def test_tiles_that_are_kept():
    """They stay memory of their own when the product has gone."""
    fft = PFFT(WORLD, (16, 16, 16))
    kept = []

    def keeping(x, out):
        kept.append(out)
        out[...] = x

    product = fft.pointwise(keeping)
    product(modes(fft, (), 1))
    del product
    gc.collect()
    others = [np.zeros(2**14) for _ in range(8)]
    for tile in kept:
        tile[...] = 1
        base = tile
        while isinstance(base, np.ndarray):
            base = base.base
        check(isinstance(base.owner, np.ndarray), "a tile keeps its memory")
    check(not any(np.any(each) for each in others), "nobody else's memory is written to")


@pytest.mark.parallel([1, 2])
def test_a_signal_while_threads_are_at_work():
    """The call ends when all of them have: nobody writes to memory afterwards."""
    state = {"running": 0}
    ended = []

    def slow(lines):
        if threading.current_thread() is not threading.main_thread():
            state["running"] += 1
            time.sleep(0.2)
            state["running"] -= 1
        return lines * 1

    transforms = {0: LinearMap(slow, slow)}
    with small_caches(), PFFT(WORLD, (8, 64), axes=[0], threads=2, transforms=transforms) as fft:
        u = np.ones(fft.shape(False))
        fft.forward(u)
        previous = signal.signal(signal.SIGALRM, interrupt)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with everywhere():
                with pytest.raises(KeyboardInterrupt):
                    fft.forward(u)
                ended.append(state["running"])
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)
        check(ended == [0], f"{ended} threads were at work after the call")


def interrupt(*_):
    """Raise what Ctrl-C raises."""
    raise KeyboardInterrupt


@pytest.mark.parallel([2, 4])
def test_a_wait_that_is_interrupted_on_one_rank(monkeypatch):
    """Of a plan with several windows: those who come to another one do not wait there for ever either."""
    grid = [0, 0, 1] if WORLD.size > 3 else None
    fft = PFFT(WORLD, (8, 8, 8), method="shared", grid=grid)
    u_hat = modes(fft, (), 1)
    naps = [0.0]

    def slow(x, out):
        time.sleep(naps[0])
        squared(x, out)

    product = fft.pointwise(slow)
    product(u_hat)
    if LAST:
        monkeypatch.setattr(_kernels, "arrived", interrupt)
    else:
        naps[0] = 0.05  # so that the last rank comes to wait
    kinds = (KeyboardInterrupt,) if LAST else (RuntimeError,)
    with everywhere(), pytest.raises(kinds):
        product(u_hat)
    monkeypatch.undo()
    expect_everywhere(RuntimeError, "a call was interrupted while ranks waited|has left", partial(product, u_hat))


@pytest.mark.parallel([2, 3])
def test_arrays_of_the_same_ranks_in_another_order():
    """Blocks are by rank: another order is another distribution."""
    turned = WORLD.Split(0, -WORLD.rank)
    one, other = (PFFT(comm, (6, 6), dtype=complex) for comm in (WORLD, turned))
    expect_everywhere(ValueError, "u is distributed as", partial(one.forward, newDistArray(other, False)))
    expect_everywhere(ValueError, "u_hat is distributed as", partial(one.pointwise(squared), newDistArray(other)))
    one.forward(newDistArray(PFFT(WORLD.Dup(), (6, 6), dtype=complex), False, val=1))


@pytest.mark.parallel([1, 2, 4])
def test_what_is_told_is_what_is_done_and_held():
    """Trips as a timed call has them, an exchange for each divided axis there and back, and two arrays at the most."""
    for shape, grid in (((32, 32, 64), None), ((16, 8, 12), [0, 0, 1])):
        fft = PFFT(WORLD, shape, dtype=float, grid=grid, method="shared")
        squares = fft.pointwise(partial(products), inputs=6, outputs=3)
        BLOCK[0] = 3
        told = squares.description()
        u_hat = modes(fft, (6,), 7)
        squares(u_hat)
        with fft.timings() as timings:
            squares(u_hat)
        stages = [stage.what for stage in timings.stages]
        same_everywhere(stages)
        divided = max(sum(n > 1 for n in pencil.sizes) for pencil in (fft.input.pencil, fft.output.pencil))
        with everywhere():
            np.testing.assert_equal([told["inputs"], told["outputs"]], [6, 3])
            np.testing.assert_equal(told["passes"], stages.count("sweep"))
            np.testing.assert_equal(told["exchanges"], 2 * divided)
            unit = math.prod(fft.shape(True)) * fft.dtype(True).itemsize
            np.testing.assert_equal(told["memory"]["local_array"], unit)
            # two exchanges, or two trips without one, hold two arrays of a field
            np.testing.assert_array_less(told["memory"]["inputs"], 2.3 * 6 * unit + 1)
            np.testing.assert_array_less(told["memory"]["outputs"], 2.3 * 3 * unit + 1)
            text = squares.describe()
            check("6 fields to 3 fields" in text and f"{told['passes']} trips" in text, text)
