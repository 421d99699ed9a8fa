"""Redistribution of an array from one pencil to another ("global transpose"), forward and backward."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from mpi4py import MPI

from ._kernels import ABSOLUTE, SOURCE, TARGET, Call, Operation, Program
from .exchange import Boxed, Memory, Parts, Turn, checked_method, chosen_method, open_boxed, say_no_room, segment_bytes
from .exchange.alltoallw import Typing
from .exchange.lent import Lent
from .exchange.placement import Placed
from .layout.arrays import address, checked_array, keep, natural, offset, overlap, truth
from .layout.boxes import Box, Boxes, boxes, peers
from .layout.pencil import Pencil
from .layout.subcomm import Subcomm
from .layout.way import Way
from .plan.arguments import checked_wire
from .plan.cuts import cuts_between
from .ranks.agreement import agreed, nothing
from .ranks.calls import Calls
from .sweep import cache
from .sweep.copying import copy
from .sweep.instruction import Instruction, anywhere, polled
from .sweep.tiles import Strides

Array = np.ndarray[Any, Any]


class Transfer:
    """The redistribution between two pencils of the same grid.

    To make one is collective over the grid (for pencils over communicators of no grid: over the peers), and everything
    is prepared there; a call allocates nothing. Calls are collective over the peers: the ranks of the sub-communicator
    in which the two pencils differ, or of the whole grid where they differ in more than one.

    Parameters
    ----------
    a, b : Pencil
        The pencils before and after, of the same global shape.
    dtype : dtype-like
        Of the arrays: any with a fixed item size and no references to Python objects.
    method : str, optional
        "shared" (through a shared-memory window, where the peers share a node), "alltoallv" (contiguous boxes),
        "alltoallw" (derived datatypes, nothing packed), "pairwise" (messages between pairs, boxes unpacked as they
        arrive), "hybrid" (a window among the peers on a node, messages beyond), "joined" (few messages from node to
        node, with the boxes of all their ranks), or "auto": shared where it can be had, else joined or alltoallv for
        small boxes, and hybrid or pairwise for others.
    wire : str, optional
        With "float32", messages between nodes are in single precision, half as many bytes: what goes to another node is
        changed by a part in 2**24 at the most. For data in double precision.

    Raises
    ------
    TypeError, ValueError, MemoryError
        On every rank, where the pencils do not belong together, the dtype cannot be sent, the method does not exist or
        cannot be had, or the ranks disagree on any of these.

    Examples
    --------
    >>> from mpi4py import MPI
    >>> import numpy as np
    >>> before = Pencil(Subcomm(MPI.COMM_SELF, [0, 1]), (4, 4), axis=1)
    >>> after = before.pencil(0)
    >>> a, b = np.ones(before.subshape), np.zeros(after.subshape)
    >>> before.transfer(after, float).forward(a, b)
    >>> bool(np.all(b == 1))
    True
    """

    def __init__(self, a: Pencil, b: Pencil, dtype: Any, method: str = "auto", wire: str | None = None) -> None:
        comm = _grid_of(a, b)
        self.dtype, asked, self.wire, moved = agreed(
            comm,
            lambda: _asked(a, b, dtype, method, wire),
            # the boxes are each rank's own
            lambda found: {"a": a.whole, "b": b.whole, "dtype": found[0], "method": found[1], "wire": found[2]},
        )
        self.pencils = (a, b)
        self._calls = Calls(moved.comm, "transfer", comm)
        self._moved = (moved, moved.reversed())
        self.method = chosen_method(comm, asked, moved, self.dtype.itemsize, self.wire is not None)
        self._ways = agreed(comm, self._opened, nothing)

    def _opened(self) -> tuple[_Typed, _Typed] | tuple[_Boxed, _Boxed]:
        """Both ways, opened. Collective over the peers."""
        (a, b), (moved, back), itemsize = self.pencils, self._moved, self.dtype.itemsize
        if self.method == "alltoallw":
            shapes = (a.subshape, b.subshape)
            return _Typed(moved, itemsize, shapes), _Typed(back, itemsize, shapes[::-1])
        turn = Turn(Memory(segment_bytes(moved, itemsize)))
        order, cuts = tuple(range(len(a.shape))), cuts_between(a, b, itemsize)
        narrow = self.wire is not None
        there, home = open_boxed(moved.comm, self.method, moved, itemsize, order, (turn, turn), cuts, narrow)
        return _Boxed(there, moved, itemsize), _Boxed(home, back, itemsize)

    def forward(self, a: Array, b: Array) -> None:
        """Redistribute `a`, aligned as the first pencil, into `b`, aligned as the second. Collective over the peers.

        Parameters
        ----------
        a, b : ndarray
            This rank's blocks, of any strides. `a` is not changed.

        Raises
        ------
        TypeError, ValueError
            Before a message is sent, where an array has the wrong shape or dtype, `b` is read-only, the two overlap, or
            the communicator has been freed.
        """
        self._move(Way.FORWARD, a, b)

    def backward(self, b: Array, a: Array) -> None:
        """Redistribute `b`, aligned as the second pencil, into `a`, aligned as the first. As `forward`."""
        self._move(Way.BACKWARD, b, a)

    def empty(self, forward_output: bool = False) -> Array:
        """An uninitialised array for `a`, or for `b`, in shared memory if the method is "shared".

        Where a transfer starts from such an array, its peers read there, and nothing is copied twice; it returns when
        they have read. From any other array, and with the other methods, all works as ever.

        Collective over the peers. Where /dev/shm has no room for it, it is an ordinary array too, and a warning says so
        once. It is the caller's for as long as it is kept, whatever becomes of the transfer, its communicator and MPI.
        Its memory is given back when every rank has dropped its array and `empty` is called again or the transfer goes.

        Raises
        ------
        ValueError
            Where the communicator has been freed.
        """
        way = Way(truth("forward_output", forward_output))
        pencil, boxed = self.pencils[way], self._ways[way]
        with self._calls:
            if self.method != "shared" or not isinstance(boxed, _Boxed):
                return np.empty(pencil.subshape, self.dtype)
            agreed(self._moved[way].comm, lambda: way, lambda found: {"forward_output": bool(found)})
            try:
                lent = boxed.lent or boxed.lend(Lent(self._moved[way], pencil.subshape, self.dtype))
                return lent.array()
            except MemoryError:  # on every rank
                say_no_room(self._moved[way].comm, "Transfer.empty makes ordinary arrays")
                return np.empty(pencil.subshape, self.dtype)

    def __repr__(self) -> str:
        """From which pencil to which, of what and how. Local."""
        a, b = self.pencils
        return f"Transfer({a}, {b}, dtype={str(self.dtype)!r}, method={self.method!r})"

    def _move(self, way: Way, source: Array, target: Array) -> None:
        """Redistribute in one direction."""
        with self._calls:
            self._calls.checked(lambda: self._check(way, source, target), lambda _: {"the call": str(way)})
            self._ways[way].move(source, target)

    def _check(self, way: Way, source: Array, target: Array) -> None:
        """Refuse arrays that do not fit."""
        before, after = way.order("ab")
        checked_array(before, source, self.pencils[way].subshape, self.dtype)
        checked_array(after, target, self.pencils[way.back].subshape, self.dtype, written=True)
        if overlap(source, target):
            raise ValueError(f"{before} and {after} overlap in memory: redistribute into another array")


def _grid_of(a: Any, b: Any) -> MPI.Intracomm:
    """The ranks over which a transfer between two pencils is made, as far as one of them tells."""
    for pencil in (a, b):
        if isinstance(pencil, Pencil) and isinstance(pencil.subcomm, Subcomm):
            return pencil.subcomm.grid.cart
    return peers(*_pencils(a, b))


def _asked(a: Any, b: Any, dtype: Any, method: str, wire: Any) -> tuple[np.dtype[Any], str, str | None, Boxes]:
    """The arguments of a transfer, checked: dtype, method, wire, and what goes where."""
    kind = _sendable(dtype)
    return kind, checked_method(method), checked_wire(wire, kind, method), _boxes(a, b)


def _boxes(a: Any, b: Any) -> Boxes:
    """What goes where between two pencils."""
    return boxes(*_pencils(a, b))


def _pencils(a: Any, b: Any) -> tuple[Pencil, Pencil]:
    """Two pencils; anything else is refused."""
    for name, pencil in (("a", a), ("b", b)):
        if not isinstance(pencil, Pencil):
            raise TypeError(f"{name} must be a Pencil, not {pencil!r}")
    return a, b


def _sendable(dtype: Any) -> np.dtype[Any]:
    """`dtype` as a numpy dtype whose items are bytes of a fixed number."""
    kind = np.dtype(dtype)
    if kind.hasobject:
        raise TypeError(f"dtype {kind} holds references to Python objects, which cannot be sent as bytes")
    if kind.itemsize == 0:
        raise TypeError(f"dtype {kind!r} has no fixed item size")
    return kind


class _Typed:
    """One way of a transfer by derived datatypes, straight from one array to the other."""

    def __init__(self, moved: Boxes, itemsize: int, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
        self._typing = Typing(moved, itemsize)
        for side, shape in enumerate(shapes):
            self._typing.prepare(side, natural(shape, itemsize))

    def move(self, source: Array, target: Array) -> None:
        """Redistribute between two arrays. Collective over the peers."""
        self._typing.move(address(source), source.strides, address(target), target.strides)


class _Boxed:
    """One way of a transfer through boxes: copy into the outbox, exchange, copy out of the inbox as it fills."""

    def __init__(self, exchange: Boxed, boxes: Boxes, itemsize: int) -> None:
        self._exchange = exchange
        self._me = boxes.comm.Get_rank()
        self._own = boxes.sends[self._me], boxes.receives[self._me]
        self._itemsize = itemsize
        self.lent: Lent | None = None
        self._programs: dict[tuple[Strides, Strides, bool], Program] = {}

    def lend(self, lent: Lent) -> Lent:
        """Move arrays in these windows too from here on."""
        self.lent = lent
        self._programs.clear()
        return lent

    def move(self, source: Array, target: Array) -> None:
        """Redistribute between two arrays. Collective over the peers."""
        offered = self.lent is not None and self.lent.offers(source)
        key = source.strides, target.strides, offered
        program = self._programs.get(key) or keep(self._programs, key, self._compiled(*key), 8)
        program.execute(address(source), address(target), False)

    def _compiled(self, source: Strides, target: Strides, offered: bool) -> Program:
        """What moves arrays with these strides; one that is offered to the peers is not copied to the outbox."""
        exchange, size = self._exchange, self._itemsize
        stream = sum(p.box.size for p in exchange.outbox) * size > cache.CACHED_BYTES
        outward = [
            (copy(p.box.shape, _inside(p.box, source), (p.address, p.strides), size, stream), SOURCE, ABSOLUTE)
            for p in exchange.outbox
        ]
        inward = [
            (copy(p.box.shape, (p.address, p.strides), _inside(p.box, target), size, stream), ABSOLUTE, TARGET)
            for p in exchange.inbox
        ]
        # what stays on this rank goes straight from one array to the other
        own = self._own
        straight = copy(own[0].shape, _inside(own[0], source), _inside(own[1], target), size, stream)
        if exchange.outward is not None and exchange.inward is not None:
            return self._in_parts(outward, (straight, SOURCE, TARGET), inward, exchange.outward, exchange.inward)
        del outward[self._me]
        claim, release = anywhere(exchange.claim), anywhere(exchange.release)
        said: list[Instruction] = []
        if self.lent is not None:
            said = [anywhere(Call(self.lent.say, True))]
            inward = self._or_lent(self.lent, inward, target, stream)
        inward[self._me] = (straight, SOURCE, TARGET)
        # the caller may write to an array that was offered as soon as this returns
        end = [release, claim] if offered else [release]
        return Program([claim, *said, *([] if offered else outward), *exchange.unpacking(inward), *end])

    def _in_parts(
        self,
        outward: Sequence[Instruction],
        straight: Instruction,
        inward: Sequence[Instruction],
        given: Parts,
        taken: Parts,
    ) -> Program:
        """What moves arrays part by part: one is copied while another travels."""
        exchange = self._exchange
        going, coming = (
            _by_part(copies, side, own, parts)
            for copies, side, own, parts in (
                (outward, exchange.outbox, self._own[0], given),
                (inward, exchange.inbox, self._own[1], taken),
            )
        )
        listed = [anywhere(exchange.claim)]
        for copies, start in zip(going, given.operations, strict=True):
            listed += [polled(copies, given.poll), anywhere(start)]
        listed.append(polled([straight], given.poll))
        for copies, wait in zip(coming, taken.operations, strict=True):
            listed += [anywhere(wait), polled(copies, taken.poll)]
        return Program([*listed, anywhere(exchange.release)])

    def _or_lent(self, lent: Lent, inward: list[Instruction], target: Strides, stream: bool) -> list[Instruction]:
        """The copies of each peer's box, or from that peer's array where it has offered one."""
        found: list[Instruction] = []
        for peer, ((boxed, *_), p, place) in enumerate(zip(inward, self._exchange.inbox, lent.places, strict=True)):
            direct = copy(p.box.shape, place, _inside(p.box, target), self._itemsize, stream)
            found.append((Call(partial(_take, lent, peer, boxed, direct), True), ABSOLUTE, TARGET))
        return found


def _take(lent: Lent, peer: int, boxed: Operation, direct: Operation, _: int, target: int) -> None:
    """Copy what a peer gives from its box, or from its array where it has offered one."""
    there = lent.address(peer)
    if there is None:
        boxed(0, target)
    else:
        direct(there, target)


def _by_part(copies: Sequence[Instruction], side: Sequence[Placed], own: Box, parts: Parts) -> list[list[Instruction]]:
    """The copies of each part, without that of the rank's own box: one begins in the part in which its box does."""
    found: list[list[Instruction]] = [[] for _ in parts.ends]
    for copy_, placed in zip(copies, side, strict=True):
        if placed.box.size and placed.box is not own:
            found[bisect.bisect_right(parts.ends, placed.box.start[parts.axis])].append(copy_)
    return found


def _inside(box: Box, array: Strides) -> tuple[int, Strides]:
    """Where a box begins in an array with these strides, and how it goes on."""
    return offset(box.start, array), array
