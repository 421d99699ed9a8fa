"""Results in HDF5 and NetCDF-4 files, for all who read them: snapshots of fields, and slices of them, over time.

Written by all ranks at once, without an HDF5 library that knows MPI: rank 0 makes room in the file and closes it, the
ranks write their parts where that is, and rank 0 says that the step is there. NetCDF-4 is HDF5 with named dimensions,
which both kinds of file have here.
"""

from __future__ import annotations

import numbers
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mpi4py import MPI

from ..distarray import DistArray
from ..layout.arrays import said, truth
from ..ranks.agreement import agreed, nothing, told
from ..ranks.communicators import check_alive, communicator
from . import rows
from .chunks import Layout, collect, compress, write_part
from .libraries import h5py
from .parts import Part, blocks_of, distributed, in_lines, moved, part_of, ranks_of
from .selection import Box, selected
from .staged import staged
from .xdmf import description

NETCDF = (".nc", ".nc4")
HDF5 = (".h5", ".hdf5", ".hdf")


class _Written(NamedTuple):
    """One variable of a step: its name in the file, the array, and the part of it that is meant."""

    name: str
    u: DistArray
    box: Box


class File:
    """An HDF5 or NetCDF-4 file of fields over time, written and read by all ranks.

    Each array is a variable whose first dimension is time, which has no limit. h5py, netCDF4, xarray and, by `xdmf`,
    ParaView read it. Its steps are whole: one that could not be written is not there.

    Collective over `comm`, as are all methods. Needs h5py: ``pip install 'mpi4py-pencil[hdf5]'``; not one that was
    built with MPI.

    Parameters
    ----------
    path : path-like
        Ends in ".h5" or ".hdf5", or in ".nc": NetCDF-4.
    mode : str, optional
        "r" reads, "w" begins anew, "a" goes on, if the file is there.
    comm : MPI.Intracomm, optional
        The ranks; MPI.COMM_WORLD by default.
    domain : sequence, optional
        Of a new file, for each axis, component axes not counted, the coordinates of its points: all of them, or
        ``(start, length)`` of a period.
    compression : int or dict, optional
        Of new variables: 1 to 9 for zlib, or what h5py's ``create_dataset`` takes, as hdf5plugin's filters are. The
        ranks compress.
    single : bool, optional
        Whether new variables are in single precision in the file.

    Raises
    ------
    ImportError
        On every rank, where h5py is not installed.
    OSError, TypeError, ValueError
        On every rank, where the file cannot be made or read, or arguments are wrong or not the same everywhere.

    Examples
    --------
    >>> import tempfile
    >>> u = DistArray((8, 8), [1, 1], val=1.0)
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     file = files.File(f"{directory}/u.nc", "w", domain=[(0, 1), (0, 2)])
    ...     file.write(0, {"u": [u, (u, [slice(None), 4])]}, time=0.0)
    ...     file.write(10, {"u": [2 * u]}, time=0.5)
    ...     file.steps("u"), file.times("u"), float(file.read("u", out=u).max())
    ([0, 10], [0.0, 0.5], 2.0)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        mode: str = "r",
        comm: MPI.Intracomm | None = None,
        domain: Sequence[Any] | None = None,
        compression: Any = None,
        single: bool = False,
    ) -> None:
        self.comm = communicator(MPI.COMM_WORLD if comm is None else comm)
        self.path, self._filters, self._single = agreed(
            self.comm,
            lambda: (_path(path, mode), _filters(compression), truth("single", single)),
            lambda found: {"path": str(found[0]), "mode": mode, "compression": found[1], "single": found[2]},
        )
        coordinates = agreed(self.comm, lambda: _coordinates(domain), lambda found: {"domain": found})
        self.mode = mode
        there = mode != "w" and told(self.comm, self.path.exists)
        if mode == "r" or there:
            told(self.comm, lambda: rows.check(self.path))
        else:
            with staged(self.comm, self.path) as temporary:
                told(self.comm, lambda: rows.create(temporary, coordinates))

    @property
    def netcdf(self) -> bool:
        """Whether it is a NetCDF-4 file."""
        return self.path.suffix in NETCDF

    def write(self, step: int, fields: Mapping[str, Any], time: float | None = None) -> None:
        """Write fields of one step, and slices of fields.

        Parameters
        ----------
        step : int
            The number of the step: that of the last one, or a later one.
        fields : dict
            For each name a DistArray or GlobalArray, or a list of such and pairs
            ``(u, [slice(None), 4, slice(None)])`` of one and the part of it that is meant: a slice of
            `name` is the variable "name_slice_4_slice". Leading axes are components. All fields have
            the same steps, as have all slices of one kind.
        time : float, optional
            The time of this step; the number of the step by default.

        Raises
        ------
        OSError
            On every rank, where it cannot be written: the disk is full, … . Then the step is not there.
        TypeError, ValueError
            On every rank, where the arrays or the steps do not fit those before, or arguments are wrong or not the same
            everywhere.
        """
        check_alive(self.comm)
        fields = blocks_of(self.comm, fields)
        written, number, moment = agreed(
            self.comm,
            lambda: self._asked(step, fields, time),
            lambda made: {"step": made[1], "time": made[2], "fields": [(w.name, w.box, w.u.dtype) for w in made[0]]},
        )
        parts = [self._part(each) for each in written]
        wanted = [rows.Wanted(w.name, w.box.suffix, w.box.kept, self._dtype(w.u.dtype), _axes(w)) for w in written]
        try:
            layouts = told(self.comm, lambda: rows.make_room(self.path, wanted, number, self._filters))
            packed = self._pack(parts, layouts)
            agreed(self.comm, lambda: write_parts(self.path, parts, layouts), nothing)
            if any(layout.filters for layout in layouts):
                names = [w.name for w in written]
                collect(self.comm, packed, lambda chunks: rows.store(self.path, names, layouts, chunks))
            told(self.comm, lambda: rows.finish(self.path, wanted, number, moment))
        except BaseException:
            if self.comm.Get_rank() == 0:
                rows.undo(self.path, wanted)
            raise

    def read(self, name: str, out: Any, step: int = -1) -> Any:
        """Read a variable at one step into an array, of any pencil.

        Parameters
        ----------
        name : str
            Of the variable.
        out : DistArray or GlobalArray
            Where it goes; of the shape of the variable, and a dtype that holds its numbers.
        step : int, optional
            The number of the step; negative ones count from the last, which is read by default.

        Returns
        -------
        DistArray or GlobalArray
            `out`.

        Raises
        ------
        OSError, TypeError, ValueError
            On every rank, where there is no such variable or step, the file is damaged, or arguments are wrong or not
            the same everywhere.
        """
        check_alive(self.comm)
        given, out = out, blocks_of(self.comm, out)
        agreed(
            self.comm, lambda: self._mine("out", out), lambda _: {"name": name, "step": step, "out": out.global_shape}
        )
        row = told(self.comm, lambda: rows.find(self.path, name, step, out.global_shape, out.dtype))
        pencil = in_lines(out.pencil, out.rank, out.dtype.itemsize)
        lines = out
        if not out.pencil.same_block(pencil):
            lines = agreed(self.comm, lambda: DistArray.of(pencil, out.dtype, out.rank), nothing)
        agreed(self.comm, lambda: rows.read(self.path, name, row, part_of(lines)), nothing)
        if lines is not out:
            lines.redistribute(out=out)
        return given

    def steps(self, name: str) -> list[int]:
        """The numbers of the steps of a variable."""
        return [int(step) for step in told(self.comm, lambda: rows.steps(self.path, name)[0])]

    def times(self, name: str) -> list[float]:
        """The times of the steps of a variable."""
        return [float(time) for time in told(self.comm, lambda: rows.steps(self.path, name)[1])]

    def annotate(self, variable: str | None = None, **attrs: Any) -> None:
        """Give the file, or a variable, attributes: texts, numbers, or lists of numbers."""
        self._writable()
        agreed(self.comm, lambda: (variable, attrs), lambda said: {"variable": said[0], "attrs": said[1]})
        told(self.comm, lambda: rows.annotate(self.path, variable, attrs))

    def xdmf(self) -> Path:
        """Write a file beside this one, ending in ".xdmf", by which ParaView opens it; give its path."""
        text = told(self.comm, lambda: description(self.path))
        target = self.path.with_suffix(".xdmf")
        with staged(self.comm, target) as temporary:
            told(self.comm, lambda: temporary.write_text(text, encoding="utf-8"))
        return target

    def __repr__(self) -> str:
        """Its path and mode. Local."""
        return f"File({str(self.path)!r}, {self.mode!r})"

    def _writable(self) -> None:
        """Refuse to write to a file that was opened to be read."""
        if self.mode == "r":
            raise ValueError(f"{self.path} was opened with mode 'r': it is not written to")

    def _mine(self, name: str, u: Any) -> DistArray:
        """`u`, if it is a distributed array of these ranks."""
        u = distributed(name, u)
        if MPI.Comm.Compare(ranks_of(u.pencil), self.comm) not in (MPI.IDENT, MPI.CONGRUENT):
            raise ValueError(f"{name} is an array of other ranks than those of this file")
        return u

    def _asked(self, step: Any, fields: Any, time: Any) -> tuple[list[_Written], int, float]:
        """What is written; wrong arguments are refused."""
        self._writable()
        if not isinstance(step, numbers.Integral) or step < 0:
            raise ValueError(f"step must be a whole number, 0 or more, not {said(step)}")
        if not isinstance(fields, Mapping) or not fields:
            raise TypeError(f"fields must be a dict of names to arrays and lists of them, not {said(fields)}")
        written = [w for name, given in fields.items() for w in self._variables(name, given)]
        names = [w.name for w in written]
        if len(set(names)) < len(names):
            raise ValueError(f"fields has the same variable twice: {names}")
        return written, int(step), float(step if time is None else time)

    def _variables(self, name: Any, given: Any) -> Iterator[_Written]:
        """The variables that stand under one name."""
        rows.check_name(name)
        for each in given if isinstance(given, list) else [given]:
            u, index = each if isinstance(each, tuple) and len(each) == 2 else (each, ...)
            u = self._mine(f"fields[{name!r}]", u)
            self._dtype(u.dtype)
            box = selected(index, u.global_shape, f"the part of {name!r}")
            yield _Written(name + box.suffix, u, box)

    def _dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """The dtype in the file of arrays of this dtype."""
        if self._single and dtype.kind in "fc":
            dtype = np.dtype({"f": np.float32, "c": np.complex64}[dtype.kind])
        if dtype.kind not in ("iufc" if self.netcdf else "biufc"):
            raise TypeError(f"dtype {dtype} is no number that {self.path.suffix} files have")
        if self.netcdf and (dtype.char in "egG"):
            raise TypeError(f"NetCDF has no {dtype}, and its readers fail on such: write an HDF5 file, or single=True")
        return dtype

    def _part(self, written: _Written) -> Part:
        """What this rank writes of a variable, in the dtype of the file. Collective."""
        u = written.u
        if written.box.whole:
            u = moved(u, in_lines(u.pencil, u.rank, self._dtype(u.dtype).itemsize))
        return agreed(self.comm, lambda: written.box.within(u).of_dtype(self._dtype(u.dtype)), nothing)

    def _pack(self, parts: list[Part], layouts: list[Layout]) -> list[Any]:
        """The compressed chunks that this rank makes of each variable, none where they are not compressed."""
        return [
            compress(self.comm, part, layout) if layout.filters else []
            for part, layout in zip(parts, layouts, strict=True)
        ]


def write_parts(path: Path, parts: list[Part], layouts: list[Layout]) -> None:
    """Write a rank's parts of all variables that are not compressed, down to the disk. Local."""
    file = os.open(path, os.O_WRONLY)
    try:
        for part, layout in zip(parts, layouts, strict=True):
            write_part(file, part, layout)
        os.fsync(file)
    finally:
        os.close(file)


def _path(path: Any, mode: Any) -> Path:
    """The path of a file of a known kind."""
    h5py()
    found = Path(path)
    if found.suffix not in (*HDF5, *NETCDF):
        raise ValueError(
            f"path {str(path)!r} must end in {', '.join(HDF5)} for HDF5, or {', '.join(NETCDF)} for NetCDF"
        )
    if mode not in ("r", "w", "a"):
        raise ValueError(f"mode must be 'r', 'w' or 'a', not {mode!r}")
    return found


def _filters(compression: Any) -> dict[str, Any]:
    """What h5py makes a compressed dataset of."""
    if compression is None:
        return {}
    if isinstance(compression, Mapping):
        return dict(compression)
    if isinstance(compression, (bool, np.bool_)) or not hasattr(compression, "__index__") or not 1 <= compression <= 9:
        raise ValueError(
            f"compression must be 1 to 9, or a dict such as hdf5plugin's filters are, not {said(compression)}"
        )
    return {"compression": "gzip", "compression_opts": int(compression), "shuffle": True}


def _coordinates(domain: Any) -> list[Any] | None:
    """The coordinates along each axis: all of them as a list, or the start and the length of a period as a tuple."""
    if domain is None:
        return None
    found: list[Any] = []
    for axis in domain:
        values = np.asarray(axis, float)
        if values.ndim != 1 or not np.isfinite(values).all():
            raise ValueError(f"domain must have the coordinates or (start, length) of each axis, not {said(axis)}")
        found.append(
            (float(values[0]), float(values[1])) if isinstance(axis, tuple) and len(axis) == 2 else list(values)
        )
    return found


def _axes(written: _Written) -> list[rows.Axis]:
    """What the axes of a variable are."""
    u, box = written.u, written.box
    kept = [k for k in range(u.ndim) if k not in box.dropped]
    return [rows.Axis(k - u.rank, u.ndim - u.rank, *box.runs[k], u.global_shape[k]) for k in kept]
