"""The figures of the documentation, drawn by ``mpi4py_pencil.plotting`` while it is built.

A pencil is a description, so one process can make those of all ranks: all it takes are communicators that know their
size and rank. The errors of the example are computed anew, in a few seconds, and the small solvers run, in a minute.
"""

import re
import subprocess
import sys
from itertools import product
from pathlib import Path
from types import SimpleNamespace

from mpi4py import MPI

from mpi4py_pencil import Pencil, arrays
from mpi4py_pencil.examples import conjugate_gradients, flames, julia, mhd, mixing, partitions, poisson, turbulence
from mpi4py_pencil.plotting import Layout, plot_owners, plot_pencils, save

SHAPE = (8, 8, 8)


def draw(folder):
    """Draw all figures into a folder, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    slabs = plot_pencils(layouts((4, 1, 1), [1, 0]), ["axes 1 and 2 whole", "axes 0 and 2 whole"])
    transfer = plot_pencils(layouts((2, 2, 1), [2, 1]), ["before: aligned along axis 2", "after: aligned along axis 1"])
    titles = ["input: aligned along axis 2", "between: along axis 1", "output: along axis 0"]
    pencils = plot_pencils(layouts((2, 2, 1), [2, 1, 0]), titles)
    errors = poisson.picture([poisson.errors(MPI.COMM_SELF, n) for n in poisson.SIZES], "n x n x (n - 1) points")
    kinds = [["block", "block"], ["cyclic", "cyclic"], [2, 2], [[5, 3], None]]
    owners = plot_owners([arrays.Distribution.of((8, 8), kind, [2, 2]) for kind in kinds])
    parts = partitions.partitions([1, 2, 3, 4])
    figures = {"slabs": slabs, "transfer": transfer, "pencils": pencils, "poisson": errors, "owners": owners}
    figures |= {"julia": julia_of(4), "partitions": plot_owners(list(parts.values()), list(parts))}
    for name, figure in figures.items():
        save(figure, folder / f"{name}.png")
    for example in (turbulence, mixing, flames, mhd, conjugate_gradients):
        example.main(path=str(folder / f"{example.__name__.rpartition('.')[2]}.png"))
    subprocess.run([sys.executable, "-c", script("files.md", "vortices.py")], cwd=folder, check=True)


def script(page, name):
    """Return the program of a page that begins with its name."""
    text = Path(__file__).with_name(page).read_text(encoding="utf-8")
    [found] = re.findall(rf"^```python\n(# {re.escape(name)}\n.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return found


def julia_of(ranks, n=600, most=400):
    """Return the Julia set and what each of some ranks has to do, one after the other."""
    whole, _ = julia.computed(julia.distribution("b-n", n, 1), 0, most)
    shared = {kind: julia.distribution(kind, n, ranks) for kind in julia.KINDS}
    seconds = {kind: [julia.computed(d, rank, most)[1] for rank in range(ranks)] for kind, d in shared.items()}
    return julia.picture(whole, seconds, f"{n} x {n} points, {ranks} ranks")


def layouts(grid, alignments):
    """Return the Layout of a pencil on a grid of ranks, and of those that follow it, by the wanted alignments."""
    ranks = list(product(*map(range, grid)))
    pencils = [Pencil([line(*both) for both in zip(grid, rank, strict=True)], SHAPE, alignments[0]) for rank in ranks]
    result = [layout(pencils)]
    for axis in alignments[1:]:
        pencils = [pencil.pencil(axis) for pencil in pencils]
        result.append(layout(pencils))
    return result


def layout(pencils):
    """Return what a picture needs to know of the pencils of all ranks."""
    return Layout(SHAPE, pencils[0].axis, [(pencil.substart, pencil.subshape) for pencil in pencils])


def line(size, rank):
    """Return what a pencil asks of a communicator."""
    return SimpleNamespace(Get_size=lambda: size, Get_rank=lambda: rank)
