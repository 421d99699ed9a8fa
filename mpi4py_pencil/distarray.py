"""Distributed arrays: the local block as an ndarray that knows its pencil."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from mpi4py import MPI

from .layout.arrays import checked_array, keep, refuse_masked
from .layout.pencil import Pencil, lengths, whole_axis
from .layout.subcomm import Subcomm, dimensions
from .ranks.agreement import agreed, checked
from .ranks.communicators import cache_of, check_alive
from .transfer import Transfer

if TYPE_CHECKING:
    from .arrays import GlobalArray

Plain = np.ndarray[Any, Any]


class DistArray(np.ndarray):
    """This rank's block of a distributed array, an ndarray that knows its pencil.

    What is computed from blocks of the same pencil elementwise is a DistArray again. Whatever is no longer that block
    (a reduction, a transpose, a slice) is a plain ndarray. Blocks of different pencils are different parts of the
    whole: what is computed from them is plain too, and is not written into a DistArray. Masked arrays are refused, as
    their mask would be lost.

    Parameters
    ----------
    global_shape : sequence of int
        Of the whole array, leading component axes included.
    dims : Subcomm or sequence of int, optional
        How it is divided: a Subcomm, or processes along each axis of the grid of MPI.COMM_WORLD (0 leaves the number
        open). By default all axes but the alignment are open. Component axes are never divided and not named here.
    val : scalar or array_like, optional
        What to fill the block with; without it the block is zero.
    dtype : dtype-like, optional
        float by default.
    alignment : int, optional
        An undivided axis, counted without the component axes; the last undivided one by default.
    rank : int, optional
        How many leading axes of `global_shape` count components (1 for vectors, 2 for tensors).

    Raises
    ------
    TypeError, ValueError
        Where the arguments do not fit together.

    Examples
    --------
    >>> u = DistArray((8, 8), [1, 1], val=1.0)
    >>> u.global_shape, u.redistribute(0).alignment
    ((8, 8), 0)
    """

    _pencil: Pencil | None
    _rank: int

    def __new__(
        cls,
        global_shape: Sequence[int],
        dims: Subcomm | Sequence[int] | None = None,
        val: Any = None,
        dtype: Any = float,
        alignment: int | None = None,
        rank: int = 0,
    ) -> DistArray:
        """Make the block of this rank. Collective over the grid, as `Subcomm` is."""
        comm = dims.grid.parent if isinstance(dims, Subcomm) else MPI.COMM_WORLD
        shape, rank, axis, dtype, dims = agreed(
            comm,
            lambda: _asked(global_shape, rank, alignment, dtype, dims),
            lambda found: dict(zip(("global_shape", "rank", "alignment", "dtype", "dims"), found, strict=True)),
        )
        subcomm = dims if isinstance(dims, Subcomm) else Subcomm(comm, dims)
        pencil = Pencil(subcomm, shape[rank:], _undivided(subcomm) if axis is None else axis)
        pencil = pencil.with_components(shape[:rank])
        self = cls.of(pencil, dtype, rank)
        self[...] = 0 if val is None else val
        return self

    @classmethod
    def of(cls, pencil: Pencil, dtype: Any, rank: int = 0, block: Plain | None = None) -> DistArray:
        """The block of a pencil of which `rank` leading axes count components; uninitialised memory, or `block`."""
        plain = np.empty(pencil.subshape, dtype) if block is None else block
        self = plain.view(cls)
        self._pencil = pencil
        self._rank = rank
        return self

    def __array_finalize__(self, obj: Any) -> None:
        """Numpy made an array of this class from another: it is nobody's block until it is said to be."""
        self._pencil = None
        self._rank = 0

    @property
    def pencil(self) -> Pencil:
        """The pencil of all axes, component axes included."""
        pencil = self._block
        if pencil is None:
            raise AttributeError("this array is not a distributed block: take it as a plain ndarray, np.asarray(...)")
        return pencil

    @property
    def _block(self) -> Pencil | None:
        """The pencil whose block this is; None where it is none, or none any more since it was reshaped in place."""
        pencil = self._pencil
        return pencil if pencil is not None and self.shape == pencil.subshape else None

    @property
    def global_shape(self) -> tuple[int, ...]:
        """The shape of the whole array."""
        return self.pencil.shape

    @property
    def rank(self) -> int:
        """The number of leading component axes."""
        return self._rank

    @property
    def alignment(self) -> int:
        """The axis along which every rank holds whole lines, counted without the component axes."""
        return self.pencil.axis - self._rank

    @property
    def subcomm(self) -> Sequence[MPI.Intracomm]:
        """The communicators of the axes, without the component axes; of other arrays with this division the `dims`."""
        return self.pencil.without_components(self._rank).subcomm

    @property
    def commsizes(self) -> list[int]:
        """The processes along each axis, without the component axes."""
        return list(self.pencil.sizes[self._rank :])

    @property
    def substart(self) -> tuple[int, ...]:
        """Where this block starts in the whole array."""
        return self.pencil.substart

    def local_slice(self) -> tuple[slice, ...]:
        """This block as slices of the whole array."""
        return self.pencil.local_slice()

    def redistribute(self, axis: int | None = None, out: DistArray | None = None) -> DistArray:
        """The same array aligned along another axis, in new memory.

        Collective over the grid. The transfers are made once for each pair of pencils and dtype.

        Parameters
        ----------
        axis : int, optional
            The wanted alignment, counted without the component axes; it swaps its communicator with the present
            alignment's. Without it that of `out`.
        out : DistArray, optional
            Where to put the result: an array of the same shape and dtype over the same ranks, divided in any way.

        Raises
        ------
        TypeError, ValueError
            Where neither or both contradicting are given, `out` does not fit, or the communicator has been freed.
        """
        pencil = self.pencil
        grid = pencil.subcomm.grid if isinstance(pencil.subcomm, Subcomm) else None
        comm = MPI.COMM_SELF if grid is None else grid.parent
        check_alive(comm if grid is None else grid.cart)
        target = checked(
            comm,
            lambda: self._target(axis, out),
            lambda found: {"the call": "redistribute", "from": pencil.whole, "to": found.whole, "dtype": self.dtype},
        )
        if out is None:
            out = DistArray.of(target, self.dtype, self._rank)
        transfer_between(pencil, target, self.dtype).forward(_plain(self), _plain(out))
        return out

    def _target(self, axis: int | None, out: Any) -> Pencil:
        """The pencil to which `redistribute` brings this array; wrong arguments are refused."""
        wanted = None if axis is None else whole_axis(axis, self.ndim - self._rank)
        if out is None:
            if wanted is None:
                raise TypeError("redistribute needs axis, or out")
            return self.pencil.pencil(wanted + self._rank)
        if not isinstance(out, DistArray):
            raise TypeError(f"out must be a DistArray, not {type(out).__name__}")
        if wanted not in (None, out.alignment):
            raise ValueError(f"axis {axis} contradicts out, which is aligned along axis {out.alignment}")
        checked_array("out", out, out.pencil.subshape, self.dtype, written=True)
        return out.pencil

    def as_global(self) -> GlobalArray:
        """The whole array, of which this is the block: a view of the same memory, see `arrays.GlobalArray`.

        Raises
        ------
        ValueError
            Where the pencil's communicators are of no grid.
        """
        from .arrays import from_distarray  # that room stands on this one

        return from_distarray(self)

    def __getitem__(self, key: Any) -> Any:
        """A component is a DistArray; anything else is plain."""
        block = self.view(np.ndarray)[key]
        pencil = self._block
        ints = key if isinstance(key, tuple) else (key,)
        if pencil is None or not ints or len(ints) > self._rank or not all(_is_index(k) for k in ints):
            return block
        rest = len(ints)
        return DistArray.of(pencil.without_components(rest), self.dtype, self._rank - rest, block)

    def __setitem__(self, key: Any, value: Any) -> None:
        """Fill the block or a part of it, not from a block of another pencil."""
        self._refuse(value)
        super().__setitem__(key, value)

    def _refuse(self, value: Any) -> None:
        """Refuse what is not to be written into this block."""
        refuse_masked("value", value)
        if hasattr(value, "__distarray__"):
            raise TypeError("value is a global array, this a block of one: write u.as_global()[...] = value")
        if isinstance(value, DistArray):
            _refuse_other_parts(self, [value])

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Compute on plain blocks; the result is a DistArray where it is a block of the operands' common pencil."""
        if any(hasattr(x, "__distarray__") for x in inputs):
            return NotImplemented  # of the whole array's view, which says what to do
        blockwise = method == "__call__" and ufunc.signature is None
        return _computed(getattr(ufunc, method), inputs, kwargs, blockwise, kwargs.get("subok", True))

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Other functions of numpy compute on plain blocks; those that are blockwise give blocks again."""
        if any(hasattr(kind, "__distarray__") for kind in types):
            return NotImplemented  # of the whole array's view, which says what to do
        indices = func is np.where and len(args) == 1
        subok = _subok(_BLOCKWISE.get(func), args, kwargs)
        return _computed(func, args, kwargs, func in _BLOCKWISE and not indices, subok, _WRITTEN.get(func))

    @property
    def T(self) -> Plain:  # type: ignore[override]
        """The transposed block, which is nobody's: plain."""
        return self.view(np.ndarray).T

    @property
    def mT(self) -> Plain:  # type: ignore[override]
        """The block with its last two axes swapped: plain."""
        return self.view(np.ndarray).mT

    @property
    def real(self) -> Any:
        """The real part, a view."""
        return _rewrap(self.view(np.ndarray).real, [self])

    @real.setter
    def real(self, value: Any) -> None:
        self._refuse(value)
        self.view(np.ndarray).real = value

    @property
    def imag(self) -> Any:
        """The imaginary part, a view."""
        return _rewrap(self.view(np.ndarray).imag, [self])

    @imag.setter
    def imag(self, value: Any) -> None:
        self._refuse(value)
        self.view(np.ndarray).imag = value

    def __reduce__(self) -> Any:
        """Pickled as a plain array: communicators stay with their process."""
        return self.view(np.ndarray).__reduce__()


# Functions of numpy that compute point by point, and the position of their argument subok, where they have one.
_BLOCKWISE: dict[Any, int | None] = {
    np.angle: None,
    np.around: None,
    np.clip: None,
    np.copy: 2,
    np.empty_like: 3,
    np.fix: None,
    np.full_like: 4,
    np.imag: None,
    np.isclose: None,
    np.nan_to_num: None,
    np.ones_like: 3,
    np.real: None,
    np.round: None,
    np.sinc: None,
    np.where: None,
    np.zeros_like: 3,
}


# Where, by position, functions and methods that compute point by point have what they write into.
_WRITTEN: dict[Any, int] = {
    np.around: 2,
    np.clip: 3,
    np.copyto: 0,
    np.fix: 1,
    np.place: 0,
    np.put: 0,
    np.putmask: 0,
    np.round: 2,
    np.ndarray.clip: 3,
    np.ndarray.round: 2,
}


def _subok(position: int | None, args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
    """Whether the result may be of a class of its own."""
    return bool(args[position] if position is not None and len(args) > position else kwargs.get("subok", True))


def _is_index(key: Any) -> bool:
    """Whether `key` picks one item of an axis."""
    return hasattr(key, "__index__") and not isinstance(key, (bool, np.bool_, np.ndarray))


def _plain(x: Any) -> Any:
    """A DistArray as an ndarray; anything else as it is."""
    return x.view(np.ndarray) if isinstance(x, DistArray) else x


def _computed(
    call: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    blockwise: bool,
    subok: bool = True,
    written: int | None = None,
) -> Any:
    """What `call` makes of plain blocks, as DistArrays where it is blockwise; what it was given to write into as it is.

    Raises
    ------
    TypeError, ValueError
        Where there is a masked array, or blocks of different pencils would be written into one.
    """
    given: list[DistArray] = []
    passed: dict[int, tuple[Any, Plain]] = {}  # by what stands for it: what is returned as it was passed

    def plain(x: Any) -> Any:
        refuse_masked("an operand", x)
        if isinstance(x, np.ndarray):
            view = _plain(x)
            passed[id(view)] = x, view
            given.extend([x] if isinstance(x, DistArray) else [])
            return view
        if not isinstance(x, Sequence) or isinstance(x, (str, bytes, bytearray, memoryview, range)):
            return x
        parts = [plain(part) for part in x]
        same = all(a is b for a, b in zip(x, parts, strict=True))
        return x if same else tuple(parts) if isinstance(x, tuple) else parts

    def wrapped(x: Any) -> Any:
        if type(x) is tuple:
            return tuple(map(wrapped, x))
        if id(x) in passed:
            return passed[id(x)][0]
        return _rewrap(x, given) if blockwise and subok else x

    plain_args, plain_kwargs = plain(tuple(args)), {name: plain(x) for name, x in kwargs.items()}
    out = kwargs.get("out") if written is None or len(args) <= written else args[written]
    if blockwise or written is not None:
        for target in out if isinstance(out, tuple) else (out,):
            _refuse_other_parts(target, given)
    return wrapped(call(*plain_args, **plain_kwargs))


def _refuse_other_parts(target: Any, given: Iterable[DistArray]) -> None:
    """Refuse to write into a block what comes from blocks that are other parts of the whole, components aside."""
    if not isinstance(target, DistArray) or target._block is None:
        return
    for x in given:
        if x._block is None or x._block.same_block(target._block):
            continue
        if not x._block.without_components(x._rank).same_block(target._block.without_components(target._rank)):
            raise ValueError(
                f"a block of {x._block} cannot be written into one of {target._block}, another part of the whole: "
                "redistribute it"
            )


def _rewrap(result: Any, given: Sequence[DistArray]) -> Any:
    """A result that is a block of the pencil which all the given arrays share, as a DistArray."""
    first = given[0]._block
    same = first is not None and all(x._block is not None and x._block.same_block(first) for x in given)
    if first is None or not same or type(result) is not np.ndarray or result.shape != first.subshape:
        return result
    return DistArray.of(first, None, given[0]._rank, result)


def _method(name: str, blockwise: bool, position: int | None = None) -> Any:
    """An ndarray method that computes on the plain block; where it is blockwise the result is a block again."""
    method = getattr(np.ndarray, name)

    def call(self: DistArray, *args: Any, **kwargs: Any) -> Any:
        if not _subok(position, args, kwargs):
            return method(self.view(np.ndarray), *args, **kwargs)
        return _computed(method, (self, *args), kwargs, blockwise, written=_WRITTEN.get(method))

    call.__name__, call.__doc__ = name, method.__doc__
    return call


_KEEP_THE_BLOCK = "conj conjugate copy round clip __copy__ __deepcopy__"
_MAKE_ANOTHER = (
    "argmax argmin argpartition argsort choose compress cumprod cumsum diagonal dot flatten getfield ravel repeat "
    "reshape squeeze swapaxes take trace transpose"
)
for _name in _KEEP_THE_BLOCK.split():
    setattr(DistArray, _name, _method(_name, blockwise=True))
DistArray.astype = _method("astype", blockwise=True, position=3)  # type: ignore[method-assign]
for _name in _MAKE_ANOTHER.split():
    setattr(DistArray, _name, _method(_name, blockwise=False))


def _asked(
    global_shape: Any, rank: Any, alignment: Any, dtype: Any, dims: Any
) -> tuple[tuple[int, ...], int, int | None, np.dtype[Any], Subcomm | list[int]]:
    """The arguments of a DistArray that are the same on every rank."""
    shape = lengths(global_shape, "global_shape")
    if not hasattr(rank, "__index__") or not 0 <= rank < len(shape):
        raise ValueError(f"rank {rank!r} must count the leading component axes of global_shape {shape}")
    axis = None if alignment is None else whole_axis(alignment, len(shape) - rank, "alignment: ")
    return shape, rank.__index__(), axis, np.dtype(dtype), _dims(dims, shape, rank, axis)


def _dims(dims: Any, shape: tuple[int, ...], rank: int, alignment: int | None) -> Subcomm | list[int]:
    """The Subcomm given, or the processes along each axis that the `dims` of a DistArray mean."""
    ndim = len(shape) - rank
    if dims is None:
        if ndim == 1 and MPI.COMM_WORLD.Get_size() > 1:
            raise ValueError("global_shape has one axis to divide, along which the array is aligned: it needs a second")
        dims = [0] * ndim
        dims[-1 if alignment is None else alignment] = 1
    asked = dims if isinstance(dims, Subcomm) else dimensions(dims, "dims")
    if len(asked) != ndim:
        raise ValueError(f"dims name {len(asked)} axes, global_shape {shape} has {ndim} to divide")
    return asked


def _undivided(subcomm: Sequence[MPI.Intracomm]) -> int:
    """The last axis that one rank holds whole."""
    whole = [k for k, comm in enumerate(subcomm) if comm.Get_size() == 1]
    if not whole:
        raise ValueError("dims divide every axis: leave one undivided (1), along which the array is aligned")
    return whole[-1]


# Transfers kept for each grid; beyond that the oldest is dropped, on every rank alike.
_TRANSFERS = 32


def transfer_between(a: Pencil, b: Pencil, dtype: np.dtype[Any]) -> Transfer:
    """The transfer between two pencils, made at its first use and kept with the grid."""
    if not isinstance(a.subcomm, Subcomm) or not isinstance(b.subcomm, Subcomm):
        return Transfer(a, b, dtype)
    grid, other = a.subcomm.grid, b.subcomm.grid
    kept = cache_of(grid.cart).setdefault(Transfer, {})
    key = (a.whole, b.whole, dtype)
    if other.parent != grid.parent or key not in kept:
        keep(kept, key, Transfer(a, b, dtype), _TRANSFERS)
    return kept[key]
