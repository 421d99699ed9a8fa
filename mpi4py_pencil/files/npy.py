"""Files of numpy's own format, one array each: NumPy Enhancement Proposal 1, written and read by numpy.lib.format."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mpi4py import MPI

from ..layout.arrays import said, truth
from ..ranks.agreement import agreed, nothing, told
from ..ranks.communicators import check_alive, communicator
from . import background
from .disk import Seen, read_block, take_room, unseen, write_block
from .division import Division, context_of, division_like, division_of, in_lines, ranks_like, usual
from .parts import Distributed, Part, distributed, part_of, shape_of
from .selection import selected
from .staged import staged

Array = np.ndarray[Any, Any]


class Header(NamedTuple):
    """What a file says of its array: the shape, the dtype, "C" or "F" order, and where its bytes begin."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    order: str
    at: int

    @property
    def nbytes(self) -> int:
        """Of the whole file."""
        return self.at + int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize


def save(path: str | os.PathLike[str], u: Any, order: str = "C", *, wait: bool = True) -> None:
    """Write a distributed array to a file, byte for byte what ``numpy.save`` writes of the whole array.

    Collective over the ranks of `u`. Each rank writes its part. The file has its name when it is whole and on the disk;
    until then whatever was there is as it was.

    Parameters
    ----------
    path : path-like
        Ends in ".npy".
    u : DistArray or arrays.GlobalArray
        Of any pencil or distribution, and any dtype but objects.
    order : str, optional
        "C", or "F" for Fortran order, in which the first axis is contiguous in the file.
    wait : bool, optional
        Whether the file is there when this returns. Otherwise the array is copied and a thread writes it, so that it
        may be changed at once. The file is there, or an error is raised on every rank, at the next `save`, `load` or
        `wait` with these ranks, or when the program ends.

    Raises
    ------
    OSError
        On every rank, where the file cannot be written: the disk is full, the directory is missing, … .
    TypeError, ValueError
        On every rank, where the arguments are wrong or not the same everywhere.

    Examples
    --------
    >>> import tempfile
    >>> u = DistArray((8, 9), [1, 1], val=1.0)
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     files.save(f"{directory}/u.npy", u)
    ...     bool(np.all(np.load(f"{directory}/u.npy") == u))
    True
    """
    comm = division_of(distributed("u", u)).comm
    check_alive(comm)
    background.finish_saves(comm)
    target = agreed(comm, lambda: _asked(path, u, order, wait), lambda found: _told(found, u, order, wait))
    shape = shape_of(u)
    part = part_of(in_lines(u, order))
    if not wait:
        part = agreed(comm, lambda: part.apart_from(u), nothing)
    with ExitStack() as stack:
        temporary = stack.enter_context(staged(comm, target))
        header = told(comm, lambda: made(temporary, shape, u.dtype, order))
        agreed(comm, lambda: take_share(temporary, header, comm.Get_rank(), comm.Get_size()), nothing)
        if wait:
            agreed(comm, lambda: write(temporary, header, part), nothing)
        else:
            later = stack.pop_all()
            background.begin(comm, None, lambda: write(temporary, header, part), lambda done: _named(comm, later, done))


def _named(comm: MPI.Intracomm, later: ExitStack, written: Callable[[], None]) -> None:
    """Give a file its name, once `written` returns on every rank. Collective."""
    with later:
        agreed(comm, written, nothing)


def _told(path: Path, u: Distributed, order: str, wait: bool) -> dict[str, Any]:
    """What all ranks must pass alike."""
    return {"path": str(path), "the array": division_of(u).said, "dtype": u.dtype, "order": order, "wait": wait}


def _asked(path: Any, u: Distributed, order: Any, wait: Any) -> Path:
    """The path; wrong arguments are refused."""
    truth("wait", wait)
    target = Path(path)
    if target.suffix != ".npy":
        raise ValueError(f"path {str(path)!r} must end in .npy, the format that is written")
    if order not in ("C", "F"):
        raise ValueError(f"order must be 'C' or 'F', not {said(order)}")
    return writable(u, target)


def writable(u: Distributed, path: Path) -> Path:
    """`path`, if numpy writes arrays of this dtype as bytes; TypeError where it does not."""
    if u.dtype.hasobject:
        raise TypeError(f"u has dtype {u.dtype}, references to Python objects, which have no bytes to write")
    return path


def made(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], order: str = "C") -> Header:
    """A file at `path` with the header of such an array. Local."""
    # as numpy.save has it, an array that is contiguous in both orders is in C order
    fortran = order == "F" and sum(n > 1 for n in shape) > 1 and 0 not in shape
    mapped = np.lib.format.open_memmap(path, "w+", dtype, shape, fortran)
    return Header(shape, mapped.dtype, "F" if fortran else "C", mapped.offset)


def take_share(path: Path, header: Header, rank: int, size: int) -> None:
    """Take this rank's share of the room of a file that was `made`, so that no data are written to a full disk. Local.

    Shares, since file systems in memory clear what they give, one page after the other.

    Raises
    ------
    OSError
        Where there is no room.
    """
    start, end = (header.nbytes * each // size for each in (rank, rank + 1))
    file = os.open(path, os.O_RDWR)
    try:
        if end > start:
            take_room(file, end - start, start)
    finally:
        os.close(file)


def write(path: Path, header: Header, part: Part, seen: Seen = unseen) -> None:
    """Write a rank's part of an array into a file that was `made`, down to the disk. Local."""
    part = part.T if header.order == "F" else part
    file = os.open(path, os.O_WRONLY)
    try:
        write_block(file, header.at, part.shape, part.start, part.block, seen)
        os.fsync(file)
    finally:
        os.close(file)


def header_of(path: Path) -> Header:
    """What a file says of its array. Local.

    Raises
    ------
    OSError
        Where it cannot be read.
    ValueError
        Where it is no such file, holds Python objects, or is cut off.
    """
    try:
        mapped = np.lib.format.open_memmap(path, "r")
    except OSError:
        raise
    except Exception as error:  # whatever the bytes of something else make of it
        raise ValueError(f"{path} is no whole file of numpy's with an array of fixed items: {error}") from error
    order = "F" if mapped.flags.f_contiguous and not mapped.flags.c_contiguous else "C"
    return Header(mapped.shape, mapped.dtype, order, mapped.offset)


def load(
    path: str | os.PathLike[str],
    like: Any = None,
    comm: MPI.Intracomm | None = None,
    index: Any = ...,
) -> Any:
    """Read a distributed array from a file that `save` or ``numpy.save`` wrote, by any number of ranks.

    Collective over the ranks. Each rank reads its part.

    Parameters
    ----------
    path : path-like
        The file.
    like : DistArray, GlobalArray, Pencil, Spec or LineSpec, optional
        How the array is to be divided: as this one is. Its dtype, if it has one, must be that of the file; leading axes
        beyond those of a Spec or a Pencil are components.
    comm : MPI.Intracomm, optional
        The ranks among which it is divided where there is no `like`: along all axes but the last, or along its only
        one; MPI.COMM_WORLD by default.
    index : int, slice, Ellipsis, or tuple of these, optional
        The part of the array to be read, as numpy's indexing has it; slices of step 1. All by default.

    Returns
    -------
    DistArray or GlobalArray
        New memory: a GlobalArray where `like` is one or a LineSpec, that of an FFT1D, or where the array has no two
        axes and there is no `like`.

    Raises
    ------
    OSError
        On every rank, where the file cannot be read.
    TypeError, ValueError
        On every rank, where the file is cut off or something else, its array does not fit `like`, or arguments are
        wrong or not the same everywhere.
    """
    ranks = _ranks(like, comm)
    background.finish_saves(ranks)
    context_of(ranks)
    name = agreed(ranks, lambda: Path(path), lambda found: {"path": str(found), "index": index})
    header = told(ranks, lambda: header_of(name))
    box = agreed(ranks, lambda: selected(index, header.shape), nothing)
    if like is None:
        division = usual(ranks, box.kept)
    else:
        division = agreed(
            ranks, lambda: _fitting(like, box.kept, header, name, ranks), lambda found: {"like": found.said}
        )
    dtype = header.dtype if like is None else _native(getattr(like, "dtype", header.dtype), header.dtype)
    lines = division.lines(header.dtype.itemsize, header.order)
    u: Any = lines.empty(header.dtype)
    agreed(ranks, lambda: read(name, header, box.part(part_of(u))), nothing)
    if dtype != header.dtype:
        stored, u = u, lines.empty(dtype)
        part_of(u).block[...] = part_of(stored).block
    return division.moved(u)


def _ranks(like: Any, comm: Any) -> MPI.Intracomm:
    """The ranks over which a call is collective."""
    if like is None:
        ranks = communicator(MPI.COMM_WORLD if comm is None else comm)
    else:
        ranks = ranks_like(like)
        if comm is not None:
            raise TypeError("like and comm both say which ranks there are: give one of them")
    check_alive(ranks)
    return ranks


def _fitting(like: Any, shape: tuple[int, ...], header: Header, path: Path, ranks: MPI.Intracomm) -> Division:
    """The division of `like`, if the file's array fits it."""
    division = division_like(like, shape, ranks)
    if division.shape != shape:
        raise ValueError(f"{path} has an array of shape {shape}, like has {division.shape}")
    wanted = getattr(like, "dtype", header.dtype)
    if wanted != _native(wanted, header.dtype):
        raise ValueError(f"{path} has an array of dtype {header.dtype}, like has {wanted}")
    return division


def _native(wanted: np.dtype[Any], stored: np.dtype[Any]) -> np.dtype[Any]:
    """The wanted dtype where the stored one differs in the order of its bytes alone, else the stored one."""
    return wanted if wanted.newbyteorder("=") == stored.newbyteorder("=") else stored


def read(path: Path, header: Header, part: Part) -> None:
    """Read a rank's part of the array of a file into ``part.block``. Local.

    Raises
    ------
    OSError
        Where the file ends before.
    """
    part = part.T if header.order == "F" else part
    file = os.open(path, os.O_RDONLY)
    try:
        read_block(file, header.at, part.shape, part.start, part.block)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(file)
