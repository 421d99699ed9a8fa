"""How long a transform will take on a machine that need not be there, from its steps and the machine's figures.

Every pass takes what its lines take in cache, and what its arrays take from memory and back, which overlap in part: as
was measured, like the legs and the hypotenuse of a triangle. Every exchange takes what its messages take, counted from
boxes of all ranks, and the bytes of the busiest node; and where an exchange is cut, its parts travel while others are
swept, which takes the longer for the processor's own work for messages. Nothing is made or sent, so that the plan of
65536 ranks is predicted in one process. What it does not know: other jobs in the network, and links in it that are
narrower than those of the nodes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from ..exchange import CUT, METHODS, Cut, share_count
from ..layout.way import Way
from ..plan.arguments import Request
from ..plan.cuts import cuts_of
from ..plan.grids import ranked_grids
from ..plan.passes import Pass, passes
from ..plan.steps import Exchange
from .figures import emulated_request, steps_of
from .machine import Link, Machine
from .traffic import Traffic, method_of, traffics
from .wording import columns, count

# Of many grids those that should be the fastest.
MOST_GRIDS = 16
# "shared" is "auto" where it can be; "alltoallw" is left to measuring.
PREDICTED = [method for method in METHODS if method not in ("shared", "alltoallw")]
# Rows of the text.
_MOST_ROWS = 10
_COMPLEX = 16
# How figures come to be known.
_MEND = {
    "between nodes": "run mpi4py-pencil network on several nodes, or give the option twice, --network FILE --network "
    "latency,bandwidth",
    "within a node": "run mpi4py-pencil network with several ranks on a node",
    "of windows": "run mpi4py-pencil network with several ranks on a node, where /dev/shm has room",
}
_ALL = (Fraction(1),)


@dataclass(frozen=True)
class Prediction:
    """What a plan should take.

    Attributes
    ----------
    grid : tuple of int
        Processes along each axis of the input.
    method : str
        As it would be asked for.
    methods : tuple of str
        Those of its exchanges.
    parts : tuple of int
        Into so many messages each box of an exchange is cut, which travel while others are swept; 1 where it is not.
        Forward, as all that follows but the last.
    stages : tuple of (str, float)
        Its passes and exchanges in their order, with seconds: of all parts of an exchange.
    seconds : float
        Of the whole, with overlap.
    backward : float
        Of the whole backward: the same passes and boxes, cut along other axes.
    """

    grid: tuple[int, ...]
    method: str
    methods: tuple[str, ...]
    parts: tuple[int, ...]
    stages: tuple[tuple[str, float], ...]
    seconds: float
    backward: float


@dataclass(frozen=True)
class Travel:
    """An exchange between two passes: what it takes, and its parts.

    Attributes
    ----------
    latency, messages, moved : float
        Seconds of each part, of each piece that a part goes in, and of the bytes of all.
    outward, inward : int or None
        The axis along which the sweep before is cut, and the sweep after; None where they are not.
    given, taken : sequence of Fraction
        Where the parts of either end, as shares of the block.
    work : float
        The seconds that the processor works for all that travels.
    """

    latency: float = 0.0
    messages: float = 0.0
    moved: float = 0.0
    outward: int | None = None
    inward: int | None = None
    given: Sequence[Fraction] = _ALL
    taken: Sequence[Fraction] = _ALL
    work: float = 0.0

    @property
    def parts(self) -> list[tuple[Fraction, list[Fraction]]]:
        """Where each part that is given ends, and the pieces that it goes in: the last in all those that are taken."""
        widths = _widths(self.given)
        pieces = [[width] for width in widths]
        if self.outward != self.inward:  # the sweep after needs something of every part
            pieces[-1] = [widths[-1] * width for width in _widths(self.taken)]
        return list(zip(self.given, pieces, strict=True))

    @property
    def pieces(self) -> int:
        """Those of all parts."""
        return sum(len(pieces) for _, pieces in self.parts)

    @property
    def seconds(self) -> float:
        """Of all parts."""
        return self.latency * len(self.parts) + self.messages * self.pieces + self.moved


def predictions(
    size: int, shape: Sequence[int], machine: Machine, ranks_per_node: int, **arguments: Any
) -> list[Prediction]:
    """Predictions for all grids and methods that a plan may have, the fastest first. Local, whatever `size` is.

    Parameters
    ----------
    size : int
        The number of ranks.
    shape : sequence of int
        The global shape.
    machine : Machine
        The machine.
    ranks_per_node : int
        So many consecutive ranks share a node.
    **arguments
        As `PFFT` takes them; what is given is not varied.

    Raises
    ------
    TypeError, ValueError, ImportError
        Where an argument is wrong, or what is asked cannot be predicted.
    """
    asked = emulated_request(size, shape, ranks_per_node, **arguments)
    if asked.method == "alltoallw":
        raise ValueError("method 'alltoallw' is not predicted, since MPI gathers and scatters there: tune measures it")
    ranked = ranked_grids(asked.shape, asked.groups, size, ranks_per_node)
    grids = [asked.dims] if "grid" in asked.given else ranked[:MOST_GRIDS]
    methods = [asked.method] if "method" in asked.given else PREDICTED
    found = []
    for dims in grids:
        planned = replace(asked, dims=dims)
        steps = steps_of(planned, 0)
        moved = list(traffics(steps, ranks_per_node))
        trips = passes(steps)
        found += [predicted(planned, trips, moved, machine, method) for method in methods]
    return sorted(found, key=lambda each: each.seconds + each.backward)


def predicted(
    asked: Request, trips: Sequence[Pass], moved: Sequence[Traffic], machine: Machine, method: str
) -> Prediction:
    """The prediction for one plan: its passes on the rank with the largest blocks, and what its exchanges move."""
    size = math.prod(asked.dims)
    per_node = min(asked.ranks_per_node or size, size)
    methods = [_method(method, traffic) for traffic in moved]
    swept = [pass_seconds(trip, machine, per_node, asked.threads) for trip in trips]
    travels = [_travels(asked, trips, zip(moved, methods, strict=True), machine, way) for way in Way]
    stages: list[tuple[str, float]] = []
    for trip, sweep, going in zip(trips, swept, [*travels[0], None], strict=True):
        axes = " and ".join(str(each.transform.axis) for each in trip.sweeps)
        stages.append((f"sweep axis {axes}", sweep))
        if trip.exchange is not None and going is not None:
            aligned, divided = trip.exchange.swapped
            stages.append((f"exchange {divided} -> {aligned}", going.seconds))
    parts = [going.pieces for trip, going in zip(trips, travels[0], strict=False) if trip.exchange is not None]
    there, back = (machine.call + finished(way.order(swept), way.order(travels[way])) for way in Way)
    names = methods if method == "auto" else [method] * len(methods)
    return Prediction(asked.dims, method, tuple(names), tuple(parts), tuple(stages), there, back)


def _travels(
    asked: Request, trips: Sequence[Pass], moved: Iterator[tuple[Traffic, str]], machine: Machine, way: Way
) -> list[Travel]:
    """What lies between the passes, one way, in the order of the way forward."""
    cuts = cuts_of(trips, way, 0, asked.parts)
    exchanges = [(trip.exchange, cut) for trip, cut in zip(trips[:-1], cuts, strict=True)]
    return [Travel() if one is None else travel(one, *next(moved), machine, cut, way) for one, cut in exchanges]


def pass_seconds(trip: Pass, machine: Machine, per_node: int, threads: int = 1) -> float:
    """What one trip through memory takes while so many ranks of a node make it.

    Raises
    ------
    ValueError
        Where its lines are mapped by a function, or have a precision that was not measured.
    """
    seconds = 0.0
    for sweep in trip.sweeps:
        transform = sweep.transform
        if transform.line(Way.FORWARD).map is not None or transform.dtype.char not in "fdFD":
            raise ValueError(f"{transform} along axis {transform.axis} is not predicted: only FFTs, single or double")
        sides = ((sweep.before, transform.input_dtype), (sweep.after, transform.dtype))
        # real points are transformed as half as many complex ones, single precision twice as many at a time
        points = max(math.prod(pencil.subshape) * dtype.itemsize for pencil, dtype in sides) / _COMPLEX
        length = max(transform.points, transform.length) // (2 if transform.input_dtype.kind == "f" else 1)
        seconds += points * machine.point(length) / threads
    first, last = trip.sweeps[0], trip.sweeps[-1]
    through = math.prod(first.before.subshape) * first.transform.input_dtype.itemsize
    through += math.prod(last.after.subshape) * last.transform.dtype.itemsize
    # both go on at the same time, in part
    return math.hypot(seconds, through * per_node / machine.memory) if through > machine.cache else seconds


def travel(
    exchange: Exchange, traffic: Traffic, method: str, machine: Machine, cut: Cut | None, way: Way = Way.FORWARD
) -> Travel:
    """How an exchange travels one way, cut if its method is one that cuts."""
    seconds = exchange_seconds(traffic, method, machine)
    if cut is None or method not in CUT:
        return Travel(*seconds)
    before, after = way.order((exchange.before, exchange.after))
    extents = before.subshape[cut.outward], after.subshape[cut.inward]
    ends = cut.given(extents[0]), cut.taken(extents[1])
    given, taken = ([Fraction(end, n) for end in sorted({*each} - {0})] for each, n in zip(ends, extents, strict=True))
    sides = [(machine.between, traffic.leaves), (machine.within if method == "pairwise" else None, traffic.stays)]
    work = sum(link.work * int(nbytes.max()) for link, nbytes in sides if link is not None)
    return Travel(*seconds, cut.outward, cut.inward, given, taken, work)


def exchange_seconds(traffic: Traffic, method: str, machine: Machine) -> tuple[float, float, float]:
    """What an exchange takes for each part, for each piece of one, and once, whatever it is cut into.

    Raises
    ------
    ValueError
        Where that was not measured.
    """
    if method == "shared":
        return 0.0, 0.0, _known(machine.fence, "of windows")
    if method == "joined":
        return _joined_seconds(traffic, machine)
    latency = messages = once = 0.0
    near, far = int(traffic.near_boxes.max()), int((traffic.boxes - traffic.near_boxes).max())
    if far:
        link: Link = _known(machine.between, "between nodes")
        latency, messages = link.latency, far * link.message
        once += float(max(traffic.nodes_leave.max() / link.bandwidth, traffic.leaves.max() / link.alone))
    if near and method == "hybrid":
        once += _known(machine.fence, "of windows")
    elif near:
        link = _known(machine.within, "within a node")
        latency = latency or link.latency
        messages += near * link.message
        once += float(max(traffic.nodes_keep.max() / link.bandwidth, traffic.stays.max() / link.alone))
    return latency, messages, once


def _joined_seconds(traffic: Traffic, machine: Machine) -> tuple[float, float, float]:
    """What an exchange takes whose boxes are joined: of the first node, and of that which gives most."""
    link: Link = _known(machine.between, "between nodes")
    ranks, most = min(traffic.per_node or 1, traffic.sent.size), float(traffic.nodes_leave.max())
    carried = traffic.reached * share_count(int(most / max(traffic.reached, 1)), ranks)
    busy = max(min(carried, ranks), 1)  # ranks
    waits = 2 * _known(machine.fence, "of windows") if ranks > 1 else 0.0
    moved = max(most / link.bandwidth, most / busy / link.alone)
    return link.latency + waits, -(-carried // ranks) * link.message, moved


def finished(sweeps: Sequence[float], travels: Sequence[Travel]) -> float:
    """When the last pass is done.

    The processor makes a pass in stretches: it waits for what one reads, sweeps it, and what is complete then may go.
    The network carries one part after the other, and has the processor work for it, which sweeps the longer meanwhile.
    A pass begins once all has come where it is cut along one axis for what comes and along another for what goes. See
    `plan.program`.
    """
    at = sent = 0.0
    axis: int | None = None
    there = [(_ALL[0], 0.0)]
    under_way: list[tuple[float, float, float]] = []
    for sweep, going in zip(sweeps, [*travels, Travel()], strict=True):
        if None not in (axis, going.outward) and axis != going.outward:
            there = [(_ALL[0], there[-1][1])]
        parts, done = going.parts, Fraction(0)
        arrived: list[float] = []
        for end in sorted({end for end, _ in (*there, *parts)}):
            at = max(at, next(time for upto, time in there if upto >= end))
            at = _swept(at, sweep * float(end - done), under_way)
            done = end
            while parts and parts[0][0] <= end:
                sent = max(at, sent) + going.latency
                for piece in parts.pop(0)[1]:
                    start, sent = sent, sent + going.messages + going.moved * float(piece)
                    under_way.append((start, sent, going.work * float(piece)))
                    arrived.append(sent)
        axis, there = going.inward, list(zip(going.taken, arrived[-len(going.taken) :], strict=True))
    return at


def _swept(at: float, seconds: float, under_way: Sequence[tuple[float, float, float]]) -> float:
    """When a sweep of so many seconds is done that begins then: what is under way has the processor work meanwhile.

    That is when each begins and ends, one after the other, and the seconds of work.
    """
    for start, end, work in under_way:
        if end <= at or not work:
            continue
        before = max(start - at, 0.0)
        if seconds <= before:
            break
        at, seconds = at + before, seconds - before
        free = max(1 - work / (end - start), 0.0)
        if seconds <= free * (end - at):
            return at + seconds / free
        at, seconds = end, seconds - free * (end - at)
    return at + seconds


def _widths(ends: Sequence[Fraction]) -> list[Fraction]:
    """The widths of parts that end there."""
    return [stop - start for start, stop in itertools.pairwise([Fraction(0), *ends])]


def _method(asked: str, traffic: Traffic) -> str:
    """What takes as long as a method: that of the rank that gives most to other nodes."""
    if asked in ("hybrid", "joined") and traffic.together.all():
        return "shared"
    return method_of(asked, traffic, int(np.argmax(np.where(traffic.together, -1, traffic.leaves))))


def _known(value: Any, what: str) -> Any:
    """A figure that was measured."""
    if value is None:
        raise ValueError(f"the figures {what} are not known: {_MEND[what]}")
    return value


def as_data(found: Sequence[Prediction]) -> list[dict[str, Any]]:
    """Predictions as plain data, which JSON can hold."""
    return [{**asdict(each), "stages": [list(stage) for stage in each.stages]} for each in found]


def prediction_text(found: Sequence[Prediction], machine: Machine, default: tuple[int, ...], per_node: int) -> str:
    """Predictions for so many ranks a node as people read them; `default` is the grid of a plan without wisdom."""
    best = found[0]
    about = ", ".join(f"{name} {value}" for name, value in machine.about.items())
    rows = [["grid", "method", "exchanges by", "sweeps", "exchanges", "forward", "backward"]]
    different = list({(each.grid, each.seconds, each.backward): each for each in reversed(found)}.values())[::-1]
    for each in different[:_MOST_ROWS]:
        ways = [f"{how} in {n} parts" if n > 1 else how for how, n in zip(each.methods, each.parts, strict=True)]
        both = [sum(t for name, t in each.stages if name.startswith(kind)) for kind in ("sweep", "exchange")]
        rows.append(
            ["x".join(map(str, each.grid)), each.method, ", ".join(ways), *_ms(*both, each.seconds, each.backward)]
        )
    usual = next((each for each in found if each.grid == default and each.method in ("auto", best.method)), best)
    ratio = f"{(usual.seconds + usual.backward) / (best.seconds + best.backward):.2f}"
    ahead = f"; the default, {'x'.join(map(str, default))}, takes {ratio} times as long" if usual is not best else ""
    few = f"note: memory is what {count(machine.ranks_per_node, 'rank')} of a node get together, not {per_node}: "
    few += "measure with as many as you will use"
    return "\n".join(
        [
            f"predicted ms: {about}",
            *([few] if machine.ranks_per_node != per_node else []),
            *columns(rows, "<<<>>>>"),
            *([f"and {len(different) - _MOST_ROWS} more"] if len(different) > _MOST_ROWS else []),
            "",
            f"fastest: grid {rows[1][0]}, method {best.method}{ahead}",
            *columns([[name, *_ms(seconds)] for name, seconds in best.stages], "<>"),
        ]
    )


def _ms(*seconds: float) -> list[str]:
    """Milliseconds."""
    return [f"{1e3 * each:.3f}" for each in seconds]
