"""Products of matrices and vectors, norms; and factorisations of whole matrices, each on one rank."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..exchange.memory import item
from ..layout.pencil import whole_axis
from ..ranks.agreement import agreed, nothing
from . import statistics
from .context import Context
from .distribution import Distribution
from .globalarray import GlobalArray, apply, check_alike, together
from .manipulation import axes_of, broadcast_to, expand_dims, matrix_transpose, moveaxis, permute_dims, reshape, stack

__all__ = [
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]

Plain: TypeAlias = "np.ndarray[Any, Any]"


def panels(x: GlobalArray, axis: int) -> Iterator[Plain]:
    """The parts of an array along an axis, one rank's after the other, each broadcast to all, in order. Collective."""
    context = x.context
    divided = _divided(x, x.shape, axis)
    block = np.ascontiguousarray(x.within(divided).local)
    for root in range(context.size):
        if divided.axes[axis].sizes[root] == 0:
            continue
        panel = block if root == context.rank else np.empty(divided.local_shape(root), x.dtype)
        context.comm.Bcast([panel, panel.size, item(max(1, panel.itemsize))], root)
        yield panel


def _divided(x: GlobalArray, shape: tuple[int, ...], axis: int) -> Distribution:
    """That of arrays of a shape along an axis of which all ranks have blocks, kept with the array's."""
    size = x.context.size
    axes = ["block" if k == axis else None for k in range(len(shape))]
    return x.distribution.kept(("divided", size, shape, axis), Distribution.of, shape, axes, [size], size)


def matmul(x1: GlobalArray, x2: GlobalArray, /) -> GlobalArray:
    """The product of matrices, or stacks of them, divided by the rows of the first. Collective.

    The rows of the second go round, panel by panel: no rank holds all of it.
    """
    check_alike("matmul", x1, x2)
    if x1.ndim == 0 or x2.ndim == 0:
        raise ValueError("matmul is of arrays with one axis at least: use multiply for numbers")
    a = expand_dims(x1, axis=0) if x1.ndim == 1 else x1
    b = expand_dims(x2, axis=1) if x2.ndim == 1 else x2
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(f"matrices of shapes {x1.shape} and {x2.shape} cannot be multiplied: the inner lengths differ")
    made = _product(a, b)
    if x1.ndim == 1:
        made = made[..., 0, :]
    return made[..., 0] if x2.ndim == 1 else made


def _product(a: GlobalArray, b: GlobalArray) -> GlobalArray:
    """The product of stacks of matrices."""
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    shape = (*batch, a.shape[-2], b.shape[-1])
    dtype = np.result_type(a.dtype, b.dtype)
    target = _divided(a, shape, len(shape) - 2)
    left = a.within(_divided(a, a.shape, a.ndim - 2)).local
    total = np.zeros(target.local_shape(a.context.rank), dtype)
    at = 0
    for panel in panels(b, b.ndim - 2):
        factor = left[..., at : at + panel.shape[-2]]
        together(a.context, functools.partial(_add_product, total, factor, panel))
        at += panel.shape[-2]
    return a.like(total, target)


def _add_product(total: Plain, a: Plain, b: Plain) -> None:
    """Add the product of two blocks. Local."""
    total += np.matmul(a, b)


def vecdot(x1: GlobalArray, x2: GlobalArray, /, *, axis: int = -1, reproducible: bool = False) -> GlobalArray:
    """The sums of products along an axis, the first conjugated; `reproducible` as for `sum`. Collective."""
    k = whole_axis(axis, min(x1.ndim, x2.ndim)) - min(x1.ndim, x2.ndim)
    if x1.shape[k] != x2.shape[k]:
        raise ValueError(f"the lengths {x1.shape[k]} and {x2.shape[k]} along axis {axis} differ")
    if reproducible and np.result_type(x1.dtype, x2.dtype).kind == "c":
        # of real numbers, whose products are the same wherever they lie: those of complex ones may be fused
        sums = [vecdot(a, b, axis=axis, reproducible=True) for a in (x1.real, x1.imag) for b in (x2.real, x2.imag)]

        def joined(rr: Plain, ri: Plain, ir: Plain, ii: Plain) -> Plain:
            made = np.empty(rr.shape, np.result_type(rr, np.complex64))
            made.real, made.imag = rr + ii, ri - ir
            return made

        return apply(joined, sums)
    # numpy's conj makes small integers of booleans
    product = apply(lambda a, b: (np.conj(a) if a.dtype.kind == "c" else a) * b, (x1, x2))
    return statistics.sum(product, axis=k, dtype=product.dtype, reproducible=reproducible)


def tensordot(x1: GlobalArray, x2: GlobalArray, /, axes: Any = 2) -> GlobalArray:
    """The sums of products over axes of both. Collective."""
    if isinstance(axes, (int, np.integer)):
        first: Sequence[int] = range(x1.ndim - axes, x1.ndim)
        second: Sequence[int] = range(axes)
    else:
        first, second = axes
    one, two = axes_of(tuple(first), x1.ndim), axes_of(tuple(second), x2.ndim)
    if [x1.shape[k] for k in one] != [x2.shape[k] for k in two]:
        raise ValueError(f"the axes {one} of {x1.shape} and {two} of {x2.shape} differ in length")
    left = [k for k in range(x1.ndim) if k not in one]
    right = [k for k in range(x2.ndim) if k not in two]
    inner = int(np.prod([x1.shape[k] for k in one], dtype=int))
    shape = [x1.shape[k] for k in left] + [x2.shape[k] for k in right]
    rows = int(np.prod([x1.shape[k] for k in left], dtype=int))
    columns = int(np.prod([x2.shape[k] for k in right], dtype=int))
    a = reshape(permute_dims(x1, (*left, *one)), (rows, inner))
    b = reshape(permute_dims(x2, (*two, *right)), (inner, columns))
    return reshape(matmul(a, b), tuple(shape))


def outer(x1: GlobalArray, x2: GlobalArray, /) -> GlobalArray:
    """The products of all points of one vector with all of another. Collective."""
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(f"outer is of vectors, not of arrays with {x1.ndim} and {x2.ndim} axes")
    return apply(np.multiply, (expand_dims(x1, axis=1), expand_dims(x2, axis=0)))


def cross(x1: GlobalArray, x2: GlobalArray, /, *, axis: int = -1) -> GlobalArray:
    """The cross products of vectors of three components along an axis. Collective."""
    a, b = moveaxis(x1, axis, 0), moveaxis(x2, axis, 0)
    if a.shape[0] != 3 or b.shape[0] != 3:
        raise ValueError(f"cross is of vectors of 3 components, not {a.shape[0]} and {b.shape[0]}")
    parts = [a[i] * b[j] - a[j] * b[i] for i, j in ((1, 2), (2, 0), (0, 1))]
    return stack(parts, axis=whole_axis(axis, max(x1.ndim, x2.ndim)))


def vector_norm(
    x: GlobalArray, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2, reproducible: bool = False
) -> GlobalArray:
    """The norm over axes, all by default: the `ord`-th root of the sum of the powers of the absolutes. Collective.

    That of whole numbers is computed in float64, where their squares fit; `reproducible` as for `sum`.
    """
    x = _floating(x)
    options: dict[str, Any] = {"keepdims": keepdims, "reproducible": reproducible}
    if ord == 2:
        square = apply(lambda block: block.real**2 + block.imag**2 if block.dtype.kind == "c" else block * block, (x,))
        return apply(np.sqrt, (statistics.sum(square, axis, square.dtype, **options),))
    # contiguous, since numpy computes powers and absolutes of others in another way
    size = apply(lambda block: np.abs(np.ascontiguousarray(block)) if reproducible else np.abs(block), (x,))
    if ord == np.inf:
        return statistics.max(size, axis, None, keepdims)
    if ord == -np.inf:
        return statistics.min(size, axis, None, keepdims)
    if ord == 0:
        return statistics.sum(size != 0, axis, size.dtype, **options)
    if ord == 1:
        return statistics.sum(size, axis, size.dtype, **options)
    total = statistics.sum(apply(lambda block: block**ord, (size,)), axis, size.dtype, **options)
    return apply(lambda block: block ** (1 / block.dtype.type(ord)), (total,))


def matrix_norm(
    x: GlobalArray, /, *, keepdims: bool = False, ord: Any = "fro", reproducible: bool = False
) -> GlobalArray:
    """The norm of matrices in the last two axes: "fro", "nuc", 1, -1, 2, -2, inf or -inf. Collective.

    As `vector_norm` of whole numbers; `reproducible` as for `sum`.
    """
    if x.ndim < 2:
        raise ValueError(f"a matrix has two axes at least, this array has {x.ndim}")
    x = _floating(x)
    if ord == "fro":
        return vector_norm(x, axis=(-2, -1), keepdims=keepdims, reproducible=reproducible)
    if ord in (1, -1, np.inf, -np.inf):
        options: dict[str, Any] = {"ord": 1, "keepdims": True, "reproducible": reproducible}
        lines = vector_norm(x, axis=-2 if abs(ord) == 1 else -1, **options)
        extreme = statistics.max if ord > 0 else statistics.min
        return extreme(lines, (-2, -1), None, keepdims)
    if ord in ("nuc", 2, -2):
        values = svdvals(x)
        total = functools.partial(statistics.sum, reproducible=reproducible)
        reductions: dict[Any, Any] = {"nuc": total, 2: statistics.max, -2: statistics.min}
        made = reductions[ord](values, axis=-1)
        return made[..., None, None] if keepdims else made
    raise ValueError(f"ord {ord!r} must be 'fro', 'nuc', 1, -1, 2, -2, inf or -inf")


def _floating(x: GlobalArray) -> GlobalArray:
    """The array, of whole numbers and booleans as float64. Local."""
    return x.astype(np.float64) if x.dtype.kind in "biu" else x


def norm(
    x: GlobalArray, /, ord: Any = None, axis: Any = None, keepdims: bool = False, *, reproducible: bool = False
) -> GlobalArray:
    """Numpy's norm: of vectors along an axis, of matrices in two, of all points where neither is named. Collective.

    `reproducible` as for `sum`.
    """
    options: dict[str, Any] = {"keepdims": keepdims, "reproducible": reproducible}
    if axis is None and (ord is None or x.ndim == 1):
        return vector_norm(x, ord=2 if ord is None else ord, **options)
    pair = axes_of(axis, x.ndim)
    if len(pair) == 1:
        return vector_norm(x, axis=pair, ord=2 if ord is None else ord, **options)
    if len(pair) != 2:
        raise ValueError(f"a norm is of one or two axes, not {pair}")
    made = matrix_norm(moveaxis(x, pair, (-2, -1)), ord="fro" if ord is None else ord, **options)
    return moveaxis(made, (-2, -1), pair) if keepdims else made


def trace(x: GlobalArray, /, *, offset: int = 0, dtype: Any = None) -> GlobalArray:
    """The sums of the diagonals of matrices. Collective."""
    return statistics.sum(diagonal(x, offset=offset), -1, dtype)


def diagonal(x: GlobalArray, /, *, offset: int = 0) -> GlobalArray:
    """The diagonals of matrices in the last two axes, a copy. Collective."""
    if x.ndim < 2:
        raise ValueError(f"a matrix has two axes at least, this array has {x.ndim}")
    rows, columns = x.shape[-2:]
    first = np.arange(max(0, -offset), max(0, min(rows, columns - offset)))
    return x[..., first, first + offset]


# Factorisations: of stacks of matrices, each of which one rank has whole


def _by_matrix(function: Callable[..., Any], *arrays: GlobalArray, axes: int = 2) -> Any:
    """What a function of numpy makes of stacks of whole matrices, which the ranks share among them. Collective.

    A single matrix lies on one rank: it must have room there, and the others wait.
    """
    for x in arrays:
        if x.ndim < axes:
            raise ValueError(f"a matrix has two axes at least, this array has {x.ndim}")
    check_alike("a factorisation", *arrays)
    batch = np.broadcast_shapes(*[x.shape[:-axes] for x in arrays])
    count = int(np.prod(batch, dtype=int))
    context = arrays[0].context
    stacks = []
    for x in arrays:
        core = x.shape[x.ndim - axes :]
        stack = reshape(broadcast_to(x, (*batch, *core)), (count, *core))
        stacks.append(stack.redistribute(_stacked(context, stack.shape)).local)
    results = agreed(context.comm, lambda: function(*stacks), nothing)

    def made(block: Plain) -> GlobalArray:
        shape = (count, *block.shape[1:])
        found = arrays[0].like(block, _stacked(context, shape))
        return reshape(found, (*batch, *block.shape[1:]))

    return tuple(map(made, results)) if isinstance(results, tuple) else made(results)


def _stacked(context: Context, shape: tuple[int, ...]) -> Distribution:
    """A distribution of whole matrices."""
    axes = ["block" if k == 0 else None for k in range(len(shape))]
    return Distribution.of(shape, axes, [context.size], context.size)


class Eigh(NamedTuple):
    """Eigenvalues in ascending order, and the eigenvectors in columns."""

    eigenvalues: GlobalArray
    eigenvectors: GlobalArray


class Eig(NamedTuple):
    """Eigenvalues, and the eigenvectors in columns."""

    eigenvalues: GlobalArray
    eigenvectors: GlobalArray


class QR(NamedTuple):
    """A unitary and an upper triangular factor."""

    Q: GlobalArray
    R: GlobalArray


class Slogdet(NamedTuple):
    """The sign of a determinant and the logarithm of its absolute."""

    sign: GlobalArray
    logabsdet: GlobalArray


class SVD(NamedTuple):
    """Left singular vectors, singular values in descending order, and right singular vectors, conjugated, in rows."""

    U: GlobalArray
    S: GlobalArray
    Vh: GlobalArray


def cholesky(x: GlobalArray, /, *, upper: bool = False) -> GlobalArray:
    """The triangular factor of positive definite matrices. Collective, see `_by_matrix`."""
    return _by_matrix(lambda a: np.linalg.cholesky(a, upper=upper), x)


def det(x: GlobalArray, /) -> GlobalArray:
    """The determinants of matrices. Collective."""
    return _by_matrix(np.linalg.det, x)


def eig(x: GlobalArray, /) -> Eig:
    """Eigenvalues and eigenvectors of matrices. Collective."""
    return Eig(*_by_matrix(lambda a: tuple(np.linalg.eig(a)), x))


def eigvals(x: GlobalArray, /) -> GlobalArray:
    """Eigenvalues of matrices. Collective."""
    return _by_matrix(np.linalg.eigvals, x)


def eigh(x: GlobalArray, /) -> Eigh:
    """Eigenvalues and eigenvectors of Hermitian matrices. Collective."""
    return Eigh(*_by_matrix(lambda a: tuple(np.linalg.eigh(a)), x))


def eigvalsh(x: GlobalArray, /) -> GlobalArray:
    """Eigenvalues of Hermitian matrices. Collective."""
    return _by_matrix(np.linalg.eigvalsh, x)


def inv(x: GlobalArray, /) -> GlobalArray:
    """The inverses of matrices. Collective."""
    return _by_matrix(np.linalg.inv, x)


def matrix_power(x: GlobalArray, n: int, /) -> GlobalArray:
    """Powers of matrices. Collective."""
    return _by_matrix(lambda a: np.linalg.matrix_power(a, n), x)


def matrix_rank(x: GlobalArray, /, *, rtol: Any = None) -> GlobalArray:
    """The ranks of matrices: how many singular values are larger than `rtol` times the largest. Collective."""
    values = svdvals(x)
    if rtol is None:
        rtol = max(x.shape[-2:]) * np.finfo(values.dtype).eps
    top = statistics.max(values, axis=-1, keepdims=True)
    limit = top * (rtol[..., None] if isinstance(rtol, GlobalArray) and rtol.ndim else rtol)
    return statistics.count_nonzero(apply(np.greater, (values, limit)), axis=-1)


def pinv(x: GlobalArray, /, *, rtol: Any = None) -> GlobalArray:
    """The pseudo-inverses of matrices: singular values below `rtol` times the largest count as zero. Collective."""
    tolerance = rtol if rtol is not None else max(x.shape[-2:]) * np.finfo(x.dtype).eps
    if isinstance(tolerance, GlobalArray):
        return _by_matrix(lambda a, r: np.linalg.pinv(a, rtol=r[..., 0, 0]), x, tolerance[..., None, None])
    return _by_matrix(lambda a: np.linalg.pinv(a, rtol=tolerance), x)


def qr(x: GlobalArray, /, *, mode: Any = "reduced") -> QR:
    """Unitary and upper triangular factors of matrices. Collective."""
    if mode not in ("reduced", "complete"):
        raise ValueError(f"mode {mode!r} must be 'reduced' or 'complete'")
    return QR(*_by_matrix(lambda a: tuple(np.linalg.qr(a, mode=mode)), x))


def slogdet(x: GlobalArray, /) -> Slogdet:
    """The signs of determinants and the logarithms of their absolutes. Collective."""
    return Slogdet(*_by_matrix(lambda a: tuple(np.linalg.slogdet(a)), x))


def solve(x1: GlobalArray, x2: GlobalArray, /) -> GlobalArray:
    """The solutions of systems of linear equations. Collective."""
    if x2.ndim == 1:
        return solve(x1, expand_dims(x2, axis=1))[..., 0]
    return _by_matrix(np.linalg.solve, x1, x2)


def svd(x: GlobalArray, /, *, full_matrices: bool = True) -> SVD:
    """Singular values and vectors of matrices. Collective."""
    return SVD(*_by_matrix(lambda a: tuple(np.linalg.svd(a, full_matrices=full_matrices)), x))


def svdvals(x: GlobalArray, /) -> GlobalArray:
    """Singular values of matrices. Collective."""
    return _by_matrix(np.linalg.svdvals, x)
