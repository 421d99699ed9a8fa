"""Rows of the table next to one peer: what `table.py` starts on some ranks. Each result is a line of JSON.

    mpiexec -n 2 python benchmarks/case.py JOB

JOB is JSON: the rows, the peer, and the settings: runs and seconds (see timing.in_turns), rest (see process.py), and
the Python that has mkl_fft.
"""

from __future__ import annotations

import gc
import importlib
import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import memory
import numpy as np
import peers
from dealing import Dealing
from fields import Array, difference, field, fingerprint, spectrum
from limit import limit
from mpi4py import MPI
from process import Process
from rows import MARK, THREADED, Row
from timing import Measured, in_turns, quietly, timed

import mpi4py_pencil
from mpi4py_pencil import arrays
from mpi4py_pencil.engines import default_engine

TOLERANCE = 1e-10
SMALL = 2**18
"""Points up to which numpy computes what is right on every rank; beyond, ours is compared with the peer's."""

WAYS = ("forward", "backward")
COMM = MPI.COMM_WORLD
Calls = dict[str, Measured]
Result = dict[str, Any]
Made = tuple[Calls, dict[str, Array], str, float]
"""A peer's calls, the fingerprints of its results, its version, and the seconds that planning took."""


class MissingError(Exception):
    """The peer cannot be measured here."""


class WrongError(Exception):
    """Two libraries did not compute the same."""


def transform(row: Row, peer: str, job: Result) -> Result:
    """Forward and backward transforms next to a peer on the same ranks, or in a process with as many threads."""
    default_engine([])  # its import is no part of a plan
    start = time.perf_counter()
    mine = peers.ours(COMM, row)
    plan = COMM.allreduce(time.perf_counter() - start, MPI.MAX)
    right = expected(row, mine)
    errors = {peers.OURS: check(peers.OURS, results(row, mine), right)}
    calls = {f"{peers.OURS} {way}": timed(COMM, getattr(mine, way)) for way in WAYS}
    about: Result = {"plans": {"ours": plan}}
    try:
        made, prints, version, plan = (threaded if peer in THREADED else distributed)(row, peer, job)
        errors[peer] = check(peer, prints, right)
        calls |= {f"{peer} {way}": call for way, call in made.items()}
        about = {"version": version, "plans": about["plans"] | {"theirs": plan}}
    except MissingError as missing:  # ours is measured all the same
        about["missing"] = str(missing)
    about |= compared(peer, calls, job) | {"errors": errors, "checked": right["by"]}
    return about | {"limit": limit(COMM, row.shape, row.dtype, row.grid, row.padding)}


def distributed(row: Row, peer: str, job: Result) -> Made:
    """A peer on the same ranks."""
    present(peer)
    start = time.perf_counter()
    theirs = peers.MAKERS[peer](COMM, row)
    plan = COMM.allreduce(time.perf_counter() - start, MPI.MAX)
    calls = {way: timed(COMM, getattr(theirs, way)) for way in WAYS}
    return calls, results(row, theirs), peers.about(peer), plan


def threaded(row: Row, peer: str, job: Result) -> Made:
    """A peer that is one process with as many threads as there are ranks, on the cores of all ranks."""
    cpus = sorted(set().union(*COMM.allgather(os.sched_getaffinity(0))))
    python = job["mkl_python"] if peer == "MKL" else sys.executable
    asked = {"library": peer, "shape": row.shape, "threads": row.ranks, "cpus": cpus, "rest": job["rest"]}
    started: list[Process] = []

    def start() -> Result:
        started.append(Process(python, asked))
        return started[0].about

    def run(way: str) -> float:
        return quietly(COMM, lambda: started[0].ask(way))

    about = quietly(COMM, start)
    if "missing" in about:
        raise MissingError(about["missing"])
    found = {way: np.array([complex(*each) for each in about["fingerprints"][way]]) for way in WAYS}
    return {way: partial(run, way) for way in WAYS}, found, about["version"], about["plan"]


def present(peer: str) -> None:
    """Refuse a peer that is not here, on every rank alike."""
    reason = peers.absent(peer)
    if reason:
        raise MissingError(reason)


def results(row: Row, planned: peers.Planned) -> dict[str, Array]:
    """The fingerprints of a peer's modes and of what it makes of them, transformed once each."""
    planned.u[...] = field(points(row), planned.where[0], row.dtype, smooth=row.padding is not None)
    planned.forward()
    modes = whole(planned.u_hat, planned.where[1])
    planned.backward()
    return {"forward": modes, "backward": whole(planned.back, planned.where[0])}


def points(row: Row) -> tuple[int, ...]:
    """The global shape of the input."""
    return tuple(math.floor(n * (row.padding or 1)) for n in row.shape)


def whole(block: Array, where: Any) -> Array:
    """The fingerprint of a distributed array. Collective."""
    return COMM.allreduce(fingerprint(block, where))


def expected(row: Row, mine: peers.Planned) -> dict[str, Any]:
    """The fingerprints that are right: of numpy's modes where the whole is small, else of ours; and of the field."""
    smooth = row.padding is not None
    start = whole(field(points(row), mine.where[0], row.dtype, smooth), mine.where[0])
    if math.prod(points(row)) > SMALL:
        return {"by": "ours", "forward": results(row, mine)["forward"], "backward": start}
    modes = spectrum(points(row), row.shape, row.dtype, smooth)
    block = modes[mine.where[1]]
    return {"by": "numpy", "forward": whole(block, mine.where[1]), "backward": start}


def check(name: str, found: dict[str, Array], right: dict[str, Any]) -> dict[str, float]:
    """How far a library's results are from the right ones; others are refused."""
    errors = {way: difference(found[way], right[way]) for way in WAYS}
    if max(errors.values()) > TOLERANCE:
        raise WrongError(f"{name} differs from {right['by']}: {errors}")
    return errors


def compared(peer: str, calls: Calls, job: Result) -> Result:
    """The seconds of both, taken in turns; calls are named by the library and the way."""
    seconds = in_turns(calls, job["runs"], job["seconds"])
    sides = {"ours": peers.OURS, "theirs": peer}
    return {
        side: {name.removeprefix(f"{library} "): all_of for name, all_of in seconds.items() if name.startswith(library)}
        for side, library in sides.items()
    }


def vector(row: Row, peer: str, job: Result) -> Result:
    """Three components in one call next to three calls."""
    fft = mpi4py_pencil.PFFT(COMM, row.shape, dtype=row.dtype)
    u, u_hat, back = (np.zeros((3, *fft.shape(side)), fft.dtype(side)) for side in (False, True, False))
    alone, alone_back = np.zeros_like(u_hat), np.zeros_like(back)
    u[...] = field(row.shape, fft.local_slice(False), row.dtype)
    u *= np.array([1, 2, 3]).reshape(3, 1, 1, 1)

    def each(call: Callable[..., Any], source: Array, target: Array) -> None:
        for a, b in zip(source, target, strict=True):
            call(a, b)

    calls = {
        f"{peers.OURS} forward": lambda: fft.forward(u, u_hat),
        f"{peers.OURS} backward": lambda: fft.backward(u_hat, back),
        f"{peer} forward": lambda: each(fft.forward, u, alone),
        f"{peer} backward": lambda: each(fft.backward, alone, alone_back),
    }
    for call in calls.values():
        call()
    same(peer, (u_hat, alone), (back, alone_back), (back, u))
    return compared(peer, {name: timed(COMM, call) for name, call in calls.items()}, job)


def transfer(row: Row, peer: str, job: Result) -> Result:
    """A transfer from slabs to slabs next to MPI's own with subarrays; from shared windows next to a local copy."""
    before = mpi4py_pencil.Pencil(mpi4py_pencil.Subcomm(COMM, [0, 1, 1]), row.shape, axis=1)
    after = before.pencil(0)
    a, back = field(row.shape, before.local_slice(), row.dtype), np.zeros(before.subshape, row.dtype)
    b = np.zeros(after.subshape, row.dtype)
    mine = before.transfer(after, row.dtype)
    lent = [a, b]
    if peer == "memcpy":
        lent = [mine.empty(), mine.empty(forward_output=True)]
        lent[0][...] = a
    calls = {
        f"{peers.OURS} forward": lambda: mine.forward(lent[0], b),
        f"{peers.OURS} backward": lambda: mine.backward(lent[1], back),
    }
    right = field(row.shape, after.local_slice(), row.dtype)
    lent[1][...] = right
    for call in calls.values():
        call()
    same(peers.OURS, (b, right), (back, a))
    if peer == "memcpy":
        calls |= {f"memcpy {way}": lambda: np.copyto(back, a) for way in WAYS}
    else:
        theirs = before.transfer(after, row.dtype, "alltoallw")
        calls[f"{peer} forward"] = lambda: theirs.forward(a, b)
        calls[f"{peer} backward"] = lambda: theirs.backward(b, back)
        b[...], back[...] = 0, 0
        for way in WAYS:
            calls[f"{peer} {way}"]()
        same(peer, (b, right), (back, a))
    return compared(peer, {name: timed(COMM, call) for name, call in calls.items()}, job)


def redistribute(row: Row, peer: str, job: Result) -> Result:
    """`DistArray.redistribute`, again and again, next to the peer's."""
    present(peer)
    calls = {}
    for name, package in ((peers.OURS, mpi4py_pencil), (peer, importlib.import_module("mpi4py_fft"))):
        a = package.DistArray(row.shape, [COMM.Get_size(), 1, 1], dtype=row.dtype, alignment=1)
        a[...] = field(row.shape, a.local_slice(), row.dtype)
        b = a.redistribute(0)
        same(name, (b, field(row.shape, b.local_slice(), row.dtype)), (b.redistribute(1), a))
        calls[f"{name} forward"] = timed(COMM, partial(a.redistribute, 0))
        calls[f"{name} backward"] = timed(COMM, partial(b.redistribute, 1))
    return compared(peer, calls, job) | {"version": peers.about(peer)}


def deal(row: Row, peer: str, job: Result) -> Result:
    """Blocks along the first axis dealt in turn, and back: `GlobalArray.redistribute` next to an Alltoallv by hand."""
    rest = [None] * (len(row.shape) - 1)
    blocks, dealt = (arrays.Context(COMM).distribution(row.shape, [how, *rest]) for how in ("block", "cyclic"))
    whole, me = np.arange(math.prod(row.shape), dtype=row.dtype).reshape(row.shape), COMM.Get_rank()
    g, h = (arrays.asarray(whole, distribution=each) for each in (blocks, dealt))
    theirs = Dealing(COMM, row.shape, row.dtype)
    mine = g.redistribute(dealt), h.redistribute(blocks)
    same(peers.OURS, (mine[0].local, whole[me :: row.ranks]), (mine[1].local, g.local))
    same(peer, (theirs.forward(g.local), h.local), (theirs.backward(h.local), g.local))
    calls = {
        f"{peers.OURS} forward": lambda: g.redistribute(dealt),
        f"{peers.OURS} backward": lambda: h.redistribute(blocks),
        f"{peer} forward": lambda: theirs.forward(g.local),
        f"{peer} backward": lambda: theirs.backward(h.local),
    }
    return compared(peer, {name: timed(COMM, call) for name, call in calls.items()}, job)


def same(name: str, *pairs: tuple[Array, Array]) -> None:
    """Refuse arrays that differ, on every rank alike."""
    near = all(np.allclose(np.asarray(a), np.asarray(b), rtol=0, atol=TOLERANCE) for a, b in pairs)
    if not all(COMM.allgather(near)):
        raise WrongError(f"{name} computed something else")


def plan(row: Row, peer: str, job: Result) -> Result:
    """Making a plan, what FFTW has learnt forgotten each time."""
    present(peer)
    default_engine([])
    forget = {
        peers.OURS: importlib.import_module("pyfftw").forget_wisdom,
        peer: importlib.import_module("mpi4py_fft.fftw").forget_wisdom,
    }

    def fresh(name: str) -> float:
        forget[name]()
        gc.collect()
        return timed(COMM, lambda: peers.MAKERS[name](COMM, row))()

    calls = {f"{name} plan": partial(fresh, name) for name in forget}
    return compared(peer, calls, job) | {"version": peers.about(peer)}


def memory_of(row: Row, peer: str, job: Result) -> Result:
    """The peak of what a plan and its calls take beside the caller's arrays, in units of the input."""
    present(peer)
    if not Path("/proc/self/smaps_rollup").exists():
        raise MissingError("the kernel tells nothing of shared pages: this needs Linux")
    if COMM.Split_type(MPI.COMM_TYPE_SHARED).Get_size() < COMM.Get_size():
        raise MissingError("the ranks are not all on one node")
    default_engine([])
    found = {side: {"memory": [extra(row, name)]} for side, name in (("ours", peers.OURS), ("theirs", peer))}
    return found | {"version": peers.about(peer)}


def extra(row: Row, name: str) -> float:
    """The same for one library."""
    processes = COMM.allgather(os.getpid())
    gc.collect()
    COMM.Barrier()
    watch = memory.Watch(processes) if COMM.Get_rank() == 0 else None
    before = memory.used(processes)
    COMM.Barrier()
    planned = peers.MAKERS[name](COMM, row)
    arrays = (planned.u, planned.u_hat, planned.back)
    planned.u[...] = 1
    planned.u_hat[...] = 0
    planned.back[...] = 0
    for _ in range(2):
        planned.forward()
        planned.backward()
    COMM.Barrier()
    peak = COMM.bcast(watch.peak() if watch else None)
    callers, unit = (COMM.allreduce(sum(each.nbytes for each in some)) for some in (arrays, arrays[:1]))
    return (peak - COMM.bcast(before) - callers) / unit


KINDS = {
    "transform": transform,
    "vector": vector,
    "transfer": transfer,
    "redistribute": redistribute,
    "deal": deal,
    "plan": plan,
    "memory": memory_of,
}


def about() -> dict[str, str]:
    """What the figures depend on, wherever they are taken."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    packages = {name: version(name) for name in ("mpi4py-pencil", "pyfftw", "numpy", "mpi4py")}
    return {
        "CPU": f"{len(names)} x {names[0]}" if names else platform.processor(),
        "MPI": " ".join(MPI.Get_library_version().splitlines()[0].strip("\0").split()),
        "Python": platform.python_version(),
        "pyfftw's FFTW": importlib.import_module("pyfftw").fftw_version,
        **packages,
    }


def measured(row: Row, peer: str, job: Result) -> Result:
    """The result of a row; why there is none where the peer is missing or wrong."""
    named = row._asdict() | {"peer": peer, "about": about()}
    if COMM.Get_size() != row.ranks:
        return named | {"failed": f"the launcher started {COMM.Get_size()} ranks in place of {row.ranks}"}
    try:
        return named | KINDS[row.kind](row, peer, job)
    except MissingError as missing:
        return named | {"missing": str(missing)}
    except WrongError as wrong:
        return named | {"failed": str(wrong)}


def main() -> None:
    """Measure the rows of the job one after the other."""
    job = json.loads(sys.argv[1])
    for fields in job["rows"]:
        shape, grid = tuple(fields.pop("shape")), fields.pop("grid")
        row = Row(shape=shape, grid=grid and tuple(grid), **fields)
        result = measured(row, job["peer"], job)
        if COMM.Get_rank() == 0:
            print(MARK + json.dumps(result), flush=True)
        gc.collect()


if __name__ == "__main__":
    main()
