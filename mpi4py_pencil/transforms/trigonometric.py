"""Cosine, sine and Hartley transforms along an axis, and Chebyshev series by way of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .line import Edit, Edits, Transform, direct

_INVERSE = {1: 1, 2: 3, 3: 2, 4: 4}
_ROMAN = ("", "I", "II", "III", "IV")


def _checked_type(name: str, number: Any) -> None:
    """Refuse a type of transform that there is not.

    Raises
    ------
    ValueError
        Where it is none of 1 to 4.
    """
    if number not in _INVERSE:
        raise ValueError(f"{name} has the types 1, 2, 3 and 4, not {number!r}")


def _between(
    axis: int,
    name: str,
    family: Any,
    kinds: tuple[str, str],
    n: int,
    dtype: np.dtype[Any],
    size: int,
    edits: tuple[Edits, Edits],
) -> Transform:
    """The transform of `n` points to as many by kinds forward and backward; forward with edits before and after.

    Backward takes the inverse of these edits.
    """
    backward = _inverse(edits[1]), _inverse(edits[0])
    lines = (direct(kinds[0], n, dtype, edits), direct(kinds[1], n, dtype, backward))
    return Transform(axis, name, family, lines, size, n)


_UNDOES = {
    Edit.HALVE: Edit.DOUBLE,
    Edit.DOUBLE: Edit.HALVE,
    Edit.ROOT_HALF: Edit.ROOT_TWO,
    Edit.ROOT_TWO: Edit.ROOT_HALF,
}


def _inverse(edits: Edits) -> Edits:
    """What undoes edits that only multiply."""
    return tuple((_UNDOES[what], i, j) for what, i, j in reversed(edits))


@dataclass(frozen=True)
class DCT:
    """The discrete cosine transform: a series of cosines, for fields that are even at both ends (Neumann conditions).

    Defined as in scipy.fft.dct and FFTW (REDFT). Real data stay real; of complex data real and imaginary parts are
    transformed each.

    Parameters
    ----------
    type : int
        1 to 4. Type 1 has points on both ends, 2 points in the middle of cells; 3 is the inverse of 2.

    References
    ----------
    G. Strang, "The discrete cosine transform", SIAM Review 41 (1999).
    """

    type: int = 2

    def __post_init__(self) -> None:
        """Refuse what there is not."""
        _checked_type("DCT", self.type)

    def along(
        self, axis: int, modes: int, points: int, dtype: np.dtype[Any], reach: float | None = None, ortho: bool = False
    ) -> Transform:
        """The transform of `points` along an axis; as `Fourier.along`, without padding or truncation."""
        n = points
        if self.type == 1 and n < 2:
            raise ValueError(f"axis {axis} has {n} point: DCT type 1 needs two at least")
        size = 2 * (n - 1) if self.type == 1 else 2 * n
        kinds = (f"dct{self.type}", f"dct{_INVERSE[self.type]}")
        ends = ((0, 1), (n - 1, n))
        weights: dict[int, tuple[Edits, Edits]] = {
            1: (tuple((Edit.ROOT_TWO, *e) for e in ends), tuple((Edit.ROOT_HALF, *e) for e in ends)),
            2: ((), ((Edit.ROOT_HALF, 0, 1),)),
            3: (((Edit.ROOT_TWO, 0, 1),), ()),
            4: ((), ()),
        }
        edits = weights[self.type] if ortho else ((), ())
        return _between(axis, f"DCT-{_ROMAN[self.type]}", self, kinds, n, dtype, size, edits)


@dataclass(frozen=True)
class DST:
    """The discrete sine transform: a series of sines, for fields that are odd at both ends (Dirichlet conditions).

    Defined as in scipy.fft.dst and FFTW (RODFT). Real data stay real; of complex data real and imaginary parts are
    transformed each.

    Parameters
    ----------
    type : int
        1 to 4. Type 1 has the points inside of the ends, 2 points in the middle of cells; 3 is the inverse of 2.
    """

    type: int = 2

    def __post_init__(self) -> None:
        """Refuse what there is not."""
        _checked_type("DST", self.type)

    def along(
        self, axis: int, modes: int, points: int, dtype: np.dtype[Any], reach: float | None = None, ortho: bool = False
    ) -> Transform:
        """The transform of `points` along an axis; as `Fourier.along`, without padding or truncation."""
        n = points
        size = 2 * (n + 1) if self.type == 1 else 2 * n
        kinds = (f"dst{self.type}", f"dst{_INVERSE[self.type]}")
        weights: dict[int, tuple[Edits, Edits]] = {
            2: ((), ((Edit.ROOT_HALF, n - 1, n),)),
            3: (((Edit.ROOT_TWO, n - 1, n),), ()),
        }
        edits = weights.get(self.type, ((), ())) if ortho else ((), ())
        return _between(axis, f"DST-{_ROMAN[self.type]}", self, kinds, n, dtype, size, edits)


@dataclass(frozen=True)
class Hartley:
    """The discrete Hartley transform: of x_j the sums over j of x_j (cos + sin)(2 pi j k / n); its own inverse times n.

    References
    ----------
    R. N. Bracewell, "Discrete Hartley transform", J. Opt. Soc. Am. 73 (1983).
    """

    def along(
        self, axis: int, modes: int, points: int, dtype: np.dtype[Any], reach: float | None = None, ortho: bool = False
    ) -> Transform:
        """The transform of `points` along an axis; as `Fourier.along`, without padding or truncation."""
        return _between(axis, "Hartley", self, ("hartley", "hartley"), points, dtype, points, ((), ()))


@dataclass(frozen=True)
class Chebyshev:
    """Values at Chebyshev points to the coefficients of their Chebyshev series, and back.

    Forward gives the c_k for which u(x_j) is the sum of c_k T_k(x_j), as numpy.polynomial.chebyshev has them.

    Parameters
    ----------
    points : str
        "gauss" for x_j = cos(pi (j + 1/2) / n), all inside of [-1, 1], or "lobatto" for x_j = cos(pi j / (n - 1)), with
        both ends. Both run from 1 down to -1.

    References
    ----------
    J. P. Boyd, "Chebyshev and Fourier Spectral Methods", 2nd ed. (2001), ch. 4 and app. F.
    """

    points: str = "gauss"

    def __post_init__(self) -> None:
        """Refuse points that there are not."""
        if self.points not in ("gauss", "lobatto"):
            raise ValueError(f"Chebyshev points are 'gauss' or 'lobatto', not {self.points!r}")

    def along(
        self, axis: int, modes: int, points: int, dtype: np.dtype[Any], reach: float | None = None, ortho: bool = False
    ) -> Transform:
        """The transform of `points` along an axis; as `Fourier.along`, without padding or truncation."""
        n = points
        if ortho:
            raise ValueError(f"axis {axis}: the coefficients of a Chebyshev series have no orthonormal scale")
        if self.points == "lobatto" and n < 2:
            raise ValueError(f"axis {axis} has {n} point: the Lobatto points are two at least")
        kinds, size, doubled = (("dct2", "dct3"), 2 * n, n)
        if self.points == "lobatto":
            kinds, size, doubled = (("dct1", "dct1"), 2 * (n - 1), n - 1)
        return _between(
            axis, f"Chebyshev-{self.points}", self, kinds, n, dtype, size, ((), ((Edit.DOUBLE, 1, doubled),))
        )

    def nodes(self, n: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The n points x_j, from 1 down to -1."""
        j = np.arange(n)
        return np.cos(np.pi * (j + 0.5) / n) if self.points == "gauss" else np.cos(np.pi * j / (n - 1))
