"""Time steps of the Taylor-Green solver: without fields in space, with them, and on mpi4py-fft.

    mpiexec -n 2 python benchmarks/steps.py --size 128
    mpiexec -n 2 python benchmarks/steps.py --size 128 --memory

All take the same Runge-Kutta steps of the rotational form, in turns, and what velocity they find at a point is
compared; all but those that numba compiles with the same functions of numpy. The first is the example of the package,
whose products are made by `PFFT.pointwise`, and whose modes are those that dealiasing keeps. The solvers with fields
hold velocity, vorticity and their product in arrays, made once, and work on slabs that stay in cache. On mpi4py-fft
modes are as many as there are points, and a mask drops those beyond, as such solvers are written; "padded" has as few
as it transforms rightly, an even number. What a step takes at least is measured beside them: its transforms alone, and
a copy of as many bytes as its stages read and write of velocity, slope, start and sum. What is not installed is named.

With --memory it is said instead what steps without and with fields take at their peak, on all ranks together, beside
velocity, slope, start and sum, and beside the plan of one field, which both have. All ranks must share a node.
"""

from __future__ import annotations

import gc
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import click
import memory
import numpy as np
from mpi4py import MPI

from mpi4py_pencil.examples.taylor_green import (
    WEIGHTS,
    NavierStokes,
    cross,
    pairs,
    slabs,
    taylor_green,
    with_vorticity,
)

COMM = MPI.COMM_WORLD
NU, DT = 0.000625, 0.01
Array = np.ndarray[Any, Any]
Transform = Callable[[Array, Array], Any]


class WithFields:
    """The same steps with fields in space.

    Parameters
    ----------
    like : NavierStokes
        The solver whose functions of modes and points are taken.
    mesh : sequence of ndarray
        The coordinates of this rank's points.
    k : sequence of ndarray
        The wave numbers of its modes.
    forward, backward : callable
        Of one component, from an array into another.
    """

    def __init__(
        self, like: NavierStokes, mesh: Sequence[Array], k: Sequence[Array], forward: Transform, backward: Transform
    ) -> None:
        self.like, self.k = like, k
        self.forward, self.backward = forward, backward
        points, modes = (np.broadcast_shapes(*(each.shape for each in axes)) for axes in (mesh, k))
        self.x, self.product = np.zeros((6, *points)), np.zeros((3, *points))
        self.u_hat, self.start, self.total, self.slope = (np.zeros((3, *modes), complex) for _ in "1234")
        self.modes = np.zeros((6, *modes), complex)
        self.masked = any(abs(each).max(initial=0) > most for each, most in zip(k, like.cutoff, strict=True))
        for component, values in zip(self.product, taylor_green(*mesh), strict=True):
            component[...] = values
        self.transform(self.u_hat)
        for s, waves in self.cut():
            like.project_tile(self.u_hat[:, s], waves)

    def transform(self, modes: Array) -> None:
        """The product to modes, those beyond the largest dropped."""
        for points, component in zip(self.product, modes, strict=True):
            self.forward(points, component)
        for s, k in self.cut() if self.masked else ():
            x, y, z = (abs(each) <= most for each, most in zip(k, self.like.cutoff, strict=True))
            pairs(modes[:, s])[...] *= np.repeat(x * y * z, 2, axis=-1)

    def step(self) -> None:
        """Advance the velocity."""
        for number in range(len(WEIGHTS)):
            for s, k in self.cut():
                with_vorticity(self.u_hat[:, s], self.modes[:, s], k)
            for modes, points in zip(self.modes, self.x, strict=True):
                self.backward(modes, points)
            for s in slabs(self.x):
                cross(self.x[:, s], self.product[:, s])
            self.transform(self.slope)
            for s, k in self.cut():
                parts = (each[:, s] for each in (self.slope, self.u_hat, self.start, self.total))
                self.like.advance(*parts, k, number)

    def cut(self) -> list[tuple[slice, list[Array]]]:
        """Slabs of modes, and their wave numbers."""
        return [(s, [self.k[0][s], self.k[1], self.k[2]]) for s in slabs(self.u_hat)]


def unfused(like: NavierStokes) -> WithFields:
    """With the transforms of this package."""
    fft = like.fft
    return WithFields(like, fft.local_mesh(), like.k, fft.forward, fft.backward)


def mpi4py_fft(like: NavierStokes, modes: Sequence[int]) -> WithFields:
    """With those of mpi4py-fft, between so many modes and the same points."""
    from mpi4py_fft import PFFT as Theirs  # noqa: N811

    points = like.fft.global_shape(False)
    factors = [(p + 0.5) / m for p, m in zip(points, modes, strict=True)]  # there are floor(m * factor) points
    fft = Theirs(COMM, modes, dtype=float, **({} if tuple(modes) == points else {"padding": factors}))
    every = [np.fft.fftfreq(m, 1 / m) for m in modes[:2]], [2 * np.pi * np.arange(p) / p for p in points]
    waves, places = [*every[0], np.arange(modes[2] // 2 + 1.0)], every[1]
    k, mesh = (
        np.ix_(*(each[s] for each, s in zip(axes, fft.local_slice(spectral), strict=True)))
        for axes, spectral in ((waves, True), (places, False))
    )
    return WithFields(like, mesh, k, fft.forward, fft.backward)


def velocity_at_a_point(u_hat: Array, k: Sequence[Array]) -> Array:
    """What all modes sum up to at (1, 2, 3)."""
    turned = np.exp(1j * (k[0] + 2 * k[1] + 3 * k[2])) * np.where(k[2] == 0, 1, 2)
    return COMM.allreduce((np.asarray(u_hat) * turned).real.sum(axis=(1, 2, 3)))


def transforms_alone(like: NavierStokes) -> Callable[[], None]:
    """The transforms of a step: of six components backward and of three forward, four times."""
    fft = like.fft
    modes, points = np.zeros(fft.shape(True), complex), np.zeros(fft.shape(False))

    def step() -> None:
        for _ in WEIGHTS:
            for _ in range(6):
                fft.backward(modes, points)
            for _ in range(3):
                fft.forward(points, modes)

    return step


def arrays_alone(like: NavierStokes) -> Callable[[], None]:
    """Copies of as much as a step moves: slope and start are read, velocity and sum are read and written."""
    source, target = np.ones_like(np.asarray(like.u_hat)), np.zeros_like(np.asarray(like.u_hat))

    def step() -> None:
        for _ in WEIGHTS:
            for _ in range(3):
                np.copyto(target, source)

    return step


def peak(make: Callable[[], Callable[[], None]]) -> int:
    """The bytes that making a step and two of these take at the most, on all ranks together."""
    gc.collect()
    processes = COMM.allgather(os.getpid())
    watch = memory.Watch(processes) if COMM.rank == 0 else None
    before = COMM.bcast(memory.used(processes) if COMM.rank == 0 else None)
    step = make()
    step()
    step()
    COMM.Barrier()
    return int(COMM.bcast(watch.peak() if watch else None)) - before


def report_memory(solver: NavierStokes, dealias: str) -> None:
    """Print what steps without and with fields take."""

    def without() -> Callable[[], None]:
        solver.product = solver.fft.pointwise(cross, inputs=6, outputs=3, before=with_vorticity)
        return solver.step

    solver.step()  # touches the state, and imports what is imported late
    del solver.product
    state = COMM.allreduce(4 * solver.u_hat.nbytes)
    taken = [peak(without)]
    del solver.product
    taken.append(peak(lambda: unfused(solver).step) - state)  # it has a state of its own
    if COMM.rank == 0:
        print(f"Taylor-Green, {solver.shape[0]}³, {dealias}, {COMM.size} ranks; state {state / 2**20:.0f} MiB")
        for name, each in zip(("without fields", "with fields"), taken, strict=True):
            print(f"{name:18}{each / 2**20:9.1f} MiB beside it  {each / taken[1]:5.2f} x")


def seconds(step: Callable[[], None]) -> float:
    """Of one step, on the slowest rank."""
    COMM.Barrier()
    start = time.perf_counter()
    step()
    return COMM.allreduce(time.perf_counter() - start, MPI.MAX)


@click.command(help=__doc__)
@click.option("--size", default=128, show_default=True, help="Modes along each axis, or points with the mask.")
@click.option("--dealias", default="mask", type=click.Choice(["mask", "3/2"]), show_default=True, help="How.")
@click.option("--repeat", default=7, show_default=True, help="Steps of each.")
@click.option("--memory", "of_memory", is_flag=True, help="Measure memory instead of time.")
def main(size: int, dealias: str, repeat: int, of_memory: bool) -> None:
    """Measure, and print a row for each."""
    solver = NavierStokes(COMM, (size,) * 3, NU, DT, dealias=dealias)
    solver.set_velocity(taylor_green)
    if of_memory:
        report_memory(solver, dealias)
        return
    others: dict[str, Any] = {"with fields": unfused(solver)}
    if find_spec("mpi4py_fft") is not None:
        others["mpi4py-fft"] = mpi4py_fft(solver, solver.shape)
        if dealias == "mask":
            others["mpi4py-fft padded"] = mpi4py_fft(solver, [2 * largest + 2 for largest in solver.cutoff])
    steps: dict[str, Callable[[], None]] = {"without fields": solver.step}
    if find_spec("numba") is not None:
        from compiled import compiled

        for name, fused in (("compiled", False), ("and fused", True)):
            others[name] = compiled(COMM, solver, dealias, fused)
    steps |= {name: other.step for name, other in others.items()}
    steps |= {"transforms alone": transforms_alone(solver), "arrays alone": arrays_alone(solver)}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(1 + repeat):
        for name, step in steps.items():
            taken = seconds(step)
            times[name] += [taken] * (turn > 0)  # the first touches the memory
    found = velocity_at_a_point(solver.u_hat, solver.k)
    wrong = {name: float(abs(velocity_at_a_point(o.u_hat, o.k) - found).max()) for name, o in others.items()}
    if COMM.rank == 0:
        report(size, dealias, times, wrong)


def report(size: int, dealias: str, times: dict[str, list[float]], wrong: dict[str, float]) -> None:
    """Print what was measured."""
    about = ", ".join(f"{name} {version(name)}" for name in ("mpi4py-pencil", "numpy", "mpi4py"))
    print(f"Taylor-Green, {size}³, {dealias}, {COMM.size} ranks; {about}; {platform.machine()}")
    first = statistics.median(times["without fields"])
    for name, taken in times.items():
        median = statistics.median(taken)
        off = f"  differs by {wrong[name]:.0e}" if name in wrong else ""
        print(f"{name:18}{1e3 * median:9.1f} ms a step  {median / first:5.2f} x{off}")
    for name, package in (("mpi4py-fft", "mpi4py-fft"), ("compiled", "numba")):
        if name not in times:
            print(f"{package} is not installed")


if __name__ == "__main__":
    main()
