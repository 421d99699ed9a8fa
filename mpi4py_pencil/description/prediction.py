"""How long a transform will take on a machine that need not be there, from its steps and the machine's figures.

Every pass takes what its lines take in cache, and what its arrays take from memory and back; every exchange what its
messages take, counted from boxes of all ranks, and the bytes of the busiest node. Nothing is made or sent, so that the
plan of 65536 ranks is predicted in one process. What it does not know: other jobs in the network, and links in it that
are narrower than those of the nodes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..exchange import METHODS
from ..layout.way import Way
from ..plan.arguments import Request
from ..plan.grids import ranked_grids
from ..plan.passes import Pass, passes
from .figures import emulated_request, steps_of
from .machine import Link, Machine
from .traffic import Traffic, method_of, traffics
from .wording import columns

# Of many grids those that should be the fastest.
MOST_GRIDS = 16
# "auto" is "alltoallv" between nodes; "alltoallw" is left to measuring.
PREDICTED = [method for method in ("auto", "pairwise", "hybrid") if method in METHODS]
# Rows of the text.
_MOST_ROWS = 10
_COMPLEX = 16


@dataclass(frozen=True)
class Prediction:
    """What a plan should take, forward; backward takes as long.

    Attributes
    ----------
    grid : tuple of int
        Processes along each axis of the input.
    method : str
        As it would be asked for.
    methods : tuple of str
        Those of its exchanges.
    parts : int
        Into so many parts the passes are cut, whose boxes travel while others are swept; 1 for no overlap.
    stages : tuple of (str, float)
        Its passes and exchanges in their order, with seconds: of all parts of an exchange.
    seconds : float
        Of the whole, with overlap.
    """

    grid: tuple[int, ...]
    method: str
    methods: tuple[str, ...]
    parts: int
    stages: tuple[tuple[str, float], ...]
    seconds: float


def predictions(
    size: int, shape: Sequence[int], machine: Machine, ranks_per_node: int, parts: int = 1, **arguments: Any
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
    parts : int, optional
        Into so many parts passes are cut.
    **arguments
        As `PFFT` takes them; what is given is not varied.

    Raises
    ------
    TypeError, ValueError, ImportError
        Where an argument is wrong, or what is asked cannot be predicted.
    """
    asked = emulated_request(size, shape, ranks_per_node, **arguments)
    if parts < 1:
        raise ValueError(f"parts {parts} must be 1 or more")
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
        found += [predicted(planned, trips, moved, machine, method, parts) for method in methods]
    return sorted(found, key=lambda each: each.seconds)


def predicted(
    asked: Request, trips: Sequence[Pass], moved: Sequence[Traffic], machine: Machine, method: str, parts: int
) -> Prediction:
    """The prediction for one plan: its passes on the rank with the largest blocks, and what its exchanges move."""
    size = math.prod(asked.dims)
    per_node = min(asked.ranks_per_node or size, size)
    methods = [_method(method, traffic) for traffic in moved]
    costs = iter([exchange_seconds(each, how, machine) for each, how in zip(moved, methods, strict=True)])
    stages: list[tuple[str, float]] = []
    sweeps: list[float] = []
    between: list[tuple[float, float]] = []
    for trip in trips:
        sweeps.append(pass_seconds(trip, machine, per_node, asked.threads))
        stages.append((f"sweep axis {' and '.join(str(sweep.transform.axis) for sweep in trip.sweeps)}", sweeps[-1]))
        if trip is trips[-1]:
            break
        between.append((0.0, 0.0) if trip.exchange is None else next(costs))
        if trip.exchange is not None:
            aligned, divided = trip.exchange.swapped
            stages.append((f"exchange {divided} -> {aligned}", between[-1][0] * parts + between[-1][1]))
    seconds = machine.call + finished(sweeps, between, parts)
    return Prediction(asked.dims, method, tuple(methods), parts, tuple(stages), seconds)


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
    return seconds + (through * per_node / machine.memory if through > machine.cache else 0.0)


def exchange_seconds(traffic: Traffic, method: str, machine: Machine) -> tuple[float, float]:
    """What an exchange takes each time that it is started, and what its bytes take.

    Raises
    ------
    ValueError
        Where that was not measured.
    """
    if method == "shared":
        return _known(machine.fence, "of windows"), 0.0
    started = moved = 0.0
    near, far = int(traffic.near_boxes.max()), int((traffic.boxes - traffic.near_boxes).max())
    if far:
        link: Link = _known(machine.between, "between nodes")
        started += link.latency + far * link.message
        moved += float(max(traffic.nodes_leave.max() / link.bandwidth, traffic.leaves.max() / link.alone))
    if near and method == "hybrid":
        started += _known(machine.fence, "of windows")
    elif near:
        link = _known(machine.within, "within a node")
        started += near * link.message + (0 if far else link.latency)
        moved += float(max(traffic.nodes_keep.max() / link.bandwidth, traffic.stays.max() / link.alone))
    return started, moved


def finished(sweeps: Sequence[float], exchanges: Sequence[tuple[float, float]], parts: int) -> float:
    """When the last part of the last pass is done.

    The processor makes one part of a pass after the other, the network moves one part of an exchange after the other,
    and a pass begins with a part as soon as that has arrived. With one part that is the sum of all.
    """
    at = sent = 0.0
    ready = [0.0] * parts
    for k, sweep in enumerate(sweeps):
        for part in range(parts):
            at = max(at, ready[part]) + sweep / parts
            if k < len(exchanges):
                started, moved = exchanges[k]
                ready[part] = sent = max(sent, at) + started + moved / parts
    return at


def _method(asked: str, traffic: Traffic) -> str:
    """What a method comes to: that of the slowest peers, where only some have a node to themselves."""
    if asked in ("auto", "hybrid") and traffic.together.all():
        return "shared"
    return "alltoallv" if asked == "auto" else method_of(asked, traffic, 0)


def _known(value: Any, what: str) -> Any:
    """A figure that was measured."""
    if value is None:
        raise ValueError(
            f"the figures {what} are not known: run mpi4py-pencil network with several ranks on each of several nodes, "
            "or give --network latency,bandwidth too"
        )
    return value


def as_data(found: Sequence[Prediction]) -> list[dict[str, Any]]:
    """Predictions as plain data, which JSON can hold."""
    return [{**asdict(each), "stages": [list(stage) for stage in each.stages]} for each in found]


def prediction_text(found: Sequence[Prediction], machine: Machine, default: tuple[int, ...]) -> str:
    """Predictions as people read them; `default` is the grid that a plan takes without wisdom."""
    best = found[0]
    about = ", ".join(f"{name} {value}" for name, value in machine.about.items())
    rows = [["grid", "method", "exchanges by", "sweeps", "exchanges", "ms"]]
    different = list({(each.grid, each.seconds): each for each in reversed(found)}.values())[::-1]
    for each in different[:_MOST_ROWS]:
        parts = [sum(t for name, t in each.stages if name.startswith(kind)) for kind in ("sweep", "exchange")]
        rows.append(["x".join(map(str, each.grid)), each.method, ", ".join(each.methods), *_ms(*parts, each.seconds)])
    usual = next((each for each in found if each.grid == default and each.method in ("auto", best.method)), best)
    ratio = f"{usual.seconds / best.seconds:.2f}"
    ahead = f"; the default, {'x'.join(map(str, default))}, takes {ratio} times as long" if usual is not best else ""
    overlap = f", cut into {best.parts} parts that overlap" if best.parts > 1 else ""
    return "\n".join(
        [
            f"predicted ms, forward, as backward{overlap}: {about}",
            *columns(rows, "<<<>>>"),
            *([f"and {len(different) - _MOST_ROWS} more"] if len(different) > _MOST_ROWS else []),
            "",
            f"fastest: grid {rows[1][0]}, method {best.method}{ahead}",
            *columns([[name, *_ms(seconds)] for name, seconds in best.stages], "<>"),
        ]
    )


def _ms(*seconds: float) -> list[str]:
    """Milliseconds."""
    return [f"{1e3 * each:.3f}" for each in seconds]
