"""Whether all ranks of a communicator say the same: the checks that keep a collective call collective."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import numpy as np
from mpi4py import MPI

T = TypeVar("T")


def agreed(comm: MPI.Intracomm, call: Callable[[], T], said: Callable[[T], str] = repr) -> T:
    """What `call()` returns, after all ranks found that theirs returned the same.

    Collective over `comm`: one small reduction where all is well. The values are compared by what `said` makes of them.

    Raises
    ------
    Exception
        On every rank: where `call` raised on some ranks, each of them raises its own error and the others one of the
        same type that names the rank; where the values differ, ValueError.
    """
    value: Any = None
    error: Exception | None = None
    try:
        value = call()
    except Exception as caught:  # whatever it is, it is raised again below, on every rank
        error = caught
    text = "" if error else said(value)
    digest = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big")
    mine = np.array([digest, -digest, error is not None], dtype=np.int64)
    most = np.empty_like(mine)
    comm.Allreduce(mine, most, MPI.MAX)
    if most[0] != -most[1] or most[2]:
        _raise_together(comm, text, error)
    return value


def checked(comm: MPI.Intracomm, call: Callable[[], T]) -> T:
    """What `call()` returns, agreed on where MPI4PY_PENCIL_CHECK is set: then one rank's error is everyone's.

    Collective over `comm` then, and local otherwise.
    """
    return call() if os.environ.get("MPI4PY_PENCIL_CHECK", "0") in ("", "0") else agreed(comm, call)


def _raise_together(comm: MPI.Intracomm, said: str, error: Exception | None) -> NoReturn:
    """Raise on this rank what explains the disagreement. Collective over `comm`."""
    everyone = comm.allgather((said, error and (_builtin(error), str(error))))
    if error is not None:
        raise error
    for rank, (_, refused) in enumerate(everyone):
        if refused:
            raise refused[0](f"on rank {rank}: {refused[1]}")
    other = next(rank for rank, (theirs, _) in enumerate(everyone) if theirs != everyone[0][0])
    raise ValueError(
        f"the ranks disagree: rank 0 has {everyone[0][0]}, rank {other} has {everyone[other][0]}; "
        "all ranks must pass the same"
    )


def _builtin(error: Exception) -> type[Exception]:
    """The type under which other ranks raise `error`: its own where that can be made from a message alone."""
    for kind in (ImportError, TypeError, ValueError, MemoryError, NotImplementedError):
        if isinstance(error, kind):
            return kind
    return RuntimeError
