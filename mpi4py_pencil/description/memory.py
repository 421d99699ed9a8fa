"""The memory that a plan holds."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..exchange import Memory, room, segment_bytes, turns
from ..layout.boxes import Boxes, boxes
from ..layout.way import Way
from ..plan.arguments import Request
from ..plan.leg import count_lines, planes_between
from ..plan.passes import Pass
from ..sweep.tiles import tile_bytes


def held(trips: Sequence[Pass], methods: Sequence[str], asked: Request) -> dict[str, int]:
    """Bytes that the plan holds on this rank: as `pipeline.Route` reserves them.

    Where boxes are joined, those of all ranks of a node together are at most so many times these.
    """
    nodes = 1 if asked.ranks_per_node is None else -(-math.prod(asked.dims) // asked.ranks_per_node)
    remaining = iter(methods)
    chosen = ["local" if trip.exchange is None else next(remaining) for trip in trips[:-1]]
    memory = Memory(0)
    both = zip(*(way.order(turns(memory, way.order(chosen))) for way in Way), strict=True)
    moved: list[Boxes | int] = []
    itemsizes, used, windows = [], set(), 0
    for trip, method, turn in zip(trips[:-1], chosen, both, strict=True):
        itemsizes.append(trip.sweeps[-1].transform.dtype.itemsize)
        if trip.exchange is None:
            moved.append(math.prod(trip.sweeps[-1].after.subshape) * itemsizes[-1])
        else:
            parts = boxes(trip.exchange.before, trip.exchange.after)
            moved.append(parts)
            if method in ("shared", "hybrid", "joined"):
                # joined also what comes from other nodes
                sides = 2 if method == "joined" and nodes > 1 else 1
                windows += sides * segment_bytes(parts, itemsizes[-1])
        if method not in ("shared", "joined"):
            used |= {number for each in turn for number in (each.out, each.into)}
    private = {
        "buffers": len(used) * Memory(room(moved, itemsizes)).nbytes,
        "tiles": asked.threads * _tiles(trips, asked.tile_bytes, asked.backend == "vertical"),
    }
    return {**private, "windows": windows, "total": sum(private.values()) + windows}


def _tiles(trips: Sequence[Pass], nbytes: int | None, vertical: bool) -> int:
    """Bytes of the tiles, and of the planes between two sweeps of a pass, of both directions."""
    sweeps = set()
    planes = 0
    for trip in trips:
        for way in Way:
            if 0 not in trip.sweeps[-1].after.subshape:
                for sweep in trip.sweeps:
                    lines = count_lines(sweep.after.subshape, sweep.transform.axis)
                    sweeps.add((sweep.transform.line(way), lines))
                planes += _planes(trip, way)
    return planes + sum(tile_bytes(line, lines, nbytes, vertical) for line, lines in sweeps)


def _planes(trip: Pass, way: Way) -> int:
    """Bytes of the planes that stay in cache between two sweeps of a pass; none where there is one."""
    if trip.outer is None:
        return 0
    first, second = (sweep.transform.axis for sweep in way.order(trip.sweeps))
    middle, itemsize = trip.sweeps[0].after.subshape, trip.sweeps[0].transform.dtype.itemsize
    return math.prod(planes_between(middle, (first, second), trip.outer, itemsize))
