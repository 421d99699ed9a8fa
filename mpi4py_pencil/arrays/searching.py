"""Points by their index or value."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..layout.pencil import whole_axis
from .creation import asarray
from .globalarray import GlobalArray, check_alike, is_scalar
from .linalg import panels
from .statistics import line_of


def take(x: GlobalArray, indices: GlobalArray, /, axis: int | None = None) -> GlobalArray:
    """The points at indices along an axis. Collective."""
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"axis is missing: the array has {x.ndim} axes")
        axis = 0
    k = whole_axis(axis, x.ndim)
    return x[(slice(None),) * k + (indices,)]


def take_along_axis(x: GlobalArray, indices: GlobalArray, /, axis: int = -1) -> GlobalArray:
    """The points at indices along an axis, those that each line of `indices` has for its line. Collective."""
    k = whole_axis(axis, x.ndim)
    if indices.ndim != x.ndim:
        raise ValueError(f"indices have {indices.ndim} axes, the array has {x.ndim}")
    shape = np.broadcast_shapes(x.shape[:k] + x.shape[k + 1 :], indices.shape[:k] + indices.shape[k + 1 :])
    full = (*shape[:k], indices.shape[k], *shape[k:])
    others = [np.arange(n).reshape((-1,) + (1,) * (x.ndim - 1 - a)) for a, n in enumerate(full)]
    key = [np.minimum(o, n - 1) if n == 1 else o for o, n in zip(others, x.shape, strict=True)]
    return x[tuple(indices if a == k else key[a] for a in range(x.ndim))]


def searchsorted(x1: GlobalArray, x2: Any, /, *, side: str = "left", sorter: GlobalArray | None = None) -> GlobalArray:
    """Where the points of `x2`, or that number, belong in `x1`, which is in order, or is by `sorter`. Collective.

    The blocks of `x1` go round: no rank holds all of it.
    """
    check_alike("searchsorted", x1, other=np.shape(x2), side=side)
    if side not in ("left", "right"):
        raise ValueError(f"side {side!r} must be 'left' or 'right'")
    if x1.ndim != 1:
        raise ValueError(f"x1 must have one axis, not {x1.ndim}")
    x2 = asarray(x2, context=x1.context) if is_scalar(x2) else x2
    line = take(x1, sorter) if sorter is not None else x1
    found = np.zeros(x2.local.shape, np.int64)
    for panel in panels(line, 0):
        found += np.searchsorted(panel, x2.local, side)  # type: ignore[call-overload]
    return x2.like(found)


def isin(x1: Any, x2: Any, /, *, invert: bool = False) -> GlobalArray:
    """Whether each point of `x1` is one of `x2`. Collective."""
    if not isinstance(x1, GlobalArray):
        x1 = asarray(x1, context=x2.context)
    check_alike("isin", x1, other=np.shape(x2))
    found = np.zeros(x1.local.shape, bool)
    if isinstance(x2, GlobalArray):
        for panel in panels(line_of(x2.reshape(-1)), 0):
            found |= np.isin(x1.local, panel)
    else:
        found |= np.isin(x1.local, np.asarray(x2))
    return x1.like(found ^ invert)
