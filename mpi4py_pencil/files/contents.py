"""What a file or a directory of files holds, in lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mpi4py import MPI

from . import npy, rows, zarr3
from .manifests import MANIFEST, found, headers, read_manifest, verify

# With which HDF5 and NetCDF-4 files begin.
_HDF5 = b"\x89HDF\r\n\x1a\n"


def contents(path: Path) -> Iterator[str]:
    """What lies at a path, line by line. Local; of a checkpoint all bytes are read and compared with their checksums.

    Of several checkpoints those are told that are whole, before it is raised that others are damaged.

    Raises
    ------
    OSError
        Where it cannot be read.
    ValueError
        Where it is nothing of this package's, or damaged.
    """
    if path.is_dir():
        if (path / MANIFEST).exists():
            yield from _checkpoint(path)
            return
        if (path / "zarr.json").exists():
            yield from zarr3.told_of(path)
            return
        there = found(path)
        if not there:
            raise ValueError(f"{path} has no checkpoints")
        yield f"{path}: {len(there)} checkpoint{'s' * (len(there) > 1)}, the last one first"
        damaged = []
        for _, _, each in reversed(there):
            try:
                yield from _checkpoint(each)
            except (OSError, ValueError) as error:
                yield f"{each.name}: cannot be used: {error}"
                damaged.append(each.name)
        if damaged:
            raise ValueError(f"{path} has damaged checkpoints: {', '.join(damaged)}")
        return
    with path.open("rb") as file:
        start = file.read(len(_HDF5))
    if start == _HDF5:
        yield from rows.told_of(path)
    else:
        header = npy.header_of(path)
        order = {"C": "C order", "F": "Fortran order"}[header.order]
        yield f"{path}: {_array(header.shape, header.dtype)}, {order}, {header.nbytes} bytes"


def _array(shape: Any, dtype: Any) -> str:
    """The shape and the dtype of an array."""
    return f"{' x '.join(map(str, shape))} {dtype}"


def _checkpoint(path: Path) -> Iterator[str]:
    """What a checkpoint holds, when its bytes are known to be those that were saved."""
    manifest = read_manifest(path)
    known = headers(path, manifest)
    verify(path, manifest, known, MPI.COMM_SELF)
    yield f"{path.name}: step {manifest['step']}, whole"
    for name, value in manifest["attrs"].items():
        yield f"    {name} = {value!r}"
    for name, array in manifest["arrays"].items():
        yield f"    {name}: {_array(known[name].shape, known[name].dtype)}{_modes(array['modes'])}"


def _modes(modes: Any) -> str:
    """What the modes of an array are."""
    if modes is None:
        return ""
    axes = ", ".join("points" if axis is None else f"{axis['modes']} of {axis['family']}" for axis in modes["axes"])
    return f", modes: {axes}; norm {modes['norm']!r}"
