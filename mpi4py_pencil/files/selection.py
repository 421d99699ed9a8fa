"""Which box of a global array an index means: integers and slices of step 1."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..layout.arrays import said
from ..layout.partition import overlap
from .parts import Part


@dataclass(frozen=True)
class Box:
    """A box of a global array.

    Attributes
    ----------
    shape : tuple of int
        Of the whole array.
    runs : tuple of (int, int)
        For each axis where the box starts, and its length.
    dropped : tuple of int
        The axes of which one index is taken, which the result does not have.
    """

    shape: tuple[int, ...]
    runs: tuple[tuple[int, int], ...]
    dropped: tuple[int, ...]

    @property
    def kept(self) -> tuple[int, ...]:
        """The shape of the result."""
        return tuple(n for k, (_, n) in enumerate(self.runs) if k not in self.dropped)

    @property
    def whole(self) -> bool:
        """Whether it is the whole array."""
        return not self.dropped and self.kept == self.shape

    @property
    def names(self) -> list[str]:
        """What its run along each axis is called: ``slice``, ``4``, ``0to4``."""
        return [
            str(at) if k in self.dropped else "slice" if length == n else f"{at}to{at + length}"
            for k, ((at, length), n) in enumerate(zip(self.runs, self.shape, strict=True))
        ]

    @property
    def suffix(self) -> str:
        """What it is called, behind the name of the array."""
        return "" if self.whole else "_" + "_".join(self.names)

    def within(self, mine: Part) -> Part:
        """What a part of an array has of the box, as a part of the result: a view of its block."""
        shared = [overlap(run, (at, n)) for run, at, n in zip(self.runs, mine.start, mine.block.shape, strict=True)]
        block = mine.block[tuple(slice(s - at, s - at + n) for (s, n), at in zip(shared, mine.start, strict=True))]
        kept = [k for k in range(len(self.shape)) if k not in self.dropped]
        start = tuple(shared[k][0] - self.runs[k][0] for k in kept)
        if not block.size:  # of axes that are dropped too
            return Part(mine.comm, self.kept, (0,) * len(kept), np.empty((0,) * len(kept), block.dtype))
        return Part(mine.comm, self.kept, start, np.squeeze(block, self.dropped))

    def part(self, mine: Part) -> Part:
        """The part of the whole array that a part of the result is, in the same memory."""
        if not self.shape:
            return mine
        starts = iter(mine.start)
        start = tuple(at if k in self.dropped else at + next(starts) for k, (at, _) in enumerate(self.runs))
        return Part(mine.comm, self.shape, start, np.expand_dims(mine.block, self.dropped))


def selected(index: Any, shape: tuple[int, ...], name: str = "index") -> Box:
    """The box that an index of an array of this shape means.

    Raises
    ------
    TypeError, ValueError
        Where it is no integer, slice of step 1, Ellipsis or tuple of these, or leaves nothing; it names the argument.
    """
    keys = list(index) if isinstance(index, (tuple, list)) else [index]
    if sum(key is ... for key in keys) > 1:
        raise ValueError(f"{name} {index!r} has more than one Ellipsis")
    if ... not in keys:
        keys.append(...)
    at = keys.index(...)
    if len(keys) - 1 > len(shape):
        raise ValueError(f"{name} {index!r} has {len(keys) - 1} entries, the array has {len(shape)} axes")
    keys[at : at + 1] = [slice(None)] * (len(shape) - len(keys) + 1)
    runs = [_run(key, n, k, name) for k, (key, n) in enumerate(zip(keys, shape, strict=True))]
    dropped = tuple(k for k, key in enumerate(keys) if not isinstance(key, slice))
    if shape and len(dropped) == len(shape):
        raise ValueError(f"{name} {index!r} leaves no axis of an array of shape {shape}")
    return Box(shape, tuple(runs), dropped)


def _run(key: Any, n: int, axis: int, name: str) -> tuple[int, int]:
    """Where one entry of an index starts, and how long it is."""
    if isinstance(key, slice):
        start, stop, step = key.indices(n)
        if step != 1:
            raise ValueError(f"{name} has a step of {step} along axis {axis}: only 1 can be read and written")
        if stop <= start and n:
            raise ValueError(f"{name} leaves nothing of axis {axis}, which has {n} items")
        return start, max(0, stop - start)
    if isinstance(key, (bool, np.bool_)) or not hasattr(key, "__index__"):
        raise TypeError(f"{name} must have ints and slices, not {said(key)}")
    at = operator.index(key)
    if not -n <= at < n:
        raise ValueError(f"{name} {at} is out of axis {axis}, which has {n} items")
    return at % n, 1
