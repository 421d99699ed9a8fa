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
from functools import partial
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

Addresses = np.ndarray[Any, np.dtype[np.intp]]
T = TypeVar("T")

_SHM = Path("/dev/shm")
# What the names of windows begin with: in the lists of what a process has mapped, and in _SHM for a moment.
_NAME = "mpi4py_pencil_"
# Bytes of the counters in front of a segment, each in cache lines of its own.
_COUNTERS = 3 * CACHE_LINE
# So often a rank that waits on looks before it looks after the others, and lets MPI have the core.
_LOOKS = 1000


class Window:
    """A segment of shared memory for each rank of a communicator on one node.

    Before each segment lie three counters: how often its rank has written there, how often it has read its peers', and
    whether it has left, since its program ends or it has dropped the window. The first two are barriers of a tenth of a
    microsecond, where MPI's take some.

    Collective over `comm`; all that follows but `fence` is local. The memory is mapped on each rank until this object
    and the arrays of `segment` are gone there, whatever the peers do, and whatever becomes of MPI.

    A wait raises RuntimeError where it would be for ever, since a rank has left; and every one after such an error, or
    after one that was interrupted, since the ranks are out of step then.

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
    claim, fence, release : Operation
        Wait until the peers have read what lies in this rank's segment; what each rank has written into its segment is
        there for all (collective over the window's ranks); say that this rank has read its peers' segments, and go on.
    double_fence : Operation
        For a rank that has nothing to do between two fences where others have: as both.

    Raises
    ------
    MemoryError
        On every rank, where there is no room in /dev/shm.
    """

    def __init__(self, comm: MPI.Intracomm, nbytes: int) -> None:
        me = comm.Get_rank()
        pages = comm.allgather(_pages(nbytes))
        ends = np.cumsum([0, *pages], dtype=np.intp) * mmap.PAGESIZE
        self._memory = _mapped(comm, int(ends[me]), pages[me] * mmap.PAGESIZE, int(ends[-1]))
        written = address(self._memory) + ends[:-1]
        self._left = written + 2 * CACHE_LINE
        self.addresses = (written + _COUNTERS).tolist()
        self.leave = partial(_leave, self._memory, int(self._left[me]), os.getpid())
        # at the end of the program too, be it by an exception that nobody caught
        weakref.finalize(self, self.leave)
        waited = partial(_wait, comm, self._left)
        counters = _kernels.Counters(written, written + CACHE_LINE, me, waited, self.leave)
        self.claim = _kernels.Claim(counters)
        self.fence = _kernels.Fence(counters)
        self.double_fence = _kernels.Fence(counters, 2)
        self.release = _kernels.Release(counters)

    def segment(self, rank: int, nbytes: int) -> Bytes:
        """The first bytes of a rank's segment."""
        start = self.addresses[rank] - address(self._memory)
        return self._memory[start : start + nbytes]

    def left(self) -> bool:
        """Whether all ranks have left."""
        return _kernels.arrived(self._left, 1, 1)


def _wait(comm: MPI.Intracomm, left: Addresses, counters: Addresses, turn: int) -> None:
    """Wait on until counters of all ranks have come to a turn.

    Raises
    ------
    RuntimeError
        Where that will not be, since a rank has left before, or was interrupted.
    """
    while not _kernels.arrived(counters, turn, _LOOKS):
        for rank in range(len(counters)):
            one = slice(rank, rank + 1)
            if _kernels.arrived(left[one], 1, 1) and not _kernels.arrived(counters[one], turn, 1):
                raise RuntimeError(
                    f"rank {rank} of {len(counters)} that exchange data has left: its program has ended, maybe by "
                    "an error of its own, or it has dropped what it exchanges with"
                )
        # a peer may wait for a message of this rank before it comes here, and MPI may only move it in a call
        comm.Iprobe()


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


class Near:
    """The ranks of a communicator with which this one shares memory.

    Collective over `parent`, with which it is kept.

    Attributes
    ----------
    comm : MPI.Intracomm
        These ranks.
    ranks : list of int
        Their numbers in `parent`.
    nodes : list of int
        For each rank of `parent` the first of those with which it shares memory.
    """

    def __init__(self, parent: MPI.Intracomm) -> None:
        self.comm: MPI.Intracomm = parent.Split_type(MPI.COMM_TYPE_SHARED)  # type: ignore[assignment]
        if not _seen_by_all(self.comm):
            self.comm.Free()
            self.comm = MPI.COMM_SELF.Dup()
        self.ranks: list[int] = self.comm.allgather(parent.Get_rank())
        nodes = np.empty(parent.Get_size(), np.intp)
        parent.Allgather(np.array(self.ranks[0], np.intp), nodes)
        self.nodes: list[int] = nodes.tolist()

    def free(self) -> None:
        """Free the communicator, as its parent is."""
        self.comm.Free()


def near(comm: MPI.Intracomm) -> Near:
    """The ranks of `comm` with which this one shares memory. Collective over `comm` at the first call."""
    cache = cache_of(comm)
    if Near not in cache:
        cache[Near] = Near(comm)
    found: Near = cache[Near]
    return found


def some_near(comm: MPI.Intracomm) -> bool:
    """Whether some ranks of `comm` share memory, and not all. Collective over `comm` at the first call."""
    cache = cache_of(comm)
    if some_near not in cache:
        several = not on_one_node(comm)
        cache[some_near] = several and comm.allreduce(len(near(comm).ranks) > 1, MPI.LOR)
    return bool(cache[some_near])


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
