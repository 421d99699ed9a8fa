"""The contract of exchanges: by every method in METHODS that is for the peers, outboxes become inboxes byte for byte.

All functions are collective over COMM_WORLD, whose ranks may be on one node or on several.
"""

import itertools
import os
import time
from functools import partial

import numpy as np
from mpi4py import MPI
from oracles import same_bits
from support import check, everywhere, expect_everywhere, rng

from mpi4py_pencil import Pencil, Subcomm
from mpi4py_pencil._kernels import Call, Program
from mpi4py_pencil.exchange import METHODS, Cut, Memory, Turn, chosen_method, open_exchange, segment_bytes
from mpi4py_pencil.layout.boxes import boxes
from mpi4py_pencil.sweep.instruction import anywhere

WORLD = MPI.COMM_WORLD
MOVERS = [method for method in METHODS if method != "auto"]
ON_ONE_NODE = ["shared"]
"""The methods that are for peers on one node; the others are for all."""
EVERYWHERE = [method for method in MOVERS if method not in ON_ONE_NODE]


def on_nodes(comm):
    """Return the name of each rank's node."""
    return comm.allgather(os.uname().nodename)


def are_for(before, after):
    """Return the methods that are for the peers of an exchange; those that are not say so on every rank."""
    moved = boxes(before, after)
    if not WORLD.allreduce(len(set(on_nodes(moved.comm))) > 1, MPI.LOR):
        return MOVERS
    for method in ON_ONE_NODE:
        expect_everywhere(
            ValueError,
            f"'{method}' needs all peers on one node",
            lambda: chosen_method(WORLD, method, moved, 8),  # noqa: B023
        )
    return EVERYWHERE


def view(placed, dtype):
    """Return the memory of a placed box as an array of `dtype`, which is raw bytes: all of them are to travel."""
    ends = [(n - 1) * step for n, step in zip(placed.box.shape, placed.strides, strict=True)]
    if not placed.box.size:
        return np.empty(placed.box.shape, dtype)
    memory = MPI.memory.fromaddress(placed.address, sum(ends) + dtype.itemsize)
    return np.ndarray(placed.box.shape, dtype, memory, strides=placed.strides)


def noise(shape, itemsize, *key):
    """Return a global array of random bytes."""
    count = int(np.prod(shape)) * itemsize
    return rng(*key).integers(0, 256, count, np.uint8).view(f"V{itemsize}").reshape(shape)


def inside(box):
    """Return where a box lies in the local array."""
    return tuple(slice(start, start + n) for start, n in zip(box.start, box.shape, strict=True))


class Opened:
    """Both directions of an exchange between two pencils."""

    def __init__(self, method, before, after, itemsize, order, cuts=(None, None), together=WORLD):
        self.pencils = (before, after)
        self.dtype = np.dtype(f"V{itemsize}")
        moved = boxes(before, after)
        self.comm = moved.comm
        shapes = (before.subshape, after.subshape)
        turn = Turn(Memory(max(segment_bytes(moved, itemsize), *(int(np.prod(n)) * itemsize for n in shapes))))
        chosen = chosen_method(WORLD, method, moved, itemsize, together=together)
        self.ways = open_exchange(together, chosen, moved, shapes, itemsize, order, (turn, turn), cuts)

    def sent(self, way, whole):
        """Return one way of the exchange, after a global array has been sent by it, and what is to arrive."""
        move = self.ways[way]
        source, target = (whole[pencil.local_slice()] for pencil in (self.pencils[way], self.pencils[1 - way]))
        move.claim()
        for placed in move.outbox:
            view(placed, self.dtype)[...] = source[inside(placed.box)]
        return move, target

    def check_round(self, way, whole):
        """Send a global array one way and compare what arrives."""
        move, target = self.sent(way, whole)
        move.deliver()
        received = np.zeros(target.shape, self.dtype)
        for placed in move.inbox:
            received[inside(placed.box)] = view(placed, self.dtype)
        move.release()
        with everywhere(self.comm):
            same_bits(received, np.ascontiguousarray(target))
            np.testing.assert_equal(sum(placed.box.size for placed in move.inbox), target.size)


def turns(pencil):
    """Yield pairs of pencils: every alignment with its successor, then all that differ in more than two axes."""
    for axis in reversed(range(len(pencil.shape))):
        turned = pencil.pencil(axis)
        yield pencil, turned
        pencil = turned


CASES = [
    ((8, 8), [0, 1]),
    ((5, 3), [0, 1]),
    ((2, 9), [1, 0]),
    ((5, 7, 3), [0, 0, 1]),
    ((3, 1, 4), [0, 1, 0]),
    ((3, 4, 2, 5), [0, 0, 0, 1]),
    ((2, 3, 1, 2, 4), [0, 1, 0, 1, 0]),
]
ITEMSIZES = [1, 4, 16, 5, 32, 10, 8]


def every_box_moves():
    """Raise AssertionError on every rank unless every box comes to its place, both ways, by every method."""
    moved = set()
    for shape, dims in CASES:
        start = Pencil(Subcomm(WORLD, dims), shape, dims.index(1))
        order = tuple(rng(len(shape)).permutation(len(shape)).tolist())
        for itemsize, (before, after) in zip(itertools.cycle(ITEMSIZES), turns(start)):
            for method in are_for(before, after):
                opened = Opened(method, before, after, itemsize, order)
                opened.check_round(0, noise(shape, itemsize, 0))
                opened.check_round(1, noise(shape, itemsize, 1))
                moved.add(method)
    check(moved >= set(EVERYWHERE), f"moved by {sorted(moved)} alone")


def each_box_is_unpacked_once():
    """Raise unless whoever unpacks boxes as they arrive finds each of them whole, once.

    By alltoallw, boxes have no order: it moves them into the arrays of the caller.
    """
    shape, dims = (7, 5), [0, 1]
    start = Pencil(Subcomm(WORLD, dims), shape, 1)
    whole = noise(shape, 16)
    for method in are_for(start, start.pencil(0)):
        if method == "alltoallw":
            continue
        opened = Opened(method, start, start.pencil(0), 16, (0, 1))
        for way in (0, 1) * 3:
            move, target = opened.sent(way, whole)
            named, wrong = [], []
            looks = [Call(partial(look, opened, move, target, peer, named, wrong)) for peer in range(len(move.inbox))]
            Program(move.unpacking([anywhere(each) for each in looks]))()
            move.release()
            missing = [q for q, placed in enumerate(move.inbox) if placed.box.size and named.count(q) != 1]
            check(not wrong and not missing, f"{method}: wrong {wrong}, missing {missing}", opened.comm)


def parts_are_there_one_by_one():
    """Raise unless a part of a cut exchange is there once it has been waited for, whatever axes it is cut along.

    A part is written when those before it are on their way.
    """
    for shape, dims in CASES:
        start = Pencil(Subcomm(WORLD, dims), shape, dims.index(1))
        order = tuple(rng(len(shape)).permutation(len(shape)).tolist())
        for before, after in turns(start):
            changed = [k for k, (m, n) in enumerate(zip(before.sizes, after.sizes, strict=True)) if m != n]
            if not changed:
                continue
            whole = noise(shape, 16)
            gathered, divided = after.axis, next(k for k in changed if k != after.axis)
            axes = range(len(shape))
            pairs = [(a, b) for a in axes for b in axes if a != divided and b != gathered]
            pairs = [pairs[k] for k in rng(len(pairs)).permutation(len(pairs))[:2]]
            cuts = [(cut(before, after, a, b, 3), cut(after, before, b, a, 2)) for a, b in pairs]
            for method, both in itertools.product(("pairwise", "hybrid"), cuts):
                opened = Opened(method, before, after, 16, order, both)
                for way in (0, 1, 0):
                    wrong = wrong_parts(opened, way, whole)
                    check(not wrong, f"{method}, cut as {both[way]}: wrong {wrong}", opened.comm)


def cut(before, after, outward, inward, count):
    """Return a cut along these axes, of the blocks of this rank."""
    return Cut(outward, inward, count, (before.subshape[outward], after.subshape[inward]))


def wrong_parts(opened, way, whole):
    """Send a global array one way part by part; return the boxes that were wrong when they should have been there."""
    move = opened.ways[way]
    source, target = (whole[opened.pencils[k].local_slice()] for k in (way, 1 - way))
    move.claim()
    given, taken, start, wrong = move.outward, move.inward, 0, []
    for part, (end, go) in enumerate(zip(given.ends, given.operations, strict=True)):
        for placed in move.outbox:
            if start <= placed.box.start[given.axis] < end or part == 0:
                view(placed, opened.dtype)[...] = source[inside(placed.box)]
        go()
        start = end
    start = 0
    for end, wait in zip(taken.ends, taken.operations, strict=True):
        wait()
        for placed in move.inbox:
            at, size = placed.box.start[taken.axis], placed.box.shape[taken.axis]
            if start < at + size <= end and not np.array_equal(view(placed, opened.dtype), target[inside(placed.box)]):
                wrong.append(placed.box)
        start = end
    move.release()
    return wrong


def look(opened, move, target, peer, named, wrong, *_):
    """Note a peer, and whether its box is wrong."""
    placed = move.inbox[peer]
    named.append(peer)
    if not np.array_equal(view(placed, opened.dtype), target[inside(placed.box)]):
        wrong.append(peer)


def rounds_need_no_meeting():
    """Raise unless ranks may be late in turn to write, to read or both.

    Nobody writes what another has not read yet, or reads too early. All other communication would bring the ranks in
    step, so what differs is only counted until the end.
    """
    shape = (36, 33, 28)  # boxes too large to be sent before anybody asks for them
    start = Pencil(Subcomm(WORLD, [1, 0, 1]), shape, 2)
    whole = noise(shape, 16)
    for method in are_for(start, start.pencil(1)):
        opened = Opened(method, start, start.pencil(1), 16, (0, 2, 1))
        wrong = [turn for turn in range(60) if not round_is_right(opened, np.roll(whole, turn), turn)]
        check(not wrong, f"{method}: rounds {wrong} brought other contents")


def round_is_right(opened, whole, turn):
    """Do one round, late by a turn that differs from rank to rank; whether the contents are those of this round."""
    way = (0, 0, 1, 1, 1, 0)[turn % 6]
    late = (turn // 2) % WORLD.size == WORLD.rank
    move = opened.ways[way]
    move.claim()
    if late and turn % 3 == 0:
        time.sleep(0.004)
    source, target = (whole[opened.pencils[k].local_slice()] for k in (way, 1 - way))
    for placed in move.outbox:
        view(placed, opened.dtype)[...] = source[inside(placed.box)]
    move.deliver()
    if late and turn % 3 != 0:
        time.sleep(0.004)
    right = all(np.array_equal(view(p, opened.dtype), target[inside(p.box)]) for p in move.inbox)
    move.release()
    return right
