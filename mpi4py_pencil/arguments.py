"""What users pass to a plan, parsed and refused in one place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .engines import checked_engine
from .exchange import checked_method
from .pencil import lengths, whole_axis
from .plan import choose_grid
from .subcomm import complete, dimensions
from .transforms import Transform

_COMPLEX = {np.dtype(c): np.dtype(c.upper()) for c in "fdgFDG"}


@dataclass(frozen=True)
class Request:
    """What a parallel transform was asked to be, every default filled in; the same on every rank.

    Attributes
    ----------
    points : tuple of int
        Global shape of the input.
    transforms : tuple of Transform
        In the order in which forward carries them out.
    dims : tuple of int
        Processes along each axis of the input.
    dtype : numpy.dtype
        Of the input.
    backend, method : str
        The engine and the exchange.
    given : tuple of str
        Which of "grid", "method" and "backend" were given; the others may be chosen by tuning.
    tile_bytes : int or None
        About the size of a tile; None for what suits each rank's processor.
    tune : str or None
        "measure" where tuning is to measure what wisdom does not know.
    """

    points: tuple[int, ...]
    transforms: tuple[Transform, ...]
    dims: tuple[int, ...]
    dtype: np.dtype[Any]
    backend: str
    method: str
    given: tuple[str, ...] = ()
    tile_bytes: int | None = None
    tune: str | None = None


def request(
    size: int,
    shape: Any,
    axes: Any,
    dtype: Any,
    grid: Any,
    padding: Any,
    backend: Any,
    method: Any,
    tune: Any = None,
) -> Request:
    """The request that the arguments of a `PFFT` on `size` ranks make.

    Raises
    ------
    TypeError, ValueError
        Where an argument is wrong; the message names it, its value, and what would be right.
    """
    modes = lengths(shape)
    chosen = _axes(axes, len(modes))
    kind = _dtype(dtype)
    factors = _padding(padding, len(modes), chosen)
    points = tuple(math.floor(n * f) for n, f in zip(modes, factors, strict=True))
    real = kind.kind == "f"
    transforms = tuple(
        Transform(axis, points[axis], modes[axis], real and axis == chosen[-1], _COMPLEX[kind])
        for axis in reversed(chosen)
    )
    dims = _grid(grid, size, points, chosen)
    explicit = {"grid": grid is not None, "method": method != "auto", "backend": backend is not None}
    given = tuple(name for name, is_given in explicit.items() if is_given)
    chosen_engine = checked_engine("pyfftw" if backend is None else backend, kind)
    return Request(points, transforms, dims, kind, chosen_engine, checked_method(method), given, tune=_tune(tune))


def _tune(tune: Any) -> str | None:
    """Whether to measure."""
    if tune is not None and tune != "measure":
        raise ValueError(f"tune must be None or 'measure', not {tune!r}")
    return tune


def _axes(axes: Any, ndim: int) -> tuple[int, ...]:
    """The axes to transform, counted from the front."""
    if axes is None:
        return tuple(range(ndim))
    try:
        given = [axes] if hasattr(axes, "__index__") else list(axes)
    except TypeError:
        raise TypeError(f"axes must be an int or a sequence of ints, not {axes!r}") from None
    chosen = tuple(whole_axis(axis, ndim) for axis in given)
    if not chosen:
        raise ValueError("axes is empty: name one axis at least")
    twice = {axis for axis in chosen if chosen.count(axis) > 1}
    if twice:
        raise ValueError(f"axes {axes!r} name axis {min(twice)} twice")
    return chosen


def _dtype(dtype: Any) -> np.dtype[Any]:
    """The dtype of the input."""
    kind = np.dtype(dtype)
    if kind not in _COMPLEX:
        hint = ": half precision has no FFT engine, use float32" if kind == np.float16 else ""
        raise TypeError(f"dtype {kind} cannot be transformed{hint}; use float32, float64, longdouble or their complex")
    return kind


def _padding(padding: Any, ndim: int, axes: Sequence[int]) -> list[float]:
    """The factor of each axis."""
    if padding is None:
        return [1.0] * ndim
    given = [padding] * ndim if np.ndim(padding) == 0 else list(padding)
    if len(given) != ndim:
        raise ValueError(f"padding {padding!r} must be one number, or one for each of the {ndim} axes")
    try:
        factors = [float(f) for f in given]
    except (TypeError, ValueError):
        raise TypeError(f"padding {padding!r} must be a number, or a sequence of numbers") from None
    if not all(1 <= f < math.inf for f in factors):
        raise ValueError(f"padding {padding!r} must be at least 1 along each axis")
    if np.ndim(padding) and any(f != 1 for k, f in enumerate(factors) if k not in axes):
        raise ValueError(f"padding {padding!r} names an axis that is not transformed: the axes are {tuple(axes)}")
    return [f if k in axes else 1.0 for k, f in enumerate(factors)]


def _grid(grid: Any, size: int, points: Sequence[int], axes: Sequence[int]) -> tuple[int, ...]:
    """The processes along each axis of the input."""
    if grid is None:
        return choose_grid(points, axes, size)
    given = dimensions(grid, "grid")
    if len(given) > len(points):
        raise ValueError(f"grid {given} has {len(given)} entries, shape has {len(points)} axes")
    dims = [max(0, d) for d in given] + [1] * (len(points) - len(given))
    if dims[axes[-1]] not in (0, 1):
        raise ValueError(
            f"grid {dims} divides axis {axes[-1]}, which is transformed first: it must stay undivided (1 or 0)"
        )
    dims[axes[-1]] = 1
    return complete(size, dims, "grid")
