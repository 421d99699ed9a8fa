"""Wave numbers of the modes and coordinates of the points that a rank has, along the Fourier axes of a transform."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .pencil import Pencil
from .transforms import Transform

_TWO_PI = 8 * np.arctan(np.longdouble(1))


def wavenumbers(pencil: Pencil, transforms: Sequence[Any], lengths: Any, nyquist: bool = True) -> list[Any]:
    """The angular wave numbers 2 pi k / L of this rank's modes along each axis.

    Parameters
    ----------
    pencil : Pencil
        Of the modes.
    transforms : sequence of Transform and others
        Those of a plan.
    lengths : float, sequence of float, or None
        The length L of the domain along each axis; 2 pi where None.
    nyquist : bool
        Whether the Nyquist mode of an even number of modes has its wave number, rather than zero.

    Returns
    -------
    list of (ndarray or None)
        For each axis an array that broadcasts against the block, real and of the precision of the transform; None
        where an axis has no Fourier modes.

    Raises
    ------
    TypeError, ValueError
        Where `lengths` are wrong.
    """
    result: list[Any] = [None] * len(pencil.shape)
    fourier = list(_fourier(transforms))
    box = _box(lengths, len(result), [t.axis for t in fourier])
    for t in fourier:
        k = _indices(pencil, t.axis)
        if not t.real:
            k[k >= (t.modes + 1) // 2] -= t.modes
        if not nyquist:
            k[2 * abs(k) == t.modes] = 0
        result[t.axis] = _sparse(k * (_TWO_PI / box[t.axis]), t, len(result))
    return result


def coordinates(pencil: Pencil, transforms: Sequence[Any], lengths: Any) -> list[Any]:
    """The coordinates j L / n of this rank's points, j = 0..n-1: as `wavenumbers`, `pencil` that of the points."""
    result: list[Any] = [None] * len(pencil.shape)
    fourier = list(_fourier(transforms))
    box = _box(lengths, len(result), [t.axis for t in fourier])
    for t in fourier:
        result[t.axis] = _sparse(_indices(pencil, t.axis) * box[t.axis] / t.points, t, len(result))
    return result


def _fourier(transforms: Iterable[Any]) -> Iterable[Transform]:
    """The Fourier transforms among those of a plan."""
    return (t for t in transforms if isinstance(t, Transform))


def _indices(pencil: Pencil, axis: int) -> np.ndarray[Any, Any]:
    """The global indices of this rank's block along an axis."""
    return pencil.substart[axis] + np.arange(pencil.subshape[axis])


def _sparse(values: np.ndarray[Any, Any], t: Transform, ndim: int) -> np.ndarray[Any, Any]:
    """Values along the axis of a transform, in its precision, with all other axes of length 1."""
    return values.astype(np.finfo(t.dtype).dtype).reshape([-1 if k == t.axis else 1 for k in range(ndim)])


def _box(lengths: Any, ndim: int, axes: Sequence[int]) -> np.ndarray[Any, Any]:
    """The length of the domain along each axis; those along other axes than `axes` are not looked at."""
    given = _TWO_PI if lengths is None else lengths
    try:
        box = np.asarray(given, np.longdouble)
    except (TypeError, ValueError):
        raise TypeError(f"lengths {lengths!r} must be a number, or one for each of the {ndim} axes") from None
    if box.shape not in ((), (ndim,)):
        raise ValueError(f"lengths {lengths!r} must be one number, or one for each of the {ndim} axes")
    box = np.broadcast_to(box, ndim)
    if not all(0 < box[axis] < np.inf for axis in axes):
        raise ValueError(f"lengths {lengths!r} must be positive and finite along the Fourier axes, {sorted(axes)}")
    return box
