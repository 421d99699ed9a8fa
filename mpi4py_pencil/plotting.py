"""Pictures: a flow (its vorticity and its energy spectrum), how errors fall, fields beside curves, and pencils.

Nothing here draws on a display or touches pyplot's global state: each function returns a matplotlib Figure,
which `save` writes as a PNG.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

try:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import hsv_to_rgb, to_rgb
    from matplotlib.figure import Figure
    from matplotlib.patches import ConnectionPatch, FancyArrowPatch, Polygon
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "mpi4py_pencil.plotting needs matplotlib: pip install 'mpi4py-pencil[cli]'", name="matplotlib"
    ) from error

if TYPE_CHECKING:
    from mpi4py import MPI

    from .layout.pencil import Pencil

Array = NDArray[Any]
INK, FAINT = "#22252b", "#8a8f98"


def save(figure: Figure, path: str | PathLike[str]) -> None:
    """Write a Figure as a PNG of 150 dots per inch."""
    FigureCanvasAgg(figure)
    figure.savefig(path, format="png", dpi=150)


# --- A flow -------------------------------------------------------------------------------------------------


def plot_flow(
    vorticity: ArrayLike, spectrum: ArrayLike, cutoff: int, title: str, plane: str, subtitle: str = ""
) -> Figure:
    """Draw a flow: its vorticity on a plane, and the spectrum of its kinetic energy.

    Parameters
    ----------
    vorticity : array_like of float, (n₀, n₁)
        ``|ω|`` at points that divide [0, 2π)² evenly, x along the first axis and y along the second.
    spectrum : array_like of float, (shells,)
        Kinetic energy in the shells k = 0, 1, 2, ….
    cutoff : int
        The last shell to draw: beyond it the solver keeps no complete shell.
    title, plane, subtitle : str
        What the picture shows, where the plane lies, and how it was computed.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(12, 5.7), facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.15, h_pad=0.1, wspace=0.05)
    figure.suptitle(title, fontsize=17, color=INK, fontweight="bold")
    left, right = figure.subplots(1, 2, width_ratios=(1.1, 1))
    draw_plane(figure, left, np.asarray(vorticity))
    left.set_title(f"Vorticity |ω| on the plane {plane}", fontsize=12, color=INK, pad=8)
    draw_spectrum(right, np.asarray(spectrum), cutoff)
    right.set_title("Energy spectrum", fontsize=12, color=INK, pad=8)
    figure.supxlabel(subtitle, fontsize=9.5, color=FAINT)
    return figure


def draw_plane(figure: Figure, axes: Axes, values: Array) -> None:
    """Draw a periodic field on [0, 2π]² with a colour bar."""
    closed = np.pad(values, ((0, 1), (0, 1)), mode="wrap")  # the points at 2π are those at 0
    half = [np.pi / n for n in values.shape]  # half a pixel: a point is the middle of its pixel
    extent = (-half[0], 2 * np.pi + half[0], -half[1], 2 * np.pi + half[1])
    image = axes.imshow(closed.T, cmap="inferno", vmin=0, origin="lower", extent=extent, interpolation="bicubic")
    ticks, labels = np.arange(5) * np.pi / 2, ["0", "π/2", "π", "3π/2", "2π"]
    axes.set(xlabel="x", ylabel="y", xlim=(0, 2 * np.pi), ylim=(0, 2 * np.pi))
    axes.set_xticks(ticks, labels)
    axes.set_yticks(ticks, labels)
    bar = figure.colorbar(image, ax=axes, aspect=30, pad=0.02)
    bar.outline.set_visible(False)


def draw_spectrum(axes: Axes, energy: Array, cutoff: int) -> None:
    """Draw E(k) for k = 1 … `cutoff`, with a guide of slope -5/3 where an inertial range would lie."""
    k = np.arange(1, min(cutoff, len(energy) - 1) + 1)
    k = k[energy[k] > 1e-15 * energy.max()]  # the rest is rounding
    axes.loglog(k, energy[k], "o-", color="#c1352d", markersize=4.5, linewidth=1.5)
    inertial = k[(k >= 3) & (k <= cutoff / 2)]
    if len(inertial) > 4:
        guide = 1.6 * np.max(energy[inertial] * inertial ** (5 / 3)) * inertial ** (-5 / 3)
        axes.loglog(inertial, guide, "--", color=INK, linewidth=1.2)
        middle = inertial[len(inertial) // 2], guide[len(inertial) // 2]
        axes.annotate("$k^{-5/3}$", middle, (4, 4), textcoords="offset points", color=INK, fontsize=13)
    ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000) if tick <= max(cutoff, 2)]
    axes.set_xticks(ticks, map(str, ticks))
    axes.set_xticks([], minor=True)
    axes.set(xlabel="Wavenumber k", ylabel="Kinetic energy E(k)", xlim=(0.9, 1.1 * max(cutoff, 2)))
    axes.grid(color="#e3e5e8")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


# --- How errors fall ----------------------------------------------------------------------------------------

Panel = tuple[str, Mapping[str, ArrayLike], tuple[str, ArrayLike]]


def plot_convergence(sizes: ArrayLike, panels: Sequence[Panel], title: str, subtitle: str = "") -> Figure:
    """Draw errors on a logarithmic scale over the number of intervals.

    Parameters
    ----------
    sizes : array_like of int, (m,)
        The intervals along an axis.
    panels : sequence of (title, curves, guide)
        Of each panel the title; the errors by what they are of, each (m,); and the dashed line of what theory says,
        as a text and values, (m,).
    title, subtitle : str
        What the picture shows, and how it was computed.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(5.6 * len(panels), 4.7), facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.1, wspace=0.04)
    figure.suptitle(title, fontsize=15, color=INK, fontweight="bold")
    all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (name, curves, guide) in zip(all_axes, panels, strict=True):
        draw_errors(axes, np.asarray(sizes), curves, guide)
        axes.set_title(name, fontsize=12, color=INK, pad=8)
    all_axes[0].set_ylabel("Largest error / largest value")
    figure.supxlabel(subtitle, fontsize=9.5, color=FAINT)
    return figure


def draw_errors(axes: Axes, sizes: Array, curves: Mapping[str, ArrayLike], guide: tuple[str, ArrayLike]) -> None:
    """Draw the errors of a panel and the guide, which ends where the errors do."""
    least = min(float(np.min(values)) for values in curves.values())
    for k, (name, values) in enumerate(curves.items()):
        # thinner from curve to curve: those that coincide are all seen
        width, color = 1 / (k + 1), PALETTE[k % len(PALETTE)]
        axes.semilogy(sizes, values, "o-", label=name, color=color, linewidth=3.4 * width, markersize=8 * width)
    expected = np.asarray(guide[1])
    axes.semilogy(sizes[expected >= least], expected[expected >= least], "--", label=guide[0], color=INK, linewidth=1.2)
    axes.set(xlabel="Intervals n along each axis", xticks=sizes[1::2])
    axes.grid(color="#e3e5e8")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, labelcolor=INK)


# --- Fields and curves side by side ---------------------------------------------------------------------------


class Plane(NamedTuple):
    """A panel with a field: its title, (n₀, n₁) values, where their cells begin and end, labels, and relative width."""

    title: str
    values: ArrayLike | None
    extent: tuple[float, float, float, float] = (0, 2 * np.pi, 0, 2 * np.pi)
    labels: tuple[str, str] = ("x", "y")
    width: float = 1.0


class Curves(NamedTuple):
    """A panel with curves: its title and labels, (x, y) of each by its name, the scale, and the least y to be drawn."""

    title: str
    xlabel: str
    ylabel: str
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]]
    scale: str = "plot"
    least: float = 0.0
    width: float = 1.0


def plot_panels(panels: Sequence[Plane | Curves], title: str, subtitle: str = "") -> Figure:
    """Draw fields and curves side by side.

    Parameters
    ----------
    panels : sequence of Plane or Curves
        From the left to the right. The first axis of a field lies along x. A field that is nowhere negative has another
        colour map than one of both signs, whose middle is 0. The scale of curves is "plot", "semilogy" or "loglog".
    title, subtitle : str
        What the picture shows, and how it was computed.

    Returns
    -------
    matplotlib.figure.Figure
    """
    widths = [panel.width * (1.15 if isinstance(panel, Plane) else 1) for panel in panels]
    figure = Figure(figsize=(4.6 * sum(widths), 4.6), facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.08, wspace=0.04)
    figure.suptitle(title, fontsize=15, color=INK, fontweight="bold")
    for axes, panel in zip(figure.subplots(1, len(panels), width_ratios=widths, squeeze=False)[0], panels, strict=True):
        if isinstance(panel, Plane):
            draw_field(figure, axes, panel)
        else:
            draw_curves(axes, panel)
        axes.set_title(panel.title, fontsize=12, color=INK, pad=8)
    figure.supxlabel(subtitle, fontsize=9.5, color=FAINT)
    return figure


def draw_field(figure: Figure, axes: Axes, panel: Plane) -> None:
    """Draw a field with a colour bar."""
    values = np.asarray(panel.values)
    largest, least = np.abs(values).max(), values.min()
    colors, low = ("inferno", 0) if least >= 0 else ("RdBu_r", -largest)
    image = axes.imshow(
        values.T,
        cmap=colors,
        vmin=low,
        vmax=largest,
        origin="lower",
        extent=panel.extent,
        aspect="auto",
        interpolation="bicubic",
    )
    axes.set(xlabel=panel.labels[0], ylabel=panel.labels[1])
    figure.colorbar(image, ax=axes, aspect=30, pad=0.02).outline.set_visible(False)


def draw_curves(axes: Axes, panel: Curves) -> None:
    """Draw curves with a legend."""
    for k, (name, (x, y)) in enumerate(panel.curves.items()):
        shown = np.asarray(y) > panel.least
        draw = getattr(axes, panel.scale)
        draw(
            np.asarray(x)[shown], np.asarray(y)[shown], "o-", label=name, color=PALETTE[k], markersize=4, linewidth=1.5
        )
    axes.set(xlabel=panel.xlabel, ylabel=panel.ylabel)
    axes.grid(color="#e3e5e8")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, labelcolor=INK)


# --- How an array is distributed ----------------------------------------------------------------------------

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
PALETTE = (
    "#4c78a8", "#f58518", "#54a24b", "#e45756", "#9a6bb5", "#5ca9a3",
    "#d9a520", "#e377a2", "#8d6a54", "#2f4b7c", "#8a9a3b", "#79706e",
)  # fmt: skip


def on_paper(points: ArrayLike, shape: ArrayLike) -> Array:
    """Return the positions on paper of points of the array, whose axes are drawn equally long."""
    return np.asarray(np.divide(points, shape) @ STEPS)


def rank_color(rank: int, size: int) -> Array:
    """Return the colour of a rank, three numbers in [0, 1]: of `PALETTE`, or any hue for more ranks."""
    if size <= len(PALETTE):
        return np.array(to_rgb(PALETTE[rank]))
    return np.asarray(hsv_to_rgb((rank / size, 0.6, 0.75 if rank % 2 else 0.92)))


def draw_layout(axes: Axes, layout: Layout) -> None:
    """Draw the blocks of a layout, the farthest first, with the ranks' numbers and the array's axes."""
    ranks = [rank for rank, (_, shape) in enumerate(layout.blocks) if min(shape) > 0]
    for rank in sorted(ranks, key=lambda rank: np.sum(np.divide(layout.blocks[rank][0], layout.shape))):
        draw_block(axes, layout, rank)
    draw_axes(axes, layout)
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


def draw_axes(axes: Axes, layout: Layout) -> None:
    """Draw the array's three axes along its edges, with their numbers; the aligned one bold."""
    origins = {0: (0, 1, 0), 1: (1, 0, 0), 2: (1, 0, 0)}
    away = {0: (0.07, -0.10), 1: (-0.03, -0.12), 2: (-0.11, 0.0)}
    for axis, origin in origins.items():
        end = np.array(origin)
        end[axis] = 1
        tail, head = (on_paper(point, 1) + away[axis] for point in (origin, end))
        aligned = axis == layout.axis
        color, width = (INK, 2.6) if aligned else (FAINT, 1.2)
        axes.add_patch(FancyArrowPatch(tuple(tail), tuple(head), color=color, linewidth=width, **ARROW))
        label = (tail + head) / 2 + np.array(away[axis]) * 0.8
        write(axes, label, str(axis), color, "bold" if aligned else "normal", 13)


def write(axes: Axes, where: Array, text: str, color: str, weight: str, size: int) -> None:
    """Write a text centred on a point of the paper."""
    axes.text(where[0], where[1], text, ha="center", va="center", color=color, weight=weight, fontsize=size)


def draw_transfer(figure: Figure, left: Axes, right: Axes) -> None:
    """Draw a two-headed arrow between two neighbouring panels: a transfer goes forward and backward."""
    ends = ((0.93, 0.86), (0.07, 0.86), left.transAxes, right.transAxes)
    style: dict[str, Any] = {**ARROW, "arrowstyle": "<|-|>", "color": INK, "linewidth": 1.6}
    figure.add_artist(ConnectionPatch(*ends, **style))
