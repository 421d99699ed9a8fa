"""Derivatives of functions, of the modes that ``PFFT.forward`` makes of them.

Every function takes modes and returns modes: this rank's block, with any leading component axes, and nothing is sent.
Work is done in the precision of the modes.

The box has the length `lengths` along each axis: one number, or one for each axis; 2π by default. Axes with a cosine or
sine transform have wave numbers, and so derivatives of even order: those of odd order are sines of cosines, and the
other way round, which are no modes of that axis. Axes with a Chebyshev or Legendre series are [-1, 1], whatever
`lengths` are, and have derivatives of any order.

Where an axis has an even number of modes, the highest, the Nyquist mode, stands for a cosine alone. Derivatives of odd
order of it are sines that no mode stands for, and that vanish at the points of an unpadded grid: they are zero here, as
those of the trigonometric interpolant are at its points. Even orders keep it. (L. N. Trefethen, Spectral Methods in
MATLAB, SIAM 2000, chapter 3.) So the divergence of a gradient is the Laplacian but for Nyquist modes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .layout.arrays import address, overlap
from .layout.pencil import whole_axis
from .pfft import PFFT
from .transforms import DCT, DST, Chebyshev, Fourier, Hartley, Legendre, mesh
from .transforms.series import chebyshev_derivative, legendre_derivative

Array = np.ndarray[Any, Any]

# Axes whose modes depend on each other in a derivative.
_SERIES = {Chebyshev: chebyshev_derivative, Legendre: legendre_derivative}

# Modes of a block that are computed at a time: what lies between two operations of numpy stays in cache.
_CACHED_MODES = 2**14


def derivative(
    fft: PFFT, u_hat: Array, axis: int, order: int = 1, lengths: Any = None, out: Array | None = None
) -> Array:
    """The derivative along one axis, of any order.

    Local: no communication. Of a Chebyshev or Legendre series it is exact: as many coefficients, the highest `order` of
    them zero.

    Parameters
    ----------
    fft : PFFT
        The transform. Its axis `axis` must be a Fourier axis; or have a Chebyshev or Legendre series, and be undivided
        in the output, as the first of ``axes`` is; or, for even orders, have a cosine, sine or Hartley transform. The
        other axes may be anything.
    u_hat : ndarray
        This rank's block of the modes, ``fft.shape(True)``, with any leading component axes. It is not changed.
    axis : int
        The axis, component axes not counted.
    order : int, optional
        How often; 0 copies.
    lengths : float or sequence of float, optional
        The length of the box along each axis, 2π by default.
    out : ndarray, optional
        Where the result goes; it may be `u_hat`.

    Returns
    -------
    ndarray
        `out`, or a new DistArray of the shape of `u_hat`.

    Raises
    ------
    TypeError, ValueError
        Where an argument does not fit, or the axis has no such derivative.
    """
    axis = whole_axis(axis, fft.dimensions)
    if not hasattr(order, "__index__") or order < 0:
        raise ValueError(f"order must be a whole number of derivatives, 0 or more, not {order!r}")
    order = order.__index__()
    components = _components(fft, u_hat)
    of_series = _SERIES.get(type(_families(fft).get(axis)))
    if of_series is not None:
        _check_undivided(fft, axis)
        _wavenumbers(fft, lengths, [])
        target = _target(fft, components, out, u_hat, in_place=True)
        of_series(np.asarray(u_hat), axis + len(components), order, np.asarray(target))
        return target
    k = _wavenumbers(fft, lengths, [axis], odd=order % 2 == 1)[axis]
    factor = ((1, 1j, -1, -1j)[order % 4] * k**order).astype(u_hat.dtype)
    target = _target(fft, components, out, u_hat, in_place=True)
    np.multiply(np.asarray(u_hat), factor, np.asarray(target))
    return target


def laplacian(fft: PFFT, u_hat: Array, lengths: Any = None, out: Array | None = None) -> Array:
    """The sum of the second derivatives along all axes.

    Local: no communication. Parameters, result and errors are those of `derivative`; all axes must have wave numbers:
    Fourier axes, and those with a cosine, sine or Hartley transform.
    """
    return _by_square(fft, u_hat, lengths, out, np.negative)


def inverse_laplacian(fft: PFFT, u_hat: Array, lengths: Any = None, out: Array | None = None) -> Array:
    """The function of mean zero whose Laplacian is `u_hat`, but for the mean of that: it solves Poisson's equation.

    No periodic function has a Laplacian whose mean is not zero, so the mean of `u_hat` is left out; the same holds with
    cosines. Where an axis has modes that are no constant, as all sines, there is no such mode and nothing is left out:
    the solution is the one that is zero at the walls.

    Local: no communication. Parameters, result and errors are those of `laplacian`.
    """
    return _by_square(fft, u_hat, lengths, out, _minus_inverse)


def gradient(fft: PFFT, u_hat: Array, lengths: Any = None, out: Array | None = None) -> Array:
    """The derivatives along all axes.

    Local: no communication. Parameters and errors are those of `derivative`, but that all axes must be Fourier axes and
    `out` must not overlap `u_hat`.

    Returns
    -------
    ndarray
        `out`, or a new DistArray, with a component axis in front of those of `u_hat`: item i is the derivative along
        axis i.
    """
    components = _components(fft, u_hat)
    slopes = _slopes(fft, lengths)
    target = _target(fft, (fft.dimensions, *components), out, u_hat)
    u, to = np.asarray(u_hat), np.asarray(target)
    for here, ik in _slabs(slopes):
        for i in range(len(ik)):
            np.multiply(u[here], ik[i], to[i][here])
    return target


def divergence(fft: PFFT, u_hat: Array, lengths: Any = None, out: Array | None = None) -> Array:
    """The sum of the derivatives of component i along axis i; the components lie along the first component axis.

    Local: no communication. Parameters and errors are those of `gradient`.

    Returns
    -------
    ndarray
        `out`, or a new DistArray, without the first component axis of `u_hat`.
    """
    components = _components(fft, u_hat)
    if components[:1] != (fft.dimensions,):
        raise ValueError(
            f"u_hat has the component axes {components}: a divergence needs a first one of length {fft.dimensions}"
        )
    slopes = _slopes(fft, lengths)
    target = _target(fft, components[1:], out, u_hat)
    u, to = np.asarray(u_hat), np.asarray(target)
    for here, ik in _slabs(slopes):
        total = np.multiply(u[0][here], ik[0], to[here])
        for i in range(1, len(ik)):
            total += ik[i] * u[i][here]
    return target


def curl(fft: PFFT, u_hat: Array, lengths: Any = None, out: Array | None = None) -> Array:
    """The curl of a vector field in three dimensions; in two, its one component ∂u₁/∂x₀ - ∂u₀/∂x₁.

    Local: no communication. Parameters and errors are those of `gradient`; `u_hat` has one component axis.

    Returns
    -------
    ndarray
        `out`, or a new DistArray: of the shape of `u_hat` in three dimensions, without component axes in two.
    """
    components, ndim = _components(fft, u_hat), fft.dimensions
    if ndim not in (2, 3):
        raise ValueError(f"a curl is of fields in two or three dimensions, this transform has {ndim}")
    if components != (ndim,):
        raise ValueError(f"u_hat has the component axes {components}: a curl needs one, of length {ndim}")
    slopes = _slopes(fft, lengths)
    target = _target(fft, components if ndim == 3 else (), out, u_hat)
    u, to = np.asarray(u_hat), np.asarray(target)
    parts = [(to[0], 1, 2), (to[1], 2, 0), (to[2], 0, 1)] if ndim == 3 else [(to, 0, 1)]
    for here, ik in _slabs(slopes):
        for part, i, j in parts:
            difference = np.multiply(u[j][here], ik[i], part[here])
            difference -= ik[j] * u[i][here]
    return target


def _by_square(fft: PFFT, u_hat: Array, lengths: Any, out: Array | None, factor: Callable[[Array], Array]) -> Array:
    """The modes times a factor that depends on the square of their wave number."""
    components = _components(fft, u_hat)
    squares = [k**2 for k in _wavenumbers(fft, lengths, range(fft.dimensions))]
    target = _target(fft, components, out, u_hat, in_place=True)
    u, to = np.asarray(u_hat), np.asarray(target)
    for here, parts in _slabs(squares):
        np.multiply(u[here], factor(sum(parts[1:], start=parts[0])), to[here])
    return target


def _minus_inverse(k2: Array) -> Array:
    """-1 / k², and 0 where that is infinite."""
    return np.divide(-1, k2, out=np.zeros_like(k2), where=k2 != 0)


def _slopes(fft: PFFT, lengths: Any) -> list[Array]:
    """What each mode is multiplied with by the first derivative along each axis."""
    return [1j * k for k in _wavenumbers(fft, lengths, range(fft.dimensions), odd=True)]


def _wavenumbers(fft: PFFT, lengths: Any, axes: Sequence[int], odd: bool = False) -> list[Any]:
    """The wave numbers along each axis; refused unless all of `axes` have some, and Fourier modes for odd orders."""
    k = mesh.wavenumbers(fft.output.pencil, fft._asked.transforms, lengths, nyquist=not odd)
    families = _families(fft)
    for axis in axes:
        family = families.get(axis)
        if odd and not isinstance(family, Fourier):
            known = [i for i in range(len(k)) if isinstance(families.get(i), Fourier)]
            raise ValueError(f"axis {axis} {_not_odd(family)}: the Fourier axes are {known}")
        if k[axis] is None:
            raise ValueError(f"axis {axis} has modes that are no waves: {family or 'it is not transformed'}")
    return k


def _not_odd(family: Any) -> str:
    """Why a derivative of odd order is not a factor for each mode."""
    if isinstance(family, (DCT, DST)):
        one, other = ("cosines", "sines") if isinstance(family, DCT) else ("sines", "cosines")
        return f"has {family}, and a derivative of odd order makes {other} of {one}, which are no modes of that axis"
    if isinstance(family, Hartley):
        return f"has {family}, and a derivative of odd order makes other modes of each"
    return "has no Fourier modes to differentiate"


def _families(fft: PFFT) -> dict[int, Any]:
    """What is computed along each transformed axis."""
    return {t.axis: t.family for t in fft._asked.transforms}


def _check_undivided(fft: PFFT, axis: int) -> None:
    """Refuse an axis that is divided among ranks in the output."""
    ranks = fft.output.pencil.sizes[axis]
    if ranks > 1:
        axes = (axis, *(other for other in fft.axes if other != axis))
        raise ValueError(
            f"axis {axis} is divided among {ranks} ranks in the output, but the derivative of a series takes all of "
            f"its coefficients: name it first, as in axes={axes}, so that the output is aligned along it"
        )


def _components(fft: PFFT, u_hat: Any) -> tuple[int, ...]:
    """The leading component axes of a block of modes; another array is refused."""
    components = u_hat.shape[: max(0, u_hat.ndim - fft.dimensions)] if isinstance(u_hat, np.ndarray) else ()
    fft.output.checked("u_hat", u_hat, components)
    return components


def _target(fft: PFFT, components: tuple[int, ...], out: Array | None, u_hat: Array, in_place: bool = False) -> Array:
    """`out`, if it fits and does not overlap `u_hat` (or is it, where that is allowed); a new array for None."""
    if out is None:
        return fft.output.empty(components)
    fft.output.checked("out", out, components, written=True)
    same = address(out) == address(u_hat) and out.strides == u_hat.strides
    if overlap(out, u_hat) and not (in_place and same):
        allowed = "it must be u_hat itself, or other memory" if in_place else "give other memory"
        raise ValueError(f"out overlaps u_hat: {allowed}")
    return out


def _slabs(factors: Sequence[Array]) -> Iterator[tuple[Any, list[Array]]]:
    """Slices of the first axis, as an index of blocks with any component axes, and the factors of each slice."""
    first, *others = (factor.size for factor in factors)
    rows = max(1, _CACHED_MODES // max(1, math.prod(others)))
    for start in range(0, first, rows):
        part = slice(start, start + rows)
        yield (..., part, *[slice(None)] * len(others)), [factors[0][part], *factors[1:]]
