"""A flow: its vorticity on a plane, and the spectrum of its energy."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from .paper import FAINT, INK, Array


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
