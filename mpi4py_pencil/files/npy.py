"""Files of numpy's own format, one array each: NumPy Enhancement Proposal 1, written and read by numpy.lib.format."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mpi4py import MPI

from ..distarray import DistArray
from ..layout.arrays import said
from ..layout.pencil import Pencil
from ..ranks.agreement import agreed, nothing, told
from ..ranks.communicators import check_alive, communicator
from .disk import Seen, read_block, take_room, unseen, write_block
from .parts import Part, blocks_of, distributed, divided_by, in_lines, like_what, moved, part_of, ranks_of
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


def save(path: str | os.PathLike[str], u: Any, order: str = "C") -> None:
    """Write a distributed array to a file, byte for byte what ``numpy.save`` writes of the whole array.

    Collective over the ranks of `u`. Each rank writes its part. The file has its name when it is whole and on the disk;
    until then whatever was there is as it was.

    Parameters
    ----------
    path : path-like
        Ends in ".npy".
    u : DistArray or arrays.GlobalArray
        Of any pencil, and any dtype but objects.
    order : str, optional
        "C", or "F" for Fortran order, in which the first axis is contiguous in the file.

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
    u = _block_of(u)
    comm = ranks_of(distributed("u", u).pencil)
    check_alive(comm)
    target = agreed(
        comm,
        lambda: _asked(path, u, order),
        lambda found: {"path": str(found), "the global shape": u.global_shape, "dtype": u.dtype, "order": order},
    )
    lines = moved(u, in_lines(u.pencil, u.rank, u.dtype.itemsize, order))
    with staged(comm, target) as temporary:
        header = told(comm, lambda: made(temporary, u.global_shape, u.dtype, order))
        agreed(comm, lambda: take_share(temporary, header, comm.Get_rank(), comm.Get_size()), nothing)
        agreed(comm, lambda: write(temporary, header, part_of(lines)), nothing)


def _block_of(u: Any) -> Any:
    """A global array as its block. Collective."""
    return blocks_of(u.context.comm, u) if hasattr(u, "as_local") else u


def _asked(path: Any, u: DistArray, order: Any) -> Path:
    """The path; wrong arguments are refused."""
    target = Path(path)
    if target.suffix != ".npy":
        raise ValueError(f"path {str(path)!r} must end in .npy, the format that is written")
    if order not in ("C", "F"):
        raise ValueError(f"order must be 'C' or 'F', not {said(order)}")
    return writable(u, target)


def writable(u: DistArray, path: Path) -> Path:
    """`path`, if numpy writes arrays of this dtype as bytes; TypeError where it does not."""
    if u.dtype.hasobject:
        raise TypeError(f"u has dtype {u.dtype}, references to Python objects, which have no bytes to write")
    return path


def made(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], order: str = "C") -> Header:
    """A file at `path` with the header of such an array. Local."""
    # as numpy.save has it, an array that is contiguous in both orders is in C order
    fortran = order == "F" and sum(n > 1 for n in shape) > 1
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
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} is no whole file of numpy's with an array of fixed items: {error}") from error
    order = "F" if mapped.flags.f_contiguous and not mapped.flags.c_contiguous else "C"
    return Header(mapped.shape, mapped.dtype, order, mapped.offset)


def load(
    path: str | os.PathLike[str],
    like: Any = None,
    comm: MPI.Intracomm | None = None,
    index: Any = ...,
) -> DistArray:
    """Read a distributed array from a file that `save` or ``numpy.save`` wrote, by any number of ranks.

    Collective over the ranks. Each rank reads its part.

    Parameters
    ----------
    path : path-like
        The file.
    like : DistArray, GlobalArray, Pencil or Spec, optional
        How the array is to be divided: as this one is. Its dtype, if it has one, must be that of the file; leading axes
        beyond those of a Spec or a Pencil are components.
    comm : MPI.Intracomm, optional
        The ranks among which it is divided, along all axes but the last, where there is no `like`; MPI.COMM_WORLD by
        default.
    index : int, slice, Ellipsis, or tuple of these, optional
        The part of the array to be read, as numpy's indexing has it; slices of step 1. All by default.

    Returns
    -------
    DistArray
        New memory.

    Raises
    ------
    OSError
        On every rank, where the file cannot be read.
    TypeError, ValueError
        On every rank, where the file is cut off or something else, its array does not fit `like`, or arguments are
        wrong or not the same everywhere.
    """
    like = _block_of(like)
    ranks = _ranks(like, comm)
    name = agreed(ranks, lambda: Path(path), lambda found: {"path": str(found), "index": index})
    header = told(ranks, lambda: header_of(name))
    box = agreed(ranks, lambda: selected(index, header.shape), nothing)
    if like is None:
        pencil, rank = divided_by(ranks, box.kept), 0
    else:
        pencil, rank = agreed(
            ranks, lambda: _fitting(like, box.kept, header, name), lambda found: {"like": found[0].whole}
        )
    dtype = header.dtype if like is None else _native(getattr(like, "dtype", header.dtype), header.dtype)
    lines = in_lines(pencil, rank, header.dtype.itemsize, header.order)
    u = agreed(ranks, lambda: DistArray.of(lines, header.dtype, rank), nothing)
    agreed(ranks, lambda: read(name, header, box.part(u)), nothing)
    if dtype != header.dtype:
        u = DistArray.of(lines, dtype, rank, u.view(np.ndarray).astype(dtype))
    return moved(u, pencil)


def _ranks(like: Any, comm: Any) -> MPI.Intracomm:
    """The ranks over which a call is collective."""
    if like is None:
        ranks = communicator(MPI.COMM_WORLD if comm is None else comm)
    else:
        pencil = like if isinstance(like, Pencil) else getattr(like, "pencil", None)
        if not isinstance(pencil, Pencil):
            raise TypeError(f"like must be a DistArray, a Pencil or a Spec such as fft.output, not {said(like)}")
        ranks = ranks_of(pencil)
        if comm is not None:
            raise TypeError("like and comm both say which ranks there are: give one of them")
    check_alive(ranks)
    return ranks


def _fitting(like: Any, shape: tuple[int, ...], header: Header, path: Path) -> tuple[Pencil, int]:
    """The pencil of `like`, if the file's array is one of it."""
    pencil, rank = like_what(like, shape)
    if pencil.shape != shape:
        raise ValueError(f"{path} has an array of shape {shape}, like has {pencil.shape}")
    wanted = getattr(like, "dtype", header.dtype)
    if wanted != _native(wanted, header.dtype):
        raise ValueError(f"{path} has an array of dtype {header.dtype}, like has {wanted}")
    return pencil, rank


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
