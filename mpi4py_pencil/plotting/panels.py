"""Panels side by side: fields beside curves, and how errors fall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from .paper import FAINT, INK, PALETTE, Array

# Points of a curve up to which each has a mark.
MARKED = 60

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


class Bars(NamedTuple):
    """A panel with bars side by side: its title and labels, and the values at 0, 1, … by their names."""

    title: str
    xlabel: str
    ylabel: str
    values: Mapping[str, Sequence[float]]
    width: float = 1.0


def plot_panels(panels: Sequence[Plane | Curves | Bars], title: str, subtitle: str = "") -> Figure:
    """Draw fields, curves and bars side by side.

    Parameters
    ----------
    panels : sequence of Plane, Curves or Bars
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
        elif isinstance(panel, Curves):
            draw_curves(axes, panel)
        else:
            draw_bars(axes, panel)
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
        style: dict[str, Any] = {"color": PALETTE[k], "label": name, "linewidth": 0.9 + 1.4 / (k + 1)}
        style |= {"marker": "o", "markersize": 2.5 + 3 / (k + 1)} if shown.size <= MARKED else {}
        draw(np.asarray(x)[shown], np.asarray(y)[shown], **style)  # thinner from curve to curve: all are seen
    axes.set(xlabel=panel.xlabel, ylabel=panel.ylabel)
    axes.grid(color="#e3e5e8")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, labelcolor=INK)


def draw_bars(axes: Axes, panel: Bars) -> None:
    """Draw bars with a legend."""
    thick = 0.8 / len(panel.values)
    for k, (name, values) in enumerate(panel.values.items()):
        places = np.arange(len(values)) + (k + 0.5) * thick - 0.4
        axes.bar(places, values, 0.9 * thick, label=name, color=PALETTE[k])
    count, most = max(map(len, panel.values.values())), max(map(max, panel.values.values()))
    axes.set(xlabel=panel.xlabel, ylabel=panel.ylabel, xticks=range(count), ylim=(0, 1.15 * most))
    axes.grid(color="#e3e5e8", axis="y")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, labelcolor=INK, ncols=len(panel.values), loc="upper center")
