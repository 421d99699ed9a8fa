"""What lies in a directory of checkpoints: their names, their manifests, and whether they are whole."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI

from . import npy
from .checksums import SLAB, my_slabs
from .disk import read
from .staged import TEMPORARY

Manifest = dict[str, Any]

MANIFEST = "manifest.json"
FORMAT = "mpi4py-pencil checkpoint 1"
# The directory of a checkpoint: its number, one more than that of the one before, and its step.
_NAME = re.compile(r"(\d{6,})-step-(\d+)")


def found(directory: Path) -> list[tuple[int, int, Path]]:
    """The checkpoints of a directory in the order in which they were saved: number, step, path. Local."""
    named = [(_NAME.fullmatch(path.name), path) for path in directory.iterdir()]
    return sorted((int(name[1]), int(name[2]), path) for name, path in named if name)


def next_name(directory: Path, step: int) -> Path:
    """The path of the next checkpoint. Local."""
    last = max((number for number, _, _ in found(directory)), default=0)
    return directory / f"{last + 1:06}-step-{step}"


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write the manifest of a checkpoint, down to the disk. Local."""
    text = json.dumps(manifest, indent=1)
    with (path / MANIFEST).open("x", encoding="utf-8") as file:
        file.write(f"{text}\n{zlib.crc32(text.encode()):08x}\n")
        file.flush()
        os.fsync(file.fileno())


def read_manifest(path: Path) -> Manifest:
    """The manifest of a checkpoint. Local.

    Raises
    ------
    OSError, ValueError
        Where it cannot be read, or is damaged.
    """
    text, _, crc = (path / MANIFEST).read_text(encoding="utf-8", errors="replace").removesuffix("\n").rpartition("\n")
    if crc != f"{zlib.crc32(text.encode()):08x}":
        raise ValueError(f"{path / MANIFEST} is damaged: its checksum is wrong")
    manifest = json.loads(text)
    if manifest["format"] != FORMAT:
        raise ValueError(f"{path} is a {manifest['format']}, and not a {FORMAT}")
    return dict(manifest)


def headers(path: Path, manifest: Manifest) -> dict[str, npy.Header]:
    """What the files of a checkpoint say of their arrays, the same as its manifest. Local.

    Raises
    ------
    OSError, ValueError
        Where they cannot be read, or say something else.
    """
    read = {name: npy.header_of(path / f"{name}.npy") for name in manifest["arrays"]}
    for name, array in manifest["arrays"].items():
        if read[name].shape != tuple(array["shape"]) or str(read[name].dtype) != array["dtype"]:
            raise ValueError(f"{path / name}.npy is damaged: it has an array of another shape or dtype than was saved")
    return read


def verify(path: Path, manifest: Manifest, known: dict[str, npy.Header], comm: MPI.Intracomm) -> None:
    """Compare the bytes of this rank's share of the arrays of a checkpoint with their checksums. Local.

    `known` has the headers of the files.

    Raises
    ------
    OSError, ValueError
        Where they cannot be read, or are not those that were saved.
    """
    for name, array in manifest["arrays"].items():
        at, end = known[name].at, known[name].nbytes
        file = os.open(path / f"{name}.npy", os.O_RDONLY)
        try:
            for slab in my_slabs(array["crc32"], comm.Get_rank(), comm.Get_size()):
                start = at + slab * SLAB
                data = np.empty(min(SLAB, end - start), np.uint8)
                read(file, start, data)
                if zlib.crc32(data.data) != array["crc32"][slab]:
                    raise ValueError(
                        f"{path / name}.npy is damaged: the bytes from {slab * SLAB} of its array on are not those "
                        "that were saved"
                    )
        finally:
            os.close(file)


@contextmanager
def alone(directory: Path) -> Iterator[bool]:
    """Keep other jobs from what is done in a ``with`` block; gives whether the file system can do that. Local."""
    file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(file)


def claim(path: Path) -> int:
    """A descriptor by which others see that somebody works on a temporary directory, until it is closed. Local."""
    file = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    with suppress(OSError):  # a file system without locks, where nobody looks for them either
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return file


def remove_leftovers(directory: Path) -> None:
    """Remove what jobs have left that were killed; to be called within `alone`. Local."""
    for path in directory.glob(f".*{TEMPORARY}"):
        try:
            file = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # just removed by its job
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue  # its job is at work
        finally:
            os.close(file)
        shutil.rmtree(path, ignore_errors=True)
