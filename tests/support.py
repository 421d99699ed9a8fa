"""What the tests share: rank counts, random numbers, and checks that all ranks pass or fail together.

The functions that take a communicator are collective over it.
"""

import re
import traceback
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI

RANKS = [1, 2, 4, 6]
"""Rank counts of a thorough test: one, a prime, a square, and two primes' product, more than most axes have points."""

SEED = 20250101


def rng(*key):
    """Return a random generator that depends on the integers of `key` alone, so is the same on every rank."""
    return np.random.default_rng([SEED, *key])


@contextmanager
def everywhere(comm=MPI.COMM_WORLD):
    """Raise AssertionError on every rank if the block raised on any.

    A block without communication cannot leave a rank behind.
    """
    __tracebackhide__ = True
    error = None
    try:
        yield
    except (Exception, pytest.fail.Exception) as caught:
        error = caught
    _fail_together(error and _describe(error), comm)


def check(condition, message, comm=MPI.COMM_WORLD):
    """Raise AssertionError on every rank unless `condition` holds on every rank."""
    __tracebackhide__ = True
    _fail_together(None if condition else message, comm)


def _describe(error):
    """Return the error and the calls that led to it, in a line."""
    frames = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    calls = " > ".join(f"{path.name}:{line}" for path, line in frames if path != Path(__file__))
    return f"{type(error).__name__}: {error} ({calls})"


def _fail_together(text, comm):
    """Raise AssertionError with what each rank says, if any rank says something."""
    __tracebackhide__ = True
    texts = comm.allgather(text)
    lines = [f"rank {rank}: {text}" for rank, text in enumerate(texts) if text is not None]
    if lines:
        raise AssertionError("\n".join(lines))


def same_everywhere(value, comm=MPI.COMM_WORLD):
    """Raise AssertionError on every rank unless all ranks have passed an equal value; return it."""
    __tracebackhide__ = True
    values = comm.allgather(value)
    check(all(np.array_equal(other, values[0]) for other in values), f"the ranks differ: {values}", comm)
    return value


def expect_everywhere(exception, match, call, comm=MPI.COMM_WORLD):
    """Raise AssertionError on every rank unless `call` raises `exception`, matching `match`, on all ranks."""
    __tracebackhide__ = True
    with everywhere(comm):
        try:
            returned = call()
        except exception as error:
            if not re.search(match, str(error)):
                raise
        else:
            raise AssertionError(f"returned {returned!r} instead of raising {exception.__name__}")


def windows():
    """Return how many shared windows this process has mapped; their names begin like this."""
    return Path("/proc/self/maps").read_text().count("/mpi4py_pencil_")


def gather_global(local, local_slice, global_shape, comm=MPI.COMM_WORLD):
    """Return the global array on every rank, put together by plain slicing from each rank's block of it.

    Leading component axes are in `global_shape` but need not be in `local_slice`. The blocks, some of them
    empty, must cover each point once.
    """
    blocks = comm.allgather((local_slice, np.array(local)))
    whole = np.empty(global_shape, blocks[0][1].dtype)
    owners = np.zeros(global_shape, int)
    for rank, (where, block) in enumerate(blocks):
        place = (..., *where)
        if whole[place].shape != block.shape:
            raise AssertionError(f"rank {rank}: a block of shape {block.shape} at {where}, {whole[place].shape} wanted")
        whole[place] = block
        owners[place] += 1
    np.testing.assert_equal(owners, 1, "how many ranks own each point")
    return whole
