"""``mpi4py_fft.io.file_base``: what files of fields have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI

from ...files.chunks import Layout
from ...ranks.agreement import agreed, told
from .parts import Written, as_written, opened, part_of, write_parts


class FileBase:
    """A file of fields, written and read by all ranks of MPI.COMM_WORLD. All but `backend` is collective over these.

    Parameters
    ----------
    filename : str
        The file.
    domain : sequence, optional
        For each axis ``(origin, length)`` or the coordinates of its points; (0, 2π) by default.
    mode : str, optional
        "r" reads, "w" begins anew, "a" goes on, if the file is there.

    Attributes
    ----------
    f : h5py.File or None
        What `open` has opened.
    """

    def __init__(self, filename: str, domain: Sequence[Any] | None = None, mode: str = "a") -> None:
        self.filename = filename
        self.domain = domain
        self.f: Any = None
        self._comm = MPI.COMM_WORLD
        # before rank 0 makes the file: other ranks may still have removed one of that name
        agreed(self._comm, lambda: _checked(mode), lambda _: {"filename": filename, "mode": mode})
        told(self._comm, lambda: self._prepare(mode))

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.filename)

    def _prepare(self, mode: str) -> None:
        """Make the file, or look whether it is there. Of rank 0."""
        if mode == "a" and not self.path.exists():
            mode = "w"
        with opened(self.path, "r+" if mode == "a" else mode) as file:
            self._begin(file)

    def _begin(self, file: Any) -> None:
        """Make what a new file has."""

    @staticmethod
    def backend() -> str:
        """Which kind of file it is."""
        raise NotImplementedError

    def open(self, mode: str = "r") -> None:
        """Open the file to look into it, as `f`; to write into it there is `write`."""
        del mode  # ranks that wrote by themselves would destroy the file
        self.f = opened(self.path, "r")

    def close(self) -> None:
        """Close what `open` has opened."""
        if self.f is not None:
            self.f.close()
            self.f = None

    def write(self, step: int, fields: Mapping[str, Sequence[Any]], as_scalar: bool = False, **kw: Any) -> None:
        """Write fields of one step.

        Parameters
        ----------
        step : int
            The number of the step; one that is there already is overwritten.
        fields : dict
            For each name a list of arrays, or pairs ``(u, [slice(None), 4])`` of one and the part of it that is meant.
        as_scalar : bool, optional
            Whether the components of a field become fields of their own, with their numbers behind its name.
        kw
            Ignored, as there: shenfun passes more.

        Raises
        ------
        OSError, TypeError, ValueError
            On every rank, where that cannot be done.
        """
        every = [each for name, listed in fields.items() for each in _fields(name, listed, as_scalar)]
        parts = [part_of(each) for each in every]
        layouts = told(self._comm, lambda: self._room(step, every))
        write_parts(self._comm, self.path, parts, layouts)

    def _room(self, step: int, fields: Sequence[Written]) -> list[Layout]:
        """Make room for a step of fields. Of rank 0."""
        raise NotImplementedError


def _checked(mode: Any) -> None:
    """Refuse a mode that there is not."""
    if mode not in ("r", "r+", "w", "a"):
        raise ValueError(f"mode must be 'r', 'w' or 'a', not {mode!r}")


def _fields(name: str, listed: Any, as_scalar: bool) -> Iterator[Written]:
    """What is written under one name."""
    if not isinstance(name, str) or not isinstance(listed, (list, tuple)):
        raise TypeError(
            f"fields must be a dict of names to lists of arrays, not of {name!r} to {type(listed).__name__}"
        )
    for each in listed:
        u, index = each if isinstance(each, (tuple, list)) else (each, None)
        if not as_scalar or not u.rank:
            yield as_written(name, u, index)
            continue
        for component in np.ndindex(*u.shape[: u.rank]):
            part = u
            for k in component:
                part = part[k]
            yield as_written(name + "".join(map(str, component)), part, index)


def coordinates(domain: Sequence[Any] | None, shape: Sequence[int]) -> list[Any]:
    """The domain of fields of this shape: for each axis an array of coordinates, or (origin, length)."""
    given = [(0, 2 * np.pi)] * len(shape) if domain is None else list(domain)
    if len(given) != len(shape):
        raise ValueError(f"domain has {len(given)} axes, the field {len(shape)}")
    return [np.squeeze(each) if isinstance(each, np.ndarray) else np.array([each[0], each[1]], float) for each in given]
