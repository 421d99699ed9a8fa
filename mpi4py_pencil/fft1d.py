"""The Fourier transform of one long line that is divided among the ranks, by the four-step method.

Gentleman & Sande, "Fast Fourier transforms: for fun and profit", AFIPS Fall Joint Computer Conference (1966);
Bailey, "FFTs in external or hierarchical memory", Journal of Supercomputing 4 (1990). With n = n1 n2, points
j = j1 n2 + j2 and modes k = k1 + k2 n1, the transform is::

    X[k] = sum over j2 of w2**(j2 k2) * w**(j2 k1) * (sum over j1 of w1**(j1 k1) * x[j]),

where w, w1, w2 are exp(-2 pi i / n), exp(-2 pi i / n1) and exp(-2 pi i / n2): transforms along the columns of the
matrix x[j1, j2], the twiddle factors w**(j2 k1), transforms along the rows, and a transposition.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType
from typing import Any

import numpy as np
from mpi4py import MPI

from ._kernels import ABSOLUTE, SOURCE, TARGET, Call, Program
from .engines import Plan, Planner, checked_engine, engine
from .exchange import Exchange, Memory, checked_method, chosen_method, open_exchange, segment_bytes
from .exchange.alltoallw import Alltoallw
from .exchange.placement import Placed
from .layout.arrays import address, checked_array, keep, offset, strides, truth
from .layout.boxes import boxes
from .layout.pencil import Pencil
from .layout.subcomm import Subcomm
from .layout.way import Way
from .plan.leg import DirectedSweep, Leg
from .ranks.agreement import agreed, nothing
from .ranks.calls import Calls
from .ranks.communicators import communicator
from .sweep import cache
from .sweep.copying import copy
from .sweep.instruction import Instruction, anywhere
from .sweep.tiles import Tiles
from .transforms import Fourier, Line, Transform
from .transforms.roots import roots

Array = np.ndarray[Any, Any]


class FFT1D:
    """The Fourier transform of a one-dimensional array that is divided among the ranks.

    ``forward`` goes from points to modes and scales by 1 / n, ``backward`` goes back and does not scale. Points and
    modes are in natural order, that of ``numpy.fft.fft``, and each rank has a run of consecutive ones: see
    `local_slice`.

    Collective over `comm`. The transform goes four times through memory, with three exchanges: the input is copied to
    the first outbox, two sweeps transform, the last inbox is copied to the output. Made here, and kept: in shared
    memory two local arrays as outboxes, for the other methods three (two outboxes and an inbox), and one local array of
    twiddle factors. A plan may be used as a context manager; one that is merely dropped gives back what it holds too.

    Parameters
    ----------
    comm : MPI.Intracomm
        The ranks, any number. Nothing of it is changed or freed.
    n : int
        The points, at least 1. They are divided as the rows of a matrix are: `n` should have a divisor near its square
        root, and the more ranks there are, the more it matters. A prime `n` is one row, which one rank transforms.
    dtype : dtype-like, optional
        complex64, complex128 (the default) or clongdouble.
    backend : str, optional
        The engine that transforms lines: see `PFFT`.
    method : str, optional
        The exchange: see `Transfer`.

    Attributes
    ----------
    comm : MPI.Intracomm
        The ranks.
    n : int
        The points.
    factors : (int, int)
        n1 <= n2, the divisors of `n` nearest to its square root, with n1 n2 = n.

    Raises
    ------
    TypeError, ValueError, ImportError, MemoryError
        On every rank, where an argument is wrong on one or the ranks disagree.

    Examples
    --------
    >>> from mpi4py import MPI
    >>> fft = FFT1D(MPI.COMM_SELF, 1000)
    >>> x = np.arange(1000)[fft.local_slice(False)] / 1000
    >>> u_hat = fft.forward(np.exp(2j * np.pi * 3 * x))
    >>> bool(np.isclose(u_hat[3], 1)), fft.factors
    (True, (25, 40))
    """

    def __init__(
        self, comm: MPI.Intracomm, n: int, dtype: Any = complex, backend: str = "pyfftw", method: str = "auto"
    ) -> None:
        self.comm = communicator(comm)
        asked = agreed(
            comm,
            lambda: _asked(n, dtype, backend, method),
            lambda found: dict(zip(("n", "dtype", "backend", "method"), found, strict=True)),
        )
        self.n, self._dtype, self._backend, self._method = asked
        self.factors = nearest_factors(self.n)
        subcomm = Subcomm(comm, [0, 1])
        rows = Pencil(subcomm, self.factors, 1)
        # A rank's points are rows of the matrix of points, its modes are columns of the matrix of modes.
        self._matrices = (rows, rows.pencil(0))
        self._calls = Calls(comm, "FFT1D", subcomm.grid.cart)
        opened = _open(comm, *self._matrices, self._dtype.itemsize, method)
        self._ways: tuple[_OneWay, ...] = agreed(
            comm, lambda: _build(opened, *self._matrices, self._dtype, backend), nothing
        )

    def forward(self, u: Array, out: Array | None = None, normalize: bool | None = None) -> Array:
        """Transform points into modes. Collective over the ranks.

        Parameters
        ----------
        u : ndarray
            This rank's points, ``shape(False)``, of any stride. It is not changed.
        out : ndarray, optional
            Where the result goes: this rank's modes, ``shape(True)``, of any stride; it may be `u`, or overlap it.
        normalize : bool, optional
            Whether to scale by 1 / n; ``forward`` does and ``backward`` does not by default.

        Returns
        -------
        ndarray
            `out`, or a new array.

        Raises
        ------
        TypeError, ValueError
            Before a message is sent, where an array has the wrong shape or dtype or cannot be written, the plan is
            closed, or the communicator has been freed.
        """
        return self._transform(Way.FORWARD, u, out, normalize)

    def backward(self, u_hat: Array, out: Array | None = None, normalize: bool | None = None) -> Array:
        """Transform modes into points: as `forward`, the other way."""
        return self._transform(Way.BACKWARD, u_hat, out, normalize)

    def _transform(self, way: Way, source: Array, target: Array | None, normalize: bool | None) -> Array:
        """Transform in one direction."""
        with self._calls:
            result, normalized = self._calls.checked(
                lambda: self._checked(way, source, target, normalize),
                lambda found: {"the call": str(way), "normalize": found[1]},
            )
            self._ways[way](source, result, normalized)
            return result

    def _checked(self, way: Way, source: Any, target: Any, normalize: Any) -> tuple[Array, bool]:
        """Where the result goes, and whether to normalise; arrays that do not fit are refused."""
        if not self._ways:
            raise ValueError("this FFT1D is closed")
        checked_array(("u", "u_hat")[way], source, self.shape(way is Way.BACKWARD), self._dtype)
        shape = self.shape(way is Way.FORWARD)
        if target is not None:
            checked_array("out", target, shape, self._dtype, written=True)
        normalized = way is Way.FORWARD if normalize is None else truth("normalize", normalize)
        return np.empty(shape, self._dtype) if target is None else target, normalized

    def shape(self, forward_output: bool = True) -> tuple[int]:
        """The shape of this rank's part of the modes, or of the points."""
        return (math.prod(self._matrices[truth("forward_output", forward_output)].subshape),)

    def global_shape(self, forward_output: bool = False) -> tuple[int]:
        """The shape of the whole: (n,), for points and modes alike."""
        return (self.n,)

    def local_slice(self, forward_output: bool = True) -> tuple[slice]:
        """This rank's part of the modes, or of the points, as a slice of the whole.

        With n1, n2 = `factors`, the points are n1 rows of n2, and the modes n2 rows of n1; each rank has a block of
        whole rows, of which the first ranks may have one more, and the last none. Where the number of ranks divides n1
        and n2, these are the blocks of equal length in which one would divide n points.
        """
        side = int(truth("forward_output", forward_output))
        start = self._matrices[side].substart[side] * self.factors[1 - side]
        return (slice(start, start + self.shape(forward_output)[0]),)

    def dtype(self, forward_output: bool = False) -> np.dtype[Any]:
        """The dtype of points and modes."""
        return self._dtype

    def close(self) -> None:
        """Give back the plan's memory; the communicators stay, with those who share them. Local."""
        self._ways = ()

    def __repr__(self) -> str:
        """What it transforms and how, with the exchange that was chosen while it is open. Local."""
        method = self._ways[0].method if self._ways else self._method
        told = f"n={self.n}, dtype={str(self._dtype)!r}, factors={self.factors}, ranks={self.comm.Get_size()}"
        closed = "" if self._ways else "closed "
        return f"{closed}FFT1D({told}, method={method!r}, backend={self._backend!r})"

    def __enter__(self) -> FFT1D:
        """The plan itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the plan."""
        self.close()


def _asked(n: Any, dtype: Any, backend: Any, method: Any) -> tuple[int, np.dtype[Any], str, str]:
    """The arguments of a plan, checked."""
    kind, points = _complex(dtype), _length(n)
    lines = Fourier().along(0, points, points, kind).lines
    return points, kind, checked_engine(backend, lines), checked_method(method)


def _length(n: Any) -> int:
    """The number of points."""
    if not hasattr(n, "__index__"):
        raise TypeError(f"n must be an int, not {n!r}")
    if n < 1:
        raise ValueError(f"n is {n}: there must be one point at least")
    return int(n.__index__())


def _complex(dtype: Any) -> np.dtype[Any]:
    """The dtype of the arrays."""
    kind = np.dtype(dtype)
    if kind not in (np.dtype(c) for c in "FDG"):
        raise TypeError(f"dtype {kind} is not complex: use complex64, complex128 or clongdouble, for real data too")
    return kind


def nearest_factors(n: int) -> tuple[int, int]:
    """The two factors of `n` that are nearest to its square root, the smaller first."""
    smaller = next(k for k in range(math.isqrt(n), 0, -1) if n % k == 0)
    return smaller, n // smaller


def twiddles(n: int, columns: range, modes: int, dtype: np.dtype[Any]) -> Array:
    """The factors exp(-2 pi i j k / n) for `columns` j and `modes` k, as an array of (columns, modes).

    Each is the product of two roots of unity, of which a column needs 2 sqrt(modes), computed in long double, for
    single precision in double, and rounded once. No product j k may be above n, nor n above 2**60.
    """
    wide = np.double if dtype == np.complex64 else np.longdouble
    width = math.isqrt(modes - 1) + 1
    factors = np.empty((len(columns), modes), dtype)
    step = max(1, 2**14 // modes)  # the numbers on the way stay in cache
    for start in range(0, len(columns), step):
        j = np.array(columns[start : start + step], np.int64)
        coarse = roots(n, np.outer(j, np.arange(0, modes, width)), wide)
        fine = roots(n, np.outer(j, np.arange(width)), wide)
        product = coarse[:, :, None] * fine[:, None, :]
        factors[start : start + step] = product.reshape(len(j), -1)[:, :modes]
    return factors


class _Twiddled:
    """An engine that multiplies tiles of columns by the twiddle factors: after forward, conjugate before backward.

    The tiles of a sweep through a matrix come in the order of its columns.

    Parameters
    ----------
    planner : Planner
        The engine that transforms.
    factors : ndarray
        A row for each of this rank's columns.
    """

    def __init__(self, planner: Planner, factors: Array) -> None:
        self._planner = planner
        self._factors = factors
        self._column = 0

    def begin(self, *_: int) -> None:
        """Say that the next tile is the first."""
        self._column = 0

    def __call__(self, line: Line, before: Array, after: Array) -> Plan:
        """Plan the transform of a tile and its multiplication."""
        transform = self._planner(line, before, after)
        conjugate = np.empty((len(before), line.n), self._factors.dtype)

        def forward() -> None:
            transform()
            factors = self._next(len(after))
            np.multiply(after[: len(factors)], factors, out=after[: len(factors)])

        def backward() -> None:
            factors = self._next(len(before))
            np.conjugate(factors, out=conjugate[: len(factors)])
            np.multiply(before[: len(factors)], conjugate[: len(factors)], out=before[: len(factors)])
            transform()

        return forward if line.kind == "forward" else backward

    def _next(self, count: int) -> Array:
        """The factors of the next columns, as many as a tile holds and there are."""
        self._column += count
        return self._factors[self._column - count : self._column]


class _End:
    """Copies between the caller's arrays and the boxes at one end of a transform.

    Parameters
    ----------
    placed : list of Placed
        The boxes, parts of this rank's block of the matrix.
    steps : (int, int)
        Items of the array from row to row of the block, and from column to column.
    itemsize : int
        Bytes of an item.
    filling : bool
        Whether the boxes are filled from the array, or the array from the boxes.
    """

    def __init__(self, placed: list[Placed], steps: tuple[int, int], itemsize: int, filling: bool) -> None:
        self._placed = placed
        self._steps = steps
        self._itemsize = itemsize
        self._filling = filling
        self._stream = sum(p.box.size for p in placed) * itemsize > cache.CACHED_BYTES

    def instructions(self, stride: int) -> list[Instruction]:
        """What copies all boxes from or to an array of this stride."""
        step = tuple(stride * items for items in self._steps)
        listed: list[Instruction] = []
        for p in self._placed:
            here = offset(p.box.start, step), step
            box = p.address, p.strides
            if self._filling:
                listed.append((copy(p.box.shape, here, box, self._itemsize, self._stream), SOURCE, ABSOLUTE))
            else:
                listed.append((copy(p.box.shape, box, here, self._itemsize, self._stream), ABSOLUTE, TARGET))
        return listed


@dataclass(frozen=True)
class _Lines:
    """This rank's lines along one axis of the matrix.

    Attributes
    ----------
    transform : Transform
        Along the axis.
    extents : tuple of int
        Of this rank's block.
    tiles : Tiles
        Where the tiles come from.
    """

    transform: Transform
    extents: tuple[int, ...]
    tiles: Tiles

    def leg(self, way: Way, source: Exchange, target: Exchange, normalized: np.longdouble) -> Leg:
        """The sweep from the inbox of an exchange to the outbox of the next, and its factor where one normalises."""
        sweep = DirectedSweep(self.transform.axis, self.transform.line(way), self.extents)
        scales = np.longdouble(1), normalized
        return Leg([sweep], None, (source.inbox, target.outbox), [self.tiles], scales, None)


class _OneWay:
    """One direction of a transform: copy, sweep, sweep, copy, and an exchange between any two.

    Parameters
    ----------
    way : Way
        The direction.
    exchanges : three of Exchange
        In the order in which they are used; the first and the third may share memory.
    lines : pair of _Lines
        What transforms from the first to the second, and from the second to the third.
    steps : pair of (int, int)
        Of the input and of the output: see `_End`.
    twiddled : _Twiddled
        The engine of one of the lines.
    """

    def __init__(
        self,
        way: Way,
        exchanges: tuple[Exchange, Exchange, Exchange],
        lines: tuple[_Lines, _Lines],
        steps: tuple[tuple[int, int], tuple[int, int]],
        twiddled: _Twiddled,
    ) -> None:
        self._exchanges = first, second, third = exchanges
        itemsize = lines[0].transform.dtype.itemsize
        one = np.longdouble(1)
        scale = one / math.prod(each.transform.points for each in lines)
        self._fill = _End(first.outbox, steps[0], itemsize, True)
        self._legs = lines[0].leg(way, first, second, one), lines[1].leg(way, second, third, scale)
        self._empty = _End(third.inbox, steps[1], itemsize, False)
        self._twiddled = twiddled
        self._programs: dict[tuple[int, int], Program] = {}

    @property
    def method(self) -> str:
        """What the exchanges are."""
        return self._exchanges[0].method

    def __call__(self, source: Array, target: Array, normalize: bool) -> None:
        """Transform `source` into `target`. Collective over the ranks."""
        key = source.strides[0], target.strides[0]
        program = self._programs.get(key) or keep(self._programs, key, self._compiled(*key), 8)
        program.execute(address(source), address(target), normalize)

    def _compiled(self, source: int, target: int) -> Program:
        """The program for arrays of these strides."""
        first, second, third = self._exchanges
        return Program(
            [
                anywhere(Call(self._twiddled.begin)),
                anywhere(first.claim),
                *self._fill.instructions(source),
                anywhere(first.deliver),
                anywhere(second.claim),
                *self._legs[0].instructions(None, None),
                anywhere(first.release),
                anywhere(second.deliver),
                anywhere(third.claim),
                *self._legs[1].instructions(None, None),
                anywhere(second.release),
                anywhere(third.deliver),
                *self._empty.instructions(target),
                anywhere(third.release),
            ]
        )


class _ByColumns:
    """An exchange whose boxes lie column by column: the same memory, in another order."""

    def __init__(self, exchange: Exchange, itemsize: int) -> None:
        self.outbox, self.inbox = (
            [replace(p, strides=strides(p.box.shape, (1, 0), itemsize)) for p in placed]
            for placed in (exchange.outbox, exchange.inbox)
        )
        self.method = exchange.method
        self.claim, self.deliver, self.release = exchange.claim, exchange.deliver, exchange.release
        self._exchange = exchange  # whose memory it is


def _build(
    opened: list[tuple[Exchange, Exchange]], rows: Pencil, columns: Pencil, dtype: np.dtype[Any], backend: str
) -> tuple[_OneWay, _OneWay]:
    """Forward and backward through two exchanges that are open. Local.

    Forward goes from rows to columns, to rows, to columns, and backward the way back. Of two exchanges the one at the
    ends serves twice: its boxes lie row by row in the matrix of points, and column by column in that of modes.
    """
    (there, back), (again, home) = opened
    n1, n2 = rows.shape
    start, count = columns.substart[1], columns.subshape[1]
    planner = engine(backend)
    twiddled = _Twiddled(planner, twiddles(n1 * n2, range(start, start + count), n1, dtype))
    down = _Lines(Fourier().along(0, n1, n1, dtype), columns.subshape, Tiles(twiddled))
    along = _Lines(Fourier().along(1, n2, n2, dtype), rows.subshape, Tiles(planner, vertical=backend == "vertical"))
    points, modes = (n2, 1), (1, n1)
    # an Alltoallw finds its boxes in plain arrays, which cannot be turned
    turned = [x if isinstance(x, Alltoallw) else _ByColumns(x, dtype.itemsize) for x in (there, back)]
    return (
        _OneWay(Way.FORWARD, (there, home, turned[0]), (down, along), (points, modes), twiddled),
        _OneWay(Way.BACKWARD, (turned[1], again, back), (along, down), (modes, points), twiddled),
    )


def _open(
    comm: MPI.Intracomm, rows: Pencil, columns: Pencil, itemsize: int, method: str
) -> list[tuple[Exchange, Exchange]]:
    """Two exchanges from rows to columns and back, whose outboxes do not share memory. Collective over `comm`."""
    moved = boxes(rows, columns)
    memory = Memory(segment_bytes(moved, itemsize))
    opened = []
    for turn in (0, 1):
        memory.turn = turn
        chosen = chosen_method(comm, method, moved, itemsize)
        shapes = rows.subshape, columns.subshape
        opened.append(agreed(comm, partial(open_exchange, chosen, moved, shapes, itemsize, (0, 1), memory), nothing))
    return opened
