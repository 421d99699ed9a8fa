"""Reductions: a partial result of each block, then one reduction along the lines of ranks that divide the axes."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple, NoReturn, TypeAlias

import numpy as np
from mpi4py import MPI

from ..layout.pencil import whole_axis
from ..ranks.agreement import agreed, nothing
from ..ranks.communicators import check_alive
from .axes import Block
from .context import Context
from .distribution import Distribution
from .elementwise import clip
from .globalarray import GlobalArray, apply, check_alike, errors_raised, together
from .indexing import assigned, written
from .manipulation import axes_of, concat, viewed
from .redistribution import flat
from .reproducible import summed

Plain: TypeAlias = "np.ndarray[Any, Any]"


# What MPI reduces as numpy does; comparisons of floating numbers are not among it: MPI does not say what NaN becomes.
_OPS: dict[tuple[Any, str], MPI.Op] = {
    (ufunc, char): op
    for ufunc, op, chars in (
        (np.add, MPI.SUM, "bhilqBHILQfdgFDG"),
        (np.multiply, MPI.PROD, "bhilqBHILQfdgFDG"),
        (np.minimum, MPI.MIN, "bhilqBHILQ"),
        (np.maximum, MPI.MAX, "bhilqBHILQ"),
        (np.logical_and, MPI.LAND, "?"),
        (np.logical_or, MPI.LOR, "?"),
    )
    for char in chars
}


def reduced(
    ufunc: Any,
    x: GlobalArray,
    axis: Any = None,
    keepdims: bool = False,
    dtype: Any = None,
    where: Any = True,
    initial: Any = None,
    reproducible: bool = False,
) -> GlobalArray:
    """A ufunc's reduction over one axis, several or all (None), divided as the axes that remain. Collective.

    Parameters
    ----------
    where : bool or array
        Which points to take, as numpy's.
    initial : number, optional
        What the reduction starts with; the extremes of what `where` takes need it, which may be nothing.
    reproducible : bool, optional
        Of sums: whether they are to be the same to the bit however the array is divided, see `reproducible`.

    Raises
    ------
    ValueError
        On every rank, where `where` is given for an extreme without `initial`.
    """
    if where is not True and initial is None and ufunc.identity is None:
        raise ValueError(f"{ufunc.__name__} of what where takes, which may be nothing, has no value: give initial too")
    context, block = x.context, x.local
    if type(axis) is list:
        axis = tuple(axis)
    if context.checking:
        check_alike(ufunc.__name__, x, axis=axis, dtype=dtype, keepdims=keepdims, reproducible=reproducible)
    key = "reduced", ufunc, context, axis, keepdims, block.dtype, dtype
    plan = x.distribution.kept(key, _Plan.of, ufunc, x, axis, keepdims, dtype)
    if plan.source is not x.distribution:
        x = x.redistribute(plan.source)
        block = x.local
    if reproducible and np.result_type(x.dtype if dtype is None else dtype).kind in "fc":
        with np.errstate(all="ignore"):  # inf and nan come out, and no rank raises alone
            return x.like(_reproducible(x, plan, keepdims, dtype, where), plan.target)
    if where is not True:
        where = assigned(x.context, x.distribution, where)
    if errors_raised():
        call = functools.partial(_of_block, ufunc, block, plan, keepdims, dtype, where, initial is not None)
        partial = agreed(context.comm, call, nothing)
    else:
        partial = _of_block(ufunc, block, plan, keepdims, dtype, where, initial is not None)
    if plan.lines:
        partial = _combined(ufunc, partial, plan, context)
    made = GlobalArray(context, plan.target, partial)
    return made if initial is None else apply(ufunc, (made, written(initial, made.dtype)))


def _of_block(ufunc: Any, block: Plain, plan: _Plan, keepdims: bool, dtype: Any, where: Any, begun: bool) -> Plain:
    """The reduction of a block, which may be of no points where something else is reduced with it."""
    partial = np.empty(plan.local_shape, plan.kind)  # without it numpy returns a scalar, slow to make an array of
    if plan.member and where is True and block.size:
        ufunc.reduce(block, plan.axes, dtype, partial, keepdims)
    elif plan.member:
        # a block that has none of the points begins with what changes nothing
        start = {"initial": neutral(ufunc, block.dtype)} if begun or plan.length else {}
        ufunc.reduce(block, plan.axes, dtype, partial, keepdims, where=where, **start)
    return partial


def _reproducible(x: GlobalArray, plan: _Plan, keepdims: bool, dtype: Any, where: Any) -> Plain:
    """The sums of floating numbers that are the same however the array is divided. Collective."""
    # in the byte order of this machine, which numpy's own sums have
    block = x.local.astype(np.dtype(x.dtype if dtype is None else dtype).newbyteorder("="), copy=False)
    if where is not True:
        block = np.where(assigned(x.context, x.distribution, where), block, block.dtype.type(0))
    for line in plan.lines[:1]:
        check_alive(line)
    if not plan.member:
        return np.empty(plan.local_shape, block.dtype)
    return summed(block, plan.axes, keepdims, plan.lines)


class _Plan(NamedTuple):
    """A reduction over some axes of the arrays of a distribution.

    Attributes
    ----------
    source : Distribution
        To which they are brought first: theirs, if that is over a grid of all ranks.
    axes : tuple of int
        Over which it goes.
    length : int
        How many points are reduced to one.
    target : Distribution
        Of the result.
    lines : list of MPI.Intracomm
        Along which the axes are divided: one of all ranks where all dimensions divide them.
    member : bool
        Whether this rank has a part.
    local_shape : tuple of int
        Of this rank's block of the result.
    kind : dtype
        Of the result.
    op : MPI.Op or None
        That of MPI's which does the same.
    """

    source: Distribution
    axes: tuple[int, ...]
    length: int
    target: Distribution
    lines: list[MPI.Intracomm]
    member: bool
    local_shape: tuple[int, ...]
    kind: np.dtype[Any]
    op: MPI.Op | None

    @classmethod
    def of(cls, ufunc: Any, x: GlobalArray, axis: Any, keepdims: bool, dtype: Any) -> _Plan:
        """That of an array. Collective at the first time, for the grid's communicators."""
        context = x.context
        d = _on_lines(x)
        axes = axes_of(axis, x.ndim)
        dims = [at for at in (d.order[k] for k in axes) if at is not None and d.dims[at] > 1]
        if dims and math.prod(d.dims[k] for k in dims) == context.size:
            lines = [context.comm]
        else:
            lines = [context.lines(d.dims).lines[k] for k in dims]
        target, rank = d.reduced(axes, keepdims), context.rank
        member, local_shape = d.parts(rank) is not None, target.local_shape(rank)
        kind = ufunc.reduce(np.ones(1, x.dtype), dtype=dtype).dtype
        op = _OPS.get((ufunc, kind.char))
        return cls(d, axes, _length(x, axes), target, lines, member, local_shape, kind, op)


def _length(x: GlobalArray, axes: tuple[int, ...]) -> int:
    """How many points are reduced to one."""
    return math.prod(x.shape[k] for k in axes)


def neutral(ufunc: Any, dtype: np.dtype[Any]) -> Any:
    """What changes no result of a reduction."""
    if ufunc.identity is not None:
        return ufunc.identity
    sign = -1 if ufunc is np.maximum else 1
    if dtype.kind == "f":
        return dtype.type(sign * np.inf)
    if dtype.kind == "c":
        return dtype.type(complex(sign * np.inf, sign * np.inf))
    if dtype.kind == "b":
        return sign > 0
    if dtype.kind in "iu":
        return np.iinfo(dtype).min if sign < 0 else np.iinfo(dtype).max
    raise TypeError(f"{ufunc.__name__} of dtype {dtype} cannot be reduced over ranks")


def _on_lines(x: GlobalArray) -> Distribution:
    """The distribution of an array, or one over a grid of all ranks, whose lines have communicators, if it is none."""
    return x.distribution if x.distribution.on_grid_of(x.context.size) else x.context.distribution(x.shape)


def _combined(ufunc: Any, partial: Plain, plan: _Plan, context: Context) -> Plain:
    """The reduction of the partial results of all ranks that divide the axes. Collective."""
    check_alive(plan.lines[0])
    for line in plan.lines:
        if plan.op is None:
            several = everyones(line, partial) if plan.member else partial[None]
            call = functools.partial(ufunc.reduce, several, axis=0, dtype=partial.dtype)
            partial = np.asarray(together(context, call))
        elif plan.member:
            line.Allreduce(MPI.IN_PLACE, partial, plan.op)
    return partial


def everyones(line: MPI.Intracomm, partial: Plain) -> Plain:
    """The partial results of all ranks of a line, by rank. Collective over the line."""
    all_of_them = np.empty((line.Get_size(), *partial.shape), partial.dtype)
    line.Allgather([partial, partial.nbytes, MPI.BYTE], [all_of_them, partial.nbytes, MPI.BYTE])
    return all_of_them


def sum(
    x: GlobalArray,
    /,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    where: Any = True,
    *,
    reproducible: bool = False,
) -> GlobalArray:
    """The sum over axes; small integers are added as the default integer. Collective.

    Parameters
    ----------
    reproducible : bool, optional
        Whether floating numbers are to be added so that the sum is the same, bit for bit, for any number of ranks, any
        grid and any distribution: see `reproducible`.
    """
    if out is not None:
        _no_out()
    return reduced(np.add, x, axis, keepdims, dtype, where, None, reproducible)


def prod(
    x: GlobalArray, /, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False, where: Any = True
) -> GlobalArray:
    """The product over axes. Collective."""
    if out is not None:
        _no_out()
    return reduced(np.multiply, x, axis, keepdims, dtype, where)


def min(
    x: GlobalArray,
    /,
    axis: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> GlobalArray:
    """The smallest over axes, and of `initial`, which `where` needs; NaN where there is one. Collective."""
    if out is not None:
        _no_out()
    return _extreme(np.minimum, x, axis, keepdims, where, initial)


def max(
    x: GlobalArray,
    /,
    axis: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> GlobalArray:
    """The largest over axes, and of `initial`, which `where` needs; NaN where there is one. Collective."""
    if out is not None:
        _no_out()
    return _extreme(np.maximum, x, axis, keepdims, where, initial)


def _extreme(ufunc: Any, x: GlobalArray, axis: Any, keepdims: bool, where: Any, initial: Any = None) -> GlobalArray:
    """The extreme over axes, which must not be empty where something remains and nothing is there to begin with."""
    axes, begun = axes_of(axis, x.ndim), initial is not None
    left = math.prod(x.shape[k] for k in range(x.ndim) if k not in axes)
    if not begun and _length(x, axes) == 0 and (x.size or left):
        raise ValueError(f"an extreme over the axes {axes} of an array of shape {x.shape} is of nothing")
    return reduced(ufunc, x, axes, keepdims, None, where, initial)


def any(
    x: GlobalArray, /, axis: Any = None, out: None = None, keepdims: bool = False, where: Any = True
) -> GlobalArray:
    """Whether one point over axes is not zero. Collective."""
    if out is not None:
        _no_out()
    return reduced(np.logical_or, x, axis, keepdims, None, where)


def all(
    x: GlobalArray, /, axis: Any = None, out: None = None, keepdims: bool = False, where: Any = True
) -> GlobalArray:
    """Whether no point over axes is zero. Collective."""
    if out is not None:
        _no_out()
    return reduced(np.logical_and, x, axis, keepdims, None, where)


def _no_out() -> NoReturn:
    """Refuse an argument that numpy has."""
    raise TypeError("out is not there for reductions: assign the result, out[...] = …")


def count_nonzero(x: GlobalArray, /, axis: Any = None, keepdims: bool = False) -> GlobalArray:
    """How many points over axes are not zero. Collective."""
    return reduced(np.add, x != 0, axis, keepdims, np.int64)


def mean(
    x: GlobalArray,
    /,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    where: Any = True,
    *,
    reproducible: bool = False,
) -> GlobalArray:
    """The mean over axes; `reproducible` as for `sum`. Collective."""
    if out is not None:
        _no_out()
    kind = np.dtype(dtype) if dtype is not None else _inexact(x.dtype)
    inner = np.dtype(np.float32) if kind == np.float16 else kind
    total = reduced(np.add, x, axis, keepdims, inner, where, None, reproducible)
    return _divided(total, _counted(x, axis, keepdims, where), kind)


def _inexact(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type of a mean."""
    return np.dtype(np.float64) if dtype.kind in "biu" else dtype.newbyteorder("=")


def _counted(x: GlobalArray, axis: Any, keepdims: bool, where: Any) -> Any:
    """How many points each mean is of."""
    if where is True:
        return _length(x, axes_of(axis, x.ndim))
    mask = np.broadcast_to(assigned(x.context, x.distribution, where), x.local.shape)
    return reduced(np.add, x.like(mask), axis, keepdims, np.int64)


def _divided(total: GlobalArray, count: Any, dtype: np.dtype[Any]) -> GlobalArray:
    """A sum over a count, which may be 0."""
    return apply(lambda a, n: np.true_divide(a, n).astype(dtype, copy=False), (total, count))


def var(
    x: GlobalArray,
    /,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    ddof: float = 0.0,
    keepdims: bool = False,
    *,
    where: Any = True,
    correction: float | None = None,
    reproducible: bool = False,
) -> GlobalArray:
    """The variance over axes: the mean square of what is off the mean, for `correction` points less. Collective.

    `reproducible` as for `sum`.
    """
    if out is not None:
        _no_out()
    less = ddof if correction is None else correction
    middle = mean(x, axis, dtype, None, True, where, reproducible=reproducible)
    off = apply(np.subtract, (x, middle))
    square = apply(lambda d: (d.real**2 + d.imag**2) if d.dtype.kind == "c" else d * d, (off,))
    total = reduced(np.add, square, axis, keepdims, None, where, None, reproducible)
    count = _counted(x, axis, keepdims, where)
    left = clip(count - less, 0) if isinstance(count, GlobalArray) else np.maximum(count - less, 0)
    return _divided(total, left, total.dtype)


def std(
    x: GlobalArray,
    /,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    ddof: float = 0.0,
    keepdims: bool = False,
    *,
    where: Any = True,
    correction: float | None = None,
    reproducible: bool = False,
) -> GlobalArray:
    """The standard deviation over axes: the root of `var`. Collective."""
    options: dict[str, Any] = {"where": where, "correction": correction, "reproducible": reproducible}
    return apply(np.sqrt, (var(x, axis, dtype, out, ddof, keepdims, **options),))


def argmin(x: GlobalArray, /, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> GlobalArray:
    """The first index of the smallest along an axis, or of all in C order; of the first NaN. Collective."""
    if out is not None:
        _no_out()
    return _arg(np.minimum, x, axis, keepdims)


def argmax(x: GlobalArray, /, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> GlobalArray:
    """The first index of the largest along an axis, or of all in C order; of the first NaN. Collective."""
    if out is not None:
        _no_out()
    return _arg(np.maximum, x, axis, keepdims)


def _arg(ufunc: Any, x: GlobalArray, axis: int | None, keepdims: bool) -> GlobalArray:
    """The first index of what `ufunc` reduces to: of the points equal to it the one of the smallest index."""
    x = x.within(_on_lines(x))
    axes = axes_of(axis, x.ndim)
    best = _extreme(ufunc, x, axes, True, True)
    index = x.distribution.indices(x.context.rank)
    place = flat(index, x.shape) if axis is None else index[axes[0]]

    def places(block: Plain, extreme: Plain) -> Plain:
        found = (block == extreme) | ((block != block) & (extreme != extreme))
        return np.where(found, place, np.iinfo(np.int64).max)

    return reduced(np.minimum, apply(places, (x, best)), axes, keepdims)


def aligned(x: GlobalArray, axis: int) -> GlobalArray:
    """The array with whole lines along an axis, among whose other axes the ranks that divided it go. Collective."""
    d = x.distribution
    if d.axes[axis].parts == 1 and isinstance(d.axes[axis], Block):
        return x
    others = [k for k in range(x.ndim) if k != axis]
    longest = sorted(others, key=lambda k: -x.shape[k])[:1]
    return x.redistribute([("block" if k in longest else None) for k in range(x.ndim)])


def one_line(x: GlobalArray, axis: int) -> bool:
    """Whether there are no lines along the other axes that ranks could share."""
    return x.size == x.shape[axis] and x.size > 0


def line_of(x: GlobalArray) -> GlobalArray:
    """The points of an array on one axis, in even blocks in the order of the ranks. Collective."""
    size = x.context.size
    return x.within(Distribution.of((x.size,), ["block"], [size], size))


def accumulated(ufunc: Any, x: GlobalArray, axis: Any, dtype: Any, include_initial: bool) -> GlobalArray:
    """The partial results of a reduction along an axis. Collective."""
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"axis is missing: the array has {x.ndim} axes")
        axis = 0
    k, context = whole_axis(axis, x.ndim), x.context
    check_alike(f"running {ufunc.__name__}", x, axis=k, dtype=dtype, initial=include_initial)
    kind = ufunc.reduce(np.ones(1, x.dtype), dtype=dtype).dtype
    running = functools.partial(ufunc.accumulate, dtype=kind)
    if one_line(x, k):
        line = line_of(x)
        block = together(context, lambda: running(line.local))
        total = block[-1:] if block.size else np.full(1, ufunc.identity, kind)
        before = everyones(context.comm, total)[: context.rank, 0]
        block = together(context, lambda: ufunc(block, ufunc.reduce(before, dtype=kind)))
        made = line.like(block).redistribute(x.distribution)
    else:
        lines = aligned(x, k)
        made = together(context, lambda: viewed(lines, lines.distribution, lambda b: running(b, axis=k)))
        made = made.astype(kind, copy=False).within(x.distribution)
    if include_initial:
        shape = x.shape[:k] + (1,) + x.shape[k + 1 :]
        start = np.full(x.distribution.even(shape).local_shape(x.context.rank), ufunc.identity, kind)
        made = concat([x.like(start, x.distribution.even(shape)), made], axis=k)
    return made


def cumulative_sum(
    x: GlobalArray, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> GlobalArray:
    """The sums up to each index along an axis, of 0 points too if wanted. Collective."""
    return accumulated(np.add, x, axis, dtype, include_initial)


def cumulative_prod(
    x: GlobalArray, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> GlobalArray:
    """The products up to each index along an axis, of 0 points too if wanted. Collective."""
    return accumulated(np.multiply, x, axis, dtype, include_initial)


def diff(x: GlobalArray, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None) -> GlobalArray:
    """The differences of neighbours along an axis, `n` times. Collective."""
    k = whole_axis(axis, x.ndim)
    given = [part for part in (prepend, x, append) if part is not None]
    x = concat(given, axis=k) if len(given) > 1 else x
    for _ in range(n):
        front = (slice(None),) * k
        later, earlier = x[(*front, slice(1, None))], x[(*front, slice(None, -1))]
        x = later != earlier if x.dtype.kind == "b" else later - earlier
    return x
