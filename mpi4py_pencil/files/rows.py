"""The inside of an HDF5 file of fields over time: dimensions, variables, and a row for each step. All is local.

A step is there once its number is in the variable of steps; what lies behind is removed when the next one is written.
Each kind of variables, whole fields and each kind of slices, has steps and times of its own.
"""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from .chunks import Layout, chunk_of, most_bytes, starts
from .disk import take_room
from .libraries import h5py
from .parts import Part
from .variables import DOMAIN, Axis, There, Wanted, check_fits, check_holds, coordinates, row_of
from .variables import find as row_known

# Large runs begin at pages of the file.
_ALIGNMENT = {"alignment_threshold": 64 * 1024, "alignment_interval": 4096}
# What HDF5 may need for what it writes of its own.
_SLACK_BYTES = 256 * 1024
# HDF5 writes in the oldest way that will do: such a file can be read after its program was killed.
_OLDEST = ("earliest", "v110")
_NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable. %10d"
_COMPLEX = {8: "_PFNC_FLOAT_COMPLEX_TYPE", 16: "_PFNC_DOUBLE_COMPLEX_TYPE"}
# How many steps of a variable are there.
_STEPS = "steps"


def opened(path: Path) -> Any:
    """The file, opened by h5py to be read."""
    return h5py().File(path, "r", locking="best-effort")


@contextmanager
def _changed(path: Path, mode: str = "r+", nbytes: int = 0) -> Iterator[Any]:
    """The file, opened by h5py in a ``with`` block to be changed, with room on the disk for so many bytes of data.

    The room is taken before: what HDF5 has begun it does not take back where the disk is full.

    Raises
    ------
    OSError
        Where there is no room. Then the file is as it was.
    """
    _take_room_behind(path, nbytes + _SLACK_BYTES)
    try:
        with h5py().File(path, mode, libver=_OLDEST, locking="best-effort", track_order=True, **_ALIGNMENT) as file:
            yield file
    except RuntimeError as error:  # which h5py makes of errors of the system
        raise OSError(errno.EIO, str(error), str(path)) from error


def _take_room_behind(path: Path, nbytes: int) -> None:
    """Take room behind the end of a file; HDF5 gives back what it does not need."""
    file = os.open(path, os.O_RDWR)
    try:
        size = os.fstat(file).st_size
        try:
            take_room(file, nbytes, size)
        except OSError as error:
            os.ftruncate(file, size)
            raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(file)


def create(path: Path, domain: list[Any] | None) -> None:
    """A file without steps, in place of an empty one."""
    with _changed(path, "w") as file:
        file.attrs[DOMAIN] = json.dumps(domain)


def check(path: Path) -> None:
    """Refuse, with OSError or ValueError, what is no such file."""
    with opened(path) as file:
        if DOMAIN not in file.attrs:
            raise ValueError(f"{path} was not written by mpi4py_pencil.files.File: h5py reads it")


def make_room(path: Path, wanted: Sequence[Wanted], step: int, filters: dict[str, Any], ranks: int) -> list[Layout]:
    """Room for one step of variables; the file is closed then, and others may write to it.

    Raises
    ------
    OSError, ValueError
        Where there is none, or the step or a variable does not fit those before.
    """
    data = sum(math.prod(each.shape) * each.dtype.itemsize for each in wanted)
    with _changed(path, nbytes=0 if filters else data + len(wanted) * _SLACK_BYTES) as file:
        for each in file.values():
            if _STEPS in each.attrs and len(each) > each.attrs[_STEPS]:  # of a program that was killed
                each.resize(each.attrs[_STEPS], 0)
        rows = {}
        for kind in {each.kind for each in wanted}:
            rows[kind] = row_of(path, file[f"step{kind}"][...] if f"step{kind}" in file else [], step)
        for each in wanted:
            check_fits(path, each, _there(file, each.name), rows[each.kind])
        for each in wanted:
            if each.name not in file:
                _create(file, each, filters)
            file[each.name].resize(rows[each.kind] + 1, 0)
        file.flush()
        return [_layout(file[each.name], each, rows[each.kind]) for each in wanted]


def _there(file: Any, name: str) -> There | None:
    """What a file has of a variable.

    Raises
    ------
    ValueError
        Where it has something else of this name.
    """
    there = file.get(name)
    if there is None:
        return None
    if _STEPS not in there.attrs:
        raise ValueError(f"{file.filename} has {name!r} as something else than a field: take another name")
    return There(there.shape[1:], there.dtype, int(there.attrs[_STEPS]))


def _create(file: Any, each: Wanted, filters: dict[str, Any]) -> None:
    """A variable without steps, with its dimensions."""
    library = h5py()
    chunk = (1, *chunk_of(each.shape, each.dtype.itemsize, most_bytes(bool(filters))))
    settings = dict(filters)
    if not filters:
        kind = library.h5p.create(library.h5p.DATASET_CREATE)
        kind.set_alloc_time(library.h5d.ALLOC_TIME_EARLY)  # so that it is known where in the file a chunk lies
        kind.set_fill_time(library.h5d.FILL_TIME_NEVER)
        settings = {"dcpl": kind}
    dtype: Any = each.dtype
    if dtype.kind == "c" and dtype.itemsize in _COMPLEX:  # NetCDF knows compounds by their names
        name = _COMPLEX[dtype.itemsize]
        if name not in file:
            file[name] = dtype
        dtype = file[name]
    shape = (0, *each.shape), (None, *each.shape)
    made = file.create_dataset(
        each.name, shape[0], dtype, maxshape=shape[1], chunks=chunk, track_order=True, **settings
    )
    made.attrs[_STEPS] = 0
    if f"time{each.kind}" not in file:
        _create_times(file, each.kind)
    made.dims[0].attach_scale(file[f"time{each.kind}"])
    for k, axis in enumerate(each.axes):
        made.dims[k + 1].attach_scale(_dimension(file, axis))


def _create_times(file: Any, kind: str) -> None:
    """The variables of times and steps of a kind of variables."""
    times = file.create_dataset(f"time{kind}", (0,), "<f8", maxshape=(None,), chunks=(512,), fillvalue=np.nan)
    steps = file.create_dataset(f"step{kind}", (0,), "<i8", maxshape=(None,), chunks=(512,), fillvalue=-1)
    times.make_scale(f"time{kind}")
    steps.dims[0].attach_scale(times)


def _dimension(file: Any, axis: Axis) -> Any:
    """The dimension of an axis, with coordinates where they are known."""
    name = next(name for name in axis.names if name not in file or len(file[name]) == axis.length)
    if name in file:
        return file[name]
    values = coordinates(json.loads(file.attrs[DOMAIN]), axis)
    if values is None:
        made = file.create_dataset(name, (axis.length,), ">f4")
        made.make_scale(_NO_VARIABLE % axis.length)
    else:
        made = file.create_dataset(name, data=values)
        made.make_scale(name)
    return made


def _layout(there: Any, each: Wanted, row: int) -> Layout:
    """Where the chunks of a step of a variable lie, or how they are compressed."""
    kind = there.id.get_create_plist()
    filters = tuple(kind.get_filter(k)[:3] for k in range(kind.get_nfilters()))
    chunk = there.chunks[1:]
    if filters:
        return Layout(each.dtype, row, chunk, filters=filters)
    places = {first: there.id.get_chunk_info_by_coord((row, *first)).byte_offset for first in starts(each.shape, chunk)}
    return Layout(each.dtype, row, chunk, places)


def finish(path: Path, wanted: Sequence[Wanted], step: int, time: float) -> None:
    """Say that a step is there."""
    with _changed(path) as file:
        for kind in {each.kind for each in wanted}:
            times, steps = file[f"time{kind}"], file[f"step{kind}"]
            if not len(steps) or steps[-1] != step:
                row = len(steps)
                for values, value in ((times, time), (steps, step)):
                    values.resize(row + 1, 0)
                    values[row] = value
        file.flush()
        for each in wanted:
            file[each.name].attrs.modify(_STEPS, len(file[each.name]))
    with path.open("rb") as written:
        os.fsync(written.fileno())


def undo(path: Path, wanted: Sequence[Wanted]) -> None:
    """Remove what has been made of a step that cannot be written; what cannot be removed now, the next one removes."""
    with suppress(OSError), _changed(path) as file:
        for each in wanted:
            there = file.get(each.name)
            if there is not None and _STEPS in there.attrs:
                there.resize(there.attrs[_STEPS], 0)


def _variable(file: Any, name: str) -> Any:
    """A variable of a file."""
    there = file.get(name) if isinstance(name, str) else None
    if there is None or _STEPS not in there.attrs:
        raise ValueError(f"{file.filename} has no field {name!r}, but {fields(file)}")
    return there


def fields(file: Any) -> list[str]:
    """The names of the fields and slices of a file."""
    return [name for name, each in file.items() if _STEPS in each.attrs]


def kind_of(there: Any) -> str:
    """The kind of a variable."""
    return str(there.dims[0][0].name.removeprefix("/time"))


def steps(path: Path, name: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The numbers and the times of the steps of a variable."""
    with opened(path) as file:
        there = _variable(file, name)
        number, kind = there.attrs[_STEPS], kind_of(there)
        return file[f"step{kind}"][:number], file[f"time{kind}"][:number]


def find(path: Path, name: str, step: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """The index of a step of a variable that fits an array."""
    row = row_known(path, name, step, steps(path, name)[0].tolist())
    with opened(path) as file:
        check_holds(path, name, There(file[name].shape[1:], file[name].dtype, 0), shape, dtype)
    return row


def read(path: Path, name: str, row: int, part: Part) -> None:
    """Read a rank's part of a step of a variable into ``part.block``."""
    if part.block.size:
        box = tuple(slice(at, at + n) for at, n in zip(part.start, part.block.shape, strict=True))
        with opened(path) as file:
            part.block[...] = file[name][(row, *box)]


def annotate(path: Path, variable: str | None, attrs: dict[str, Any]) -> None:
    """Give the file, or a variable, attributes."""
    with _changed(path) as file:
        target = file if variable is None else _variable(file, variable)
        for name, value in attrs.items():
            if name in (_STEPS, DOMAIN):
                raise ValueError(f"the attribute {name!r} is the file's own")
            target.attrs[name] = value


def told_of(path: Path) -> Iterator[str]:
    """What a file holds, line by line."""
    with opened(path) as file:
        yield f"{path}: " + ("HDF5" if path.suffix not in (".nc", ".nc4") else "NetCDF-4")
        for name, value in file.attrs.items():
            yield f"    {name} = {value!r}"
        for name, each in file.items():
            if isinstance(each, h5py().Dataset):
                dims = [
                    dim[0].name.removeprefix("/") if len(dim) else str(n)
                    for dim, n in zip(each.dims, each.shape, strict=True)
                ]
                packed = "" if not each.id.get_create_plist().get_nfilters() else ", compressed"
                yield f"    {name}({', '.join(dims)}): {' x '.join(map(str, each.shape))} {each.dtype}{packed}"


def store(path: Path, names: Sequence[str], layouts: Sequence[Layout], packed: Sequence[Any]) -> None:
    """Write compressed chunks of one rank."""
    nbytes = sum(len(data) for chunks in packed for _, _, data in chunks)
    with _changed(path, nbytes=2 * nbytes) as file:  # twice, for what lies between
        for name, layout, chunks in zip(names, layouts, packed, strict=True):
            for first, mask, data in chunks:
                file[name].id.write_direct_chunk((layout.row, *first), data, mask)
