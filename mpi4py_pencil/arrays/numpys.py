"""Between arrays of numpy's that one rank has, or all, and global ones; also started now and ended later."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from ..exchange.memory import item
from ..layout.arrays import refuse_masked
from ..ranks.agreement import agreed
from .context import Context, world
from .creation import Divided, placed
from .distribution import Distribution
from .dtypes import checked
from .globalarray import GlobalArray, refuse_local, whole_on
from .pending import Pending
from .redistribution import product_between

Plain: TypeAlias = "np.ndarray[Any, Any]"


def from_numpy(
    array: Any, root: int = 0, *, distribution: Divided = None, context: Context | None = None
) -> GlobalArray:
    """The global array of a numpy array that rank `root` has; what other ranks pass is not looked at. Collective.

    Raises
    ------
    TypeError, ValueError
        On every rank, where that is no array which can be sent, or there is no such rank.
    """
    source = _of_root(array, root, context)
    _, target = placed(source.shape, distribution, source.context, None)
    return source.redistribute(target)


def scattering(
    array: Any, root: int = 0, *, distribution: Divided = None, context: Context | None = None
) -> Pending[GlobalArray]:
    """As `from_numpy`, started: `wait` returns the global array. Collective.

    The array may be changed once this has returned.
    """
    source = _of_root(array, root, context)
    _, target = placed(source.shape, distribution, source.context, None)
    return _start(source, target, lambda block: source.like(block, target))


def gathering(x: GlobalArray, /, root: int | None = None) -> Pending[Plain | None]:
    """As `x.to_numpy(root)`, started: `wait` returns the whole array on that rank, or on all. Collective.

    The array may be changed once this has returned.
    """
    target = whole_on(x.context, x.shape, root)
    return _start(x, target, lambda block: block if root in (None, x.context.rank) else None)


def bcast(array: Any, root: int = 0, *, context: Context | None = None) -> GlobalArray:
    """The global array, of which every rank has a replica, of a numpy array that rank `root` has. Collective.

    Raises
    ------
    TypeError, ValueError
        On every rank, where that is no array which can be sent, or there is no such rank.
    """
    source = _of_root(array, root, context)
    target = whole_on(source.context, source.shape, None)
    mine = source.context.rank == root
    block = np.array(source.local, order="C") if mine else np.empty(source.shape, source.dtype)
    source.context.comm.Bcast([block, block.size, item(max(1, block.itemsize))], root)
    return source.like(block, target)


def _of_root(array: Any, root: int, context: Context | None) -> GlobalArray:
    """The array of one rank as a global array that lies there. Collective."""
    context = world() if context is None else context

    def given() -> Any:
        if not 0 <= root < context.size:
            raise ValueError(f"root {root!r} must be one of the {context.size} ranks")
        if context.rank != root:
            return None
        refuse_local([array])
        refuse_masked("array", array)
        if isinstance(array, GlobalArray):
            raise TypeError("array is a global array already: from_numpy takes what one rank has")
        data = np.asarray(array)
        checked(data.dtype)
        return data

    data = agreed(context.comm, given, lambda found: {"root": root})
    shape, dtype = context.comm.bcast(None if data is None else (data.shape, data.dtype), root)
    source = whole_on(context, shape, root)
    return GlobalArray(context, source, np.empty(source.local_shape(context.rank), dtype) if data is None else data)


def _start(x: GlobalArray, target: Distribution, finish: Any) -> Pending[Any]:
    """Start to bring an array to another distribution. Collective."""
    return product_between(x.context, x.distribution, target).start(x.context.own, x.local, finish)
