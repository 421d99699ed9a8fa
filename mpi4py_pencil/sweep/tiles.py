"""Tiles: memory in cache for a batch of whole lines, and the engine's plans for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engines import Bytes, Plan, Planner, aligned_bytes, with_vertical
from ..transforms import Line
from . import cache
from .cache import CACHE_LINE

Strides = tuple[int, ...]
Tile = np.ndarray[Any, Any]


class Pair:
    """The tile before and the tile after a transform: FFTW is faster from one to the other than in place.

    Parameters
    ----------
    planner : Planner
        The engine, whose plans are made once for each number of lines.
    line : Line
        The transform.
    rows, most : int
        How many lines fill a tile, and for how many there is memory.
    """

    def __init__(self, planner: Planner, line: Line, rows: int, most: int) -> None:
        self._planner = planner
        self._plans: dict[int, Plan] = {}
        self.line = line
        self.rows = rows
        self.before, self.after = (_tile(line, side, most) for side in (0, 1))

    def plan(self, rows: int) -> Plan:
        """The engine's plan for the first `rows` lines of a tile."""
        if rows not in self._plans:
            self._plans[rows] = self.plan_from(self.before[:rows])
        return self._plans[rows]

    def plan_from(self, before: Tile) -> Plan:
        """The engine's plan from lines elsewhere, which may be overwritten, to the tile after a transform."""
        return self._planner(self.line, before, self.after[: len(before)])


class Workspace:
    """The memory of a vertical sweep: two tiles in a layout of their own.

    Parameters
    ----------
    line : Line
        The transform.
    rows, lines : int
        How many lines fill a tile, and how many the sweep takes at once.
    """

    def __init__(self, line: Line, rows: int, lines: int) -> None:
        self.line = line
        self.rows = rows
        self.lines = lines
        self.memory: Bytes = aligned_bytes(2 * with_vertical.workspace_bytes(line, lines)).reshape(2, -1)


class Tiles:
    """The tiles of one thread, of about `nbytes` each, which sweeps share that have the same line.

    Sweeps over fewer lines than a tile has room for have smaller tiles: small arrays and huge tiles go together. Where
    `vertical` says so, sweeps are vertical for the lines that are known there.
    """

    def __init__(self, planner: Planner, nbytes: int | None = None, vertical: bool = False) -> None:
        self._planner = planner
        self._nbytes = nbytes
        self._vertical = vertical
        self._pairs: dict[tuple[Line, int], Pair | Workspace] = {}

    def vertical(self, line: Line) -> bool:
        """Whether sweeps of these lines are vertical."""
        return self._vertical and with_vertical.known(line)

    def pair(self, line: Line, lines: int) -> Pair | Workspace:
        """The tiles for a sweep over so many lines of the local array."""
        vertical = self.vertical(line)
        most = (_vertical_lines if vertical else _most_rows)(line, lines, self._nbytes)
        if (line, most) not in self._pairs:
            rows = tile_rows(line, self._nbytes)
            self._pairs[line, most] = Workspace(line, rows, most) if vertical else Pair(self._planner, line, rows, most)
        return self._pairs[line, most]


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


def tile_bytes(line: Line, lines: int, nbytes: int | None = None, vertical: bool = False) -> int:
    """Bytes of the tiles for a sweep over so many lines, where a tile is of about `nbytes`."""
    if vertical and with_vertical.known(line):
        return 2 * with_vertical.workspace_bytes(line, _vertical_lines(line, lines, nbytes))
    return sum(_most_rows(line, lines, nbytes) * _row_bytes(line, side) for side in (0, 1))


def _vertical_lines(line: Line, lines: int, nbytes: int | None) -> int:
    """As many lines as a vertical sweep takes at once, of so many that there are, in whole vectors."""
    lanes = with_vertical.lanes(line)
    return min(max(1, tile_rows(line, nbytes) // lanes), -(-lines // lanes)) * lanes


def _most_rows(line: Line, lines: int, nbytes: int | None) -> int:
    """As many lines as `tiling` may put into a tile, of so many that there are: it rounds up to whole units."""
    return min(lines, -(-tile_rows(line, nbytes) // unit(line)) * unit(line))


def _tile(line: Line, side: int, rows: int) -> Tile:
    """Memory for a tile."""
    row = _row_bytes(line, side)
    memory = aligned_bytes(rows * row)
    memory[:] = 0
    return memory.reshape(-1, row).view(line.dtypes[side])[:, : line.lengths[side]]
