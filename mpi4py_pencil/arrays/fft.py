"""Fourier transforms of global arrays, each along whole lines: those of a divided axis are brought together first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..layout.pencil import whole_axis
from .context import Context
from .creation import fromfunction
from .globalarray import GlobalArray
from .manipulation import axes_of, roll, viewed
from .statistics import aligned


def _along(function: Callable[..., Any], x: GlobalArray, n: int, axis: int, norm: str, length: int) -> GlobalArray:
    """A transform of numpy's of `n` points along an axis, which becomes one of `length`. Collective."""
    if norm not in ("backward", "ortho", "forward"):
        raise ValueError(f"norm {norm!r} must be 'backward', 'ortho' or 'forward'")
    if n < 1:
        raise ValueError(f"n {n} must be 1 at least")
    lines = aligned(x, axis)
    shape = [*x.shape[:axis], length, *x.shape[axis + 1 :]]
    kind = function(np.ones(2, x.dtype)).dtype
    target = lines.distribution.even(shape)
    made = viewed(lines, target, lambda block: function(block, n=n, axis=axis, norm=norm))
    return made.astype(kind, copy=False).within(x.distribution.even(shape))


def _lengths(x: GlobalArray, s: Sequence[int] | None, axes: Sequence[int] | None) -> list[tuple[int, int]]:
    """The axes of a transform of several, with the number of points along each."""
    if axes is None:
        axes = range(x.ndim) if s is None else range(x.ndim - len(s), x.ndim)
    found = axes_of(tuple(axes), x.ndim)
    points = [x.shape[k] for k in found] if s is None else list(s)
    if len(points) != len(found):
        raise ValueError(f"s {s} must have a length for each of the axes {axes}")
    return list(zip(found, points, strict=True))


def fft(x: GlobalArray, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> GlobalArray:
    """The transform of complex points along an axis. Collective."""
    k = whole_axis(axis, x.ndim)
    n = x.shape[k] if n is None else n
    return _along(np.fft.fft, x, n, k, norm, n)


def ifft(x: GlobalArray, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> GlobalArray:
    """The inverse of `fft`. Collective."""
    k = whole_axis(axis, x.ndim)
    n = x.shape[k] if n is None else n
    return _along(np.fft.ifft, x, n, k, norm, n)


def rfft(x: GlobalArray, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> GlobalArray:
    """The transform of real points along an axis: the modes that are not the conjugates of others. Collective."""
    k = whole_axis(axis, x.ndim)
    n = x.shape[k] if n is None else n
    return _along(np.fft.rfft, x, n, k, norm, n // 2 + 1)


def irfft(x: GlobalArray, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> GlobalArray:
    """The inverse of `rfft`, of `n` real points, an even number by default. Collective."""
    k = whole_axis(axis, x.ndim)
    n = 2 * (x.shape[k] - 1) if n is None else n
    return _along(np.fft.irfft, x, n, k, norm, n)


def hfft(x: GlobalArray, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> GlobalArray:
    """The real transform of points of which the second half are the conjugates of the first. Collective."""
    k = whole_axis(axis, x.ndim)
    n = 2 * (x.shape[k] - 1) if n is None else n
    return _along(np.fft.hfft, x, n, k, norm, n)


def ihfft(x: GlobalArray, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> GlobalArray:
    """The inverse of `hfft`. Collective."""
    k = whole_axis(axis, x.ndim)
    n = x.shape[k] if n is None else n
    return _along(np.fft.ihfft, x, n, k, norm, n // 2 + 1)


def fftn(
    x: GlobalArray, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str = "backward"
) -> GlobalArray:
    """The transform along several axes, all by default, the last first. Collective."""
    for k, n in reversed(_lengths(x, s, axes)):
        x = fft(x, n=n, axis=k, norm=norm)
    return x


def ifftn(
    x: GlobalArray, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str = "backward"
) -> GlobalArray:
    """The inverse of `fftn`. Collective."""
    for k, n in reversed(_lengths(x, s, axes)):
        x = ifft(x, n=n, axis=k, norm=norm)
    return x


def rfftn(
    x: GlobalArray, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str = "backward"
) -> GlobalArray:
    """The transform of real points along several axes, all by default, the last by `rfft`. Collective."""
    *others, (last, n) = _lengths(x, s, axes)
    x = rfft(x, n=n, axis=last, norm=norm)
    for k, length in reversed(others):
        x = fft(x, n=length, axis=k, norm=norm)
    return x


def irfftn(
    x: GlobalArray, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str = "backward"
) -> GlobalArray:
    """The inverse of `rfftn`. Collective."""
    *others, (last, n) = _lengths(x, s, axes)
    for k, length in others:
        x = ifft(x, n=length, axis=k, norm=norm)
    return irfft(x, n=None if s is None else n, axis=last, norm=norm)


def fftfreq(
    n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None, context: Context | None = None
) -> GlobalArray:
    """The frequencies of `fft` of `n` points `d` apart. Local."""
    kind = np.dtype(float) if dtype is None else np.dtype(dtype)
    return fromfunction(
        lambda k: ((np.where(k < (n + 1) // 2, k, k - n)) / (n * d)).astype(kind), n, device=device, context=context
    )


def rfftfreq(
    n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None, context: Context | None = None
) -> GlobalArray:
    """The frequencies of `rfft` of `n` points `d` apart. Local."""
    kind = np.dtype(float) if dtype is None else np.dtype(dtype)
    return fromfunction(lambda k: (k / (n * d)).astype(kind), n // 2 + 1, device=device, context=context)


def fftshift(x: GlobalArray, /, *, axes: Any = None) -> GlobalArray:
    """The array with the frequency 0 in the middle of axes, all by default. Collective."""
    found = axes_of(axes, x.ndim)
    return roll(x, tuple(x.shape[k] // 2 for k in found), axis=found)


def ifftshift(x: GlobalArray, /, *, axes: Any = None) -> GlobalArray:
    """The inverse of `fftshift`. Collective."""
    found = axes_of(axes, x.ndim)
    return roll(x, tuple(-(x.shape[k] // 2) for k in found), axis=found)
