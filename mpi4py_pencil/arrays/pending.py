"""What has been started among the ranks and goes on while each does other work."""

from __future__ import annotations

import atexit
import ctypes
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from mpi4py import MPI

from ..ranks.communicators import cache_of, check_running

T = TypeVar("T")

# Seconds for which the end of a program waits for what nobody has waited for.
_PATIENCE = 0.5


class Pending(Generic[T]):
    """A collective operation that has been started: `wait` ends it, and returns what it gives.

    Every rank waits for it or none has to: one that nobody waits for goes on by itself, and what it works on is kept
    until it has ended, at the latest when MPI does.

    Parameters
    ----------
    request : MPI.Request
        Of MPI's operation.
    memory : object
        What this reads and writes.
    finish : callable
        Makes the result once it has ended. Local.
    """

    def __init__(self, request: MPI.Request, memory: Any, finish: Callable[[], T]) -> None:
        _forget_ended()
        self._request, self._finish = request, finish
        self._result: T | None = None
        _started[id(self._request)] = (request, memory)

    def test(self) -> bool:
        """Whether the operation has ended; it may go on only while MPI is called, as here. Local.

        Raises
        ------
        ValueError
            Where MPI has ended.
        """
        check_running()
        return bool(self._request.Test())

    def wait(self) -> T:
        """Wait until the operation has ended on this rank, and return what it gives, again if asked again.

        Raises
        ------
        ValueError
            Where MPI has ended.
        """
        if self._result is None:
            check_running()
            self._request.Wait()
            _started.pop(id(self._request), None)
            self._result = self._finish()
        return self._result

    def __repr__(self) -> str:
        """Whether `wait` has ended it. Local."""
        return f"Pending({'ended' if self._result is not None else 'started'})"


# What has been started, and not been found to have ended: MPI still reads and writes that memory.
_started: dict[int, tuple[MPI.Request, Any]] = {}


def _forget_ended() -> None:
    """Drop the memory of operations that have ended, be it that nobody waited. Local."""
    if not _started:
        _Ending.watch()
    for key, (request, _) in list(_started.items()):
        if request.Test():
            del _started[key]


class _Ending:
    """What is done when MPI ends: by `atexit`, since Python is gone when mpi4py ends it; or before."""

    _watching = False

    @classmethod
    def watch(cls) -> None:
        """Be told, from now on. Local."""
        if not cls._watching:
            cls._watching = True
            cache_of(MPI.COMM_SELF)[cls] = cls
            atexit.register(cls.free)

    @staticmethod
    def free() -> None:
        """Give what nobody has waited for some time to end; of what does not, the memory must outlive Python."""
        deadline = time.monotonic() + _PATIENCE
        while _started and not MPI.Is_finalized():
            _forget_ended()
            if time.monotonic() > deadline:
                break
        for _, memory in _started.values():
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(memory))
        _started.clear()
