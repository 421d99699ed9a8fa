"""Arrays of the caller: whether they fit, where they lie, and keeping what was prepared for them."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

Array = np.ndarray[Any, Any]
K = TypeVar("K")
V = TypeVar("V")


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
    refuse_masked(name, array)
    if array.dtype != dtype:
        raise TypeError(f"{name} has dtype {array.dtype}, expected {dtype}")
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, expected this rank's block {shape}")
    if written and not array.flags.writeable:
        raise ValueError(f"{name} is read-only: it cannot be written")
    return array


def refuse_masked(name: str, array: Any) -> None:
    """Refuse, with TypeError, an array of numpy.ma: its mask would be lost."""
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array, whose mask would be lost: pass its .data, or .filled(value)")


def keep(kept: dict[K, V], key: K, value: V, most: int) -> V:
    """`value`, kept under `key` in place of the oldest where there are `most`: new layouts must not fill memory."""
    while len(kept) >= most:
        del kept[next(iter(kept))]
    kept[key] = value
    return value
