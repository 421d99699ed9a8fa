"""Where the exchanges of a plan are cut into parts, of which one travels while the next is swept. All ranks alike."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from ..exchange import Cut
from ..layout.pencil import Pencil
from ..layout.way import Way
from .passes import Pass

# Parts of a box, and the fewest bytes of one on the average: a message is to take longer than to begin and to end it.
_MOST = 8
_FEWEST_BYTES = 2**17


def cuts_of(trips: Sequence[Pass], way: Way, components: int, parts: int | None = None) -> list[Cut | None]:
    """Where the exchanges between passes are cut on one way, in the order of the way forward.

    So many of the first axes are left whole: components that a pass needs at the same time. `parts` are those of a box,
    where they do not follow from its size.
    """
    cuts: list[Cut | None] = []
    passes = way.order(trips)
    axis: int | None = None
    for before, after in itertools.pairwise(passes):
        exchange = (before, after)[way].exchange
        cut = None
        if exchange is not None:
            free = _free(before, components), _free(after, components)
            pencils = way.order((exchange.before, exchange.after))
            cut = _cut(pencils, way.order(exchange.swapped), free, exchange.dtype.itemsize, axis, parts)
        axis = None if cut is None else cut.inward
        cuts.append(cut)
    return list(way.order(cuts))


def _free(trip: Pass, components: int) -> set[int]:
    """The axes along which a pass can be cut: those that its lines do not lie along."""
    axes = range(len(trip.sweeps[0].after.shape)) if trip.outer is None else trip.outer
    return {k for k in axes if k >= components} - {sweep.transform.axis for sweep in trip.sweeps}


def cuts_between(a: Pencil, b: Pencil, itemsize: int) -> tuple[Cut | None, Cut | None]:
    """Where the exchange between two pencils is cut on both ways, if a copy is all that is before it and after it."""
    changed = [k for k, (m, n) in enumerate(zip(a.sizes, b.sizes, strict=True)) if m != n]
    swapped = [k for k in changed if b.sizes[k] == 1] + [k for k in changed if a.sizes[k] == 1]
    if len(changed) != 2 or len(swapped) != 2:
        return None, None
    axes = set(range(len(a.shape)))
    gathered, divided = swapped
    return (
        _cut((a, b), (gathered, divided), (axes, axes), itemsize, None),
        _cut((b, a), (divided, gathered), (axes, axes), itemsize, None),
    )


def parts_of(nbytes: int, boxes: int) -> int:
    """Into how many parts an exchange of so many boxes is cut that have so many bytes together; below two it is not."""
    return min(_MOST, nbytes // boxes // _FEWEST_BYTES)


def _cut(
    pencils: Sequence[Pencil],
    swapped: Sequence[int],
    free: tuple[set[int], set[int]],
    itemsize: int,
    axis: int | None,
    parts: int | None = None,
) -> Cut | None:
    """Where an exchange is cut, along axes that are free before and after; before there may be a cut along `axis`.

    `swapped` are the axis that becomes undivided, and the one that is divided in its place.
    """
    gathered, divided = swapped
    before, after = pencils
    # all along these lie the boxes that a rank gives, and those that it takes
    given, taken = (
        {k for k in axes if pencil.shape[k] // pencil.sizes[k] > 1}
        for axes, pencil in ((free[0] - {divided}, before), (free[1] - {gathered}, after))
    )
    boxes = math.prod(before.sizes) * before.sizes[gathered]
    count = parts or parts_of(math.prod(before.shape) * itemsize, boxes)
    if count < 2 or not given or not taken:
        return None
    outward = axis if axis in given else min(given & taken or given)
    inward = outward if outward in taken else min(taken)
    return Cut(outward, inward, count, (before.subshape[outward], after.subshape[inward]))
