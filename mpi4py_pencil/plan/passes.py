"""The steps of a plan grouped into trips through memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..layout.partition import largest_block
from ..sweep import cache
from .steps import Exchange as ExchangeStep
from .steps import Step, Sweep


@dataclass(frozen=True)
class Pass:
    """One trip through memory: a sweep, or two that follow each other over planes which stay in cache.

    Attributes
    ----------
    sweeps : tuple of Sweep
        One or two, in the order of the forward transform.
    outer : tuple of int or None
        With two sweeps, the axes that count the planes.
    exchange : Exchange step or None
        What comes after it on the way forward; None at the end, and where the next pass goes on with the same block.
    """

    sweeps: tuple[Sweep, ...]
    outer: tuple[int, ...] | None
    exchange: ExchangeStep | None


def passes(steps: Sequence[Step]) -> list[Pass]:
    """Group the steps of a plan into trips through memory."""
    result: list[Pass] = []
    sweeps: list[Sweep] = []
    for step in (*steps, None):
        if isinstance(step, Sweep):
            sweeps.append(step)
            continue
        while sweeps:
            first = sweeps.pop(0)
            outer = _planes(first, sweeps[0]) if sweeps else None
            pair = (first,) if outer is None else (first, sweeps.pop(0))
            result.append(Pass(pair, outer, None if sweeps else step))
    return result


def _planes(first: Sweep, second: Sweep) -> tuple[int, ...] | None:
    """The axes that count the planes of two sweeps worth running plane by plane: those not in cache altogether.

    Nor those that the last axis counts: they would be read and written point by point, each of a cache line of its own.
    The largest block decides: the order of the axes in the boxes hangs on it, and must be the same on every rank.
    """
    lines = (first.transform.axis, second.transform.axis)
    last = len(first.after.shape) - 1
    if last not in lines:
        return None
    outer = tuple(k for k in range(last) if k not in lines)
    largest = largest_block(first.after.shape, first.after.sizes)
    planes = math.prod(largest[k] for k in outer)
    return outer if planes > 1 and local_bytes(largest, first.transform.dtype) > cache.CACHED_BYTES else None


def local_bytes(shape: Sequence[int], dtype: np.dtype[Any]) -> int:
    """Bytes of a local block."""
    return math.prod(shape) * dtype.itemsize
