"""The contract of every engine: it transforms the lines of a tile, and nothing else, as exactly as FFTs can."""

import builtins
import importlib
import math
import subprocess
import sys

import numpy as np
import pyfftw
import pytest
from installed import LIBRARIES, each_engine, engines
from oracles import (
    ELEMENTS,
    close,
    half_interpolation,
    interpolation,
    projection,
    random_array,
    trigonometric,
)
from support import rng

from mpi4py_pencil.engines import FOURIER, HARTLEY, TRIGONOMETRIC, checked_engine, engine
from mpi4py_pencil.layout.way import Way
from mpi4py_pencil.transforms import DCT, DST, Chebyshev, Fourier, Hartley
from mpi4py_pencil.transforms.line import direct

LENGTHS = [*range(1, 41), 64, 97, 101, 211]
LINES = 5
WITH_COSINES = ("pyfftw", "vertical", "ducc", "scipy")
ENGINES_OF = {kind: WITH_COSINES + ("numpy",) * (kind == "hartley") for kind in TRIGONOMETRIC | HARTLEY}
NAMES = sorted(ENGINES_OF)
DIRECTIONS = {
    **dict.fromkeys(("forward", "r2c"), "FFTW_FORWARD"),
    **dict.fromkeys(("backward", "c2r"), "FFTW_BACKWARD"),
    **{f"dct{number}": f"FFTW_REDFT{ends}" for number, ends in enumerate(("00", "10", "01", "11"), 1)},
    **{f"dst{number}": f"FFTW_RODFT{ends}" for number, ends in enumerate(("00", "10", "01", "11"), 1)},
}


def lengths_for(dtype):
    """Return the shortest lengths, and of the others a third: all dtypes together have all of them."""
    turn = [d.char for d in ELEMENTS].index(dtype.char)
    return [n for n in LENGTHS if n < 10 or (n + turn) % 3 == 0]


def tile(lines, length, dtype):
    """Return a tile as a sweep has them: rows padded to an odd number of cache lines, the memory around it marked."""
    row = (-(-length * dtype.itemsize // 64) | 1) * 64
    memory = np.full((lines + 2) * row + 64, 0xA5, np.uint8)
    start = -memory.ctypes.data % 64
    rows = memory[start : start + (lines + 2) * row].reshape(-1, row)
    return rows, rows[1:-1].view(dtype)[:, :length]


def expected(line, before, n):
    """Return the sum that defines a transform, in long double, without a scale."""
    if line.kind == "forward":
        return before @ (projection(n, n).T * n)
    if line.kind == "backward":
        return before @ interpolation(n, n).T
    if line.kind == "r2c":
        return before @ (projection(n, n).T * n)[:, : n // 2 + 1]
    if line.kind == "c2r":
        real, imag = half_interpolation(n, n)
        return before.real @ real.T + before.imag @ imag.T
    return before @ trigonometric(line.kind, n).T


def check_lines(name, line, in_place, counts):
    """Compare what an engine makes of the first lines of a tile, as many as `counts` says each time, with the sums."""
    inside, before = tile(LINES, line.lengths[0], line.dtypes[0])
    outside, after = (inside, before) if in_place else tile(LINES, line.lengths[1], line.dtypes[1])
    plans = {rows: engine(name)(line, before[:rows], after[:rows]) for rows in counts}
    for rows in counts:
        given = random_array(rng(line.n, rows), (LINES, line.lengths[0]), line.dtypes[0])
        before[...] = given
        if not in_place:
            after[...] = 7
        plans[rows]()
        sums = expected(line, given[:rows].astype(np.clongdouble), line.n)
        close(after[:rows], sums, line.dtypes[0], line.n, factor=6)
        np.testing.assert_array_equal(after[rows:], given[rows:] if in_place else 7)
    for memory, part in ((inside, before), (outside, after)):
        np.testing.assert_array_equal(memory[[0, -1]], 0xA5)
        np.testing.assert_array_equal(memory[:, part.shape[1] * part.itemsize :], 0xA5)


@pytest.mark.parametrize("way", Way)
@each_engine(ELEMENTS)
def test_lines_of_a_tile(name, dtype, way):
    """A plan serves any number of times, beside the plans for fewer lines."""
    for n in lengths_for(dtype):
        line = Fourier().along(0, n, n, dtype).line(way)
        check_lines(name, line, dtype.kind == "c", (LINES, 2, LINES) if n < 8 else (LINES,))


@pytest.mark.parametrize("dtype", ELEMENTS, ids=lambda d: d.name)
@pytest.mark.parametrize(("name", "kind"), [(name, kind) for kind in NAMES for name in ENGINES_OF[kind]])
def test_real_transforms_of_a_tile(name, kind, dtype):
    """In place, as a sweep has them, and from one tile to another; of complex lines both parts are transformed."""
    for n in lengths_for(dtype):
        if (kind, n) == ("dct1", 1):
            continue
        line = direct(kind, n, dtype)
        check_lines(name, line, True, (LINES, 2, LINES) if n < 8 else (LINES,))
        if n < 8:
            check_lines(name, line, False, (LINES, 1))


def test_what_the_families_ask_of_an_engine():
    """The kinds above are all there are, and each family has them of the right type forward and backward."""
    for number, inverse in ((1, 1), (2, 3), (3, 2), (4, 4)):
        for family, name in ((DCT, "dct"), (DST, "dst")):
            kinds = [line.kind for line in family(number).along(0, 6, 6, np.dtype(float)).lines]
            np.testing.assert_equal(kinds, [f"{name}{number}", f"{name}{inverse}"])
    np.testing.assert_equal([line.kind for line in Hartley().along(0, 6, 6, np.dtype(float)).lines], ["hartley"] * 2)
    np.testing.assert_equal(NAMES, sorted({f"{f}{t}" for f in ("dct", "dst") for t in (1, 2, 3, 4)} | {"hartley"}))


@pytest.mark.parametrize("name", engines())
def test_what_an_engine_lacks_is_refused(name):
    """What its module says it has is tested above; of all else the error says what to use."""
    module = importlib.import_module(f"mpi4py_pencil.engines.with_{name}")
    for kind in NAMES:
        lines = [direct(kind, 6, np.dtype(float))]
        if name in ENGINES_OF[kind]:
            np.testing.assert_equal(checked_engine(name, lines), name)
        else:
            with pytest.raises(ValueError, match=f"backend {name!r} has no transform {kind!r}: use 'pyfftw'"):
                checked_engine(name, lines)
    np.testing.assert_equal(module.KINDS, FOURIER | {kind for kind in NAMES if name in ENGINES_OF[kind]})
    np.testing.assert_equal(set(module.PRECISIONS), set("fd" if name == "mkl" else "fdg"))


def test_precisions_that_an_engine_lacks_are_refused(monkeypatch):
    module = importlib.import_module("mpi4py_pencil.engines.with_numpy")
    monkeypatch.setattr(module, "PRECISIONS", "fd")
    for dtype in "gG":
        lines = Fourier().along(0, 6, 6, np.dtype(dtype)).lines
        with pytest.raises(TypeError, match=f"backend 'numpy' does not transform .*{np.dtype(dtype)}.*: use 'pyfftw'"):
            checked_engine("numpy", lines)
    np.testing.assert_equal(checked_engine("numpy", Fourier().along(0, 6, 6, np.dtype("F")).lines), "numpy")


def test_too_few_points():
    """Points on both ends are two at least, as scipy says too."""
    for family, message in ((DCT(1), "DCT type 1 needs two"), (Chebyshev("lobatto"), "the Lobatto points are two")):
        with pytest.raises(ValueError, match=f"axis 3 has 1 point: {message} at least"):
            family.along(3, 1, 1, np.dtype(float))
        np.testing.assert_equal(family.along(3, 2, 2, np.dtype(float)).length, 2)


@pytest.mark.parametrize("name", [name for name in engines() if name != "vertical"])
def test_a_missing_library_is_an_import_error_that_names_it(name, monkeypatch):
    """numpy is always there, "vertical" is this package's own; the others are hidden from the import."""
    library = None if name == "numpy" else LIBRARIES[name]
    module = f"mpi4py_pencil.engines.with_{name}"
    monkeypatch.delitem(sys.modules, module, raising=False)
    importer = builtins.__import__

    def hiding(wanted, *args, **kwargs):
        if library and wanted.split(".")[0] == library:
            raise ImportError(f"No module named {wanted!r}")
        return importer(wanted, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", hiding)
    if library is None:
        checked_engine(name)
    else:
        with pytest.raises(ImportError, match=library):
            checked_engine(name)
    monkeypatch.undo()
    importlib.import_module(module)
    np.testing.assert_equal(checked_engine(name), name)


@pytest.mark.parametrize("name", ["fftw", "", None, 3, "Numpy"])
def test_unknown_engines_are_refused(name):
    with pytest.raises(ValueError, match=f"backend {name!r} does not exist: use one of 'vertical'"):
        checked_engine(name)


@each_engine(ELEMENTS)
def test_the_error_grows_like_that_of_an_fft(name, dtype):
    """Not like the square root of the length: a sum over all points in working precision would fail here."""
    for n in (16, 128, 512):
        line = Fourier().along(0, n, n, dtype).line(Way.FORWARD)
        _, before = tile(1, line.lengths[0], line.dtypes[0])
        _, after = (None, before) if dtype.kind == "c" else tile(1, line.lengths[1], line.dtypes[1])
        plan = engine(name)(line, before, after)
        given = random_array(rng(n), (1, line.lengths[0]), line.dtypes[0])
        before[...] = given
        plan()
        # in long double the sum with which it is compared errs more than the transform
        factor = 2 if dtype.char not in "gG" else 2 + math.sqrt(n)
        close(after, expected(line, given.astype(np.clongdouble), n), dtype, n, factor)


@pytest.mark.skipif("mkl" not in engines(), reason="mkl_fft is not installed")
@pytest.mark.parametrize("dtype", [np.dtype("g"), np.dtype("G")], ids=lambda d: d.name)
def test_mkl_refuses_long_double(dtype):
    with pytest.raises(TypeError, match=f"backend 'mkl' does not transform {dtype}: use 'pyfftw' or 'scipy'"):
        checked_engine("mkl", Fourier().along(0, 8, 8, dtype).lines)


@pytest.mark.skipif("mkl" not in engines(), reason="mkl_fft is not installed")
@pytest.mark.parametrize("n", [251, 256, 1009, 1024, 4099, 6144, 65536])
def test_mkl_in_place(n):
    """It is told to write where it reads: long lines, and primes, which it transforms by a convolution, too."""
    line = Fourier().along(0, n, n, np.dtype("D")).line(Way.FORWARD)
    inside, lines = tile(3, n, np.dtype("D"))
    lines[...] = given = random_array(rng(n), (3, n), np.dtype("D"))
    engine("mkl")(line, lines, lines)()
    close(lines, np.fft.fft(given), np.dtype("D"), n)
    np.testing.assert_array_equal(inside[[0, -1]], 0xA5)


FFTW_AFTER_MKL = """
import numpy as np
from mpi4py_pencil.layout.way import Way
from mpi4py_pencil.engines import engine
from mpi4py_pencil.transforms import Fourier

for name, dtypes in (("mkl", "FD"), ("pyfftw", "FDG")):
    for dtype in map(np.dtype, dtypes):
        lines = np.empty((4, 8), dtype)
        execute = engine(name)(Fourier().along(0, 8, 8, dtype).line(Way.FORWARD), lines, lines)
        lines[:] = 1
        execute()
        np.testing.assert_array_equal(lines, [[8, 0, 0, 0, 0, 0, 0, 0]] * 4)
import pyfftw
print(*[wisdom.decode().split()[0] for wisdom in pyfftw.export_wisdom()])
"""


@pytest.mark.skipif("mkl" not in engines(), reason="mkl_fft is not installed")
def test_mkl_does_not_take_the_place_of_fftw():
    """MKL brings functions with the names of FFTW's. Those have no wisdom to export, and no long double."""
    done = subprocess.run([sys.executable, "-c", FFTW_AFTER_MKL], capture_output=True, text=True, timeout=60)
    np.testing.assert_equal(done.returncode, 0, done.stderr)
    np.testing.assert_equal([word.startswith("(fftw-3") for word in done.stdout.split()], [True] * 3, done.stdout)


@pytest.mark.skipif("mkl" not in engines(), reason="mkl_fft is not installed")
def test_mkl_uses_one_thread_and_leaves_the_setting():
    code = """
import ctypes
import numpy as np
from mpi4py_pencil.layout.way import Way
from mpi4py_pencil.engines import engine, with_mkl
from mpi4py_pencil.transforms import Fourier

library = ctypes.CDLL(with_mkl._pydfti.__file__)
library.MKL_Set_Num_Threads(3)
library.MKL_Set_Dynamic(0)
inside = []
fft = with_mkl.mkl_fft.fft
with_mkl.mkl_fft.fft = lambda *args, **how: (inside.append(library.MKL_Get_Max_Threads()), fft(*args, **how))
lines = np.ones((4, 8), complex)
engine("mkl")(Fourier().along(0, 8, 8, lines.dtype).line(Way.FORWARD), lines, lines)()
print(*inside, library.MKL_Get_Max_Threads())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    np.testing.assert_equal((done.returncode, done.stdout), (0, "1 3\n"), done.stderr)


def by_fftw(line, given):
    """Return what pyfftw itself makes of lines."""
    before = pyfftw.empty_aligned(given.shape, line.dtypes[0])
    after = pyfftw.empty_aligned((len(given), line.lengths[1]), line.dtypes[1])
    flags = ("FFTW_ESTIMATE", "FFTW_DESTROY_INPUT")
    plan = pyfftw.FFTW(before, after, axes=(1,), direction=DIRECTIONS[line.kind], flags=flags)
    before[...] = given
    plan.execute()
    return after


def error(found, sums):
    """Return the relative L2 error."""
    return np.linalg.norm((found.astype(np.clongdouble) - sums).ravel()) / np.linalg.norm(sums.ravel())


@pytest.mark.parametrize("dtype", ELEMENTS, ids=lambda d: d.name)
def test_as_exact_as_fftw(dtype):
    """The error against the sum in long double is at most twice that of pyfftw, called directly, on the same data.

    It does not have the Hartley transform: there its error is that of the spectrum.
    """
    for n in (5, 8, 12, 15, 17, 24, 31, 64, 97, 128, 512):
        lines = list(Fourier().along(0, n, n, dtype).lines)
        if dtype.kind == "f" and n < 200:
            lines += [direct(kind, n, dtype) for kind in NAMES]
        for line in lines:
            given = random_array(rng(n), (20, line.lengths[0]), line.dtypes[0])
            sums = expected(line, given.astype(np.clongdouble), n)
            known = lines[0] if line.kind == "hartley" else line
            theirs = error(by_fftw(known, given), expected(known, given.astype(np.clongdouble), n))
            for name in ENGINES_OF.get(line.kind, engines(dtype)):
                _, before = tile(20, line.lengths[0], line.dtypes[0])
                _, after = tile(20, line.lengths[1], line.dtypes[1])
                plan = engine(name)(line, before, after)
                before[...] = given
                plan()
                ours = error(after, sums)
                if not ours <= 2 * theirs:
                    raise AssertionError(f"{name} {line.kind} {dtype} {n}: error {ours}, that of FFTW is {theirs}")
