"""Data types, those of numpy, and what they become together."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy import (  # noqa: F401 - the names of the standard
    bool,
    complex64,
    complex128,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    isdtype,
    uint8,
    uint16,
    uint32,
    uint64,
)

from .globalarray import GlobalArray

DTYPES = (
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float32",
    "float64",
    "complex64",
    "complex128",
)


def checked(dtype: Any) -> np.dtype[Any]:
    """`dtype` as numpy's, if its items can be sent as bytes.

    Raises
    ------
    TypeError
        Where they refer to Python objects.
    """
    found = np.dtype(dtype)
    if found.hasobject:
        raise TypeError(f"dtype {found} holds references to Python objects, which cannot be sent")
    return found


def astype(x: GlobalArray, dtype: Any, /, *, copy: Any = True, device: str | None = None) -> GlobalArray:
    """The array in another data type; itself where it has that and no copy is asked for. Local."""
    if device is not None:
        x.to_device(device)
    if x.dtype == np.dtype(dtype) and not copy:
        return x
    return x.astype(checked(dtype))


class Limits(NamedTuple):
    """Those of a floating type, in Python's own numbers where these reach so far, as the standard wants them."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: np.dtype[Any]


def finfo(type: Any, /) -> Limits:
    """The limits of a floating type, or that of an array. Local."""
    found = np.finfo(type.dtype if isinstance(type, GlobalArray) else type)
    eps, most, least, tiny = (each.item() for each in (found.eps, found.max, found.min, found.smallest_normal))
    return Limits(int(found.bits), eps, most, least, tiny, np.dtype(found.dtype))


def iinfo(type: Any, /) -> Any:
    """The limits of an integer type, or that of an array. Local."""
    return np.iinfo(type.dtype if isinstance(type, GlobalArray) else type)


def can_cast(from_: Any, to: Any, /) -> Any:
    """Whether a type, or that of an array, can be cast to another by promotion. Local."""
    return np.can_cast(from_.dtype if isinstance(from_, GlobalArray) else from_, to)


def result_type(*arrays_and_dtypes: Any) -> np.dtype[Any]:
    """The type of what is computed from arrays, types and numbers. Local."""
    return np.result_type(*[x.dtype if isinstance(x, GlobalArray) else x for x in arrays_and_dtypes])
