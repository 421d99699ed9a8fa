"""How the pencils of a three-dimensional array are distributed, and transfers between them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch, FancyArrowPatch, Polygon
from numpy.typing import ArrayLike

from .paper import FAINT, INK, Array, rank_color, write

if TYPE_CHECKING:
    from mpi4py import MPI

    from ..layout.pencil import Pencil

Index = tuple[int, ...]


class Layout(NamedTuple):
    """How an array is distributed: its shape, the aligned axis, and (start, shape) of each rank's block."""

    shape: Index
    axis: int
    blocks: Sequence[tuple[Index, Index]]


def gather_layout(pencil: Pencil, comm: MPI.Intracomm) -> Layout | None:
    """Collect what a picture needs to know of a pencil: the blocks of all ranks.

    Collective over `comm`.

    Parameters
    ----------
    pencil : Pencil
        Of a three-dimensional array.
    comm : mpi4py.MPI.Intracomm
        All the ranks that share the array.

    Returns
    -------
    Layout, or None on every rank but 0
    """
    blocks = comm.gather((tuple(pencil.substart), tuple(pencil.subshape)))
    if blocks is None:
        return None
    return Layout(tuple(pencil.shape), pencil.axis % len(pencil.shape), blocks)


def plot_pencils(layouts: Sequence[Layout], titles: Sequence[str] | None = None) -> Figure:
    """Draw how a 3-D array is distributed: a panel for each layout, and a transfer between each two.

    Needs no MPI: ``plot_pencils([Layout((8, 8, 8), 0, [((0, 0, 0), (8, 8, 4)), ((0, 0, 4), (8, 8, 4))])])``.

    Parameters
    ----------
    layouts : sequence of Layout
        From `gather_layout`, or made by hand. The aligned axis is drawn bold; an empty block is not drawn.
    titles : sequence of str, optional
        Of the panels; "aligned in axis …" when absent.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is no layout, if one is not three-dimensional, or if there are not as many titles as layouts.
    """
    titles = [f"aligned in axis {layout.axis}" for layout in layouts] if titles is None else list(titles)
    if not layouts or len(titles) != len(layouts):
        raise ValueError(f"{len(layouts)} layouts and {len(titles)} titles; give a title for each, or none")
    for layout in layouts:
        if len(layout.shape) != 3:
            raise ValueError(f"layouts has one of shape {layout.shape}; it must have three axes")
    figure = Figure(figsize=(4.6 * len(layouts), 4.7), layout="constrained", facecolor="white")
    panels = figure.subplots(1, len(layouts), squeeze=False)[0]
    for axes, layout, title in zip(panels, layouts, titles, strict=True):
        draw_layout(axes, layout)
        axes.set_title(title, fontsize=13, color=INK)
    for left, right in pairwise(panels):
        draw_transfer(figure, left, right)
    return figure


# Where a step along each axis of the unit cube goes on paper: 0 towards the reader's left, 1 right, 2 up.
STEPS = np.array([[-0.80, -0.42], [0.92, -0.30], [0.0, 1.0]])
# The three faces of a box that the reader sees, by their normal axis, and how much light falls on each.
LIGHT = {0: 0.86, 1: 0.72, 2: 1.0}
ARROW: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 16}


def on_paper(points: ArrayLike, shape: ArrayLike) -> Array:
    """Return the positions on paper of points of the array, whose axes are drawn equally long."""
    return np.asarray(np.divide(points, shape) @ STEPS)


def draw_layout(axes: Axes, layout: Layout) -> None:
    """Draw the blocks of a layout, the farthest first, with the ranks' numbers and the array's axes."""
    ranks = [rank for rank, (_, shape) in enumerate(layout.blocks) if min(shape) > 0]
    for rank in sorted(ranks, key=lambda rank: np.sum(np.divide(layout.blocks[rank][0], layout.shape))):
        draw_block(axes, layout, rank)
    draw_axes(axes, layout.axis)
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_xlim(-1.08, 1.18)
    axes.set_ylim(-0.95, 1.14)


def draw_block(axes: Axes, layout: Layout, rank: int) -> None:
    """Draw the three visible faces of a rank's block, a little smaller than it is, and its number."""
    start, size = (np.asarray(x, dtype=float) for x in layout.blocks[rank])
    gap = np.minimum(0.014 * np.asarray(layout.shape), 0.2 * size)
    low, high = start + gap, start + size - gap
    color = rank_color(rank, len(layout.blocks))
    for normal, light in LIGHT.items():
        a, b = (axis for axis in range(3) if axis != normal)
        corners = np.tile(high, (4, 1))
        corners[[1, 2], a], corners[[2, 3], b] = low[a], low[b]
        face = on_paper(corners, layout.shape)
        axes.add_patch(Polygon(face, facecolor=color * light, edgecolor="white", linewidth=0.8))
        if normal == layout.axis:
            write(axes, face.mean(axis=0), str(rank), "white", "bold", 14 if len(layout.blocks) <= 16 else 8)


def draw_axes(axes: Axes, whole: int | None = None) -> None:
    """Draw the array's three axes along its edges, with their numbers; the aligned one bold, if there is one."""
    origins = {0: (0, 1, 0), 1: (1, 0, 0), 2: (1, 0, 0)}
    away = {0: (0.07, -0.10), 1: (-0.03, -0.12), 2: (-0.11, 0.0)}
    for axis, origin in origins.items():
        end = np.array(origin)
        end[axis] = 1
        tail, head = (on_paper(point, 1) + away[axis] for point in (origin, end))
        aligned = axis == whole
        color, width = (INK, 2.6) if aligned else (FAINT, 1.2)
        axes.add_patch(FancyArrowPatch(tuple(tail), tuple(head), color=color, linewidth=width, **ARROW))
        label = (tail + head) / 2 + np.array(away[axis]) * 0.8
        write(axes, label, str(axis), color, "bold" if aligned else "normal", 13)


def draw_transfer(figure: Figure, left: Axes, right: Axes) -> None:
    """Draw a two-headed arrow between two neighbouring panels: a transfer goes forward and backward."""
    ends = ((0.93, 0.86), (0.07, 0.86), left.transAxes, right.transAxes)
    style: dict[str, Any] = {**ARROW, "arrowstyle": "<|-|>", "color": INK, "linewidth": 1.6}
    figure.add_artist(ConnectionPatch(*ends, **style))
