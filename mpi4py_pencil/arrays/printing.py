"""Global arrays as text: like numpy's, and of large ones only what is printed is gathered. Collective."""

from __future__ import annotations

from typing import Any

import numpy as np

from .globalarray import GlobalArray
from .redistribution import remapped


def text(g: GlobalArray) -> str:
    """What `repr` says: the values, the shape, the type, and how it is divided. Collective."""
    start = "GlobalArray("
    return f"{start}{_values(g, start, ', ')},\n{' ' * len(start)}shape={g.shape}, dtype={g.dtype}, {g.distribution})"


def short(g: GlobalArray) -> str:
    """What `str` says: the values. Collective."""
    return _values(g, "", " ")


def _values(g: GlobalArray, prefix: str, separator: str) -> str:
    """The values as numpy prints them."""
    options = np.get_printoptions()
    edge = options["edgeitems"]
    if g.size <= options["threshold"]:
        return np.array2string(np.asarray(g.to_numpy()), prefix=prefix, separator=separator, threshold=g.size + 1)
    # of a longer axis both ends and one index between them, in whose place numpy puts dots
    lengths = [min(n, 2 * edge + 1) for n in g.shape]
    target = g.context.distribution(tuple(lengths), [None] * g.ndim)
    maps = [_ends(n, edge) for n in g.shape]
    ends = remapped(g.context, g.distribution, target, g.local, maps)
    return np.array2string(ends, prefix=prefix, separator=separator, threshold=0)


def _ends(n: int, edge: int) -> Any:
    """The function from the indices of what is printed to those of an axis."""
    return lambda which: np.where(which <= edge, which, which + n - min(n, 2 * edge + 1))
