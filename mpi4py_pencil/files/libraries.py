"""Libraries that only some files need: imported when they are, with an error that says how to get them."""

from __future__ import annotations

import importlib
from typing import Any


def h5py() -> Any:
    """The module h5py.

    Raises
    ------
    ImportError
        Where it is not installed.
    """
    return _library("h5py", "hdf5")


def zarr() -> Any:
    """The module zarr.

    Raises
    ------
    ImportError
        Where it is not installed.
    """
    return _library("zarr", "zarr")


def _library(name: str, extra: str) -> Any:
    """A module that an extra brings."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"this file needs {name}: pip install 'mpi4py-pencil[{extra}]'") from error
