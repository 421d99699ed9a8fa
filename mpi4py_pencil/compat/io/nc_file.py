"""``mpi4py_fft.io.nc_file``: fields in NetCDF-4 files, whose first dimension is time.

NetCDF-4 is HDF5 with dimension scales: h5py writes it, and netCDF4, xarray and ncdump read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...files.chunks import Layout, chunk_of, most_bytes, starts
from ...files.libraries import h5py
from .file_base import FileBase, coordinates
from .parts import Written, opened, read_into

_AXES = "xyzrst"
_COMPONENTS = "ijk"


class NCFile(FileBase):
    """A NetCDF-4 file with variables ``u(time, x, y, z)``, ``u_slice_4_slice(time, x, z)``, as ``mpi4py_fft.NCFile``.

    Parameters
    ----------
    ncname : str
        The file.
    domain : sequence, optional
        For each axis ``(start, stop)`` or the coordinates of its points; (0, 2π) by default.
    mode : str, optional
        "r", "w" or "a".
    clobber : bool, optional
        Whether "w" may overwrite a file.
    kw
        Ignored: what netCDF4 would be given.
    """

    def __init__(
        self, ncname: str, domain: Sequence[Any] | None = None, mode: str = "a", clobber: bool = True, **kw: Any
    ) -> None:
        self._clobber = clobber
        super().__init__(ncname, domain, mode)

    @staticmethod
    def backend() -> str:
        """Which kind of file it is."""
        return "netcdf4"

    def _prepare(self, mode: str) -> None:
        """Make the file, or look whether it is there. Of rank 0."""
        if mode == "w" and not self._clobber and self.path.exists():
            raise FileExistsError(f"{self.filename} is there, and clobber=False keeps it")
        super()._prepare(mode)

    def _begin(self, file: Any) -> None:
        """Make the dimension of time."""
        if "time" not in file:
            file.create_dataset("time", (0,), "<f8", maxshape=(None,), chunks=(512,), fillvalue=np.nan)
            file["time"].make_scale("time")

    def _room(self, step: int, fields: Sequence[Written]) -> list[Layout]:
        """Make room for a step of fields. Of rank 0."""
        with opened(self.path, "r+") as file:
            row = _row(file["time"], step)
            made = [_variable(file, each, self.domain) for each in fields]
            for variable in made:
                if len(variable) <= row:
                    variable.resize(row + 1, 0)
            file.flush()
            return [_layout(variable, row) for variable in made]

    def read(self, u: Any, name: str, step: int = 0, **kw: Any) -> None:
        """Read a field into an array of its shape; `step` counts those that were written."""
        read_into(self.path, name, (step,), u)


def _row(times: Any, step: int) -> int:
    """The index of a step, which is added where it is not there."""
    known = np.flatnonzero(times[...] == step)
    if known.size:
        return int(known[0])
    times.resize(len(times) + 1, 0)
    times[-1] = step
    return len(times) - 1


def _variable(file: Any, written: Written, domain: Any) -> Any:
    """The variable of a field, or of a part of it, made where it is not there."""
    name = "_".join(filter(None, (written.name, written.slices)))
    shape, dtype = written.box.kept, written.u.dtype
    if dtype.kind not in "iuf" or dtype.char in "eg":
        raise TypeError(f"{written.name!r} has dtype {dtype}, which NetCDF has not: write it to an HDF5 file")
    if written.name in ("time", *_AXES, *_COMPONENTS):
        raise ValueError(f"{written.name!r} is the name of a dimension: give the field another one")
    if name not in file:
        scales = [file["time"], *_scales(file, written, domain)]
        library = h5py()
        kind = library.h5p.create(library.h5p.DATASET_CREATE)
        kind.set_alloc_time(library.h5d.ALLOC_TIME_EARLY)  # so that it is known where in the file a chunk lies
        chunk = (1, *chunk_of(shape, dtype.itemsize, most_bytes(False)))
        made = file.create_dataset(
            name, (0, *shape), dtype, maxshape=(None, *shape), chunks=chunk, track_order=True, dcpl=kind
        )
        for k, scale in enumerate(scales):
            made.dims[k].attach_scale(scale)
    there = file[name]
    if there.shape[1:] != shape or there.dtype != dtype:
        raise ValueError(
            f"{file.filename} has {name} of shape {there.shape[1:]} and {there.dtype}: not {shape}, {dtype}"
        )
    return there


def _scales(file: Any, written: Written, domain: Any) -> list[Any]:
    """The dimensions of a field, made where they are not there."""
    shape, rank = written.u.pencil.shape, len(written.components)
    found = [_scale(file, _COMPONENTS[k], np.arange(n, dtype=float)) for k, n in enumerate(written.components)]
    for k, values in enumerate(coordinates(domain, shape)):
        if len(values) == 2 != shape[k]:
            values = np.linspace(values[0], values[1], shape[k])
        scale = _scale(file, _AXES[k], values)
        start, length = written.box.runs[rank + k]
        if length < shape[k] and k in written.kept:
            scale = _scale(file, f"{_AXES[k]}_{written.box.names[rank + k]}", values[start : start + length])
        if k in written.kept:
            found.append(scale)
    return found


def _scale(file: Any, name: str, values: Any) -> Any:
    """A dimension with its coordinates."""
    if name not in file:
        file.create_dataset(name, data=np.asarray(values, "<f8"))
        file[name].make_scale(name)
    if len(file[name]) != len(values):
        raise ValueError(f"{file.filename} has {len(file[name])} points along {name}, the field {len(values)}")
    return file[name]


def _layout(variable: Any, row: int) -> Layout:
    """Where the chunks of a step of a variable lie."""
    chunk = variable.chunks[1:]
    info = variable.id.get_chunk_info_by_coord
    places = {first: info((row, *first)).byte_offset for first in starts(variable.shape[1:], chunk)}
    return Layout(variable.dtype, row, chunk, places)
