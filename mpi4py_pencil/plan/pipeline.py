"""A plan over real memory: its sweeps bound to outboxes and inboxes, ready to run any number of times."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from mpi4py import MPI

from ..exchange import Exchange, Local, Memory, Turn, chosen_method, open_exchange, room, turns
from ..layout.arrays import keep, overlap
from ..layout.boxes import Box, boxes, spread
from ..layout.pencil import Pencil
from ..layout.way import Way
from ..ranks.agreement import agreed, nothing
from ..sweep.tiles import Strides, Tiles
from .cuts import cuts_of
from .leg import DirectedSweep, Leg, Side
from .passes import Pass, local_bytes, passes
from .program import Program, chained
from .steps import Step, Sweep
from .timing import SWEEP, Clock

Array = np.ndarray[Any, Any]
Scales = tuple[np.longdouble, np.longdouble]
_ONE = (np.longdouble(1), np.longdouble(1))
# Programs for so many pairs of strides of the caller's arrays are kept.
_MOST_PROGRAMS = 16


class Pipeline:
    """The passes of one direction in a row, as a program for arrays of any strides.

    Parameters
    ----------
    comm : MPI.Intracomm
        The ranks.
    name : str
        What it does, for the timings.
    legs : sequence of Leg
        The passes.
    exchanges : sequence of Exchange
        What lies between them.
    agreed : bool
        Whether functions of the user's are called, so that the ranks agree after each call on whether all went well.
    clock : Clock
        What it reports to.
    """

    def __init__(
        self,
        comm: MPI.Intracomm,
        name: str,
        legs: Sequence[Leg],
        exchanges: Sequence[Exchange],
        agreed: bool,
        clock: Clock,
    ) -> None:
        self._comm = comm
        self._name = name
        self._legs = legs
        self._exchanges = exchanges
        self._agreed = agreed
        self._clock = clock
        self._programs: dict[tuple[Strides | None, Strides | None], Program] = {}
        self._compiled(legs[0].natural(0), legs[-1].natural(1))

    def __call__(self, source: Array, target: Array, normalize: bool) -> None:
        """Transform `source` into `target`. Collective over the ranks of the plan."""
        if len(self._legs) == 1 and overlap(source, target):
            source = source.copy()
        key = source.strides, target.strides
        program = self._programs.get(key) or self._compiled(*key)
        if self._agreed:
            agreed(self._comm, lambda: program(source, target, normalize, agreed=True), nothing)
        else:
            program(source, target, normalize)

    def _compiled(self, source: Strides | None, target: Strides | None) -> Program:
        """The program for arrays of the caller with these strides."""
        last = len(self._legs) - 1
        passes = [
            (leg.name, SWEEP, partial(leg.instructions, source if k == 0 else None, target if k == last else None))
            for k, leg in enumerate(self._legs)
        ]
        program = Program(self._name, chained(passes, self._exchanges), self._clock)
        return keep(self._programs, (source, target), program, _MOST_PROGRAMS)


class Route:
    """The passes of a plan and the exchanges between them, from which its pipelines are made.

    Collective over `comm`, the ranks of the plan.

    Parameters
    ----------
    comm : MPI.Intracomm
        The ranks.
    steps : sequence of Sweep and Exchange steps
        The plan.
    method : str
        The exchange.
    tiles : sequence of Tiles
        Where the tiles come from, for each thread.
    pool : ThreadPoolExecutor or None
        The threads beside the calling one.
    scales : (longdouble, longdouble)
        What the pipelines multiply with, and with what where they are asked to normalise.
    clock : Clock
        What they report to.
    components : int, optional
        So many of the first axes are never cut along.
    wire : bool, optional
        Whether messages between nodes are in single precision.
    parts : int, optional
        Into so many parts boxes are cut, where exchanges are; if it is not given, into what suits their size.
    """

    def __init__(
        self,
        comm: MPI.Intracomm,
        steps: Sequence[Step],
        method: str,
        tiles: Sequence[Tiles],
        pool: ThreadPoolExecutor | None,
        scales: Scales,
        clock: Clock,
        components: int = 0,
        wire: bool = False,
        parts: int | None = None,
    ) -> None:
        self._comm = comm
        self.trips = passes(steps)
        self.between = _open(comm, self.trips, method, components, wire, parts)
        self._tiles = tiles
        self._scales = scales
        self._clock = clock
        self._pool = pool

    @property
    def methods(self) -> list[str]:
        """The method of each exchange on the way forward."""
        return [forward.method for forward, _ in self.between if forward.method != "local"]

    def exchanges(self, way: Way) -> list[Exchange]:
        """What lies between the passes on one way, in the order of that."""
        return [pair[way] for pair in way.order(self.between)]

    def sides(self, way: Way) -> list[tuple[Side, Side]]:
        """What each pass reads and writes on one way."""
        trips, exchanges = way.order(self.trips), self.exchanges(way)
        inboxes: list[Side] = [spread(end_of(trips[0], way)), *(each.inbox for each in exchanges)]
        outboxes: list[Side] = [*(each.outbox for each in exchanges), spread(end_of(trips[-1], way.back))]
        return list(zip(inboxes, outboxes, strict=True))

    def pipeline(self, way: Way, adjoint: bool = False) -> Pipeline:
        """The pipeline of one way, or of the adjoint transform that runs that way. Local.

        Raises
        ------
        ValueError
            Where the adjoint of a transform is not known.
        """
        trips = way.order(self.trips)
        legs = self.legs(way, self._scales, adjoint)
        mapped = any(step.transform.line(way, adjoint).map is not None for trip in trips for step in trip.sweeps)
        name = f"adjoint of {way.back}" if adjoint else str(way)
        return Pipeline(self._comm, name, legs, self.exchanges(way), mapped, self._clock)

    def legs(self, way: Way, scales: Scales, adjoint: bool = False) -> list[Leg]:
        """The passes of one way, of which the last multiplies. Local."""
        trips = way.order(self.trips)
        legs = []
        for trip, sides in zip(trips, self.sides(way), strict=True):
            sweeps = [directed(step, way, adjoint) for step in way.order(trip.sweeps)]
            factors = scales if trip is trips[-1] else _ONE
            legs.append(Leg(sweeps, trip.outer, sides, self._tiles, factors, self._pool))
        return legs


def directed(step: Sweep, way: Way, adjoint: bool) -> DirectedSweep:
    """A sweep in one direction."""
    transform = step.transform
    return DirectedSweep(transform.axis, transform.line(way, adjoint), (step.before, step.after)[way].subshape)


def end_of(trip: Pass, side: Way) -> Pencil:
    """The pencil at the side of a pass that this way starts from."""
    return (trip.sweeps[0].before, trip.sweeps[-1].after)[side]


def _open(
    comm: MPI.Intracomm, trips: Sequence[Pass], method: str, components: int, wire: bool, parts: int | None
) -> list[tuple[Exchange, Exchange]]:
    """What lies between the passes, in both directions. Collective over `comm`."""
    moved = [None if t.exchange is None else boxes(t.exchange.before, t.exchange.after) for t in trips[:-1]]
    blocks = [(trip.sweeps[-1].after.subshape, trip.sweeps[-1].transform.dtype) for trip in trips[:-1]]
    needed = [each or local_bytes(*block) for each, block in zip(moved, blocks, strict=True)]
    itemsizes = [dtype.itemsize for _, dtype in blocks]
    chosen = [
        "local" if each is None else chosen_method(comm, method, each, itemsize, wire, comm)
        for each, itemsize in zip(moved, itemsizes, strict=True)
    ]
    memory = Memory(room(needed, itemsizes))
    both = [way.order(turns(memory, way.order(chosen))) for way in Way]
    cuts = [cuts_of(trips, way, components, parts) for way in Way]
    between: list[tuple[Exchange, Exchange]] = []
    for k, (each, (shape, _), itemsize) in enumerate(zip(moved, blocks, itemsizes, strict=True)):
        order, turn = _order(trips[k], trips[k + 1]), (both[0][k], both[1][k])
        exchange = trips[k].exchange
        if each is None or exchange is None:
            opening = partial(_local, Box((0,) * len(shape), shape), itemsize, order, turn)
        else:
            shapes, cut = (exchange.before.subshape, exchange.after.subshape), (cuts[0][k], cuts[1][k])
            opening = partial(open_exchange, comm, chosen[k], each, shapes, itemsize, order, turn, cut, wire)
        between.append(agreed(comm, opening, nothing))
    return between


def _local(box: Box, itemsize: int, order: tuple[int, ...], both: tuple[Turn, Turn]) -> tuple[Exchange, Exchange]:
    """What stays with its rank, in both directions."""
    return Local(box, itemsize, order, both[0]), Local(box, itemsize, order, both[1])


def _order(trip: Pass, after: Pass) -> tuple[int, ...]:
    """The order of the axes in memory between two passes, the outermost first.

    The axis of the next sweep comes last, so that it finds its lines contiguous; but where the pass before goes through
    that very axis plane by plane it could only write single points then, and the order stays natural.
    """
    axis = after.sweeps[0].transform.axis
    natural = tuple(range(len(trip.sweeps[-1].after.shape)))
    return natural if trip.outer is not None else (*(k for k in natural if k != axis), axis)
