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
from ..exchange import Exchange, Placed
from ..layout.arrays import view_at
from ..layout.boxes import Box, Boxes
from ..layout.partition import block
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


def laid(
    patches: Sequence[Sequence[Patch]], boxes: Sequence[Box], placed: Sequence[Placed], itemsize: int
) -> list[Laid]:
    """Where the patches of each peer lie: one after the other in its box, or in one plain array of all."""
    bases = [p.address for p in placed]
    if len(placed) < len(boxes):
        bases = [placed[0].address + box.start[0] * itemsize for box in boxes]
    result = []
    for base, each in zip(bases, patches, strict=True):
        for patch in each:
            result.append(Laid(patch, base))
            base += patch.size * itemsize
    return result


class End:
    """Copies between the caller's lines and the boxes at one end of a transform.

    Parameters
    ----------
    owned : sequence of Laid
        What this rank owns.
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
        self, owned: Sequence[Laid], dtype: np.dtype[Any], filling: bool, pool: ThreadPoolExecutor | None, threads: int
    ) -> None:
        self._dtype = dtype
        self._filling = filling
        self._pool = pool
        self._stream = sum(each.patch.size for each in owned) * dtype.itemsize > cache.CACHED_BYTES
        # what is added is added to what has been written before
        ordered = sorted(owned, key=lambda each: each.patch.rule is Rule.ADDED)
        parts = [[each.part(threads, thread, dtype.itemsize) for each in ordered] for thread in range(threads)]
        self._shares = [[each for each in share if each.patch.size] for share in parts]

    def instructions(self, stride: int) -> list[Instruction]:
        """What copies all boxes from or to a line of this stride."""
        return side_by_side(self._pool, [[self._instruction(each, stride) for each in share] for share in self._shares])

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
        self._held_from = places.held(rank)[0]
        self._owned = [places.patches(rank, peer) for peer in range(places.ranks)]
        self._held = [places.patches(peer, rank) for peer in range(places.ranks)]

    def fill(self) -> End:
        """Copies the caller's line to the outbox."""
        return self._end(self._there.outbox, True)

    def empty(self) -> End:
        """Copies the inbox to the caller's line."""
        return self._end(self._back.inbox, False)

    def _end(self, placed: Sequence[Placed], filling: bool) -> End:
        """The copies on the owner's side."""
        owned = laid(self._owned, self._moved.sends, placed, self._dtype.itemsize)
        return End(owned, self._dtype, filling, self._pool, self._threads)

    def taken(self) -> list[Placed]:
        """The inbox as boxes of the block of the matrix that is held."""
        return self._boxes(self._there.inbox)

    def given(self) -> list[Placed]:
        """The outbox likewise."""
        return self._boxes(self._back.outbox)

    def _boxes(self, placed: Sequence[Placed]) -> list[Placed]:
        """The patches on the holder's side."""
        itemsize = self._dtype.itemsize
        held = laid(self._held, self._moved.receives, placed, itemsize)
        return [
            Placed(
                box(each.patch, self._axis, self._held_from),
                each.address,
                each.strides(itemsize)[:: 1 if self._axis == 0 else -1],
            )
            for each in held
        ]


def box(patch: Patch, axis: int, held_from: int) -> Box:
    """A patch as a box of the block of the matrix whose slow indices run along `axis`."""
    fast = patch.fast[0] - held_from, patch.fast[1]
    (start, count), (other_start, other_count) = (patch.slow, fast) if axis == 0 else (fast, patch.slow)
    return Box((start, other_start), (count, other_count))
