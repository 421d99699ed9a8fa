"""Tiles: memory in cache for a batch of whole lines, and the engine's plans for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engines import Plan, Planner, with_vertical
from ..transforms import Line
from . import cache
from .cache import CACHE_LINE

Strides = tuple[int, ...]
Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Tile = np.ndarray[Any, Any]


def aligned_bytes(nbytes: int) -> Bytes:
    """Uninitialised memory that starts at a cache line."""
    raw = np.empty(nbytes + CACHE_LINE, np.uint8)
    skip = -raw.ctypes.data % CACHE_LINE
    return raw[skip : skip + nbytes]


class Tiles:
    """The tiles of one thread, of about `nbytes` each, and the engine's plans for them, made once for each line.

    Where `vertical` says so, sweeps are vertical for the lines that are known there, and `workspace` is their memory.
    """

    def __init__(self, planner: Planner, nbytes: int | None = None, vertical: bool = False) -> None:
        self._planner = planner
        self._nbytes = nbytes
        self._vertical = vertical
        self._tiles: dict[Line, tuple[Tile, Tile]] = {}
        self._plans: dict[tuple[Line, int], Plan] = {}
        self._workspaces: dict[Line, Bytes] = {}

    def vertical(self, line: Line) -> bool:
        """Whether sweeps of these lines are vertical."""
        return self._vertical and with_vertical.known(line)

    def workspace(self, line: Line) -> Bytes:
        """The memory of a vertical sweep, as (2, n)."""
        if line not in self._workspaces:
            self._workspaces[line] = aligned_bytes(vertical_bytes(line, self._nbytes)).reshape(2, -1)
        return self._workspaces[line]

    def lines(self, line: Line) -> int:
        """The number of lines that a vertical sweep takes at once."""
        return vertical_lines(line, self._nbytes)

    def pair(self, line: Line) -> tuple[Tile, Tile]:
        """The tile before and the tile after a transform: FFTW is faster from one to the other than in place."""
        if line not in self._tiles:
            rows = _most_rows(line, self._nbytes)
            self._tiles[line] = (_tile(line, 0, rows), _tile(line, 1, rows))
        return self._tiles[line]

    def rows(self, line: Line) -> int:
        """The number of lines that fill a tile."""
        return tile_rows(line, self._nbytes)

    def plan(self, line: Line, rows: int) -> Plan:
        """The engine's plan for the first `rows` lines of a tile."""
        if (line, rows) not in self._plans:
            self._plans[line, rows] = self.plan_from(line, self.pair(line)[0][:rows])
        return self._plans[line, rows]

    def plan_from(self, line: Line, before: Tile) -> Plan:
        """The engine's plan from lines elsewhere, which may be overwritten, to the tile after a transform."""
        return self._planner(line, before, self.pair(line)[1][: len(before)])


def apart(nbytes: int) -> int:
    """At least `nbytes`, as an odd number of cache lines: rows so far apart do not collide in the sets of a cache."""
    return (-(-nbytes // CACHE_LINE) | 1) * CACHE_LINE


def _row_bytes(line: Line, side: int) -> int:
    """Bytes from line to line of a tile."""
    return apart(line.lengths[side] * line.dtypes[side].itemsize)


def unit(line: Line) -> int:
    """The points of the smaller type in a cache line."""
    return max(1, CACHE_LINE // min(d.itemsize for d in line.dtypes))


def tile_rows(line: Line, nbytes: int | None = None) -> int:
    """The number of lines that fill a tile of so many bytes, or of what suits this processor."""
    longest = max(n * d.itemsize for n, d in zip(line.lengths, line.dtypes, strict=True))
    return max(1, (cache.TILE_BYTES if nbytes is None else nbytes) // longest)


def vertical_lines(line: Line, nbytes: int | None = None) -> int:
    """The number of lines that a vertical sweep takes at once, in whole vectors."""
    lanes = with_vertical.lanes(line)
    return max(1, tile_rows(line, nbytes) // lanes) * lanes


def vertical_bytes(line: Line, nbytes: int | None = None) -> int:
    """Bytes of the two tiles of a vertical sweep."""
    return 2 * with_vertical.workspace_bytes(line, vertical_lines(line, nbytes))


def tile_bytes(line: Line, nbytes: int | None = None, vertical: bool = False) -> int:
    """Bytes of the tile before and the tile after a transform, where a tile is of about `nbytes`."""
    if vertical and with_vertical.known(line):
        return vertical_bytes(line, nbytes)
    return sum(_most_rows(line, nbytes) * _row_bytes(line, side) for side in (0, 1))


def _most_rows(line: Line, nbytes: int | None) -> int:
    """As many lines as `tiling` may put into a tile."""
    return max(tile_rows(line, nbytes), unit(line)) + unit(line)


def _tile(line: Line, side: int, rows: int) -> Tile:
    """Memory for a tile."""
    row = _row_bytes(line, side)
    memory = aligned_bytes(rows * row)
    memory[:] = 0
    return memory.reshape(-1, row).view(line.dtypes[side])[:, : line.lengths[side]]
