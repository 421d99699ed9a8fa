"""The rows of the table: what is transformed or moved, on how many ranks, and next to whom."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One comparison.

    Attributes
    ----------
    name : str
        What the table calls it.
    kind : str
        Which function of case.py measures it.
    shape : tuple of int
        Global shape; modes where there is padding.
    peers : tuple of str
        Measured next to each of them, in a run of its own.
    dtype : str
        Of the input.
    ranks : int
        How many; a peer that is one process has as many threads.
    grid : tuple of int or None
        Processes along each axis; slabs by default.
    padding : float or None
        Points over modes along each axis.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    peers: tuple[str, ...]
    dtype: str = "complex128"
    ranks: int = 2
    grid: tuple[int, ...] | None = None
    padding: float | None = None


MARK = "RESULT "
"""How a line of a job's output begins that is a result."""

DISTRIBUTED = ("mpi4py-fft", "FFTW-MPI")
THREADED = ("MKL", "FFTW", "ducc0")
"""Peers that are one process with threads."""

SHAPES = {f"{n}^3": (n, n, n) for n in (16, 32, 64, 128, 256, 384)} | {
    "250x243x256": (250, 243, 256),
    "1024x1024x16": (1024, 1024, 16),
}


def all_rows() -> list[Row]:
    """Every row, in the order in which they are measured and printed."""
    rows = [
        Row(f"{kind} {name}", "transform", shape, DISTRIBUTED, dtype)
        for kind, dtype in (("c2c", "complex128"), ("r2c", "float64"))
        for name, shape in SHAPES.items()
    ]
    cube = SHAPES["256^3"]
    rows += [Row(f"threads {name}", "transform", SHAPES[name], THREADED) for name in ("256^3", "384^3")]
    return [
        *rows,
        Row("serial 256^3", "transform", cube, ("FFTW",), ranks=1),
        Row("padded 256^3", "transform", cube, ("mpi4py-fft",), "float64", padding=1.5),
        Row("pencils 256^3", "transform", cube, ("mpi4py-fft",), ranks=4, grid=(2, 2, 1)),
        Row("vector 32^3", "vector", SHAPES["32^3"], ("three calls",), "float64"),
        Row("vector 128^3", "vector", SHAPES["128^3"], ("three calls",), "float64"),
        Row("transfer 256^3", "transfer", cube, ("Alltoallw",)),
        Row("lent 256^3", "transfer", cube, ("memcpy",)),
        Row("redistribute 32^3", "redistribute", SHAPES["32^3"], ("mpi4py-fft",), "float64"),
        Row("deal 2^14", "deal", (2**14,), ("Alltoallv",), "float64"),
        Row("deal 2^22", "deal", (2**22,), ("Alltoallv",), "float64"),
        Row("deal 64^3", "deal", SHAPES["64^3"], ("Alltoallv",), "float64"),
        Row("deal 256^3", "deal", cube, ("Alltoallv",), "float64"),
        Row("plan 256^3", "plan", cube, ("mpi4py-fft",)),
        Row("memory 256^3", "memory", cube, ("mpi4py-fft",)),
        Row("memory pencils 256^3", "memory", cube, ("mpi4py-fft",), ranks=4, grid=(2, 2, 1)),
    ]


def quick(row: Row) -> Row:
    """The same row on a sixteenth of the points along axes longer than 32: to see that everything works."""
    return row._replace(shape=tuple(n // 16 if n > 32 else n for n in row.shape))
