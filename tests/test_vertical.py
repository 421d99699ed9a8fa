"""Vertical sweeps: as exact as FFTW, with every instruction set that the processor has, wherever the lines lie.

The contracts of engines, sweeps, padding, threads and plans hold them too, where they go through all engines.
"""

import ctypes
import functools
import itertools
import math
import subprocess
import sysconfig
from pathlib import Path

import numpy as np
import pyfftw
import pytest
import scipy.fft
from caches import small_caches
from layouts import Layout, empty_like, laid_out, layouts, untouched_elsewhere
from lockstep import given, settings, st
from mpi4py import MPI
from oracles import close, random_array
from support import check, expect_everywhere, rng
from test_padding import check_padding
from test_sweep import check_backward, check_forward
from test_threads import check_threads

from mpi4py_pencil import DCT, DST, FFT1D, PFFT, Chebyshev, Hartley, _kernels
from mpi4py_pencil.engines import engine, with_pyfftw, with_vertical
from mpi4py_pencil.layout.arrays import address
from mpi4py_pencil.sweep.kernel import Piece, make
from mpi4py_pencil.sweep.tiles import Tiles
from mpi4py_pencil.transforms import Fourier

SELF, WORLD = MPI.COMM_SELF, MPI.COMM_WORLD
SETS = [name for name, _ in _kernels.instruction_sets()]
PRECISIONS = [np.dtype(c) for c in "fdFD"]


@pytest.fixture(params=SETS)
def instructions(request, monkeypatch):
    """Run a test with each instruction set; the number of bytes of its vectors."""
    monkeypatch.setenv(with_vertical.SIMD, request.param)
    return dict(_kernels.instruction_sets())[request.param]


def smooth(n):
    """Return whether no prime factor of n is greater than 13."""
    return functools.reduce(lambda rest, p: rest // p if rest % p == 0 else rest, [2, 3, 5, 7, 11, 13] * 20, n) == 1


def aligned(shape, dtype):
    """Return an array for lines each of which starts at a cache line."""
    row = -(-shape[1] * dtype.itemsize // 64) * 64
    return pyfftw.empty_aligned((shape[0], row), np.uint8).view(dtype)[:, : shape[1]]


def expected(line, points):
    """Return the transform in long double."""
    n, wide = line.n, points.astype(np.result_type(points, np.longdouble))
    return {
        "forward": lambda: scipy.fft.fft(wide),
        "backward": lambda: scipy.fft.ifft(wide, norm="forward"),
        "r2c": lambda: scipy.fft.rfft(wide),
        "c2r": lambda: scipy.fft.irfft(wide, n, norm="forward"),
        "dct2": lambda: scipy.fft.dct(wide, 2),
        "dct3": lambda: scipy.fft.dct(wide, 3),
        "dst2": lambda: scipy.fft.dst(wide, 2),
        "dst3": lambda: scipy.fft.dst(wide, 3),
        "hartley": lambda: scipy.fft.fft(wide).real - scipy.fft.fft(wide).imag,
    }[line.kind]()


def of_fftw(line, before, after):
    """Return FFTW's transform, not planned by measuring."""
    flags = ("FFTW_ESTIMATE", "FFTW_DESTROY_INPUT")
    names = {"dct2": "REDFT10", "dct3": "REDFT01", "dst2": "RODFT10", "dst3": "RODFT01"}
    name = names.get(line.kind, "BACKWARD" if line.kind in ("backward", "c2r") else "FORWARD")
    return pyfftw.FFTW(before, after, axes=(1,), direction=f"FFTW_{name}", flags=flags).execute


def errors(line, points):
    """Return the relative L2 errors of the engine and of FFTW against long double."""
    before, after = (aligned((len(points), line.lengths[side]), line.dtypes[side]) for side in (0, 1))
    found, wanted = [], expected(line, points)
    for execute in (
        with_vertical.plan(line, before, after),
        with_pyfftw.plan(line, before, after) if line.kind == "hartley" else of_fftw(line, before, after),
    ):
        before[...] = points
        execute()
        found.append(float(np.linalg.norm((after - wanted).ravel()) / np.linalg.norm(wanted.ravel())))
    return found


FOURIER, WAVES = (Fourier(),), (DCT(2), DST(2), Hartley())


def check_errors(dtype, lengths, rows, families=FOURIER):
    """Compare the error of all kinds of lines with that of FFTW; of a few points that may be less than an ulp."""
    for family, n in itertools.product(families, lengths):
        for line in family.along(0, n, n, dtype).lines:
            if not with_vertical.known(line):
                raise AssertionError(f"{line} is not known")
            ours, theirs = errors(line, random_array(rng(n), (rows, line.lengths[0]), line.dtypes[0]))
            if not ours <= max(1.5 * theirs, 2 / 3 * np.finfo(dtype).eps):
                raise AssertionError(f"{line.kind} {dtype} {n}: error {ours}, that of FFTW is {theirs}")


@pytest.mark.parametrize("dtype", PRECISIONS, ids=lambda d: d.name)
def test_as_exact_as_fftw_for_all_lengths(dtype):
    """Up to 512, those without a prime factor above 13."""
    check_errors(dtype, list(filter(smooth, range(1, 513))), 20)


@pytest.mark.parametrize("dtype", "fd")
def test_waves_are_as_exact_as_those_of_fftw(dtype):
    """Cosine and sine transforms of types 2 and 3, and Hartley's."""
    lengths = [*range(1, 23), *range(24, 520, 31), 2**12, 3**7, 5**5]
    check_errors(np.dtype(dtype), list(filter(smooth, lengths)), 7, WAVES)


@pytest.mark.parametrize("dtype", PRECISIONS, ids=lambda d: d.name)
def test_as_exact_as_fftw_for_long_lines(dtype):
    check_errors(dtype, [2**10, 2**13, 2**16, 3**10, 5**6, 7**5, 11**4, 13**4, 30030], 2)


@pytest.mark.parametrize("dtype", PRECISIONS, ids=lambda d: d.name)
def test_every_instruction_set_is_exact(instructions, dtype):
    lengths = [1, 2, 3, 6, 8, 15, 16, 22, 26, 49, 60, 128, 243, 256, 512, 2002]
    check_errors(dtype, lengths, 19)
    if dtype.kind == "f":
        check_errors(dtype, lengths, 19, WAVES)


def test_the_kernels_alone(tmp_path, capfd):
    """The program in C that .ci/run emulates other processors for, with the kernels that are installed."""
    kernels, program = Path(_kernels.__file__), tmp_path / "vertical.so"
    root = Path(__file__).parents[1]
    command = [*sysconfig.get_config_var("CC").split(), "-O1", "-fPIC", "-shared", "-o", str(program)]
    command += [
        "-I",
        str(root / "cython_kernels" / "vertical"),
        str(root / "tests" / "vertical.c"),
        str(kernels),
        "-lm",
    ]
    subprocess.run(command, check=True)
    failed = ctypes.CDLL(str(program)).main()
    check(failed == 0, capfd.readouterr().out)


def test_what_is_known():
    """Fourier transforms of lengths with small prime factors; what is not goes to FFTW."""
    for n in range(1, 200):
        for dtype in PRECISIONS:
            np.testing.assert_equal(
                [with_vertical.known(x) for x in Fourier().along(0, n, n, dtype).lines], [smooth(n)] * 2
            )
    for family in (DCT(2), DST(3), Hartley(), Chebyshev("gauss")):
        np.testing.assert_equal(
            [with_vertical.known(x) for x in family.along(0, 8, 8, np.dtype("d")).lines], [True] * 2
        )
    for family, dtype in ((Fourier(), "G"), (DCT(2), "g"), (DCT(2), "D"), (DCT(1), "d"), (DST(4), "d")):
        lines = family.along(0, 8, 8, np.dtype(dtype)).lines
        np.testing.assert_equal([with_vertical.known(x) for x in lines], [False] * 2)


ROWS, COLUMNS = Layout((0, 1, 2), (1, 1, 1), 0), Layout((2, 1, 0), (1, 1, 1), 0)
ODD = Layout((1, 0, 2), (1, -1, -2), 1)
MISALIGNED = Layout((0, 1, 2), (1, 1, 1), 8)


@pytest.mark.parametrize("dtype", PRECISIONS, ids=lambda d: d.name)
def test_every_instruction_set_finds_the_lines(instructions, dtype):
    """With fewer lines than lanes, as many, and one more than some; streamed, misaligned and strided."""
    lanes = instructions // np.finfo(dtype).dtype.itemsize
    for shape in ((3, 12, lanes - 1), (2, 18, lanes), (5, 15, 2 * lanes + 1), (2, 32, 4 * lanes + 3)):
        whole = random_array(rng(*shape), shape, dtype)
        with small_caches():
            for axes in ((1,), (2,), (0, 1), (1, 0, 2)):
                with PFFT(SELF, shape, axes, dtype, backend="vertical") as fft:
                    for source, target in ((ROWS, MISALIGNED), (MISALIGNED, ROWS), (ROWS, COLUMNS), (COLUMNS, ODD)):
                        check_forward(fft, whole, source, target)
                        check_backward(fft, whole, source, target, normalize=True)


@pytest.mark.parametrize("family", [DCT(2), DCT(3), DST(2), Hartley(), Chebyshev("gauss")], ids=str)
def test_waves_with_weights_wherever_the_lines_lie(family):
    """Orthonormal, or with the weights of a series; along each axis."""
    norm = "forward" if isinstance(family, Chebyshev | Hartley) else "ortho"
    for dtype, shape in itertools.product("fd", ((6, 15, 9), (5, 16, 12))):
        whole = random_array(rng(*shape), shape, np.dtype(dtype))
        for axis, source, target in ((0, ROWS, COLUMNS), (1, MISALIGNED, ROWS), (2, COLUMNS, ODD), (2, ROWS, ROWS)):
            asked = {"axes": (axis,), "dtype": dtype, "transforms": {axis: family}, "norm": norm}
            plans = [PFFT(SELF, shape, backend=backend, **asked) for backend in ("vertical", "scipy")]
            for call, other in zip(*((fft.forward, fft.backward) for fft in plans), strict=True):
                (u, _), (out, memory) = laid_out(whole, source), empty_like(shape, np.dtype(dtype), target)
                call(u, out)
                close(out, other(whole), np.dtype(dtype), whole.size, factor=8)
                untouched_elsewhere(out, memory)
            for fft in plans:
                fft.close()


@st.composite
def sweeps_of_pieces(draw):
    """Draw the lines and the extents of a sweep, and for each side where the lines are cut and how each piece lies."""
    n = draw(st.sampled_from([1, 2, 3, 4, 6, 7, 8, 11, 15, 16, 26, 32, 48]))
    line = draw(st.sampled_from(Fourier().along(0, n, n, draw(st.sampled_from(PRECISIONS))).lines))
    axis = draw(st.integers(0, 2))
    extents = draw(st.lists(st.sampled_from([1, 2, 3, 7, 8, 9, 17, 40]), min_size=3, max_size=3))
    sides = []
    for items in line.lengths:
        cuts = draw(st.sets(st.integers(1, items - 1), max_size=3)) if items > 1 else set()
        ends = [0, *sorted(cuts), items]
        sides.append([(start, stop, draw(layouts(3))) for start, stop in itertools.pairwise(ends)])
    outer = draw(st.sampled_from([None, *[(k,) for k in range(3) if k != axis]]))
    return line, axis, extents, sides, outer, draw(st.booleans()), draw(st.sampled_from([1, 2**11, 2**18]))


@settings(max_examples=40)
@given(sweeps_of_pieces())
def test_any_pieces(case):
    """Each piece of the lines lies in memory of its own: any order and step of its axes, aligned to nothing."""
    line, axis, extents, sides, outer, stream, tile = case
    n = line.n
    shapes = [[length if k == axis else m for k, m in enumerate(extents)] for length in line.lengths]
    whole = random_array(rng(*extents, n), shapes[0], line.dtypes[0])
    wholes, placed, blocks = (whole, np.zeros(shapes[1], line.dtypes[1])), ([], []), ([], [])
    for side, pieces in enumerate(sides):
        for start, stop, layout in pieces:
            part = tuple(slice(start, stop) if k == axis else slice(None) for k in range(3))
            block, memory = laid_out(wholes[side][part], layout)
            placed[side].append(Piece(start, stop - start, address(block), block.strides))
            blocks[side].append((block, memory))
    tiles = Tiles(engine("vertical"), tile, vertical=True)
    scales = (np.longdouble(1), np.longdouble(0.5))
    pair = tiles.pair(line, math.prod(extents) // extents[axis])
    kernel = make(pair, axis, extents, tuple(placed[0]), tuple(placed[1]), scales, outer, stream)
    for start, stop in ((0, kernel.count // 2), (kernel.count // 2, kernel.count)):
        kernel.run(0, 0, start, stop, True)
    found = np.concatenate([block for block, _ in blocks[1]], axis)
    call, norm = {
        "forward": (np.fft.fft, "backward"),
        "backward": (np.fft.ifft, "forward"),
        "r2c": (np.fft.rfft, "backward"),
        "c2r": (np.fft.irfft, "forward"),
    }[line.kind]
    wide = whole.astype(np.result_type(whole, float))
    close(found, call(wide, n, axis=axis, norm=norm) / 2, line.dtypes[0], n, factor=8)
    for block, memory in blocks[1]:
        untouched_elsewhere(block, memory)


def test_every_instruction_set_pads_and_truncates(instructions):
    for dtype in PRECISIONS:
        check_padding(SELF, (8, 6, 12), (0, 1, 2), dtype, 1.5, backend="vertical")
        with small_caches():
            check_padding(SELF, (7, 12, 6), (1, 0, 2), dtype, (2, 1.25, 1), backend="vertical")
            check_threads((9, 8, 10), dtype, backend="vertical", truncation=3)


@pytest.mark.parametrize("dtype", PRECISIONS, ids=lambda d: d.name)
@pytest.mark.parametrize("n", [16, 15])
def test_lines_do_not_see_each_other(n, dtype):
    """What is not a number stays in its line, and a small line beside a large one is as exact as alone."""
    lines = 37
    whole = random_array(rng(n), (lines, n), dtype)
    whole[5] *= np.asarray(1e20, dtype)
    whole[20] = np.nan
    with PFFT(SELF, whole.shape, (1,), dtype, backend="vertical") as fft:
        found = fft.forward(whole, normalize=False)
        again = fft.backward(found)
    expected = (np.fft.fft if dtype.kind == "c" else np.fft.rfft)(whole.astype(np.result_type(whole, float)))
    for k in range(lines):
        if k == 20:
            np.testing.assert_equal((np.isnan(found[k]).all(), np.isnan(again[k]).all()), (True, True))
        else:
            close(found[k], expected[k], dtype, n, factor=8)
            close(again[k], whole[k] * np.asarray(n, dtype), dtype, n, factor=8)


def test_a_line_longer_than_a_tile():
    whole = random_array(rng(3), (2, 20000, 3), "d")
    plain, reverse = Layout((0, 1, 2), (1, 1, 1), 0), Layout((2, 1, 0), (1, 1, 1), 0)
    with PFFT(SELF, whole.shape, (1,), backend="vertical") as fft:
        check_forward(fft, whole, plain, reverse)
        check_backward(fft, whole, reverse, plain)


@pytest.mark.parallel([1, 2, 4])
def test_slabs_pencils_and_padding():
    for dtype in "dF":
        for grid in ([0, 1, 1], [0, 0, 1]):
            check_padding(WORLD, (16, 12, 18), (0, 1, 2), dtype, 1.5, grid=grid, backend="vertical")
            with small_caches():
                check_threads((16, 12, 18), dtype, grid=grid, backend="vertical")


@pytest.mark.parallel([1, 3])
def test_one_long_line():
    n = 4096
    whole = random_array(rng(n), (n,), "D")
    with FFT1D(WORLD, n, backend="vertical") as fft:
        found = fft.forward(whole[fft.local_slice(False)])
        close(np.concatenate(WORLD.allgather(found)), np.fft.fft(whole) / n, np.dtype("D"), n, factor=8)


@pytest.mark.parallel([2])
def test_an_instruction_set_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setenv(with_vertical.SIMD, "avx3")
    message = "MPI4PY_PENCIL_SIMD is 'avx3': this processor has .*'baseline'"
    expect_everywhere(ValueError, message, lambda: PFFT(WORLD, (8, 8), backend="vertical"))
    PFFT(WORLD, (8, 8), backend="pyfftw").close()
