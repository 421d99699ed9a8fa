"""Fields of all ranks on one, for pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

Array = NDArray[Any]


def gathered(comm: MPI.Intracomm, block: Array, where: Sequence[slice], shape: Sequence[int]) -> Array | None:
    """Return the whole of which each rank has a block. Collective over `comm`.

    Parameters
    ----------
    comm : mpi4py.MPI.Intracomm
        The ranks.
    block : ndarray
        This rank's part.
    where : sequence of slice
        Which part of the whole it is, as `local_slice` says.
    shape : sequence of int
        Of the whole.

    Returns
    -------
    ndarray, or None on every rank but 0
    """
    parts = comm.gather((tuple(where), np.asarray(block)))
    if parts is None:
        return None
    whole = np.empty(tuple(shape), parts[0][1].dtype)
    for here, values in parts:
        whole[here] = values
    return whole
