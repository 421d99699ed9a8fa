"""The wisdom file: what tuning has found to be fastest, one entry for each transform on each kind of machine.

A small JSON file that rank 0 alone reads and writes. It is a cache: where it is missing, unreadable, read-only or no
file at all, plans are made without it.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import secrets
import stat
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mpi4py import MPI

from ..ranks.agreement import agreed
from ..ranks.communicators import cache_of, on_node

Entry = dict[str, Any]

LOCK_SECONDS = 2.0
# An entry has some hundreds; what is larger is something else, and is neither read nor replaced.
MOST_BYTES = 4 * 1024 * 1024

# What was last read, and the state of the file then.
_read: dict[Path, tuple[tuple[int, ...], dict[str, Entry]]] = {}


def wisdom_file() -> Path | None:
    """Where the wisdom lies; None where none is read or kept: MPI4PY_PENCIL_WISDOM is empty, or there is no home."""
    named = os.environ.get("MPI4PY_PENCIL_WISDOM")
    if named is not None:
        return Path(os.path.expanduser(named)) if named else None  # noqa: PTH111, Path raises without home
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
    return None if cache.startswith("~") else Path(cache, "mpi4py-pencil", "wisdom.json")


def machine(comm: MPI.Intracomm) -> str:
    """The machine in words: processor and MPI library of rank 0, how many nodes, and how many ranks on the fullest.

    Collective over `comm` at the first call.
    """
    cache = cache_of(comm)
    if machine not in cache:
        number, together = on_node(comm)
        nodes = comm.allreduce(int(number == 0))
        most = comm.allreduce(together, MPI.MAX)
        library = " ".join(MPI.Get_library_version().replace("\0", "").split("\n")[0].split(",")[0].split())
        cache[machine] = comm.bcast(f"{_processor()}; {library}; {nodes} x {most} ranks")
    return str(cache[machine])


def _processor() -> str:
    """The model of this machine's processor."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        with information.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                name, _, value = line.partition(":")
                if name.strip() == "model name":
                    return " ".join(value.split())
    return platform.processor() or platform.machine()


def recall(comm: MPI.Intracomm, describe: Callable[[], str]) -> Entry | None:
    """The entry of what `describe()` makes the name of; None where there is none.

    Collective over `comm`: one broadcast where there is no wisdom. Warns, on rank 0, of a file that cannot be read.

    Parameters
    ----------
    comm : MPI.Intracomm
        The ranks.
    describe : callable
        Makes the name, on all ranks alike; it may communicate. Not called where there is no wisdom.
    """
    entries, problem = _load(wisdom_file()) if comm.Get_rank() == 0 else ({}, None)
    some, problem = comm.bcast((bool(entries), problem))
    warn_on_rank_0(comm, problem)
    if not some:
        return None
    name = describe()
    entry: Entry | None = comm.bcast(_shallow(entries[name]) if name in entries else None)
    return entry


def keep(comm: MPI.Intracomm, name: str, entry: Entry) -> Path | None:
    """Keep an entry in place of what was there under that name, and return the file; None where it cannot be written.

    Collective over `comm`. Warns, on rank 0, where the file cannot be written.
    """
    file = wisdom_file() if comm.Get_rank() == 0 else None
    problem = None if file is None else _store(file, name, entry)
    file, problem = comm.bcast((file, problem))
    warn_on_rank_0(comm, problem)
    return None if problem else file


def warn_on_rank_0(comm: MPI.Intracomm, problem: str | None) -> None:
    """Warn of a problem that all ranks know of. Collective over `comm` if there is one: a warning may be an error."""
    if problem is None:
        return

    def warn() -> None:
        if comm.Get_rank() == 0:
            warnings.warn(problem, RuntimeWarning, stacklevel=2)

    agreed(comm, warn)


def _load(file: Path | None) -> tuple[dict[str, Entry], str | None]:
    """The entries of a file, and what is wrong with it. Local; the file is read when it has changed."""
    if file is None:
        return {}, None
    try:
        state = _state(file)
        version = (state.st_mtime_ns, state.st_size, state.st_ino, state.st_dev)
        if file not in _read or _read[file][0] != version:
            _read[file] = version, _entries(file)
        return _read[file][1], None
    except FileNotFoundError:
        return {}, None
    except (OSError, ValueError, RecursionError) as error:
        return {}, f"the wisdom in {file} cannot be read, planning without: {error}"


def _state(file: Path) -> os.stat_result:
    """The state of a file, or of what it is a link to.

    Raises
    ------
    FileNotFoundError
        Where there is none.
    OSError
        Where it is no small regular file: a pipe would be waited for, and a device replaced by a file.
    """
    if file.parts and file.parts[0].startswith("~"):
        raise OSError(f"there is no home {file.parts[0]}")
    state = file.stat()
    if not stat.S_ISREG(state.st_mode):
        raise OSError(f"{file} is not a regular file")
    if state.st_size > MOST_BYTES:
        raise OSError(f"{file} has {state.st_size} bytes, expected at most {MOST_BYTES}")
    return state


def _entries(file: Path) -> dict[str, Entry]:
    """The entries of a file, read now."""
    entries = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise ValueError("it is not an object of objects")
    return entries


def _shallow(entry: Entry) -> Entry:
    """An entry without what is nested deeper than a list of numbers: none of ours, and perhaps too deep to send."""
    return {
        key: value
        for key, value in entry.items()
        if not any(isinstance(part, (dict, list)) for part in (value if isinstance(value, list) else [value]))
    }


def _store(file: Path, name: str, entry: Entry) -> str | None:
    """Write an entry into a file, beside what is there; return what keeps it from being written. Local.

    The file is replaced as a whole, so that others read what was there before or after. What cannot be read is replaced
    too, where it is a small regular file.
    """
    try:
        _refuse_others(file)
        target = Path(os.path.realpath(file))
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target):
            try:
                entries = _entries(target)
            except (FileNotFoundError, ValueError, RecursionError):
                entries = {}
            entries[name] = entry
            lines = [f"{json.dumps(name)}: {json.dumps(entries[name])}" for name in sorted(entries)]
            text = "{\n" + ",\n".join(lines) + "\n}\n"
            if len(text) > MOST_BYTES:
                raise OSError(f"it would have {len(text)} bytes, expected at most {MOST_BYTES}: delete it")
            _replace(target, text)
    except (OSError, RecursionError) as error:
        return f"the wisdom cannot be kept in {file}: {error}"
    return None


def _refuse_others(file: Path) -> None:
    """Raise OSError where a file is there that `_state` refuses."""
    with suppress(FileNotFoundError):
        _state(file)


def _replace(file: Path, text: str) -> None:
    """Write a file beside another, and move it to its place."""
    new = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    try:
        with new.open("x", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(file)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold off other writers of a file, who would lose what is written meanwhile.

    Where the file system has no locks, or one is not given back in time, without: the file stays whole all the same.
    """
    beside = file.with_name(f"{file.name}.lock")
    _refuse_others(beside)
    with beside.open("a") as lock:
        deadline = time.monotonic() + LOCK_SECONDS
        while not _lock(lock.fileno()) and time.monotonic() < deadline:
            time.sleep(0.01)
        yield


def _lock(descriptor: int) -> bool:
    """Whether there is nothing to wait for: the lock is ours, or cannot be had at all."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
