"""What the functions of modes share: blocks of modes, their wave numbers, and what each stands for in a mean."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..layout.arrays import address, overlap, said
from ..pfft import PFFT
from ..transforms import DCT, DST, Fourier, Hartley, Transform, mesh

Array = np.ndarray[Any, Any]

# Modes of a block that are computed at a time: what lies between two operations of numpy stays in cache.
CACHED_MODES = 2**14


def slopes(fft: PFFT, lengths: Any) -> list[Array]:
    """What each mode is multiplied with by the first derivative along each axis."""
    return [1j * k for k in wavenumbers(fft, lengths, range(fft.dimensions), odd=True)]


def wavenumbers(fft: PFFT, lengths: Any, axes: Sequence[int], odd: bool = False) -> list[Any]:
    """The wave numbers along each axis; refused unless all of `axes` have some, and Fourier modes for odd orders."""
    k = mesh.wavenumbers(fft.output.pencil, fft._asked.transforms, lengths, nyquist=not odd)
    kinds = families(fft)
    for axis in axes:
        family = kinds.get(axis)
        if odd and not isinstance(family, Fourier):
            known = [i for i in range(len(k)) if isinstance(kinds.get(i), Fourier)]
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


def families(fft: PFFT) -> dict[int, Any]:
    """What is computed along each transformed axis."""
    return {t.axis: t.family for t in fft._asked.transforms}


def components_of(fft: PFFT, u_hat: Any) -> tuple[int, ...]:
    """The leading component axes of a block of modes; another array is refused."""
    if not isinstance(fft, PFFT):
        raise TypeError(f"fft must be a PFFT, not {said(fft)}")
    components = u_hat.shape[: max(0, u_hat.ndim - fft.dimensions)] if isinstance(u_hat, np.ndarray) else ()
    fft.output.checked("u_hat", u_hat, components)
    return components


def vector_of(fft: PFFT, u_hat: Any, what: str) -> tuple[int, ...]:
    """The leading component axes of the modes of a vector field, the first of which has a component for each axis."""
    components = components_of(fft, u_hat)
    if components[:1] != (fft.dimensions,):
        raise ValueError(
            f"u_hat has the component axes {components}: {what} needs a first one of length {fft.dimensions}"
        )
    return components


def target_of(fft: PFFT, components: tuple[int, ...], out: Array | None, u_hat: Array, in_place: bool = False) -> Array:
    """`out`, if it fits and does not overlap `u_hat` (or is it, where that is allowed); a new array for None."""
    if out is None:
        return fft.output.empty(components)
    fft.output.checked("out", out, components, written=True)
    same = address(out) == address(u_hat) and out.strides == u_hat.strides
    if overlap(out, u_hat) and not (in_place and same):
        allowed = "it must be u_hat itself, or other memory" if in_place else "give other memory"
        raise ValueError(f"out overlaps u_hat: {allowed}")
    return out


def slabs(factors: Sequence[Array]) -> Iterator[tuple[Any, list[Array]]]:
    """Slices of the first axis, as an index of blocks with any component axes, and the factors of each slice."""
    first, *others = (factor.size for factor in factors)
    rows = max(1, CACHED_MODES // max(1, math.prod(others)))
    for start in range(0, first, rows):
        part = slice(start, start + rows)
        yield (..., part, *[slice(None)] * len(others)), [factors[0][part], *factors[1:]]


def fourier_axes(fft: PFFT, what: str) -> list[Transform]:
    """The transforms of a plan, all of which must be Fourier ones."""
    for t in fft._asked.transforms:
        if not isinstance(t.family, Fourier):
            raise ValueError(f"axis {t.axis} has {t.family!r}: {what} is for Fourier axes alone")
    return list(fft._asked.transforms)


def weights(fft: PFFT, what: str) -> list[Array]:
    """How often the square of each mode counts in the sum of squares of all, as a factor for each axis.

    Twice where it stands for its conjugate too; once along other axes. A Nyquist mode that more points resolve is a
    cosine, whose square has the mean 1/2 there; at points that do not, it is 1. Truncated modes do not count.
    """
    found: list[Array] = [np.ones(n) for n in fft.shape(True)]
    for t in fourier_axes(fft, what):
        k = np.abs(t.family.waves(t))
        factor = np.where((k > 0) & (2 * k != t.modes), 2.0, 1.0) if t.real else np.ones(len(k))
        factor[(2 * k == t.modes) & (t.points > t.modes)] /= 2
        reach = fft._asked.reach[t.axis]
        if reach is not None:
            factor[k > reach] = 0
        found[t.axis] = factor[fft.local_slice(True)[t.axis]]
    return outer(found)


def outer(factors: Sequence[Array]) -> list[Array]:
    """One array for each axis, shaped so that they broadcast against each other and against the block."""
    return [f.reshape([-1 if k == axis else 1 for k in range(len(factors))]) for axis, f in enumerate(factors)]


def samples(fft: PFFT) -> int:
    """How many fields of the transformed axes there are: the points along the others."""
    transformed = {t.axis for t in fft._asked.transforms}
    return math.prod(n for axis, n in enumerate(fft.global_shape(True)) if axis not in transformed)


def scale_of_modes(fft: PFFT) -> float:
    """What modes are multiplied with to be Fourier coefficients, those of which the mean is one."""
    points = math.prod(t.size for t in fft._asked.transforms)
    return {"forward": 1.0, "backward": 1 / points, "ortho": 1 / math.sqrt(points)}[fft._asked.norm]


def kept(fft: PFFT, here: Any) -> Any:
    """Which modes of a part of the block a `Ball` keeps; one where there is none."""
    if fft._outside is None:
        return 1
    return ~np.broadcast_to(fft._outside, fft.shape(True))[here]
