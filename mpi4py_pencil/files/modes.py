"""Modes of one resolution as those of another: which of them become which, and with what weight.

A field is what its modes say it is between the points too: a sum of waves, cosines, sines or polynomials. At another
resolution it has the same modes where there are such, and none where there are more. The highest mode needs care: where
its twin has the same values at all points, it stands for both. On more points they differ, and it is half of each; on
fewer points two become one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..layout.partition import overlap
from ..spec import LineSpec, Spec
from ..transforms import DCT, DST, Chebyshev, Fourier, Hartley, Legendre
from . import npy
from .parts import Part

Array = np.ndarray[Any, Any]
# What is written of an axis: the family, the number of modes, what forward and backward multiply with together, and
# whether the modes are the half of a spectrum; None of an axis that is not transformed.
Axis = dict[str, Any]

_SERIES = [repr(family) for family in (Fourier(), Hartley(), Legendre(), Chebyshev(), Chebyshev("lobatto"))]
_SERIES += [repr(kind(number)) for kind in (DCT, DST) for number in (1, 2, 3, 4)]
# Their highest function has, at the points, half the weight of the others, or that of the first.
_ENDING = (repr(DCT(1)), repr(DST(2)))
# Orthonormal at the points, where that of an end has another weight than the others: no series of smooth functions.
_WEIGHTED = (repr(DCT(1)), repr(DCT(3)), repr(DST(3)))


@dataclass(frozen=True)
class Term:
    """Consecutive modes along an axis that come from consecutive ones of another resolution.

    Attributes
    ----------
    start, source : int
        Where they start, and where those do from which they come.
    weights : ndarray
        What each is multiplied with.
    step : int
        1, or -1 where the others are taken backwards.
    """

    start: int
    source: int
    weights: Array
    step: int = 1


def axes_of(spec: Spec | LineSpec) -> list[Axis | None]:
    """What is written of the axes of modes."""
    axes: list[Axis | None] = [None] * len(spec.global_shape)
    for t in spec.transforms:
        axes[t.axis] = {"family": repr(t.family), "modes": t.modes, "size": t.size, "half": t.real}
    return axes


@dataclass(frozen=True)
class Change:
    """From one resolution to another: what is known of the axes, components left out, and how modes are scaled."""

    old: list[Axis | None]
    new: list[Axis | None]
    old_norm: str
    norm: str


def check(change: Change) -> None:
    """Refuse, with ValueError, modes of which those of another plan cannot be made."""
    old, new, norm = change.old, change.new, change.norm
    if norm != change.old_norm:
        raise ValueError(f"the modes were saved with norm={change.old_norm!r}, like has {norm!r}")
    if len(old) != len(new):
        raise ValueError(f"the modes were saved of {len(old)} axes, like has {len(new)}")
    for k, (a, b) in enumerate(zip(old, new, strict=True)):
        if a == b:
            continue
        names = [("none" if axis is None else axis["family"]) for axis in (a, b)]
        if a is None or b is None or names[0] != names[1] or a["half"] != b["half"]:
            raise ValueError(f"axis {k}: the modes were saved of the transform {names[0]}, like has {names[1]}")
        if names[0] not in _SERIES:
            raise ValueError(f"axis {k}: nothing is known of the modes of {names[0]} at another resolution")
        if norm == "ortho" and names[0] in _WEIGHTED and a["modes"] != b["modes"]:
            raise ValueError(f"axis {k}: the modes of {names[0]} with norm='ortho' are no series between the points")
    if twin_axis(old, new) is not None and any(axis and axis["family"] not in _SERIES for axis in old):
        raise ValueError("the highest mode of a half spectrum has a twin that a LinearMap along another axis hides")


def read_modes(path: Path, header: npy.Header, part: Part, change: Change) -> None:
    """Read modes of one resolution as those of another into ``part.block``. Local.

    Raises
    ------
    OSError
        Where the file cannot be read.
    """
    components = len(header.shape) - len(change.new)
    axes = [*[(None, None)] * components, *zip(change.old, change.new, strict=True)]
    half = twin_axis([a for a, _ in axes], [b for _, b in axes])
    lengths, norm = header.shape, change.norm
    ways = [[terms(a, b, n, norm) for (a, b), n in zip(axes, lengths, strict=True)]]
    if half is not None:
        ways.append([twins(a, b, n, norm, k == half) for k, ((a, b), n) in enumerate(zip(axes, lengths, strict=True))])
    part.block[...] = 0
    for twin, found in enumerate(ways):
        for each in itertools.product(*found):
            _add(path, header, part, each, bool(twin))
    part.block[...] *= scale(change).astype(np.finfo(header.dtype).dtype)


def _add(path: Path, header: npy.Header, part: Part, each: Sequence[Term], twin: bool) -> None:
    """Add what lies in this rank's part of a box of modes, of the file's read along each axis as a term says."""
    starts, source, target, weights = [], [], [], []
    for k, (term, at, size) in enumerate(zip(each, part.start, part.block.shape, strict=True)):
        first, count = overlap((term.start, len(term.weights)), (at, size))
        if not count:
            return
        skipped = first - term.start
        starts.append(term.source + skipped if term.step > 0 else term.source - skipped - count + 1)
        source.append(slice(None, None, term.step))
        target.append(slice(first - at, first - at + count))
        shape = [-1 if axis == k else 1 for axis in range(len(each))]
        weights.append(term.weights[skipped : skipped + count].reshape(shape))
    read = np.empty([s.stop - s.start for s in target], header.dtype)
    npy.read(path, header, Part(part.comm, header.shape, tuple(starts), read))
    found = read[tuple(source)]
    found = found.conj() if twin else found
    for factors in weights:
        if (factors != 1).any():
            found *= factors.astype(np.finfo(header.dtype).dtype)
    part.block[tuple(target)] += found


def scale(change: Change) -> Array:
    """What the modes are multiplied with, since they are scaled by the number of points."""
    sizes = [math.prod(axis["size"] for axis in axes if axis) for axes in (change.old, change.new)]
    power = {"forward": 0.0, "ortho": 0.5, "backward": 1.0}[change.norm]
    return (np.longdouble(sizes[1]) / sizes[0]) ** power


def twin_axis(old: list[Axis | None], new: list[Axis | None]) -> int | None:
    """The axis of a half spectrum whose new highest mode has a twin that is not stored; None where there is none."""
    for k, (a, b) in enumerate(zip(old, new, strict=True)):
        if a and b and a["half"] and b["modes"] < a["modes"] and b["modes"] % 2 == 0:
            return k
    return None


def terms(old: Axis | None, new: Axis | None, length: int, norm: str) -> list[Term]:
    """The modes along an axis of `length` modes, as they come from those of another resolution."""
    if old is None or new is None or old["modes"] == new["modes"]:
        return [Term(0, 0, np.ones(length))]
    n, m = old["modes"], new["modes"]
    if old["family"] not in (repr(Fourier()), repr(Hartley())):
        weights = np.ones(min(n, m), np.longdouble)
        if old["family"] in _ENDING:
            share = np.sqrt(np.longdouble(0.5)) if norm == "ortho" else 0.5
            weights[-1] = share if n < m else 1 / share
        return [Term(0, 0, weights)]
    highest = min(n, m) // 2
    weights = np.ones(highest + 1)
    if n < m and n % 2 == 0:
        weights[-1] = 0.5
    positive = [Term(0, 0, weights)]
    return positive if old["half"] or not highest else [*positive, Term(m - highest, n - highest, weights[:0:-1])]


def twins(old: Axis | None, new: Axis | None, length: int, norm: str, is_half: bool) -> list[Term]:
    """The modes along an axis, as they come from those with the opposite wave numbers.

    Of the axis of the half spectrum only the new highest one.
    """
    if is_half and new is not None:
        return [Term(new["modes"] // 2, new["modes"] // 2, np.ones(1))]
    if old is None or new is None or old["family"] != repr(Fourier()):
        return terms(old, new, length, norm)  # of real functions: their own twins
    n, found = old["modes"], []
    for term in terms(old, new, length, norm):
        weights, start, source = term.weights, term.start, term.source
        if source == 0:  # the mean is its own twin
            found.append(Term(start, 0, weights[:1]))
            weights, start, source = weights[1:], start + 1, source + 1
        if len(weights):
            found.append(Term(start, n - source, weights, -1))
    return found
