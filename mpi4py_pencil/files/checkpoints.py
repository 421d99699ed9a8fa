"""Checkpoints of a simulation: several arrays and some figures in a directory, whole or not there at all."""

from __future__ import annotations

import functools
import json
import numbers
import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
from mpi4py import MPI

from ..layout.arrays import said, truth
from ..ranks.agreement import agreed, nothing, told
from ..ranks.communicators import check_alive, communicator
from ..spec import LineSpec, Spec
from . import background, npy
from .division import Division, context_of, division_like, division_of, in_lines, ranks_like, same_ranks, usual
from .manifests import FORMAT, Manifest, found, headers, read_manifest, verify
from .modes import Change, axes_of, check, read_modes
from .parts import Distributed, distributed, part_of, shape_of
from .writing import Writing


class Checkpoint(NamedTuple):
    """What was loaded: the step, the arrays by their names, and what else was saved with them."""

    step: int
    state: dict[str, Any]
    attrs: dict[str, Any]


class Checkpoints:
    """Checkpoints in a directory, of which the last few are kept.

    Each is a directory of its own, with a file of numpy's for each array, which ``numpy.load`` reads, and a manifest
    with checksums. It has its name when all is on the disk: whatever ends a program, the checkpoints that it had saved
    are there and whole.

    Collective over `comm`, as are all methods. As a context manager it waits at the end for what is being written.

    Parameters
    ----------
    directory : path-like
        It is made if it is not there.
    keep : int, optional
        How many are kept.
    comm : MPI.Intracomm, optional
        The ranks; MPI.COMM_WORLD by default.

    Raises
    ------
    OSError, TypeError, ValueError
        On every rank, where the directory cannot be made, or arguments are wrong or not the same everywhere.

    Examples
    --------
    >>> import tempfile
    >>> from mpi4py import MPI
    >>> fft = PFFT(MPI.COMM_WORLD, (8, 8))
    >>> u_hat = newDistArray(fft, val=1)
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     checkpoints = files.Checkpoints(directory)
    ...     checkpoints.save(10, {"u_hat": (u_hat, fft.output)}, time=0.5)
    ...     fine = PFFT(MPI.COMM_WORLD, (12, 12))
    ...     step, state, attrs = checkpoints.load(like={"u_hat": fine.output})
    >>> step, attrs["time"], state["u_hat"].global_shape
    (10, 0.5, (12, 7))
    """

    def __init__(self, directory: str | os.PathLike[str], keep: int = 3, comm: MPI.Intracomm | None = None) -> None:
        self.comm = communicator(MPI.COMM_WORLD if comm is None else comm)
        self.directory, self.keep = agreed(
            self.comm,
            lambda: (Path(directory).absolute(), _whole("keep", keep, 1)),
            lambda found: {"directory": str(found[0]), "keep": found[1]},
        )
        told(self.comm, lambda: self.directory.mkdir(parents=True, exist_ok=True))

    def save(self, step: int, state: Mapping[str, Any], *, wait: bool = True, **attrs: Any) -> None:
        """Save a checkpoint, and remove those beyond the number that is kept.

        Parameters
        ----------
        step : int
            The number of the step, 0 or more.
        state : dict
            The arrays by their names: DistArrays or GlobalArrays; for modes a pair of one and its Spec,
            ``(u_hat, fft.output)``, by which they can be loaded at another resolution.
        wait : bool, optional
            Whether the checkpoint is there when this returns. Otherwise the arrays are copied and a thread writes them,
            so that they may be changed at once. The checkpoint is there, or an error is raised on every rank, at the
            next call of a method, or when the program ends.
        **attrs
            What else is to be saved: numbers, texts, and lists and dicts of these.

        Raises
        ------
        OSError
            On every rank, where the checkpoint cannot be written: the disk is full, … . The others are as they were.
        TypeError, ValueError
            On every rank, where arguments are wrong or not the same everywhere.
        """
        self.wait()
        arrays, manifest = agreed(self.comm, lambda: self._asked(step, state, attrs, wait), lambda made: _told(*made))
        parts = {name: part_of(in_lines(u)) for name, u in arrays.items()}
        if not wait:
            parts = agreed(self.comm, lambda: {k: part.apart_from(arrays[k]) for k, part in parts.items()}, nothing)
        writing = Writing(self.comm, self.directory, manifest, {name: u.dtype for name, u in arrays.items()})
        if wait:
            writing.finish(lambda: writing.write(parts), self.keep)
        else:
            finish = functools.partial(writing.finish, keep=self.keep)
            background.begin(self.comm, self, lambda: writing.write(parts), finish)

    def wait(self) -> None:
        """Wait until what ``save(…, wait=False)`` began is there.

        Raises
        ------
        OSError
            On every rank, where it could not be written on one.
        """
        check_alive(self.comm)
        background.finish(self)

    def latest(self) -> int | None:
        """The step of the checkpoint that was saved last; None where there is none."""
        self.wait()
        steps = told(self.comm, lambda: [step for _, step, _ in found(self.directory)])
        return steps[-1] if steps else None

    def load(self, step: int | None = None, like: Mapping[str, Any] | None = None) -> Checkpoint:
        """Load a checkpoint, on any number of ranks.

        Its bytes are compared with their checksums first.

        Parameters
        ----------
        step : int, optional
            Which; by default the last that is whole. A warning tells of those that are damaged.
        like : dict, optional
            For each array that is wanted, by its name, how it is to be divided: a DistArray, a GlobalArray, a Pencil or
            a Spec. Modes that were saved with their Spec become those of the Spec that is given here, with other
            numbers of them: higher ones are cut off, or are zero. By default all arrays, divided along all axes but
            the last, or along their only one.

        Returns
        -------
        Checkpoint
            A tuple ``(step, state, attrs)``. The arrays are new memory: DistArrays; GlobalArrays where `like` has one
            or the output of an FFT1D,
            or where an array has no two axes and there is no `like`.

        Raises
        ------
        FileNotFoundError
            On every rank, where there is none.
        OSError, ValueError
            On every rank, where it is damaged, its arrays do not fit `like`, or arguments are wrong or not the same
            everywhere.
        """
        self.wait()
        context_of(self.comm)
        number, _ = agreed(self.comm, lambda: _wanted(step, like), lambda asked: {"step": asked[0], "like": asked[1]})
        path, manifest, starts = self._whole_one(number)
        names = agreed(self.comm, lambda: _names(path, manifest, like), nothing)
        state = {}
        for name in names:
            given = None if like is None else like[name]
            state[name] = self._array(path / f"{name}.npy", manifest["arrays"][name], starts[name], given)
        return Checkpoint(manifest["step"], state, manifest["attrs"])

    def __enter__(self) -> Checkpoints:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what is being written, if all ranks come here without an error."""
        if error is None:
            self.wait()

    def __repr__(self) -> str:
        """Where they are, and how many are kept. Local."""
        return f"Checkpoints({str(self.directory)!r}, keep={self.keep})"

    def _asked(
        self, step: Any, state: Any, attrs: dict[str, Any], wait: Any
    ) -> tuple[dict[str, Distributed], Manifest]:
        """The arrays, and the manifest without checksums; wrong arguments are refused."""
        if not isinstance(state, Mapping):
            raise TypeError(f"state must be a dict of names to arrays, such as {{'u': u}}, not {said(state)}")
        truth("wait", wait)
        arrays, described = {}, {}
        for name, value in state.items():
            u, spec = value if isinstance(value, tuple) and len(value) == 2 else (value, None)
            arrays[name] = u = distributed(f"state[{name!r}]", u)
            described[_file_name(name)] = _description(name, u, spec, self.comm)
        try:
            plain = json.loads(json.dumps(attrs, default=_figures))
        except (TypeError, ValueError) as error:
            raise TypeError(f"attrs must be numbers, texts, and lists and dicts of these: {error}") from error
        number = _whole("step", step, 0)
        return arrays, {"format": FORMAT, "step": number, "attrs": plain, "arrays": described}

    def _whole_one(self, step: int | None) -> tuple[Path, Manifest, dict[str, npy.Header]]:
        """The last checkpoint that is whole, of this step if one is given: its path, manifest, and headers."""
        there = told(self.comm, lambda: found(self.directory))
        problem: Exception | None = None
        for path in [path for _, number, path in reversed(there) if step in (None, number)]:
            try:
                return path, *self._verified(path)
            except (OSError, ValueError) as error:  # on every rank
                told(self.comm, functools.partial(_warn, f"the checkpoint {path} cannot be used: {error}"))
                problem = error
        which = "" if step is None else f" of step {step}"
        if problem is not None:
            raise problem
        raise FileNotFoundError(f"there is no checkpoint{which} in {self.directory}")

    def _verified(self, path: Path) -> tuple[Manifest, dict[str, npy.Header]]:
        """The manifest and the headers of a checkpoint that is whole."""
        manifest, known = told(self.comm, lambda: _opened(path))
        agreed(self.comm, lambda: verify(path, manifest, known, self.comm), nothing)
        return manifest, known

    def _array(self, path: Path, saved: dict[str, Any], header: npy.Header, like: Any) -> Distributed:
        """One array of a checkpoint, as `like` asks for it. Collective."""
        comm = self.comm
        if like is None:
            division = usual(comm, header.shape, saved["rank"])
        else:
            division = agreed(comm, lambda: _fitting(like, saved, header, path, comm), lambda made: {"like": made.said})
        u = division.lines(header.dtype.itemsize).empty(header.dtype)
        change = _change(like, saved)
        if change is None:
            agreed(comm, lambda: npy.read(path, header, part_of(u)), nothing)
        else:
            agreed(comm, lambda: read_modes(path, header, part_of(u), change), nothing)
        return division.moved(u)


def _told(arrays: Mapping[str, Distributed], manifest: Manifest) -> dict[str, Any]:
    """What all ranks must pass alike."""
    return {"what is saved": manifest, "the arrays": [division_of(u).said for u in arrays.values()]}


def _opened(path: Path) -> tuple[Manifest, dict[str, npy.Header]]:
    """The manifest of a checkpoint, and the headers of its arrays."""
    manifest = read_manifest(path)
    return manifest, headers(path, manifest)


def _wanted(step: Any, like: Any) -> tuple[int | None, tuple[str, ...]]:
    """The step and the names that are asked for; wrong arguments are refused."""
    if like is not None and not isinstance(like, Mapping):
        raise TypeError(f"like must be a dict of names to arrays, pencils or specs, {{'u': u}}, not {said(like)}")
    return None if step is None else _whole("step", step, 0), tuple(like or ())


def _names(path: Path, manifest: Manifest, like: Mapping[str, Any] | None) -> list[str]:
    """The arrays to be loaded."""
    there = manifest["arrays"]
    for name in like or ():
        if name not in there:
            raise ValueError(f"{path} has no array {name!r}, but {sorted(there)}")
    return list(there if like is None else like)


def _whole(name: str, value: Any, least: int) -> int:
    """`value`, if it is a whole number that is not too small."""
    if not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"{name} must be a whole number, {least} or more, not {said(value)}")
    return int(value)


def _file_name(name: Any) -> str:
    """The name of an array, if a file may have it."""
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w.+-]*", name, re.ASCII):
        raise ValueError(f"state has the name {name!r}: it must be of letters, digits, '_', '.', '+' and '-'")
    return name


def _description(name: str, u: Distributed, spec: Any, comm: MPI.Intracomm) -> dict[str, Any]:
    """What is written of an array, but for its checksums."""
    npy.writable(u, Path(name))
    division, shape = division_of(u), shape_of(u)
    if not same_ranks(division.comm, comm):
        raise ValueError(f"state[{name!r}] is an array of other ranks than those of these checkpoints")
    described = {"shape": list(shape), "dtype": str(u.dtype), "rank": division.rank, "modes": None}
    if spec is not None:
        if not isinstance(spec, (Spec, LineSpec)) or not spec.transforms:
            raise TypeError(f"state[{name!r}] must be an array, or an array and its Spec, fft.output; not {said(spec)}")
        described["rank"] = rank = max(0, len(shape) - len(spec.global_shape))
        if shape[rank:] != spec.global_shape or u.dtype != spec.dtype:
            raise ValueError(f"state[{name!r}] is an array of {u.dtype} of shape {shape}, not one of its Spec")
        described["modes"] = {"axes": axes_of(spec), "norm": spec.norm}
    return described


def _figures(value: Any) -> Any:
    """Numbers and arrays of numpy's as JSON knows them."""
    if isinstance(value, (np.generic, np.ndarray)) and value.dtype.kind in "biufUM":
        return value.tolist()
    raise TypeError(f"{said(value)} is none")


def _warn(problem: str) -> None:
    """Warn of a problem."""
    warnings.warn(problem, RuntimeWarning, stacklevel=2)


def _fitting(like: Any, saved: dict[str, Any], header: npy.Header, path: Path, comm: MPI.Intracomm) -> Division:
    """The division that `like` asks for, if the saved array can be had so."""
    if not same_ranks(ranks_like(like), comm):
        raise ValueError("like is an array of other ranks than those of these checkpoints")
    division = division_like(like, header.shape, comm)
    if getattr(like, "dtype", header.dtype) != header.dtype:
        raise ValueError(f"{path} has an array of dtype {header.dtype}, like has {like.dtype}")
    change = _change(like, saved)
    if change is not None:
        check(change)
    free = [k for k, axis in enumerate([] if change is None else change.new) if axis is not None]
    for k, (mine, theirs) in enumerate(zip(header.shape, division.shape, strict=True)):
        if mine != theirs and k - division.rank not in free:
            known = "" if saved["modes"] else ": modes can be loaded at another resolution if saved with their Spec"
            raise ValueError(f"{path} has an array of shape {header.shape}, like has {division.shape}{known}")
    return division


def _change(like: Any, saved: dict[str, Any]) -> Change | None:
    """The resolutions between which the modes of an array are to be changed; None where they stay as they are."""
    if saved["modes"] is None or not isinstance(like, (Spec, LineSpec)) or not like.transforms:
        return None
    old, new = saved["modes"]["axes"], axes_of(like)
    change = Change(old, new, saved["modes"]["norm"], like.norm)
    return None if (old, change.old_norm) == (new, change.norm) else change
