"""Exchanges: the contract of every method, which method "auto" chooses, and the windows that some of them use."""

import errno
import mmap
import os
import warnings
from pathlib import Path
from types import SimpleNamespace

import contract
import numpy as np
import pytest
from mpi4py import MPI
from support import RANKS, check, everywhere, expect_everywhere, same_everywhere

from mpi4py_pencil import Pencil, Subcomm
from mpi4py_pencil.exchange import checked_method, chosen_method, methods
from mpi4py_pencil.exchange import window as window_module
from mpi4py_pencil.exchange.window import Window, on_one_node
from mpi4py_pencil.layout.boxes import boxes

WORLD = MPI.COMM_WORLD


@pytest.mark.parallel(RANKS)
def test_every_method_moves_every_box():
    contract.every_box_moves()


@pytest.mark.parallel(RANKS)
def test_each_peer_s_box_is_unpacked_once_and_is_there():
    contract.each_box_is_unpacked_once()


@pytest.mark.parallel([2, 4])
def test_rounds_without_a_meeting_in_between():
    contract.rounds_need_no_meeting()


@pytest.mark.parallel(RANKS)
def test_parts_are_there_one_by_one():
    contract.parts_are_there_one_by_one()


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
    for method in contract.MOVERS:
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
        np.testing.assert_equal(chosen, "shared" if one else "joined")
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
def test_shared_memory_that_has_no_room_for_a_file(monkeypatch, tmp_path):
    """On the rank that would make it: then nothing is shared, and no file is left behind."""
    comm = WORLD.Dup()

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "no file more")

    if WORLD.rank == 0:
        monkeypatch.setattr(window_module.tempfile, "mkstemp", full)
    check(not same_everywhere(on_one_node(comm)), "it is found out")
    expect_everywhere(MemoryError, "no file more", lambda: Window(comm, 8))
    monkeypatch.undo()
    monkeypatch.setattr(window_module, "_SHM", tmp_path)  # other programs have windows, too
    monkeypatch.setattr(window_module.os, "truncate", full)
    expect_everywhere(MemoryError, "no file more", lambda: Window(comm, 8))
    check(not list(tmp_path.iterdir()), "nothing is left behind")
    comm.Free()
