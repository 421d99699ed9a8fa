"""What a parallel transform refuses: the argument is named, on every rank, and nobody is left waiting.

Refusals of the other classes are with the tests of these classes.
"""

from functools import partial

import numpy as np
import pytest
from mpi4py import MPI
from support import check, everywhere, expect_everywhere

from mpi4py_pencil import DCT, DST, PFFT, Ball, Chebyshev, DistArray, LinearMap, engines, newDistArray
from mpi4py_pencil.ranks.agreement import agreed

WORLD = MPI.COMM_WORLD
LAST = WORLD.rank == WORLD.size - 1

# Keyword arguments of a plan of a 4 x 4 array, and what is said about them.
REFUSED = [
    ({"shape": None}, TypeError, "shape must be a sequence of ints, not None"),
    ({"shape": 8}, TypeError, "shape must be a sequence of ints, not 8"),
    ({"shape": "88"}, TypeError, "shape must be a sequence of ints, not '88'"),
    ({"shape": (4, 2.5)}, TypeError, r"shape must be a sequence of ints, not \(4, 2.5\)"),
    ({"shape": (4, 0)}, ValueError, r"shape \(4, 0\)"),
    ({"shape": (4, -4)}, ValueError, r"shape \(4, -4\)"),
    ({"shape": ()}, ValueError, r"shape \(\)"),
    ({"axes": ()}, ValueError, "axes is empty"),
    ({"axes": (0, 0)}, ValueError, r"axes \(0, 0\) name axis 0 twice"),
    ({"axes": (0, -2)}, ValueError, r"axes \(0, -2\) name axis 0 twice"),
    ({"axes": (0, 2)}, ValueError, r"axes \(0, 2\): axis 2 does not exist: the array has 2 axes"),
    ({"padding": True}, TypeError, "padding True must be a number"),
    ({"padding": "1.5"}, TypeError, "padding '1.5' must be a number"),
    ({"collapse": "yes"}, TypeError, "collapse must be True or False, not 'yes'"),
    ({"axes": -3}, ValueError, "axis -3 does not exist"),
    ({"axes": (0, 1.0)}, TypeError, r"axes must be .* not \(0, 1.0\)"),
    ({"axes": "01"}, TypeError, "axis must be an int, not '0'"),
    ({"axes": 1.5}, TypeError, "axes must be .* not 1.5"),
    ({"dtype": int}, TypeError, "dtype int64 cannot be transformed"),
    ({"dtype": bool}, TypeError, "dtype bool cannot be transformed"),
    ({"dtype": "S4"}, TypeError, r"dtype \|S4 cannot be transformed"),
    ({"dtype": np.float16}, TypeError, "dtype float16 .* use float32"),
    ({"dtype": "nonsense"}, TypeError, "nonsense"),
    ({"grid": [2, 3]}, ValueError, "grid .*divides axis 1, which is transformed first"),
    ({"grid": [WORLD.size + 1, 1]}, ValueError, rf"grid \[{WORLD.size + 1}, 1\] .*number of ranks, {WORLD.size}"),
    ({"grid": [0, 1, 1]}, ValueError, r"grid \[0, 1, 1\] has 3 entries, shape has 2 axes"),
    ({"grid": "a"}, TypeError, "grid must be an int or a sequence of ints, not 'a'"),
    ({"grid": 2}, TypeError, r"grid 2 must have a number of ranks for each axis, as in \(2, 1, 1\)"),
    ({"grid": [0, 1.0]}, TypeError, r"grid must be .* not \[0, 1.0\]"),
    ({"padding": 0.5}, ValueError, "padding 0.5 must be at least 1"),
    ({"padding": (1.5, 0)}, ValueError, r"padding \(1.5, 0\) must be at least 1"),
    ({"padding": float("nan")}, ValueError, "padding nan must be at least 1"),
    ({"padding": float("inf")}, ValueError, "padding inf"),
    ({"padding": [1.5]}, ValueError, r"padding \[1.5\] must be one number, or one for each of the 2 axes"),
    ({"padding": "x"}, TypeError, "padding 'x' must be a number"),
    ({"padding": [1, None]}, TypeError, r"padding \[1, None\] must be a number"),
    (
        {"padding": (1.5, 1), "axes": 1},
        ValueError,
        r"padding \(1.5, 1\) names axis 0: only axes with a Fourier transform, \(1,\), can",
    ),
    ({"backend": "fftw"}, ValueError, "backend 'fftw' does not exist: use one of 'vertical'"),
    ({"backend": ""}, ValueError, "backend '' does not exist"),
    ({"method": "mail"}, ValueError, "method 'mail' does not exist: use one of 'auto'"),
    ({"method": None}, ValueError, "method None does not exist"),
    ({"axes": ((0, 1), ())}, ValueError, r"axes is empty, or a group in it is: .* not \(\(0, 1\), \(\)\)"),
    ({"axes": ((0, 1), (1,))}, ValueError, "name axis 1 twice"),
    ({"axes": ((0,), "1")}, TypeError, "axis must be an int"),
    ({"transforms": DCT(2)}, TypeError, "transforms must be a dict of axes to transforms"),
    ({"transforms": {0: DCT}}, TypeError, r"transforms\[0\] is <class .*DCT'>: use Fourier"),
    ({"transforms": {"x": DCT(2)}}, TypeError, "axis must be an int, not 'x'"),
    ({"transforms": {None: DCT(2)}}, TypeError, "axis must be an int, not None"),
    ({"transforms": {0: 2}}, TypeError, r"transforms\[0\] is 2: use Fourier"),
    ({"transforms": {0: (np.fft.fft, np.fft.ifft)}}, TypeError, "use .* LinearMap"),
    ({"transforms": {2: DCT(2)}}, ValueError, r"transforms\[2\]: axis 2 does not exist"),
    ({"transforms": {0: DCT(2)}, "axes": 1}, ValueError, "transforms name axis 0, which is not transformed"),
    ({"transforms": {0: DCT(2), (0, 1): DST(2)}}, ValueError, "transforms name axis 0 twice"),
    ({"transforms": {0: DCT(1)}, "shape": (1, 4)}, ValueError, "axis 0 has 1 point: DCT type 1 needs two"),
    ({"transforms": {0: Chebyshev("lobatto")}, "shape": (1, 4)}, ValueError, "axis 0 has 1 point: the Lobatto points"),
    ({"transforms": {0: Chebyshev()}, "norm": "ortho"}, ValueError, "axis 0: .* no orthonormal scale"),
    ({"transforms": {0: DCT(2)}, "padding": (1.5, 1)}, ValueError, "padding .* names axis 0"),
    ({"transforms": {(0, 1): DCT(2)}, "padding": 1.5}, ValueError, "padding 1.5 names axis 0"),
    ({"transforms": {0: DCT(2)}, "truncation": (1, None)}, ValueError, "truncation .* names axis 0"),
    ({"transforms": {0: DCT(2)}, "backend": "numpy"}, ValueError, "backend 'numpy' has no transform 'dct2'"),
    ({"transforms": {0: LinearMap(np.eye(3), np.eye(3))}}, ValueError, "axis 0: the matrix is 3 x 3, but .* 4 points"),
    ({"transforms": {0: LinearMap(np.ones((3, 4)), np.ones((3, 3)))}}, ValueError, "axis 0: forward makes 3 values"),
    ({"transforms": {1: LinearMap(1j * np.eye(4), np.eye(4))}}, TypeError, "axis 1: backward gives complex"),
    ({"truncation": -1}, ValueError, "truncation -1 must name wave numbers of 0 or more"),
    ({"truncation": "x"}, TypeError, "truncation 'x' must be a number"),
    (
        {"truncation": (1, 2, 3)},
        ValueError,
        r"truncation \(1, 2, 3\) must be one number, or one for each of the 2 axes",
    ),
    ({"truncation": Ball(0)}, ValueError, "those of a Ball above 0"),
    ({"norm": "unitary"}, ValueError, "norm 'unitary' does not exist: use one of 'forward'"),
    ({"threads": 0}, ValueError, "threads must be a whole number of 1 or more, not 0"),
    ({"threads": 1.5}, ValueError, "threads must be a whole number"),
    ({"tune": "guess"}, ValueError, "tune must be None or 'measure', not 'guess'"),
    ({"tune": True}, ValueError, "tune must be None or 'measure', not True"),
]


def plan(comm=WORLD, **arguments):
    """Make a plan of a 4 x 4 array unless told otherwise."""
    return PFFT(comm, **{"shape": (4, 4), **arguments})


@pytest.mark.parallel([1, 3])
def test_arguments_of_a_plan():
    for arguments, exception, message in REFUSED:
        expect_everywhere(exception, message, partial(plan, **arguments))
    plan().close()


@pytest.mark.parallel([2, 3])
def test_a_bad_argument_on_one_rank():
    """The others raise an error of the same type that names the rank; the next plan is made as if nothing had been."""
    for arguments, exception, _ in REFUSED:
        message = "" if LAST else f"on rank {WORLD.size - 1}: |number of ranks"
        expect_everywhere(exception, message, partial(plan, **(arguments if LAST else {})))
    plan().close()


@pytest.mark.parallel([2, 3])
def test_arguments_that_differ_between_ranks():
    """The error names the argument and its values, whatever else follows from it."""
    for name, one, other in [
        (r"shape: .*\(4, 4\).*\(4, 5\)", {"shape": (4, 4)}, {"shape": (4, 5)}),
        (r"axes: .*\(\(0,\), \(1,\)\).*\(\(1,\), \(0,\)\)", {"axes": (0, 1)}, {"axes": (1, 0)}),
        ("dtype: .*float64.*float32", {"dtype": "f8"}, {"dtype": "f4"}),
        ("axes", {"grid": [0, 1], "axes": (1,)}, {"grid": [0, 1], "axes": (0, 1)}),
        ("grid: .*by default", {}, {"grid": [0, 1]}),
        (r"padding: .*\(1\.0, .*\(1\.5", {"padding": None}, {"padding": 1.5}),
        ("backend: .*numpy.*scipy", {"backend": "numpy"}, {"backend": "scipy"}),
        ("backend: .*the default.*'pyfftw'", {"backend": None}, {"backend": "pyfftw"}),
        ("tune: .*None.*measure", {"tune": None}, {"tune": "measure"}),
        ("method: .*pairwise.*alltoallw", {"method": "pairwise"}, {"method": "alltoallw"}),
        (r"transforms\[0\]: .*type=2.*type=3", {"transforms": {0: DCT(2)}}, {"transforms": {0: DCT(3)}}),
        (
            r"transforms\[0\]: .*matrix.*matrix",
            {"transforms": {0: LinearMap(np.eye(4), np.eye(4))}},
            {"transforms": {0: LinearMap(-np.eye(4), -np.eye(4))}},
        ),
        (r"truncation: .*1\.0.*Ball", {"truncation": 1}, {"truncation": Ball(1)}),
        ("norm: .*ortho.*forward", {"norm": "ortho"}, {"norm": "forward"}),
        ("collapse: .*False.*True", {}, {"collapse": True}),
        ("threads: .*1.*2", {}, {"threads": 2}),
        ("shape", {"axes": ((0,), (1,))}, {"axes": ((0, 1),), "shape": (4, 4, 4)}),
    ]:
        message = rf"^the ranks disagree on {name}.{{,200}}; all ranks must pass the same$"
        expect_everywhere(ValueError, message, partial(plan, **(other if LAST else one)))
    plan().close()


@pytest.mark.parallel([1, 2])
def test_what_is_no_communicator():
    inter = [pairs()] if WORLD.size > 1 else []
    for comm in (None, 3, "MPI.COMM_WORLD", *inter):
        expect_everywhere(TypeError, "comm must be", partial(plan, comm))
    for null in (MPI.COMM_NULL, MPI.Intracomm()):
        expect_everywhere(ValueError, "comm is MPI.COMM_NULL", partial(plan, null))
    for comm in inter:
        comm.Free()


def pairs():
    """Return a communicator between the even and the odd ranks."""
    group = WORLD.Split(WORLD.rank % 2)
    between = group.Create_intercomm(0, WORLD, 1 - WORLD.rank % 2)
    group.Free()
    return between


@pytest.mark.parallel(2)
def test_an_array_with_one_axis_cannot_be_divided():
    expect_everywhere(ValueError, r"shape \(16,\) .* 2 ranks", lambda: plan(shape=(16,)))
    expect_everywhere(ValueError, "number of ranks, 2", lambda: plan(shape=(16,), grid=[0]))


@pytest.mark.parallel([1, 2])
def test_an_engine_that_is_missing_on_one_rank(monkeypatch):
    """Libraries can be installed on some machines only."""

    def missing(name):
        raise ImportError(f"backend {name!r} needs a library that is not here")

    if LAST:
        monkeypatch.setattr(engines, "_module", missing)
    expect_everywhere(ImportError, "backend 'scipy' needs", lambda: plan(backend="scipy"))
    monkeypatch.undo()
    plan(backend="scipy").close()


@pytest.mark.parallel([1, 3])
def test_errors_of_any_type_reach_everybody():
    """Types that cannot be made from a message alone become RuntimeError on the others."""
    for mine, theirs in [(MemoryError, MemoryError), (EOFError, RuntimeError), (NotImplementedError,) * 2]:

        def call(kind=mine):
            if LAST:
                raise kind("full")

        kind, message = (mine, "full") if LAST else (theirs, f"on rank {WORLD.size - 1}: .*full")
        expect_everywhere(kind, message, partial(agreed, WORLD, call))
    check(agreed(WORLD, lambda: (1, "x")) == (1, "x"), "what all agree on is returned")


def bad_calls(fft, u):
    """Return calls of a plan with arrays that do not fit, by what is wrong with them."""
    u_hat, whole = np.zeros(fft.shape(True), complex), newDistArray(fft, False).as_global()
    fixed = u_hat.copy()
    fixed.flags.writeable = False
    swapped = u.astype(u.dtype.newbyteorder())
    return [
        (lambda: fft.forward(u[:, :3]), ValueError, r"u has shape \(\d, 3\), expected this rank's block \(\d, 4\)"),
        (lambda: fft.forward(u[0]), ValueError, r"u has shape \(4,\), expected"),
        (lambda: fft.forward(u.astype("f4")), TypeError, "u has dtype float32, expected float64"),
        (lambda: fft.forward(u.astype(complex)), TypeError, "u has dtype complex128, expected float64"),
        (lambda: fft.forward(swapped), TypeError, "u has dtype >f8, expected float64"),
        (lambda: fft.forward(u.tolist()), TypeError, "u must be a numpy array, not list"),
        (lambda: fft.forward(whole), TypeError, r"u must be a numpy array, .*: pass u\.as_local\(\)"),
        (lambda: fft.forward(None), TypeError, "u must be a numpy array, not NoneType"),
        (lambda: fft.forward(u, u), (TypeError, ValueError), "out has"),
        (lambda: fft.forward(u, u_hat[:-1]), ValueError, r"out has shape \(\d, \d\), expected"),
        (lambda: fft.forward(u, u_hat[None]), ValueError, r"out has shape \(1, \d, \d\), expected"),
        (lambda: fft.forward(u, u_hat.astype("F")), TypeError, "out has dtype complex64, expected complex128"),
        (lambda: fft.forward(u, fixed), ValueError, "out is read-only"),
        (lambda: fft.forward(u, [0]), TypeError, "out must be a numpy array, not list"),
        (lambda: fft.backward(u), TypeError, "u_hat has dtype float64, expected complex128"),
        (lambda: fft.backward(u_hat[:-1]), ValueError, r"u_hat has shape \(\d, \d\), expected"),
        (lambda: fft.backward(u_hat, u_hat), TypeError, "out has dtype complex128, expected float64"),
    ]


@pytest.mark.parallel([1, 3])
def test_arrays_of_a_call():
    """Before anything is sent: the next good call works."""
    fft = plan()
    u = np.ones(fft.shape(False))
    for call, exception, message in bad_calls(fft, u):
        expect_everywhere(exception, message, call)
    good_call(fft, u)
    fft.close()
    expect_everywhere(ValueError, "this PFFT is closed", lambda: fft.forward(u))
    fft.close()


def good_call(fft, u):
    """Transform ones: all is in the mode that is constant."""
    u_hat = fft.forward(u)
    total = WORLD.allreduce(np.sum(np.asarray(u_hat)))
    check(abs(total - 1) < 1e-15, f"the modes of ones sum up to {total}")


@pytest.mark.parallel([2, 3])
def test_bad_arrays_on_one_rank_with_the_check_switched_on(monkeypatch):
    """One rank's error is everyone's, whatever the ranks have to exchange; nobody hangs."""
    monkeypatch.setenv("MPI4PY_PENCIL_CHECK", "1")
    for method in ("shared", "alltoallv"):
        fft = plan(method=method)
        u = np.ones(fft.shape(False))
        for call, exception, message in bad_calls(fft, u):
            wanted = message if LAST else f"on rank {WORLD.size - 1}: {message}"
            expect_everywhere(exception, wanted, call if LAST else partial(fft.forward, u))
            good_call(fft, u)
        fields = np.ones(((3 if LAST else 2), *fft.shape(False)))
        expect_everywhere(
            ValueError,
            r"component axes: rank 0 has \(2,\), rank .* has \(3,\)",
            partial(fft.forward, fields),
        )
        good_call(fft, u)


@pytest.mark.parallel([2, 4])
def test_distributed_arrays_of_another_pencil():
    """Their blocks may have the right shape, but they are other parts of the whole."""
    n = WORLD.size
    fft = plan(shape=(n, n, 4), axes=(1, 2), dtype=complex, grid=[0, 1, 1])
    other = DistArray((1, n * n, 4), [1, 0, 1], dtype=complex)
    with everywhere():
        np.testing.assert_equal(other.shape, fft.shape(False))
    message = "u is distributed as .*redistribute it, or make it by newDistArray"
    expect_everywhere(ValueError, message, lambda: fft.forward(other))
    u = newDistArray(fft, False)
    expect_everywhere(ValueError, "out is distributed as", lambda: fft.forward(u, other))
    fft.forward(u)


@pytest.mark.parallel([1, 2])
def test_new_arrays():
    fft = plan()
    for rank in (-1, 1.5, "1", None):
        expect_everywhere(ValueError, f"rank .* not {rank!r}", partial(newDistArray, fft, rank=rank))
    message = r"val, of shape \(7,\), does not broadcast to this rank's block .* fft.local_slice\(True\)"
    expect_everywhere(ValueError, message, lambda: newDistArray(fft, val=np.ones(7)))
    expect_everywhere(TypeError, r"pfft must be a PFFT, not \(4, 4\)", lambda: newDistArray((4, 4)))
    for call in (fft.shape, fft.global_shape, fft.local_slice, partial(newDistArray, fft)):
        expect_everywhere(TypeError, "forward_output must be True or False, not 'in'", partial(call, "in"))
