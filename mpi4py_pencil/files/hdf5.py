"""HDF5 and NetCDF-4 written by all ranks at once, without an HDF5 library that knows MPI.

Rank 0 makes room in the file and closes it, the ranks write their parts where that is, and rank 0 says that the step is
there. NetCDF-4 is HDF5 with named dimensions, which both kinds of file have here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI

from ..ranks.agreement import told
from . import rows
from .chunks import Layout, Pieces, collect, compressed, exchanged, write_part
from .division import in_lines
from .libraries import h5py
from .parts import Part, part_of
from .rows import annotate, check, find, make_room, read, steps, undo
from .selection import Box
from .staged import staged
from .variables import Wanted, level_of

__all__ = [
    "SUFFIXES",
    "annotate",
    "check",
    "create",
    "filters",
    "find",
    "finish",
    "make_room",
    "part",
    "prepared",
    "read",
    "refuse",
    "steps",
    "undo",
    "write",
]

NETCDF = (".nc", ".nc4")
SUFFIXES = (".h5", ".hdf5", ".hdf", *NETCDF)


def filters(compression: Any) -> dict[str, Any]:
    """What h5py makes a compressed dataset of; wrong arguments are refused, and so is a missing h5py."""
    h5py()
    if compression is None:
        return {}
    if isinstance(compression, Mapping):
        return dict(compression)
    level = level_of(compression, "a dict such as hdf5plugin's filters are")
    return {"compression": "gzip", "compression_opts": level, "shuffle": True}


def refuse(path: Path, dtype: np.dtype[Any]) -> None:
    """Refuse, with TypeError, numbers that the file cannot hold."""
    netcdf = path.suffix in NETCDF
    if dtype.kind not in ("iufc" if netcdf else "biufc"):
        raise TypeError(f"dtype {dtype} is no number that {path.suffix} files have")
    if netcdf and dtype.char in "egG":
        raise TypeError(f"NetCDF has no {dtype}, and its readers fail on such: write an HDF5 file, or single=True")


def create(comm: MPI.Intracomm, path: Path, domain: list[Any] | None) -> None:
    """A file without steps, in place of what was there. Collective."""
    with staged(comm, path) as temporary:
        told(comm, lambda: rows.create(temporary, domain))


def part(u: Any, box: Box, itemsize: int, layout: Layout) -> Part:
    """What this rank writes of a box of an array: whole lines of the whole, of a slice what it has. Collective."""
    lines = in_lines(u, itemsize=itemsize) if box.whole else in_lines(u, least=0)
    return box.within(part_of(lines))


def prepared(comm: MPI.Intracomm, parts: Sequence[Part], layouts: Sequence[Layout]) -> list[Part | Pieces]:
    """What this rank writes or compresses of each variable. Collective."""
    return [
        exchanged(comm, part, layout) if layout.filters else part for part, layout in zip(parts, layouts, strict=True)
    ]


def write(path: Path, layouts: Sequence[Layout], data: Sequence[Any]) -> list[Any]:
    """Write what is not compressed, down to the disk; the chunks of what is. Local, and in any thread."""
    file = os.open(path, os.O_WRONLY)
    try:
        for part, layout in zip(data, layouts, strict=True):
            if not layout.filters:
                write_part(file, part, layout)
        os.fsync(file)
    finally:
        os.close(file)
    return [compressed(pieces, layout) if layout.filters else [] for pieces, layout in zip(data, layouts, strict=True)]


def finish(
    comm: MPI.Intracomm,
    path: Path,
    wanted: Sequence[Wanted],
    layouts: Sequence[Layout],
    packed: list[Any],
    step: int,
    time: float,
) -> None:
    """Store the chunks that were compressed, and say that a step is there. Collective."""
    if any(layout.filters for layout in layouts):
        names = [each.name for each in wanted]
        collect(comm, packed, lambda chunks: rows.store(path, names, layouts, chunks))
    told(comm, lambda: rows.finish(path, wanted, step, time))
