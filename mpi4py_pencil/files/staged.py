"""Files that take their name when they are whole: until then they have a temporary one, beside it."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mpi4py import MPI

from ..ranks.agreement import told
from .disk import sync_directory

# Names that end so are of nothing whole.
TEMPORARY = ".part"


@contextmanager
def staged(comm: MPI.Intracomm, path: Path) -> Iterator[Path]:
    """The temporary name under which all ranks write, in a ``with`` block, what shall be the file `path`.

    Collective over `comm`. Rank 0 makes the file, empty; what the ranks have written by the end of the block is `path`
    then, in place of what was there. In the block all ranks raise or none.

    Raises
    ------
    OSError, ValueError
        On every rank: where it cannot be made. Then, and where the block raises, no temporary file is left, and what
        was at `path` is as it was.
    """
    first = comm.Get_rank() == 0  # which a communicator that is freed meanwhile does not tell
    target, temporary = told(comm, lambda: _made(path))
    try:
        yield temporary
        told(comm, lambda: _named(temporary, target))
    except BaseException:
        if first:
            temporary.unlink(missing_ok=True)
        raise


def temporary_name(path: Path) -> Path:
    """A name beside a path that nobody else has: hidden, and seen to be temporary."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY}")


def _made(path: Path) -> tuple[Path, Path]:
    """Where `path` leads to, and a new file beside it, with the rights of the old one."""
    target = Path(os.path.realpath(path))
    temporary = temporary_name(target)
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        mode = None
    if mode is not None and stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if mode is not None and not stat.S_ISREG(mode):
        raise ValueError(f"{path} is no ordinary file: it cannot be replaced")
    if mode is not None and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    try:
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error  # under the name that the caller knows
    try:
        if mode is not None:
            os.fchmod(file, stat.S_IMODE(mode))
    finally:
        os.close(file)
    return target, temporary


def _named(temporary: Path, target: Path) -> None:
    """Give what is whole its name."""
    temporary.replace(target)
    sync_directory(target.parent)


def remove_directory(path: Path) -> None:
    """Remove a directory so that no part of it is ever seen under its name."""
    gone = temporary_name(path)
    try:
        path.rename(gone)
    except FileNotFoundError:  # another job has removed it
        return
    shutil.rmtree(gone, ignore_errors=True)  # what is left is removed with the leftovers of jobs that were killed
