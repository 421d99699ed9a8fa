"""One checkpoint while it is written: under a temporary name, until all ranks are done."""

from __future__ import annotations

import itertools
import os
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI

from ..ranks.agreement import agreed, nothing, told
from . import npy
from .checksums import Run, Sums, joined
from .disk import sync_directory
from .manifests import Manifest, alone, claim, found, next_name, remove_leftovers, write_manifest
from .parts import Part
from .staged import remove_directory, temporary_name


class Writing:
    """A checkpoint that is being written.

    Collective over `comm`: rank 0 makes a temporary directory, and files with room for all arrays in it.

    Parameters
    ----------
    comm : MPI.Intracomm
        The ranks.
    directory : Path
        Of all checkpoints.
    manifest : dict
        What is written, but for the checksums.
    dtypes : dict
        Of the arrays, by their names.

    Raises
    ------
    OSError
        On every rank, where there is no room; then nothing is left.
    """

    def __init__(
        self, comm: MPI.Intracomm, directory: Path, manifest: Manifest, dtypes: Mapping[str, np.dtype[Any]]
    ) -> None:
        self._comm, self._directory, self._manifest = comm, directory, manifest
        self._first = comm.Get_rank() == 0  # which a communicator that is freed meanwhile does not tell
        self._claim: int | None = None
        self._path = temporary_name(directory / f"step-{manifest['step']}")
        self._runs: dict[str, list[Run]] = {}
        self._path, self._headers = told(comm, lambda: self._prepared(dtypes))
        self._together(lambda: agreed(comm, self._take_room, nothing))

    def _prepared(self, dtypes: Mapping[str, np.dtype[Any]]) -> tuple[Path, dict[str, npy.Header]]:
        """The directory, and a file for each array."""
        with alone(self._directory) as certain:
            if certain:
                remove_leftovers(self._directory)
            self._path.mkdir()
            self._claim = claim(self._path)
        try:
            arrays = self._manifest["arrays"].items()
            return self._path, {
                name: npy.made(self._path / f"{name}.npy", tuple(array["shape"]), dtypes[name])
                for name, array in arrays
            }
        except BaseException:
            self._discard()
            raise

    def write(self, parts: Mapping[str, Part]) -> None:
        """Write this rank's parts of the arrays, down to the disk. Local, and in any thread."""
        for name, part in parts.items():
            sums = Sums()
            npy.write(self._path / f"{name}.npy", self._headers[name], part, sums)
            self._runs[name] = sums.runs

    def finish(self, written: Callable[[], None], keep: int) -> None:
        """Give the checkpoint its name, once `written` returns on every rank. Collective.

        Raises
        ------
        OSError
            On every rank, where it raised on one, or the name cannot be given; then nothing is left.
        """
        self._together(lambda: agreed(self._comm, written, nothing))
        everyone = self._comm.gather(self._runs)
        self._together(lambda: told(self._comm, lambda: self._named(everyone or [])))
        told(self._comm, lambda: _remove_older(self._directory, keep))

    def _take_room(self) -> None:
        """Take this rank's share of the room for all arrays."""
        for name, header in self._headers.items():
            npy.take_share(self._path / f"{name}.npy", header, self._comm.Get_rank(), self._comm.Get_size())

    def _together(self, phase: Callable[[], None]) -> None:
        """Carry out what raises on all ranks or on none; where it raises, nothing is left."""
        try:
            phase()
        except BaseException:
            if self._first:
                self._discard()
            raise

    def _named(self, everyone: list[dict[str, list[Run]]]) -> None:
        """Write the manifest, and give the directory its name."""
        for name, array in self._manifest["arrays"].items():
            header = self._headers[name]
            runs = itertools.chain.from_iterable(runs[name] for runs in everyone)
            array["crc32"] = joined(runs, header.nbytes - header.at)
        write_manifest(self._path, self._manifest)
        sync_directory(self._path)
        with alone(self._directory):
            self._path.rename(next_name(self._directory, self._manifest["step"]))
        sync_directory(self._directory)
        self._release()

    def _discard(self) -> None:
        """Remove what has been written; what cannot be removed now is removed by the next job."""
        shutil.rmtree(self._path, ignore_errors=True)
        self._release()

    def _release(self) -> None:
        """Let others see that nobody works here any more."""
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None


def _remove_older(directory: Path, keep: int) -> None:
    """Remove all checkpoints but the last few. One that cannot be removed is left, with a warning."""
    for _, _, path in found(directory)[:-keep]:
        try:
            remove_directory(path)
        except OSError as error:
            warnings.warn(f"{path}, which is not to be kept, cannot be removed: {error}", RuntimeWarning, stacklevel=2)
