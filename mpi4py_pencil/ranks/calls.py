"""Calls of a plan: one at a time in a process, and the same on every rank where that is checked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from mpi4py import MPI

from .agreement import Said, agreed, checking
from .communicators import cache_of, check_alive

T = TypeVar("T")


class Calls:
    """The calls of one plan, to be made within ``with``.

    Parameters
    ----------
    comm : MPI.Intracomm
        The ranks over which they are collective. All of them make their plans in the same order: that numbers them.
    what : str
        What is called, for messages.
    grid : MPI.Intracomm
        The communicator with which what was planned goes.

    Raises
    ------
    RuntimeError
        By ``with``, where a call is under way: tiles and outboxes serve one at a time.
    ValueError
        By ``with``, where the communicator has been freed, or MPI finalized.
    """

    def __init__(self, comm: MPI.Intracomm, what: str, grid: MPI.Intracomm) -> None:
        cache = cache_of(comm)
        cache[Calls] = number = cache.get(Calls, 0) + 1
        self._comm = comm
        self._what = what
        self._plan = f"{what} {number} of its communicator"
        self._grid = grid
        self._checking = checking()
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        """Begin a call."""
        check_alive(self._grid)
        if not self._lock.acquire(blocking=False):
            raise RuntimeError(
                f"this {self._what} is at work already, for another thread or for a call from which a function of the "
                "user's calls it: make one for each"
            )

    def __exit__(self, *_: object) -> None:
        """End a call."""
        self._lock.release()

    def checked(self, check: Callable[[], T], said: Callable[[T], Said]) -> T:
        """What `check` makes of the arguments of a call; agreed on, with the plan, as `agreement.checked`.

        Whether it is to be agreed on is asked when the plan is made: the environment takes a tenth of a small call.
        """
        if not self._checking:
            return check()
        return agreed(self._comm, check, lambda made: {"the plan": self._plan, **said(made)})
