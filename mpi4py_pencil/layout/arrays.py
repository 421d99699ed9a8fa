"""Blocks in memory: their strides and addresses, whether an array fits, and keeping what was prepared for a layout."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np

from .._kernels import address

__all__ = [
    "address",
    "checked_array",
    "cut",
    "keep",
    "natural",
    "offset",
    "overlap",
    "refuse_masked",
    "refuse_no_array",
    "said",
    "strides",
    "truth",
    "view_at",
    "whole_number",
]

Array = np.ndarray[Any, Any]
# Longer values than this are cut off in a message.
_LONGEST = 200

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


def view_at(
    first: int, shape: tuple[int, ...], dtype: np.dtype[Any], byte_strides: tuple[int, ...], owner: object = None
) -> Array:
    """Memory whose first item lies at an address, as an array; `owner` is what keeps it as long as the array."""
    there = {"version": 3, "shape": shape, "typestr": dtype.str, "data": (first, False), "strides": byte_strides}
    return np.asarray(SimpleNamespace(__array_interface__=there, owner=owner))


def cut(array: Array, at: Sequence[slice]) -> Array:
    """The part of an array that lies at a place, with all component axes."""
    index: Any = (..., *at)
    part: Array = array[index]
    return part


def checked_array(
    name: str, array: Any, shape: tuple[int, ...], dtype: np.dtype[Any], written: bool = False, whole: str = ""
) -> Array:
    """`array`, if it is one of this shape and dtype, and may be written where that is wanted.

    `whole` says in a message what the shape is a part of.

    Raises
    ------
    TypeError, ValueError
        Where it is not; they name the argument.
    """
    refuse_no_array(name, array)
    refuse_masked(name, array)
    if array.dtype != dtype:
        raise TypeError(f"{name} has dtype {array.dtype}, expected {dtype}")
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, expected this rank's block {shape}{whole}")
    if written and not array.flags.writeable:
        raise ValueError(f"{name} is read-only: it cannot be written")
    return array


def refuse_no_array(name: str, array: Any) -> None:
    """Refuse, with TypeError, what is no array of numpy's."""
    if not isinstance(array, np.ndarray):
        hint = f": pass {name}.as_local(), this rank's block of it" if hasattr(array, "as_local") else ""
        raise TypeError(f"{name} must be a numpy array, not {type(array).__name__}{hint}")


def refuse_masked(name: str, array: Any) -> None:
    """Refuse, with TypeError, an array of numpy.ma: its mask would be lost."""
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array, whose mask would be lost: pass its .data, or .filled(value)")


def said(value: Any) -> str:
    """What a message says of a wrong argument: of what may be large, or collective to print, its type and shape."""
    if type(value) in (list, tuple, dict):
        return _cut_off(_said_of_all(value))
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes, slice, np.generic)):
        return _cut_off(repr(value))
    shape = getattr(value, "shape", None)
    return f"{type(value).__name__} of shape {shape}" if isinstance(shape, tuple) else type(value).__name__


def _said_of_all(values: Any) -> str:
    """What is said of the values of a list, a tuple or a dict."""
    some = itertools.islice(values.items() if isinstance(values, dict) else values, 8)
    if isinstance(values, dict):
        return f"{{{', '.join(f'{said(key)}: {said(value)}' for key, value in some)}}}"
    texts = ", ".join(map(said, some))
    return f"[{texts}]" if isinstance(values, list) else f"({texts}{',' * (len(values) == 1)})"


def _cut_off(text: str) -> str:
    """A text that is not too long for a message."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def whole_number(value: Any) -> bool:
    """Whether a value is one whole number; arrays of numpy's, which may hold several, are not."""
    return hasattr(value, "__index__") and not getattr(value, "ndim", 0)


def truth(name: str, value: Any) -> bool:
    """`value`, if it is true or false.

    Raises
    ------
    TypeError
        Where it is something else, as an array is; it names the argument.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, not {said(value)}")
    return bool(value)


def keep(kept: dict[K, V], key: K, value: V, most: int) -> V:
    """`value`, kept under `key` in place of the oldest where there are `most`: new layouts must not fill memory."""
    while len(kept) >= most:
        del kept[next(iter(kept))]
    kept[key] = value
    return value


def strides(
    shape: tuple[int, ...], order: tuple[int, ...], itemsize: int, row_bytes: Callable[[int], int] = int
) -> tuple[int, ...]:
    """Byte strides of a block whose axes lie in memory in `order`, the outermost first.

    The block is contiguous unless `row_bytes`, which makes the bytes from row to row of those in a row along the
    innermost axis, leaves a gap.
    """
    step = itemsize
    result = [0] * len(shape)
    for k, axis in enumerate(reversed(order)):
        result[axis] = step
        step *= shape[axis]
        if k == 0:
            step = row_bytes(step)
    return tuple(result)


def natural(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Byte strides of a contiguous block whose axes lie in memory in their own order."""
    return strides(shape, tuple(range(len(shape))), itemsize)


def offset(index: Sequence[int], byte_strides: Sequence[int]) -> int:
    """Bytes from the first item of a block to the one at `index`."""
    return sum(i * stride for i, stride in zip(index, byte_strides, strict=True))
