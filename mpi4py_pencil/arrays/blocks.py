"""What each rank does by itself: functions of the blocks, and points that each rank names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from mpi4py import MPI

from ..layout.arrays import refuse_masked
from ..ranks.agreement import agreed, nothing
from .context import Context, world
from .globalarray import GlobalArray
from .indexing import bounded

Plain: TypeAlias = "np.ndarray[Any, Any]"


def apply(function: Callable[..., Any], /, *args: Any, context: Context | None = None, **kwargs: Any) -> list[Any]:
    """What a function returns on each rank of a context, as a list on every rank. Collective.

    Parameters
    ----------
    function : callable
        It gets this rank's blocks in place of global arrays, the memory itself, and everything else as it is.
    args, kwargs
        What it is called with.

    Raises
    ------
    BaseException
        On every rank, where it raises on one; ValueError where an array is of other ranks.
    """
    over = world() if context is None else context

    def local(x: Any) -> Any:
        if not isinstance(x, GlobalArray):
            return x
        if not x.context.same_ranks(over):
            raise ValueError("an array is of a context with another communicator")
        return x.local

    def called() -> bytes:
        made = function(*map(local, args), **{name: local(x) for name, x in kwargs.items()})
        return MPI.pickle.dumps(made)  # here, where all learn that it cannot be sent

    return [MPI.pickle.loads(made) for made in over.comm.allgather(agreed(over.comm, called, nothing))]


def take_points(x: GlobalArray, /, *index: Any) -> Plain:
    """The values at any points of the array, which each rank names for itself. Collective.

    Particles that are anywhere find what they interpolate: each rank passes as many points as it likes.

    Parameters
    ----------
    index : array of int
        For each axis the indices in the whole array; they broadcast with each other, and negative ones count from the
        end. They differ from rank to rank.

    Returns
    -------
    ndarray
        The values that this rank wants, of the shape that the indices make together.

    Raises
    ------
    TypeError, ValueError, IndexError
        On every rank, where the indices of one do not fit.

    Examples
    --------
    >>> from mpi4py_pencil import arrays as xp
    >>> g = xp.reshape(xp.arange(12), (3, 4))
    >>> rank = g.context.rank
    >>> xp.take_points(g, [rank % 3, -1], [0, 2]) - [rank % 3 * 4, 0]
    array([ 0, 10])
    """

    def asked() -> list[Plain]:
        if len(index) != x.ndim:
            raise ValueError(f"{len(index)} arrays of indices are given for an array with {x.ndim} axes")
        for k, which in enumerate(index):
            refuse_masked(f"the indices of axis {k}", which)
        found = np.broadcast_arrays(
            *(np.asarray(which) if np.size(which) else np.asarray(which, int) for which in index)
        )
        for k, which in enumerate(found):
            if which.dtype.kind not in "iu":
                raise TypeError(f"indices of axis {k} must be whole numbers, not {which.dtype}")
        return [bounded(which, n, k) for k, (which, n) in enumerate(zip(found, x.shape, strict=True))]

    found = agreed(x.context.comm, asked, nothing)
    shape = found[0].shape if found else ()
    return x.context.points(x.distribution, found, shape).pull(x.local).reshape(shape)
