"""Making global arrays. All are collective over the ranks of the context, which pass the same arguments.

Each function takes `distribution` (a `Distribution`, or for each axis how it is divided), by default the context's
usual one, and `context`, by default that of MPI.COMM_WORLD.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from mpi4py import MPI

from ..distarray import DistArray
from ..ranks.agreement import agreed
from ..ranks.communicators import cache_of
from .context import Context, world
from .distribution import Distribution
from .dtypes import checked as checked_dtype
from .globalarray import GlobalArray, is_scalar, operand, own_part, refuse_local, together
from .manipulation import broadcast_arrays, moveaxis, reshape
from .protocol import imported

Divided = Distribution | Sequence[Any] | None


def placed(shape: Any, distribution: Divided, context: Context | None, device: Any) -> tuple[Context, Distribution]:
    """The context and distribution of an array to be made."""
    if device not in (None, "cpu"):
        raise ValueError(f"device {device!r} does not exist: use 'cpu' or None")
    context = world() if context is None else context
    if isinstance(distribution, Distribution):
        wanted = context.distribution(shape).shape
        if distribution.shape != wanted:
            raise ValueError(f"distribution has the shape {distribution.shape}, the array {wanted}")
        return context, distribution
    return context, context.distribution(shape, distribution)


def _made(
    make: Callable[..., Any], shape: Any, dtype: Any, device: Any, distribution: Divided, context: Context | None
) -> GlobalArray:
    """An array whose blocks numpy makes, of a shape and a type."""
    context, found = placed(shape, distribution, context, device)
    return GlobalArray(context, found, make(found.local_shape(context.rank), checked_dtype(dtype)))


def empty(
    shape: int | tuple[int, ...],
    *,
    dtype: Any = None,
    device: Any = None,
    distribution: Divided = None,
    context: Context | None = None,
) -> GlobalArray:
    """An array of a shape, not filled. Local."""
    return _made(np.empty, shape, dtype, device, distribution, context)


def zeros(
    shape: int | tuple[int, ...],
    *,
    dtype: Any = None,
    device: Any = None,
    distribution: Divided = None,
    context: Context | None = None,
) -> GlobalArray:
    """An array of zeros. Local."""
    return _made(np.zeros, shape, dtype, device, distribution, context)


def ones(
    shape: int | tuple[int, ...],
    *,
    dtype: Any = None,
    device: Any = None,
    distribution: Divided = None,
    context: Context | None = None,
) -> GlobalArray:
    """An array of ones. Local."""
    return _made(np.ones, shape, dtype, device, distribution, context)


def full(
    shape: int | tuple[int, ...],
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    distribution: Divided = None,
    context: Context | None = None,
) -> GlobalArray:
    """An array of one value. Local.

    Raises
    ------
    TypeError
        Where `fill_value` is no number: this rank's view of an array, or an array with axes.
    """
    value = operand(fill_value)
    if not is_scalar(value):
        raise TypeError(
            f"fill_value must be a number, not a {type(value).__name__} of shape {value.shape}: use asarray"
        )
    context, found = placed(shape, distribution, context, device)
    kind, local = None if dtype is None else checked_dtype(dtype), found.local_shape(context.rank)
    return GlobalArray(context, found, together(context, lambda: np.full(local, fill_value, kind)))


def asarray(
    obj: Any,
    /,
    *,
    dtype: Any = None,
    device: Any = None,
    copy: bool | None = None,
    distribution: Divided = None,
    context: Context | None = None,
) -> GlobalArray:
    """An array of what every rank has: numbers, sequences and numpy arrays of the whole; or of a global array.

    For data that one rank has see `from_numpy`, for blocks of a pencil `DistArray.as_global`. Collective where a global
    array is to be redistributed.

    Parameters
    ----------
    obj : number, sequence, ndarray or GlobalArray
        The same on every rank.
    copy : bool, optional
        True for new memory, False for none, which only a global array can be; by default where it is needed.
    """
    if isinstance(obj, GlobalArray):
        return _again(obj, dtype, device, copy, distribution)
    if copy is False:
        raise ValueError("copy=False cannot be had: this rank's part of data that every rank has is new memory")
    refuse_local([obj])
    data = np.asarray(operand(_whole(obj)), None if dtype is None else checked_dtype(dtype))
    checked_dtype(data.dtype)
    context, found = placed(data.shape, distribution, context, device)
    context.checked(lambda: data, _told)
    return GlobalArray(context, found, own_part(found, context.rank, data).copy())


def _again(x: GlobalArray, dtype: Any, device: Any, copy: bool | None, distribution: Divided) -> GlobalArray:
    """A global array as one of another type or distribution."""
    kind = x.dtype if dtype is None else checked_dtype(dtype)
    _, target = placed(x.shape, x.distribution if distribution is None else distribution, x.context, device)
    same = kind == x.dtype and target == x.distribution
    if copy is False and not same:
        raise ValueError(f"copy=False cannot be had for dtype {kind} and the distribution {target}")
    if same:
        return x.copy() if copy else x
    made = x if kind == x.dtype else x.astype(kind)
    return made.within(target)


def _whole(obj: Any) -> Any:
    """Data that every rank has; sequences may hold global arrays of no axes."""
    if isinstance(obj, (list, tuple)):
        return [_whole(part) for part in obj]
    if not isinstance(obj, GlobalArray):
        return obj
    if obj.ndim:
        raise TypeError("a sequence of global arrays with axes is not gathered: use stack or concat")
    return obj.item()


def _told(data: Any) -> dict[str, Any]:
    """What ranks say of data that all have."""
    digest = hashlib.blake2b(b"".join(map(_bytes, (data.real, data.imag))), digest_size=8).hexdigest()
    return {"shape": data.shape, "dtype": data.dtype, "obj": digest}


def _bytes(numbers: Any) -> bytes:
    """The bytes of real numbers, those of long double as two shorter ones: some of its own are nobody's."""
    if numbers.dtype.char != "g":
        return bytes(numbers.tobytes())
    high = numbers.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return bytes(high.tobytes() + (numbers - high).astype(np.float64).tobytes())


def from_distarray(u: Any, *, context: Context | None = None) -> GlobalArray:
    """The global array of a `DistArray`, or of any object with `__distarray__`, in the same memory. Collective.

    Raises
    ------
    TypeError, ValueError
        Where the object is neither, its description is not valid, or no rank can tell what the others have.
    """
    if isinstance(u, DistArray):
        return GlobalArray(_of_grid(u.pencil.subcomm), Distribution.of_pencil(u.pencil), u.view(np.ndarray))
    return imported(world() if context is None else context, u)


def _of_grid(subcomm: Any) -> Context:
    """The context of the ranks of a grid, kept with it."""
    if not hasattr(subcomm, "grid"):
        raise ValueError("this pencil's communicators are of no grid: make it with a Subcomm for a global view")
    cache = cache_of(subcomm.grid.parent)
    if "context" not in cache:
        parent = subcomm.grid.parent
        cache["context"] = world() if parent == MPI.COMM_WORLD else Context(parent)
    found: Context = cache["context"]
    return found


def from_dlpack(
    x: Any, /, *, device: Any = None, copy: bool | None = None, context: Context | None = None
) -> GlobalArray:
    """An array of data of another library that every rank has; a global array is taken as it is. Local."""
    if isinstance(x, GlobalArray):
        return x.copy() if copy else x
    refuse_local([x])
    data = np.from_dlpack(x)
    if copy is False and data.ndim == 0:
        return asarray(data, context=context)
    return asarray(data, device=device, copy=None if copy is None else True, context=context)


def arange(
    start: Any,
    /,
    stop: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    distribution: Divided = None,
    context: Context | None = None,
) -> GlobalArray:
    """Evenly spaced values in a half-open interval: as numpy's. Local."""
    start, stop = (0, start) if stop is None else (start, stop)
    exact = all(isinstance(x, (int, np.integer)) for x in (start, stop, step))
    n = max(0, -((start - stop) // step) if exact else int(np.ceil((stop - start) / step)))
    kind = np.dtype(np.result_type(start, stop, step) if dtype is None else checked_dtype(dtype))
    if kind.kind == "b":
        kind = np.dtype(np.int64)
    first, second = np.asarray([start, start + step]).astype(kind)[:, None]
    return of_indices(
        lambda i: first + i.astype(kind) * (second - first),
        (n,),
        device=device,
        distribution=distribution,
        context=context,
    )


def linspace(
    start: Any,
    stop: Any,
    /,
    num: int,
    *,
    dtype: Any = None,
    device: Any = None,
    endpoint: bool = True,
    distribution: Divided = None,
    context: Context | None = None,
) -> GlobalArray:
    """`num` evenly spaced values from `start` to `stop`, both of them numbers. Local."""
    intervals = num - 1 if endpoint else num
    common = np.result_type(start, stop, float(num))
    kind = common if dtype is None else checked_dtype(dtype)
    first, last = np.asarray(start, common), np.asarray(stop, common)

    def value(i: Any) -> Any:
        width = last - first
        step = width / intervals if intervals else width
        found = i * step + first if step != 0 else i / max(1, intervals) * width + first
        if endpoint and num > 1:
            found = np.where(i == num - 1, last, found)
        return (np.floor(found) if kind.kind in "iu" else found).astype(kind)

    return of_indices(value, (num,), device=device, distribution=distribution, context=context)


def eye(
    n_rows: int,
    n_cols: int | None = None,
    /,
    *,
    k: int = 0,
    dtype: Any = None,
    device: Any = None,
    distribution: Divided = None,
    context: Context | None = None,
) -> GlobalArray:
    """Ones on a diagonal, zeros elsewhere. Local."""
    shape = (n_rows, n_rows if n_cols is None else n_cols)
    kind = checked_dtype(dtype)
    return of_indices(
        lambda i, j: (j - i == k).astype(kind), shape, device=device, distribution=distribution, context=context
    )


def fromfunction(
    function: Callable[..., Any],
    shape: int | tuple[int, ...],
    *,
    dtype: Any = None,
    device: Any = None,
    distribution: Divided = None,
    context: Context | None = None,
) -> GlobalArray:
    """The values of a function of the indices along each axis, which it takes as arrays that broadcast. Collective.

    Parameters
    ----------
    function : callable
        Of one array for each axis, point by point; each rank calls it with its own indices.

    Raises
    ------
    BaseException
        On every rank, what the function raised on one; TypeError where its values are Python objects; ValueError where
        they are none of the shape, or of another dtype on some rank.
    """
    context = world() if context is None else context
    kind = None if dtype is None else checked_dtype(dtype)
    made = agreed(
        context.comm,
        lambda: _of_indices(function, shape, kind, device, distribution, context),
        lambda made: {"the dtype of what the function returns": made.dtype},
    )
    checked_dtype(made.dtype)
    return made


def of_indices(
    function: Callable[..., Any],
    shape: int | tuple[int, ...],
    dtype: Any = None,
    device: Any = None,
    distribution: Divided = None,
    context: Context | None = None,
) -> GlobalArray:
    """As `fromfunction`, of a function that fails where numpy raises errors of floating point alone.

    Collective there, and local otherwise.
    """
    context = world() if context is None else context
    return together(context, lambda: _of_indices(function, shape, dtype, device, distribution, context))


def _of_indices(
    function: Callable[..., Any], shape: Any, dtype: Any, device: Any, distribution: Divided, context: Context
) -> GlobalArray:
    """The values of a function of the indices. Local."""
    context, found = placed(shape, distribution, context, device)
    values = np.asarray(function(*found.indices(context.rank)), dtype)
    return GlobalArray(context, found, np.broadcast_to(values, found.local_shape(context.rank)).copy())


def meshgrid(*arrays: GlobalArray, indexing: str = "xy") -> list[GlobalArray]:
    """Arrays of coordinates from those along each axis. Collective."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f"indexing {indexing!r} must be 'xy' or 'ij'")
    n = len(arrays)
    lines = [reshape(x, (1,) * k + (-1,) + (1,) * (n - 1 - k)) for k, x in enumerate(arrays)]
    if indexing == "xy" and n > 1:
        lines = [moveaxis(x, 0, 1) for x in lines]
    return [x.copy() for x in broadcast_arrays(*lines)]


def _like(make: Callable[..., GlobalArray], x: GlobalArray, dtype: Any, device: Any, *args: Any) -> GlobalArray:
    """An array made like another."""
    return make(
        x.shape,
        *args,
        dtype=x.dtype if dtype is None else dtype,
        device=device,
        distribution=x.distribution,
        context=x.context,
    )


def empty_like(x: GlobalArray, /, *, dtype: Any = None, device: Any = None) -> GlobalArray:
    """An array of the same shape and distribution, not filled. Local."""
    return _like(empty, x, dtype, device)


def zeros_like(x: GlobalArray, /, *, dtype: Any = None, device: Any = None) -> GlobalArray:
    """An array of zeros of the same shape and distribution. Local."""
    return _like(zeros, x, dtype, device)


def ones_like(x: GlobalArray, /, *, dtype: Any = None, device: Any = None) -> GlobalArray:
    """An array of ones of the same shape and distribution. Local."""
    return _like(ones, x, dtype, device)


def full_like(x: GlobalArray, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> GlobalArray:
    """An array of one value of the same shape and distribution. Local."""
    return _like(full, x, dtype, device, fill_value)


def tril(x: GlobalArray, /, *, k: int = 0) -> GlobalArray:
    """The array with zeros above the diagonal `k` of its last two axes. Local."""
    return _triangle(x, lambda i, j: j - i <= k)


def triu(x: GlobalArray, /, *, k: int = 0) -> GlobalArray:
    """The array with zeros below the diagonal `k` of its last two axes. Local."""
    return _triangle(x, lambda i, j: j - i >= k)


def _triangle(x: GlobalArray, kept: Callable[[Any, Any], Any]) -> GlobalArray:
    """The array with zeros where its last two indices are not kept."""
    if x.ndim < 2:
        raise ValueError(f"a triangle is of an array with two axes at least, this has {x.ndim}")
    mask = kept(*x.distribution.indices(x.context.rank)[-2:])
    return x.like(np.where(mask, x.local, np.zeros((), x.dtype)))
