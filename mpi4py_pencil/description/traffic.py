"""What goes from rank to rank in the exchanges of a plan."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..exchange import SMALL
from ..layout.pencil import Pencil
from ..plan.steps import Exchange, Step

Integers = np.ndarray[Any, np.dtype[np.int64]]
Booleans = np.ndarray[Any, np.dtype[np.bool_]]


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
    near, near_boxes, stays : ndarray of int
        The peers on the same node, and the boxes that are not empty and the bytes that go to them.
    small, mixed : ndarray of bool
        Whether the boxes among its peers are small on the average, and whether some of these are on one node.
    reached : int
        The other nodes that the ranks of the first give to.
    """

    peers: int
    boxes: Integers
    sent: Integers
    largest: Integers
    per_node: int | None
    near: Integers
    near_boxes: Integers
    stays: Integers
    small: Booleans
    mixed: Booleans
    reached: int

    @property
    def together(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which ranks have all their peers on their node."""
        return self.near == self.peers

    @property
    def leaves(self) -> Integers:
        """The bytes that leave the node of each rank, by this rank."""
        return self.sent - self.stays

    @property
    def nodes_leave(self) -> Integers:
        """The bytes that leave each node."""
        return self._of_nodes(self.leaves)

    @property
    def nodes_keep(self) -> Integers:
        """The bytes that go from rank to rank within each node."""
        return self._of_nodes(self.stays)

    def _of_nodes(self, bytes_of_ranks: Integers) -> Integers:
        """The sum over the ranks of each node."""
        return np.add.reduceat(bytes_of_ranks, np.arange(0, bytes_of_ranks.size, self.per_node or 1))


def traffics(planned: Sequence[Step], per_node: int | None) -> Iterator[Traffic]:
    """The traffic of each exchange of a plan."""
    dims = planned[0].before.sizes
    order = list(range(len(dims)))  # for each axis the dimension of the grid that divides it
    for step in planned:
        if isinstance(step, Exchange):
            yield _traffic(step, dims, order, per_node)
            i, j = step.swapped
            order[i], order[j] = order[j], order[i]


def _traffic(step: Exchange, dims: Sequence[int], order: Sequence[int], per_node: int | None) -> Traffic:
    """The traffic of an exchange: of all ranks, since the busiest is not always the one with the largest blocks."""
    pencil = step.before
    aligned, divided = step.swapped
    ranks = np.arange(math.prod(dims))
    coords = np.unravel_index(ranks, dims)
    # what a rank gives to a peer is `mine` times as many points as the peer gets along the axis divided afterwards
    mine = np.full(ranks.size, step.dtype.itemsize)
    for k in range(len(pencil.shape)):
        if k != divided:
            mine *= _blocks(pencil, k)[coords[order[k]]]
    dimension = order[aligned]
    parts, place = dims[dimension], coords[dimension]
    theirs = _blocks(step.after, divided)
    stride = math.prod(dims[dimension + 1 :])
    first, last = _neighbours(ranks, place, parts, stride, per_node or 1)
    near = last - first - 1
    origin = ranks - place * stride  # the first of its peers
    blocks, together = (np.bincount(origin, each, ranks.size)[origin] for each in (mine * pencil.shape[divided], near))
    upto, filled = (np.concatenate([[0], np.cumsum(each)]) for each in (theirs, theirs > 0))
    return Traffic(
        parts - 1,
        np.where(mine > 0, np.count_nonzero(theirs) - (theirs[place] > 0), 0),
        mine * (pencil.shape[divided] - theirs[place]),
        mine * _largest_other(theirs)[place],
        per_node,
        near,
        np.where(mine > 0, filled[last] - filled[first] - (theirs[place] > 0), 0),
        mine * (upto[last] - upto[first] - theirs[place]),
        blocks < SMALL * parts**2,
        together > 0,
        _reached(origin, parts, stride, (mine > 0, theirs > 0), per_node or 1),
    )


def _reached(origin: Integers, parts: int, stride: int, some: tuple[Booleans, Booleans], per_node: int) -> int:
    """The nodes that the ranks of the first give to, if these are the ranks that give, and the places that take."""
    givers = origin[:per_node][some[0][:per_node]]
    takers = givers[:, None] + stride * np.flatnonzero(some[1])
    return np.setdiff1d(takers // per_node, [0]).size


def _blocks(pencil: Pencil, axis: int) -> Integers:
    """The sizes along an axis of the blocks of all ranks that divide it."""
    return np.array([pencil.run(axis, rank)[1] for rank in range(pencil.sizes[axis])])


def _largest_other(sizes: Integers) -> Integers:
    """For each place the largest of the sizes at the others."""
    largest = np.full(sizes.size, sizes.max())
    first = int(sizes.argmax())
    largest[first] = np.delete(sizes, first).max()
    return largest


def _neighbours(ranks: Integers, place: Integers, parts: int, stride: int, per_node: int) -> tuple[Integers, Integers]:
    """For each rank the range of places along its dimension of the grid whose ranks are on its node."""
    origin = ranks - place * stride  # the rank at place 0
    node = ranks // per_node
    first = -((origin - node * per_node) // stride)
    last = -((origin - (node + 1) * per_node) // stride)
    return np.maximum(first, 0), np.minimum(last, parts)


def method_of(asked: str, traffic: Traffic, rank: int, wire: bool = False) -> str:
    """What the method asked for means on a rank: see `exchange.chosen_method`."""
    known = traffic.per_node is not None
    if asked == "shared" and known and not traffic.together.all():
        raise ValueError(
            "method 'shared' needs all peers on one node; use 'auto', 'hybrid', 'joined', 'alltoallv' or 'pairwise'"
        )
    if asked != "auto":
        return asked
    if not known:
        return "auto"
    if (traffic.per_node or 1) > 1 and np.any(traffic.small & ~traffic.together):
        return "joined"
    if traffic.together[rank]:
        return "shared"
    if traffic.small[rank] and not wire:
        return "alltoallv"
    return "hybrid" if traffic.mixed[rank] else "pairwise"


def exchange(step: Exchange, rank: int, traffic: Traffic, method: str) -> dict[str, Any]:
    """An exchange on this rank."""
    return {
        "step": "exchange",
        "from_axis": step.swapped[1],
        "to_axis": step.swapped[0],
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
        "nodes": None if traffic.per_node is None else _nodes(rank, traffic),
    }


def _nodes(rank: int, traffic: Traffic) -> dict[str, int]:
    """What of an exchange stays on the nodes and what leaves them."""
    leaves, together = traffic.leaves, np.count_nonzero(traffic.together)
    return {
        "peers": int(traffic.near[rank]),
        "stays": int(traffic.stays[rank]),
        "leaves": int(leaves[rank]),
        "busiest_leaves": int(leaves.max()),
        "busiest_node_leaves": int(traffic.nodes_leave.max()),
        "groups": leaves.size // (traffic.peers + 1),
        "groups_on_one_node": int(together) // (traffic.peers + 1),
    }
