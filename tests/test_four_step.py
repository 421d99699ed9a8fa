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
from oracles import along, close, interpolation, projection, random_array, same_bits
from support import RANKS, check, everywhere, expect_everywhere, gather_global, rng

from mpi4py_pencil import FFT1D
from mpi4py_pencil.exchange import METHODS
from mpi4py_pencil.fft1d import nearest_factors, twiddles

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
        close(found, whole, whole.dtype, len(whole), factor=8)


def check_plan(fft, what=""):
    """Compare both directions, and what a plan says of its arrays."""
    whole = random_array(rng(fft.n), fft.n, fft.dtype())
    spectrum = np.fft.fft(whole, norm="forward").astype(whole.dtype)
    close_to(fft, fft.forward(mine(fft, whole, False)), spectrum, True)
    close_to(fft, fft.backward(mine(fft, spectrum, True)), whole, False)
    with everywhere(fft.comm):
        for output in (False, True):
            np.testing.assert_equal(fft.shape(output), mine(fft, whole, output).shape, what)
            np.testing.assert_equal(fft.global_shape(output), whole.shape, what)
            np.testing.assert_equal(fft.dtype(output), whole.dtype, what)


@pytest.mark.parallel(RANKS)
def test_any_length():
    """Every length up to 40 and harder ones: more ranks than rows, than columns, than points."""
    methods = itertools.cycle(METHODS)
    for n in [*range(1, 41), *LENGTHS]:
        with FFT1D(WORLD, n, method=next(methods), backend="numpy") as fft:
            check_plan(fft, f"{n}")


@pytest.mark.parallel([1, 2, 3])
def test_every_method_in_every_precision():
    for turn, (n, dtype, method) in enumerate(itertools.product((36, 210, 1009), "FDG", METHODS)):
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


@pytest.mark.parallel([1, 2, 3])
def test_lines_larger_than_the_cache():
    """Many tiles a sweep, the last of them partly filled, and stores past the cache."""
    for n, dtype, method in [(2**17, "D", "shared"), (331 * 347, "D", "pairwise"), (7 * 2**15, "F", "alltoallw")]:
        with FFT1D(WORLD, n, dtype, "numpy", method) as fft:
            check_plan(fft, f"{n} {dtype} {method}")


@st.composite
def calls(draw):
    """Draw a length, a precision, a method, and layouts of source and target."""
    n = draw(st.sampled_from([1, 5, 12, 36, 60, 101, 240]))
    return n, draw(st.sampled_from("FDG")), draw(st.sampled_from(METHODS)), draw(layouts(1)), draw(layouts(1))


@pytest.mark.parallel(RANKS)
@settings(max_examples=25)
@given(calls())
def test_any_layout(case):
    """Steps of both signs, gaps, odd addresses; the input is read-only and stays, and so does what is around both."""
    n, dtype, method, source, target = case
    whole = random_array(rng(n), n, dtype)
    spectrum = np.fft.fft(whole, norm="forward").astype(dtype)
    with FFT1D(WORLD, n, dtype, "numpy", method) as fft:
        for way, (call, given, expected) in enumerate(
            ((fft.forward, whole, spectrum), (fft.backward, spectrum, whole))
        ):
            u, u_memory = laid_out(mine(fft, given, way == 1), source)
            out, out_memory = empty_like(fft.shape(way == 0), dtype, target)
            u.flags.writeable = False
            before = u_memory.copy()
            returned = call(u, out)
            close_to(fft, out, expected, way == 0)
            with everywhere():
                np.testing.assert_equal(returned is out, True)
                same_bits(u_memory, before)
                untouched_elsewhere(out, out_memory)


@pytest.mark.parallel([1, 2, 4])
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


@pytest.mark.parallel([2, 3, 4])
def test_ranks_that_come_late():
    """One call after the other with other contents, while ranks come late in turn; compared at the end."""
    whole = random_array(rng(2), (24, 5040), "D")
    spectra = np.fft.fft(whole)
    for method in METHODS:
        with FFT1D(WORLD, 5040, method=method, backend="numpy") as fft:
            results = []
            for k, (line, spectrum) in enumerate(zip(whole, spectra, strict=True)):
                for _ in range(2000 if k % WORLD.size == WORLD.rank else 1):
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


@pytest.mark.parallel([1, 3])
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


@pytest.mark.parallel(RANKS)
def test_whole_rows():
    """Blocks of equal length where the ranks divide the rows; whole rows where not; one rank has a prime number."""
    rank, size = WORLD.rank, WORLD.size
    with FFT1D(WORLD, 6 * size * size, backend="numpy") as fft:
        part = 6 * size
        if all(n % size == 0 for n in fft.factors):
            for output in (False, True):
                check(fft.local_slice(output) == (slice(part * rank, part * (rank + 1)),), f"{fft.local_slice(output)}")
    with FFT1D(WORLD, 77, backend="numpy") as fft:
        for output, row in ((False, 11), (True, 7)):
            (part,) = fft.local_slice(output)
            check(part.start % row == 0 and part.stop % row == 0, f"{part} are no whole rows of {row}")
            (length,) = fft.shape(output)
            check(length <= -(-(77 // row) // size) * row, f"{length} is more than its share")
    with FFT1D(WORLD, 97, backend="numpy") as fft:
        check(fft.shape(False) == (97 if rank == 0 else 0,), f"{fft.shape(False)} points of a prime number")


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
    ({"n": 0}, ValueError, "n is 0: there must be one point at least"),
    ({"n": -8}, ValueError, "n is -8"),
    ({"dtype": float}, TypeError, "dtype float64 is not complex: use complex64"),
    ({"dtype": int}, TypeError, "dtype int64 is not complex"),
    ({"dtype": ">c16"}, TypeError, "dtype >c16 .*: use complex64"),
    ({"dtype": "nonsense"}, TypeError, "nonsense"),
    ({"backend": "fftw"}, ValueError, "backend 'fftw' does not exist"),
    ({"method": "mail"}, ValueError, "method 'mail' does not exist"),
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
        ({"method": "auto"}, {"method": "shared"}),
    ]:
        expect_everywhere(ValueError, "the ranks disagree", partial(plan, **(other if LAST else one)))


def bad_calls(fft, u):
    """Return calls with arrays that do not fit, by what is wrong with them."""
    fixed = np.zeros(fft.shape(), complex)
    fixed.flags.writeable = False
    return [
        (lambda: fft.forward(u[:-1]), ValueError, r"u has shape \(\d+,\), expected this rank's block \(\d+,\)"),
        (lambda: fft.forward(u[None]), ValueError, r"u has shape \(1, \d+\), expected"),
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
