"""Global arrays to and from other packages by the Distributed Array Protocol 0.10.0.

https://distributed-array-protocol.readthedocs.io/en/rel-0.10.0/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..ranks.agreement import agreed, nothing
from .axes import Axis, Block, Cyclic, Unstructured, whole
from .context import Context
from .distribution import Distribution
from .globalarray import GlobalArray

VERSION = "0.10.0"


def exported(g: GlobalArray) -> dict[str, Any]:
    """This rank's block and where it lies, as the protocol has it; no copy. Local.

    Raises
    ------
    ValueError
        Where the protocol has no words for the distribution: for replicas, blocks in another order than the ranks, and
        ranks that have nothing of a grid.
    """
    d = g.distribution
    parts = d.parts(g.context.rank)
    if parts is None or any(d.dims[k] > 1 for k in (*d.unused, *d.fixed)):
        raise ValueError(f"the Distributed Array Protocol has no words for {d}: redistribute it over all ranks first")
    dims = [_told(axis, at, part) for axis, at, part in zip(d.axes, d.order, parts, strict=True)]
    return {"__version__": VERSION, "buffer": g.local, "dim_data": tuple(dims)}


def _told(axis: Axis, dimension: int | None, part: int) -> dict[str, Any]:
    """What the protocol says of an axis to the rank that has a part."""
    said: dict[str, Any] = {"size": axis.n, "proc_grid_size": axis.parts, "proc_grid_rank": part}
    if isinstance(axis, Block):
        if list(axis.starts) != list(Block.of_sizes(axis.sizes).starts):
            return {**said, "dist_type": "u", "indices": axis.indices(part)}
        return {**said, "dist_type": "b", "start": axis.starts[part], "stop": axis.starts[part] + axis.sizes[part]}
    if isinstance(axis, Cyclic):
        more = {"block_size": axis.block} if axis.block > 1 else {}
        return {**said, "dist_type": "c", "start": part * axis.block, **more}
    return {**said, "dist_type": "u", "indices": axis.indices(part)}


def imported(context: Context, exporter: Any) -> GlobalArray:
    """The global array of an object with `__distarray__`, in the same memory. Collective.

    The ranks tell each other of their parts. The grid's ranks are those of the communicator, in C order.

    Raises
    ------
    TypeError, ValueError
        On every rank, where the object is none, its description is not valid, or those of the ranks make no array.
    """
    told, block = agreed(context.comm, lambda: _checked(exporter), nothing)
    everyone = context.comm.allgather(told)
    made = agreed(context.comm, lambda: _joined(everyone, context.size), nothing)
    agreed(context.comm, lambda: _fitting(made, context.rank, block), nothing)
    return GlobalArray(context, made, block)


def _checked(exporter: Any) -> tuple[list[dict[str, Any]], Any]:
    """The description of each axis and the block of what an object exports, as far as one rank can check it."""
    if not hasattr(exporter, "__distarray__"):
        raise TypeError(f"{type(exporter).__name__} has no __distarray__: it is no distributed array")
    given = exporter.__distarray__()
    if not isinstance(given, Mapping) or {"__version__", "buffer", "dim_data"} - set(given):
        raise ValueError("__distarray__ must return a dict with '__version__', 'buffer' and 'dim_data'")
    if str(given["__version__"]).split(".")[:2] != VERSION.split(".")[:2]:
        raise ValueError(f"version {given['__version__']!r} of the protocol is not known, {VERSION!r} is")
    block = np.asarray(given["buffer"])
    dims = [_checked_axis(k, dict(axis)) for k, axis in enumerate(given["dim_data"])]
    if block.ndim != len(dims):
        raise ValueError(f"the buffer has {block.ndim} axes, dim_data tells of {len(dims)}")
    if block.dtype.hasobject:
        raise TypeError(f"the buffer's dtype {block.dtype} holds references to Python objects, which cannot be sent")
    return dims, block


_KEYS = {"b": ("start", "stop"), "c": ("start",), "u": ("indices",), "n": ()}


def _checked_axis(k: int, axis: dict[str, Any]) -> dict[str, Any]:
    """The description of an axis, with the optional keys filled in."""
    if not axis:
        raise ValueError(f"dim_data[{k}] is empty: give the size, or a size of 1 with the axis of a scalar")
    kind = axis.get("dist_type")
    if kind not in _KEYS:
        raise ValueError(f"dim_data[{k}] has the dist_type {kind!r}: it must be 'b', 'c', 'u' or 'n'")
    wanted = ("size",) if kind == "n" else ("size", "proc_grid_size", "proc_grid_rank", *_KEYS[kind])
    missing = [name for name in wanted if name not in axis]
    if missing:
        raise ValueError(f"dim_data[{k}] of dist_type {kind!r} lacks {', '.join(missing)}")
    padding = tuple(axis.get("padding", (0, 0)))
    if padding != (0, 0) or axis.get("periodic", False):
        raise ValueError(f"dim_data[{k}] has padding {padding} or is periodic: only arrays without are taken")
    told = {name: int(axis[name]) for name in wanted if name != "indices"}
    told = {"proc_grid_size": 1, "proc_grid_rank": 0, "block_size": int(axis.get("block_size", 1)), **told}
    if not 0 <= told["proc_grid_rank"] < told["proc_grid_size"] or told["size"] < 0 or told["block_size"] < 1:
        raise ValueError(f"dim_data[{k}] is not valid: {axis}")
    return {**told, "dist_type": kind, "indices": np.asarray(axis["indices"], np.int64) if kind == "u" else None}


def _joined(everyone: list[list[dict[str, Any]]], size: int) -> Distribution:
    """The distribution that the descriptions of all ranks make together."""
    first = everyone[0]
    if any(len(dims) != len(first) for dims in everyone):
        raise ValueError("the ranks tell of different numbers of axes")
    grid = [axis["proc_grid_size"] for axis in first]
    if int(np.prod(grid, dtype=int)) != size:
        raise ValueError(f"a grid of {tuple(grid)} is not made of the {size} ranks of the communicator")
    for rank, dims in enumerate(everyone):
        place = 0
        for k, axis in enumerate(dims):
            place = place * grid[k] + axis["proc_grid_rank"]
            for name in ("dist_type", "size", "proc_grid_size", "block_size"):
                if axis[name] != first[k][name]:
                    raise ValueError(
                        f"{name} of dim_data[{k}] is {first[k][name]!r} on rank 0, {axis[name]!r} on {rank}"
                    )
        if place != rank:
            raise ValueError(f"rank {rank} stands at {place} of the grid: only grids in C order of the ranks are taken")
    axes = [_joined_axis(k, [dims[k] for dims in everyone]) for k in range(len(first))]
    return Distribution(axes, [k if axis.parts > 1 else None for k, axis in enumerate(axes)], grid)


def _joined_axis(k: int, told: list[dict[str, Any]]) -> Axis:
    """The axis that the descriptions of all ranks make together."""
    first = told[0]
    n, parts, kind = first["size"], first["proc_grid_size"], first["dist_type"]
    by_part = {axis["proc_grid_rank"]: axis for axis in told}
    if kind == "n":
        return whole(n)
    if kind == "c":
        starts = [by_part[p]["start"] for p in range(parts)]
        if starts != [p * first["block_size"] for p in range(parts)]:
            raise ValueError(f"dim_data[{k}] starts at {starts}: a cyclic axis starts at multiples of its block_size")
        return Cyclic(n, parts, first["block_size"])
    if kind == "u":
        made = Unstructured([by_part[p]["indices"] for p in range(parts)])
        if made.n != n:
            raise ValueError(f"dim_data[{k}] lists {made.n} indices of {n}")
        return made
    starts = [by_part[p]["start"] for p in range(parts)]
    block = Block.of_sizes([by_part[p]["stop"] - by_part[p]["start"] for p in range(parts)])
    if list(block.starts) != starts or block.n != n:
        raise ValueError(f"the blocks of dim_data[{k}], from {starts}, do not follow each other up to {n}")
    return block


def _fitting(distribution: Distribution, rank: int, block: Any) -> None:
    """Refuse a block of another shape than it was told to have."""
    if block.shape != distribution.local_shape(rank):
        raise ValueError(f"the buffer has the shape {block.shape}, told is {distribution.local_shape(rank)}")
