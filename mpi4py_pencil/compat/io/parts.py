"""What of a field is written: this rank's part of a box of it, and where that lies in the file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mpi4py import MPI

from ...files.chunks import Layout, write_part
from ...files.division import in_lines
from ...files.libraries import h5py
from ...files.parts import Part
from ...files.parts import part_of as block_of
from ...files.selection import Box, selected
from ...ranks.agreement import agreed, nothing

Array = np.ndarray[Any, Any]
# In the oldest way that will do, so that a file can be read after its program was killed.
_OLDEST = ("earliest", "v110")


class Written(NamedTuple):
    """A field that is to be written, or a part of it.

    `where` has an entry for each axis, component axes left out; None for the whole field.
    """

    name: str
    u: Any
    where: tuple[Any, ...] | None

    @property
    def components(self) -> tuple[int, ...]:
        """The extents of the component axes."""
        return tuple(self.u.shape[: self.u.rank])

    @property
    def box(self) -> Box:
        """The part of the whole array."""
        shape = (*self.components, *self.u.pencil.shape)
        return selected(... if self.where is None else (slice(None),) * len(self.components) + self.where, shape)

    @property
    def slices(self) -> str:
        """What the part is called: ``slice_4_0to3``; nothing of the whole field."""
        return "" if self.where is None else "_".join(self.box.names[len(self.components) :])

    @property
    def kept(self) -> list[int]:
        """The axes of the part, component axes left out."""
        rank = len(self.components)
        return [k for k in range(len(self.u.pencil.shape)) if k + rank not in self.box.dropped]


def as_written(name: str, u: Any, index: Sequence[Any] | None) -> Written:
    """A field that is to be written; numpy's integers as Python's."""
    if index is None:
        return Written(name, u, None)
    return Written(name, u, tuple(each if isinstance(each, slice) else int(each) for each in index))


def part_of(written: Written) -> Part:
    """This rank's part. Collective over the ranks that have the field."""
    u = written.u.block()
    if written.where is None:
        u = in_lines(u)
    return written.box.within(block_of(u))


def write_parts(comm: MPI.Intracomm, path: Path, parts: Sequence[Part], layouts: Sequence[Layout]) -> None:
    """Write the parts of all ranks to a file, down to the disk. Collective over `comm`.

    Raises
    ------
    OSError
        On every rank, where the system refuses.
    """
    agreed(comm, lambda: _write(path, parts, layouts), nothing)


def _write(path: Path, parts: Sequence[Part], layouts: Sequence[Layout]) -> None:
    """Write this rank's parts."""
    file = os.open(path, os.O_WRONLY)
    try:
        for part, layout in zip(parts, layouts, strict=True):
            write_part(file, part, layout)
        os.fsync(file)
    finally:
        os.close(file)


def opened(path: Path, mode: str) -> Any:
    """A file, opened by h5py."""
    if mode == "r":
        return h5py().File(path, "r", locking="best-effort")
    return h5py().File(path, mode, libver=_OLDEST, locking="best-effort", track_order=True)


def read_into(path: Path, name: str, row: tuple[int, ...], u: Any) -> None:
    """Read this rank's block of a dataset, at a row of it."""
    with opened(path, "r") as file:
        there = file[name].shape[len(row) :]
        if there != tuple(u.global_shape):
            raise ValueError(f"{name} in {path} has the shape {there}, the array to be filled {tuple(u.global_shape)}")
        np.asarray(u)[...] = file[name][(*row, *u.local_slice())]


def gathered(u: Any, index: Sequence[Any]) -> Array | None:
    """A part of the whole array on rank 0, None on the others. Collective over MPI.COMM_WORLD."""
    keys = [key if isinstance(key, slice) else int(key) for key in index]
    shape = (*u.shape[: u.rank], *u.pencil.shape)
    if all(not isinstance(key, slice) for key in keys):
        raise ValueError(f"gslice {index!r} leaves no axis: take one slice at least")
    box = selected(keys, shape, "gslice")
    part = box.within(block_of(u.block()))
    parts = MPI.COMM_WORLD.gather((part.start, np.ascontiguousarray(part.block)))
    if parts is None:
        return None
    whole = np.zeros(box.kept, u.dtype)
    for start, block in parts:
        whole[tuple(slice(at, at + n) for at, n in zip(start, block.shape, strict=True))] = block
    return whole
