"""Communicators that know their size and rank and nothing else: descriptions need no more, for any number of ranks.

And nodes of one rank each.
"""

import itertools
from types import SimpleNamespace

from mpi4py import MPI

from mpi4py_pencil.exchange import joined, methods


class Line:
    """One rank's communicator along one axis of a grid; equal where it holds the same ranks."""

    def __init__(self, axis, coords, dims):
        self.axis, self.coords, self.dims = axis, tuple(coords), dims

    def Get_size(self):
        return self.dims[self.axis]

    def Get_rank(self):
        return self.coords[self.axis]

    def peer(self, rank):
        """Return the coordinates of a rank of this line."""
        return (*self.coords[: self.axis], rank, *self.coords[self.axis + 1 :])


def grid(dims):
    """Yield the coordinates of each rank of a grid, and its lines."""
    for coords in itertools.product(*map(range, dims)):
        yield coords, lines(coords, dims)


def lines(coords, dims):
    """Return the lines of one rank."""
    return [Line(axis, coords, tuple(dims)) for axis in range(len(dims))]


def set_apart(monkeypatch):
    """Have every rank on a node of its own, for exchanges that tell nodes apart."""

    def near(comm):
        return SimpleNamespace(comm=MPI.COMM_SELF, ranks=[comm.Get_rank()], nodes=list(range(comm.Get_size())))

    for module in (methods, joined):
        monkeypatch.setattr(module, "near", near)
