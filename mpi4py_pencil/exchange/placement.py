"""Where the boxes of an exchange lie in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..layout.arrays import strides
from ..layout.boxes import Box
from ..sweep.cache import CACHE_LINE
from ..sweep.tiles import Strides


@dataclass(frozen=True)
class Placed:
    """A box and where it lies.

    Attributes
    ----------
    box : Box
        The block of the local array.
    address : int
        Of its first point.
    strides : tuple of int
        Byte strides of its axes.
    """

    box: Box
    address: int
    strides: Strides


def offsets(boxes: Sequence[Box], itemsize: int) -> tuple[list[int], int]:
    """Byte offset of each of the boxes one after the other, and the bytes of all.

    Each starts at a cache line where the itemsize allows offsets in whole items.
    """
    unit = CACHE_LINE if CACHE_LINE % itemsize == 0 else itemsize
    places = []
    end = 0
    for box in boxes:
        places.append(end)
        end += -(-box.size * itemsize // unit) * unit
    return places, end


def place(boxes: Sequence[Box], addresses: Sequence[int], order: tuple[int, ...], itemsize: int) -> list[Placed]:
    """Contiguous boxes at their addresses, their axes in `order`, the outermost first."""
    return [
        Placed(box, address, strides(box.shape, order, itemsize)) for box, address in zip(boxes, addresses, strict=True)
    ]
