"""Communicators: what is made for one is kept with it, and freed with it; which of its ranks share a node."""

from __future__ import annotations

from typing import Any

from mpi4py import MPI


def communicator(comm: Any, name: str = "comm") -> MPI.Intracomm:
    """`comm` itself, if it is a usable intra-communicator.

    Raises
    ------
    TypeError, ValueError
        Where it is something else, the null communicator, or MPI has ended.
    """
    check_running()
    if isinstance(comm, MPI.Comm) and comm == MPI.COMM_NULL:
        raise ValueError(f"{name} is MPI.COMM_NULL: only ranks that belong to a communicator can take part")
    if not isinstance(comm, MPI.Intracomm):
        raise TypeError(f"{name} must be an intra-communicator such as MPI.COMM_WORLD, not {comm!r}")
    return comm


def free_cached(comm: MPI.Comm, keyval: int, cache: dict[Any, Any]) -> None:
    """Free what was made for a communicator when the communicator itself is freed. Collective, as that is."""
    for entry in cache.values():
        if hasattr(entry, "free"):
            entry.free()
    cache.clear()


# Under this key a grid's communicators know how many of its ranks share this rank's node.
NODE = "ranks of the grid on this node"

KEYVAL = MPI.Comm.Create_keyval(delete_fn=free_cached)


def check_running() -> None:
    """Refuse, with ValueError, to go on once MPI has ended: libraries would abort. Local."""
    if MPI.Is_finalized():
        raise ValueError("MPI has been finalized: its communicators are gone, and what was planned for them")


def check_alive(comm: MPI.Comm) -> None:
    """Refuse, with ValueError, a communicator that has been freed, and any once MPI has ended. Local."""
    if MPI.Is_finalized() or not comm:
        check_running()
        raise ValueError("the communicator has been freed, and with it what was planned for it")


def cache_of(comm: MPI.Comm) -> dict[Any, Any]:
    """What has been made for a communicator and is used again: it lives as long as the communicator.

    Entries with a method `free` are told when that ends.
    """
    known = comm.Get_attr(KEYVAL)
    cache: dict[Any, Any] = known if isinstance(known, dict) else {}
    if known is None:
        comm.Set_attr(KEYVAL, cache)
    return cache


def numbers_in(comm: MPI.Intracomm, some: MPI.Intracomm) -> list[int]:
    """The numbers that the ranks of `some` have in `comm`, of which they all are. Local."""
    groups = some.Get_group(), comm.Get_group()
    found: list[int] = MPI.Group.Translate_ranks(groups[0], list(range(some.Get_size())), groups[1])
    for group in groups:
        group.Free()
    return found


def on_node(comm: MPI.Intracomm) -> tuple[int, int]:
    """This rank's number among the ranks of `comm` that share its node, and how many these are.

    Collective over `comm`.
    """
    node = comm.Split_type(MPI.COMM_TYPE_SHARED)
    found = node.Get_rank(), node.Get_size()
    node.Free()
    return found


def ranks_per_node(comm: MPI.Intracomm) -> int | None:
    """So many consecutive ranks of `comm` share a node, the last node may have fewer; None where it is not so.

    Collective over `comm` at the first call.
    """
    cache = cache_of(comm)
    if ranks_per_node not in cache:
        size, rank = comm.Get_size(), comm.Get_rank()
        number, together = on_node(comm)
        most = comm.bcast(together)
        first = rank - number
        mine = first % most == 0 and together == min(most, size - first)
        cache[ranks_per_node] = most if comm.allreduce(mine, MPI.LAND) else None
    found: int | None = cache[ranks_per_node]
    return found
