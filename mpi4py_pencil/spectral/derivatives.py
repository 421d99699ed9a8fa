"""Derivatives of modes, and the functions that have given ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..layout.pencil import whole_axis
from ..pfft import PFFT
from ..transforms import Chebyshev, Legendre
from ..transforms.series import chebyshev_derivative, legendre_derivative
from .modes import components_of, families, slabs, slopes, target_of, vector_of, wavenumbers

Array = np.ndarray[Any, Any]

# Axes whose modes depend on each other in a derivative.
_SERIES = {Chebyshev: chebyshev_derivative, Legendre: legendre_derivative}


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
    components = components_of(fft, u_hat)
    of_series = _SERIES.get(type(families(fft).get(axis)))
    if of_series is not None:
        _check_undivided(fft, axis)
        wavenumbers(fft, lengths, [])
        target = target_of(fft, components, out, u_hat, in_place=True)
        of_series(np.asarray(u_hat), axis + len(components), order, np.asarray(target))
        return target
    k = wavenumbers(fft, lengths, [axis], odd=order % 2 == 1)[axis]
    factor = ((1, 1j, -1, -1j)[order % 4] * k**order).astype(u_hat.dtype)
    target = target_of(fft, components, out, u_hat, in_place=True)
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
    components = components_of(fft, u_hat)
    factors = slopes(fft, lengths)
    target = target_of(fft, (fft.dimensions, *components), out, u_hat)
    u, to = np.asarray(u_hat), np.asarray(target)
    for here, ik in slabs(factors):
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
    components = vector_of(fft, u_hat, "a divergence")
    factors = slopes(fft, lengths)
    target = target_of(fft, components[1:], out, u_hat)
    u, to = np.asarray(u_hat), np.asarray(target)
    for here, ik in slabs(factors):
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
    components, ndim = components_of(fft, u_hat), fft.dimensions
    if ndim not in (2, 3):
        raise ValueError(f"a curl is of fields in two or three dimensions, this transform has {ndim}")
    if components != (ndim,):
        raise ValueError(f"u_hat has the component axes {components}: a curl needs one, of length {ndim}")
    factors = slopes(fft, lengths)
    target = target_of(fft, components if ndim == 3 else (), out, u_hat)
    u, to = np.asarray(u_hat), np.asarray(target)
    parts = [(to[0], 1, 2), (to[1], 2, 0), (to[2], 0, 1)] if ndim == 3 else [(to, 0, 1)]
    for here, ik in slabs(factors):
        for part, i, j in parts:
            difference = np.multiply(u[j][here], ik[i], part[here])
            difference -= ik[j] * u[i][here]
    return target


def inverse_curl(fft: PFFT, w_hat: Array, lengths: Any = None, out: Array | None = None) -> Array:
    """The vector field of mean zero without divergence that has this curl: the velocity of a vorticity.

    In three dimensions of a vector field, of which a gradient does not count; in two of the one component that `curl`
    gives. It is the curl of the stream function, whose Laplacian is -`w_hat`.

    Local: no communication. Parameters and errors are those of `gradient`.

    Returns
    -------
    ndarray
        `out`, or a new DistArray, of one component axis.
    """
    components, ndim = components_of(fft, w_hat), fft.dimensions
    if ndim not in (2, 3):
        raise ValueError(f"a curl is of fields in two or three dimensions, this transform has {ndim}")
    if components != ((3,) if ndim == 3 else ()):
        wanted = "one, of length 3" if ndim == 3 else "none"
        raise ValueError(f"u_hat has the component axes {components}: a vorticity in {ndim} dimensions has {wanted}")
    factors = slopes(fft, lengths)
    target = target_of(fft, (ndim,), out, w_hat)
    w, to = np.asarray(w_hat), np.asarray(target)
    for here, ik in slabs(factors):
        inverse = _minus_inverse(sum((each.imag**2 for each in ik[1:]), start=ik[0].imag ** 2))
        if ndim == 2:
            stream = -inverse * w[here]
            np.multiply(ik[1], stream, to[0][here])
            np.multiply(-ik[0], stream, to[1][here])
        else:
            streams = [-inverse * w[i][here] for i in range(3)]
            for part, i, j in ((to[0], 1, 2), (to[1], 2, 0), (to[2], 0, 1)):
                np.subtract(ik[i] * streams[j], ik[j] * streams[i], part[here])
    return target


def _by_square(fft: PFFT, u_hat: Array, lengths: Any, out: Array | None, factor: Callable[[Array], Array]) -> Array:
    """The modes times a factor that depends on the square of their wave number."""
    components = components_of(fft, u_hat)
    squares = [k**2 for k in wavenumbers(fft, lengths, range(fft.dimensions))]
    target = target_of(fft, components, out, u_hat, in_place=True)
    u, to = np.asarray(u_hat), np.asarray(target)
    for here, parts in slabs(squares):
        np.multiply(u[here], factor(sum(parts[1:], start=parts[0])), to[here])
    return target


def _minus_inverse(k2: Array) -> Array:
    """-1 / k², and 0 where that is infinite."""
    return np.divide(-1, k2, out=np.zeros_like(k2), where=k2 != 0)


def _check_undivided(fft: PFFT, axis: int) -> None:
    """Refuse an axis that is divided among ranks in the output."""
    ranks = fft.output.pencil.sizes[axis]
    if ranks > 1:
        axes = (axis, *(other for other in fft.axes if other != axis))
        raise ValueError(
            f"axis {axis} is divided among {ranks} ranks in the output, but the derivative of a series takes all of "
            f"its coefficients: name it first, as in axes={axes}, so that the output is aligned along it"
        )
