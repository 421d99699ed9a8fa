"""Transforms of this package's own, of all lines of a vector at once: `_kernels.Vertical`.

This engine owns whole sweeps. Nothing is planned by measuring: passes and their twiddle factors follow from the length.
What it does not know, as `known` says, is transformed by FFTW.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .. import _kernels
from ..transforms import Edit, Line, Run
from ..transforms.roots import roots
from . import FOURIER, HARTLEY, TRIGONOMETRIC, Plan, Tile, aligned_bytes, engine

KINDS = FOURIER | TRIGONOMETRIC | HARTLEY
PRECISIONS = "fdg"

# The variable that names an instruction set where another than the processor's best is to be used.
SIMD = "MPI4PY_PENCIL_SIMD"

_PRIMES = (2, 3, 5, 7, 11, 13)
_EDITS = {Edit.COPY, Edit.ADD, Edit.REAL, Edit.HALVE, Edit.DOUBLE}
_WAVES = {"dct2", "dct3", "dst2", "dst3", "hartley"}
# Bytes that lie between two rows of a tile, and rows beside those of the points, as vertical/vertical.h has them.
_SPARE, _ROWS = 64, 2

# Of lines that are transformed along themselves: a tile and its twin stay in the first-level cache.
_ALONG_BYTES = 16 * 1024

Array = np.ndarray[Any, Any]
Passes = tuple[Array, Array, Array]


def instruction_set() -> tuple[int, int]:
    """Which of the processor's instruction sets is used, and the bytes of its vectors.

    Raises
    ------
    ValueError
        Where the environment names one that the processor does not have.
    """
    found = _kernels.instruction_sets()
    names = [name for name, _ in found]
    asked = os.environ.get(SIMD, names[0])
    if asked not in names:
        raise ValueError(f"{SIMD} is {asked!r}: this processor has {', '.join(map(repr, names))}")
    return names.index(asked), found[names.index(asked)][1]


def known(line: Line) -> bool:
    """Whether lines are transformed here: in single and double precision, of lengths of small prime factors.

    All Fourier transforms, and of real points Hartley's and the cosine and sine transforms of the types 2 and 3.
    """
    if line.dtypes[0].char not in "fdFD" or not _smooth(line.n):
        return False
    kinds, edits = [d.kind for d in line.dtypes], line.edits[0] + line.edits[1]
    if line.kind in _WAVES:
        return kinds[0] == "f"
    return (
        line.kind in FOURIER
        and all(edit[0] in _EDITS for edit in edits)
        and not (kinds[0] == "f" and (line.gaps or line.edits[0]))
        and not (kinds[1] == "f" and line.edits[1])
    )


def lanes(line: Line) -> int:
    """How many lines are transformed at once."""
    return instruction_set()[1] // _real(line).itemsize


def workspace_bytes(line: Line, lines: int) -> int:
    """Bytes of each of the two tiles that a kernel needs for so many lines at once."""
    vector = instruction_set()[1]
    groups = -(-lines // (vector // _real(line).itemsize))
    return (_points(line) + _ROWS) * (groups * 2 * vector + _SPARE)


def kernel(
    line: Line,
    tables: Sequence[Array],
    outer: Array,
    columns: int,
    batches: int,
    step: int,
    scales: Array,
    stream: bool,
    workspace: Array,
) -> _kernels.Vertical:
    """The kernel of a sweep of lines that are `known`: its arguments as `_kernels.Vertical` has them."""
    edits = [np.array(e, np.intp).reshape(-1, 3) for e in (line.gaps + line.edits[0], line.edits[1])]
    n, points, real = line.n, _points(line), _real(line)
    along = _along(line, tables)
    if along:
        chosen, at_once = along
        made = passes_along(n, points, real, at_once)
        step = min(step, max(1, min(points // 4, _ALONG_BYTES // (2 * points * real.itemsize))))
    else:
        chosen, _ = instruction_set()
        made = passes(n, points, real, line.kind in _WAVES)
    return _kernels.Vertical(
        chosen,
        line.kind,
        n,
        points,
        along is not None,
        made,
        list(zip(tables, edits, strict=True)),
        outer,
        columns,
        batches,
        step,
        scales,
        stream,
        workspace,
    )


def plan(line: Line, before: Tile, after: Tile) -> Plan:
    """Transforms of all lines of a tile."""
    before_runs, after_runs = ((Run(0, 0, n),) for n in line.lengths)
    whole = replace(line, runs=(before_runs, after_runs), edits=((), ()))
    if not known(whole):
        return engine("pyfftw")(line, before, after)
    tables = [np.array([[0, t.shape[1], t.ctypes.data, t.itemsize, t.strides[0], 0]], np.intp) for t in (before, after)]
    step, scales, outer = lanes(line), np.ones(2, np.longdouble), np.empty(0, np.intp)
    workspace = aligned_bytes(2 * workspace_bytes(line, step)).reshape(2, -1)
    made = kernel(whole, tables, outer, len(before), 1, step, scales, False, workspace)
    return functools.partial(made.run, 0, 0, 0, 1, False)


@functools.lru_cache(64)
def passes(n: int, points: int, real: np.dtype[Any], waves: bool) -> Passes:
    """Radices, twiddle factors and turns of lines of `n` points that are transformed as `points` complex ones."""
    radices = _radices(points)
    turns = roots(n, np.arange(n // 4 + 1), np.longdouble)
    if waves:
        turns = np.concatenate([turns, roots(4 * n, np.arange(n // 2 + 1), np.longdouble)])
    return np.array(radices, np.intp), _numbers(_twiddles(points, radices), real), _numbers(turns, real)


@functools.lru_cache(64)
def passes_along(n: int, points: int, real: np.dtype[Any], lanes: int) -> Passes:
    """The same for lines that are transformed along themselves, W = `lanes` points at once.

    As vertical/along.h reads it: the radices are those after the first pass. The factors of the first come before the
    others: for each W butterflies and each mode W real and W imaginary parts; so do the turns for each W modes.
    """
    rest = points // lanes
    radices = _radices(rest)
    lines = _lines(lanes, real)
    starts = np.minimum(np.arange(0, rest, lanes), max(0, rest - lanes))
    exponents = np.arange(1, lanes)[None, :, None] * ((starts[:, None, None] + lines) % rest)
    first = _parts(roots(points, exponents, np.longdouble), real)
    turns = roots(n, lanes * np.arange((rest + 1) // 2)[:, None] + lines, np.longdouble)
    twiddles = np.concatenate([first, _numbers(_twiddles(rest, radices), real)])
    return np.array(radices, np.intp), twiddles, _parts(turns, real)


def _twiddles(points: int, radices: Sequence[int]) -> Array:
    """The factors of all passes."""
    factors = [np.empty(0, np.clongdouble)]
    for radix in radices:
        exponents = np.outer(np.arange(points // radix), np.arange(1, radix))
        factors.append(roots(points, exponents, np.longdouble).ravel())
        points //= radix
    return np.concatenate(factors)


def _lines(lanes: int, real: np.dtype[Any]) -> Array:
    """Which of consecutive points lies in which lane, as vertical/lanes.h has them."""
    part = 16 // real.itemsize
    lane, half = np.arange(lanes), part // 2
    return lane // part * half + np.where(lane % part < half, lane % part, lanes // 2 + lane % part - half)


def _along(line: Line, tables: Sequence[Array]) -> tuple[int, int] | None:
    """The instruction set by which lines are transformed along themselves, and how many points at once; or None.

    Their points follow each other, and there are W times W or more, or half of that. Where vectors are too long for
    this, shorter ones are faster than to lay lines into lanes; but those of two points save nothing, and nor do fewer
    than 16 points.
    """
    points, real = _points(line), _real(line)
    if points < 16 or line.kind in _WAVES or (line.kind not in ("forward", "backward") and line.n % 2):
        return None
    if not all((t[:, 3] == d.itemsize).all() and len(t) for t, d in zip(tables, line.dtypes, strict=True)):
        return None
    first, longest = instruction_set()
    for chosen, (_, vector) in enumerate(_kernels.instruction_sets()):
        w = vector // real.itemsize
        enough = points >= w * w or 2 * points == w * w > 4
        if chosen >= first and vector >= min(longest, 32) and points % w == 0 and enough:
            return chosen, w
    return None


def _numbers(factors: Array, real: np.dtype[Any]) -> Array:
    """Real and imaginary parts in turn, each rounded once."""
    return np.stack([factors.real, factors.imag], -1).ravel().astype(real)


def _parts(factors: Array, real: np.dtype[Any]) -> Array:
    """The real parts of each row, then the imaginary ones, each rounded once."""
    return np.stack([factors.real, factors.imag], -2).ravel().astype(real)


def _radices(points: int) -> list[int]:
    """The radices of the passes: eights, for which there is room in the registers, and what they leave.

    The smallest comes first, since the first pass may read from memory, from rows that are far apart: more than a few
    at once would need more ways than a cache has. Where a single two is left over, it goes with a three, or with an
    eight as two fours. Odd ones come last, where a pass has no twiddles.
    """
    twos = (points & -points).bit_length() - 1
    odd, others = [], points >> twos
    for prime in _PRIMES[1:]:
        while others % prime == 0:
            odd.append(prime)
            others //= prime
    eights, rest = divmod(twos, 3)
    if rest == 1 and 3 in odd:
        return [6, *[8] * eights, *odd[1:]]
    if rest == 1 and eights:
        return [4, *[8] * (eights - 1), 4, *odd]
    return [*[2**rest] * (rest > 0), *[8] * eights, *odd]


def _smooth(n: int) -> bool:
    """Whether `n` has no other prime factors than those there are butterflies for."""
    for prime in _PRIMES:
        while n % prime == 0:
            n //= prime
    return n == 1


def _real(line: Line) -> np.dtype[Any]:
    """The dtype of real and imaginary parts."""
    return np.dtype(line.dtypes[0].char.lower())


def _points(line: Line) -> int:
    """Points of the complex transform: half of those of a line of an even number of real points."""
    return line.n if line.kind in ("forward", "backward") or line.n % 2 else line.n // 2
