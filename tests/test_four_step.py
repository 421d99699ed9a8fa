"""Transforms of one line that is divided among the ranks, against numpy.fft of the whole line."""

import itertools
from functools import partial

import numpy as np
import pyfftw
import pytest
from installed import engines
from layouts import empty_like, laid_out, layouts, untouched_elsewhere
from lockstep import given, settings, st
from mpi4py import MPI
from oracles import (
    along,
    backward_sum,
    close,
    forward_sum,
    interpolation,
    projection,
    random_array,
    same_bits,
    transformed,
)
from support import check, everywhere, expect_everywhere, gather_global, rng, windows

from mpi4py_pencil import FFT1D, PFFT
from mpi4py_pencil.exchange import METHODS
from mpi4py_pencil.four_step.places import Rule, gap, of_modes, of_points
from mpi4py_pencil.four_step.twiddles import nearest_factors, twiddles
from mpi4py_pencil.sweep import cache

WORLD = MPI.COMM_WORLD
LAST = WORLD.rank == WORLD.size - 1
# Primes, their squares, powers of two, products of many small factors and of a small and a large one.
LENGTHS = [49, 64, 97, 121, 210, 256, 420, 1009, 1024, 2 * 1009, 2310, 3600, 5040]


def mine(fft, whole, forward_output):
    """Return a copy of this rank's part of the whole."""
    return whole[fft.local_slice(forward_output)].copy()


def close_to(fft, result, whole, forward_output):
    """Gather a result and compare it with the whole; the parts must cover it, in order."""
    found = gather_global(result, fft.local_slice(forward_output), whole.shape, fft.comm)
    with everywhere(fft.comm):
        close(found, whole, whole.dtype, whole.shape[-1], factor=8)


def modes_of(whole, n):
    """Return the `n` lowest modes of points, by numpy.fft, or by the sum that defines them where some are left out."""
    if len(whole) > n:
        return forward_sum(whole.astype(np.result_type(whole, "g")), [0], [n])
    return transformed(whole, [0])


def points_of(modes, n, points, real):
    """Return the points of modes, likewise."""
    if points > n:
        return backward_sum(modes.astype("G"), [0], [points], [n], real)
    return np.fft.irfft(modes, n, norm="forward") if real else np.fft.ifft(modes, norm="forward")


def check_plan(fft, what=""):
    """Compare both directions, and what a plan says of its arrays."""
    n, points = fft.n, fft.points
    whole = random_array(rng(n), points, fft.dtype(False))
    spectrum = transformed(random_array(rng(n, 1), n, whole.dtype), [0]).astype(fft.dtype(True))
    close_to(fft, fft.forward(mine(fft, whole, False)), modes_of(whole, n).astype(spectrum.dtype), True)
    expected = points_of(spectrum, n, points, whole.dtype.kind == "f").astype(whole.dtype)
    close_to(fft, fft.backward(mine(fft, spectrum, True)), expected, False)
    with everywhere(fft.comm):
        for output, array in enumerate((whole, spectrum)):
            output = bool(output)
            np.testing.assert_equal(fft.shape(output), mine(fft, array, output).shape, what)
            np.testing.assert_equal(fft.global_shape(output), array.shape, what)
            np.testing.assert_equal(fft.dtype(output), array.dtype, what)


@pytest.mark.parallel([1, 2, 6])
def test_any_length():
    """Every length up to 30 and harder ones: more ranks than rows, than columns, than points."""
    methods = itertools.cycle(METHODS)
    # real and complex in turn, odd and even of both
    lengths = [*range(1, 31), *LENGTHS] if WORLD.size < 3 else [*range(1, 20), 36, 49, 97]
    for k, n in enumerate([*range(1, 10), *lengths]):
        with FFT1D(WORLD, n, "dDDd"[k % 4], method=next(methods), backend="numpy") as fft:
            check_plan(fft, f"{n} {fft.dtype()}")


@pytest.mark.parallel([1, 4])
def test_padding():
    """Odd and even modes of odd and even points; more points than modes by one, and so many that lines are empty."""
    methods = itertools.cycle(METHODS)
    lengths = [*range(1, 12), 16, 36, 49, 97] if WORLD.size == 1 else [*range(1, 7), 11, 36, 97]
    for n, factor, dtype in [*itertools.product(lengths, [1.5], "dD"), *itertools.product([1, 2, 5], [1.3, 9], "dD")]:
        with FFT1D(WORLD, n, dtype, method=next(methods), backend="numpy", padding=factor) as fft:
            np.testing.assert_equal(fft.points, int(n * factor))
            check_plan(fft, f"{n} {factor} {dtype}")


@pytest.mark.parallel([1, 3])
def test_as_a_transform_of_one_axis():
    """What a `PFFT` of one axis on one rank gives, in its arguments too: padded, scaled, threaded, with components."""
    cases = list(itertools.product((12, 15), "fdgFDG", (1, 1.5), ("forward", "backward", "ortho")))
    for n, dtype, padding, norm in cases if WORLD.size == 1 else cases[::5]:
        with (
            PFFT(MPI.COMM_SELF, (n,), dtype=dtype, padding=padding, norm=norm) as plain,
            FFT1D(WORLD, n, dtype, padding=padding, norm=norm) as fft,
        ):
            u = random_array(rng(n), (2, *plain.shape(False)), dtype)
            u_hat = np.asarray(plain.forward(u))
            (part,), (modes,) = fft.local_slice(False), fft.local_slice(True)
            close_to(fft, fft.forward(u[:, part]), u_hat, True)
            close_to(fft, fft.backward(u_hat[:, modes]), np.asarray(plain.backward(u_hat)), False)
            with everywhere():
                for found, whole, mine in (
                    (fft.local_mesh(3), plain.local_mesh(3), part),
                    (fft.wavenumbers(3), plain.wavenumbers(3), modes),
                ):
                    np.testing.assert_array_equal(found[0], whole[0][mine])
                    np.testing.assert_equal(found[0].dtype, whole[0].dtype)


@pytest.mark.parallel([1, 3])
def test_parts_that_do_not_count():
    """Of real data the imaginary parts of the mean and of the Nyquist mode, as for numpy.fft.irfft."""
    for n, padding in ((12, 1), (30, 1), (8, 1.5)):
        with FFT1D(WORLD, n, float, padding=padding) as fft:
            whole = transformed(random_array(rng(n), n, "d"), [0])
            results = []
            for end in (0, 5j):
                whole[[0, -1]] = whole[[0, -1]].real + end
                results.append(fft.backward(mine(fft, whole, True)))
            with everywhere():
                same_bits(*results)
            modes = gather_global(fft.forward(results[0]), fft.local_slice(True), whole.shape)
            check(modes[0].imag == modes[-1].imag == 0, f"{modes[[0, -1]]} are not real")


@pytest.mark.parallel([1, 3])
def test_component_axes():
    """Any, none of them long, with steps between the items, and with results that lie where lines were."""
    for dtype, components in [("D", (3,)), ("d", (2, 3)), ("D", (0,)), ("d", (1,))]:
        with FFT1D(WORLD, 30, dtype) as fft:
            whole = random_array(rng(5), (*components, 30), dtype)
            spectrum = np.fft.rfft(whole, norm="forward") if dtype == "d" else np.fft.fft(whole, norm="forward")
            wide = np.zeros((*components, *fft.shape(False), 2), dtype)
            wide[..., 0] = whole[(..., *fft.local_slice(False))]
            close_to(fft, fft.forward(wide[..., 0]), spectrum, True)
            back = fft.backward(spectrum[(..., *fft.local_slice(True))])
            close_to(fft, back, whole, False)
    with FFT1D(WORLD, 36) as fft:
        whole = random_array(rng(6), (4, 36), "D")
        memory = np.zeros((4, *fft.shape(False)), complex)
        memory[...] = whole[(..., *fft.local_slice(False))]
        expected = fft.forward(memory)
        fft.forward(memory, memory[::-1])
        with everywhere():
            same_bits(memory[::-1], expected)
            if WORLD.size > 1:
                known, new = np.zeros((2, *fft.shape(False)), complex), np.zeros((3, *fft.shape(False)), complex)
    if WORLD.size > 1:
        with FFT1D(WORLD, 36) as fft:
            message = "the ranks disagree on the component axes"
            expect_everywhere(ValueError, message, lambda: fft.forward(known if LAST else new))


@pytest.mark.parallel([1, 3])
def test_threads(monkeypatch):
    """Each has a part of the lines and of the copies."""
    monkeypatch.setattr(cache, "CACHED_BYTES", 64)
    for n, dtype, padding in ((2310, "d", 1.5), (1024, "D", 1), (60, "f", 1.4), (13, "D", 2), (2, "d", 1)):
        results = []
        for threads in (1, 4):
            with FFT1D(WORLD, n, dtype, padding=padding, threads=threads) as fft:
                u = random_array(rng(n), fft.points, dtype)[fft.local_slice(False)]
                modes = [fft.forward(u) for _ in range(3)]
                results += [*modes, fft.backward(modes[0])]
        with everywhere():
            for one, other in zip(results[:4], results[4:], strict=True):
                close(one, other, dtype, n)


@pytest.mark.parallel([1, 2])
def test_timings():
    with FFT1D(WORLD, 60, float) as fft:
        u_hat = fft.forward(np.zeros(fft.shape(False)))
        with fft.timings() as timings:
            for _ in range(3):
                fft.backward(u_hat)
        fft.backward(u_hat)
    stages = [(s.way, s.stage, s.what, s.calls) for s in timings.stages]
    parts = [
        (s, w) for s in ("modes", "rows", "columns") for w in ("wait", "copy" if s == "modes" else "sweep", "exchange")
    ]
    check(stages == [("backward", s, w, 3) for s, w in [*parts, ("points", "copy")]], f"{stages}")
    check(all(0 <= s.fastest <= s.slowest for s in timings.stages), f"{timings}")


@pytest.mark.parallel([1, 3])
def test_every_method_in_every_precision():
    lengths = itertools.cycle((36, 210, 1009))
    for turn, (dtype, method) in enumerate(itertools.product("FDG", METHODS)):
        n = next(lengths)
        there = engines(dtype)
        backend = there[turn % len(there)]
        with FFT1D(WORLD, n, dtype, backend, method) as fft:
            check_plan(fft, f"{n} {dtype} {backend} {method}")


@pytest.mark.parallel([1, 2])
def test_the_scale():
    whole = random_array(rng(4), 30, "D")
    spectrum = np.fft.fft(whole)
    with FFT1D(WORLD, 30) as fft:
        for normalize, scale in ((None, 30), (True, 30), (False, 1)):
            close_to(fft, fft.forward(mine(fft, whole, False), normalize=normalize), spectrum / scale, True)
        for normalize, scale in ((None, 30), (True, 1), (False, 30)):
            close_to(fft, fft.backward(mine(fft, spectrum, True), normalize=normalize), whole * scale, False)


@pytest.mark.parallel([1, 3])
def test_lines_larger_than_the_cache():
    """Many tiles a sweep, the last of them partly filled, and stores past the cache."""
    for n, dtype, method in [(2**17, "D", "shared"), (331 * 347, "D", "pairwise"), (7 * 2**15, "F", "alltoallw")]:
        with FFT1D(WORLD, n, dtype, "numpy", method) as fft:
            check_plan(fft, f"{n} {dtype} {method}")


@pytest.mark.parallel([4])
def test_tiles_that_boxes_cut(monkeypatch):
    """What a rank holds is not held as boxes are given: a tile that a box ends is not full, and the next begins there.

    So 468 points are 18 rows of 26 columns, and the boundaries of 117 points lie in the columns 13, 0 and 13.
    """
    monkeypatch.setattr(cache, "TILE_BYTES", 512)
    for n in (468, 660):
        with FFT1D(WORLD, n, backend="numpy") as fft:
            check_plan(fft)


@pytest.mark.parallel([3])
def test_outboxes_in_shared_memory_take_turns():
    before = windows()
    with FFT1D(WORLD, 144, method="shared") as fft:
        check(windows() - before == 2, f"{windows() - before} windows for three exchanges")
        check_plan(fft)


@st.composite
def calls(draw):
    """Draw a length, a precision, a padding, a method, and layouts of source and target, of two lines each."""
    n = draw(st.sampled_from([1, 2, 5, 12, 36, 60, 101, 240]))
    padding = draw(st.sampled_from([1, 1, 1.5])) if n < 100 else 1
    return (
        n,
        draw(st.sampled_from("fdgFDG")),
        padding,
        draw(st.sampled_from(METHODS)),
        draw(layouts(2)),
        draw(layouts(2)),
    )


@pytest.mark.parallel([1, 3])
@settings(max_examples=20)
@given(calls())
def test_any_layout(case):
    """Steps of both signs, gaps, odd addresses; the input is read-only and stays, and so does what is around both."""
    n, dtype, padding, method, source, target = case
    with FFT1D(WORLD, n, dtype, "numpy", method, padding) as fft:
        real = fft.dtype().kind == "f"
        whole = random_array(rng(n), (2, fft.points), dtype)
        spectrum = transformed(random_array(rng(n, 1), (2, n), dtype), [1]).astype(fft.dtype(True))
        modes = np.array([modes_of(line, n) for line in whole]).astype(spectrum.dtype)
        points = np.array([points_of(line, n, fft.points, real) for line in spectrum]).astype(dtype)
        for output, (call, array, expected) in enumerate(
            ((fft.forward, whole, modes), (fft.backward, spectrum, points))
        ):
            u, u_memory = laid_out(array[(slice(None), *fft.local_slice(output == 1))], source)
            out, out_memory = empty_like((2, *fft.shape(output == 0)), fft.dtype(output == 0), target)
            u.flags.writeable = False
            before = u_memory.copy()
            returned = call(u, out)
            close_to(fft, out, expected, output == 0)
            with everywhere():
                np.testing.assert_equal(returned is out, True)
                same_bits(u_memory, before)
                untouched_elsewhere(out, out_memory)


@settings(max_examples=100)
@given(st.integers(1, 60), st.integers(0, 40), st.integers(1, 9), st.booleans(), st.data())
def test_every_item_is_somewhere(modes, more, ranks, real, data):
    """For each index of the whole: what items of the line the patches of all ranks say it is, once each."""
    points = modes + data.draw(st.sampled_from([0, more]))
    width = data.draw(st.sampled_from([k for k in range(1, points + 1) if points % k == 0]))
    for is_modes in (False, True):
        places = of_modes(modes, points, width, real, ranks) if is_modes else of_points(points, width, ranks)
        found = [[] for _ in range(points)]
        for owner, holder in itertools.product(range(ranks), repeat=2):
            for patch in places.patches(owner, holder):
                for i, j in np.ndindex(patch.slow[1], patch.fast[1]):
                    index = patch.fast[0] + j + (patch.slow[0] + i) * width
                    item = places.owned(owner)[0] + patch.item + i * patch.steps[0] + j * patch.steps[1]
                    check(0 <= item - places.owned(owner)[0] < places.owned(owner)[1], f"{item} is not of {owner}")
                    found[index].append((item, patch.rule))
        wanted = [stands_for(k, modes, points, real) if is_modes else (k, Rule.SAME) for k in range(points)]
        expected = [[] if each is None else [each] for each in wanted]
        held = [k for k in range(points) if k % width < places.fast]
        np.testing.assert_equal([found[k] for k in held], [expected[k] for k in held])
        np.testing.assert_equal([found[k] for k in range(points) if k not in held], [[]] * (points - len(held)))
    left_out = [k for k in range(points) if stands_for(k, modes, points, real) is None]
    np.testing.assert_equal(left_out, list(range(*gap(modes, points))))


def stands_for(k, modes, points, real):
    """Return the stored mode that index k of a whole spectrum belongs to, and how; None where it is not kept."""
    wave = k if 2 * k <= points else k - points
    if 2 * abs(wave) > modes:
        return None
    nyquist = 2 * abs(wave) == modes
    if real:
        plain = wave == 0 or (nyquist and modes == points)
        if plain or nyquist:
            return abs(wave), Rule.REAL if plain else Rule.HALF_REAL
        return abs(wave), Rule.SAME if wave > 0 else Rule.CONJUGATE
    if nyquist and modes < points:
        return modes // 2, Rule.HALF if k < points / 2 else Rule.ADDED
    return wave % modes, Rule.SAME


@pytest.mark.parallel([1, 4])
@pytest.mark.parametrize("method", METHODS)
def test_in_place(method):
    """`out` may be the input, forwards, backwards, or shifted."""
    whole = random_array(rng(1), 144, "D")
    with FFT1D(WORLD, 144, method=method, backend="numpy") as fft:
        for way, call in enumerate((fft.forward, fft.backward)):
            u = mine(fft, whole, way == 1)
            expected = call(u)
            for shift, step in ((0, 1), (0, -1), (3, 1)):
                memory = np.zeros(len(u) + shift, complex)
                given, out = memory[: len(u)], memory[shift:][::step]
                given[...] = u
                call(given, out)
                with everywhere():
                    same_bits(out, expected)


@pytest.mark.parallel(3)
def test_ranks_that_come_late():
    """One call after the other with other contents, while ranks come late in turn; compared at the end."""
    whole = random_array(rng(2), (24, 5040), "D")
    spectra = np.fft.fft(whole)
    for method in METHODS:
        with FFT1D(WORLD, 5040, method=method, backend="numpy") as fft:
            results = []
            for k, (line, spectrum) in enumerate(zip(whole, spectra, strict=True)):
                for _ in range(600 if k % WORLD.size == WORLD.rank else 1):
                    line = line + 0  # idle work
                call, given = (fft.backward, spectrum) if k % 3 == 2 else (fft.forward, line)
                results.append(call(given[fft.local_slice(k % 3 == 2)]))
            for k, result in enumerate(results):
                expected = whole[k] * 5040 if k % 3 == 2 else spectra[k] / 5040
                close_to(fft, result, expected, k % 3 != 2)


@pytest.mark.parallel([1, 2])
def test_results_are_the_caller_s():
    whole = random_array(rng(3), (5, 60), "D")
    with FFT1D(WORLD, 60) as fft:
        results = [fft.forward(mine(fft, line, False)) for line in whole]
        for line, result in zip(whole, results, strict=True):
            close_to(fft, result, np.fft.fft(line, norm="forward"), True)
            result[...] = np.nan
        check(not any(np.shares_memory(a, b) for a, b in itertools.pairwise(results)), "results share memory")


def relative(found, exact):
    """Return the relative L2 error."""
    return float(np.linalg.norm(found.astype(np.clongdouble) - exact) / np.linalg.norm(exact))


@pytest.mark.parametrize("dtype", "FD")
def test_as_exact_as_fftw(dtype):
    """No more than twice as far as FFTW from the transform in long double, summed over some random lines."""
    for n in (6, 49, 210, 1024, 2310, 2 * 1009, 30030, 2**17):
        errors = np.zeros(2)
        with FFT1D(WORLD, n, dtype) as fft:
            for k in range(4):
                whole = random_array(rng(n, k), n, dtype)
                exact = np.fft.fft(whole.astype(np.clongdouble))
                theirs = np.empty_like(whole)
                pyfftw.FFTW(whole.copy(), theirs, flags=("FFTW_ESTIMATE",)).execute()
                ours = fft.forward(mine(fft, whole, False), normalize=False)
                found = gather_global(ours, fft.local_slice(True), (n,))
                errors += relative(found, exact), relative(theirs, exact)
        check(errors[0] <= 2 * errors[1], f"{n} points: {errors[0]}, FFTW {errors[1]}")


@pytest.mark.parallel([1, 3])
@pytest.mark.parametrize("dtype", "FDG")
def test_as_exact_as_an_fft_can_be(dtype):
    """A few eps * sqrt(log2(n)) away from the sum that defines the transform, in long double, both ways."""
    for n in (12, 97, 143, 256, 420):
        whole = random_array(rng(n), n, dtype)
        with FFT1D(WORLD, n, dtype) as fft:
            for way, (call, matrix) in enumerate(((fft.forward, projection), (fft.backward, interpolation))):
                found = gather_global(call(mine(fft, whole, way == 1)), fft.local_slice(way == 0), (n,))
                with everywhere():
                    close(found, along(matrix(n, n), whole.astype(np.clongdouble), 0), dtype, n, factor=2)


@pytest.mark.parametrize(
    ("n", "columns"), [(720, range(24)), (10**6, range(997, 1000)), (2**40, range(2**20 - 9, 2**20))]
)
@pytest.mark.parametrize("dtype", "FDG")
def test_twiddle_factors(n, columns, dtype):
    """Rounded once, also where products of columns and modes do not fit into 32 bits, or into a float.

    Where there is something wider to compute in, real and imaginary part are then at most a quarter of eps away.
    """
    modes = n // columns.stop
    factors = twiddles(n, columns, modes, np.dtype(dtype))
    picked = np.unique(np.concatenate([np.arange(5) % modes, np.arange(0, modes, 1 + modes // 50), [modes - 1]]))
    turns = np.array([[j * int(k) % n for k in picked] for j in columns], np.longdouble) / n
    turns -= np.rint(turns)
    angles = -8 * np.arctan(np.longdouble(1)) * turns
    exact = np.cos(angles) + 1j * np.sin(angles)
    eps = np.finfo(dtype).eps
    allowed = 0.36 if eps > np.finfo(np.longdouble).eps else 4
    np.testing.assert_array_less(np.abs(factors[:, picked] - exact), allowed * eps)


def test_factors():
    for n, expected in [(1, (1, 1)), (2, (1, 2)), (12, (3, 4)), (97, (1, 97)), (121, (11, 11)), (2**21, (1024, 2048))]:
        np.testing.assert_equal(nearest_factors(n), expected)


@pytest.mark.parallel([1, 3, 6])
def test_equal_blocks():
    """Points and modes are divided as evenly as can be, of a prime number too; padding does not move the modes."""
    for n, dtype, padding in ((60, "D", 1), (97, "d", 1), (3, "D", 1.5)):
        with FFT1D(WORLD, n, dtype, padding=padding) as fft, FFT1D(WORLD, n, dtype) as plain:
            check(fft.local_slice(True) == plain.local_slice(True), "the modes are not where they were")
            for output in (False, True):
                lengths = WORLD.allgather(fft.shape(output)[0])
                check(max(lengths) - min(lengths) <= 1, f"{lengths} are not equal")
                check(sorted(lengths, reverse=True) == lengths, f"{lengths}: the larger ones come first")


@pytest.mark.parallel([2, 4])
def test_parts_of_the_ranks():
    """Plans over a part of the ranks, with others over the other part at the same time."""
    comm = WORLD.Split(WORLD.rank % 2)
    with FFT1D(comm, 60 + WORLD.rank % 2) as fft:
        check(fft.comm is comm, "the communicator is that of the caller")
        check_plan(fft)
    comm.Free()


REFUSED = [
    ({"n": None}, TypeError, "n must be an int, not None"),
    ({"n": 8.0}, TypeError, "n must be an int, not 8.0"),
    ({"n": "8"}, TypeError, "n must be an int, not '8'"),
    ({"n": (8,)}, TypeError, r"n must be an int, not \(8,\)"),
    ({"n": 0}, ValueError, "n is 0: there must be one mode at least"),
    ({"n": -8}, ValueError, "n is -8"),
    ({"dtype": int}, TypeError, "dtype int64 cannot be transformed"),
    ({"dtype": ">c16"}, TypeError, "dtype >c16 cannot be transformed; use float32"),
    ({"dtype": "nonsense"}, TypeError, "nonsense"),
    ({"backend": "fftw"}, ValueError, "backend 'fftw' does not exist"),
    ({"method": "mail"}, ValueError, "method 'mail' does not exist"),
    ({"padding": 0.5}, ValueError, "padding 0.5 must be at least 1"),
    ({"padding": "1.5"}, TypeError, "padding '1.5' must be a number"),
    ({"norm": "unit"}, ValueError, "norm 'unit' does not exist"),
    ({"threads": 0}, ValueError, "threads must be a whole number of 1 or more, not 0"),
]


def plan(comm=WORLD, **arguments):
    """Make a plan for 48 points unless told otherwise."""
    return FFT1D(comm, **{"n": 48, "backend": "numpy", **arguments})


@pytest.mark.parallel([1, 3])
def test_arguments_of_a_plan():
    for arguments, exception, message in REFUSED:
        expect_everywhere(exception, message, partial(plan, **arguments))
        if WORLD.size > 1:
            alone = partial(plan, **(arguments if LAST else {}))
            expect_everywhere(exception, message if LAST else f"on rank {WORLD.size - 1}: ", alone)
    expect_everywhere(TypeError, "comm must be", lambda: plan(None))
    check_plan(plan())


@pytest.mark.parallel([2, 3])
def test_ranks_that_disagree():
    for one, other in [
        ({"n": 48}, {"n": 49}),
        ({"dtype": "F"}, {"dtype": "D"}),
        ({"dtype": "d"}, {"dtype": "D"}),
        ({"method": "auto"}, {"method": "shared"}),
        ({"padding": 1.5}, {"padding": 1.6}),
        ({"norm": "ortho"}, {}),
        ({"threads": 2}, {}),
    ]:
        expect_everywhere(ValueError, "the ranks disagree", partial(plan, **(other if LAST else one)))


def bad_calls(fft, u):
    """Return calls with arrays that do not fit, by what is wrong with them."""
    fixed = np.zeros(fft.shape(), complex)
    fixed.flags.writeable = False
    return [
        (lambda: fft.forward(u[:-1]), ValueError, r"u has shape \(\d+,\), expected this rank's block \(\d+,\)"),
        (lambda: fft.forward(u[:, None]), ValueError, r"u has shape \(\d+, 1\), expected"),
        (lambda: fft.forward(u.real), TypeError, "u has dtype float64, expected complex128"),
        (lambda: fft.forward(u.tolist()), TypeError, "u must be a numpy array, not list"),
        (lambda: fft.forward(u, fixed), ValueError, "out is read-only"),
        (lambda: fft.forward(u, fixed[1:]), ValueError, "out has shape"),
        (lambda: fft.forward(u, fixed.astype("F")), TypeError, "out has dtype complex64"),
        (lambda: fft.backward(u.astype("G")), TypeError, "u_hat has dtype complex256, expected complex128"),
    ]


@pytest.mark.parallel([1, 2])
def test_arrays_of_a_call():
    fft = plan()
    u = np.ones(fft.shape(False), complex)
    for call, exception, message in bad_calls(fft, u):
        expect_everywhere(exception, message, call)
    check_plan(fft)
    fft.close()
    expect_everywhere(ValueError, "this FFT1D is closed", lambda: fft.forward(u))
    fft.close()


@pytest.mark.parallel([2, 3])
def test_bad_arrays_on_one_rank_with_the_check_switched_on(monkeypatch):
    monkeypatch.setenv("MPI4PY_PENCIL_CHECK", "1")
    for method in ("shared", "alltoallv"):
        fft = plan(method=method)
        u = np.ones(fft.shape(False), complex)
        for call, exception, message in bad_calls(fft, u):
            wanted = message if LAST else f"on rank {WORLD.size - 1}: {message}"
            expect_everywhere(exception, wanted, call if LAST else partial(fft.forward, u))
        check_plan(fft)
