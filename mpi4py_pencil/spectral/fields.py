"""Fields to begin with, and products of fields in space."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..distarray import DistArray
from ..layout.arrays import address, checked_array, overlap, refuse_no_array
from ..pfft import PFFT
from ..philox import WORDS, Counted, checked_seed, normal
from ..ranks.agreement import agreed
from ..transforms import Transform
from .energies import numbers, shells, summed
from .modes import CACHED_MODES, fourier_axes, kept, samples, scale_of_modes, slabs, weights

Array = np.ndarray[Any, Any]

# Bits of a counter of Philox, which has 256, for the component and for each axis.
_BITS = 32


def cross(u: Array, v: Array, out: Array | None = None) -> Array:
    """The cross product u × v of two vector fields, at each point; in two dimensions its one component.

    Local: no communication.

    Parameters
    ----------
    u, v : ndarray
        Blocks of equal shape, components first: three, or two. They are not changed.
    out : ndarray, optional
        Where the result goes; it may be `u` or `v`.

    Returns
    -------
    ndarray
        `out`, or a new array: of three components, or none.

    Raises
    ------
    TypeError, ValueError
        Where the arrays do not fit each other.

    Examples
    --------
    >>> from mpi4py_pencil.spectral import cross
    >>> cross(np.array([[1.0], [0], [0]]), np.array([[0.0], [1], [0]])).ravel()
    array([0., 0., 1.])
    """
    for name, array in (("u", u), ("v", v)):
        refuse_no_array(name, array)
    if u.shape != v.shape or u.ndim < 2 or len(u) not in (2, 3):
        raise ValueError(
            f"u and v have the shapes {u.shape} and {v.shape}: equal ones are needed, 2 or 3 components first"
        )
    space = u.shape[1:]
    shape = u.shape if len(u) == 3 else space
    to = np.empty(shape, np.result_type(u, v)) if out is None else _checked_out(out, shape, (u, v))
    a, b, target = np.asarray(u), np.asarray(v), np.asarray(to)
    rows = max(1, CACHED_MODES // max(1, math.prod(space[1:])))
    for start in range(0, space[0], rows):
        s = slice(start, start + rows)
        p, q = a[:, s], b[:, s]
        if len(u) == 2:
            target[s] = p[0] * q[1] - p[1] * q[0]
        else:
            x, y, z = p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], p[0] * q[1] - p[1] * q[0]
            target[0, s], target[1, s], target[2, s] = x, y, z
    return to


def _checked_out(out: Any, shape: tuple[int, ...], given: Sequence[Array]) -> Array:
    """`out`, if it fits and is one of the arrays given or does not overlap them."""
    checked_array("out", out, shape, np.result_type(*given), written=True)
    for array in given:
        same = address(out) == address(array) and out.strides[-1:] == array.strides[-1:]
        if overlap(out, array) and not (same and out.shape == array.shape and out.strides == array.strides):
            raise ValueError("out overlaps u or v: it must be one of them, or other memory")
    return out


def random_field(
    fft: PFFT, spectrum: Callable[[Array], Any], seed: int, rank: int = 0, lengths: Any = None
) -> DistArray:
    """Modes of a random field with a given spectrum.

    Each mode is normally distributed, independent of all others, and the expected energy of the shell k, of all
    components together, is ``spectrum(k)``: see `mpi4py_pencil.spectral.spectrum`. Of real data the field is real. The
    random numbers belong to the seed, the component and the wave numbers: not to ranks or to the grid, nor to how many
    modes there are. `project` makes a velocity of a vector field, and takes a part of its energy.

    Collective over the ranks of the plan.

    Parameters
    ----------
    fft : PFFT
        The transform. All its transformed axes must be Fourier axes.
    spectrum : callable
        Takes the wave numbers of the shells, an array, and returns the energies, 0 or more.
    seed : int
        From 0 up to 2**128 - 1.
    rank : int, optional
        The number of leading component axes, as in `newDistArray`.
    lengths : float or sequence of float, optional
        The length of the box along each axis, 2π by default.

    Returns
    -------
    DistArray
        This rank's block of the modes, as `forward` scales them.

    Raises
    ------
    TypeError, ValueError
        On every rank, where an argument does not fit on one.

    References
    ----------
    J. K. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11 (2011): Philox.
    """
    target, (k, squares), energies = agreed(
        fft.comm,
        lambda: _asked(fft, spectrum, seed, rank, lengths),
        lambda found: {"seed": seed, "rank": found[0].rank, "lengths": found[1][0], "spectrum": found[2].tolist()},
    )
    factors = weights(fft, "a random field")
    counts = np.zeros(len(k))
    for (here, parts), (_, distances) in zip(slabs(factors), slabs(squares), strict=True):
        shell = numbers(distances)
        counts += np.bincount(shell.ravel(), (math.prod(parts) * kept(fft, here)).ravel(), len(k))
    counts = summed(fft.comm, counts)
    components = math.prod(target.shape[: target.ndim - fft.dimensions])
    variance = np.divide(2 * energies * samples(fft), counts * components, out=np.zeros(len(k)), where=counts > 0)
    u = np.asarray(target)
    _fill(fft, u, seed)
    for (here, parts), (_, distances) in zip(slabs(factors), slabs(squares), strict=True):
        size = np.sqrt(variance)[numbers(distances)] / scale_of_modes(fft)
        u[here] *= np.where(math.prod(parts) * kept(fft, here) > 0, size, 0)
    return target


def _asked(
    fft: PFFT, spectrum: Any, seed: Any, rank: Any, lengths: Any
) -> tuple[DistArray, tuple[Array, list[Array]], Array]:
    """The arguments of `random_field`, checked: the array to fill, the shells, and their energies."""
    fourier_axes(fft, "a random field")
    checked_seed(seed)
    if not callable(spectrum):
        raise TypeError(f"spectrum must be a function of the wave number, not {spectrum!r}")
    target = fft.empty_output(rank)
    if fft.dimensions + 1 > 256 // _BITS:
        raise ValueError(f"a random field has {256 // _BITS - 1} axes at the most, this transform {fft.dimensions}")
    found = shells(fft, lengths)
    energies = np.asarray(spectrum(found[0].copy()), float)
    if energies.shape not in ((), found[0].shape) or not np.all((energies >= 0) & (energies < np.inf)):
        raise ValueError(
            f"spectrum must give an energy of 0 or more for each of {len(found[0])} shells, not {energies}"
        )
    return target, found, np.broadcast_to(energies, found[0].shape)


def _fill(fft: PFFT, u: Array, seed: int) -> None:
    """Fill a block with complex normal numbers of the variance 1, those of a real field where the points are real."""
    if u.size == 0:
        return
    transforms = {t.axis: t for t in fft._asked.transforms}
    real = next((t for t in transforms.values() if t.real), None)
    line = fft.axes[-1] if real is None else real.axis
    others = [axis for axis in range(fft.dimensions) if axis != line]
    along, *waves = (_waves(fft, transforms, axis) for axis in (line, *others))
    modes = [transforms[axis].modes if axis in transforms else None for axis in others]
    if not others:
        waves, modes = [[0]], [None]
    # a mode whose conjugate is stored too, with all other wave numbers mirrored
    alone = [] if real is None else [i for i, k in enumerate(along) if k == 0 or 2 * k == real.modes]
    lines = np.moveaxis(u, line - fft.dimensions, -1).reshape(-1, *(len(w) for w in waves), len(along))
    runs, counted = _runs(along), Counted(seed)
    *outer_waves, inner = waves
    for component, index in itertools.product(range(len(lines)), np.ndindex(*map(len, outer_waves))):
        bits = np.empty((len(inner), len(along), 2), np.uint64)
        sides = np.ones((len(inner), 1), int)
        before = [each[i] for each, i in zip(outer_waves, index, strict=True)]
        for row, last in enumerate(inner):
            k = [*before, last]
            for at, first, count in runs:
                bits[row, at : at + count] = _words(counted, component, k, first, count)
            sides[row] = _side(k, modes)
            for i in alone if sides[row] < 0 else ():
                bits[row, i] = _words(counted, component, _mirrored(k, modes), along[i], 1)
        block = lines[component][index]
        block[...] = normal(bits)
        z = block[:, alone]
        block[:, alone] = np.where(sides > 0, z, np.where(sides < 0, z.conj(), math.sqrt(2) * z.real))


def _waves(fft: PFFT, transforms: Mapping[int, Transform], axis: int) -> list[int]:
    """The wave numbers of this rank's modes along an axis, or the indices along one that is not transformed."""
    t = transforms.get(axis)
    whole = np.arange(fft.global_shape(True)[axis]) if t is None else t.family.waves(t)
    waves: list[int] = whole[fft.local_slice(True)[axis]].tolist()
    return waves


def _runs(waves: Sequence[int]) -> list[tuple[int, int, int]]:
    """Consecutive wave numbers: place, first and count."""
    starts = [i for i, k in enumerate(waves) if i == 0 or k != waves[i - 1] + 1]
    return [(i, waves[i], j - i) for i, j in itertools.pairwise([*starts, len(waves)])]


def _side(k: Sequence[int], modes: Sequence[int | None]) -> int:
    """1 or -1 for one and the other of two modes that mirror each other, 0 for one that is its own mirror image."""
    return next(((1 if each > 0 else -1) for each, n in zip(k, modes, strict=True) if each != _mirror(each, n)), 0)


def _mirrored(k: Sequence[int], modes: Sequence[int | None]) -> list[int]:
    """The wave numbers of the other sign."""
    return [_mirror(each, n) for each, n in zip(k, modes, strict=True)]


def _mirror(k: int, modes: int | None) -> int:
    """The wave number of the other sign; that of a Nyquist mode, and an index where nothing is transformed, stay."""
    return k if modes is None or 2 * abs(k) == modes else -k


def _words(counted: Counted, component: int, waves: Sequence[int], first: int, count: int) -> Array:
    """Two words for each of consecutive wave numbers, of a component and of the other wave numbers."""
    counter = component
    for k in (*waves, first):
        counter = (counter << _BITS) + k % 2**_BITS
    words: Array = counted.at(counter).bit_generator.random_raw(WORDS * count)
    return words.reshape(count, WORDS)[:, :2]
