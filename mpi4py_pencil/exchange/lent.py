"""Arrays of the caller in shared windows: peers take their boxes from there themselves, and no outbox is filled.

Whether a rank's array is such a one is known to that rank alone, call by call. It says so in a window of its own before
the fence of the exchange, and its peers look there after it.
"""

from __future__ import annotations

import math
import weakref
from typing import Any

import numpy as np

from ..layout.arrays import natural, offset
from ..layout.boxes import Boxes
from .window import Window

_NUMBER = np.dtype(np.int64)


class _Segment:
    """A rank's own segment of a window as numpy takes it: what an array in it and all its views rest on.

    Once they are gone the rank has left the window.
    """

    def __init__(self, window: Window, number: int, address: int, nbytes: int) -> None:
        self.window = window
        self.number = number
        self.__array_interface__ = {"version": 3, "shape": (nbytes,), "typestr": "|u1", "data": (address, False)}
        weakref.finalize(self, window.leave)


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
        self._me = self._comm.Get_rank()
        self._shape, self._dtype = shape, dtype
        self._natural = natural(shape, dtype.itemsize)
        mine = [offset(box.start, self._natural) for box in boxes.sends]
        # for each peer where in its array the box lies that comes from there, and the strides of that array
        self.places = self._comm.alltoall([(at, self._natural) for at in mine])
        said_in = Window(self._comm, _NUMBER.itemsize)
        self._said = [said_in.segment(q, _NUMBER.itemsize).view(_NUMBER) for q in range(self._comm.Get_size())]
        # by numbers that all ranks give alike; a window stays here until no rank has its array, for peers read there
        self._windows: dict[int, Window] = {}
        self._made = 0
        self._offered = 0

    def array(self) -> np.ndarray[Any, Any]:
        """An uninitialised array in a window of its own. Collective over the peers.

        Raises
        ------
        MemoryError
            On every rank, where there is no room for it.
        """
        self._windows = {number: window for number, window in self._windows.items() if not window.left()}
        nbytes = math.prod(self._shape) * self._dtype.itemsize
        window = Window(self._comm, nbytes)
        self._made += 1
        self._windows[self._made] = window
        segment = _Segment(window, self._made, window.addresses[self._me], nbytes)
        return np.asarray(segment).view(self._dtype).reshape(self._shape)

    def offers(self, array: np.ndarray[Any, Any]) -> bool:
        """Whether this rank's array is the whole of one of those here, as it was made; `say` tells the peers then."""
        base: Any = array.base
        while isinstance(base, np.ndarray):
            base = base.base
        number = 0
        if isinstance(base, _Segment) and self._windows.get(base.number) is base.window:
            whole = array.__array_interface__["data"][0] == base.window.addresses[self._me]
            number = base.number if whole and array.strides == self._natural else 0
        self._offered = number
        return number > 0

    def say(self, *_: int) -> None:
        """Say to the peers what was found last. After the claim, before the fence."""
        self._said[self._me][0] = self._offered

    def address(self, peer: int) -> int | None:
        """Where a peer's array lies, if it has offered one. After the fence."""
        number = int(self._said[peer][0])
        return self._windows[number].addresses[peer] if number else None
