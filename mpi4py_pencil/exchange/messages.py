"""Messages between a rank and its peers, in parts where an exchange is cut."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from functools import partial

from mpi4py import MPI

from .._kernels import ABSOLUTE, SOURCE, TARGET, Call, Operation
from ..layout.boxes import Boxes
from ..ranks.communicators import cache_of
from ..sweep.instruction import Instruction
from .memory import Memory, free, item, window
from .parts import Cut, Parts
from .placement import Placed, place
from .wire import to_double, to_single

# What MPI has at least. Exchanges have tags of their own, so that none takes what one that was interrupted has sent.
_TAGS = 2**15
INTERRUPTED = "a call was interrupted on its way: make anew what was called"
# What messages of interrupted calls may come to, or go from, as long as the process runs.
_INTERRUPTED: list[object] = []

Requests = list[MPI.Prequest]
# What the box of each peer is cut into: the part that each is of as it is given, as it is taken, and where it lies.
Pieces = dict[int, list[tuple[int, int, Placed]]]


class Messages:
    """The boxes of one direction of an exchange that go and come in messages, as persistent requests. Local.

    In step s a rank sends to the rank s after it and receives from the one s before it, so that no rank is the target
    of all at once.

    Parameters
    ----------
    boxes : Boxes
        What goes where.
    sides : pair of list of Placed
        Where the boxes of all peers lie, in the outbox and in the inbox.
    far : sequence of bool
        For each peer, whether messages go between it and this rank.
    order, itemsize : tuple of int, int
        The order of the axes in a box, and the bytes of a point.
    memory : Memory
        From whose outboxes messages are sent, or to whose inboxes.
    cut : Cut or None
        Where the exchange is cut into parts.
    narrow : sequence of bool
        For each peer, whether double precision is sent to it, and comes from it, in single precision.
    keep : object, optional
        What the boxes lie in beside `memory`.

    Attributes
    ----------
    outbox, inbox : list of Placed
        The boxes of all peers, and what those that travel are cut into.
    """

    def __init__(
        self,
        boxes: Boxes,
        sides: tuple[Sequence[Placed], Sequence[Placed]],
        far: Sequence[bool],
        order: tuple[int, ...],
        itemsize: int,
        memory: Memory,
        cut: Cut | None,
        narrow: Sequence[bool],
        keep: object = None,
    ) -> None:
        self._comm, self._memory, self._itemsize = boxes.comm, memory, itemsize
        me, size = self._comm.Get_rank(), self._comm.Get_size()
        away, home = ([q for q in ((me + way * s) % size for s in range(1, size)) if far[q]] for way in (1, -1))
        given, taken = (_pieces(which, sides[which], (away, home)[which], order, itemsize, cut) for which in (0, 1))
        self.outbox, self.inbox = _listed(sides[0], given), _listed(sides[1], taken)
        parts, pieces = (1, 1) if cut is None else (len(cut.given(0)), cut.count)
        self._parts: list[Requests] = [[] for _ in range(parts)]
        self._pieces: list[Requests] = [[] for _ in range(pieces)]
        # the last part in which something of each piece comes
        self._last = list(range(pieces)) if cut and cut.aligned else [parts - 1] * pieces
        self._going: Requests = []
        self._coming: Requests = []
        self._from: list[tuple[int, Placed | None]] = []  # from whom these come, and what is to be made wide
        self._sent = self._ready = 0  # parts
        # what is made narrow where it lies before a part goes, and wide once a piece has come
        self._narrowed: list[list[Placed]] = [[] for _ in range(parts)]
        self._widened: list[list[Placed]] = [[] for _ in range(pieces)]
        self._before: Messages | None = None
        unit = item(itemsize)
        cache = cache_of(self._comm)
        cache[Messages] = tag = (cache.get(Messages, 0) + 1) % _TAGS
        # sends first: what says to a peer that a message has room may start one from there, behind which all else waits
        for peer, part, _, placed in _in_order(given):
            message = _buffer(placed, itemsize, unit)
            if narrow[peer]:
                self._narrowed[part].append(placed)
                message = _half(placed, itemsize, 0)
            request = self._comm.Send_init(message, peer, tag)
            for listed in (self._parts[part], self._going):
                listed.append(request)
        for peer, part, piece, placed in _in_order(taken):
            message = _buffer(placed, itemsize, unit)
            if narrow[peer]:
                self._widened[piece].append(placed)
                message = _half(placed, itemsize, 1)
            request = self._comm.Recv_init(message, peer, tag)
            for listed in (self._parts[part], self._pieces[piece], self._coming):
                listed.append(request)
            self._from.append((peer, placed if narrow[peer] else None))
        self._under_way = [False]
        weakref.finalize(self, _give_back, (*self._coming, *self._going), self._under_way, (memory, keep))
        self._axes: tuple[int, int] | None = None
        if cut is not None:
            self._axes = cut.outward - len(order), cut.inward - len(order)
            self._ends = cut.given(cut.extents[0]), cut.taken(cut.extents[1])

    @property
    def outward(self) -> Parts | None:
        """The parts as they are given, where there is a cut."""
        if self._axes is None:
            return None
        starts = [self._operation(partial(self.start, part)) for part in range(len(self._parts))]
        return Parts(self._axes[0], self._ends[0], starts, self.poll)

    @property
    def inward(self) -> Parts | None:
        """The parts as they are taken, where there is a cut."""
        if self._axes is None:
            return None
        waits = [self._operation(partial(self.wait, piece)) for piece in range(len(self._pieces))]
        return Parts(self._axes[1], self._ends[1], waits, self.poll)

    @property
    def starting(self) -> Operation:
        """What says that all parts may go. Collective over the peers."""
        return self._operation(self.start_all)

    @property
    def arriving(self) -> Operation:
        """What waits until all parts are there."""
        return self._operation(self.wait_all)

    @property
    def leaving(self) -> Operation:
        """What waits until all has left the outbox."""
        return self._operation(self.finish)

    def _operation(self, function: Callable[[int, int], object]) -> Operation:
        """What calls a function of these messages; an error that ends its program ends the use of their memory."""
        return Call(function, True, self.abandon)

    def abandon(self) -> None:
        """Have nobody start messages in the same memory any more: other ranks may be anywhere."""
        self._memory.abandoned = True

    def start(self, part: int, *_: int) -> None:
        """Say that a part may go. Collective over the peers."""
        if part == 0:
            if self._under_way[0] or self._memory.abandoned:
                raise RuntimeError(INTERRUPTED)
            self._under_way[0] = True
            last = self._memory.last()
            self._before = None if last is self else last
            self._memory.last = weakref.ref(self)
            self._sent = 0
        for placed in self._narrowed[part]:
            to_single(placed, self._itemsize)
        self._ready = part + 1
        self.poll()

    def poll(self) -> None:
        """Let MPI move on what travels, and the next part go if the one before has come and gone.

        A long message sets out once its receiver has said so, and what says so waits for what travels that way. Peers
        that begin a part together say so before anything travels.
        """
        if self._sent == self._ready:
            self._comm.Iprobe()
        elif self._may_go():
            self._send()

    def _may_go(self) -> bool:
        """Whether what went before is out of the way of the next part."""
        if self._sent:
            return bool(MPI.Request.Testall(self._parts[self._sent - 1]))
        # what comes may arrive where the exchange before sends from
        return self._before is None or self._before.gone()

    def gone(self) -> bool:
        """Whether all has left the outbox."""
        self.poll()
        return self._sent == len(self._parts) and bool(MPI.Request.Testall(self._going))

    def _send(self) -> None:
        """Let the next part go."""
        MPI.Prequest.Startall(self._parts[self._sent])
        self._sent += 1
        self._before = None

    def _send_up_to(self, part: int) -> None:
        """Let parts go up to one, all being ready."""
        while self._sent <= part:
            if self._sent:
                MPI.Request.Waitall(self._parts[self._sent - 1])
            elif self._before is not None:
                self._before.finish()
            self._send()

    def wait(self, piece: int, *_: int) -> None:
        """Wait until a part is there, all parts being ready."""
        self._send_up_to(self._last[piece])
        MPI.Request.Waitall(self._pieces[piece])
        for placed in self._widened[piece]:
            to_double(placed, self._itemsize)

    def start_all(self, *_: int) -> None:
        """Say that all parts may go. Collective over the peers."""
        for part in range(len(self._parts)):
            self.start(part)

    def wait_all(self, *_: int) -> None:
        """Wait until all parts are there."""
        for piece in range(len(self._pieces)):
            self.wait(piece)

    def unpacking(self, copies: Sequence[Instruction]) -> Instruction:
        """What carries out the copy for each peer's box in the order in which they arrive."""
        return self._operation(partial(self._unpack, copies)), SOURCE, TARGET

    def _unpack(self, copies: Sequence[Instruction], source: int, target: int) -> None:
        """Carry out the copies for the boxes that come in messages, in the order in which they arrive."""
        places = {ABSOLUTE: 0, SOURCE: source, TARGET: target}
        for _ in self._from:
            peer, narrow = self._from[MPI.Request.Waitany(self._coming)]
            if narrow is not None:
                to_double(narrow, self._itemsize)
            copy, before, after = copies[peer]
            copy(places[before], places[after])

    def finish(self, *_: int) -> None:
        """Wait until all has left the outbox, all parts being ready."""
        self._send_up_to(len(self._parts) - 1)
        MPI.Request.Waitall(self._going)
        self._under_way[0] = False


def keep_step(comm: MPI.Intracomm) -> None:
    """Have all ranks go on from the same tag, also if an exchange could be opened on some of them only. Collective."""
    cache = cache_of(comm)
    cache[Messages] = comm.allreduce(cache.get(Messages, 0), MPI.MAX)


def _give_back(requests: Sequence[MPI.Prequest], under_way: Sequence[bool], memory: object) -> None:
    """Free requests; but those of a call that was interrupted may yet be carried out, and keep their memory."""
    if under_way[0]:
        _INTERRUPTED.append((requests, memory))
    else:
        free(requests)


def _pieces(
    which: int,
    side: Sequence[Placed],
    peers: Sequence[int],
    order: tuple[int, ...],
    itemsize: int,
    cut: Cut | None,
) -> Pieces:
    """What the boxes of some peers on a side are cut into, contiguous and one after the other."""
    found: Pieces = {}
    for peer in peers:
        whole = side[peer]
        if not whole.box.size:
            continue
        if cut is None:
            found[peer] = [(0, 0, whole)]
            continue
        at = whole.address
        found[peer] = []
        for given, taken, box in cut.boxes(whole.box, which, peer):
            if box.size:
                (placed,) = place([box], [at], order, itemsize)
                found[peer].append((given, taken, placed))
                at += box.size * itemsize
    return found


def _listed(side: Sequence[Placed], pieces: Pieces) -> list[Placed]:
    """The boxes of all peers, and in their place the pieces of those that are cut."""
    return [each for q, whole in enumerate(side) for each in ([p for *_, p in pieces[q]] if q in pieces else [whole])]


def _in_order(pieces: Pieces) -> list[tuple[int, int, int, Placed]]:
    """Peer, part given, part taken and place: a part after the other, and in it a peer after the other."""
    found = [(peer, *each) for peer, listed in pieces.items() for each in listed]
    return sorted(found, key=lambda each: each[1])


def _buffer(placed: Placed, itemsize: int, unit: MPI.Datatype) -> list[object]:
    """A contiguous box as mpi4py takes it."""
    return [window(placed.address, placed.box.size * itemsize), unit]


def _half(placed: Placed, itemsize: int, which: int) -> list[object]:
    """Half of the memory of a contiguous box, as mpi4py takes it."""
    nbytes = placed.box.size * itemsize // 2
    return [window(placed.address + which * nbytes, nbytes), nbytes // 4, MPI.FLOAT]
