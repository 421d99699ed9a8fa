"""Where the exchanges of a plan are cut into parts, of which one travels while the next is swept. All ranks alike."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from ..exchange import Cut
from ..layout.way import Way
from .passes import Pass
from .steps import Exchange

# Parts of a box, and the fewest bytes of one on the average: a message is to take longer than to begin and to end it.
_MOST = 8
_FEWEST_BYTES = 2**17


def cuts_of(trips: Sequence[Pass], way: Way, components: int) -> list[Cut | None]:
    """Where the exchanges between passes are cut on one way, in the order of the way forward.

    So many of the first axes are left whole: components that a pass needs at the same time.
    """
    cuts: list[Cut | None] = []
    passes = way.order(trips)
    axis: int | None = None
    for before, after in itertools.pairwise(passes):
        exchange = (before, after)[way].exchange
        cut = (
            None if exchange is None else _cut(exchange, way, _free(before, components), _free(after, components), axis)
        )
        axis = None if cut is None else cut.inward
        cuts.append(cut)
    return list(way.order(cuts))


def _free(trip: Pass, components: int) -> set[int]:
    """The axes along which a pass can be cut: those that its lines do not lie along."""
    axes = range(len(trip.sweeps[0].after.shape)) if trip.outer is None else trip.outer
    return {k for k in axes if k >= components} - {sweep.transform.axis for sweep in trip.sweeps}


def _cut(exchange: Exchange, way: Way, before: set[int], after: set[int], axis: int | None) -> Cut | None:
    """Where an exchange is cut between two passes, of which the first may be cut along `axis` already."""
    gathered, divided = way.order(exchange.swapped)
    pencils = way.order((exchange.before, exchange.after))
    # all along these lie the boxes that a rank gives, and those that it takes
    given, taken = (
        {k for k in axes if pencil.shape[k] // pencil.sizes[k] > 1}
        for axes, pencil in ((before - {divided}, pencils[0]), (after - {gathered}, pencils[1]))
    )
    count = min(_MOST, _box_bytes(exchange) // _FEWEST_BYTES)
    if count < 2 or not given or not taken:
        return None
    outward = axis if axis in given else min(given & taken or given)
    inward = outward if outward in taken else min(taken)
    return Cut(outward, inward, count)


def _box_bytes(exchange: Exchange) -> int:
    """Of a box, on the average."""
    pencil, (gathered, _) = exchange.before, exchange.swapped
    boxes = math.prod(pencil.sizes) * pencil.sizes[gathered]
    return math.prod(pencil.shape) * exchange.dtype.itemsize // boxes
