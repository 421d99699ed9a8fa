"""Exchange through a shared-memory window: a rank's outbox is its peers' inbox, and no byte moves.

The ranks tell each other by counters in the window how far they are. The window is allocated non-contiguously, so that
each rank's segment lies in memory of its own, near the core that touches it first (MPI 4.1, 12.2.3; Hoefler et al.,
"MPI + MPI", Computing 95, 2013).
"""

from __future__ import annotations

import mmap
import os
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI

from .. import _kernels
from ..layout.boxes import Boxes
from ..ranks.communicators import NODE, cache_of, on_node
from ..sweep.cache import CACHE_LINE
from .layout import offsets, place

_SHM = Path("/dev/shm")
# Bytes of the counters in front of a segment, each in cache lines of its own.
_COUNTERS = 2 * CACHE_LINE
# So often a waiting rank looks before it lets MPI, and others, have the core: some tens of microseconds.
_LOOKS = 1000


@dataclass(eq=False)
class _Allocation:
    """A window as MPI knows it, which outlives the `Window` that asked for it until all ranks have dropped theirs."""

    win: MPI.Win
    dropped: bool = False

    def drop(self) -> None:
        """Note that this rank no longer uses it. Local."""
        self.dropped = True

    def free(self) -> None:
        """Free it. Collective over its ranks."""
        self.win.Unlock_all()
        self.win.Free()


class _Allocations:
    """The windows of a communicator, in the order in which all its ranks made them."""

    def __init__(self) -> None:
        self.all: list[_Allocation] = []

    def collect(self, comm: MPI.Intracomm) -> None:
        """Free the windows that every rank has dropped. Collective over `comm`."""
        if not self.all:
            return
        dropped = np.array([each.dropped for each in self.all], np.int8)
        comm.Allreduce(MPI.IN_PLACE, dropped, MPI.MIN)
        for each in [each for each, everywhere in zip(self.all, dropped, strict=True) if everywhere]:
            self.all.remove(each)
            each.free()

    def free(self) -> None:
        """Free all windows, since their communicator is being freed. Collective, as that is."""
        while self.all:
            self.all.pop(0).free()


class Window:
    """A segment of shared memory for each rank of a communicator on one node.

    Before each segment lie two counters: how often its rank has written there, and how often it has read its peers'.
    They are barriers of a tenth of a microsecond, where MPI's take some.

    Collective over `comm`. A window that is dropped on every rank is freed when the next is made or the communicator
    is freed: to free is collective, and ranks drop their objects when they like.
    """

    def __init__(self, comm: MPI.Intracomm, nbytes: int) -> None:
        self._comm = comm
        allocations = cache_of(comm).setdefault(Window, _Allocations())
        allocations.collect(comm)
        info = MPI.Info.Create({"alloc_shared_noncontig": "true"})
        win = MPI.Win.Allocate_shared(_COUNTERS + nbytes, 1, info=info, comm=comm)
        info.Free()
        win.Lock_all(MPI.MODE_NOCHECK)
        segments = [win.Shared_query(q)[0] for q in range(comm.Get_size())]
        self.addresses = [segment.address + _COUNTERS for segment in segments]
        # Pages are counted against the room when they are first touched; the next to ask for room must see these.
        mine = np.asarray(segments[comm.Get_rank()])
        mine[:: mmap.PAGESIZE] = 0
        mine[:_COUNTERS] = 0
        comm.Barrier()
        self._turn = 0
        self._written = np.array([segment.address for segment in segments], np.intp)
        self._read = self._written + CACHE_LINE
        self._me = comm.Get_rank()
        allocation = _Allocation(win)
        allocations.all.append(allocation)
        weakref.finalize(self, allocation.drop)

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

    MPI maps files there and does not ask: a process that writes to a page for which there is no room is killed. The
    other lines of the grid on the same node want as much at the same time.
    """
    totals = np.array(nbytes, np.int64)
    comm.Allreduce(MPI.IN_PLACE, totals, MPI.SUM)
    totals *= -(-cache_of(comm).get(NODE, 1) // comm.Get_size())
    stat = os.statvfs(_SHM) if _SHM.is_dir() else None
    short = np.array(stat is not None and stat.f_bavail * stat.f_frsize < totals, np.int8)
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
        self.claim = window.claim
        self.deliver = window.fence
        self.release = window.release
        self._peers = range(comm.Get_size())

    def arrivals(self) -> Iterator[int]:
        """Fence, and name the peers whose boxes lie in the inbox. Collective over the peers."""
        self.deliver()
        yield from self._peers
