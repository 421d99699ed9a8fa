"""Wave numbers of the modes and coordinates of the points that a rank has, along the axes of a transform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..layout.pencil import Pencil
from . import Transform

TWO_PI = 8 * np.arctan(np.longdouble(1))


def wavenumbers(pencil: Pencil, transforms: Sequence[Transform], lengths: Any, nyquist: bool = True) -> list[Any]:
    """The angular wave numbers 2 pi k / L of this rank's modes along each axis.

    Parameters
    ----------
    pencil : Pencil
        Of the modes.
    transforms : sequence of Transform
        Those of a plan.
    lengths : float, sequence of float, or None
        The length L of the box along each axis; 2 pi where None.
    nyquist : bool
        Whether the Nyquist mode of an even number of Fourier modes has its wave number, rather than zero.

    Returns
    -------
    list of (ndarray or None)
        For each axis an array that broadcasts against the block, real and of the precision of the transform; None
        where the modes of an axis are no waves.

    Raises
    ------
    TypeError, ValueError
        Where `lengths` are wrong.
    """
    result: list[Any] = [None] * len(pencil.shape)
    waves = {t.axis: t.family.waves(t) for t in transforms}
    box = box_lengths(lengths, len(result), [axis for axis, k in waves.items() if k is not None])
    for t in transforms:
        k = waves[t.axis]
        if k is not None:
            if not nyquist:
                k = np.where(2 * abs(k) == t.modes, 0, k)
            result[t.axis] = _sparse(k * (TWO_PI / box[t.axis]), pencil, t)
    return result


def coordinates(pencil: Pencil, transforms: Sequence[Transform], lengths: Any) -> list[Any]:
    """The coordinates of this rank's points: as `wavenumbers`, `pencil` that of the points."""
    result: list[Any] = [None] * len(pencil.shape)
    placed = [t for t in transforms if t.family.places(t.points, np.longdouble(1)) is not None]
    box = box_lengths(lengths, len(result), [t.axis for t in placed])
    for t in placed:
        result[t.axis] = _sparse(t.family.places(t.points, box[t.axis]), pencil, t)
    return result


def _sparse(values: np.ndarray[Any, Any], pencil: Pencil, t: Transform) -> np.ndarray[Any, Any]:
    """This rank's part of values along the axis of a transform, in its precision; all other axes have length 1."""
    mine = values[pencil.local_slice()[t.axis]].astype(np.finfo(t.dtype).dtype)
    return mine.reshape([-1 if k == t.axis else 1 for k in range(len(pencil.shape))])


def box_lengths(lengths: Any, ndim: int, axes: Sequence[int]) -> np.ndarray[Any, Any]:
    """The length of the domain along each axis; those along other axes than `axes` are not looked at."""
    given = TWO_PI if lengths is None else lengths
    try:
        if np.asarray(given).dtype.kind == "b":
            raise TypeError
        box = np.asarray(given, np.longdouble)
    except (TypeError, ValueError):
        raise TypeError(f"lengths {lengths!r} must be a number, or one for each of the {ndim} axes") from None
    if box.shape not in ((), (ndim,)):
        raise ValueError(f"lengths {lengths!r} must be one number, or one for each of the {ndim} axes")
    box = np.broadcast_to(box, ndim)
    if not all(0 < box[axis] < np.inf for axis in axes):
        raise ValueError(f"lengths {lengths!r} must be positive and finite along the axes {sorted(axes)}")
    return box
