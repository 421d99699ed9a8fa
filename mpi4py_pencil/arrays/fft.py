"""Fourier transforms of global arrays.

Large arrays of which a transformed axis is divided go through a `PFFT`, a single line through an `FFT1D`; the result is
divided as these leave it. In small ones, and where each rank has whole lines, lines are transformed by numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..fft1d import FFT1D
from ..layout.pencil import whole_axis
from ..layout.way import Way
from ..pfft import PFFT
from .axes import Block
from .context import Context
from .creation import of_indices
from .distribution import Distribution
from .globalarray import GlobalArray, check_alike, together
from .manipulation import axes_of, concat, flip, reshape, roll, viewed
from .redistribution import large
from .statistics import aligned, one_line

__all__ = [
    "fft",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfftn",
    "rfft",
    "rfftfreq",
    "rfftn",
]

# What the inverse calls what is scaled the other way round.
_SWAPPED = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


def fft(x: GlobalArray, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> GlobalArray:
    """The transform of complex points along an axis. Collective.

    Parameters
    ----------
    n : int, optional
        How many points: more than there are, and zeros follow; fewer, and the last are left out. As many by default.
    norm : str, optional
        What is scaled: "backward" (the inverse, by one over `n`), "forward", or "ortho", where both are orthonormal.
    """
    return fftn(x, s=None if n is None else [n], axes=[axis], norm=norm)


def ifft(x: GlobalArray, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> GlobalArray:
    """The inverse of `fft`. Collective."""
    return ifftn(x, s=None if n is None else [n], axes=[axis], norm=norm)


def rfft(x: GlobalArray, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> GlobalArray:
    """The transform of real points along an axis: the modes that are not the conjugates of others. Collective."""
    return rfftn(x, s=None if n is None else [n], axes=[axis], norm=norm)


def irfft(x: GlobalArray, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> GlobalArray:
    """The inverse of `rfft`, of `n` real points, by default an even number. Collective."""
    return irfftn(x, s=None if n is None else [n], axes=[axis], norm=norm)


def hfft(x: GlobalArray, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> GlobalArray:
    """The real transform of points whose second half are the conjugates of the first. Collective."""
    return irfft(_inexact(x).conj(), n=n, axis=axis, norm=_swapped(norm))


def ihfft(x: GlobalArray, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> GlobalArray:
    """The inverse of `hfft`. Collective."""
    return rfft(x, n=n, axis=axis, norm=_swapped(norm)).conj()


def fftn(
    x: GlobalArray, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str = "backward"
) -> GlobalArray:
    """The transform of complex points along several axes, all by default. Collective."""
    x, found = _complex(x), _lengths(x, s, axes)
    return _transformed("fft", _resized(x, found), list(found), norm)


def ifftn(
    x: GlobalArray, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str = "backward"
) -> GlobalArray:
    """The inverse of `fftn`. Collective."""
    x, found = _complex(x), _lengths(x, s, axes)
    return _transformed("ifft", _resized(x, found), list(found), norm)


def rfftn(
    x: GlobalArray, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str = "backward"
) -> GlobalArray:
    """The transform of real points along several axes, all by default: the last has half of the modes. Collective."""
    x, found = _inexact(x), _lengths(x, s, axes)
    if x.dtype.kind == "c":
        raise TypeError(f"rfftn is of real points, not of {x.dtype}: use fftn")
    return _transformed("rfft", _resized(x, found), list(found), norm)


def irfftn(
    x: GlobalArray, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str = "backward"
) -> GlobalArray:
    """The inverse of `rfftn`; without `s` to an even number of points along the last axis. Collective."""
    x, found = _complex(x), _lengths(x, s, axes)
    last = list(found)[-1]
    n = found[last] if s is not None else 2 * (x.shape[last] - 1)
    if n < 1:
        raise ValueError(f"{n} points along axis {last}: give 1 at least")
    return _transformed("irfft", _resized(x, {**found, last: n // 2 + 1}), list(found), norm, n)


def _swapped(norm: str) -> str:
    """The norm of the inverse."""
    return _SWAPPED.get(norm, norm)


def _inexact(x: GlobalArray) -> GlobalArray:
    """The array as one of floating numbers that can be transformed."""
    if x.dtype.kind in "biu":
        return x.astype(np.float64)
    return x.astype(np.float32) if x.dtype == np.float16 else x


def _complex(x: GlobalArray) -> GlobalArray:
    """The array as one of complex numbers."""
    x = _inexact(x)
    return x if x.dtype.kind == "c" else x.astype(np.result_type(x.dtype, np.complex64))


def _lengths(x: GlobalArray, s: Sequence[int] | None, axes: Sequence[int] | None) -> dict[int, int]:
    """The axes of a transform, in order, and the number of points along each."""
    if axes is None:
        axes = range(x.ndim) if s is None else range(x.ndim - len(s), x.ndim)
    found = [whole_axis(k, x.ndim) for k in axes]
    points = [x.shape[k] for k in found] if s is None else list(s)
    if len(points) != len(found) or len(set(found)) != len(found):
        raise ValueError(f"axes {tuple(axes)} must be different ones, and s {s} have a length for each")
    if not found or min(points) < 1:
        raise ValueError(f"{points} points along the axes {found}: a transform is along one at least, of 1 at least")
    return dict(zip(found, points, strict=True))


def _resized(x: GlobalArray, lengths: dict[int, int]) -> GlobalArray:
    """The array with other lengths along some axes: the first points, or zeros after them."""
    for k, n in lengths.items():
        if n < x.shape[k]:
            x = x[(slice(None),) * k + (slice(n),)]
        elif n > x.shape[k]:
            target = x.distribution.even([*x.shape[:k], n - x.shape[k], *x.shape[k + 1 :]])
            zeros = x.like(np.zeros(target.local_shape(x.context.rank), x.dtype), target)
            x = concat([x, zeros], axis=k)
    return x


def _transformed(kind: str, x: GlobalArray, axes: list[int], norm: str, n: int = 0) -> GlobalArray:
    """A transform along axes by PFFT, FFT1D or numpy; `n` are the points of "irfft" along the last."""
    if norm not in _SWAPPED:
        raise ValueError(f"norm {norm!r} must be 'backward', 'ortho' or 'forward'")
    check_alike(kind, x, axes=axes, points=n, norm=norm)
    divided = any(x.distribution.axes[k].parts > 1 for k in axes)
    if divided and large(x.context, x.shape, x.itemsize):
        longest = max(axes, key=lambda k: x.shape[k])
        if one_line(x, longest):
            return _by_line(kind, x, longest, norm, n)
        return _by_pencils(kind, x, axes, norm, n)
    *others, last = axes
    if kind == "rfft":
        x = _lines("rfft", x, last, norm, 0)
        kind, axes = "fft", others
    elif kind == "irfft":
        for k in others:
            x = _lines("ifft", x, k, norm, 0)
        axes = [last]
    for k in reversed(axes):
        x = _lines(kind, x, k, norm, n)
    return x


def _lines(kind: str, x: GlobalArray, axis: int, norm: str, n: int) -> GlobalArray:
    """A transform of numpy's along an axis."""
    lines = aligned(x, axis)
    length = {"rfft": x.shape[axis] // 2 + 1, "irfft": n}.get(kind, x.shape[axis])
    shape = [*x.shape[:axis], length, *x.shape[axis + 1 :]]
    function, points = getattr(np.fft, kind), n if kind == "irfft" else None
    target = lines.distribution.even(shape)
    made = together(
        x.context,
        lambda: viewed(lines, target, lambda block: function(block, n=points, axis=axis, norm=norm)),
    )
    dtype = function(np.ones(2, x.dtype)).dtype
    return made.astype(dtype, copy=False).within(x.distribution.even(shape))


class _Plan(NamedTuple):
    """A transform and the distributions before and after it."""

    fft: Any
    sides: tuple[Distribution, Distribution]


def _by_pencils(kind: str, x: GlobalArray, axes: list[int], norm: str, n: int) -> GlobalArray:
    """A transform along axes of which some are divided."""
    way = Way.BACKWARD if kind in ("ifft", "irfft") else Way.FORWARD
    shape = list(x.shape)
    if kind == "irfft":
        shape[axes[-1]] = n
    dtype = x.dtype if kind in ("fft", "ifft", "rfft") else x.local.real.dtype
    parts = tuple(axis.parts for axis in x.distribution.axes)
    grid = parts if way is Way.FORWARD and parts[axes[-1]] == 1 and np.prod(parts) == x.context.size else None

    def plan() -> _Plan:
        made = PFFT(x.context.comm, shape, axes, dtype, grid, norm=norm)
        before, after = map(Distribution.of_pencil, made.pencil)
        return _Plan(made, (before, after))

    made = x.context.kept(("fft", tuple(shape), tuple(axes), dtype, grid, norm), plan, _PLANS)
    before, after = made.sides[way], made.sides[way.back]
    direction = made.fft.backward if way is Way.BACKWARD else made.fft.forward
    return x.like(direction(x.within(before).local).view(np.ndarray), after)


# Plans of transforms kept for each communicator: they have memory of their own.
_PLANS = 8


def _by_line(kind: str, x: GlobalArray, k: int, norm: str, n: int) -> GlobalArray:
    """A transform of an array that is one divided line, along axis `k`; along others of length 1 it changes nothing."""
    shape = list(x.shape)
    line = reshape(x, (-1,))
    if kind == "rfft":
        shape[k] = shape[k] // 2 + 1
        return reshape(_four_step(_complex(line), Way.FORWARD, norm)[: shape[k]], tuple(shape))
    if kind == "irfft":
        rest = flip(line[1 : n - line.size + 1]).conj()
        shape[k] = n
        return reshape(_four_step(concat([line, rest]), Way.BACKWARD, norm).real, tuple(shape))
    return reshape(_four_step(line, Way.FORWARD if kind == "fft" else Way.BACKWARD, norm), tuple(shape))


def _four_step(line: GlobalArray, way: Way, norm: str) -> GlobalArray:
    """The transform of a line that is divided."""
    context, n = line.context, line.size

    def plan() -> _Plan:
        made = FFT1D(context.comm, n, line.dtype)
        runs = [context.comm.allgather(made.local_slice(bool(side))[0].indices(n)[:2]) for side in (0, 1)]
        blocks = [Block(tuple(a for a, _ in run), tuple(b - a for a, b in run)) for run in runs]
        before, after = (Distribution([block], [0], [context.size]) for block in blocks)
        return _Plan(made, (before, after))

    made = context.kept(("fft1d", n, line.dtype), plan, _PLANS)
    block = line.within(made.sides[way]).local
    result = made.fft.forward(block, None, False) if way is Way.FORWARD else made.fft.backward(block, None, False)
    powers = {"backward": (0, -1), "ortho": (-0.5, -0.5), "forward": (-1, 0)}
    scale = line.local.real.dtype.type(n) ** powers[norm][way]
    together(context, lambda: np.multiply(result, scale, out=result))
    return line.like(result, made.sides[way.back])


def fftfreq(
    n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None, context: Context | None = None
) -> GlobalArray:
    """The frequencies of `fft` of `n` points `d` apart. Local."""
    kind = np.dtype(float) if dtype is None else np.dtype(dtype)
    return of_indices(
        lambda k: ((np.where(k < (n + 1) // 2, k, k - n)) / (n * d)).astype(kind), n, device=device, context=context
    )


def rfftfreq(
    n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None, context: Context | None = None
) -> GlobalArray:
    """The frequencies of `rfft` of `n` points `d` apart. Local."""
    kind = np.dtype(float) if dtype is None else np.dtype(dtype)
    return of_indices(lambda k: (k / (n * d)).astype(kind), n // 2 + 1, device=device, context=context)


def fftshift(x: GlobalArray, /, *, axes: Any = None) -> GlobalArray:
    """The array with the frequency 0 in the middle of axes, all by default. Collective."""
    found = axes_of(axes, x.ndim)
    return roll(x, tuple(x.shape[k] // 2 for k in found), axis=found)


def ifftshift(x: GlobalArray, /, *, axes: Any = None) -> GlobalArray:
    """The inverse of `fftshift`. Collective."""
    found = axes_of(axes, x.ndim)
    return roll(x, tuple(-(x.shape[k] // 2) for k in found), axis=found)
