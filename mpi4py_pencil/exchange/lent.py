"""Arrays of the caller in shared windows: peers take their boxes from there themselves, and no outbox is filled.

Whether a rank's array is such a one is known to that rank alone, call by call. It says so in a window of its own before
the fence of the exchange, and its peers look there after it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..layout.arrays import natural, offset
from ..layout.boxes import Boxes
from .memory import window as memory_at
from .shared import Window


class _Segment:
    """A rank's own segment of a window as numpy takes it; an array made of it keeps the window."""

    def __init__(self, window: Window, address: int, nbytes: int) -> None:
        self._window = window
        self.__array_interface__ = {"version": 3, "shape": (nbytes,), "typestr": "|u1", "data": (address, False)}


class Lent:
    """The arrays in windows from which one way of a transfer may be made.

    Collective over the peers.

    Parameters
    ----------
    boxes : Boxes
        What goes where.
    shape : tuple of int
        Of this rank's block before.
    dtype : numpy.dtype
        Of the arrays.
    """

    def __init__(self, boxes: Boxes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._comm = boxes.comm
        self._shape, self._dtype = shape, dtype
        self._natural = natural(shape, dtype.itemsize)
        mine = [offset(box.start, self._natural) for box in boxes.sends]
        # for each peer where in its array the box lies that comes from there, and the strides of that array
        self.places = self._comm.alltoall([(at, self._natural) for at in mine])
        self._said_in = Window(self._comm, np.dtype(np.int64).itemsize)
        self._said = [np.asarray(memory_at(at, 8)).view(np.int64) for at in self._said_in.addresses]
        self._windows: list[list[int]] = []

    def array(self) -> np.ndarray[Any, Any]:
        """An uninitialised array in a window of its own. Collective over the peers."""
        nbytes = math.prod(self._shape) * self._dtype.itemsize
        window = Window(self._comm, nbytes)
        self._windows.append(window.addresses)
        segment = _Segment(window, window.addresses[self._comm.Get_rank()], nbytes)
        return np.asarray(segment).view(self._dtype).reshape(self._shape)

    def offer(self, address: int, given: tuple[int, ...]) -> bool:
        """Say to the peers whether this rank's array, at this address and with these strides, is one of those here."""
        me = self._comm.Get_rank()
        known = [addresses[me] for addresses in self._windows]
        number = known.index(address) + 1 if address in known and given == self._natural else 0
        self._said[me][0] = number
        return number > 0

    def address(self, peer: int) -> int | None:
        """Where a peer's array lies, if it has offered one. After the fence."""
        number = int(self._said[peer][0])
        return self._windows[number - 1][peer] if number else None
