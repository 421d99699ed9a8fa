"""The plan of a parallel transform: which sweeps and exchanges, over which pencils. It moves nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..layout.pencil import Pencil
from ..transforms import Transform


@dataclass(frozen=True)
class Sweep:
    """A step that transforms along one axis; `before` and `after` differ in that axis' length at the most."""

    transform: Transform
    before: Pencil
    after: Pencil


@dataclass(frozen=True)
class Exchange:
    """A step that brings an array of `dtype` from one pencil to another."""

    dtype: np.dtype[Any]
    before: Pencil
    after: Pencil

    @property
    def swapped(self) -> tuple[int, int]:
        """The axis that becomes undivided, and the one that is divided in its place."""
        sizes = zip(self.before.sizes, self.after.sizes, strict=True)
        other = next(k for k, (before, after) in enumerate(sizes) if before == 1 < after)
        return self.after.axis, other


Step = Sweep | Exchange

Groups = Sequence[Sequence[int]]


def alignments(sizes: Sequence[int], groups: Groups) -> Iterator[tuple[int, int | None]]:
    """Each axis in the order in which forward transforms them, and the axis that is divided in its place from then on.

    That is None where the axis is undivided already. All axes of a group end up undivided together; the one that takes
    over is outside of the group: transformed before, as late as can be, or not at all, or else still to be transformed.

    Parameters
    ----------
    sizes : sequence of int
        Processes along each axis at the start.
    groups : sequence of sequence of int
        The transformed axes; the last axis of the last group comes first.

    Raises
    ------
    ValueError
        Where there are too few undivided axes.
    """
    parts = list(sizes)
    transformed = [axis for group in groups for axis in group]
    latest = sorted(range(len(parts)), key=lambda k: k not in transformed)
    for group in reversed(groups):
        if group is groups[-1] and any(parts[k] > 1 for k in group):
            raise ValueError(f"axes {tuple(group)} are transformed first: they must stay undivided")
        for axis in reversed(group):
            other = None
            if parts[axis] > 1:
                other = next((k for k in reversed(latest) if parts[k] == 1 and k not in group), None)
                if other is None:
                    raise ValueError(
                        f"the axes {tuple(group)} cannot all be undivided together over {list(sizes)} processes"
                    )
                parts[axis], parts[other] = parts[other], parts[axis]
            latest.remove(axis)
            latest.append(axis)
            yield axis, other


def steps(pencil: Pencil, transforms: Sequence[Transform], groups: Groups) -> tuple[Step, ...]:
    """The steps of a forward transform that starts from `pencil`; backward takes them from the end to the start.

    Where an axis is divided, an exchange comes first that divides another in its place.

    Parameters
    ----------
    pencil : Pencil
        Of the input, aligned along the first transform's axis.
    transforms : sequence of Transform
        In the order in which forward carries them out.
    groups : sequence of sequence of int
        Their axes, as `alignments` takes them.
    """
    result: list[Step] = []
    for transform, (axis, other) in zip(transforms, alignments(pencil.sizes, groups), strict=True):
        if other is None:
            aligned = pencil.with_axis(axis, pencil.shape[axis], pencil.kept[axis])
        else:
            aligned = pencil.swapped(axis, other)
            result.append(Exchange(transform.input_dtype, pencil, aligned))
        pencil = aligned.with_axis(axis, transform.length, transform.kept)
        result.append(Sweep(transform, aligned, pencil))
    return tuple(result)
