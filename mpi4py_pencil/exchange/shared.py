"""Exchange through a shared-memory window: a rank's outbox is its peers' inbox, and no byte moves.

The ranks tell each other by counters in the window how far they are. A window is memory that the ranks of a node map,
as MPI's own are (MPI 4.1, 12.2.3; Hoefler et al., "MPI + MPI", Computing 95, 2013), but it is not one of these: to free
one of MPI's is collective, and at the end of MPI it may vanish under arrays that the caller still has.
"""

from __future__ import annotations

import errno
import mmap
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI

from .. import _kernels
from ..agreement import agreed
from ..arrays import address
from ..pencil import Boxes
from ..subcomm import NODE, cache_of, on_node
from ..sweep import CACHE_LINE, Bytes
from .layout import offsets, place

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
    whether it has left. The first two are barriers of a tenth of a microsecond, where MPI's take some.

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
        pages = comm.allgather(-(-(_COUNTERS + nbytes) // mmap.PAGESIZE))
        ends = np.cumsum([0, *pages], dtype=np.intp) * mmap.PAGESIZE
        self._memory = _mapped(comm, int(ends[self._me]), pages[self._me] * mmap.PAGESIZE, int(ends[-1]))
        self._written = address(self._memory) + ends[:-1]
        self._read = self._written + CACHE_LINE
        self._left = self._read + CACHE_LINE
        self.addresses = (self._written + _COUNTERS).tolist()
        self._turn = 0

    def segment(self, rank: int, nbytes: int) -> Bytes:
        """The first bytes of a rank's segment."""
        start = self.addresses[rank] - address(self._memory)
        return self._memory[start : start + nbytes]

    def leave(self) -> None:
        """Say that this rank will not write to its segment again."""
        _kernels.signal(self._left[self._me], 1)

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
        """Wait until these counters of all ranks have come to the present turn."""
        while not _kernels.arrived(counters, self._turn, _LOOKS):
            # a peer may wait for a message of this rank before it comes here, and MPI may only move it in a call
            self._comm.Iprobe()


def _mapped(comm: MPI.Intracomm, start: int, nbytes: int, total: int) -> Bytes:
    """Shared memory of `total` bytes, of which this rank provides `nbytes` from `start` on. Collective over `comm`.

    It is zero. The file that it is has a name until every rank has opened it.

    Raises
    ------
    MemoryError
        On every rank, where there is no room.
    """
    first = comm.Get_rank() == 0
    name = comm.bcast(agreed(comm, lambda: _file(total) if first else "", _nothing))
    try:
        return agreed(comm, lambda: _map(name, start, nbytes, total), _nothing)
    finally:
        if first:
            Path(name).unlink()


def _nothing(value: object) -> str:
    """What the ranks need not agree on but that it could be had."""
    return ""


def _file(nbytes: int) -> str:
    """The name of a new file in shared memory. It takes no room yet."""
    descriptor, name = tempfile.mkstemp(prefix=_NAME, dir=_SHM)
    try:
        os.truncate(descriptor, nbytes)
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
        return np.frombuffer(mmap.mmap(descriptor, total), np.uint8)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.ENOMEM):
            raise
        raise MemoryError(f"no room in {_SHM} for a segment of {nbytes} bytes in a window") from error
    finally:
        os.close(descriptor)


def on_one_node(comm: MPI.Intracomm) -> bool:
    """Whether all ranks of `comm` share memory. Collective over `comm` at the first call; MPI is asked, once."""
    cache = cache_of(comm)
    if on_one_node not in cache:
        alone = np.array(on_node(comm)[1] != comm.Get_size(), np.int8)
        comm.Allreduce(MPI.IN_PLACE, alone, MPI.MAX)
        cache[on_one_node] = not alone
    return bool(cache[on_one_node])


def room_for(comm: MPI.Intracomm, nbytes: int) -> bool:
    """Whether the shared memory of the node has room for `nbytes` of each rank. Collective over `comm`.

    The other lines of the grid on the same node want as much at the same time.
    """
    totals = np.array(nbytes, np.int64)
    comm.Allreduce(MPI.IN_PLACE, totals, MPI.SUM)
    totals *= -(-cache_of(comm).get(NODE, 1) // comm.Get_size())
    stat = os.statvfs(_SHM) if _SHM.is_dir() else None
    short = np.array(stat is None or stat.f_bavail * stat.f_frsize < totals, np.int8)
    comm.Allreduce(MPI.IN_PLACE, short, MPI.MAX)
    return not short


class Shared:
    """One direction of an exchange through a window. The parameters are those of `Alltoallv`, and the window."""

    method = "shared"

    def __init__(self, boxes: Boxes, itemsize: int, order: tuple[int, ...], window: Window) -> None:
        comm = boxes.comm
        mine, _ = offsets(boxes.sends, itemsize)
        theirs = comm.alltoall(mine)
        base = window.addresses[comm.Get_rank()]
        self.outbox = place(boxes.sends, [base + at for at in mine], order, itemsize)
        inbox = [base + at for base, at in zip(window.addresses, theirs, strict=True)]
        self.inbox = place(boxes.receives, inbox, order, itemsize)
        self._window = window
        self.claim = window.claim
        self.deliver = window.fence
        self.release = window.release
        self._peers = range(comm.Get_size())

    def arrivals(self) -> Iterator[int]:
        """Fence, and name the peers whose boxes lie in the inbox. Collective over the peers."""
        self.deliver()
        yield from self._peers
