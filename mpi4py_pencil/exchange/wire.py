"""Double precision on its way in single precision: half of the bytes, in half of the memory of a box.

Rounding to nearest changes a number by a part in 2**24 at the most, if its size is between 2**-126 and 2**128; smaller
ones lose more of their digits, and larger ones become infinite.
"""

from __future__ import annotations

import itertools

import numpy as np

from ..layout.arrays import view_at
from .placement import Placed

_WIDE, _NARROW = np.dtype(np.float64), np.dtype(np.float32)
# Numbers at a time, of which copies are made where the two overlap.
_STEP = 2**14


def to_single(placed: Placed, itemsize: int) -> None:
    """Round a contiguous box to single precision, in the first half of its memory."""
    count = placed.box.size * itemsize // _WIDE.itemsize
    wide = view_at(placed.address, (count,), _WIDE, (_WIDE.itemsize,))
    narrow = view_at(placed.address, (count,), _NARROW, (_NARROW.itemsize,))
    _convert(wide, narrow)


def to_double(placed: Placed, itemsize: int) -> None:
    """Bring a contiguous box of single precision, in the second half of its memory, back to double precision."""
    count = placed.box.size * itemsize // _WIDE.itemsize
    wide = view_at(placed.address, (count,), _WIDE, (_WIDE.itemsize,))
    narrow = view_at(placed.address + count * _NARROW.itemsize, (count,), _NARROW, (_NARROW.itemsize,))
    _convert(narrow, wide)


def _convert(source: np.ndarray, target: np.ndarray) -> None:
    """Convert from the first number on: what has been read may be written over by then, and nothing else is."""
    with np.errstate(all="ignore"):  # of one rank; what is too large is infinite, as is said
        for start, stop in itertools.pairwise([*range(0, source.size, _STEP), source.size]):
            target[start:stop] = source[start:stop]
