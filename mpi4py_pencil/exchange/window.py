"""Windows: shared memory with a segment for each rank of a node, and counters by which the ranks wait for each other.

A window is memory that the ranks map, as MPI's own are (MPI 4.1, 12.2.3; Hoefler et al., "MPI + MPI", Computing 95,
2013), but it is not one of these: to free one of MPI's is collective, and at the end of MPI it may vanish under arrays
that the caller still has.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from mpi4py import MPI

from .. import _kernels
from ..layout.arrays import address
from ..ranks.agreement import agreed, nothing
from ..ranks.communicators import NODE, cache_of, on_node
from ..sweep.cache import CACHE_LINE
from ..sweep.tiles import Bytes

T = TypeVar("T")

_SHM = Path("/dev/shm")
# What the names of windows begin with: in the lists of what a process has mapped, and in _SHM for a moment.
_NAME = "mpi4py_pencil_"
# Bytes of the counters in front of a segment, each in cache lines of its own.
_COUNTERS = 3 * CACHE_LINE
# So often a waiting rank looks before it lets MPI, and others, have the core: some tens of microseconds.
_LOOKS = 1000


class Window:
    """A segment of shared memory for each rank of a communicator on one node.

    Before each segment lie three counters: how often its rank has written there, how often it has read its peers', and
    whether it has left, since its program ends or it has dropped the window. The first two are barriers of a tenth of a
    microsecond, where MPI's take some.

    Collective over `comm`; all that follows but `fence` is local. The memory is mapped on each rank until this object
    and the arrays of `segment` are gone there, whatever the peers do, and whatever becomes of MPI.

    Parameters
    ----------
    comm : MPI.Intracomm
        The ranks.
    nbytes : int
        Of this rank's segment. Its pages are near the core of this rank.

    Attributes
    ----------
    addresses : list of int
        Of the segment of each rank.

    Raises
    ------
    MemoryError
        On every rank, where there is no room in /dev/shm.
    """

    def __init__(self, comm: MPI.Intracomm, nbytes: int) -> None:
        self._comm = comm
        self._me = comm.Get_rank()
        pages = comm.allgather(_pages(nbytes))
        ends = np.cumsum([0, *pages], dtype=np.intp) * mmap.PAGESIZE
        self._memory = _mapped(comm, int(ends[self._me]), pages[self._me] * mmap.PAGESIZE, int(ends[-1]))
        self._written = address(self._memory) + ends[:-1]
        self._read = self._written + CACHE_LINE
        self._left = self._read + CACHE_LINE
        self.addresses = (self._written + _COUNTERS).tolist()
        self._turn = 0
        self._interrupted = False
        self._leaving = (self._memory, int(self._left[self._me]), os.getpid())
        # at the end of the program too, be it by an exception that nobody caught
        weakref.finalize(self, _leave, *self._leaving)

    def segment(self, rank: int, nbytes: int) -> Bytes:
        """The first bytes of a rank's segment."""
        start = self.addresses[rank] - address(self._memory)
        return self._memory[start : start + nbytes]

    def leave(self) -> None:
        """Say that this rank will not write to its segment again."""
        _leave(*self._leaving)

    def left(self) -> bool:
        """Whether all ranks have left."""
        return _kernels.arrived(self._left, 1, 1)

    def claim(self) -> None:
        """Wait until the peers have read what lies in this rank's segment."""
        self._wait(self._read)

    def fence(self) -> None:
        """What each rank has written into its segment is there for all. Collective over the window's ranks."""
        self._turn += 1
        _kernels.signal(self._written[self._me], self._turn)
        self._wait(self._written)

    def release(self) -> None:
        """Say that this rank has read its peers' segments, and go on."""
        _kernels.signal(self._read[self._me], self._turn)

    def _wait(self, counters: np.ndarray[Any, np.dtype[np.intp]]) -> None:
        """Wait until these counters of all ranks have come to the present turn.

        Raises
        ------
        RuntimeError
            Where that will not be, since a rank has left before, or was interrupted while it waited.
        """
        if self._interrupted:
            raise RuntimeError("a call was interrupted while it waited for other ranks: make anew what was called")
        try:
            self._look(counters)
        except BaseException:  # the ranks are out of step from here on: none may wait for another
            self._interrupted = True
            self.leave()
            raise

    def _look(self, counters: np.ndarray[Any, np.dtype[np.intp]]) -> None:
        """Look at counters until they have come to the present turn."""
        while not _kernels.arrived(counters, self._turn, _LOOKS):
            for rank in range(len(counters)):
                one = slice(rank, rank + 1)
                if _kernels.arrived(self._left[one], 1, 1) and not _kernels.arrived(counters[one], self._turn, 1):
                    raise RuntimeError(
                        f"rank {rank} of {len(counters)} that exchange data has left: its program has ended, maybe by "
                        "an error of its own, or it has dropped what it exchanges with"
                    )
            # a peer may wait for a message of this rank before it comes here, and MPI may only move it in a call
            self._comm.Iprobe()


def _pages(nbytes: int) -> int:
    """Of a segment of so many bytes and its counters."""
    return -(-(_COUNTERS + nbytes) // mmap.PAGESIZE)


def _leave(memory: Bytes, counter: int, process: int) -> None:
    """Set a counter in memory that is mapped, unless this is another process: a fork of the rank leaves nothing."""
    if os.getpid() == process:
        _kernels.signal(counter, 1)


def _mapped(comm: MPI.Intracomm, start: int, nbytes: int, total: int) -> Bytes:
    """Shared memory of `total` bytes, of which this rank provides `nbytes` from `start` on. Collective over `comm`.

    It is zero. The file that it is has a name until every rank has opened it.

    Raises
    ------
    MemoryError
        On every rank, where there is no room.
    """
    first = comm.Get_rank() == 0

    def had(call: Callable[[], T]) -> T:
        """What could be had, or an error on every rank: of room, files, or what a process may have of them."""
        try:
            return call()
        except OSError as error:
            raise MemoryError(f"no room in {_SHM} for a segment of {nbytes} bytes in a window: {error}") from error

    name = comm.bcast(agreed(comm, lambda: had(lambda: _file(total) if first else ""), nothing))
    try:
        return agreed(comm, lambda: had(lambda: _map(name, start, nbytes, total)), nothing)
    finally:
        if first:
            Path(name).unlink()


def _file(nbytes: int) -> str:
    """The name of a new file in shared memory. It takes no room yet."""
    descriptor, name = tempfile.mkstemp(prefix=_NAME, dir=_SHM)
    try:
        os.truncate(descriptor, nbytes)
    except OSError:
        Path(name).unlink()
        raise
    finally:
        os.close(descriptor)
    return name


def _map(name: str, start: int, nbytes: int, total: int) -> Bytes:
    """A file of `total` bytes as memory, once there is room for `nbytes` of it from `start` on.

    Who writes to a page for which there is no room is killed: so the pages are taken here, and the next to ask for room
    sees that.
    """
    descriptor = os.open(name, os.O_RDWR)
    try:
        os.posix_fallocate(descriptor, start, nbytes)
        return np.frombuffer(memoryview(_kernels.Mapping(descriptor, total)), np.uint8)
    finally:
        os.close(descriptor)


def on_one_node(comm: MPI.Intracomm) -> bool:
    """Whether all ranks of `comm` share memory. Collective over `comm` at the first call, which finds it out."""
    cache = cache_of(comm)
    if on_one_node not in cache:
        together = on_node(comm)[1] == comm.Get_size()
        cache[on_one_node] = comm.allreduce(together, MPI.LAND) and _seen_by_all(comm)
    return bool(cache[on_one_node])


def _seen_by_all(comm: MPI.Intracomm) -> bool:
    """Whether a file in the shared memory of one rank is there for all: in containers each may have its own.

    Collective over `comm`.
    """
    first = comm.Get_rank() == 0
    try:
        name = _file(0) if first else ""
    except OSError:
        name = ""
    name = comm.bcast(name)
    seen = bool(comm.allreduce(Path(name).is_file(), MPI.LAND))
    if name and first:
        Path(name).unlink()
    return seen


def room_for(comm: MPI.Intracomm, nbytes: int) -> bool:
    """Whether the shared memory of the node has room for `nbytes` of each rank. Collective over `comm`.

    The other lines of the grid on the same node want as much at the same time.
    """
    totals = np.array(_pages(nbytes) * mmap.PAGESIZE, np.int64)
    comm.Allreduce(MPI.IN_PLACE, totals, MPI.SUM)
    totals *= -(-cache_of(comm).get(NODE, 1) // comm.Get_size())
    stat = os.statvfs(_SHM) if _SHM.is_dir() else None
    short = np.array(stat is None or stat.f_bavail * stat.f_frsize < totals, np.int8)
    comm.Allreduce(MPI.IN_PLACE, short, MPI.MAX)
    return not short
