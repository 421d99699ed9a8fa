"""Several inner products by one reduction that is started, and ended after other work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from mpi4py import MPI

from ..ranks.agreement import checked
from ..ranks.communicators import check_alive
from .globalarray import GlobalArray, conform, is_scalar, operand
from .pending import Pending

Plain: TypeAlias = "np.ndarray[Any, Any]"


def inner_products(*pairs: tuple[Any, Any]) -> Pending[tuple[Any, ...]]:
    """Start to sum the products of all points of pairs of arrays, the first conjugated: all by one Iallreduce.

    Collective over the ranks of the arrays. The operands may be changed once this has returned.

    Parameters
    ----------
    pairs : tuple of two
        Arrays of one shape, whose distributions may differ (the second is redistributed then); one of the two may be a
        number: ``(1, x)`` is the sum of `x`, and ``(x, x)`` the square of its norm.

    Returns
    -------
    Pending
        Its `wait` returns a number for each pair, of the type of the products, on every rank.

    Raises
    ------
    TypeError, ValueError
        On every rank, where a pair is none, the shapes differ, or the products are integers, which `vecdot` adds.

    Examples
    --------
    >>> from mpi4py_pencil import arrays as xp
    >>> r, u = xp.ones(10), xp.full(10, 2.0)
    >>> pending = xp.inner_products((r, u), (r, r), (1, u))
    >>> u *= 3  # other work
    >>> [float(x) for x in pending.wait()]
    [20.0, 10.0, 20.0]
    """
    lead = _lead(pairs)
    comm = lead.context.comm
    check_alive(comm)
    checked(
        comm,
        lambda: [[getattr(x, "shape", None) for x in pair] for pair in pairs],
        lambda shapes: {"the call": "inner_products", "pairs": shapes},
    )
    partial = [_partial(lead, *pair) for pair in pairs]
    sent = np.array(partial, np.result_type(np.float32, *partial))
    came = np.empty_like(sent)

    def finish() -> tuple[Any, ...]:
        return tuple(
            x.dtype.type(total if x.dtype.kind == "c" else total.real) for x, total in zip(partial, came, strict=True)
        )

    return Pending(comm.Iallreduce(sent, came, MPI.SUM), (sent, came), finish)


def _lead(pairs: Sequence[Any]) -> GlobalArray:
    """The first global array, once all pairs are found to be pairs with one at least."""
    given = []
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"inner products are of pairs (x, y), not of {type(pair).__name__}")
        found = [x for x in pair if isinstance(x, GlobalArray)]
        if not found:
            raise TypeError(
                f"a pair must have a global array, not {' and '.join(type(x).__name__ for x in map(operand, pair))}"
            )
        given.append(found[0])
    if not given:
        raise TypeError("inner products are of one pair (x, y) at least")
    if not all(x.context.same_ranks(given[0].context) for x in given):
        raise ValueError("the pairs are of contexts with different communicators: bring them to one first")
    return given[0]


def _partial(lead: GlobalArray, x: Any, y: Any) -> Any:
    """This rank's part of the inner product of a pair; of replicas one alone counts."""
    x, y = operand(x), operand(y)
    if not is_scalar(x) and not is_scalar(y) and x.shape != y.shape:
        raise ValueError(f"the arrays of a pair have the shapes {x.shape} and {y.shape}: they must be equal")
    _, distribution, (a, b) = conform((x, y))
    kind = np.result_type(a, b)
    if kind.kind not in "fc":
        raise TypeError(f"inner products are of floating numbers, not of {kind}: use vecdot, or tensordot")
    return kind.type(_sum(a, b)) if distribution.counts(lead.context.rank) else kind.type(0)


def _sum(a: Any, b: Any) -> Any:
    """The sum of the products of two blocks, or of a number and a block, the first conjugated."""
    if is_scalar(a):
        return np.conj(a) * np.sum(b)
    if is_scalar(b):
        return np.conj(np.sum(a)) * b
    for x, y in ((a, b), (a.T, b.T)):
        if x.flags.c_contiguous and y.flags.c_contiguous:
            return np.vdot(x.reshape(-1), y.reshape(-1))
    return np.vdot(a, b)
