"""How global arrays are divided: who owns what, the blocks of all ranks, and a slice with the borders in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from numpy.typing import ArrayLike

from .paper import FAINT, INK, Array, rank_color, write
from .pencils import LIGHT, draw_axes, on_paper

if TYPE_CHECKING:
    from ..arrays import Distribution, GlobalArray

# Runs along an axis that can be told apart on a line or a plane, and on the faces of a cube.
MOST_RUNS = {1: 1024, 2: 1024, 3: 64}
# Rectangles in which there is room for a number.
MOST = 700
# Points along an axis up to which each is seen by itself.
FEW = 40


class Runs(NamedTuple):
    """An axis as runs of indices of the same part: where each begins and the last one ends, and whose each is."""

    edges: Array
    parts: Array


def plot_owners(distributions: Distribution | Sequence[Distribution], titles: Sequence[str] | None = None) -> Figure:
    """Draw who owns what: a panel for each distribution.

    Local, and without data: every rank knows the whole distribution. Points of which there are replicas have the
    numbers of all ranks that hold them, and stripes of their colours.

    Parameters
    ----------
    distributions : Distribution or sequence of Distribution
        Of arrays of one, two or three axes. A matrix is drawn as it is printed, the first axis downwards; of three axes
        the outside is seen.
    titles : sequence of str, optional
        Of the panels; what the distributions say of themselves when absent.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        Where there is no distribution, or not as many titles; where an array has another number of axes, no points, or
        more parts along an axis than can be told apart.
    """
    every = list(distributions) if isinstance(distributions, Sequence) else [distributions]
    titles = [str(d) for d in every] if titles is None else list(titles)
    if not every or len(titles) != len(every):
        raise ValueError(f"{len(every)} distributions and {len(titles)} titles; give a title for each, or none")
    for each in every:
        _check_distribution(each)
    runs = [drawable(d) for d in every]
    lines = all(d.ndim == 1 for d in every)
    rows = len(every) if lines else -(-len(every) // 4)
    columns = -(-len(every) // rows)
    width, height = (9, 1.5) if lines else (4.4, 4.6 if any(d.ndim == 3 for d in every) else paper_height(every))
    figure = Figure(figsize=(width * columns, height * rows), facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.08)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[len(every) :]:
        axes.set_axis_off()
    for axes, d, along, title in zip(panels, every, runs, titles, strict=False):
        draw_cube(axes, d, along) if d.ndim == 3 else draw_plane(axes, d, along)
        axes.set_title(title, fontsize=12, color=INK, pad=8)
    return figure


def paper_height(planes: Sequence[Distribution]) -> float:
    """The height of panels that are 4.4 inches wide for the highest of some planes, of which none is too flat."""
    heights = [d.shape[0] / d.shape[1] if d.ndim == 2 else 0.3 for d in planes]
    return 0.8 + 3.8 * float(np.clip(max(heights), 0.3, 1.5))


def drawable(d: Distribution) -> list[Runs]:
    """The runs along each axis of a distribution that can be drawn."""
    if not 1 <= d.ndim <= 3 or 0 in d.shape:
        raise ValueError(f"an array of shape {d.shape} cannot be drawn: it must have points, and one axis to three")
    found = []
    for k, (axis, n) in enumerate(zip(d.axes, d.shape, strict=True)):
        parts, _ = axis.find(np.arange(n))
        starts = np.r_[0, np.flatnonzero(np.diff(parts)) + 1]
        if starts.size > MOST_RUNS[d.ndim]:
            raise ValueError(
                f"axis {k} is of {starts.size} runs of different parts, {MOST_RUNS[d.ndim]} of them can be told apart: "
                "draw a smaller array with a distribution of the same kind"
            )
        found.append(Runs(np.r_[starts, n], parts[starts]))
    return found


def owners(d: Distribution, parts: Sequence[int]) -> list[int]:
    """The ranks that hold these parts of the axes."""
    at = sum(part * d.steps[along] for part, along in zip(parts, d.order, strict=True) if along is not None)
    at += sum(fixed * d.steps[along] for along, fixed in d.fixed.items())
    return sorted(int(d.rank_at(np.asarray(at + far))) for far in d.replicas())


def colour(d: Distribution, rank: int) -> Array:
    """The colour of a rank."""
    return rank_color(rank, 1 + max(d.ranks) if d.ranks is not None else math.prod(d.dims))


def said(ranks: Sequence[int]) -> str:
    """The numbers of some ranks, runs of them shortened."""
    if len(ranks) > 2 and ranks[-1] - ranks[0] == len(ranks) - 1:
        return f"{ranks[0]}–{ranks[-1]}"
    return ", ".join(map(str, ranks))


def draw_plane(axes: Axes, d: Distribution, runs: Sequence[Runs]) -> None:
    """Draw the owners of an array of one axis or two."""
    down = runs[0] if d.ndim == 2 else Runs(np.array([0, 1]), np.array([0]))
    right = runs[-1]
    held = {(i, j): owners(d, [i, j][2 - d.ndim :]) for i in set(down.parts) for j in set(right.parts)}
    mixed = np.empty((1 + max(down.parts), 1 + max(right.parts), 3))
    for parts, ranks in held.items():
        mixed[parts] = np.mean([colour(d, rank) for rank in ranks], axis=0)
    axes.pcolormesh(right.edges, down.edges, mixed[np.ix_(down.parts, right.parts)], zorder=0)
    for i, j in np.ndindex(down.parts.size, right.parts.size) if down.parts.size * right.parts.size <= MOST else ():
        (top, bottom), (west, east) = down.edges[i : i + 2], right.edges[j : j + 2]
        corners = np.array([[west, top], [east, top], [east, bottom], [west, bottom]], float)
        ranks = held[down.parts[i], right.parts[j]]
        stripes(axes, corners, [colour(d, rank) for rank in ranks])
        wide, high = (600, 60) if d.ndim == 1 else (300, 300)
        room = min(wide * (east - west) / right.edges[-1], high * (bottom - top) / down.edges[-1])
        write(axes, corners.mean(axis=0), said(ranks), "white", "bold", int(np.clip(0.45 * room, 5, 13)))
    for edges, line in ((right.edges, axes.axvline), (down.edges, axes.axhline)):
        seams(edges, line)
    axes.set(xlim=(0, right.edges[-1]), ylim=(down.edges[-1], 0), xlabel=f"axis {d.ndim - 1}")
    axes.set_ylabel("axis 0" if d.ndim == 2 else "")
    if d.ndim == 1:
        axes.set_yticks([])
    elif 0.25 <= d.shape[1] / d.shape[0] <= 4:
        axes.set_aspect("equal")
    ticked(axes)


def seams(edges: Array, line: Callable[..., Any]) -> None:
    """Draw lines between runs, where they are few, and faint ones between all points of a short axis."""
    for edge in range(1, edges[-1]) if edges[-1] <= FEW else ():
        line(edge, color="white", linewidth=0.6, alpha=0.3)
    for edge in edges[1:-1] if edges.size <= 2 * FEW else ():
        line(edge, color="white", linewidth=1.4)


def stripes(axes: Axes, corners: Array, colours: Sequence[Array], **edge: Any) -> None:
    """Fill a parallelogram, given by its corners in turn, with one colour or diagonal stripes of several."""
    if len(colours) == 1:
        axes.add_patch(Polygon(corners, facecolor=colours[0], **edge))
        return
    origin, side, other = corners[0], corners[1] - corners[0], corners[3] - corners[0]
    count = 6 * len(colours)  # even: none lies around a corner
    ends = [(max(0.0, c - 1), min(1.0, c)) for c in np.linspace(0, 2, count + 1)]
    for k, ((low, high), (low_next, high_next)) in enumerate(pairwise(ends)):
        across = np.array([[low, high], [high, low], [high_next, low_next], [low_next, high_next]])
        axes.add_patch(Polygon(origin + across @ np.array([side, other]), facecolor=colours[k % len(colours)]))
    axes.add_patch(Polygon(corners, facecolor="none", **edge))


def ticked(axes: Axes) -> None:
    """Draw thin axes, in the colour of what is said beside."""
    axes.tick_params(colors=FAINT, labelsize=9, length=2)
    axes.xaxis.label.set_color(FAINT)
    axes.yaxis.label.set_color(FAINT)
    axes.spines[:].set_visible(False)


def draw_cube(axes: Axes, d: Distribution, runs: Sequence[Runs]) -> None:
    """Draw the owners of an array of three axes, as they are seen on its three faces."""
    for normal, light in LIGHT.items():
        a, b = (axis for axis in range(3) if axis != normal)
        for i, j in np.ndindex(runs[a].parts.size, runs[b].parts.size):
            parts, low, high = np.empty(3, int), np.empty(3), np.empty(3)
            for axis, k in ((a, i), (b, j), (normal, runs[normal].parts.size - 1)):
                parts[axis] = runs[axis].parts[k]
                low[axis], high[axis] = runs[axis].edges[k : k + 2]
            corners = np.tile(high, (4, 1))
            corners[[1, 2], a], corners[[2, 3], b] = low[a], low[b]
            face = on_paper(corners, d.shape)
            ranks = owners(d, [int(part) for part in parts])
            stripes(axes, face, [colour(d, rank) * light for rank in ranks], edgecolor="white", linewidth=0.8)
            # the height and the breadth of the face, in points of the paper
            room = 130 * min(np.linalg.norm(face[0] - face[1]), np.linalg.norm(face[1] - face[2]))
            if room > 11:
                write(axes, face.mean(axis=0), said(ranks), "white", "bold", int(np.clip(0.45 * room, 5, 13)))
    draw_axes(axes)
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_xlim(-1.08, 1.18)
    axes.set_ylim(-0.95, 1.14)


# --- The blocks of all ranks ---------------------------------------------------------------------------------


class Blocks(NamedTuple):
    """An array of one axis or two as it lies in the memory of each rank, and how it is divided."""

    distribution: Distribution
    values: Sequence[Array]


def gather_blocks(g: GlobalArray) -> Blocks | None:
    """Collect the blocks of all ranks for a picture: of a large array those of a slice, `gather_blocks(g[:, :, 5])`.

    Collective over the ranks of the array.

    Parameters
    ----------
    g : GlobalArray
        Of one axis or two.

    Returns
    -------
    Blocks, or None on every rank but 0

    Raises
    ------
    ValueError
        On every rank, where the array has another number of axes.
    """
    if g.ndim not in (1, 2):
        raise ValueError(f"an array of {g.ndim} axes has no flat blocks: pass a slice of it, such as g[..., 0]")
    values = g.context.comm.gather(np.ascontiguousarray(g.local))
    return None if values is None else Blocks(g.distribution, values)


def plot_blocks(blocks: Blocks, title: str = "") -> Figure:
    """Draw the blocks of all ranks side by side, each as it lies in its rank's memory.

    The ticks are the indices in the whole array. Values of short blocks are written into them.

    Parameters
    ----------
    blocks : Blocks
        From `gather_blocks`. Ranks that have nothing are left out.
    title : str, optional
        What the picture shows; what the distribution says of itself when absent.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError, TypeError
        Where no rank has anything, or complex numbers.
    """
    d = blocks.distribution
    shown = [rank for rank, values in enumerate(blocks.values) if values.size]
    if not shown:
        raise ValueError(f"an array of shape {d.shape} has no points to draw")
    refuse_complex(np.asarray(blocks.values[shown[0]]))
    columns = next((n for n in reversed(d.dims) if 1 < n <= 4 and len(shown) % n == 0), min(len(shown), 4))
    rows = -(-len(shown) // columns)
    height = 1.5 if d.ndim == 1 else 3.2
    figure = Figure(figsize=(1 + 3.1 * columns, 0.6 + height * rows), facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.08)
    figure.suptitle(title or str(d), fontsize=14, color=INK, fontweight="bold")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    scale = scaled(np.concatenate([np.ravel(blocks.values[rank]) for rank in shown]))
    images = [
        draw_block(axes, d, rank, np.asarray(blocks.values[rank]), scale)
        for axes, rank in zip(panels, shown, strict=False)
    ]
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    figure.colorbar(images[0], ax=panels, aspect=30, pad=0.02).outline.set_visible(False)
    return figure


def refuse_complex(values: Array) -> None:
    """Refuse complex values, with TypeError."""
    if values.dtype.kind == "c":
        raise TypeError(f"values are {values.dtype}: draw their real part, or their absolute value")


def scaled(values: Array) -> dict[str, Any]:
    """The colours of values: of both signs around white, else from dark to light."""
    finite = values[np.isfinite(values)]
    most, least = (float(finite.max()), float(finite.min())) if finite.size else (0.0, 0.0)
    if least >= 0:
        return {"cmap": "viridis", "vmin": least, "vmax": max(most, least + 1e-300)}
    return {"cmap": "RdBu_r", "vmin": -max(most, -least), "vmax": max(most, -least)}


def draw_block(axes: Axes, d: Distribution, rank: int, values: Array, scale: dict[str, Any]) -> Any:
    """Draw the block of a rank, in a frame of its colour."""
    lists = d.lists(rank) or []
    flat = values.reshape(-1, values.shape[-1])
    image = axes.imshow(flat, aspect="auto", **scale)
    indexed(axes.set_xticks, lists[-1])
    if d.ndim == 2:
        indexed(axes.set_yticks, lists[0])
    else:
        axes.set_yticks([])
    text = "bool" if values.dtype.kind == "b" else "%.3g"
    if max(flat.shape) <= 12:
        for i, j in np.ndindex(flat.shape):
            written = str(flat[i, j]) if text == "bool" else text % flat[i, j]
            dark = sum(image.to_rgba(flat[i, j])[:3]) < 1.6
            write(axes, np.array([j, i]), written, "white" if dark else INK, "normal", 9)
    shape = f"{values.size} points" if values.ndim == 1 else " × ".join(map(str, values.shape))
    axes.set_title(f"rank {rank}: {shape}", fontsize=11, color=INK, pad=6)
    ticked(axes)
    axes.spines[:].set(visible=True, color=colour(d, rank), linewidth=2.5)
    return image


def indexed(set_ticks: Any, indices: Array) -> None:
    """Label some positions of an axis with their indices in the whole array."""
    places = np.arange(0, indices.size, -(-indices.size // 8))
    set_ticks(places, [str(index) for index in indices[places]])


# --- A slice of a field ----------------------------------------------------------------------------------------


def _check_distribution(given: Any) -> None:
    """Refuse, with TypeError, what is no distribution, and say where an array has its own."""
    if not all(hasattr(given, name) for name in ("axes", "dims", "shape")):
        hint = ": pass its .distribution" if hasattr(given, "distribution") else ""
        raise TypeError(f"a {type(given).__name__} is no distribution{hint}")


def plot_slice(values: ArrayLike, distribution: Distribution | None = None, title: str = "") -> Figure:
    """Draw a slice of a field, with the borders between the ranks that hold it.

    Only the slice is gathered: ``plane = g[:, :, 5]; values = plane.to_numpy(root=0)``, and on rank 0
    ``plot_slice(values, plane.distribution)``.

    Parameters
    ----------
    values : array_like of real numbers
        With one axis, drawn as a curve, or two, of which the first lies along x.
    distribution : Distribution, optional
        Of the slice; no borders when absent.
    title : str, optional
        What the picture shows.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError, TypeError
        Where there are other numbers of axes, no points, a distribution of another shape, or complex numbers.
    """
    field = np.asarray(values)
    if field.ndim not in (1, 2) or not field.size:
        raise ValueError(f"values of shape {field.shape} are no slice: there must be points, along one axis or two")
    refuse_complex(field)
    if distribution is not None:
        _check_distribution(distribution)
        if distribution.shape != field.shape:
            raise ValueError(f"distribution is of shape {distribution.shape}, the values are of {field.shape}")
    figure = Figure(figsize=(6.4, 5.2 if field.ndim == 2 else 3.6), layout="constrained", facecolor="white")
    axes = figure.subplots()
    if field.ndim == 2:
        size = field.shape
        extent = (-0.5, size[0] - 0.5, -0.5, size[1] - 0.5)
        image = axes.imshow(field.T, origin="lower", extent=extent, **scaled(field))
        figure.colorbar(image, ax=axes, aspect=30, pad=0.02).outline.set_visible(False)
        axes.set(xlabel="axis 0", ylabel="axis 1")
    else:
        axes.plot(field, color=INK, linewidth=1.4)
        axes.set(xlabel="axis 0", xlim=(-0.5, field.size - 0.5))
    axes.set_title(title, fontsize=13, color=INK, pad=10, fontweight="bold")
    ticked(axes)
    if distribution is not None:
        draw_borders(axes, distribution)
    return figure


def draw_borders(axes: Axes, d: Distribution) -> None:
    """Draw the borders between ranks over a slice, and their numbers in the corners where there is room."""
    runs = drawable(d)
    for along, line in zip(runs, (axes.axvline, axes.axhline), strict=False):
        for edge in along.edges[1:-1] if along.edges.size <= 2 * FEW else along.edges[:0]:
            line(edge - 0.5, color="white" if d.ndim == 2 else FAINT, linewidth=1.2)
    if math.prod(along.parts.size for along in runs) > FEW:
        return
    for index in np.ndindex(*(along.parts.size for along in runs)):
        ranks = owners(d, [int(along.parts[k]) for along, k in zip(runs, index, strict=True)])
        corner = [float(along.edges[k]) - 0.5 for along, k in zip(runs, index, strict=True)]
        box = {"facecolor": colour(d, ranks[0]), "edgecolor": "white", "boxstyle": "round,pad=0.25", "linewidth": 0.8}
        where = (corner[0], corner[1]) if d.ndim == 2 else (corner[0], 0)
        over = "data" if d.ndim == 2 else axes.get_xaxis_transform()
        axes.annotate(
            said(ranks), where, (5, 5), xycoords=over, textcoords="offset points", color="white", fontsize=9,
            weight="bold", bbox=box,
        )  # fmt: skip
