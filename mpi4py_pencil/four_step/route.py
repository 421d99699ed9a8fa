"""The exchanges of a transform of a line, and both directions over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from mpi4py import MPI

from ..engines import engine
from ..exchange import Exchange, Memory, chosen_method, open_exchange, room, turns
from ..exchange.window import Window
from ..layout.arrays import keep
from ..layout.boxes import Boxes, boxes
from ..layout.pencil import Pencil
from ..layout.subcomm import Subcomm
from ..layout.way import Way
from ..plan.arguments import scales
from ..plan.cuts import cuts_between
from ..plan.leg import Stretch
from ..plan.program import Program, Sweeping, chained
from ..plan.timing import SWEEP, Clock
from ..ranks.agreement import agreed, nothing
from ..sweep import cache
from ..sweep.instruction import Instruction
from ..sweep.tiles import Tiles
from ..transforms import Fourier
from .ends import Border, End, box, cuts_of_line, moves
from .places import Places, gap, of_modes, of_points
from .sweeps import Lines, Scales
from .twiddles import Twiddled, nearest_factors, twiddles

Array = np.ndarray[Any, Any]

COPY = "copy"
_ONE = (np.longdouble(1), np.longdouble(1))


class OneWay:
    """One direction of a transform: copy, sweep, sweep, copy, and an exchange between any two.

    Parameters
    ----------
    name : str
        The direction.
    exchanges : three of Exchange
        In the order in which they are used.
    ends : pair of (str, End)
        What fills the first outbox, and what empties the last inbox, with their names.
    sweeps : pair of (str, callable)
        What transforms from the first to the second exchange, and from the second to the third: the name of the lines,
        and what makes the instructions of all of them, or of a stretch.
    natural : (int, int)
        The strides of ordinary lines before and after.
    clock : Clock
        What it reports to.
    """

    def __init__(
        self,
        name: str,
        exchanges: Sequence[Exchange],
        ends: Sequence[tuple[str, End]],
        sweeps: Sequence[tuple[str, Callable[[Stretch | None], list[Instruction]]]],
        natural: tuple[int, int],
        clock: Clock,
    ) -> None:
        self.methods = [each.method for each in exchanges]
        self._name = name
        self._exchanges = exchanges
        self._ends = ends
        self._sweeps = sweeps
        self._clock = clock
        self._programs: dict[tuple[int, int], Program] = {}
        self._compiled(*natural)

    def __call__(self, source: Array, target: Array, normalize: bool) -> None:
        """Transform a line into another. Collective over the ranks."""
        key = source.strides[0], target.strides[0]
        program = self._programs.get(key) or self._compiled(*key)
        program(source, target, normalize)

    def _compiled(self, source: int, target: int) -> Program:
        """The program for lines of these strides."""
        (start, fill), (end, empty) = self._ends
        passes: list[Sweeping] = [
            (start, COPY, partial(fill.instructions, source)),
            *((lines, SWEEP, sweep) for lines, sweep in self._sweeps),
            (end, COPY, partial(empty.instructions, target)),
        ]
        program = Program(self._name, chained(passes, self._exchanges), self._clock)
        return keep(self._programs, (source, target), program, 8)


@dataclass(frozen=True)
class Line:
    """What is asked of a transform of a line, the same on every rank.

    Attributes
    ----------
    modes, points : int
        Of the line.
    dtype : numpy.dtype
        Of the points.
    backend, method, norm : str
        The engine, the exchange, and what is scaled.
    threads : int
        Of each rank.
    wire : str or None
        "float32" where messages between nodes are in single precision.
    given : bool
        Whether the engine was given; the default may not be the same on every rank yet.
    """

    modes: int
    points: int
    dtype: np.dtype[Any]
    backend: str
    method: str
    norm: str
    threads: int
    wire: str | None
    given: bool

    def arguments(self) -> dict[str, Any]:
        """What was asked for by the names of the arguments."""
        return {
            "n": self.modes,
            "dtype": self.dtype,
            "padding": f"to {self.points} points",
            "backend": self.backend if self.given else "the default",
            "method": self.method,
            "norm": self.norm,
            "threads": self.threads,
            "wire": self.wire,
        }

    @property
    def scales(self) -> Scales:
        """What is multiplied with, and with what where the result is to be normalised."""
        return scales(self.norm, self.points)

    @property
    def complex_dtype(self) -> np.dtype[Any]:
        """Of the modes."""
        return np.dtype(self.dtype.char.upper())

    @property
    def factors(self) -> tuple[int, int]:
        """Rows and columns of the matrix of points."""
        return nearest_factors(self.points)

    def places(self, ranks: int) -> tuple[Places, Places]:
        """Where the points are, and the modes."""
        n1, n2 = self.factors
        real = self.dtype.kind == "f"
        return of_points(self.points, n2, ranks), of_modes(self.modes, self.points, n1, real, ranks)


def open_route(
    comm: MPI.Intracomm, line: Line, places: tuple[Places, Places], pool: ThreadPoolExecutor | None, clock: Clock
) -> tuple[OneWay, OneWay]:
    """Forward and backward. Collective over `comm`.

    Forward goes from the owners of points to the holders of columns, to those of rows, to the owners of modes.
    """
    points, modes = places
    rows = Pencil(Subcomm(comm, [0, 1]), (modes.fast, points.width), 1)
    columns = rows.pencil(0)
    between = boxes(columns, rows)
    moved = moves(points, between.comm), between, moves(modes, between.comm)
    shapes = [_lengths(moved[0]), (columns.subshape, rows.subshape), _lengths(moved[2])]
    dtypes = line.dtype, line.complex_dtype, line.complex_dtype
    memory = Memory(room(moved, [dtype.itemsize for dtype in dtypes]))
    narrow = line.wire is not None
    chosen = [
        chosen_method(comm, line.method, each, dtype.itemsize, narrow)
        for each, dtype in zip(moved, dtypes, strict=True)
    ]
    there, home = turns(memory, chosen), turns(memory, chosen[::-1])[::-1]
    windows: tuple[dict[str, Window], dict[str, Window]] = ({}, {})  # of the first exchange and the last, and between
    there, home = ([replace(turn, windows=windows[k % 2]) for k, turn in enumerate(row)] for row in (there, home))
    # forward ends with the last exchange's own way back
    pairs = (there[0], home[0]), (there[1], home[1]), (home[2], there[2])
    cuts = (
        cuts_of_line(points, moved[0], 0, dtypes[0].itemsize),
        cuts_between(columns, rows, dtypes[1].itemsize),
        cuts_of_line(modes, moved[2], 1, dtypes[2].itemsize),
    )
    opened = []
    for method, each, sides, dtype, both, cut in zip(chosen, moved, shapes, dtypes, pairs, cuts, strict=True):
        order = tuple(range(len(sides[0])))
        opening = partial(open_exchange, comm, method, each, sides, dtype.itemsize, order, both, cut, narrow)
        opened.append(agreed(comm, opening, nothing))
    rank = between.comm.Get_rank()
    return agreed(comm, lambda: _bound(line, places, rank, moved, opened, pool, clock), nothing)


def _lengths(moved: Boxes) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Of the outbox and the inbox of an exchange of boxes of one axis."""
    sends, receives = (sum(box.size for box in side) for side in (moved.sends, moved.receives))
    return (sends,), (receives,)


def _lines(
    line: Line, places: tuple[Places, Places], rank: int, threads: int, pool: ThreadPoolExecutor | None
) -> tuple[Lines, Lines]:
    """The columns and the rows that a rank holds."""
    n1, n2 = line.factors
    (first, count), (first_row, rows) = (each.held(rank) for each in places)
    planner, dtype = engine(line.backend), line.complex_dtype
    down, along = Fourier().along(0, n1, n1, line.dtype), Fourier().along(1, n2, n2, dtype)
    factors = twiddles(n1 * n2, range(first, first + count), down.length, dtype)
    twiddled = [Twiddled(planner, factors) for _ in range(threads)]
    absent = [box(patch, 1, first_row) for patch in places[1].absent(rank, *gap(line.modes, line.points))]
    tiles = [Tiles(planner, vertical=line.backend == "vertical") for _ in range(threads)]
    return (
        Lines("columns", down, count, [Tiles(each) for each in twiddled], pool, twiddled),
        Lines("rows", along, rows, tiles, pool, absent=absent),
    )


def _bound(
    line: Line,
    places: tuple[Places, Places],
    rank: int,
    moved: Sequence[Boxes],
    opened: Sequence[tuple[Exchange, Exchange]],
    pool: ThreadPoolExecutor | None,
    clock: Clock,
) -> tuple[OneWay, OneWay]:
    """Both directions over three exchanges that are open. Local."""
    mine = max(each.owned(rank)[1] for each in places) * line.complex_dtype.itemsize
    threads = line.threads if mine > cache.CACHED_BYTES else 1
    columns, rows = _lines(line, places, rank, threads, pool)
    points = Border(places[0], rank, moved[0], opened[0], 0, line.dtype, threads, pool)
    modes = Border(places[1], rank, moved[2], opened[2], 1, line.complex_dtype, threads, pool)
    across, back = opened[1]
    natural = line.dtype.itemsize, line.complex_dtype.itemsize
    return (
        OneWay(
            str(Way.FORWARD),
            (opened[0][0], across, opened[2][1]),
            (("points", points.fill()), ("modes", modes.empty())),
            (
                (columns.name, columns.instructions(Way.FORWARD, points.taken(), across.outbox, _ONE)),
                (rows.name, rows.instructions(Way.FORWARD, across.inbox, modes.given(), line.scales)),
            ),
            natural,
            clock,
        ),
        OneWay(
            str(Way.BACKWARD),
            (opened[2][0], back, opened[0][1]),
            (("modes", modes.fill()), ("points", points.empty())),
            (
                (rows.name, rows.instructions(Way.BACKWARD, modes.taken(), back.outbox, _ONE)),
                (columns.name, columns.instructions(Way.BACKWARD, back.inbox, points.given(), line.scales)),
            ),
            natural[::-1],
            clock,
        ),
    )
