"""Directories that all ranks of a test share, and what lies in them."""

import os
import resource
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from mpi4py import MPI


@contextmanager
def shared_directory(comm=MPI.COMM_WORLD):
    """The same new directory on every rank, removed at the end by rank 0."""
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # nothing waits for a disk there
    path = Path(comm.bcast(tempfile.mkdtemp(prefix="pencil-", dir=memory) if comm.rank == 0 else None))
    try:
        yield path
    finally:
        comm.barrier()
        if comm.rank == 0:
            shutil.rmtree(path)


def names(directory, comm=MPI.COMM_WORLD):
    """The names in a directory, as rank 0 sees them when all ranks have come here."""
    return comm.bcast(sorted(path.name for path in directory.iterdir()) if comm.rank == 0 else None)


@contextmanager
def files_no_longer_than(nbytes, rank):
    """Let the system refuse one rank what it would write beyond so many bytes of a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    if MPI.COMM_WORLD.rank == rank:
        resource.setrlimit(resource.RLIMIT_FSIZE, (nbytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def as_nobody(*ranks):
    """Take the rights of root from some ranks, all by default, where the tests run with them."""
    root = os.geteuid() == 0 and MPI.COMM_WORLD.rank in (ranks or range(MPI.COMM_WORLD.size))
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
