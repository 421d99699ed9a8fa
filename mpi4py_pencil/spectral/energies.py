"""Means of squares of fields, from their modes: energy, enstrophy, and their spectra. All are sums over all ranks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from mpi4py import MPI

from ..pfft import PFFT
from ..ranks.agreement import agreed
from ..transforms.mesh import TWO_PI, box_lengths
from .derivatives import curl
from .modes import components_of, fourier_axes, kept, outer, samples, scale_of_modes, slabs, weights

Array = np.ndarray[Any, Any]


def energy(fft: PFFT, u_hat: Array) -> float:
    """Half of the mean of ``|u|²`` over the box, all components together.

    It is the mean over the points of the plan, by Parseval's theorem, whatever its `norm`; over those of axes that are
    not transformed too. Collective over the ranks of the plan.

    Parameters
    ----------
    fft : PFFT
        The transform. All its transformed axes must be Fourier axes.
    u_hat : ndarray
        This rank's block of the modes, ``fft.shape(True)``, with any leading component axes. It is not changed.

    Returns
    -------
    float
        The same on every rank.

    Raises
    ------
    TypeError, ValueError
        On every rank, where an argument does not fit on one.
    """
    factors = agreed(
        fft.comm, lambda: _weights(fft, u_hat), lambda _: {"the component axes": components_of(fft, u_hat)}
    )
    total = sum(float(part.sum()) for _, part in _densities(fft, u_hat, factors))
    return float(summed(fft.comm, np.array([total]))[0])


def enstrophy(fft: PFFT, u_hat: Array, lengths: Any = None) -> float:
    """Half of the mean of ``|ω|²`` over the box, of the curl ω of a vector field in two or three dimensions.

    Of the one component ω in two dimensions it is ``energy(fft, w_hat)``. Collective over the ranks of the plan.
    Parameters, result and errors are those of `energy` and `curl`.
    """
    w_hat = agreed(fft.comm, lambda: curl(fft, u_hat, lengths), lambda _: {"lengths": lengths})
    return energy(fft, w_hat)


def spectrum(fft: PFFT, u_hat: Array, lengths: Any = None) -> tuple[Array, Array]:
    """The energy in shells of wave numbers ``|k|``: those that are nearest to 0, to 1, to 2, ….

    In a box of other lengths than 2π the shells are 2π / L apart, L the greatest length of a transformed axis. The sum
    of all shells is the `energy`. Collective over the ranks of the plan.

    Parameters
    ----------
    fft, u_hat
        See `energy`.
    lengths : float or sequence of float, optional
        The length of the box along each axis, 2π by default.

    Returns
    -------
    k, energies : ndarray of float
        The wave number of each shell, and the energy in it; the same on every rank.

    Raises
    ------
    TypeError, ValueError
        On every rank, where an argument does not fit on one.
    """
    factors, (k, squares) = agreed(
        fft.comm,
        lambda: (_weights(fft, u_hat), shells(fft, lengths)),
        lambda found: {"lengths": found[1][0], "the component axes": components_of(fft, u_hat)},
    )
    total = np.zeros(len(k))
    for (_, part), (_, parts) in zip(_densities(fft, u_hat, factors), slabs(squares), strict=True):
        total += np.bincount(numbers(parts).ravel(), part.ravel(), len(k))
    return k, summed(fft.comm, total)


def shells(fft: PFFT, lengths: Any) -> tuple[Array, list[Array]]:
    """The wave number of each shell, and for each axis the squares of those of this rank's modes, in shells."""
    ndim, transforms = fft.dimensions, fourier_axes(fft, "a spectrum")
    box = box_lengths(lengths, ndim, [t.axis for t in transforms])
    longest = max(box[t.axis] for t in transforms)
    squares = [np.zeros(n) for n in fft.shape(True)]
    largest = 0.0
    for t in transforms:
        k = np.abs(t.family.waves(t)) * float(longest / box[t.axis])
        squares[t.axis] = k[fft.local_slice(True)[t.axis]] ** 2
        largest += k.max() ** 2
    count = 1 + int(np.rint(math.sqrt(largest)))
    return np.arange(count) * float(TWO_PI / longest), outer(squares)


def numbers(squares: list[Array]) -> Array:
    """The shell of each mode of a part of the block."""
    return np.rint(np.sqrt(sum(squares[1:], start=squares[0]))).astype(int)


def summed(comm: MPI.Intracomm, values: Array) -> Array:
    """The sums over all ranks, the same to the last bit on every rank. Collective over `comm`."""
    total = np.empty_like(values)
    comm.Reduce(values, total)
    comm.Bcast(total)
    return total


def _weights(fft: PFFT, u_hat: Array) -> list[Array]:
    """The weights of modes that are those of this plan; others are refused."""
    components_of(fft, u_hat)
    return weights(fft, "an energy")


def _densities(fft: PFFT, u_hat: Array, factors: list[Array]) -> Iterator[tuple[Any, Array]]:
    """The energy of each mode, slab by slab."""
    u, scale = np.asarray(u_hat), scale_of_modes(fft) ** 2 / 2 / samples(fft)
    axes = tuple(range(u.ndim - fft.dimensions))
    for here, parts in slabs(factors):
        square = np.sum(u[here].real.astype(float) ** 2 + u[here].imag.astype(float) ** 2, axis=axes)
        yield here, square * math.prod(parts) * (scale * kept(fft, here))
