"""Global arrays: one array for all ranks, each of which holds the block that its distribution says."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import copy_context
from typing import Any, TypeAlias, TypeVar

import numpy as np

from ..distarray import DistArray
from ..exchange.memory import item
from ..layout.arrays import refuse_masked
from ..ranks.agreement import agreed, nothing
from ..ranks.communicators import check_alive
from .axes import Block, whole
from .context import Context, namespace
from .distribution import Distribution
from .redistribution import moved, pencil_of

Plain: TypeAlias = "np.ndarray[Any, Any]"
T = TypeVar("T")

_SCALARS = (bool, int, float, complex)
_NEVER = "a whole array is never gathered silently: "


def _binary(ufunc: Any, swapped: bool = False) -> Any:
    """An operator of two operands."""

    def operate(self: GlobalArray, other: Any) -> Any:
        if not isinstance(other, _OPERANDS):
            return NotImplemented
        return computed(ufunc, (other, self) if swapped else (self, other), {})

    return operate


def _in_place(ufunc: Any) -> Any:
    """An operator that writes to its first operand."""

    def operate(self: GlobalArray, other: Any) -> Any:
        if not isinstance(other, _OPERANDS):
            return NotImplemented
        return computed(ufunc, (self, other), {"out": self})

    return operate


def _power(a: Any, b: Any, out: tuple[Plain] | None = None) -> Any:
    """A power by the operator, which numpy computes otherwise than by its ufunc where the exponent is a number."""
    return operator.pow(a, b) if out is None else operator.ipow(a, b)


def _unary(ufunc: Any) -> Any:
    """An operator of one operand."""
    return lambda self: apply(ufunc, (self,))


class GlobalArray:
    """An array that is divided among the ranks of a communicator, seen as a whole.

    Shape, indexing, reductions and printing are those of the whole array; every operation is collective over the ranks
    of its context, which all make the same calls with the same arguments. Operands of other distributions are
    redistributed to that of the first. Slices are views: what is written to one is written to the array.

    Made by the functions of `mpi4py_pencil.arrays`, and by `DistArray.as_global`; this constructor is local, checks
    nothing and copies nothing.

    Parameters
    ----------
    context : Context
        The ranks.
    distribution : Distribution
        Who has what.
    block : ndarray
        This rank's part.

    Attributes
    ----------
    local : ndarray
        This rank's block, the memory itself: of shape `distribution.local_shape(rank)`.

    Examples
    --------
    >>> from mpi4py_pencil import arrays as xp
    >>> g = xp.reshape(xp.arange(6), (2, 3))
    >>> g[1:] *= 10
    >>> g.sum(axis=0).to_numpy()
    array([30, 41, 52])
    """

    __slots__ = ("__weakref__", "_block", "context", "distribution")

    def __init__(self, context: Context, distribution: Distribution, block: Plain) -> None:
        self.context = context
        self.distribution = distribution
        self._block = block

    # what it is

    @property
    def local(self) -> Plain:
        """This rank's block, no copy."""
        return self._block

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the whole array."""
        return self.distribution.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.distribution.ndim

    @property
    def size(self) -> int:
        """The number of points of the whole array."""
        return math.prod(self.distribution.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The data type."""
        return self._block.dtype

    @property
    def itemsize(self) -> int:
        """Bytes of a point."""
        return self._block.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of the whole array, replicas not counted."""
        return self.size * self._block.itemsize

    @property
    def device(self) -> str:
        """Where the data are: in the memory of processors."""
        return "cpu"

    def to_device(self, device: str, /, *, stream: object = None) -> GlobalArray:
        """The array itself: there is no other device than "cpu"."""
        if device != "cpu" or stream is not None:
            raise ValueError(f"device {device!r} with stream {stream!r} does not exist: use 'cpu' and None")
        return self

    # other views and copies

    def like(self, block: Any, distribution: Distribution | None = None) -> GlobalArray:
        """An array of the same context, and the same distribution unless another is given, of these blocks. Local."""
        return GlobalArray(self.context, distribution or self.distribution, np.asarray(block))

    def redistribute(self, distribution: Distribution | Sequence[Any]) -> GlobalArray:
        """The same points, in C order, in another distribution, in new memory.

        Collective over the ranks of the context. What goes where is found once for each pair of distributions.

        Parameters
        ----------
        distribution : Distribution or sequence
            The distribution wanted, which may be one of another shape with as many points; or for each axis how it is
            divided, as `Distribution.of` takes it.

        Raises
        ------
        ValueError
            Where the shapes have different numbers of points, or the communicator has been freed.
        """
        check_alive(self.context.comm)
        if not isinstance(distribution, Distribution):
            distribution = self.context.distribution(self.shape, distribution)
        if math.prod(distribution.shape) != self.size:
            raise ValueError(f"an array of shape {self.shape} cannot become one of shape {distribution.shape}")
        if distribution == self.distribution:
            return GlobalArray(self.context, distribution, self._block.copy())
        return GlobalArray(
            self.context, distribution, moved(self.context, self.distribution, distribution, self._block)
        )

    def within(self, distribution: Distribution) -> GlobalArray:
        """The array in a distribution: itself where it is in that already. Collective."""
        return self if self.distribution == distribution else self.redistribute(distribution)

    def as_local(self) -> DistArray:
        """This rank's block as a `DistArray`, no copy. Collective at the first time, for the grid's communicators.

        Raises
        ------
        ValueError
            Where the distribution is no pencil's.
        """
        pencil = pencil_of(self.context, self.distribution)
        if pencil is None:
            raise ValueError(
                f"the distribution {self.distribution} is no pencil's: its axes must be even blocks over all ranks, "
                "one of them whole; redistribute it, or take its block by .local"
            )
        return DistArray.of(pencil, None, 0, self._block)

    def to_numpy(self, root: int | None = None) -> Plain | None:
        """The whole array in one piece: on every rank, or on rank `root` alone and None on the others. Collective.

        Raises
        ------
        ValueError
            Where there is no such rank.
        """
        block = self.redistribute(whole_on(self.context, self.shape, root))._block
        return None if root not in (None, self.context.rank) else block

    def item(self) -> Any:
        """The only point of an array of one, as a Python scalar, on every rank. Collective."""
        return self._only().item()

    def _only(self) -> Plain:
        """The only point, on every rank."""
        check_alive(self.context.comm)
        if self.size != 1:
            raise ValueError(f"only an array of one point is a scalar, this has the shape {self.shape}")
        distribution, comm = self.distribution, self.context.comm
        if distribution.everywhere and comm.size == math.prod(distribution.dims):
            return self._block.reshape(())
        self.context.checked(lambda: self.shape, lambda shape: {"the call": "a number", "shape": shape})
        owner, _ = distribution.locate([np.zeros((), np.int64)] * self.ndim, distribution.first)
        found = np.empty((), self.dtype)
        if comm.rank == owner:
            found[...] = self._block.reshape(())
        comm.Bcast([found, 1, item(max(1, found.itemsize))], int(owner))
        return found

    def __bool__(self) -> bool:
        """The truth of the only point. Collective."""
        return bool(self._only())

    def __int__(self) -> int:
        """The only point as an int. Collective."""
        return int(self._only())

    def __float__(self) -> float:
        """The only point as a float. Collective."""
        return float(self._only())

    def __complex__(self) -> complex:
        """The only point as a complex. Collective."""
        return complex(self._only())

    def __index__(self) -> int:
        """The only point, an integer, as an index. Collective."""
        if self.ndim:
            raise TypeError("only integer arrays of no axes can be converted to an index")
        return operator.index(self._only()[()])

    def __len__(self) -> int:
        """The length of the first axis."""
        if not self.ndim:
            raise TypeError("an array of no axes has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[GlobalArray]:
        """The parts along the first axis, as views."""
        return (self[k] for k in range(len(self)))

    def __contains__(self, value: Any) -> bool:
        """Whether a point is equal to a value. Collective."""
        return bool((self == value).any())

    # indexing

    def __matmul__(self, other: Any) -> Any:
        """The product of matrices. Collective."""
        return namespace("matmul")(self, other) if isinstance(other, (GlobalArray, np.ndarray)) else NotImplemented

    def __rmatmul__(self, other: Any) -> Any:
        """The product of matrices. Collective."""
        return namespace("matmul")(other, self) if isinstance(other, np.ndarray) else NotImplemented

    def __imatmul__(self, other: Any) -> Any:
        """The product of matrices, written to this array. Collective."""
        self[...] = self @ other
        return self

    def __getitem__(self, key: Any) -> GlobalArray:
        """A part of the array, see `indexing.get`."""
        from .indexing import get

        return get(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        """Write to a part of the array, see `indexing.put`."""
        from .indexing import put

        put(self, key, value)

    # hooks of numpy and of the array API

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Plain:
        """Refuse to become an array of numpy's."""
        raise TypeError(_NEVER + "use .to_numpy(), which is collective, or .local for this rank's block")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Numpy's ufuncs. Collective."""
        from .hooks import call_ufunc

        return call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Numpy's functions. Collective."""
        from .hooks import call_function

        return call_function(func, args, kwargs)

    def __array_namespace__(self, /, *, api_version: str | None = None) -> Any:
        """The namespace of the array API."""
        from .. import arrays

        if api_version not in (None, "2021.12", "2022.12", "2023.12", arrays.__array_api_version__):
            raise ValueError(f"api_version {api_version!r} is not known: use {arrays.__array_api_version__!r}")
        return arrays

    def __dlpack_device__(self) -> tuple[int, int]:
        """Where the block is."""
        return self._block.__dlpack_device__()

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
    ) -> Any:
        """The array for other libraries, where every rank has it whole."""
        if not self.distribution.everywhere or math.prod(self.distribution.dims) != self.context.size:
            raise BufferError(_NEVER + "only one that every rank has whole goes to other libraries; use .local")
        return self._block.__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)

    def __distarray__(self) -> dict[str, Any]:
        """The block and where it lies, by the Distributed Array Protocol. Local."""
        from .protocol import exported

        return exported(self)

    def __repr__(self) -> str:
        """The values and how they are divided. Collective."""
        from .printing import text

        return text(self)

    def __str__(self) -> str:
        """The values. Collective."""
        from .printing import short

        return short(self)

    def __format__(self, spec: str) -> str:
        """The only point in a format, or the values. Collective."""
        return format(self.item(), spec) if spec and self.size == 1 else format(str(self), spec)

    def __reduce__(self) -> Any:
        """Refuse to be pickled."""
        raise TypeError("a GlobalArray cannot be pickled: communicators stay with their process; use .to_numpy()")

    def __copy__(self) -> GlobalArray:
        """A copy in new memory. Local."""
        return self.like(self._block.copy())

    def __deepcopy__(self, memo: Any) -> GlobalArray:
        """A copy in new memory. Local."""
        return self.like(self._block.copy())

    def copy(self) -> GlobalArray:
        """A copy in new memory. Local."""
        return self.like(self._block.copy())

    # parts of complex numbers

    @property
    def real(self) -> GlobalArray:
        """The real part, a view."""
        return self.like(self._block.real)

    @real.setter
    def real(self, value: Any) -> None:
        self.real[...] = value

    @property
    def imag(self) -> GlobalArray:
        """The imaginary part, a view; of real numbers zeros."""
        return self.like(self._block.imag)

    @imag.setter
    def imag(self, value: Any) -> None:
        if self.dtype.kind != "c":
            raise TypeError(f"an array of dtype {self.dtype} has no imaginary part to set")
        self.imag[...] = value

    # axes

    @property
    def T(self) -> GlobalArray:
        """The array with its axes in reverse, a view."""
        from .manipulation import permute_dims

        return permute_dims(self, range(self.ndim)[::-1])

    @property
    def mT(self) -> GlobalArray:
        """The array with its last two axes swapped, a view."""
        from .manipulation import matrix_transpose

        return matrix_transpose(self)

    def astype(self, dtype: Any, copy: bool = True) -> GlobalArray:
        """The array in another data type. Local."""
        converted: GlobalArray = apply(lambda block: block.astype(dtype, copy=copy), (self,))
        return converted

    def conj(self) -> GlobalArray:
        """The complex conjugates. Local."""
        return apply(np.conjugate, (self,))

    conjugate = conj

    def flatten(self) -> GlobalArray:
        """A copy with one axis. Collective."""
        return self.reshape(-1)

    def reshape(self, *shape: Any) -> GlobalArray:
        """The same points in C order in another shape, see `arrays.reshape`. Collective."""
        from .manipulation import reshape

        return reshape(self, shape[0] if len(shape) == 1 and not hasattr(shape[0], "__index__") else shape)

    def transpose(self, *axes: Any) -> GlobalArray:
        """The array with its axes in another order, a view; in reverse where none is given."""
        from .manipulation import permute_dims

        if len(axes) == 1 and not hasattr(axes[0], "__index__"):
            axes = () if axes[0] is None else tuple(axes[0])
        return permute_dims(self, axes) if axes else self.T

    # operators

    __add__ = _binary(np.add)
    __sub__ = _binary(np.subtract)
    __mul__ = _binary(np.multiply)
    __truediv__ = _binary(np.true_divide)
    __floordiv__ = _binary(np.floor_divide)
    __mod__ = _binary(np.remainder)
    __pow__ = _binary(_power)
    __and__ = _binary(np.bitwise_and)
    __or__ = _binary(np.bitwise_or)
    __xor__ = _binary(np.bitwise_xor)
    __lshift__ = _binary(np.left_shift)
    __rshift__ = _binary(np.right_shift)
    __radd__ = _binary(np.add, swapped=True)
    __rsub__ = _binary(np.subtract, swapped=True)
    __rmul__ = _binary(np.multiply, swapped=True)
    __rtruediv__ = _binary(np.true_divide, swapped=True)
    __rfloordiv__ = _binary(np.floor_divide, swapped=True)
    __rmod__ = _binary(np.remainder, swapped=True)
    __rpow__ = _binary(_power, swapped=True)
    __rand__ = _binary(np.bitwise_and, swapped=True)
    __ror__ = _binary(np.bitwise_or, swapped=True)
    __rxor__ = _binary(np.bitwise_xor, swapped=True)
    __rlshift__ = _binary(np.left_shift, swapped=True)
    __rrshift__ = _binary(np.right_shift, swapped=True)
    __iadd__ = _in_place(np.add)
    __isub__ = _in_place(np.subtract)
    __imul__ = _in_place(np.multiply)
    __itruediv__ = _in_place(np.true_divide)
    __ifloordiv__ = _in_place(np.floor_divide)
    __imod__ = _in_place(np.remainder)
    __ipow__ = _in_place(_power)
    __iand__ = _in_place(np.bitwise_and)
    __ior__ = _in_place(np.bitwise_or)
    __ixor__ = _in_place(np.bitwise_xor)
    __ilshift__ = _in_place(np.left_shift)
    __irshift__ = _in_place(np.right_shift)
    __eq__ = _binary(np.equal)
    __ne__ = _binary(np.not_equal)
    __lt__ = _binary(np.less)
    __le__ = _binary(np.less_equal)
    __gt__ = _binary(np.greater)
    __ge__ = _binary(np.greater_equal)
    __neg__ = _unary(np.negative)
    __pos__ = _unary(np.positive)
    __abs__ = _unary(np.abs)
    __invert__ = _unary(np.invert)
    __hash__ = None  # type: ignore[assignment]

    # functions of the namespace, which makes them methods; no sort, since numpy's sorts in place

    all: Any
    any: Any
    argmax: Any
    argmin: Any
    argsort: Any
    max: Any
    mean: Any
    min: Any
    nonzero: Any
    prod: Any
    round: Any
    squeeze: Any
    std: Any
    sum: Any
    take: Any
    var: Any


def whole_on(context: Context, shape: tuple[int, ...], root: int | None) -> Distribution:
    """The distribution of an array that is whole on rank `root`, or where that is None on every rank. Local.

    Raises
    ------
    ValueError
        Where there is no such rank.
    """
    if root is not None and not 0 <= root < context.size:
        raise ValueError(f"root {root!r} must be a rank of the {context.size} or None, for all of them")
    return context.distribution(shape, [None] * len(shape), None, None if root is None else [root])


def is_scalar(x: Any) -> bool:
    """Whether an operand is one number that every rank has."""
    return isinstance(x, (*_SCALARS, np.generic)) or (type(x) is np.ndarray and x.ndim == 0)


def conform(args: Sequence[Any]) -> tuple[Context, Distribution, list[Any]]:
    """The blocks of operands that are computed with point by point, in one distribution.

    It is that of the first array which has the shape of the result. Collective where others must be redistributed.

    Raises
    ------
    ValueError, TypeError
        Where shapes cannot be broadcast, contexts are of different ranks, or an operand is a local view.
    """
    lead = None
    blocks = []
    for a in args:
        if type(a) is GlobalArray:
            if lead is None:
                lead = a
            elif not _alike(a, lead):
                break
            blocks.append(a._block)
        elif type(a) in _SCALARS or is_scalar(a):
            blocks.append(a)
        else:
            break
    else:
        if lead is not None:
            return lead.context, lead.distribution, blocks
    return _conform([operand(a) for a in args])


def _alike(a: GlobalArray, b: GlobalArray) -> bool:
    """Whether the blocks of two arrays belong together."""
    same = a.distribution is b.distribution or a.distribution == b.distribution
    return same and (a.context is b.context or a.context.same_ranks(b.context))


def operand(a: Any) -> Any:
    """An operand as it is computed with: sequences as numpy arrays."""
    refuse_local([a])
    refuse_masked("an operand", a)
    return a if isinstance(a, GlobalArray) or is_scalar(a) else np.asarray(a)


def refuse_local(given: Iterable[Any]) -> None:
    """Refuse this rank's views of arrays, in sequences too: they are not what every rank has.

    Raises
    ------
    TypeError
        Where there is one.
    """
    for a in given:
        if isinstance(a, DistArray):
            raise TypeError(
                "a DistArray is this rank's view of an array: pass u.as_global() to functions of global arrays"
            )
        if isinstance(a, (list, tuple)):
            refuse_local(a)


def _conform(args: Sequence[Any]) -> tuple[Context, Distribution, list[Any]]:
    """As `conform`, where operands differ."""
    given = [a for a in args if isinstance(a, GlobalArray)]
    context = given[0].context
    if not all(a.context.same_ranks(context) for a in given):
        raise ValueError("the operands are of contexts with different communicators: bring them to one first")
    shape = context.checked(
        lambda: np.broadcast_shapes(*[a.shape for a in args if not is_scalar(a)]),
        lambda shape: {"the call": "operands", "shape": shape},
    )
    target = _common(context, shape, given)
    blocks = []
    for a in args:
        if is_scalar(a):
            blocks.append(a)
        elif isinstance(a, GlobalArray):
            blocks.append(a.within(target.broadcast_from(a.shape))._block)
        else:
            blocks.append(own_part(target.broadcast_from(a.shape), context.rank, a))
    return context, target, blocks


def _common(context: Context, shape: tuple[int, ...], given: Sequence[GlobalArray]) -> Distribution:
    """The distribution of what is computed from arrays that are broadcast to a shape."""
    for a in given:
        if a.shape == shape:
            return a.distribution
    most = max(given, key=lambda a: a.size)
    return widened(most.distribution, shape)


def widened(distribution: Distribution, shape: tuple[int, ...]) -> Distribution:
    """That of an array which is broadcast to a shape: new axes are whole, and such as had a length of 1."""
    new = [(whole(n), None) for n in shape[: len(shape) - distribution.ndim]]
    last = zip(shape[len(new) :], distribution.placed, strict=True)
    return distribution.over([*new, *((p if p[0].n == n else (whole(n), None)) for n, p in last)])


def own_part(distribution: Distribution, rank: int, data: Plain) -> Plain:
    """A rank's part of data that every rank has."""
    parts = distribution.parts(rank)
    if parts is None:
        return np.empty(distribution.local_shape(rank), data.dtype)
    for k, (axis, part) in enumerate(zip(distribution.axes, parts, strict=True)):
        if isinstance(axis, Block):
            where = slice(axis.starts[part], axis.starts[part] + axis.sizes[part])
            data = data[(slice(None),) * k + (where,)]
        else:
            data = np.take(data, axis.indices(part), axis=k)
    return data


def apply(ufunc: Any, args: Sequence[Any], out: Any = None, where: Any = True, **kwargs: Any) -> Any:
    """A function computed point by point. Collective where operands must be redistributed, and local otherwise.

    Parameters
    ----------
    ufunc : callable
        Of numpy arrays: it broadcasts, and returns one array or a tuple of them.
    args : sequence
        Global arrays, at least one of them, numbers, and numpy arrays that every rank has.
    out : GlobalArray or tuple of them, optional
        Where to write the result.
    where : bool or array, optional
        Which points to compute, as numpy's ufuncs take it; divided with the operands.
    kwargs
        For the function.
    """
    if out is not None:
        return _apply_into(ufunc, args, out if isinstance(out, tuple) else (out,), where, kwargs)
    if where is True:
        context, distribution, blocks = conform(args)
    else:
        context, distribution, (kwargs["where"], *blocks) = conform([where, *args])
    if errors_raised():  # of what one rank has: then it is everyone's error
        result = agreed(context.comm, functools.partial(ufunc, *blocks, **kwargs), nothing)
    else:
        result = ufunc(*blocks, **kwargs)
    if type(result) is tuple:
        return tuple(GlobalArray(context, distribution, np.asarray(part)) for part in result)
    return GlobalArray(context, distribution, result if type(result) is np.ndarray else np.asarray(result))


def errors_raised() -> bool:
    """Whether numpy raises errors of floating point: a context variable says so, and there is none as a rule. Local."""
    return bool(copy_context()) and "raise" in np.geterr().values()


def together(context: Context, call: Callable[[], T]) -> T:
    """What `call()` computes of blocks; where numpy raises errors of floating point, that of one rank is everyone's.

    Collective there, and local otherwise.
    """
    return agreed(context.comm, call, nothing) if errors_raised() else call()


def check_alike(call: str, *arrays: GlobalArray, **arguments: Any) -> None:
    """Refuse, on every rank where MPI4PY_PENCIL_CHECK is set, a call that is another on one. Collective there."""
    context = arrays[0].context
    if context.checking:
        told = {"shapes": lambda x: x.shape, "dtypes": lambda x: x.dtype, "how": lambda x: str(x.distribution)}
        of_arrays = {name: [tell(x) for x in arrays] for name, tell in told.items()}
        agreed(context.comm, lambda: {"the call": call, **arguments, **of_arrays}, lambda said: said)


def _apply_into(ufunc: Any, args: Sequence[Any], out: tuple[Any, ...], where: Any, kwargs: dict[str, Any]) -> Any:
    """As `apply`, into arrays of the caller."""
    first = out[0]
    for o in out:
        if not isinstance(o, GlobalArray):
            refuse_local(out)
            raise TypeError("out must be a GlobalArray: to write to a numpy array use .to_numpy()")
        if o is not first and not _alike(o, first):
            raise ValueError(f"the arrays of out are not of one distribution: {first.distribution}, {o.distribution}")
    wheres = [] if where is True else [where]
    context, found, blocks = conform([first, *wheres, *args])
    if found.shape != first.shape:
        raise ValueError(f"out has the shape {first.shape}, the result {found.shape}")
    if wheres:
        kwargs["where"] = blocks[1]
    call = functools.partial(ufunc, *blocks[1 + len(wheres) :], out=tuple(o._block for o in out), **kwargs)
    together(context, call)
    return first if len(out) == 1 else out


def computed(ufunc: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """A ufunc on global arrays, as `apply`; negative powers of integers are refused on every rank."""
    if ufunc in (np.power, _power) and np.result_type(*map(_typed, args[:2])).kind in "biu":
        _check_exponents(args)
    return apply(ufunc, args, **kwargs)


def _typed(a: Any) -> Any:
    """What says the type of an operand."""
    return a.dtype if isinstance(a, GlobalArray) else np.asarray(a)


def _check_exponents(args: Sequence[Any]) -> None:
    """Refuse negative exponents of integers, on every rank if one has some. Collective."""
    exponent = args[1]
    given = next(a for a in args if isinstance(a, GlobalArray))

    def check() -> None:
        values = exponent.local if isinstance(exponent, GlobalArray) else np.asarray(exponent)
        if values.dtype.kind == "i" and values.size and values.min() < 0 and given.size:
            raise ValueError("integers to negative integer powers are not allowed")

    agreed(given.context.comm, check, nothing)


_OPERANDS = (GlobalArray, *_SCALARS, np.generic, np.ndarray, list, tuple)
