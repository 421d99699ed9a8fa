"""Blocks to and from a file, by calls of the system: where the runs of a block lie, pwrite and preadv.

Not by MPI-IO: on a full disk that may hang, or raise on some ranks only, and a read beyond the end raises nothing.
"""

from __future__ import annotations

import errno
import itertools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
# Told of what is written: the offset from the start of the array, and the bytes.
Seen = Callable[[int, Array], None]

# At a time: what has been looked at, or has just been copied, is written while it is in cache.
_PIECE_BYTES = 1024 * 1024


def write_block(file: int, at: int, shape: Sequence[int], start: Sequence[int], block: Array, seen: Seen) -> None:
    """Write a block of an array in C order.

    Parameters
    ----------
    file : int
        Descriptor of the file.
    at : int
        Where the array begins in it.
    shape, start : sequence of int
        Of the whole array, and where the block starts in it.
    block : ndarray
        The block, of any strides.
    seen : callable
        Called with each run of bytes, as `Seen`.

    Raises
    ------
    OSError
        Where the system refuses.
    """
    for offset, piece in _runs(shape, start, block):
        data = np.ascontiguousarray(piece).reshape(-1).view(np.uint8)
        for k in range(0, data.size, _PIECE_BYTES):
            part = data[k : k + _PIECE_BYTES]
            seen(offset + k, part)
            write(file, at + offset + k, part)


def unseen(offset: int, data: Array) -> None:
    """Nobody looks at what is written."""


def read_block(file: int, at: int, shape: Sequence[int], start: Sequence[int], block: Array) -> None:
    """Read a block of an array in C order into `block`; the parameters are those of `write_block`.

    Raises
    ------
    OSError
        Where the system refuses, or the file ends before.
    """
    for offset, piece in _runs(shape, start, block):
        direct = piece.flags.c_contiguous
        into = piece if direct else np.empty(piece.shape, piece.dtype)
        read(file, at + offset, into.reshape(-1).view(np.uint8))
        if not direct:
            piece[...] = into


def _runs(shape: Sequence[int], start: Sequence[int], block: Array) -> Iterator[tuple[int, Array]]:
    """The runs of a block in the file: their offsets in bytes, and their parts of `block`.

    A part is contiguous in memory too, or else small.
    """
    if not block.size or not block.itemsize:
        return
    steps = [block.itemsize * math.prod(shape[k + 1 :]) for k in range(len(shape))]
    first = sum(i * step for i, step in zip(start, steps, strict=True))
    cut = [k for k in range(block.ndim) if block.shape[k] != shape[k]]
    outer = cut[-1] if cut else 0  # a run has this axis and those behind it
    for index in itertools.product(*map(range, block.shape[:outer])):
        offset = first + sum(i * step for i, step in zip(index, steps, strict=False))
        for part in _parts(block[index]):
            yield offset, part
            offset += part.nbytes


def _parts(array: Array) -> Iterator[Array]:
    """An array as parts that follow each other, contiguous in memory or else small."""
    if array.flags.c_contiguous or array.nbytes <= _PIECE_BYTES:
        yield array
        return
    rows = max(1, _PIECE_BYTES * len(array) // array.nbytes)
    for k in range(0, len(array), rows):
        if rows == 1 and array.ndim > 1:
            yield from _parts(array[k])
        else:
            yield array[k : k + rows]


def write(file: int, at: int, data: Array) -> None:
    """Write all bytes at an offset."""
    done = 0
    while done < data.size:
        done += os.pwrite(file, data[done:].data, at + done)


def read(file: int, at: int, data: Array) -> None:
    """Read as many bytes as `data` has from an offset on.

    Raises
    ------
    OSError
        Where the file ends before.
    """
    done = 0
    while done < data.size:
        got = os.preadv(file, [data[done:].data], at + done)
        if not got:
            raise OSError(errno.EIO, f"the file ends at {at + done} bytes, {data.size - done} before it should")
        done += got


def take_room(file: int, size: int, at: int = 0) -> None:
    """Take the room of so many bytes of a file on the disk, before any data are written.

    Raises
    ------
    OSError
        Where there is none.
    """
    try:
        os.posix_fallocate(file, at, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):  # file systems that cannot tell
            raise


def sync_directory(path: Path) -> None:
    """Wait until the names in a directory are on the disk."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
