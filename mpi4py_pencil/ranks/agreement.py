"""Whether all ranks of a communicator say the same: the checks that keep a collective call collective."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

import numpy as np
from mpi4py import MPI

from .communicators import check_alive

T = TypeVar("T")
# What a rank says, by the names under which users know it: arguments, as a rule.
Said = Mapping[str, Any]

# Longer values than this are cut off in a message.
_LONGEST = 200


def _whole(value: Any) -> Said:
    """A value that has no parts with names."""
    return {"": value}


def nothing(value: object) -> Said:
    """What ranks say that need not agree but on whether all could do it."""
    return {}


def agreed(comm: MPI.Intracomm, call: Callable[[], T], said: Callable[[T], Said] = _whole) -> T:
    """What `call()` returns, after all ranks found that theirs returned the same.

    Collective over `comm`: one small reduction where all is well. Compared are the representations of what `said` makes
    of the values.

    Raises
    ------
    BaseException
        On every rank: where `call` raised on some ranks, whatever it was, each of them raises its own error and the
        others one of the same type that names the rank; where the values differ, ValueError, which names the first of
        them that does; ValueError too where the communicator has been freed or MPI has ended.
    """
    check_alive(comm)
    value: Any = None
    error: BaseException | None = None
    texts: dict[str, str] = {}
    try:
        value = call()
        texts = {name: _exact(repr(part)) for name, part in said(value).items()}
    except BaseException as caught:  # whatever it is, even an exit: it is raised again below, on every rank
        error = caught
    digest = int.from_bytes(hashlib.blake2b(repr(texts).encode(), digest_size=7).digest(), "big")
    mine = np.array([digest, -digest, error is not None], dtype=np.int64)
    most = np.empty_like(mine)
    comm.Allreduce(mine, most, MPI.MAX)
    if most[0] != -most[1] or most[2]:
        _raise_together(comm, texts, error)
    return value


def checked(comm: MPI.Intracomm, call: Callable[[], T], said: Callable[[T], Said] = _whole) -> T:
    """What `call()` returns, agreed on where MPI4PY_PENCIL_CHECK is set: then one rank's error is everyone's.

    Collective over `comm` then, and local otherwise.
    """
    return agreed(comm, call, said) if checking() else call()


def told(comm: MPI.Intracomm, call: Callable[[], T]) -> T:
    """What `call()` returns on rank 0, which alone calls it, on every rank.

    Collective over `comm`.

    Raises
    ------
    BaseException
        On every rank, where it raised there, as `agreed`.
    """
    first = comm.Get_rank() == 0
    found: T | None = agreed(comm, lambda: call() if first else None, nothing)
    result: T = comm.bcast(found)
    return result


def checking() -> bool:
    """Whether calls are to be agreed on."""
    return os.environ.get("MPI4PY_PENCIL_CHECK", "0") not in ("", "0")


def verifying() -> bool:
    """Whether exchanges verify what they bring: where MPI4PY_PENCIL_CHECK is 2."""
    return os.environ.get("MPI4PY_PENCIL_CHECK") == "2"


def _raise_together(comm: MPI.Intracomm, said: dict[str, str], error: BaseException | None) -> NoReturn:
    """Raise on this rank what explains the disagreement. Collective over `comm`."""
    everyone = comm.allgather((said, None if error is None else _of_another_rank(error)))
    if error is not None:
        raise error
    for rank, (_, refused) in enumerate(everyone):
        if refused is not None:
            kind, message, *numbers = refused
            if numbers:  # OSError with a number is what that number says: FileNotFoundError, PermissionError, …
                number, name = numbers
                raise OSError(number, f"on rank {rank}: {message}", name)
            raise kind(f"on rank {rank}: {message}")
    first = everyone[0][0]
    for rank, (theirs, _) in enumerate(everyone):
        for name in {**first, **theirs}:
            mine, other = first.get(name, "nothing"), theirs.get(name, "nothing")
            if mine != other:
                raise ValueError(
                    f"the ranks disagree{name and ' on ' + name}: rank 0 has {_short(mine)}, rank {rank} has "
                    f"{_short(other)}; all ranks must pass the same"
                )
    raise RuntimeError("the ranks disagree, though all say the same: their representations have equal digests")


# What can be made from a message alone; of kinds of one another the narrower first.
_KINDS = (
    FloatingPointError,
    ZeroDivisionError,
    OverflowError,
    ArithmeticError,
    ImportError,
    IndexError,
    KeyError,
    TypeError,
    np.linalg.LinAlgError,
    ValueError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
)


def _of_another_rank(error: BaseException) -> tuple[Any, ...]:
    """What other ranks raise for `error`: its own type where that can be made from a message alone, and its message.

    Of an error of the system's its number and the file's name too.
    """
    if isinstance(error, OSError) and error.errno is not None:
        name = error.filename if error.filename is None else _exact(str(error.filename))
        return OSError, _exact(str(error.strerror)), error.errno, name
    try:
        message = _exact(str(error))
    except BaseException as another:  # an error of the user's that cannot even be told is still one
        message = f"its message cannot be made: {type(another).__name__}"
    for kind in _KINDS:
        if isinstance(error, kind):
            return kind, message
    return RuntimeError, f"{type(error).__name__}: {message}"


def _exact(text: str) -> str:
    """The characters of what may be of a class of the user's, which other ranks need not know."""
    return str.encode(text, "utf-8", "backslashreplace").decode()


def _short(text: str) -> str:
    """A representation that is not too long for a message."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
