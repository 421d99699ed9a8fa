"""Blocks with a margin of their neighbours' points: ghost cells, exchanged again and again without new memory."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from mpi4py import MPI

from ..exchange.memory import free, item
from ..ranks.agreement import agreed
from ..ranks.communicators import check_alive
from .axes import Block
from .distribution import Distribution
from .globalarray import GlobalArray

Plain: TypeAlias = "np.ndarray[Any, Any]"

_TAG = 1


def halo(x: GlobalArray, /, width: int | Sequence[int], periodic: bool | Sequence[bool] = False) -> Halo:
    """An array in memory with a margin around each rank's block for the points of its neighbours. Collective.

    Parameters
    ----------
    x : GlobalArray
        Its values are copied. Axes with a margin are whole or in blocks, of any sizes: the margin may reach beyond the
        next block.
    width : int or sequence of int
        How many points each axis gets on either side.
    periodic : bool or sequence of bool, optional
        Whether an axis goes on at its other end. Where it does not, what lies outside of the array is not written: it
        begins with zeros.

    Raises
    ------
    TypeError, ValueError
        On every rank, where these do not fit the array.

    Examples
    --------
    >>> from mpi4py_pencil import arrays as xp
    >>> h = xp.halo(xp.arange(6.0), width=1, periodic=True)
    >>> p = h.update()
    >>> h.array.local[...] = (p[2:] - p[:-2]) / 2
    >>> h.array.to_numpy()
    array([-2.,  1.,  1.,  1.,  1., -2.])
    """

    def asked() -> tuple[tuple[int, ...], tuple[bool, ...]]:
        widths = _each("width", width, x.ndim, int)
        rounds = _each("periodic", periodic, x.ndim, bool)
        for k, (w, axis) in enumerate(zip(widths, x.distribution.axes, strict=True)):
            if w < 0:
                raise ValueError(f"width {w} of axis {k} is negative")
            if w and not isinstance(axis, Block):
                raise ValueError(f"axis {k} has a width of {w}, but is not in blocks: redistribute the array first")
        return widths, rounds

    widths, rounds = agreed(x.context.comm, asked, lambda found: {"width": found[0], "periodic": found[1]})
    return Halo(x, widths, rounds)


def _each(name: str, given: Any, ndim: int, kind: type) -> tuple[Any, ...]:
    """One value for each axis."""
    found = tuple(given) if isinstance(given, (tuple, list, np.ndarray)) else (given,) * ndim
    if len(found) != ndim:
        raise ValueError(f"{name} {given!r} must be one for all or for each of the {ndim} axes")
    if not all(hasattr(value, "__index__") or isinstance(value, (bool, np.bool_)) for value in found):
        raise TypeError(f"{name} {given!r} must be of type {kind.__name__}")
    return tuple(map(kind, found))


class Halo:
    """A global array in memory with margins. Made by `halo`.

    Attributes
    ----------
    array : GlobalArray
        The array itself: its blocks are the inner parts of `padded`.
    padded : ndarray
        This rank's block with its margins, the memory itself. A rank without points has margins that are never written.
    """

    def __init__(self, x: GlobalArray, widths: tuple[int, ...], periodic: tuple[bool, ...]) -> None:
        self._comm = x.context.comm
        local = x.local.shape
        self.padded: Plain = np.zeros(
            [n + 2 * w for n, w in zip(local, _fitted(widths, len(local)), strict=True)], x.dtype
        )
        inner = tuple(slice(w, w + n) for n, w in zip(local, _fitted(widths, len(local)), strict=True))
        self.array = x.like(self.padded[inner + (...,)])
        self.array.local[...] = x.local
        grid = x.context.own
        wanted = _wanted(x.distribution, x.context.rank, widths, periodic)
        asked = self._comm.alltoall([[piece.source for piece in wanted.get(q, [])] for q in range(self._comm.size)])
        block, me = self.array.local, x.context.rank
        self._own = [(self.padded[p.target], block[p.source]) for p in wanted.pop(me, [])]
        self._unpack, receives = _boxes([(q, [self.padded[p.target] for p in ps]) for q, ps in sorted(wanted.items())])
        self._pack, sends = _boxes(
            [(q, [block[s] for s in asked[q]]) for q in range(grid.size) if q != me and asked[q]]
        )
        unit = item(max(1, x.dtype.itemsize))
        self._receives = [grid.Recv_init([buffer, buffer.size, unit], q, _TAG) for q, buffer in receives]
        self._sends = [grid.Send_init([buffer, buffer.size, unit], q, _TAG) for q, buffer in sends]
        weakref.finalize(self, free, (*self._receives, *self._sends))

    def update(self) -> Plain:
        """Bring the margins up to date, and return `padded`. Collective; of each neighbour's blocks in one message.

        Raises
        ------
        ValueError
            Where the communicator has been freed.
        """
        check_alive(self._comm)
        MPI.Prequest.Startall(self._receives)
        for view, box in self._pack:
            box[...] = view
        MPI.Prequest.Startall(self._sends)
        for target, source in self._own:
            target[...] = source
        MPI.Request.Waitall(self._receives + self._sends)
        for view, box in self._unpack:
            view[...] = box
        return self.padded


def _fitted(widths: tuple[int, ...], ndim: int) -> tuple[int, ...]:
    """A width for each axis of a block, which has one axis where the array has none and this rank no part."""
    return widths if len(widths) == ndim else (0,) * ndim


class _Piece(NamedTuple):
    """A part of a margin: which of its owner's block, and which of the padded block."""

    source: tuple[slice, ...]
    target: tuple[slice, ...]


class _Run(NamedTuple):
    """Points that follow each other along an axis: in whose part, where they begin there, and where in the margin."""

    part: int
    source: int
    target: int
    length: int


def _wanted(
    distribution: Distribution, rank: int, widths: tuple[int, ...], periodic: tuple[bool, ...]
) -> dict[int, list[_Piece]]:
    """The parts of a rank's margins by their owners."""
    parts = distribution.parts(rank)
    found: dict[int, list[_Piece]] = {}
    if parts is None or 0 in distribution.local_shape(rank):
        return found
    inner = [_Run(part, 0, w, axis.sizes[part]) for axis, part, w in zip(distribution.axes, parts, widths, strict=True)]
    along = [
        [own, *(_margin(axis, own, w, wraps) if isinstance(axis, Block) and w else ())]
        for axis, own, w, wraps in zip(distribution.axes, inner, widths, periodic, strict=True)
    ]
    for runs in itertools.product(*along):
        if list(runs) != inner:
            owner = distribution.owner([run.part for run in runs], rank)
            source = tuple(slice(run.source, run.source + run.length) for run in runs)
            target = tuple(slice(run.target, run.target + run.length) for run in runs)
            found.setdefault(owner, []).append(_Piece(source, target))
    return found


def _margin(axis: Block, own: _Run, width: int, wraps: bool) -> list[_Run]:
    """What lies before and after a part of an axis."""
    start, size = axis.starts[own.part], own.length
    places = np.concatenate([np.arange(width), np.arange(width + size, size + 2 * width)])
    indices = places - width + start
    inside = (indices >= 0) & (indices < axis.n) | wraps
    places, indices = places[inside], indices[inside] % axis.n
    part, position = axis.find(indices)
    ends = np.flatnonzero((np.diff(part) != 0) | (np.diff(position) != 1) | (np.diff(places) != 1)) + 1
    return [
        _Run(int(part[here[0]]), int(position[here[0]]), int(places[here[0]]), here.size)
        for here in np.split(np.arange(places.size), ends)
        if here.size
    ]


def _boxes(peers: Sequence[tuple[int, list[Plain]]]) -> tuple[list[tuple[Plain, Plain]], list[tuple[int, Plain]]]:
    """For views that go to peers, or come from them, each with its part of a buffer; and the buffer of each peer."""
    pairs, buffers = [], []
    for peer, views in peers:
        buffer = np.empty(sum(view.size for view in views), views[0].dtype)
        ends = list(itertools.accumulate(view.size for view in views))
        pairs += [(v, buffer[end - v.size : end].reshape(v.shape)) for v, end in zip(views, ends, strict=True)]
        buffers.append((peer, buffer))
    return pairs, buffers
