"""Results in files, for all who read them: snapshots of fields, and slices of them, over time.

What a file looks like inside is known to a module for each format, which has the same functions as the others: `hdf5`
and `zarr3`.
"""

from __future__ import annotations

import numbers
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mpi4py import MPI

from ..layout.arrays import said, truth
from ..ranks.agreement import agreed, nothing, told
from ..ranks.communicators import check_alive, communicator
from . import background, hdf5, zarr3
from .division import division_of, same_ranks
from .parts import Distributed, distributed, local, part_of, shape_of
from .selection import Box, selected
from .staged import staged
from .variables import Axis, Wanted, check_name
from .xdmf import description

# A module for each kind of file.
_FORMATS: tuple[Any, ...] = (hdf5, zarr3)


class _Written(NamedTuple):
    """One variable of a step: its name in the file, the array, and the part of it that is meant."""

    name: str
    u: Distributed
    box: Box


class File:
    """An HDF5, NetCDF-4 or Zarr file of fields over time, written and read by all ranks.

    Each array is a variable whose first dimension is time, which has no limit. h5py, netCDF4, zarr, xarray and, by
    `xdmf`, ParaView read it. Its steps are whole: one that could not be written is not there.

    Collective over `comm`, as are all methods. As a context manager it waits at the end for what is being written.
    Needs h5py, ``pip install 'mpi4py-pencil[hdf5]'``, not one that was built with MPI; or zarr,
    ``pip install 'mpi4py-pencil[zarr]'``.

    Parameters
    ----------
    path : path-like
        Ends in ".h5" or ".hdf5", in ".nc": NetCDF-4, or in ".zarr": Zarr 3, a directory.
    mode : str, optional
        "r" reads, "w" begins anew, "a" goes on, if the file is there.
    comm : MPI.Intracomm, optional
        The ranks; MPI.COMM_WORLD by default.
    domain : sequence, optional
        Of a new file, for each axis, component axes not counted, the coordinates of its points: all of them, or
        ``(start, length)`` of a period.
    compression : int or dict, optional
        Of new variables: 1 to 9 for zlib (in Zarr files for zstd), or what h5py's ``create_dataset`` takes, as
        hdf5plugin's filters are (zarr's ``create_array``). The ranks compress.
    single : bool, optional
        Whether new variables are in single precision in the file.

    Raises
    ------
    ImportError
        On every rank, where h5py or zarr is not installed.
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
        self._first = self.comm.Get_rank() == 0
        self.path, self._format, self._filters, self._single = agreed(
            self.comm,
            lambda: (*_path(path, mode, compression), truth("single", single)),
            lambda found: {"path": str(found[0]), "mode": mode, "compression": found[2], "single": found[3]},
        )
        coordinates = agreed(self.comm, lambda: _coordinates(domain), lambda found: {"domain": found})
        self.mode = mode
        there = mode != "w" and told(self.comm, self.path.exists)
        if mode == "r" or there:
            told(self.comm, lambda: self._format.check(self.path))
        else:
            self._format.create(self.comm, self.path, coordinates)

    def write(self, step: int, fields: Mapping[str, Any], time: float | None = None, *, wait: bool = True) -> None:
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
        wait : bool, optional
            Whether the step is there when this returns. Otherwise the arrays are copied and a thread writes them, so
            that they may be changed at once. The step is there, or an error is raised on every rank, at the next call
            of a method, or when the program ends.

        Raises
        ------
        OSError
            On every rank, where it cannot be written: the disk is full, … . Then the step is not there.
        TypeError, ValueError
            On every rank, where the arrays or the steps do not fit those before, or arguments are wrong or not the same
            everywhere.
        """
        self.wait()
        written, number, moment = agreed(
            self.comm, lambda: self._asked(step, fields, time, wait), lambda made: self._told(*made, wait)
        )
        wanted = [Wanted(w.name, w.box.suffix, w.box.kept, self._dtype(w.u.dtype), _axes(w)) for w in written]
        finish = partial(self._finish, wanted, number, moment)
        with self._undoing(wanted):
            layouts = told(
                self.comm,
                lambda: self._format.make_room(self.path, wanted, number, self._filters, self.comm.Get_size()),
            )
            parts = [self._part(*each, wait) for each in zip(written, wanted, layouts, strict=True)]
            data = self._format.prepared(self.comm, parts, layouts)
        if wait:
            finish(layouts, lambda: self._format.write(self.path, layouts, data))
        else:
            write = partial(self._format.write, self.path, layouts, data)
            background.begin(self.comm, self, write, partial(finish, layouts))

    def wait(self) -> None:
        """Wait until what ``write(…, wait=False)`` began is there.

        Raises
        ------
        OSError
            On every rank, where it could not be written on one.
        """
        check_alive(self.comm)
        background.finish(self)

    def read(self, name: str, out: Any, step: int = -1) -> Any:
        """Read a variable at one step into an array, of any division.

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
        self.wait()
        agreed(
            self.comm,
            lambda: self._written_to("out", out),
            lambda _: {"name": name, "step": step, "out": division_of(out).said},
        )
        row = told(self.comm, lambda: self._format.find(self.path, name, step, shape_of(out), out.dtype))
        division = division_of(out)
        by = division.lines(out.dtype.itemsize)
        lines: Any = out if by is division else by.empty(out.dtype)
        agreed(self.comm, lambda: self._format.read(self.path, name, row, part_of(lines)), nothing)
        return division.moved(lines, out)

    def steps(self, name: str) -> list[int]:
        """The numbers of the steps of a variable."""
        return [int(step) for step in self._steps(name)[0]]

    def times(self, name: str) -> list[float]:
        """The times of the steps of a variable."""
        return [float(time) for time in self._steps(name)[1]]

    def annotate(self, variable: str | None = None, **attrs: Any) -> None:
        """Give the file, or a variable, attributes: texts, numbers, or lists of numbers."""
        self.wait()
        self._writable()
        agreed(self.comm, lambda: (variable, attrs), lambda said: {"variable": said[0], "attrs": said[1]})
        told(self.comm, lambda: self._format.annotate(self.path, variable, attrs))

    def xdmf(self) -> Path:
        """Write a file beside this one, ending in ".xdmf", by which ParaView opens it; give its path.

        Of HDF5 and NetCDF-4 files.
        """
        self.wait()
        if self._format is not hdf5:
            raise ValueError(f"{self.path} is no HDF5 file, of which XDMF tells")
        text = told(self.comm, lambda: description(self.path))
        target = self.path.with_suffix(".xdmf")
        with staged(self.comm, target) as temporary:
            told(self.comm, lambda: temporary.write_text(text, encoding="utf-8"))
        return target

    def __enter__(self) -> File:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Wait for what is being written, if all ranks come here without an error."""
        if error is None:
            self.wait()

    def __repr__(self) -> str:
        """Its path and mode. Local."""
        return f"File({str(self.path)!r}, {self.mode!r})"

    def _steps(self, name: str) -> tuple[Any, Any]:
        """The numbers and the times of the steps of a variable."""
        self.wait()
        found: tuple[Any, Any] = told(self.comm, lambda: self._format.steps(self.path, name))
        return found

    def _writable(self) -> None:
        """Refuse to write to a file that was opened to be read."""
        if self.mode == "r":
            raise ValueError(f"{self.path} was opened with mode 'r': it is not written to")

    def _mine(self, name: str, u: Any) -> Distributed:
        """`u`, if it is a distributed array of these ranks."""
        found: Distributed = distributed(name, u)
        if not same_ranks(division_of(found).comm, self.comm):
            raise ValueError(f"{name} is an array of other ranks than those of this file")
        return found

    def _written_to(self, name: str, u: Any) -> Distributed:
        """The same, if it may be written."""
        found = self._mine(name, u)
        if not local(found).flags.writeable:
            raise ValueError(f"{name} is read-only: it cannot be written")
        return found

    def _asked(self, step: Any, fields: Any, time: Any, wait: Any) -> tuple[list[_Written], int, float]:
        """What is written; wrong arguments are refused."""
        self._writable()
        truth("wait", wait)
        if not isinstance(step, numbers.Integral) or step < 0:
            raise ValueError(f"step must be a whole number, 0 or more, not {said(step)}")
        if not isinstance(fields, Mapping) or not fields:
            raise TypeError(f"fields must be a dict of names to arrays and lists of them, not {said(fields)}")
        written = [w for name, given in fields.items() for w in self._variables(name, given)]
        names = [w.name for w in written]
        if not names:
            raise ValueError(f"fields has no arrays: {fields!r}")
        if len(set(names)) < len(names):
            raise ValueError(f"fields has the same variable twice: {names}")
        return written, int(step), _moment(step if time is None else time)

    def _told(self, written: list[_Written], step: int, time: float, wait: bool) -> dict[str, Any]:
        """What all ranks must pass alike."""
        fields = [w.name for w in written]
        dtypes, parts = [w.u.dtype for w in written], [(w.box, division_of(w.u).said) for w in written]
        return {"step": step, "time": time, "wait": wait, "fields": fields, "dtypes": dtypes, "the arrays": parts}

    def _variables(self, name: Any, given: Any) -> Iterator[_Written]:
        """The variables that stand under one name."""
        check_name(name)
        for each in given if isinstance(given, list) else [given]:
            u, index = each if isinstance(each, tuple) and len(each) == 2 else (each, ...)
            u = self._mine(f"fields[{name!r}]", u)
            self._dtype(u.dtype)
            box = selected(index, shape_of(u), f"the part of {name!r}")
            if 0 in box.kept or not box.kept:
                raise ValueError(f"fields[{name!r}] has the shape {box.kept}: there is nothing to be written over time")
            yield _Written(name + box.suffix, u, box)

    def _dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """The dtype in the file of arrays of this dtype."""
        if self._single and dtype.kind in "fc":
            dtype = np.dtype({"f": np.float32, "c": np.complex64}[dtype.kind])
        self._format.refuse(self.path, dtype)
        return dtype

    def _part(self, written: _Written, wanted: Wanted, layout: Any, wait: bool) -> Any:
        """What this rank writes of a variable, in the dtype of the file, in other memory unless waited for."""
        u, box = written.u, written.box
        part = self._format.part(u, box, wanted.dtype.itemsize, layout)
        part = agreed(self.comm, lambda: part.of_dtype(wanted.dtype), nothing)
        return part if wait else agreed(self.comm, lambda: part.apart_from(u), nothing)

    def _finish(
        self, wanted: list[Wanted], step: int, time: float, layouts: Sequence[Any], written: Callable[[], Any]
    ) -> None:
        """Say that a step is there, once `written` returns on every rank. Collective."""
        with self._undoing(wanted):
            stored = agreed(self.comm, written, nothing)
            self._format.finish(self.comm, self.path, wanted, layouts, stored, step, time)

    @contextmanager
    def _undoing(self, wanted: list[Wanted]) -> Iterator[None]:
        """Where the block raises, on every rank, what there is of a step is removed."""
        try:
            yield
        except BaseException:
            if self._first:
                self._format.undo(self.path, wanted)
            raise


def _moment(time: Any) -> float:
    """A time, which is a finite number."""
    if not isinstance(time, numbers.Real) or not np.isfinite(float(time)):
        raise ValueError(f"time must be a finite number, not {said(time)}")
    return float(time)


def _path(path: Any, mode: Any, compression: Any) -> tuple[Path, Any, dict[str, Any]]:
    """The path of a file of a known kind, the module of its format, and what its variables are compressed by."""
    found = Path(path).absolute()  # wherever the program goes while a thread writes
    form = next((each for each in _FORMATS if found.suffix in each.SUFFIXES), None)
    if form is None:
        raise ValueError(
            f"path {str(path)!r} must end in {', '.join(suffix for each in _FORMATS for suffix in each.SUFFIXES)}: "
            "HDF5, NetCDF-4, or Zarr"
        )
    filters = form.filters(compression)
    if mode not in ("r", "w", "a"):
        raise ValueError(f"mode must be 'r', 'w' or 'a', not {mode!r}")
    return found, form, filters


def _coordinates(domain: Any) -> list[Any] | None:
    """The coordinates along each axis: all of them as a list, or the start and the length of a period by name."""
    if domain is None:
        return None
    if not isinstance(domain, (Sequence, np.ndarray)):
        raise TypeError(f"domain must have the coordinates or (start, length) of each axis, not {said(domain)}")
    found: list[Any] = []
    for axis in domain:
        values = np.asarray(axis, float)
        if values.ndim != 1 or not np.isfinite(values).all():
            raise ValueError(f"domain must have the coordinates or (start, length) of each axis, not {said(axis)}")
        period = isinstance(axis, tuple) and len(axis) == 2
        found.append(dict(zip(("start", "length"), values.tolist(), strict=True)) if period else values.tolist())
    return found


def _axes(written: _Written) -> list[Axis]:
    """What the axes of a variable are."""
    box, rank = written.box, division_of(written.u).rank
    ndim = len(box.shape)
    kept = [k for k in range(ndim) if k not in box.dropped]
    return [Axis(k - rank, ndim - rank, *box.runs[k], box.shape[k]) for k in kept]
