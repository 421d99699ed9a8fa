"""Tuning: which grid, exchange, engine and tiles are fastest for a transform, from wisdom or by trying them.

Rules tell what should be fast; which of the candidates is, depends on the machine, its network and its MPI library, so
that FFTs are planned by measuring (M. Frigo and S. G. Johnson, "The design and implementation of FFTW3", Proc. IEEE 93,
2005). The candidates are tried one question after the other, the one that matters most first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from mpi4py import MPI

from ..engines import ENGINES, checked_engine
from ..exchange import CUT, METHODS
from ..sweep import cache
from . import wisdom
from .arguments import Request, lines_of
from .grids import ranked_grids

# Of many ranks' grids, those that should be the fastest.
MOST_GRIDS = 8
# "auto" is shared memory wherever peers have it.
TRIED = [method for method in METHODS if method != "shared"]
# Into so many parts boxes are cut, where exchanges are, beside what suits their size.
PARTS = (1, 2, 4, 8, 16)
# A tile in an entry may be so many times larger than here by default: twice the default is the largest that is tried,
# and processors of one name may have caches of different sizes. FFTW measures on tiles, which takes long on huge ones.
MOST_TILES = 8
# A candidate is tried this many times, and more often where that takes less than these seconds.
LEAST_TRIES, MOST_TRIES, SECONDS = 3, 50, 0.2

Array = np.ndarray[Any, Any]


class Plan(Protocol):
    """What is tried: a plan of a parallel transform."""

    comm: MPI.Intracomm

    def shape(self, forward_output: bool) -> tuple[int, ...]:
        """The shape of this rank's block of the input or the output."""

    def dtype(self, forward_output: bool) -> np.dtype[Any]:
        """The dtype of the input or the output."""

    def forward(self, u: Array, out: Array) -> Array:
        """Transform."""

    def backward(self, u_hat: Array, out: Array) -> Array:
        """Transform back."""

    def close(self) -> None:
        """Give back the plan's memory."""


@dataclass(frozen=True)
class Choice:
    """What tuning decides about a plan.

    Attributes
    ----------
    grid : tuple of int
        Processes along each axis of the input.
    method, backend : str
        The exchange and the engine.
    tile_bytes : int
        About the size of a tile.
    parts : int or None
        Into so many parts boxes are cut, where exchanges are; None for what suits their size.
    """

    grid: tuple[int, ...]
    method: str
    backend: str
    tile_bytes: int
    parts: int | None = None


@dataclass(frozen=True)
class Candidates:
    """The answers there are to each question; the first is the default. `cut` are the methods that cut exchanges."""

    grids: Sequence[tuple[int, ...]]
    methods: Sequence[str]
    backends: Sequence[str]
    tiles: Sequence[int]
    cut: Sequence[str] = ()

    @property
    def tries(self) -> int:
        """How many plans `search` tries at the most."""
        parts = len(PARTS) if set(self.cut) & set(self.methods) else 0
        return len(self.grids) * len(self.methods) + len(self.backends) - 1 + len(self.tiles) - 1 + parts


Make = Callable[[MPI.Intracomm, Request], Plan]
Report = Callable[[Choice, float], Any]


def settled(comm: MPI.Intracomm, asked: Request, make: Make) -> Request:
    """What was asked, with what it leaves open decided by wisdom, or by measuring where that is asked; or as it is.

    Collective over `comm`; all ranks decide alike. `make` makes a plan of a request for given ranks.
    """
    choice = recalled(comm, asked)
    if choice is None and asked.tune == "measure":
        choice, _ = tuned(comm, asked, make)
    if choice is not None:
        return _chosen(asked, choice)
    return asked if "backend" in asked.given else replace(asked, backend=default_of_all(comm, asked.backend))


def default_of_all(comm: MPI.Intracomm, mine: str) -> str:
    """The engine that is the default on all ranks, or else FFTW: they may have other processors.

    Collective over `comm`.
    """
    return mine if comm.allreduce(mine == "vertical", MPI.LAND) else "pyfftw"


def tuned(comm: MPI.Intracomm, asked: Request, make: Make, report: Report | None = None) -> tuple[Choice, Path | None]:
    """The fastest of the candidates for a request, and the file in which it is kept, if it is.

    Collective over `comm`. What was given explicitly is not varied. `report` is called on every rank with each
    candidate and its seconds.
    """
    times: dict[Choice, float] = {}

    def seconds(choice: Choice) -> float:
        trial = comm.Dup()  # when it is freed, so is all that the plan has made for it
        plan = make(trial, _chosen(asked, choice))
        times[choice] = timed(plan)
        plan.close()
        trial.Free()
        if report is not None:
            report(choice, times[choice])
        return times[choice]

    best = search(candidates(comm, asked), seconds)
    return best, wisdom.keep(comm, name_of(comm, asked), {**asdict(best), "seconds": float(f"{times[best]:.3g}")})


def search(among: Candidates, seconds: Callable[[Choice], float]) -> Choice:
    """The fastest choice: of all grids with all exchanges, then of these with each engine, then with each tile.

    At last, where its exchanges are cut, in more parts or fewer.
    """
    times: dict[Choice, float] = {}

    def fastest(choices: Iterable[Choice]) -> Choice:
        for choice in choices:
            if choice not in times:
                times[choice] = seconds(choice)
        return min(times, key=times.__getitem__)

    first = Choice(among.grids[0], among.methods[0], among.backends[0], among.tiles[0])
    best = fastest([replace(first, grid=grid, method=method) for grid in among.grids for method in among.methods])
    best = fastest([replace(best, backend=backend) for backend in among.backends])
    best = fastest([replace(best, tile_bytes=tile_bytes) for tile_bytes in among.tiles])
    return fastest([best, *(replace(best, parts=parts) for parts in PARTS if best.method in among.cut)])


def candidates(comm: MPI.Intracomm, asked: Request) -> Candidates:
    """What there is to try for a request. Collective over `comm`: ranks may have other engines, and other caches."""
    tile = comm.bcast(cache.TILE_BYTES)
    one_node = asked.ranks_per_node == comm.Get_size()
    like_auto = ("hybrid", "joined") if one_node else ()  # all of them are shared there
    methods = ["auto"] if comm.Get_size() == 1 else [each for each in _possible(asked) if each not in like_auto]
    here = np.array([_usable(name, asked) for name in ENGINES], np.int8)
    comm.Allreduce(MPI.IN_PLACE, here, MPI.MIN)
    backends = [name for name, everywhere in zip(ENGINES, here, strict=True) if everywhere]
    return Candidates(
        [asked.dims] if "grid" in asked.given else _grids(comm.Get_size(), asked)[:MOST_GRIDS],
        [asked.method] if "method" in asked.given else methods,
        [asked.backend] if "backend" in asked.given else backends,
        [tile, tile // 2, tile * 2],
        [*CUT, *([] if one_node else ["auto"])],
    )


def timed(plan: Plan) -> float:
    """Seconds that a plan takes forward and backward on the slowest rank, the least of some tries.

    Collective over the ranks of the plan; the same on all.
    """
    u = np.ones(plan.shape(False), plan.dtype(False))
    u_hat = np.empty(plan.shape(True), plan.dtype(True))
    times: list[float] = []
    for _ in range(1 + MOST_TRIES):
        plan.comm.Barrier()
        start = time.perf_counter()
        plan.forward(u, u_hat)
        plan.backward(u_hat, u)
        times.append(plan.comm.allreduce(time.perf_counter() - start, MPI.MAX))
        if len(times) > LEAST_TRIES and sum(times[1:]) >= SECONDS:
            break
    return min(times[1:])  # the first touches the memory


def recalled(comm: MPI.Intracomm, asked: Request) -> Choice | None:
    """What wisdom says about a request; None where it says nothing that holds here.

    Collective over `comm`. Warns, on rank 0, of an entry that cannot be followed, as where an engine is gone.
    """
    entry = wisdom.recall(comm, lambda: name_of(comm, asked))
    if entry is None:
        return None
    choice = problem = None
    try:
        choice = _checked(comm.Get_size(), asked, entry)
    except (KeyError, TypeError, ValueError, ImportError) as error:
        problem = f"the wisdom for this transform is of no use here, planning without: {error!r:.300}"
    problems = [one for one in comm.allgather(problem) if one]
    if problems:
        wisdom.warn_on_rank_0(comm, problems[0])
        return None
    return choice


def name_of(comm: MPI.Intracomm, asked: Request) -> str:
    """The name under which wisdom keeps a request: the machine, the transform, and what was given explicitly.

    Collective over `comm` at the first call.
    """
    fixed = "".join(f"; {name}={value}" for name, value in _given(asked).items())
    what = ", ".join(f"{t} along {t.axis}" for t in asked.transforms)
    threads = f", {asked.threads} threads" if asked.threads > 1 else ""
    wire = f", {asked.wire} on the wire" if asked.wire else ""
    return f"{wisdom.machine(comm)}{threads}{wire}; {asked.points} {asked.dtype}; {what}; {asked.groups}{fixed}"


def _given(asked: Request) -> dict[str, Any]:
    """What was given explicitly, by its name in a choice."""
    values = {"grid": asked.dims, "method": asked.method, "backend": asked.backend}
    return {name: values[name] for name in asked.given}


def _chosen(asked: Request, choice: Choice) -> Request:
    """A request with what was chosen for it."""
    return replace(
        asked,
        dims=choice.grid,
        method=choice.method,
        backend=choice.backend,
        tile_bytes=choice.tile_bytes,
        parts=choice.parts,
    )


def _checked(size: int, asked: Request, entry: wisdom.Entry) -> Choice:
    """The choice in an entry, if it can be made here and tuning might have made it."""
    grid, method, backend, tile_bytes = (entry[name] for name in ("grid", "method", "backend", "tile_bytes"))
    whole = [tile_bytes, *grid] if isinstance(grid, list) else [grid]
    if not all(type(n) is int for n in whole) or not all(isinstance(name, str) for name in (method, backend)):
        raise TypeError(f"grid {grid!r}, method {method!r}, backend {backend!r}, tile_bytes {tile_bytes!r}")
    parts = entry.get("parts")  # none in those of earlier versions
    if parts is not None and (type(parts) is not int or parts not in PARTS):
        raise ValueError(f"parts {parts!r} are none of {', '.join(map(str, PARTS))}")
    choice = Choice(tuple(grid), method, backend, tile_bytes, parts)
    given = _given(asked)
    for name, value in given.items():
        if getattr(choice, name) != value:
            raise ValueError(f"{name} {getattr(choice, name)!r} instead of {value!r}, which is given")
    if "grid" not in given and choice.grid not in _grids(size, asked):
        raise ValueError(f"grid {choice.grid} is none for {size} ranks")
    if "method" not in given and method not in _possible(asked):
        raise ValueError(f"method {method!r} is none of {', '.join(map(repr, _possible(asked)))}")
    checked_engine(backend, lines_of(asked.transforms))
    if not 0 < tile_bytes <= MOST_TILES * cache.TILE_BYTES:
        raise ValueError(f"tile_bytes {tile_bytes} is no size of a tile")
    return choice


def _possible(asked: Request) -> list[str]:
    """The methods by which a request can be carried out, "shared" as "auto"."""
    return TRIED if asked.wire is None else [method for method in TRIED if method not in ("alltoallv", "alltoallw")]


def _grids(size: int, asked: Request) -> list[tuple[int, ...]]:
    """The grids on which a request can be carried out, what should be fastest first."""
    return ranked_grids(asked.shape, asked.groups, size, asked.ranks_per_node)


def _usable(name: str, asked: Request) -> bool:
    """Whether an engine is installed here and knows the transforms."""
    try:
        checked_engine(name, lines_of(asked.transforms))
    except (ImportError, TypeError, ValueError):
        return False
    return True
