"""The first and the last exchange of a transform of a line: who sends what, and the copies from and to the line."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from mpi4py import MPI

from .._kernels import ABSOLUTE, SOURCE, TARGET, Call
from ..exchange import Cut, Exchange, Placed
from ..layout.arrays import view_at
from ..layout.boxes import Box, Boxes
from ..layout.partition import block
from ..plan.cuts import parts_of
from ..plan.leg import Stretch
from ..sweep import cache
from ..sweep.copying import copy
from ..sweep.instruction import Instruction, side_by_side
from .places import Patch, Places, Rule

Array = np.ndarray[Any, Any]
Edit = Callable[[Array, Array], Any]

# What is done with the items of a line and the entries of the matrix: forth into these, and back.
_EDITS: dict[Rule, tuple[Edit, Edit]] = {
    Rule.CONJUGATE: (
        lambda items, entries: np.conjugate(items, out=entries),
        lambda items, entries: np.conjugate(entries, out=items),
    ),
    Rule.REAL: (
        lambda items, entries: np.copyto(entries, items.real),
        lambda items, entries: np.copyto(items, entries.real),
    ),
    Rule.HALF_REAL: (
        lambda items, entries: np.copyto(entries, items.real / 2),
        lambda items, entries: np.copyto(items, entries.real * 2),
    ),
    Rule.HALF: (
        lambda items, entries: np.copyto(entries, items / 2),
        lambda items, entries: np.copyto(items, entries),
    ),
    Rule.ADDED: (
        lambda items, entries: np.copyto(entries, items / 2),
        lambda items, entries: np.add(items, entries, out=items),
    ),
}


@dataclass(frozen=True)
class Laid:
    """A patch and the address where it lies in an outbox or inbox: its fast index innermost, as in the line."""

    patch: Patch
    address: int

    def strides(self, itemsize: int) -> tuple[int, int]:
        """Bytes from one slow index to the next, and from one fast index to the next."""
        return self.patch.fast[1] * itemsize, itemsize

    def part(self, parts: int, index: int, itemsize: int) -> Laid:
        """One of so many parts of it."""
        start, count = block(self.patch.slow[1], parts, index)
        slow, item = (self.patch.slow[0] + start, count), self.patch.item + start * self.patch.steps[0]
        patch = replace(self.patch, slow=slow, item=item)
        return Laid(patch, self.address + start * self.strides(itemsize)[0])


def moves(places: Places, peers: MPI.Intracomm) -> Boxes:
    """What goes from those who own a line to those who hold the matrix: to each a box, of one axis, of all patches."""
    me, ranks = peers.Get_rank(), range(places.ranks)
    sends = [sum(patch.size for patch in places.patches(me, q)) for q in ranks]
    receives = [sum(patch.size for patch in places.patches(q, me)) for q in ranks]
    return Boxes(peers, _one_after_the_other(sends), _one_after_the_other(receives))


def _one_after_the_other(sizes: Sequence[int]) -> tuple[Box, ...]:
    """Boxes of these sizes."""
    starts = itertools.accumulate(sizes, initial=0)
    return tuple(Box((start,), (size,)) for start, size in zip(starts, sizes, strict=False))


def cuts_of_line(places: Places, moved: Boxes, axis: int, itemsize: int) -> tuple[Cut | None, Cut | None]:
    """Where an exchange between owners and holders is cut, there and back: along the fast indices that are held.

    `axis` is that of the matrix along which the slow indices run, as the sweep's lines do. On the line's side it is
    parts that are counted.
    """
    ranks, me = places.ranks, moved.comm.Get_rank()
    count = parts_of(places.items * itemsize, ranks**2)
    if count < 2 or ranks < 2 or places.fast // ranks < 2:
        return None, None

    def ends(owner: int, holder: int) -> list[int]:
        sizes = (sum(patch.size for patch in places.patches(owner, holder, k, count)) for k in range(count))
        return list(itertools.accumulate(sizes))

    given, taken = [ends(me, q) for q in range(ranks)], [ends(q, me) for q in range(ranks)]
    across, held = -axis, places.held(me)[1]  # of boxes of one axis, counted from which the other one of a matrix is
    return (
        Cut(across, across, count, (count, held), (given, taken)),
        Cut(across, across, count, (held, count), (taken, given)),
    )


def laid(
    patches: Sequence[Sequence[Sequence[Patch]]], boxes: Sequence[Box], placed: Sequence[Placed], itemsize: int
) -> list[list[Laid]]:
    """Where the patches of each peer lie, part by part: one after the other in its box, or in a plain array of all."""
    bases = {p.box.start[0]: p.address for p in placed if p.box.size}
    if len(placed) < len(boxes):
        bases = {box.start[0]: placed[0].address + box.start[0] * itemsize for box in boxes}
    found: list[list[Laid]] = [[] for _ in patches[0]]
    for box, parts in zip(boxes, patches, strict=True):
        at = bases[box.start[0]] if box.size else 0
        for listed, part in zip(found, parts, strict=True):
            for patch in part:
                listed.append(Laid(patch, at))
                at += patch.size * itemsize
    return found


class End:
    """Copies between the caller's lines and the boxes at one end of a transform.

    Parameters
    ----------
    owned : sequence of sequences of Laid
        What this rank owns, part by part.
    dtype : numpy.dtype
        Of the line.
    filling : bool
        Whether the boxes are filled from the line, or the line from the boxes.
    pool : ThreadPoolExecutor or None
        The threads beside this one.
    threads : int
        How many share the work.
    """

    def __init__(
        self,
        owned: Sequence[Sequence[Laid]],
        dtype: np.dtype[Any],
        filling: bool,
        pool: ThreadPoolExecutor | None,
        threads: int,
    ) -> None:
        self._dtype = dtype
        self._filling = filling
        self._pool = pool
        self._threads = threads
        self._stream = sum(each.patch.size for part in owned for each in part) * dtype.itemsize > cache.CACHED_BYTES
        self._parts = [list(part) for part in owned]
        if not filling:  # what is added is added to what has been written before
            self._parts = [[each for each in part if each.patch.rule is not Rule.ADDED] for part in owned]
            self._parts[-1] += [each for part in owned for each in part if each.patch.rule is Rule.ADDED]

    def instructions(self, stride: int, stretch: Stretch | None = None) -> list[Instruction]:
        """What copies all boxes from or to a line of this stride, or the parts in a stretch of them."""
        parts = self._parts if stretch is None else self._parts[stretch[1] : stretch[2]]
        listed = [each for part in parts for each in part]
        shares = [[each.part(self._threads, k, self._dtype.itemsize) for each in listed] for k in range(self._threads)]
        made = [[self._instruction(each, stride) for each in share if each.patch.size] for share in shares]
        return side_by_side(self._pool, made)

    def _instruction(self, each: Laid, stride: int) -> Instruction:
        """What copies one patch, and edits it where there is more to do than that."""
        patch, itemsize = each.patch, self._dtype.itemsize
        shape, places = (patch.slow[1], patch.fast[1]), (SOURCE, ABSOLUTE) if self._filling else (ABSOLUTE, TARGET)
        line = patch.item * stride, tuple(step * stride for step in patch.steps)
        box = each.address, each.strides(itemsize)
        if patch.rule is Rule.SAME:
            source, target = (line, box) if self._filling else (box, line)
            return copy(shape, source, target, itemsize, self._stream), *places
        edit = _EDITS[patch.rule][not self._filling]
        entries = view_at(box[0], shape, self._dtype, box[1])

        def run(source: int, target: int) -> None:
            at = (source if self._filling else target) + line[0]
            edit(view_at(at, shape, self._dtype, line[1]), entries)

        return Call(run), *places


class Border:
    """The first or the last exchange, between those who own the line and those who hold columns or rows.

    Parameters
    ----------
    places : Places
        What is where.
    rank : int
        Of this process.
    moved : Boxes
        What goes from owners to holders.
    exchanges : pair of Exchange
        There and back.
    axis : int
        Of the matrix, along which the slow indices run.
    dtype : numpy.dtype
        Of the line.
    threads : int
        How many share the work.
    pool : ThreadPoolExecutor or None
        Those beside the calling one.
    """

    def __init__(
        self,
        places: Places,
        rank: int,
        moved: Boxes,
        exchanges: tuple[Exchange, Exchange],
        axis: int,
        dtype: np.dtype[Any],
        threads: int,
        pool: ThreadPoolExecutor | None,
    ) -> None:
        self._there, self._back = exchanges
        self._moved = moved
        self._axis = axis
        self._dtype = dtype
        self._threads, self._pool = threads, pool
        self._places, self._rank = places, rank

    def fill(self) -> End:
        """Copies the caller's line to the outbox."""
        return self._end(self._there, self._there.outbox, True)

    def empty(self) -> End:
        """Copies the inbox to the caller's line."""
        return self._end(self._back, self._back.inbox, False)

    def _end(self, exchange: Exchange, placed: Sequence[Placed], filling: bool) -> End:
        """The copies on the owner's side."""
        owned = [self._in_parts(exchange, self._rank, peer) for peer in range(self._places.ranks)]
        found = laid(owned, self._moved.sends, placed, self._dtype.itemsize)
        return End(found, self._dtype, filling, self._pool, self._threads)

    def taken(self) -> list[Placed]:
        """The inbox as boxes of the block of the matrix that is held."""
        return self._boxes(self._there, self._there.inbox)

    def given(self) -> list[Placed]:
        """The outbox likewise."""
        return self._boxes(self._back, self._back.outbox)

    def _boxes(self, exchange: Exchange, placed: Sequence[Placed]) -> list[Placed]:
        """The patches on the holder's side."""
        itemsize, held_from = self._dtype.itemsize, self._places.held(self._rank)[0]
        held = [self._in_parts(exchange, peer, self._rank) for peer in range(self._places.ranks)]
        return [
            Placed(
                box(each.patch, self._axis, held_from),
                each.address,
                each.strides(itemsize)[:: 1 if self._axis == 0 else -1],
            )
            for part in laid(held, self._moved.receives, placed, itemsize)
            for each in part
        ]

    def _in_parts(self, exchange: Exchange, owner: int, holder: int) -> list[list[Patch]]:
        """What one rank owns and one holds, in the parts in which it goes."""
        parts = 1 if exchange.outward is None else len(exchange.outward.ends)
        return [self._places.patches(owner, holder, k, parts) for k in range(parts)]


def box(patch: Patch, axis: int, held_from: int) -> Box:
    """A patch as a box of the block of the matrix whose slow indices run along `axis`."""
    fast = patch.fast[0] - held_from, patch.fast[1]
    (start, count), (other_start, other_count) = (patch.slow, fast) if axis == 0 else (fast, patch.slow)
    return Box((start, other_start), (count, other_count))
