"""A passive scalar that is mixed by a flow: a solver to read, to run and to copy.

A dye θ in the periodic box [0, 2π)² is carried by a velocity that it does not change, and diffuses:

    ∂θ/∂t = -u·∇θ + κ ∇²θ.

The flow is one of shears, along x and along y in turn, each for half a unit of time and with a phase of its own,

    u = (U sin(y + φ), 0),  then  u = (0, U sin(x + φ)).

It stretches the dye into filaments until diffusion takes them: the variance of θ falls exponentially in the end,
however small κ is. The product u·∇θ is formed on a grid of 3/2 as many points along each axis, where it has no aliases;
`advection` says what it is at a point. Neither the gradient nor the product is ever there as a whole: `right_side` goes
from modes to modes tile by tile.

``mpiexec -n 2 python -m mpi4py -m mpi4py_pencil.examples.mixing`` prints the variance and draws the dye into
``mixing.png``, which takes matplotlib (the extra "cli").

Sources: R. T. Pierrehumbert, Chaos, Solitons & Fractals 4 (1994), the flow, and what becomes of the dye; S. A. Orszag,
J. Atmos. Sci. 28 (1971), the aliases.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from mpi4py_pencil import PFFT, spectral
from mpi4py_pencil.examples.gathering import gathered
from mpi4py_pencil.examples.stepping import rk4
from mpi4py_pencil.pointwise import Pointwise

Array = NDArray[Any]


def advection(slope: Array, out: Array, at: tuple[slice, ...], u: Sequence[Array]) -> None:
    """Fill `out` with -u·∇θ at the points of a tile, of the gradient of the dye there."""
    np.multiply(slope[0], -u[0][at], out=out)
    out -= u[1][at] * slope[1]


def right_side(fft: PFFT, kappa: float) -> Pointwise:
    """Return what makes the modes of -u·∇θ + κ ∇²θ from those of θ. Collective over the ranks of `fft`."""
    highest = fft.global_shape(True)[0] / 2

    def gradient(theta_hat: Array, out: Array, k: Sequence[Array], _: object) -> None:
        for i in range(2):
            np.multiply(1j * k[i] * (abs(k[i]) < highest), theta_hat, out=out[i])

    def diffusion(product: Array, out: Array, k: Sequence[Array], _: object, theta_hat: Array) -> None:
        np.subtract(product, kappa * (k[0] ** 2 + k[1] ** 2) * theta_hat, out=out)

    return fft.pointwise(advection, inputs=2, before=gradient, after=diffusion, places=True)


def velocity(fft: PFFT, half: int, phase: float, speed: float) -> Sequence[Array]:
    """Return the velocity at this rank's points: a shear along x in even halves of a unit of time, along y in odd."""
    x, y = fft.local_mesh()
    u = (speed * np.sin(y + phase), 0 * x) if half % 2 == 0 else (0 * y, speed * np.sin(x + phase))
    return np.broadcast_arrays(*u)


def mixed(fft: PFFT, theta_hat: Array, phases: Sequence[float], speed: float, kappa: float, steps: int) -> list[Array]:
    """Return the modes of the dye at the start and after each half of a unit of time, each of so many steps.

    Collective over the ranks of `fft`.
    """
    states = [theta_hat]
    product = right_side(fft, kappa)
    for half, phase in enumerate(phases):
        u = velocity(fft, half, phase, speed)

        def slope(modes: Array, u: Sequence[Array] = u) -> Array:
            return np.asarray(product(modes, np.empty_like(modes), u, theta_hat=modes))

        for _ in range(steps):
            theta_hat = rk4(slope, theta_hat, 0.5 / steps)
        states.append(theta_hat)
    return states


def plan(comm: MPI.Intracomm, n: int) -> PFFT:
    """Return the transform between n x n modes and 3/2 as many points along each axis. Collective over `comm`."""
    return PFFT(comm, (n, n), padding=3 / 2)


def main(
    n: int = 96, speed: float = 5.0, kappa: float = 2e-3, end: int = 5, steps: int = 60, path: str = "mixing.png"
) -> None:
    """Print the variance, and draw the dye. Collective over MPI.COMM_WORLD."""
    from mpi4py_pencil.plotting import Curves, Plane, plot_panels, save

    comm = MPI.COMM_WORLD
    fft = plan(comm, n)
    dye = fft.empty_input()
    dye[...] = np.cos(fft.local_mesh()[0])
    phases = np.random.default_rng(1).uniform(0, 2 * np.pi, 2 * end).tolist()
    states = mixed(fft, fft.forward(dye), phases, speed, kappa, steps)
    times = np.arange(len(states)) / 2
    variances = np.array([2 * spectral.energy(fft, state) for state in states])
    if comm.rank == 0:
        print(f"Mixing by a flow of shears, {n} x {n} modes, {comm.size} rank{'s' * (comm.size > 1)}\n")
        print(f"{'time':>6}{'variance':>12}")
        for time, variance in zip(times, variances, strict=True):
            print(f"{time:>6.1f}{variance:>12.3e}")
    planes = []
    for chosen in (1, 2, 5):
        whole = gathered(comm, fft.backward(states[chosen]), fft.local_slice(False), fft.global_shape(False))
        planes.append(Plane(f"Dye at t = {times[chosen]:g}", whole))
    if comm.rank == 0:
        curve = Curves("Variance of the dye", "Time", "⟨θ²⟩", {f"κ = {kappa:g}": (times, variances)}, "semilogy")
        save(plot_panels([*planes, curve], "A dye mixed by shears", f"{n} x {n} modes, 3/2 padding"), path)
        print(f"\nWrote {path}")


if __name__ == "__main__":
    main()
