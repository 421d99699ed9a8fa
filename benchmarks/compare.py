"""Forward and backward transforms side by side with mpi4py-fft: the same ranks, sizes and data, in turns.

    mpiexec -n 2 python benchmarks/compare.py --shape 256x256x256 --dtype complex128

Needs the extra cli (click), and mpi4py-fft to compare with. Every run is timed between two barriers, as a solver would
meet it: arrays of the caller in and out, normalisation included. The medians are printed, how many times as fast as
mpi4py-fft we are, and how near to the limit (see limit.py). Both plan with FFTW_MEASURE.
"""

from __future__ import annotations

import importlib
import platform
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numpy as np
from limit import limit
from mpi4py import MPI

import mpi4py_pencil
from mpi4py_pencil.engines import engine

mpi4py_fft = importlib.import_module("mpi4py_fft") if find_spec("mpi4py_fft") else None

PACKAGES = ("mpi4py-pencil", "mpi4py-fft", "pyfftw", "numpy", "mpi4py")
Run = Callable[[], Any]


def theirs(comm: MPI.Intracomm, shape: Any, dtype: str, grid: Any) -> Any:
    """The plan of mpi4py-fft, on slabs unless a grid is given."""
    how = {"grid": grid} if grid else {"slab": True}
    return mpi4py_fft.PFFT(comm, shape, dtype=dtype, **how)


def runs(fft: Any, package: Any) -> tuple[Run, Run]:
    """The two transforms on arrays with data in them that does not depend on how it is distributed."""
    arrays = [package.newDistArray(fft, side) for side in (False, True, False)]
    u, u_hat, back = (array.view(np.ndarray) for array in arrays)
    points = np.ogrid[fft.local_slice(False)]
    u[...] = sum(np.sin(1.7 * (k + 1) * x) for k, x in enumerate(points))

    def forward() -> None:
        fft.forward(u, u_hat)

    def backward() -> None:
        fft.backward(u_hat, back)

    forward()
    backward()
    np.testing.assert_allclose(back, u, atol=1e-3 if u.dtype.char in "fF" else 1e-10)
    return forward, backward


def alternate(comm: MPI.Intracomm, calls: dict[str, Run], times: int) -> dict[str, float]:
    """Median seconds of each call, on the slowest rank, the calls taking turns."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(times):
        for name, call in calls.items():
            comm.Barrier()
            start = time.perf_counter()
            call()
            comm.Barrier()
            seconds[name].append(comm.allreduce(time.perf_counter() - start, MPI.MAX))
    return {name: statistics.median(all_of) for name, all_of in seconds.items()}


def about(comm: MPI.Intracomm) -> str:
    """What the figures depend on."""
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} not installed")
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    cpu = f"{len(names)} x {names[0]}" if names else platform.processor()
    library = MPI.Get_library_version().splitlines()[0].strip("\0 ")
    return f"{cpu}; {library}; Python {platform.python_version()}; {', '.join(found)}; {comm.Get_size()} ranks"


def numbers(_: Any, __: Any, value: str | None) -> tuple[int, ...] | None:
    """Parse "64x32x32"."""
    try:
        return value and tuple(int(n) for n in value.split("x"))
    except ValueError:
        raise click.BadParameter(f"{value!r} must be numbers with an x between them, as in 64x64x64.") from None


@click.command(help=__doc__)
@click.option("--shape", default="128x128x128", show_default=True, callback=numbers, help="Global shape.")
@click.option("--dtype", default="complex128", show_default=True, help="Of the input.")
@click.option("--grid", callback=numbers, help="Processes along each axis; chosen by default (mpi4py-fft: slabs).")
@click.option("--backend", default="pyfftw", show_default=True, help="Our engine.")
@click.option("--runs", "times", default=9, show_default=True, help="Of each, alternating.")
def main(shape: tuple[int, ...], dtype: str, grid: tuple[int, ...] | None, backend: str, times: int) -> None:
    """Print the table."""
    comm = MPI.COMM_WORLD
    engine(backend)  # its import is no part of a plan
    plan = partial(mpi4py_pencil.PFFT, comm, shape, dtype=dtype, grid=grid, backend=backend)
    peers = {"mpi4py-pencil": (mpi4py_pencil, plan)}
    if mpi4py_fft:
        peers["mpi4py-fft"] = (mpi4py_fft, partial(theirs, comm, shape, dtype, grid))
    plans: dict[str, tuple[Run, Run]] = {}
    planned: dict[str, float] = {}
    for name, (package, plan) in peers.items():
        comm.Barrier()
        start = time.perf_counter()
        fft = plan()
        planned[name] = time.perf_counter() - start
        plans[name] = runs(fft, package)
    calls = {f"{name} {way}": call for name, pair in plans.items() for way, call in zip(WAYS, pair, strict=True)}
    medians = alternate(comm, calls, times)
    floor = limit(comm, shape, dtype, grid, backend)
    if comm.Get_rank() == 0:
        print(about(comm))
        print(" ".join(["mpiexec", "-n", str(comm.Get_size()), "python", *sys.argv]))
        print(f"{'x'.join(map(str, shape))} {dtype}, medians of {times} in ms; making the plan in s\n")
        table(medians, planned, floor)


WAYS = ("forward", "backward")


def table(medians: dict[str, float], planned: dict[str, float], floor: float) -> None:
    """Print a row for each peer, how many times as fast we are, and how near the limit."""
    print(f"{'':<20}{'forward':>10}{'backward':>10}{'plan':>10}")
    for name, plan in planned.items():
        print(f"{name:<20}" + "".join(f"{medians[f'{name} {way}'] * 1e3:>10.2f}" for way in WAYS) + f"{plan:>10.2f}")
    mine = [medians[f"mpi4py-pencil {way}"] for way in WAYS]
    print(f"{'memory + engine':<20}" + 2 * f"{floor * 1e3:>10.2f}")
    print(f"{'we, times that':<20}" + "".join(f"{seconds / floor:>10.2f}" for seconds in mine))
    if "mpi4py-fft" not in planned:
        print("mpi4py-fft is not installed: pip install mpi4py-fft (it builds against FFTW)")
        return
    ratios = [medians[f"mpi4py-fft {way}"] / seconds for way, seconds in zip(WAYS, mine, strict=True)]
    ratios.append(planned["mpi4py-fft"] / planned["mpi4py-pencil"])
    print(f"{'we, times as fast':<20}" + "".join(f"{ratio:>10.2f}" for ratio in ratios))


if __name__ == "__main__":
    main()
