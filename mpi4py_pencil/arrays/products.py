"""Several inner products by one reduction that is started, and ended after other work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from mpi4py import MPI

from ..ranks.communicators import check_alive
from .globalarray import GlobalArray, conform, is_scalar, operand, together
from .pending import Pending
from .reproducible import added, exact_kind, rounded, state_of

Plain: TypeAlias = "np.ndarray[Any, Any]"


def inner_products(*pairs: tuple[Any, Any], reproducible: bool = False) -> Pending[tuple[Any, ...]]:
    """Start to sum the products of all points of pairs of arrays, the first conjugated: all by one Iallreduce.

    Collective over the ranks of the arrays. The operands may be changed once this has returned.

    Parameters
    ----------
    pairs : tuple of two
        Arrays of one shape, whose distributions may differ (the second is redistributed then); one of the two may be a
        number: ``(1, x)`` is the sum of `x`, and ``(x, x)`` the square of its norm.
    reproducible : bool, optional
        Whether the sums are to be the same to the bit however the arrays are divided, as for `sum`. They are exchanged
        by one Iallgather then.

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
    lead.context.checked(
        lambda: [[getattr(x, "shape", None) for x in pair] for pair in pairs],
        lambda shapes: {"the call": "inner_products", "pairs": shapes},
    )
    kinds, blocks = zip(*[_blocks(lead, *pair) for pair in pairs], strict=True)
    comm = lead.context.own
    if reproducible:
        return _start_reproducible(comm, kinds, blocks)
    partial = together(
        lead.context, lambda: [kind.type(_sum(a, b)) for kind, (a, b) in zip(kinds, blocks, strict=True)]
    )
    sent = np.array(partial, np.result_type(np.float32, *kinds))
    came = np.empty_like(sent)

    def finish() -> tuple[Any, ...]:
        return tuple(
            kind.type(total if kind.kind == "c" else total.real) for kind, total in zip(kinds, came, strict=True)
        )

    return Pending(comm, comm.Iallreduce(sent, came, MPI.SUM), (sent, came), finish)


def _start_reproducible(
    comm: MPI.Intracomm, kinds: Sequence[np.dtype[Any]], blocks: Sequence[tuple[Any, Any]]
) -> Pending[tuple[Any, ...]]:
    """As `inner_products`, where no order of the ranks changes the sums. Collective."""
    reals = [exact_kind(kind.type(0).real.dtype) for kind in kinds]
    # of real numbers: how complex ones are multiplied depends on where they lie
    with np.errstate(all="ignore"):  # as for sum: inf and nan come out
        states = [
            state_of(np.multiply(part_a, part_b, dtype=real))
            for kind, real, (a, b) in zip(kinds, reals, blocks, strict=True)
            for part_a in _parts(a, kind)
            for part_b in _parts(b, kind)
        ]
    sent = np.concatenate(states, axis=1)
    came = np.empty((comm.Get_size(), *sent.shape), np.int64)

    def finish() -> tuple[Any, ...]:
        total = added(came.swapaxes(0, 1))
        found, at = [], 0
        for kind, real in zip(kinds, reals, strict=True):
            count = 4 if kind.kind == "c" else 1
            rr, *rest = rounded(total[:, at : at + count], real)
            found.append(_joined(kind, rr, *rest) if rest else kind.type(rr))
            at += count
        return tuple(found)

    return Pending(comm, comm.Iallgather(sent, came), (sent, came), finish)


def _joined(kind: np.dtype[Any], rr: Any, ri: Any, ir: Any, ii: Any) -> Any:
    """A complex number, the first of whose factors was conjugated, from the products of their parts."""
    made = np.empty((), kind)
    made.real, made.imag = rr + ii, ri - ir
    return made[()]


def _parts(x: Any, kind: np.dtype[Any]) -> tuple[Any, ...]:
    """The real and imaginary parts of what is multiplied in a type; itself where that is real."""
    return (np.real(x), np.imag(x)) if kind.kind == "c" else (x,)


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


def _blocks(lead: GlobalArray, x: Any, y: Any) -> tuple[np.dtype[Any], tuple[Any, Any]]:
    """The type of the products of a pair, and what of it this rank adds: of replicas one alone counts."""
    x, y = operand(x), operand(y)
    if not is_scalar(x) and not is_scalar(y) and x.shape != y.shape:
        raise ValueError(f"the arrays of a pair have the shapes {x.shape} and {y.shape}: they must be equal")
    _, distribution, (a, b) = conform((x, y))
    kind = np.result_type(a, b)
    if kind.kind not in "fc":
        raise TypeError(f"inner products are of floating numbers, not of {kind}: use vecdot, or tensordot")
    if not distribution.counts(lead.context.rank):
        a, b = (np.empty(0, np.result_type(each)) for each in (a, b))
    return kind, (a, b)


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
