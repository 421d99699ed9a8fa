"""One array in several partitions: a program to read, to run and to copy.

A matrix is scattered by rows, by columns, in blocks whose sizes the ranks choose, or dealt in turn; each of two groups
of ranks may have all of it, or every rank. What is computed of it is the same, and arrays of different partitions go
into one expression. Groups of ranks may also go on by themselves, each with a replica of its own.

``mpiexec -n 4 python -m mpi4py -m mpi4py_pencil.examples.partitions`` prints who has what, and draws it into
``partitions.png``, which takes matplotlib (the extra "cli").
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from mpi4py import MPI

from mpi4py_pencil import arrays as xp

SHAPE = (10, 12)


def partitions(wanted: Sequence[int]) -> dict[str, xp.Distribution]:
    """Return the partitions by their names, given in what proportion each rank wants rows. Local."""
    ranks, total = len(wanted), sum(wanted)
    ends = [SHAPE[0] * sum(wanted[:k]) // total for k in range(ranks + 1)]
    rows = [end - start for start, end in pairwise(ends)]
    groups = 2 if ranks % 2 == 0 else 1
    return {
        "scattered along axis 0": xp.Distribution.of(SHAPE, ["block", None], size=ranks),
        "scattered along axis 1": xp.Distribution.of(SHAPE, [None, "block"], size=ranks),
        "rows of one's own choice": xp.Distribution.of(SHAPE, [rows, None], size=ranks),
        "columns dealt in pairs": xp.Distribution.of(SHAPE, [None, 2], size=ranks),
        "in each of two groups": xp.Distribution.of(SHAPE, ["block", None], [ranks // groups, groups]),
        "everywhere": xp.Distribution.of(SHAPE, [None, None], size=ranks),
    }


def matrix(context: xp.Context, distribution: xp.Distribution) -> xp.GlobalArray:
    """Return the matrix in a partition: each rank computes its own part. Local."""
    return context.fromfunction(lambda i, j: 1.0 / (1 + i + j), SHAPE, distribution=distribution)


def in_groups(context: xp.Context, a: xp.GlobalArray) -> list[float]:
    """Return the norms of the replicas of two groups, the even and the odd ranks, of which each doubles its own.

    Collective over the ranks of the context. Groups reduce by themselves; that of one rank alone has no odd ranks.
    """
    group = context.group([rank % 2 for rank in range(context.size)])
    replica = xp.replica(a, group)
    replica *= 1 + context.rank % 2
    norms = context.comm.allgather(float(xp.linalg.matrix_norm(replica)))
    return norms[:2]


def main(path: str = "partitions.png") -> None:
    """Print who has what, and draw it. Collective over MPI.COMM_WORLD."""
    from mpi4py_pencil.plotting import plot_owners, save

    context = xp.Context(MPI.COMM_WORLD)
    found = partitions(context.comm.allgather(1 + context.rank))  # those behind want more
    rows = matrix(context, found["scattered along axis 0"])
    if context.rank == 0:
        print(f"A matrix of {SHAPE[0]} x {SHAPE[1]} on {context.size} rank{'s' * (context.size > 1)}\n")
        print(f"{'':<26}{'local shapes':<34}{'norm':>8}{'off rows':>10}")
    for name, distribution in found.items():
        a = matrix(context, distribution)
        norm, off = float(xp.linalg.matrix_norm(a)), float(xp.max(xp.abs(rows - a)))
        if context.rank == 0:
            shapes = (distribution.local_shape(rank) for rank in range(context.size))
            text = " ".join("x".join(map(str, shape)) for shape in shapes)
            print(f"{name:<26}{text:<34}{norm:>8.4f}{off:>10.1e}")
    norms = in_groups(context, rows)
    if context.rank == 0:
        print(f"\nEach of two groups by itself: norms {', '.join(f'{norm:.4f}' for norm in norms)}")
        save(plot_owners(list(found.values()), list(found)), path)
        print(f"\nWrote {path}")


if __name__ == "__main__":
    main()
