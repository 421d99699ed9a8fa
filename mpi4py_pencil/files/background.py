"""What threads write while the program goes on, and what all ranks do together when it is written.

The threads make no MPI calls. What is begun is finished in the next call of those who have begun it, where all ranks
come together again; what nobody comes for, when the program ends.
"""

from __future__ import annotations

import atexit
import functools
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from mpi4py import MPI

# Of the message that a rank sends which ends with an error and will not come.
_GIVEN_UP = 30_011
_PAUSE = 0.001


@dataclass(eq=False)
class _Begun:
    """What is being written.

    Attributes
    ----------
    comm : MPI.Intracomm
        The ranks that write it.
    owner : object
        Whose next call finishes it; None where that is any function of files with the same ranks.
    written : Future
        Of what this rank's thread does.
    finish : callable
        Called with a function that returns what the thread has, or raises its error. Collective.
    """

    comm: MPI.Intracomm
    owner: object
    written: Future[Any]
    finish: Callable[[Callable[[], Any]], None]


_all: list[_Begun] = []


def begin(
    comm: MPI.Intracomm, owner: object, write: Callable[[], Any], finish: Callable[[Callable[[], Any]], None]
) -> None:
    """Let a thread call `write`, which makes no MPI call; `finish` is called when all ranks come together again.

    Local; all ranks of `comm` begin the same things in the same order.
    """
    _come_back_at_exit()
    thread = ThreadPoolExecutor(1)
    _all.append(_Begun(comm, owner, thread.submit(write), finish))
    thread.shutdown(wait=False)


def finish(owner: object) -> None:
    """Wait until all is there that an owner has begun. Collective over its ranks.

    Raises
    ------
    OSError
        On every rank, where it could not be written on one.
    """
    _finish([begun for begun in _all if begun.owner is owner])


def finish_saves(comm: MPI.Intracomm) -> None:
    """Wait until all is there that ranks have begun without an owner, be it by another communicator. Collective."""
    same = (MPI.IDENT, MPI.CONGRUENT, MPI.SIMILAR)
    _finish([b for b in _all if b.owner is None and b.comm and MPI.Comm.Compare(b.comm, comm) in same])


def wait() -> None:
    """Wait until all is there that was begun with ``wait=False``.

    Collective over the ranks that have begun it.

    Raises
    ------
    OSError
        On every rank, where it could not be written on one.
    """
    _finish(list(_all))


def _finish(several: list[_Begun]) -> None:
    """Finish what was begun, in order; what comes after one that raises is left for the next call."""
    for begun in several:
        _all.remove(begun)
        begun.finish(begun.written.result)


@functools.cache
def _come_back_at_exit() -> None:
    """Have what nobody has come for finished when the program ends."""
    atexit.register(_at_exit)


def _at_exit() -> None:
    """Finish what was begun, unless a rank ends with an error: then it may be elsewhere than the others."""
    failed = getattr(sys, "last_type", None) is not None
    lost = [begun for begun in _all if MPI.Is_finalized() or not begun.comm]
    for begun in [each for each in _all if each not in lost]:
        if failed:
            for rank in set(range(begun.comm.Get_size())) - {begun.comm.Get_rank()}:
                begun.comm.Isend([b"", 0, MPI.BYTE], rank, _GIVEN_UP).Free()
        elif _all_come(begun.comm):
            _finish([begun])
        else:
            raise RuntimeError("what was being written when the program ended is not there: a rank ended with an error")
    if lost and not failed:
        raise RuntimeError(
            "what was begun with wait=False is not there: its communicator was freed, or MPI finalized, before "
            "files.wait() was called"
        )


def _all_come(comm: MPI.Intracomm) -> bool:
    """Wait for the other ranks; whether they come. Collective, but for those that have given up."""
    arrival = comm.Ibarrier()
    while not arrival.Test():
        if comm.Iprobe(MPI.ANY_SOURCE, _GIVEN_UP):
            return False
        time.sleep(_PAUSE)
    return True
