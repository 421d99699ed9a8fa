"""Forward and backward transforms side by side with mpi4py-fft: the same ranks, sizes and data, in turns.

    mpiexec -n 2 python benchmarks/compare.py --shape 256x256x256 --dtype complex128

Every run is timed between two barriers, as a solver would meet it: arrays of the caller in and out, normalisation
included. The medians are printed, and how many times as fast as the peer we are. Plans of mpi4py-fft are made with
FFTW_MEASURE, as ours are.
"""

from __future__ import annotations

import platform
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numpy as np
from mpi4py import MPI

import mpi4py_pencil

PACKAGES = ("mpi4py-pencil", "mpi4py-fft", "pyfftw", "numpy", "mpi4py")
Run = Callable[[], Any]


def ours(comm: MPI.Intracomm, shape: tuple[int, ...], dtype: str, grid: tuple[int, ...] | None) -> tuple[Run, Run]:
    """Forward and backward of this package."""
    fft = mpi4py_pencil.PFFT(comm, shape, dtype=dtype, grid=grid)
    arrays = [mpi4py_pencil.newDistArray(fft, side) for side in (False, True, False)]
    return runs(fft, arrays, fft.local_slice(False))


def theirs(comm: MPI.Intracomm, shape: tuple[int, ...], dtype: str, grid: tuple[int, ...] | None) -> tuple[Run, Run]:
    """Forward and backward of mpi4py-fft, on slabs unless a grid is given."""
    import mpi4py_fft

    how = {"grid": grid} if grid else {"slab": True}
    fft = mpi4py_fft.PFFT(comm, shape, dtype=dtype, **how)
    arrays = [mpi4py_fft.newDistArray(fft, side) for side in (False, True, False)]
    return runs(fft, arrays, fft.local_slice(False))


def runs(fft: Any, arrays: list[Any], where: tuple[slice, ...]) -> tuple[Run, Run]:
    """The two transforms on arrays with data in them that does not depend on how it is distributed."""
    u, u_hat, back = (array.view(np.ndarray) for array in arrays)
    points = np.ogrid[where]
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
@click.option("--runs", "times", default=9, show_default=True, help="Of each, alternating.")
def main(shape: tuple[int, ...], dtype: str, grid: tuple[int, ...] | None, times: int) -> None:
    """Print the table."""
    comm = MPI.COMM_WORLD
    plans: dict[str, tuple[Run, Run]] = {}
    planned: dict[str, float] = {}
    peers = {"mpi4py-pencil": ours}
    if find_spec("mpi4py_fft"):
        peers["mpi4py-fft"] = theirs
    for name, peer in peers.items():
        comm.Barrier()
        start = time.perf_counter()
        plans[name] = peer(comm, shape, dtype, grid)
        planned[name] = time.perf_counter() - start
    calls = {f"{name} {way}": call for name, pair in plans.items() for way, call in zip(WAYS, pair, strict=True)}
    medians = alternate(comm, calls, times)
    if comm.Get_rank() == 0:
        print(about(comm))
        print(" ".join(["mpiexec", "-n", str(comm.Get_size()), "python", *sys.argv]))
        print(
            f"{'x'.join(map(str, shape))} {dtype}, medians of {times} in ms; plan: with the first two transforms, in s\n"
        )
        table(medians, planned)


WAYS = ("forward", "backward")


def table(medians: dict[str, float], planned: dict[str, float]) -> None:
    """Print a row for each peer, and how many times as fast we are."""
    print(f"{'':<16}{'forward':>10}{'backward':>10}{'plan':>10}")
    for name, plan in planned.items():
        forward, backward = (medians[f"{name} {way}"] for way in WAYS)
        print(f"{name:<16}{forward * 1e3:>10.2f}{backward * 1e3:>10.2f}{plan:>10.2f}")
    if "mpi4py-fft" not in planned:
        print(f"{'mpi4py-fft':<16}{'is not installed: pip install mpi4py-fft (builds against FFTW)':>40}")
        return
    ratios = [medians[f"mpi4py-fft {way}"] / medians[f"mpi4py-pencil {way}"] for way in WAYS]
    print(
        f"{'times as fast':<16}{ratios[0]:>10.2f}{ratios[1]:>10.2f}{planned['mpi4py-fft'] / planned['mpi4py-pencil']:>10.2f}"
    )


if __name__ == "__main__":
    main()
