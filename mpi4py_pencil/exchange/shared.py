"""Exchange through a shared-memory window: a rank's outbox is its peers' inbox, and no byte moves.

The window is allocated non-contiguously, so that each rank's segment lies in memory of its own, near the core that
touches it first (MPI 4.1, 12.2.3; Hoefler et al., "MPI + MPI", Computing 95, 2013).
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator

import numpy as np
from mpi4py import MPI

from ..pencil import Boxes
from ..subcomm import cache_of
from .layout import offsets, place

_SHM = "/dev/shm"


class Window:
    """A segment of shared memory for each rank of a communicator on one node.

    Collective over `comm`. Windows are freed together: one that is dropped on every rank is freed when the next is
    made, so that nothing need be closed for memory to come back.
    """

    def __init__(self, comm: MPI.Intracomm, nbytes: int) -> None:
        self._comm = comm
        collect(comm)
        info = MPI.Info.Create({"alloc_shared_noncontig": "true"})
        self._win = MPI.Win.Allocate_shared(max(nbytes, 1), 1, info=info, comm=comm)
        info.Free()
        self._win.Lock_all(MPI.MODE_NOCHECK)
        self.addresses = [self._win.Shared_query(q)[0].address for q in range(comm.Get_size())]
        self._left: list[MPI.Request] = []
        entry = [self._win, self._left, True]
        cache_of(comm).setdefault(Window, []).append(entry)
        weakref.finalize(self, entry.__setitem__, 2, False)

    def claim(self) -> None:
        """Wait until the peers have read what lies in this rank's segment."""
        while self._left:
            self._left.pop().Wait()

    def fence(self) -> None:
        """What each rank has written into its segment is there for all. Collective over the window's ranks."""
        self._win.Sync()
        self._comm.Barrier()
        self._win.Sync()

    def release(self) -> None:
        """Say that this rank has read its peers' segments, and go on. Collective over the window's ranks."""
        self._left.append(self._comm.Ibarrier())


def collect(comm: MPI.Intracomm) -> None:
    """Free the windows that every rank has dropped. Collective over `comm`."""
    entries = cache_of(comm).get(Window, [])
    if not entries:
        return
    dropped = np.array([not alive for _, _, alive in entries], np.int8)
    comm.Allreduce(MPI.IN_PLACE, dropped, MPI.MIN)
    for entry, free in zip(list(entries), dropped, strict=True):
        if free:
            entries.remove(entry)
            win, left, _ = entry
            MPI.Request.Waitall(left)
            win.Unlock_all()
            win.Free()


def on_one_node(comm: MPI.Intracomm) -> bool:
    """Whether all ranks of `comm` share memory. Collective over `comm` at the first call; MPI is asked, once."""
    cache = cache_of(comm)
    if on_one_node not in cache:
        node = comm.Split_type(MPI.COMM_TYPE_SHARED)
        alone = np.array(node.Get_size() != comm.Get_size(), np.int8)
        node.Free()
        comm.Allreduce(MPI.IN_PLACE, alone, MPI.MAX)
        cache[on_one_node] = not alone
    return bool(cache[on_one_node])


def room_for(comm: MPI.Intracomm, nbytes: int) -> bool:
    """Whether the shared memory of the node has room for `nbytes` of each rank. Collective over `comm`.

    MPI maps files there and does not ask: a process that writes to a page for which there is no room is killed.
    """
    totals = np.array(nbytes, np.int64)
    comm.Allreduce(MPI.IN_PLACE, totals, MPI.SUM)
    stat = os.statvfs(_SHM) if os.path.isdir(_SHM) else None
    short = np.array(stat is not None and stat.f_bavail * stat.f_frsize < totals, np.int8)
    comm.Allreduce(MPI.IN_PLACE, short, MPI.MAX)
    return not short


class Shared:
    """One direction of an exchange through a window. The parameters are those of `Alltoallv`, and the window."""

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
