"""Exchange by messages from node to node, in which the boxes of all their ranks lie side by side.

Ranks write their boxes for another node into the window of their own, where these make up the message, and read what
has come in the window too: so nothing is copied for it. The ranks of a node share the other nodes out among themselves,
and where there is much for one of them several carry a part of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mpi4py import MPI

from .._kernels import Operation, Program
from ..layout.boxes import Box, Boxes
from ..layout.way import Way
from ..ranks.communicators import cache_of, numbers_in
from ..sweep.instruction import Instruction, anywhere
from .memory import NONE, Memory
from .messages import Messages
from .parts import Parts
from .placement import Placed, offsets, place
from .window import Window, near

# Bytes that a rank carries to another node before the next one carries a part: more than a message costs.
_SHARE = 2**16

# Who gives a box, who takes it, and its points.
Parcel = tuple[int, int, int]


@dataclass(frozen=True)
class Message:
    """What goes from a node to another, or comes from there, or a part of it.

    Attributes
    ----------
    carrier : int
        The rank of this node that sends or receives it, by its place there.
    partner : int
        The rank of the other node that does the other.
    at, nbytes : int
        Where it starts in the carrier's segment, and its bytes.
    """

    carrier: int
    partner: int
    at: int
    nbytes: int


@dataclass(frozen=True)
class Plan:
    """Where the boxes of one direction lie in the window of a node.

    Attributes
    ----------
    places : mapping of (int, int) to (int, int)
        By giver and taker of a box, the rank of the node in whose segment it lies, by its place there, and where.
    out, into : list of Message
        What leaves the node, and what comes.
    ends : list of int
        The bytes of each rank's segment.
    """

    places: dict[tuple[int, int], tuple[int, int]]
    out: list[Message]
    into: list[Message]
    ends: list[int]


class Carriers:
    """Who on this node carries what to other nodes, and from there. Collective over `comm`.

    Parameters
    ----------
    comm : MPI.Intracomm
        All ranks that exchange at the same time: the peers, or more.
    boxes : Boxes
        What goes where on the way forward.

    Attributes
    ----------
    comm, node : MPI.Intracomm, Near
        All ranks, and those of this node.
    peers : list of int
        The number in `comm` of each peer.
    """

    def __init__(self, comm: MPI.Intracomm, boxes: Boxes) -> None:
        self.comm, self.node = comm, near(comm)
        nodes, node = self.node.nodes, self.node.comm
        self.peers = numbers_in(comm, boxes.comm)
        sides = zip(self.peers, boxes.sends, boxes.receives, strict=True)
        # of each rank of this node, its peers with the points that it gives them and takes
        self._told: list[list[Parcel]] = node.allgather(
            [(q, sent.size, received.size) for q, sent, received in sides if sent.size or received.size]
        )
        self._here = nodes[comm.Get_rank()]
        others = sorted({nodes[q] for listed in self._told for q, *_ in listed} - {self._here})
        self._members: dict[int, list[int]] = {other: [] for other in others}
        for q, their in enumerate(nodes):
            if their in self._members:
                self._members[their].append(q)
        # the first rank that carries to and from each other node, and that of the other node: of each its ranks tell
        # their peers
        self._first = {other: k % node.Get_size() for k, other in enumerate(others)}
        said = boxes.comm.alltoall([self._first.get(nodes[q], 0) for q in self.peers])
        theirs = node.allgather(dict(zip((nodes[q] for q in self.peers), said, strict=True)))
        self._theirs = {other: first for each in theirs for other, first in each.items()}

    def plan(self, way: Way, itemsize: int) -> Plan:
        """Where everything lies on one way. Local; the same on all ranks of a node."""
        found = Plan({}, [], [], [0] * len(self.node.ranks))
        given: dict[int, list[Parcel]] = {other: [] for other in self._members}
        taken: dict[int, list[Parcel]] = {other: [] for other in self._members}
        for k, (rank, listed) in enumerate(zip(self.node.ranks, self._told, strict=True)):
            stays: list[Parcel] = []
            for peer, *points in listed:
                other = self.node.nodes[peer]
                sent, received = way.order(points)
                if other == self._here:
                    stays.append((rank, peer, sent))
                else:
                    given[other].append((rank, peer, sent))
                    taken[other].append((peer, rank, received))
            _lay(found, k, stays, itemsize)
        for side, messages in ((given, found.out), (taken, found.into)):
            for other, parcels in side.items():
                messages += self._messages(found, other, sorted(parcels), itemsize)
        return found

    def _messages(self, found: Plan, other: int, parcels: Sequence[Parcel], itemsize: int) -> Iterator[Message]:
        """Lay what goes to another node, or comes from there, in an order that both nodes know."""
        size, members = len(self.node.ranks), self._members[other]
        for k, share in enumerate(_shares(parcels, itemsize, max(size, len(members)))):
            carrier = (self._first[other] + k) % size
            start = found.ends[carrier]
            _lay(found, carrier, share, itemsize)
            partner = members[(self._theirs[other] + k) % len(members)]
            yield Message(carrier, partner, start, found.ends[carrier] - start)


def share_count(nbytes: int, most: int) -> int:
    """How many ranks carry so many bytes to another node, if there are `most` on one of the two."""
    return max(1, min(most, nbytes // _SHARE))


def _shares(parcels: Sequence[Parcel], itemsize: int, most: int) -> list[list[Parcel]]:
    """What each of those who carry parcels has, one after the other; about the same."""
    total = sum(points for *_, points in parcels)
    count = share_count(total * itemsize, most)
    shares: list[list[Parcel]] = [[] for _ in range(count)]
    before = 0
    for parcel in parcels:
        shares[min(before * count // max(total, 1), count - 1)].append(parcel)
        before += parcel[2]
    return [share for share in shares if share]


def _lay(found: Plan, segment: int, parcels: Sequence[Parcel], itemsize: int) -> None:
    """Lay boxes side by side at the end of a segment."""
    starts, nbytes = offsets([Box((0,), (size,)) for *_, size in parcels], itemsize)
    for (giver, taker, _), at in zip(parcels, starts, strict=True):
        found.places[giver, taker] = segment, found.ends[segment] + at
    found.ends[segment] += nbytes


def joined_bytes(boxes: Boxes, itemsize: int, far: Sequence[bool]) -> int:
    """Bytes that a rank's boxes take in a window: of all ranks of a node together those of their segments."""
    (near_sends, far_sends), (near_receives, far_receives) = (
        (
            offsets([box if far[q] == leaves else NONE for q, box in enumerate(side)], itemsize)[1]
            for leaves in (False, True)
        )
        for side in (boxes.sends, boxes.receives)
    )
    return max(near_sends, near_receives) + far_sends + far_receives


class Joined:
    """One direction of an exchange.

    Parameters
    ----------
    boxes : Boxes
        What goes where.
    itemsize : int
        Bytes of a point.
    order : tuple of int
        The order of the axes in a box, the outermost first.
    carriers : Carriers
        Who carries what.
    plan : Plan
        Where it lies.
    memory : Memory
        That of the plan's other exchanges.
    wire : bool
        Whether messages are in single precision.
    window : Window
        Of the node.
    """

    method = "joined"
    # not in parts
    outward: Parts | None = None
    inward: Parts | None = None

    def __init__(
        self,
        boxes: Boxes,
        itemsize: int,
        order: tuple[int, ...],
        carriers: Carriers,
        plan: Plan,
        memory: Memory,
        wire: bool,
        window: Window,
    ) -> None:
        me = carriers.comm.Get_rank()
        self._window = window  # whose memory is mapped as long as this is there

        def address(giver: int, taker: int) -> int:
            segment, at = plan.places.get((giver, taker), (0, 0))
            return window.addresses[segment] + at

        self.outbox = place(boxes.sends, [address(me, q) for q in carriers.peers], order, itemsize)
        self.inbox = place(boxes.receives, [address(q, me) for q in carriers.peers], order, itemsize)
        far = [q != me for q in range(carriers.comm.Get_size())]
        sides = [_side(each, carriers, window, itemsize) for each in (plan.out, plan.into)]
        boxed = Boxes(apart(carriers.comm), *(tuple(placed.box for placed in side) for side in sides))
        self._messages = Messages(
            boxed, (sides[0], sides[1]), far, (0,), itemsize, memory, None, [wire] * len(far), window
        )
        self._carries = any(box.size for side in (boxed.sends, boxed.receives) for box in side)
        self.claim: Operation = window.claim

    @property
    def deliver(self) -> Operation:
        """Exchange the boxes. Collective over all that exchange at the same time."""
        if not self._carries:
            return self._window.double_fence
        moved = [self._messages.starting, self._messages.arriving]
        return Program([anywhere(each) for each in (self._window.fence, *moved, self._window.fence)])

    @property
    def release(self) -> Operation:
        """Say that what lies in the window has been read, and has left."""
        left = [self._messages.leaving] if self._carries else []
        return Program([anywhere(each) for each in (*left, self._window.release)])

    def unpacking(self, copies: Sequence[Instruction]) -> list[Instruction]:
        """What delivers, and carries out a copy for each peer's box. Collective as `deliver` is."""
        return [anywhere(self.deliver), *copies]


def _side(messages: Sequence[Message], carriers: Carriers, window: Window, itemsize: int) -> list[Placed]:
    """What this rank carries from or to each rank of all."""
    me, carried = carriers.node.comm.Get_rank(), {}
    for message in messages:
        if message.carrier == me:
            box = Box((0,), (message.nbytes // itemsize,))
            carried[message.partner] = Placed(box, window.addresses[me] + message.at, (itemsize,))
    nothing = Placed(NONE, window.addresses[me], (itemsize,))
    return [carried.get(q, nothing) for q in range(carriers.comm.Get_size())]


class _Apart:
    """A communicator of the same ranks, whose messages meet no others; it is kept with its parent."""

    def __init__(self, parent: MPI.Intracomm) -> None:
        self.comm = parent.Dup()

    def free(self) -> None:
        """Free the communicator, as its parent is."""
        self.comm.Free()


def apart(comm: MPI.Intracomm) -> MPI.Intracomm:
    """A communicator of the same ranks for messages. Collective over `comm` at the first call."""
    cache = cache_of(comm)
    if _Apart not in cache:
        cache[_Apart] = _Apart(comm)
    found: MPI.Intracomm = cache[_Apart].comm
    return found
