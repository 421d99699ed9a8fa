"""What arrays in files take, next to the ways that there are without this package.

    mpiexec -n 4 python benchmarks/files.py

Writing and reading an array with the package and its peers, which take turns: gathered to rank 0 and written by numpy;
collective MPI-IO; and pwrite by hand, each rank its runs as they lie. All write new files, and end with what is written
on the disk (fsync). Beside them what one process takes to copy as many bytes, in memory and to a file.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI
from timing import in_turns, timed

from mpi4py_pencil import DistArray, files
from mpi4py_pencil.files.disk import read_block, unseen, write_block
from mpi4py_pencil.files.parts import part_of

COMM = MPI.COMM_WORLD
HEADER = 128


def main() -> None:
    """Measure and print; rank 0 speaks."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shape", type=int, nargs="+", default=[256, 256, 256])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--directory", nargs="+", default=["/dev/shm", "."], help="where to write, one after the other")
    asked = parser.parse_args()
    size = COMM.Get_size()
    divisions = {"whole lines": [size, *[1] * (len(asked.shape) - 1)]}
    if size > 1:
        columns, rows = MPI.Compute_dims(size, 2)
        divisions["divided lines"] = [*[1] * (len(asked.shape) - 2), rows, columns]
    for directory in asked.directory:
        for name, dims in divisions.items():
            u = DistArray(asked.shape, dims) if dims[-1] == 1 else DistArray(asked.shape, dims, alignment=0)
            u[...] = np.random.default_rng(COMM.Get_rank()).random(u.shape)
            with tempfile.TemporaryDirectory(dir=directory) if COMM.Get_rank() == 0 else Nothing() as made:
                measure(u, Path(COMM.bcast(made)), f"{directory}, {name} {dims}", asked.runs)
                COMM.Barrier()


class Nothing:
    """What the other ranks have in place of rank 0's directory."""

    def __enter__(self) -> None:
        """Nothing."""

    def __exit__(self, *_: object) -> None:
        """Nothing."""


def measure(u: DistArray, directory: Path, title: str, runs: int) -> None:
    """Measure writing and reading one array in all ways."""
    nbytes = math.prod(u.global_shape) * u.itemsize
    path = directory / "u.npy"
    files.save(path, u)
    plain = str(directory / "plain")
    checkpoints = files.Checkpoints(directory / "run", keep=1)
    field = files.File(directory / "u.h5", "w")
    steps = iter(range(10**9))
    writing = {
        "files.save": lambda: files.save(path, u),
        "Checkpoints.save": lambda: checkpoints.save(0, {"u": u}),
        "File.write": lambda: field.write(next(steps), {"u": u}),
        "gather, numpy": lambda: gathered(u, fresh(plain)),
        "MPI-IO": lambda: by_mpi(u, fresh(plain), MPI.MODE_WRONLY | MPI.MODE_CREATE),
        "pwrite": lambda: by_hand(u, fresh(plain), write=True),
        "one: memcpy": one(lambda: copy(nbytes)),
        "one: write": one(lambda: copy(nbytes, plain + ".one")),
    }
    show(f"write {nbytes / 2**20:.0f} MiB to {title}", writing, runs, nbytes)
    by_hand(u, plain, write=True)
    reading = {
        "files.load": lambda: files.load(path, u),
        "Checkpoints.load": lambda: checkpoints.load(like={"u": u}),
        "File.read": lambda: field.read("u", another(u)),
        "numpy, scatter": lambda: scattered(u, str(path)),
        "MPI-IO": lambda: by_mpi(another(u), plain, MPI.MODE_RDONLY),
        "preadv": lambda: by_hand(another(u), plain, write=False),
    }
    show(f"read from {title}", reading, runs, nbytes)
    if not (files.load(path, u) == u).all():
        raise RuntimeError("what was read is not what was written")


def show(title: str, calls: dict[str, Callable[[], Any]], runs: int, nbytes: int) -> None:
    """Time calls in turns and print the least seconds of each."""
    found = in_turns({name: timed(COMM, call) for name, call in calls.items()}, runs, 0)
    if COMM.Get_rank() == 0:
        print(f"\n{title}, {COMM.Get_size()} ranks")
        for name, seconds in found.items():
            print(f"  {name:<18} {1000 * min(seconds):>9.1f} ms {nbytes / min(seconds) / 1e9:>7.2f} GB/s", flush=True)


def another(u: DistArray) -> DistArray:
    """An array like `u` in new memory, which all ways of reading begin with."""
    return DistArray.of(u.pencil, u.dtype, u.rank)


def one(call: Callable[[], Any]) -> Callable[[], Any]:
    """A call of rank 0 alone."""
    return lambda: call() if COMM.Get_rank() == 0 else None


def copy(nbytes: int, path: str | None = None) -> None:
    """Copy so many bytes in memory, or from memory to a file, in pieces."""
    piece = np.ones(min(nbytes, 2**24), np.uint8)
    target = np.empty_like(piece)
    file = None if path is None else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for _ in range(nbytes // piece.size):
        if file is None:
            np.copyto(target, piece)
        else:
            os.write(file, piece)
    if file is not None:
        os.fsync(file)
        os.close(file)


def fresh(path: str) -> str:
    """A path at which nothing is. Collective."""
    if COMM.Get_rank() == 0:
        Path(path).unlink(missing_ok=True)
    COMM.Barrier()
    return path


def gathered(u: DistArray, path: str) -> None:
    """Send all blocks to rank 0, which puts them together and writes them."""
    blocks = COMM.gather((u.local_slice(), np.asarray(u)))
    if blocks is not None:
        whole = np.empty(u.global_shape, u.dtype)
        for where, block in blocks:
            whole[where] = block
        with open(path, "wb") as file:  # noqa: PTH123
            np.save(file, whole)
            file.flush()
            os.fsync(file.fileno())


def scattered(u: DistArray, path: str) -> np.ndarray[Any, Any]:
    """Have rank 0 read the whole and send each rank its block."""
    places = COMM.gather(u.local_slice())
    whole = None if places is None else np.load(path)
    block: np.ndarray[Any, Any] = COMM.scatter(None if places is None else [whole[where] for where in places])
    return block


def by_mpi(u: DistArray, path: str, mode: int) -> None:
    """Write or read by collective MPI-IO through a subarray."""
    kind = MPI.DOUBLE.Create_subarray(u.global_shape, u.shape, u.substart).Commit()
    file = MPI.File.Open(COMM, path, mode)
    file.Set_view(HEADER, MPI.DOUBLE, kind)
    block = np.ascontiguousarray(np.asarray(u))
    if mode & MPI.MODE_WRONLY:
        file.Write_all(block)
        file.Sync()
    else:
        file.Read_all(block)
        np.asarray(u)[...] = block
    file.Close()
    kind.Free()


def by_hand(u: DistArray, path: str, write: bool) -> None:
    """Write or read each run of this rank's block where it lies, by calls of the system."""
    part = part_of(u)
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    if write:
        write_block(file, HEADER, part.shape, part.start, part.block, unseen)
        os.fsync(file)
    else:
        read_block(file, HEADER, part.shape, part.start, part.block)
    os.close(file)
    COMM.Barrier()


if __name__ == "__main__":
    main()
