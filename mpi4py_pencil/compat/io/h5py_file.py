"""``mpi4py_fft.io.h5py_file``: fields in HDF5 files, a dataset for each step.

Rank 0 makes the datasets and closes the file, and the ranks write their parts where these are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...files.chunks import Layout
from ...files.libraries import h5py
from .file_base import FileBase, coordinates
from .parts import Written, opened, read_into


class HDF5File(FileBase):
    """An HDF5 file with the groups ``/u/3D/0`` and ``/u/2D/slice_4_slice/0``, as ``mpi4py_fft.HDF5File``.

    Parameters
    ----------
    h5name : str
        The file.
    domain : sequence, optional
        For each axis ``(origin, length)`` or the coordinates of its points; (0, 2π) by default.
    mode : str, optional
        "r", "w" or "a".
    kw
        Ignored: what h5py would be given.
    """

    def __init__(self, h5name: str, domain: Sequence[Any] | None = None, mode: str = "a", **kw: Any) -> None:
        super().__init__(h5name, domain, mode)

    @staticmethod
    def backend() -> str:
        """Which kind of file it is."""
        return "hdf5"

    def _room(self, step: int, fields: Sequence[Written]) -> list[Layout]:
        """Make room for a step of fields. Of rank 0."""
        with opened(self.path, "r+") as file:
            for each in fields:
                _describe(file.require_group(each.name), each, self.domain)
            made = [_dataset(file, each, step) for each in fields]
            file.flush()
            return [
                Layout(each.u.dtype, 0, each.box.kept, {(0,) * len(each.box.kept): dataset.id.get_offset()})
                for each, dataset in zip(fields, made, strict=True)
            ]

    def read(self, u: Any, name: str, step: int = 0, **kw: Any) -> None:
        """Read a step of a field into an array of its shape; of a part of a field `name` has that too."""
        read_into(self.path, f"{name}/{u.dimensions}D/{step}", (), u)


def _describe(group: Any, written: Written, domain: Any) -> None:
    """Say what fields of one name are: their shape, and where their points lie."""
    shape, rank = written.u.pencil.shape, len(written.components)
    known = group.attrs
    if "shape" not in known:
        known["shape"], known["rank"] = shape, rank
    if tuple(known["shape"]) != tuple(shape) or known["rank"] != rank:
        raise ValueError(
            f"{written.name!r} has the shape {shape} and {rank} component axes, in {group.file.filename} "
            f"{tuple(known['shape'])} and {known['rank']}"
        )
    given = coordinates(domain, shape)
    kind = "mesh" if isinstance((domain or [()])[0], np.ndarray) else "domain"
    for k, values in enumerate(given):
        group.require_group(kind).require_dataset(f"x{k}", values.shape, values.dtype, data=values)


def _dataset(file: Any, written: Written, step: int) -> Any:
    """The dataset of a step of a field, made where it is not there."""
    name = "/".join(filter(None, (written.name, f"{len(written.kept)}D", written.slices, str(step))))
    shape, dtype = written.box.kept, written.u.dtype
    if name not in file:
        library = h5py()
        kind = library.h5p.create(library.h5p.DATASET_CREATE)
        kind.set_alloc_time(library.h5d.ALLOC_TIME_EARLY)  # so that it is known where in the file it lies
        kind.set_fill_time(library.h5d.FILL_TIME_NEVER)
        return file.create_dataset(name, shape, dtype, dcpl=kind)
    there = file[name]
    if there.shape != shape or there.dtype != dtype or there.id.get_offset() is None:
        raise ValueError(f"{file.filename} has {name} of shape {there.shape} and {there.dtype}: not {shape}, {dtype}")
    return there
