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
    comm : MPI.Intracomm
        The ranks: a communicator of this package's own (`Context.own`), which is freed when nothing is going on.
    request : MPI.Request
        Of MPI's operation.
    memory : object
        What this reads and writes.
    finish : callable
        Makes the result once it has ended. Local.
    """

    def __init__(self, comm: MPI.Intracomm, request: MPI.Request, memory: Any, finish: Callable[[], T]) -> None:
        self._request, self._finish = request, finish
        self._result: T | None = None
        self._started = _started_on(comm)
        self._started.forget_ended()
        self._started.operations[id(request)] = (request, memory)

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
            self._started.operations.pop(id(self._request), None)
            self._result = self._finish()
        return self._result

    def __repr__(self) -> str:
        """Whether `wait` has ended it. Local."""
        return f"Pending({'ended' if self._result is not None else 'started'})"


class _Started:
    """What has been started on a communicator, and not been found to have ended: MPI still uses that memory."""

    def __init__(self) -> None:
        self.operations: dict[int, tuple[MPI.Request, Any]] = {}

    def forget_ended(self) -> None:
        """Drop the memory of operations that have ended, be it that nobody waited. Local."""
        for key, (request, _) in list(self.operations.items()):
            if request.Test():
                del self.operations[key]

    def free(self) -> None:
        """Give all some time to end, since the communicator does; of what does not, the memory must outlive Python."""
        deadline = time.monotonic() + _PATIENCE
        while self.operations and not MPI.Is_finalized():
            self.forget_ended()
            if time.monotonic() > deadline:
                break
        for _, memory in self.operations.values():
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(memory))
        self.operations.clear()
        _everywhere.discard(self)


_everywhere: set[_Started] = set()


def _started_on(comm: MPI.Intracomm) -> _Started:
    """What has been started on a communicator, kept with it: Open MPI crashes where it is freed before that ends.

    When MPI ends it is told too: by `atexit`, since Python is gone when mpi4py does that, or by MPI.COMM_SELF.
    """
    cache = cache_of(comm)
    if _Started not in cache:
        if not _everywhere:
            atexit.unregister(_All.free)
            atexit.register(_All.free)
            cache_of(MPI.COMM_SELF)[_All] = _All
        cache[_Started] = _Started()
        _everywhere.add(cache[_Started])
    started: _Started = cache[_Started]
    return started


class _All:
    """All communicators, when MPI ends."""

    @staticmethod
    def free() -> None:
        """Give all that has been started some time to end. Local."""
        for started in list(_everywhere):
            started.free()
