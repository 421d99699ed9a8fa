"""Boxes joined from node to node: on nodes that hold any ranks, and in few messages."""

import itertools

import contract
import numpy as np
import pytest
from fakes import set_apart
from mpi4py import MPI
from support import check, everywhere, expect_everywhere, rng

from mpi4py_pencil import PFFT, Pencil, Subcomm
from mpi4py_pencil.exchange import joined, window

WORLD = MPI.COMM_WORLD
NODES = {
    2: [(0, 1), (0, 0)],
    3: [(0, 1, 0), (0, 0, 1), (0, 1, 2)],
    4: [(0, 0, 1, 1), (0, 1, 0, 1), (0, 1, 1, 1), (0, 1, 1, 2)],
    6: [(0, 0, 0, 1, 1, 2), (0, 1, 2, 0, 1, 2)],
}


class SomeNodes(MPI.Intracomm):
    """A communicator whose ranks are on the nodes that are named."""

    named: tuple[int, ...]

    def Split_type(self, split_type, key=0, info=MPI.INFO_NULL):
        return self.Split(self.named[self.rank], key)


@pytest.mark.parallel([2, 3, 4, 6])
def test_boxes_come_to_their_places_on_any_nodes(monkeypatch):
    """Slabs and pencils, both ways, again and again; carried by one rank of a node, or by all of them."""
    for nodes, share in itertools.product(NODES[WORLD.size], (2**16, 200)):
        monkeypatch.setattr(joined, "_SHARE", share)
        parent = WORLD.Dup()
        comm = SomeNodes(parent)
        comm.named = nodes
        for shape, dims, axis in [((7, 9, 4), [0, 1, 1], 0), ((6, 5, 8), [0, 0, 1], 1), ((6, 5, 8), [0, 0, 1], 0)]:
            start = Pencil(Subcomm(parent, dims), shape, dims.index(1))
            opened = contract.Opened("joined", start, start.pencil(axis), 16, (2, 0, 1), together=comm)
            for turn, way in enumerate((0, 1, 0, 0, 1, 1)):
                opened.check_round(way, contract.noise(shape, 16, turn))
        parent.Free()


@pytest.mark.parallel([3, 4])
@pytest.mark.parametrize("method", ["joined", "hybrid"])
def test_a_node_without_a_window(monkeypatch, method):
    """Its error is that of other nodes too, and what is made afterwards works: messages have the same tags."""

    def failing(*_):
        raise OSError(24, "too many open files")

    set_apart(monkeypatch)
    for _ in range(2):  # at the first of a communicator, and later
        with monkeypatch.context() as patched:
            if WORLD.rank == WORLD.size - 1:
                patched.setattr(window, "_map", failing)
            expect_everywhere(MemoryError, "", lambda: PFFT(WORLD, (6, 8), method=method))
        fft = PFFT(WORLD, (6, 8), method=method)
        whole = rng(1).random((6, 8))
        found = fft.forward(whole[fft.local_slice(False)].copy())
        with everywhere():
            np.testing.assert_allclose(
                found, np.fft.rfft2(whole, norm="forward")[fft.local_slice(True)], rtol=0, atol=1e-15
            )


@pytest.mark.parallel([4, 6])
def test_a_message_goes_from_node_to_node(monkeypatch):
    """One for two nodes, whatever ranks they hold, also where all peers are on other nodes; more where there is much.

    The ranks of a node share them out.
    """
    begun = []
    monkeypatch.setattr(joined, "Messages", counting(begun))
    for nodes in NODES[WORLD.size]:
        parent = WORLD.Dup()
        comm = SomeNodes(parent)
        comm.named = nodes
        start = Pencil(Subcomm(parent, [0, 1]), (24, 24), 1)
        pairs = len(set(nodes)) * (len(set(nodes)) - 1)
        for share, expected in ((2**16, pairs), (1, None)):
            monkeypatch.setattr(joined, "_SHARE", share)
            begun.clear()
            contract.Opened("joined", start, start.pencil(0), 8, (0, 1), together=comm)
            sent = WORLD.allgather(begun[0])
            most = [max(nodes.count(one), nodes.count(other)) for one, other in itertools.permutations(set(nodes), 2)]
            # of one node to another no more than there are boxes
            boxes = [nodes.count(one) * nodes.count(other) for one, other in itertools.permutations(set(nodes), 2)]
            wanted = sum(map(min, most, boxes)) if expected is None else expected
            check(sum(sent) == wanted, f"nodes {nodes}: {sent} messages, expected {wanted}")
            for node in set(nodes):
                carried = [n for n, of in zip(sent, nodes, strict=True) if of == node]
                check(max(carried) - min(carried) <= 1, f"nodes {nodes}: {sent} messages of the ranks")
        parent.Free()


def counting(begun):
    """Return the class of messages, which notes how many a rank sends."""

    class Counted(joined.Messages):
        def __init__(self, boxes, sides, *others):
            super().__init__(boxes, sides, *others)
            begun.append(sum(placed.box.size > 0 for placed in sides[0]))

    return Counted


@pytest.mark.parametrize("seed", range(5))
def test_shares_are_all_there_is_in_its_order(seed):
    sizes = rng(seed).integers(0, 50, 40).tolist()
    parcels = [(0, k, size) for k, size in enumerate(sizes)]
    for most, share in itertools.product((1, 3, 8), (1, 100, 10**6)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(joined, "_SHARE", share)
            shares = joined._shares(parcels, 8, most)
        np.testing.assert_equal([one for each in shares for one in each], parcels)
        np.testing.assert_equal(len(shares), max(1, min(most, 8 * sum(sizes) // share)))
        largest = max(sum(size for *_, size in each) for each in shares)
        check(largest <= sum(sizes) / len(shares) + max(sizes), f"{largest} of {sum(sizes)} in {len(shares)}")
