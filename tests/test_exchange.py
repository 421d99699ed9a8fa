"""One contract for every method of exchange: what lies in the outboxes comes to lie in the inboxes, byte for byte."""

import errno
import itertools
import mmap
import os
import time
import warnings
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mpi4py import MPI
from oracles import same_bits
from support import RANKS, check, everywhere, expect_everywhere, rng, same_everywhere

from mpi4py_pencil import Pencil, Subcomm
from mpi4py_pencil._kernels import Call, Program
from mpi4py_pencil.exchange import (
    METHODS,
    Memory,
    Turn,
    checked_method,
    chosen_method,
    methods,
    open_exchange,
    segment_bytes,
)
from mpi4py_pencil.exchange import window as window_module
from mpi4py_pencil.exchange.window import Window, on_one_node
from mpi4py_pencil.layout.boxes import boxes
from mpi4py_pencil.sweep.instruction import anywhere

WORLD = MPI.COMM_WORLD
MOVERS = [method for method in METHODS if method != "auto"]


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

    def __init__(self, method, before, after, itemsize, order):
        self.pencils = (before, after)
        self.dtype = np.dtype(f"V{itemsize}")
        moved = boxes(before, after)
        self.comm = moved.comm
        blocks = [local_bytes(pencil, itemsize) for pencil in self.pencils]
        turn = Turn(Memory(max(segment_bytes(moved, itemsize), *blocks)))
        shapes = (before.subshape, after.subshape)
        self.ways = open_exchange(method, moved, shapes, itemsize, order, (turn, turn))

    def check_round(self, way, whole):
        """Send a global array one way and compare what arrives."""
        move = self.ways[way]
        source, target = (whole[pencil.local_slice()] for pencil in (self.pencils[way], self.pencils[1 - way]))
        move.claim()
        for placed in move.outbox:
            view(placed, self.dtype)[...] = source[inside(placed.box)]
        move.deliver()
        received = np.zeros(target.shape, self.dtype)
        for placed in move.inbox:
            received[inside(placed.box)] = view(placed, self.dtype)
        move.release()
        with everywhere(self.comm):
            same_bits(received, np.ascontiguousarray(target))
            np.testing.assert_equal(sum(placed.box.size for placed in move.inbox), target.size)


def local_bytes(pencil, itemsize):
    return int(np.prod(pencil.subshape)) * itemsize


def turns(pencil):
    """Yield pairs of pencils: every alignment with its successor, then all that differ in more than two axes."""
    ndim = len(pencil.shape)
    for axis in reversed(range(ndim)):
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


@pytest.mark.parallel(RANKS)
def test_every_method_moves_every_box():
    for (shape, dims), method in itertools.product(CASES, MOVERS):
        start = Pencil(Subcomm(WORLD, dims), shape, dims.index(1))
        order = tuple(rng(len(shape)).permutation(len(shape)).tolist())
        for itemsize, (before, after) in zip(itertools.cycle(ITEMSIZES), turns(start)):
            opened = Opened(method, before, after, itemsize, order)
            opened.check_round(0, noise(shape, itemsize, 0))
            opened.check_round(1, noise(shape, itemsize, 1))
    check(True, "all ranks got here")


@pytest.mark.parallel(RANKS)
def test_each_peer_s_box_is_unpacked_once_and_is_there():
    """Whoever unpacks boxes as they arrive finds each of them whole; other methods have no order to offer."""
    shape, dims = (7, 5), [0, 1]
    start = Pencil(Subcomm(WORLD, dims), shape, 1)
    whole = noise(shape, 16)
    for method in ("shared", "alltoallv", "pairwise", "hybrid"):
        opened = Opened(method, start, start.pencil(0), 16, (0, 1))
        for way in (0, 1) * 3:
            move = opened.ways[way]
            source, target = (whole[opened.pencils[k].local_slice()] for k in (way, 1 - way))
            move.claim()
            for placed in move.outbox:
                view(placed, opened.dtype)[...] = source[inside(placed.box)]
            named, wrong = [], []
            looks = [Call(partial(look, opened, move, target, peer, named, wrong)) for peer in range(len(move.inbox))]
            Program(move.unpacking([anywhere(each) for each in looks]))()
            move.release()
            missing = [q for q, placed in enumerate(move.inbox) if placed.box.size and named.count(q) != 1]
            check(not wrong and not missing, f"{method}: wrong {wrong}, missing {missing}", opened.comm)


def look(opened, move, target, peer, named, wrong, *_):
    """Note a peer, and whether its box is wrong."""
    placed = move.inbox[peer]
    named.append(peer)
    if not np.array_equal(view(placed, opened.dtype), target[inside(placed.box)]):
        wrong.append(peer)


@pytest.mark.parallel([2, 4])
def test_rounds_without_a_meeting_in_between():
    """Ranks late in turn to write, to read or both: nobody writes what another has not read yet, or reads too early.

    All other communication would bring the ranks in step, so what differs is only counted until the end.
    """
    shape = (36, 33, 28)  # boxes too large to be sent before anybody asks for them
    start = Pencil(Subcomm(WORLD, [1, 0, 1]), shape, 2)
    whole = noise(shape, 16)
    for method in MOVERS:
        opened = Opened(method, start, start.pencil(1), 16, (0, 2, 1))
        wrong = [turn for turn in range(60) if not round_is_right(opened, np.roll(whole, turn), turn)]
        check(not wrong, f"{method}: rounds {wrong} brought other contents")


def round_is_right(opened, whole, turn):
    """Do one round, late by a turn that differs from rank to rank; whether the contents are those of this round."""
    way = (0, 0, 1, 1, 1, 0)[turn % 6]
    late = (turn // 2) % WORLD.size == WORLD.rank
    move = opened.ways[way]
    source, target = (whole[opened.pencils[k].local_slice()] for k in (way, 1 - way))
    move.claim()
    if late and turn % 3 == 0:
        time.sleep(0.004)
    for placed in move.outbox:
        view(placed, opened.dtype)[...] = source[inside(placed.box)]
    move.deliver()
    if late and turn % 3 != 0:
        time.sleep(0.004)
    right = all(np.array_equal(view(p, opened.dtype), target[inside(p.box)]) for p in move.inbox)
    move.release()
    return right


def test_unknown_methods_are_refused():
    for method in ("alltoall", "", None, 3, "Shared"):
        with pytest.raises(ValueError, match=f"method {method!r} does not exist: use one of 'auto', 'shared'"):
            checked_method(method)


# What "auto" chooses


def peers(comm):
    """Return boxes of a few bytes between the ranks of a communicator."""
    start = Pencil(Subcomm(comm, [0, 1]), (4, 4), 1)
    return boxes(start, start.pencil(0))


@pytest.mark.parallel([1, 2, 4])
def test_auto_is_shared_on_one_node():
    check(on_one_node(WORLD), "the ranks of this test are on one node")
    with everywhere():
        np.testing.assert_equal(chosen_method(WORLD, "auto", peers(WORLD), 8), "shared")
    for method in MOVERS:
        with everywhere():
            np.testing.assert_equal(chosen_method(WORLD, method, peers(WORLD), 8), method)


class SomeNodes(MPI.Intracomm):
    """A communicator whose ranks are on nodes of two: the last node of an odd number has one."""

    def Split_type(self, split_type, key=0, info=MPI.INFO_NULL):
        if split_type != MPI.COMM_TYPE_SHARED:
            raise NotImplementedError(split_type)
        return self.Split(self.rank // 2, key)


@pytest.mark.parallel([2, 4])
def test_across_nodes_nothing_is_shared():
    """All ranks see the nodes alike, also the rank that shares its node with nobody and those that share theirs."""
    parent = WORLD.Dup()
    nodes = SomeNodes(parent)
    one = WORLD.size <= 2
    np.testing.assert_equal(same_everywhere(on_one_node(nodes)), one)
    moved = SimpleNamespace(**{**vars(peers(WORLD)), "comm": nodes})
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # several nodes are no reason for a warning
        chosen = same_everywhere(chosen_method(moved.comm, "auto", moved, 8))
        np.testing.assert_equal(chosen, "shared" if one else "alltoallv")
    if not one:
        refused = "'shared' needs all peers on one node"
        expect_everywhere(ValueError, refused, lambda: chosen_method(moved.comm, "shared", moved, 8))
    parent.Free()


@pytest.mark.parallel([2, 3])
def test_a_node_whose_ranks_have_not_the_same_files_shares_nothing(monkeypatch):
    """As in containers on one host, which MPI takes for a node."""
    comm = WORLD.Dup()
    if WORLD.rank == WORLD.size - 1:
        monkeypatch.setattr(window_module, "Path", lambda name: SimpleNamespace(is_file=lambda: False))
    check(not same_everywhere(on_one_node(comm)), "it is found out")
    monkeypatch.undo()
    check(same_everywhere(on_one_node(WORLD)), "here they have")
    comm.Free()


@pytest.mark.parallel([1, 3])
def test_no_room_on_one_rank_is_no_room_for_all(monkeypatch):
    """One warning in all, and none the second time; whoever insists gets an error, everywhere."""
    if WORLD.rank == WORLD.size - 1:
        full = SimpleNamespace(f_bavail=0, f_frsize=4096)
        monkeypatch.setattr(window_module.os, "statvfs", lambda path: full)
    methods._warn_once.cache_clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            np.testing.assert_equal(same_everywhere(chosen_method(WORLD, "auto", peers(WORLD), 8)), "alltoallv")
    messages = [text for texts in WORLD.allgather([str(w.message) for w in caught]) for text in texts]
    check(len(messages) == 1 and "/dev/shm" in messages[0], f"warned {messages}")
    expect_everywhere(MemoryError, "room in /dev/shm", lambda: chosen_method(WORLD, "shared", peers(WORLD), 8))
    monkeypatch.undo()
    np.testing.assert_equal(same_everywhere(chosen_method(WORLD, "auto", peers(WORLD), 8)), "shared")


@pytest.mark.parallel([1, 2])
def test_room_is_wanted_for_the_segments_of_all_ranks(monkeypatch):
    """In whole pages, with that of the counters."""
    small = SimpleNamespace(f_bavail=WORLD.size, f_frsize=mmap.PAGESIZE)
    monkeypatch.setattr(window_module.os, "statvfs", lambda path: small)
    check(window_module.room_for(WORLD, 100), "there is room")
    check(not window_module.room_for(WORLD, mmap.PAGESIZE), "there is no room for all")


# Windows


@pytest.mark.parallel([1, 3])
def test_a_window_is_memory_that_all_ranks_see():
    nbytes = [100 * WORLD.size + 5000 * rank for rank in range(WORLD.size)]
    window = Window(WORLD, nbytes[WORLD.rank])
    segments = [window.segment(q, n) for q, n in enumerate(nbytes)]
    with everywhere():
        np.testing.assert_array_equal(np.array(window.addresses) % 64, 0)
        for segment, address in zip(segments, window.addresses, strict=True):
            np.testing.assert_equal(segment.ctypes.data, address)
            np.testing.assert_array_equal(segment, 0)
    segments[WORLD.rank][...] = WORLD.rank + 1
    window.fence()
    del window
    with everywhere():
        for rank, segment in enumerate(segments):
            np.testing.assert_array_equal(segment, rank + 1)


@pytest.mark.parallel([1, 3])
def test_pages_are_taken_when_a_window_is_made(monkeypatch, tmp_path):
    """Who writes to a page for which there is no room is killed. Nothing is left of what cannot be had."""
    monkeypatch.setattr(window_module, "_SHM", tmp_path)
    Window(WORLD, 10_000)
    check(not list(tmp_path.iterdir()), "a window has no name")
    asked = []
    with monkeypatch.context() as patch:
        patch.setattr(window_module.os, "posix_fallocate", lambda *arguments: asked.append(arguments[1:]))
        Window(WORLD, 10_000)
    starts, sizes = zip(*WORLD.allgather(asked[0]), strict=True)
    np.testing.assert_array_equal(starts, np.cumsum([0, *sizes])[:-1], "each rank takes its own segment")
    check(len(asked) == 1 and min(sizes) > 10_000, "the whole of it")
    for error in (errno.ENOSPC, errno.EACCES):

        def refuse(*arguments, error=error):
            raise OSError(error, os.strerror(error))

        if WORLD.rank == WORLD.size - 1:
            monkeypatch.setattr(window_module.os, "posix_fallocate", refuse)
        expect_everywhere(MemoryError, f"no room in .* {os.strerror(error)}", lambda: Window(WORLD, 10_000))
        check(not list(tmp_path.iterdir()), "what cannot be had has no name")


@pytest.mark.parallel([1, 3])
def test_a_window_whose_file_cannot_be_made(monkeypatch, tmp_path):
    monkeypatch.setattr(window_module, "_SHM", tmp_path / "missing")
    expect_everywhere(MemoryError, "no room in .*missing", lambda: Window(WORLD, 100))


@pytest.mark.parallel([1, 2])
def test_windows_hold_no_descriptors():
    """Of these a process has a thousand, as a rule; and of plans there may be many."""

    def descriptors():
        return len(list(Path("/proc/self/fd").iterdir()))

    before = descriptors()
    held = [Window(WORLD, 100) for _ in range(20)]
    check(descriptors() == before, f"{before} descriptors became {descriptors()} with {len(held)} windows")


@pytest.mark.parallel([2, 3])
def test_shared_memory_that_has_no_room_for_a_file(monkeypatch):
    """On the rank that would make it: then nothing is shared, and no file is left behind."""
    comm = WORLD.Dup()

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "no file more")

    if WORLD.rank == 0:
        monkeypatch.setattr(window_module.tempfile, "mkstemp", full)
    check(not same_everywhere(on_one_node(comm)), "it is found out")
    expect_everywhere(MemoryError, "no file more", lambda: Window(comm, 8))
    monkeypatch.undo()
    before = sorted(Path("/dev/shm").glob("mpi4py_pencil_*")) if WORLD.rank == 0 else []
    monkeypatch.setattr(window_module.os, "truncate", full)
    expect_everywhere(MemoryError, "no file more", lambda: Window(comm, 8))
    after = sorted(Path("/dev/shm").glob("mpi4py_pencil_*")) if WORLD.rank == 0 else []
    check(set(after) <= set(before), f"left behind: {after}")
    comm.Free()
