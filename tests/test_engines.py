"""The contract of every engine: it transforms the lines of a tile, and nothing else, as exactly as FFTs can."""

import builtins
import importlib
import math
import sys

import numpy as np
import pytest
from oracles import ELEMENTS, close, half_interpolation, interpolation, projection, random_array
from support import rng

from mpi4py_pencil.engines import ENGINES, checked_engine, engine
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
@pytest.mark.parametrize("dtype", ELEMENTS, ids=lambda d: d.name)
@pytest.mark.parametrize("name", ENGINES)
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


@pytest.mark.parametrize("name", ENGINES)
def test_a_missing_library_is_an_import_error_that_names_it(name, monkeypatch):
    """numpy is always there; the others are hidden from the import."""
    library = {"numpy": None, "ducc": "ducc0"}.get(name, name)
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


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("dtype", ELEMENTS, ids=lambda d: d.name)
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
