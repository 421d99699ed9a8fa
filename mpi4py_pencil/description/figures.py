"""A plan told in figures: its steps, what its ranks give to each other, and its memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..layout.pencil import Pencil
from ..plan.arguments import Request, request
from ..plan.passes import passes
from ..plan.steps import Step, Sweep, steps
from .memory import held
from .traffic import exchange, method_of, traffics

_PRECISION = {"f": "single", "d": "double", "g": "long double"}
# Bytes are counted in 64 bits, and no point has more than these.
MOST_POINTS = (2**63 - 1) // np.dtype(np.clongdouble).itemsize


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
    size: int, shape: Sequence[int], rank: int = 0, ranks_per_node: int | None = None, **arguments: Any
) -> dict[str, Any]:
    """The description of the plan that a rank of `size` would make. Local, whatever `size` is.

    Parameters
    ----------
    size : int
        The number of ranks.
    shape : sequence of int
        The global shape.
    rank : int, optional
        The rank to describe. That of the first has the largest blocks.
    ranks_per_node : int, optional
        So many consecutive ranks share a node. If it is not given, "auto" stays "auto" and counts as "alltoallv".
    **arguments
        As `PFFT` takes them.

    Returns
    -------
    dict
        See `description`.

    Raises
    ------
    TypeError, ValueError, ImportError
        Where an argument is wrong.
    """
    asked = emulated_request(size, shape, ranks_per_node, **arguments)
    if not 0 <= rank < size:
        raise ValueError(f"rank {rank} is not among {size} ranks")
    return description(asked, steps_of(asked, rank), None, ranks_per_node)


def emulated_request(size: int, shape: Sequence[int], ranks_per_node: int | None, **arguments: Any) -> Request:
    """The request of plans that are not made: parameters and errors are those of `emulated`."""
    for name, value in (("size", size), ("ranks_per_node", ranks_per_node)):
        if value is not None and value < 1:
            raise ValueError(f"{name} {value} must be 1 or more")
    asked = request(size, shape, ranks_per_node=ranks_per_node, **arguments)
    if math.prod(asked.points) > MOST_POINTS:
        raise ValueError(f"shape {shape} has {math.prod(asked.points):.3g} points, but must have at most {MOST_POINTS}")
    return asked


def steps_of(asked: Request, rank: int) -> tuple[Step, ...]:
    """The steps of the plan of any rank, without its communicators. Local."""
    coords = np.unravel_index(rank, asked.dims)
    places = [Place(k, n, int(c)) for k, (n, c) in enumerate(zip(asked.dims, coords, strict=True))]
    start = Pencil(places, asked.points, asked.transforms[0].axis)
    return steps(start, asked.transforms, asked.joined)


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
    start, end = planned[0].before, planned[-1].after.full()
    size, rank = math.prod(asked.dims), int(np.ravel_multi_index(start.ranks, start.sizes))
    found = list(traffics(planned, ranks_per_node))
    if methods is None:
        methods = [method_of(asked.method, traffic, rank, asked.wire is not None) for traffic in found]
    trips = passes(planned)
    pass_numbers = iter([k for k, trip in enumerate(trips, 1) for _ in trip.sweeps])
    exchanges = iter(zip(found, methods, strict=True))
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
        "wire": asked.wire,
        "input": sides[0],
        "output": sides[1],
        "passes": len(trips),
        "steps": [
            _sweep(step, next(pass_numbers)) if isinstance(step, Sweep) else exchange(step, rank, *next(exchanges))
            for step in planned
        ],
        "memory": {**held(trips, methods, asked), "local_array": max(side["bytes"] for side in sides)},
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
