"""Projections of modes: onto fields without divergence, and onto modes whose products have no aliases."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..pfft import PFFT
from .modes import components_of, fourier_axes, outer, slabs, slopes, target_of, vector_of

Array = np.ndarray[Any, Any]


def project(fft: PFFT, u_hat: Array, lengths: Any = None, out: Array | None = None) -> Array:
    """The part of a vector field that has no divergence: û - k (k·û) / k², Leray's projection.

    What it takes away is a gradient: that of the pressure, in the equations of an incompressible fluid. The mean stays.

    Local: no communication. Parameters and errors are those of `divergence`, but that `out` may be `u_hat`.

    Returns
    -------
    ndarray
        `out`, or a new DistArray of the shape of `u_hat`.
    """
    components = vector_of(fft, u_hat, "a projection")
    factors = [each.imag for each in slopes(fft, lengths)]
    target = target_of(fft, components, out, u_hat, in_place=True)
    u, to = np.asarray(u_hat), np.asarray(target)
    for here, k in slabs(factors):
        square = sum((each**2 for each in k[1:]), start=k[0] ** 2)
        along = sum((k[i] * u[i][here] for i in range(1, len(k))), start=k[0] * u[0][here])
        along *= np.divide(1, square, out=np.zeros_like(square), where=square != 0)
        for i in range(len(k)):
            np.subtract(u[i][here], k[i] * along, to[i][here])
    return target


def dealias(fft: PFFT, u_hat: Array, out: Array | None = None) -> Array:
    """The modes of wave numbers below a third of the number of modes along each axis; the others become zero.

    The product of two such fields at the points of an unpadded plan has aliases only in modes that are dropped: the 2/3
    rule (S. A. Orszag, J. Atmos. Sci. 28, 1971). A plan with ``truncation=(n - 1) // 3`` does the same and does not
    compute what is dropped, one of m = 2 * ((n - 1) // 3) + 1 modes with ``padding=n / m`` does not store it; one with
    ``padding=3/2`` keeps all modes. Neither needs this function, which would drop a third of what they have.

    Local: no communication. Parameters, result and errors are those of `derivative`; all transformed axes must be
    Fourier axes, the others count for nothing.
    """
    components = components_of(fft, u_hat)
    masks = [np.ones(n, bool) for n in fft.shape(True)]
    for t in fourier_axes(fft, "the 2/3 rule"):
        masks[t.axis] = (3 * np.abs(t.family.waves(t)) < t.modes)[fft.local_slice(True)[t.axis]]
    target = target_of(fft, components, out, u_hat, in_place=True)
    u, to = np.asarray(u_hat), np.asarray(target)
    for here, parts in slabs(outer(masks)):
        keep = np.logical_and.reduce(np.broadcast_arrays(*parts))
        to[here] = np.where(keep, u[here], 0)
    return target
