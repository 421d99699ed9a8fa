"""A plan told in figures: its steps, what its ranks give to each other, and its memory. Nothing is made or sent.

`description` finds the figures from the steps of a plan, `text` sets them as people read them. `emulated` describes the
plan of any rank of a machine that need not be there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arguments import Request, request
from .exchange import segment_bytes
from .partition import block
from .pencil import Pencil, boxes
from .pipeline import Pass, passes
from .plan import Exchange, Step, Sweep, steps
from .sweep import CACHED_BYTES, apart, tile_bytes

Integers = np.ndarray[Any, np.dtype[np.int64]]

_PRECISION = {"f": "single", "d": "double", "g": "long double"}


@dataclass(frozen=True)
class Place:
    """A rank's place along one dimension of a grid: as much of a communicator as descriptions ask for."""

    dimension: int
    size: int
    rank: int

    def Get_size(self) -> int:
        """The ranks along the dimension."""
        return self.size

    def Get_rank(self) -> int:
        """The rank's coordinate."""
        return self.rank


def emulated(
    size: int,
    shape: Sequence[int],
    axes: int | Sequence[int] | None = None,
    dtype: Any = float,
    grid: Sequence[int] | None = None,
    padding: float | Sequence[float] | None = None,
    backend: str = "pyfftw",
    method: str = "auto",
    rank: int = 0,
    ranks_per_node: int | None = None,
) -> dict[str, Any]:
    """The description of the plan that a rank of `size` would make. Local, whatever `size` is.

    Parameters
    ----------
    size : int
        The number of ranks.
    shape, axes, dtype, grid, padding, backend, method
        As `PFFT` takes them.
    rank : int, optional
        The rank to describe. That of the first has the largest blocks.
    ranks_per_node : int, optional
        So many consecutive ranks share a node. If it is not given, "auto" stays "auto" and counts as "alltoallv".

    Returns
    -------
    dict
        See `description`.

    Raises
    ------
    TypeError, ValueError, ImportError
        Where an argument is wrong.
    """
    for name, value in (("size", size), ("ranks_per_node", ranks_per_node)):
        if value is not None and value < 1:
            raise ValueError(f"{name} {value} must be 1 or more")
    if not 0 <= rank < size:
        raise ValueError(f"rank {rank} is not among {size} ranks")
    asked = request(size, shape, axes, dtype, grid, padding, backend, method)
    coords = np.unravel_index(rank, asked.dims)
    places = [Place(k, n, int(c)) for k, (n, c) in enumerate(zip(asked.dims, coords, strict=True))]
    start = Pencil(places, asked.points, asked.transforms[0].axis)
    return description(asked, steps(start, asked.transforms), None, ranks_per_node)


def description(
    asked: Request, planned: Sequence[Step], methods: Sequence[str] | None, ranks_per_node: int | None
) -> dict[str, Any]:
    """The figures of one rank's plan, and those of the busiest, as plain data which JSON can hold.

    Parameters
    ----------
    asked : Request
        What the plan was made from.
    planned : sequence of Step
        Its steps on this rank.
    methods : sequence of str or None
        The method of each exchange; found from `ranks_per_node` where it is None.
    ranks_per_node : int or None
        So many consecutive ranks share a node; None where that is not known.

    Returns
    -------
    dict
        Of str, int, lists and dicts; lengths are in points, axes counted from 0, sizes of memory in bytes. ``steps``
        has them in the order of the forward transform.

    Raises
    ------
    ValueError
        Where shared memory is asked for and some peers are on several nodes.
    """
    start, end = planned[0].before, planned[-1].after
    size, rank = math.prod(asked.dims), int(np.ravel_multi_index(start.ranks, start.sizes))
    traffics = list(_traffics(planned, ranks_per_node))
    if methods is None:
        methods = [_method(asked.method, traffic, rank) for traffic in traffics]
    trips = passes(planned)
    pass_numbers = iter([k for k, trip in enumerate(trips, 1) for _ in trip.sweeps])
    exchanges = iter(zip(traffics, methods, strict=True))
    output = asked.transforms[-1].dtype
    sides = [_array(start, asked.dtype), _array(end, output)]
    return {
        "ranks": size,
        "grid": list(asked.dims),
        "rank": rank,
        "ranks_per_node": ranks_per_node,
        "nodes": None if ranks_per_node is None else -(-size // ranks_per_node),
        "engine": asked.backend,
        "precision": _PRECISION[output.char.lower()],
        "method": asked.method,
        "input": sides[0],
        "output": sides[1],
        "passes": len(trips),
        "steps": [
            _sweep(step, next(pass_numbers)) if isinstance(step, Sweep) else _exchange(step, rank, *next(exchanges))
            for step in planned
        ],
        "memory": {**_memory(trips, methods), "local_array": max(side["bytes"] for side in sides)},
    }


def _array(pencil: Pencil, dtype: np.dtype[Any]) -> dict[str, Any]:
    """An array on one side of the plan."""
    block_bytes = math.prod(pencil.subshape) * dtype.itemsize
    return {"shape": list(pencil.shape), "dtype": str(dtype), "block": list(pencil.subshape), "bytes": block_bytes}


def _sweep(step: Sweep, number: int) -> dict[str, Any]:
    """A sweep on this rank, which belongs to a pass of this number."""
    axis = step.transform.axis
    others = [k for k in range(len(step.before.shape)) if k != axis]
    working = math.prod(min(step.before.shape[k], step.before.sizes[k]) for k in others)
    return {
        "step": "sweep",
        "pass": number,
        "axis": axis,
        "transform": str(step.transform),
        "lines": math.prod(step.before.subshape[k] for k in others),
        "length": [step.before.shape[axis], step.after.shape[axis]],
        "before": list(step.before.subshape),
        "after": list(step.after.subshape),
        "idle_ranks": math.prod(step.before.sizes) - working,
    }


# --- What goes from rank to rank ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Traffic:
    """What every rank of the grid gives to others in an exchange: arrays with an entry for each rank.

    Attributes
    ----------
    peers : int
        The other ranks that a rank exchanges with.
    boxes, sent, largest : ndarray of int
        The boxes to other ranks that are not empty, the bytes of all, and those of the largest.
    per_node : int or None
        So many consecutive ranks share a node; None where that is not known.
    near, stays : ndarray of int
        The peers on the same node, and the bytes that go to them.
    """

    peers: int
    boxes: Integers
    sent: Integers
    largest: Integers
    per_node: int | None
    near: Integers
    stays: Integers


def _traffics(planned: Sequence[Step], per_node: int | None) -> Iterator[Traffic]:
    """The traffic of each exchange of a plan."""
    dims = planned[0].before.sizes
    order = list(range(len(dims)))  # for each axis the dimension of the grid that divides it
    for step in planned:
        if isinstance(step, Exchange):
            yield _traffic(step, dims, order, per_node)
            i, j = step.before.axis, step.after.axis
            order[i], order[j] = order[j], order[i]


def _traffic(step: Exchange, dims: Sequence[int], order: Sequence[int], per_node: int | None) -> Traffic:
    """The traffic of an exchange: of all ranks, since the busiest is not always the one with the largest blocks."""
    shape, divided = step.before.shape, step.before.axis
    ranks = np.arange(math.prod(dims))
    coords = np.unravel_index(ranks, dims)
    # what a rank gives to a peer is `mine` times as many points as the peer gets along the axis divided afterwards
    mine = np.full(ranks.size, step.dtype.itemsize)
    for k, n in enumerate(shape):
        if k != divided:
            mine *= _blocks(n, dims[order[k]])[coords[order[k]]]
    dimension = order[step.after.axis]
    parts, place = dims[dimension], coords[dimension]
    theirs = _blocks(shape[divided], parts)
    first, last = _neighbours(ranks, place, parts, math.prod(dims[dimension + 1 :]), per_node or 1)
    upto = np.concatenate([[0], np.cumsum(theirs)])
    return Traffic(
        parts - 1,
        np.where(mine > 0, np.count_nonzero(theirs) - (theirs[place] > 0), 0),
        mine * (shape[divided] - theirs[place]),
        mine * np.where(place == 0, theirs[1], theirs[0]),
        per_node,
        last - first - 1,
        mine * (upto[last] - upto[first] - theirs[place]),
    )


def _blocks(n: int, parts: int) -> Integers:
    """The sizes of all blocks of a partition."""
    return np.array([block(n, parts, k)[1] for k in range(parts)])


def _neighbours(ranks: Integers, place: Integers, parts: int, stride: int, per_node: int) -> tuple[Integers, Integers]:
    """For each rank the range of places along its dimension of the grid whose ranks are on its node."""
    origin = ranks - place * stride  # the rank at place 0
    node = ranks // per_node
    first = -((origin - node * per_node) // stride)
    last = -((origin - (node + 1) * per_node) // stride)
    return np.maximum(first, 0), np.minimum(last, parts)


def _method(asked: str, traffic: Traffic, rank: int) -> str:
    """What the method asked for means on a rank: see `exchange.chosen_method`."""
    together = traffic.near == traffic.peers
    known = traffic.per_node is not None
    if asked == "shared" and known and not together.all():
        raise ValueError("method 'shared' needs all peers on one node; use 'auto', 'alltoallv' or 'pairwise'")
    if asked != "auto":
        return asked
    if not known:
        return "auto"
    return "shared" if together[rank] else "alltoallv"


def _exchange(step: Exchange, rank: int, traffic: Traffic, method: str) -> dict[str, Any]:
    """An exchange on this rank."""
    return {
        "step": "exchange",
        "from_axis": step.before.axis,
        "to_axis": step.after.axis,
        "method": method,
        "shape": list(step.before.shape),
        "dtype": str(step.dtype),
        "before": list(step.before.subshape),
        "after": list(step.after.subshape),
        "peers": traffic.peers,
        "boxes": int(traffic.boxes[rank]),
        "sent": int(traffic.sent[rank]),
        "largest_box": int(traffic.largest[rank]),
        "busiest": {
            "boxes": int(traffic.boxes.max()),
            "sent": int(traffic.sent.max()),
            "largest_box": int(traffic.largest.max()),
        },
        "nodes": None if traffic.per_node is None else _nodes(rank, traffic, traffic.per_node),
    }


def _nodes(rank: int, traffic: Traffic, per_node: int) -> dict[str, int]:
    """What of an exchange stays on the nodes and what leaves them."""
    leaves = traffic.sent - traffic.stays
    together = np.count_nonzero(traffic.near == traffic.peers)
    return {
        "peers": int(traffic.near[rank]),
        "stays": int(traffic.stays[rank]),
        "leaves": int(leaves[rank]),
        "busiest_leaves": int(leaves.max()),
        "busiest_node_leaves": int(np.add.reduceat(leaves, np.arange(0, leaves.size, per_node)).max()),
        "groups": leaves.size // (traffic.peers + 1),
        "groups_on_one_node": int(together) // (traffic.peers + 1),
    }


# --- Memory -------------------------------------------------------------------------------------------------


def _memory(trips: Sequence[Pass], methods: Sequence[str]) -> dict[str, int]:
    """Bytes that the plan holds on this rank: as `pipeline.build` reserves them."""
    remaining = iter(methods)
    sizes, turns, inboxes, windows = [0], set(), 0, 0
    for turn, trip in enumerate(trips[:-1]):
        itemsize = trip.sweeps[-1].transform.dtype.itemsize
        if trip.exchange is None:
            turns.add(turn % 2)
            sizes.append(math.prod(trip.sweeps[-1].after.subshape) * itemsize)
            continue
        sizes.append(segment_bytes(boxes(trip.exchange.before, trip.exchange.after), itemsize))
        if next(remaining) == "shared":
            windows += sizes[-1]
        else:
            turns.add(turn % 2)
            inboxes = 1
    private = {"outboxes": len(turns) * max(sizes), "inbox": inboxes * max(sizes), "tiles": _tiles(trips)}
    return {**private, "windows": windows, "total": sum(private.values()) + windows}


def _tiles(trips: Sequence[Pass]) -> int:
    """Bytes of the tiles, and of the planes between two sweeps of a pass, of both directions."""
    lines = set()
    planes = 0
    for trip in trips:
        for forward in (True, False):
            if 0 not in trip.sweeps[-1].after.subshape:
                lines |= {sweep.transform.line(forward) for sweep in trip.sweeps}
                planes += _planes(trip, forward)
    return planes + sum(map(tile_bytes, lines))


def _planes(trip: Pass, forward: bool) -> int:
    """Bytes of the planes that stay in cache between two sweeps of a pass; none where there is one."""
    if trip.outer is None:
        return 0
    axis, along = (sweep.transform.axis for sweep in trip.sweeps[:: 1 if forward else -1])
    middle = trip.sweeps[0].after.subshape
    plane = middle[axis] * apart(middle[along] * trip.sweeps[0].transform.dtype.itemsize)
    return plane * max(1, CACHED_BYTES // 2 // plane)


# --- As people read it --------------------------------------------------------------------------------------


def text(told: dict[str, Any]) -> str:
    """A description as people read it: the plan, its steps, its exchanges and its memory, in aligned columns."""
    parts = [_heading(told), _arrays(told), _steps(told["steps"]), _exchanges(told), _reserved(told)]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _heading(told: dict[str, Any]) -> list[str]:
    """Who transforms, and how."""
    exchanges = sum(step["step"] == "exchange" for step in told["steps"])
    ranks = f"{told['ranks']} in a grid of {_shape(told['grid'])}" if told["ranks"] > 1 else "1"
    if told["nodes"] is not None:
        ranks += f" on {_count(told['nodes'], 'node')}, up to {told['ranks_per_node']} a node"
    trips = f"{_count(told['passes'], 'trip')} through memory, {_count(exchanges, 'exchange')}"
    return [
        f"ranks    {ranks}",
        f"engine   {told['engine']}, {told['precision']} precision",
        f"plan     {trips}; backward is the reverse of forward",
    ]


def _arrays(told: dict[str, Any]) -> list[str]:
    """The arrays on both sides."""
    rows = [["", "shape", "dtype", f"block of rank {told['rank']}", ""]]
    for name in ("input", "output"):
        side = told[name]
        rows.append([name, _shape(side["shape"]), side["dtype"], _shape(side["block"]), _bytes(side["bytes"])])
    return _columns(rows, "<<<<>")


def _steps(told: Sequence[dict[str, Any]]) -> list[str]:
    """The steps of the forward transform."""
    rows = [["pass", "forward", "transform", "lines", "before", "after", "idle ranks"]]
    numbers = [step["pass"] for step in told if step["step"] == "sweep"]
    for step in told:
        if step["step"] == "sweep":
            start = [step["pass"], f"sweep axis {step['axis']}", step["transform"], step["lines"]]
        else:
            start = ["", f"exchange {step['from_axis']} -> {step['to_axis']}", "", ""]
        rows.append([*start, _shape(step["before"]), _shape(step["after"]), step.get("idle_ranks", "")])
    idle = any(step.get("idle_ranks") for step in told)
    pairs = sorted({number for number in numbers if numbers.count(number) > 1})
    return [
        *_columns([row if idle else row[:-1] for row in rows], "><<>>>>"),
        *(f"Pass {number} takes its two sweeps plane by plane, in one trip." for number in pairs),
    ]


def _exchanges(told: dict[str, Any]) -> list[str]:
    """What goes from rank to rank and from node to node; nothing where there is no exchange."""
    found = [step for step in told["steps"] if step["step"] == "exchange"]
    if not found:
        return []
    near = [] if told["nodes"] is None else ["peers on node", "stays on node", "leaves node"]
    rows = [["exchange", "", "method", "peers", "messages", "largest", "sent", *near]]
    for step in found:
        rows += _exchange_rows(step, f"rank {told['rank']}")
    return _columns(rows, "<<<>>>>>>>") + _notes(told["method"], found)


def _notes(asked: str, exchanges: Sequence[dict[str, Any]]) -> list[str]:
    """What to know of the methods of the exchanges."""
    notes = []
    methods = [step["method"] for step in exchanges]
    if "shared" in methods:
        notes.append("shared: the peers read it where it lies, without messages.")
    if "auto" in methods:
        notes.append("auto: shared where all peers are on one node; else alltoallv, which is counted here.")
    for step in exchanges:
        groups, on_one = ((step["nodes"] or {}).get(k, 0) for k in ("groups", "groups_on_one_node"))
        if asked == "auto" and 0 < on_one < groups:
            axes = f"{step['from_axis']} -> {step['to_axis']}"
            notes.append(f"{axes}: {on_one} of {groups} groups of peers are each on one node: shared; others not.")
    return notes


def _exchange_rows(step: dict[str, Any], who: str) -> list[list[Any]]:
    """An exchange: what this rank sends, and what the busiest does where that is more."""
    axes = f"{step['from_axis']} -> {step['to_axis']}"
    nodes, busiest = step["nodes"], step["busiest"]
    shared = step["method"] == "shared"

    def amounts(which: dict[str, Any]) -> list[str]:
        messages = "-" if shared else str(which["boxes"])
        return [messages, _bytes(which["largest_box"]), _bytes(which["sent"])]

    mine, most = amounts(step), amounts(busiest)
    rows = [[axes, who, step["method"], step["peers"], *mine]]
    more = [new if new != old else "" for old, new in zip(mine, most, strict=True)]
    if nodes is None:
        return rows + ([["", "busiest rank", "", "", *more]] if any(more) else [])
    leaves, most_leave, node_leaves = (_bytes(nodes[k]) for k in ("leaves", "busiest_leaves", "busiest_node_leaves"))
    rows[0] += [nodes["peers"], _bytes(nodes["stays"]), leaves]
    if any(more) or most_leave != leaves:
        rows.append(["", "busiest rank", "", "", *more, "", "", most_leave if most_leave != leaves else ""])
    if nodes["busiest_node_leaves"]:
        rows.append(["", "busiest node", "", "", "", "", "", "", "", node_leaves])
    return rows


def _reserved(told: dict[str, Any]) -> list[str]:
    """What the plan holds."""
    memory = told["memory"]
    unit = memory["local_array"]
    rows = [["memory", f"of rank {told['rank']}", f"in local arrays of {_bytes(unit)}" if unit else ""]]
    for name in ("outboxes", "inbox", "windows", "tiles", "total"):
        if memory[name]:
            rows.append([name, _bytes(memory[name]), f"{memory[name] / unit:.2f}" if unit else ""])
    return _columns(rows, "<>>")


def _columns(rows: Sequence[Sequence[Any]], sides: str) -> list[str]:
    """Rows as lines, their cells aligned to the left (<) or to the right (>)."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=False)).rstrip()
        for row in cells
    ]


def _shape(shape: Sequence[int]) -> str:
    """Lengths along the axes."""
    return " x ".join(map(str, shape))


def _count(n: int, noun: str) -> str:
    """So many things."""
    return f"{n} {noun}{'s' * (n != 1)}"


def _bytes(n: float) -> str:
    """An amount of memory in the unit that fits."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if n < 1024:
            return f"{n:.4g} {unit}"
        n /= 1024
    return f"{n:.4g} TiB"
