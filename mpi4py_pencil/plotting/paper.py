"""What all pictures share: colours, text, and the file that a picture is written to."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import hsv_to_rgb, to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

Array = NDArray[Any]
INK, FAINT = "#22252b", "#8a8f98"
PALETTE = (
    "#4c78a8", "#f58518", "#54a24b", "#e45756", "#9a6bb5", "#5ca9a3",
    "#d9a520", "#e377a2", "#8d6a54", "#2f4b7c", "#8a9a3b", "#79706e",
)  # fmt: skip


def save(figure: Figure, path: str | PathLike[str]) -> None:
    """Write a Figure as a PNG of 150 dots per inch."""
    FigureCanvasAgg(figure)
    figure.savefig(path, format="png", dpi=150)


def rank_color(rank: int, size: int) -> Array:
    """Return the colour of a rank, three numbers in [0, 1]: of `PALETTE`, or any hue for more ranks."""
    if size <= len(PALETTE):
        return np.array(to_rgb(PALETTE[rank]))
    return np.asarray(hsv_to_rgb((rank / size, 0.6, 0.75 if rank % 2 else 0.92)))


def write(axes: Axes, where: Array, text: str, color: str, weight: str, size: int) -> None:
    """Write a text centred on a point of the paper."""
    axes.text(where[0], where[1], text, ha="center", va="center", color=color, weight=weight, fontsize=size)
