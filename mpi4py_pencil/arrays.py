"""Arrays of the caller: whether they fit, and where they lie."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def checks_together() -> bool:
    """Whether calls agree on their arrays before they begin, so that one rank's error is everyone's."""
    return os.environ.get("MPI4PY_PENCIL_CHECK", "0") not in ("", "0")


def overlap(a: Array, b: Array) -> bool:
    """Whether two arrays have an item in common; where that is too hard to tell, whether their extents do."""
    if not np.may_share_memory(a, b):
        return False
    try:
        return np.shares_memory(a, b, max_work=10_000)  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True


def address(array: Array) -> int:
    """Of the array's first item."""
    return int(array.__array_interface__["data"][0])


def checked_array(name: str, array: Any, shape: tuple[int, ...], dtype: np.dtype[Any], written: bool = False) -> Array:
    """`array`, if it is one of this shape and dtype, and may be written where that is wanted.

    Raises
    ------
    TypeError, ValueError
        Where it is not; they name the argument.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name} must be a numpy array, not {type(array).__name__}")
    if array.dtype != dtype:
        raise TypeError(f"{name} has dtype {array.dtype}, expected {dtype}")
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, expected this rank's block {shape}")
    if written and not array.flags.writeable:
        raise ValueError(f"{name} is read-only: it cannot be written")
    return array
