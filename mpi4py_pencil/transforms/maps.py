"""Any linear map along an axis: by matrices, or by functions of whole lines."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .line import Line, Run, Tile, Transform

Function = Callable[[Tile], Any]


class _Matrix:
    """A matrix that maps every line of a tile."""

    def __init__(self, matrix: Tile) -> None:
        self.matrix = matrix

    @property
    def adjoint(self) -> _Matrix:
        """The conjugate transposed matrix."""
        return _Matrix(self.matrix.conj().T)

    def result(self, points: int, dtype: np.dtype[Any]) -> tuple[int, np.dtype[Any]]:
        """The length and the dtype of what lines become."""
        length, given = self.matrix.shape
        if given != points:
            raise ValueError(f"the matrix is {length} x {given}, but is given lines of {points} points")
        return length, np.dtype(dtype.char.upper()) if self.matrix.dtype.kind == "c" else dtype

    def plan(self, before: Tile, after: Tile) -> Callable[[], Any]:
        """A callable that maps every line of `before` into `after`."""
        kind = np.result_type(before, after)
        transposed = np.ascontiguousarray(self.matrix.T)
        if after.dtype.kind == "f" and kind.kind == "c":
            # the adjoint of a map from real points to complex values: of the sum the real part is meant
            return lambda: np.copyto(after, np.matmul(before, transposed).real)
        if transposed.dtype.kind != "c":
            kind = kind.type(0).real.dtype
        return functools.partial(np.matmul, before, transposed.astype(kind), out=after)

    def __repr__(self) -> str:
        """What tells it from other matrices, the same on every rank."""
        rows, columns = self.matrix.shape
        # in double precision, since the bytes of long double have gaps that hold anything
        digest = hashlib.sha256(self.matrix.astype(complex).tobytes()).hexdigest()[:16]
        return f"<{rows} x {columns} {self.matrix.dtype} matrix {digest}>"


class _Function:
    """A function that maps every line of a tile, and its adjoint if that is known."""

    def __init__(self, function: Function, adjoint: _Function | None = None) -> None:
        self._function = function
        self.adjoint = adjoint

    def result(self, points: int, dtype: np.dtype[Any]) -> tuple[int, np.dtype[Any]]:
        """The length and the dtype of what lines become."""
        lines = np.asarray(self._function(np.zeros((2, points), dtype)))
        if lines.ndim != 2 or len(lines) != 2:
            raise ValueError(f"{self!r} made of 2 lines of {points} points an array of shape {lines.shape}")
        if lines.dtype.char.lower() != dtype.char.lower():
            raise TypeError(f"{self!r} made {lines.dtype} of {dtype}: it must keep the precision")
        return lines.shape[1], lines.dtype

    def plan(self, before: Tile, after: Tile) -> Callable[[], Any]:
        """A callable that maps every line of `before` into `after`."""

        def execute() -> None:
            made = np.asarray(self._function(before))
            if made.shape != after.shape or made.dtype != after.dtype:
                raise ValueError(
                    f"{self!r} made {made.dtype} lines of shape {made.shape} of {before.dtype} lines of shape "
                    f"{before.shape}, expected {after.dtype} of shape {after.shape}"
                )
            after[...] = made

        return execute

    def __repr__(self) -> str:
        """Its name, the same on every rank."""
        return f"<function {getattr(self._function, '__qualname__', type(self._function).__qualname__)}>"


class LinearMap:
    """Any linear map along an axis, forward and backward.

    Parameters
    ----------
    forward, backward : array_like or callable
        A matrix, (n_out, n_in) forward and (n_in, n_out) backward, real or complex; or a function that takes lines,
        an array (any number, n_in), and returns theirs, (as many, n_out), in the same precision. A function must treat
        all lines alike, leave what it is given unchanged, and may be called with lines whose result is not used.
        After forward the values are complex where the points or the map are, which a function shows when it is called
        with lines of zeros.
    adjoints : pair of callable, optional
        The adjoints of the functions forward and backward; those of matrices are known.

    Notes
    -----
    No scale is applied: ``normalize`` and ``norm`` do not touch it.

    Where a function raises on some ranks, the call raises on all of them, and the plan stays usable: the ranks agree
    after each call. A rank that has no lines never calls it.

    Examples
    --------
    >>> import numpy as np
    >>> differences = np.eye(4) - np.eye(4, k=-1)
    >>> LinearMap(differences, np.linalg.inv(differences)).along(0, 4, 4, np.dtype(float)).length
    4
    """

    def __init__(self, forward: Any, backward: Any, adjoints: tuple[Function, Function] | None = None) -> None:
        self._maps: tuple[_Matrix | _Function, _Matrix | _Function]
        if adjoints is None:
            self._maps = _map("forward", forward), _map("backward", backward)
            return
        if not all(map(callable, (forward, backward, *adjoints))) or len(adjoints) != 2:
            raise TypeError("adjoints must be two functions, and forward and backward functions too")
        self._maps = _with_adjoint(forward, adjoints[0]), _with_adjoint(backward, adjoints[1])

    def along(
        self, axis: int, modes: int, points: int, dtype: np.dtype[Any], reach: float | None = None, ortho: bool = False
    ) -> Transform:
        """The map of `points` along an axis; as `Fourier.along`, without padding, truncation or scale."""
        forward, backward = self._maps
        try:
            length, after = forward.result(points, dtype)
            back, before = backward.result(length, after)
        except (TypeError, ValueError) as error:
            raise type(error)(f"axis {axis}: {error}") from error
        if back != points:
            raise ValueError(f"axis {axis}: forward makes {length} values of {points} points, backward {back} of these")
        if before != dtype:
            raise TypeError(f"axis {axis}: backward gives {before}, but the points are {dtype}")
        ends = ((dtype, points), (after, length))
        lines = [
            Line("map", points, *(_both(a, b)), map=each)
            for each, (a, b) in zip(self._maps, (ends, ends[::-1]), strict=True)
        ]
        return Transform(axis, "map", self, (lines[0], lines[1]), 1, length)

    def waves(self, transform: Transform) -> None:
        """Nothing is known of the modes."""

    def places(self, points: int, length: np.longdouble) -> None:
        """Nothing is known of the points."""

    def __repr__(self) -> str:
        """What it is made of."""
        return f"LinearMap({self._maps[0]!r}, {self._maps[1]!r})"


def _both(a: tuple[np.dtype[Any], int], b: tuple[np.dtype[Any], int]) -> tuple[Any, Any, Any]:
    """The dtypes, lengths and runs of lines between two ends (dtype, length)."""
    return (a[0], b[0]), (a[1], b[1]), ((Run(0, 0, a[1]),), (Run(0, 0, b[1]),))


def _map(name: str, given: Any) -> _Matrix | _Function:
    """A matrix or a function as a map."""
    if callable(given):
        return _Function(given)
    matrix = np.array(given)
    if matrix.ndim != 2 or matrix.dtype.kind not in "biufc" or 0 in matrix.shape:
        raise TypeError(f"{name} must be a function or a matrix of numbers, not {matrix.dtype} of shape {matrix.shape}")
    return _Matrix(matrix)


def _with_adjoint(function: Function, adjoint: Function) -> _Function:
    """A function whose adjoint is known, as its adjoint's is."""
    result = _Function(function)
    result.adjoint = _Function(adjoint, result)
    return result


@dataclass(frozen=True)
class Legendre:
    """Values at Gauss-Legendre points to the coefficients of their Legendre series, and back.

    Forward gives the c_k for which u(x_j) is the sum of c_k P_k(x_j), as numpy.polynomial.legendre has them. It takes
    matrices: of n points each costs n operations.

    References
    ----------
    C. Canuto et al., "Spectral Methods: Fundamentals in Single Domains" (2006), sec. 2.3.
    """

    def along(
        self, axis: int, modes: int, points: int, dtype: np.dtype[Any], reach: float | None = None, ortho: bool = False
    ) -> Transform:
        """The transform of `points` along an axis; as `LinearMap.along`."""
        x, weights = _gauss(points)
        values = np.polynomial.legendre.legvander(x, points - 1)
        coefficients = (np.arange(points)[:, None] + np.longdouble(0.5)) * (values * weights[:, None]).T
        made = LinearMap(coefficients, values).along(axis, points, points, dtype)
        return replace(made, name="Legendre", family=self)

    def waves(self, transform: Transform) -> None:
        """There are none: the modes are polynomials."""

    def places(self, points: int, length: np.longdouble) -> Tile:
        """The points x_j, from -1 up to 1; the length does not matter."""
        return _gauss(points)[0]


@functools.lru_cache(maxsize=8)
def _gauss(n: int) -> tuple[Tile, Tile]:
    """The Gauss-Legendre points and weights to the last digit of long double, by Newton's method from numpy's."""
    x = np.polynomial.legendre.leggauss(n)[0].astype(np.longdouble)
    for _ in range(3):
        values = np.polynomial.legendre.legvander(x, n)
        slope = n * (values[:, n - 1] - x * values[:, n]) / (1 - x * x)
        x = x - values[:, n] / slope
    weights = 2 / ((1 - x * x) * slope * slope)
    for kept in (x, weights):
        kept.flags.writeable = False
    return x, weights
