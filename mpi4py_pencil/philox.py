"""Random bits by their number, so that who draws them and in which order does not matter."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from . import _kernels

Plain: TypeAlias = "np.ndarray[Any, Any]"

# So many words of 64 bits belong to a number of the counter, which has 256 bits.
WORDS = 4


def checked_seed(seed: Any) -> int:
    """A seed, if it is one.

    Raises
    ------
    ValueError
        Where it is no whole number from 0 up to 2**128 - 1.
    """
    if not hasattr(seed, "__index__") or not 0 <= seed < 2**128:
        raise ValueError(f"seed must be a whole number from 0 up to 2**128 - 1, not {seed!r}")
    return int(seed.__index__())


class Counted:
    """The random bits of a seed by their number.

    References
    ----------
    J. K. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11 (2011): Philox, of which this is 4x64-10.
    """

    def __init__(self, seed: int) -> None:
        self._key = seed
        self._philox = np.random.Philox(key=seed)
        self._generator = np.random.Generator(self._philox)
        self._state = self._philox.state

    def at(self, counter: int) -> np.random.Generator:
        """Numpy's generator where the words of a number of the counter are next. There is one: it is moved."""
        self._state["state"]["counter"][:] = [counter >> shift & (2**64 - 1) for shift in (0, 64, 128, 192)]
        self._philox.state = self._state
        return self._generator

    def words(self, counter: int, numbers: Plain) -> Plain:
        """The words of these numbers, counted from those of a number of the counter on.

        Parameters
        ----------
        numbers : ndarray of int64
            Contiguous, none negative; where words of one number of the counter follow each other they cost once.
        """
        start, key = (
            np.array([x >> k & (2**64 - 1) for k in (0, 64, 128, 192)], np.uint64) for x in (counter, self._key)
        )
        found = np.empty(numbers.shape, np.uint64)
        _kernels.philox(start.ctypes.data, key.ctypes.data, numbers.ctypes.data, numbers.size, found.ctypes.data)
        return found


def normal(words: Plain) -> Plain:
    """Complex normal numbers of the variance 1, each from two words in the last axis: the method of Box and Muller."""
    uniform = (words >> np.uint64(11)) * 2.0**-53
    radius = np.sqrt(-np.log1p(-uniform[..., 0]))
    # the angle's sine and cosine by the tangent of its half, which numpy computes many times as fast
    tangent = np.tan(np.pi * uniform[..., 1])
    square = tangent * tangent
    radius /= 1 + square
    found = np.empty(radius.shape, np.complex128)
    np.multiply(radius, 1 - square, out=found.real)
    tangent *= 2
    np.multiply(radius, tangent, out=found.imag)
    return found
