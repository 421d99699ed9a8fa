"""The contract of every engine: it transforms the lines of a tile, and nothing else, as exactly as FFTs can."""

import builtins
import importlib
import math
import subprocess
import sys

import numpy as np
import pytest
from installed import LIBRARIES, each_engine, engines
from oracles import ELEMENTS, close, half_interpolation, interpolation, projection, random_array
from support import rng

from mpi4py_pencil.engines import checked_engine, engine
from mpi4py_pencil.transforms import Fourier

LENGTHS = [1, 2, 3, 4, 5, 7, 8, 12, 13, 30, 31, 64, 97]
LINES = 5


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
    real, imag = half_interpolation(n, n)
    return before.real @ real.T + before.imag @ imag.T


@pytest.mark.parametrize("forward", [True, False])
@each_engine(ELEMENTS)
def test_lines_of_a_tile(name, dtype, forward):
    for n in LENGTHS:
        line = Fourier().along(0, n, n, dtype).line(forward)
        inside, before = tile(LINES, line.lengths[0], line.dtypes[0])
        in_place = line.dtypes[0] == line.dtypes[1] and line.lengths[0] == line.lengths[1]
        outside, after = (inside, before) if in_place else tile(LINES, line.lengths[1], line.dtypes[1])
        plans = {rows: engine(name)(line, before[:rows], after[:rows]) for rows in (LINES, 2)}
        for rows in (LINES, 2, LINES):  # a plan serves any number of times, beside the plans for fewer lines
            given = random_array(rng(n, rows), (LINES, line.lengths[0]), line.dtypes[0])
            before[...] = given
            if not in_place:
                after[...] = 7
            plans[rows]()
            close(after[:rows], expected(line, given[:rows].astype(np.clongdouble), n), dtype, n, factor=6)
            np.testing.assert_array_equal(after[rows:], given[rows:] if in_place else 7)
        for memory, part in ((inside, before), (outside, after)):
            np.testing.assert_array_equal(memory[[0, -1]], 0xA5)
            np.testing.assert_array_equal(memory[:, part.shape[1] * part.itemsize :], 0xA5)


@pytest.mark.parametrize("name", engines())
def test_a_missing_library_is_an_import_error_that_names_it(name, monkeypatch):
    """numpy is always there; the others are hidden from the import."""
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
    with pytest.raises(ValueError, match=f"backend {name!r} does not exist: use one of 'pyfftw'"):
        checked_engine(name)


@each_engine(ELEMENTS)
def test_the_error_grows_like_that_of_an_fft(name, dtype):
    """Not like the square root of the length: a sum over all points in working precision would fail here."""
    for n in (16, 128, 512):
        line = Fourier().along(0, n, n, dtype).line(True)
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
    line = Fourier().along(0, n, n, np.dtype("D")).line(True)
    inside, lines = tile(3, n, np.dtype("D"))
    lines[...] = given = random_array(rng(n), (3, n), np.dtype("D"))
    engine("mkl")(line, lines, lines)()
    close(lines, np.fft.fft(given), np.dtype("D"), n)
    np.testing.assert_array_equal(inside[[0, -1]], 0xA5)


FFTW_AFTER_MKL = """
import numpy as np
from mpi4py_pencil.engines import engine
from mpi4py_pencil.transforms import Fourier

for name, dtypes in (("mkl", "FD"), ("pyfftw", "FDG")):
    for dtype in map(np.dtype, dtypes):
        lines = np.empty((4, 8), dtype)
        execute = engine(name)(Fourier().along(0, 8, 8, dtype).line(True), lines, lines)
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
from mpi4py_pencil.engines import engine, with_mkl
from mpi4py_pencil.transforms import Fourier

library = ctypes.CDLL(with_mkl._pydfti.__file__)
library.MKL_Set_Num_Threads(3)
library.MKL_Set_Dynamic(0)
inside = []
fft = with_mkl.mkl_fft.fft
with_mkl.mkl_fft.fft = lambda *args, **how: (inside.append(library.MKL_Get_Max_Threads()), fft(*args, **how))
lines = np.ones((4, 8), complex)
engine("mkl")(Fourier().along(0, 8, 8, lines.dtype).line(True), lines, lines)()
print(*inside, library.MKL_Get_Max_Threads())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    np.testing.assert_equal((done.returncode, done.stdout), (0, "1 3\n"), done.stderr)
