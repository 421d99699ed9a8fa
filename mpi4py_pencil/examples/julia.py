"""The Julia set of z² + c, and what it has to do with how an array is divided: a program to read, to run and to copy.

For each point of the plane, z → z² + c is repeated until |z| > 2, which it never is within the set. So points cost from
one step to all of them, those that cost much lie together, and a rank that is given a block may have much more to do
than another. Dealing rows or points in turn makes shares that are alike.

Of a pair of letters the first says how the rows are divided, the second how the columns are: b in blocks, c dealt in
turn (cyclic), n not at all.

``mpiexec -n 4 python -m mpi4py -m mpi4py_pencil.examples.julia`` prints the seconds that each rank computes, and draws
them and the set into ``julia.png``, which takes matplotlib (the extra "cli").
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from mpi4py_pencil import arrays as xp

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]

KINDS: dict[str, list[str | None]] = {
    "b-n": ["block", None],
    "c-n": ["cyclic", None],
    "b-b": ["block", "block"],
    "c-c": ["cyclic", "cyclic"],
}
CENTRE, C = 0.35 + 0.2j, -0.8 + 0.156j
WIDTH = 2.0


def points(d: xp.Distribution, rank: int) -> Array:
    """Return this rank's points of a square of the complex plane. Local."""
    row, column = ((2 * index + 1) / (2 * n) - 0.5 for index, n in zip(d.indices(rank), d.shape, strict=True))
    return CENTRE + WIDTH * (column - 1j * row)


def steps(z: Array, most: int) -> Array:
    """Return after how many steps |z| > 2, at most so many, of points of any shape."""
    count = np.zeros(z.size, int)
    left, z = np.arange(z.size), z.ravel()
    for _ in range(most):
        inside = z.real**2 + z.imag**2 <= 4
        left, z = left[inside], z[inside]
        count[left] += 1
        z = z**2 + C
    return count


def computed(d: xp.Distribution, rank: int, most: int) -> tuple[Array, float]:
    """Return a rank's block of the steps, and the seconds of its processor that this took. Local."""
    z = points(d, rank)
    start = time.process_time()
    return steps(z, most).reshape(z.shape), time.process_time() - start


def distribution(kind: str, n: int, ranks: int) -> xp.Distribution:
    """Return one of `KINDS` of n x n points over so many ranks."""
    return xp.Distribution.of((n, n), KINDS[kind], size=ranks)


def julia(context: xp.Context, kind: str, n: int, most: int) -> tuple[xp.GlobalArray, list[float]]:
    """Return the steps of n x n points, and the seconds of each rank. Collective over the ranks of the context."""
    d = distribution(kind, n, context.size)
    block, seconds = computed(d, context.rank, most)
    return xp.GlobalArray(context, d, block), context.comm.allgather(seconds)


def picture(whole: Array, seconds: Mapping[str, Sequence[float]], subtitle: str) -> Figure:
    """Return the picture of the steps, and of the seconds of each rank."""
    from mpi4py_pencil.plotting import Bars, Plane, plot_panels

    (x, y), half = (CENTRE.real, CENTRE.imag), WIDTH / 2
    extent = (x - half, x + half, y - half, y + half)
    plane = Plane("Steps until |z| > 2 (logarithm)", np.log(whole[::-1].T), extent, ("Re z", "Im z"))
    bars = Bars("Work of each rank", "Rank", "Seconds", seconds, width=1.4)
    return plot_panels([plane, bars], "The Julia set of $z^2 - 0.8 + 0.156i$", subtitle)


def main(n: int = 600, most: int = 400, path: str = "julia.png") -> None:
    """Print the seconds of each rank, and draw them. Collective over MPI.COMM_WORLD."""
    context = xp.Context(MPI.COMM_WORLD)
    title = f"{n} x {n} points, {context.size} rank{'s' * (context.size > 1)}"
    if context.rank == 0:
        print(f"The Julia set, {title}: seconds\n")
        print(f"{'':>4}{'least':>8}{'mean':>8}{'most':>8}{'most / mean':>14}")
    found = {}
    for kind in KINDS:
        g, found[kind] = julia(context, kind, n, most)
        least, mean, longest = min(found[kind]), sum(found[kind]) / context.size, max(found[kind])
        if context.rank == 0:
            print(f"{kind:>4}{least:>8.3f}{mean:>8.3f}{longest:>8.3f}{longest / mean:>14.2f}", flush=True)
    whole = g.to_numpy(root=0)
    if whole is not None:
        from mpi4py_pencil.plotting import save

        save(picture(whole, found, title), path)
        print(f"\nWrote {path}")


if __name__ == "__main__":
    main()
