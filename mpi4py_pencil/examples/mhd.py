"""A conducting fluid and its magnetic field, the vortex of Orszag and Tang: a solver to read, to run and to copy.

The incompressible equations of magnetohydrodynamics in the periodic box [0, 2π)³, in Alfvén's units,

    ∂u/∂t = u × ω + j × b - ∇p + ν ∇²u,    ω = ∇ × u,    ∇·u = 0,
    ∂b/∂t = ∇ × (u × b) + η ∇²b,           j = ∇ × b,    ∇·b = 0.

Under a Fourier transform ∇ becomes ik and the pressure, which holds all gradients, a projection. Two products are
formed in space: `force_and_induction` says what they are at a point, of fields that are there in tiles only. Of n
points along an axis there are modes with wave numbers below n/3 alone, so that the products have no aliases. The total
energy is lost to viscosity and resistance alone,

    d/dt ⟨|u|² + |b|²⟩/2 = -ν ⟨|ω|²⟩ - η ⟨|j|²⟩,

and most of it in thin sheets of current, which form in less than a turn of the vortex.

``mpiexec -n 2 python -m mpi4py -m mpi4py_pencil.examples.mhd`` prints the energies, and draws the current on a plane
and the spectra into ``mhd.png``, which takes matplotlib (the extra "cli"). Called with a directory, ``… mhd run``, it
saves the state there with every row, and goes on from the last one when it is started again, on any number of ranks.

Sources: S. A. Orszag and C.-M. Tang, J. Fluid Mech. 90 (1979), the vortex in two dimensions; P. D. Mininni, A. G.
Pouquet and D. C. Montgomery, Phys. Rev. Lett. 97 (2006), in three.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from mpi4py_pencil import PFFT, files, spectral
from mpi4py_pencil.examples.gathering import gathered
from mpi4py_pencil.examples.stepping import rk4
from mpi4py_pencil.pointwise import Pointwise

Array = NDArray[Any]


def with_curls(state: Array, out: Array, k: Sequence[Array]) -> None:
    """Fill `out` with the modes of u, b, ω and j, of those of u and b."""
    out[:2] = state
    for field, curl in zip(state, out[2:], strict=True):
        for i, j, m in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
            curl[i] = 1j * (k[j] * field[m] - k[m] * field[j])


def force_and_induction(fields: Array, out: Array) -> None:
    """Fill `out` with u × ω + j × b and u × b at each point, where the fields are u, b, ω and j."""
    u, b, w, j = fields
    out[0] = spectral.cross(u, w) + spectral.cross(j, b)
    out[1] = spectral.cross(u, b)


def right_side(product: Pointwise, state: Array, nu: float, eta: float) -> Array:
    """Return the time derivatives of the modes of u and b, ``state[0]`` and ``state[1]``. Collective."""
    fft, (u_hat, b_hat) = product.fft, state
    force, induction = product(state)
    slope = np.empty_like(state)
    slope[0] = spectral.project(fft, force) + nu * spectral.laplacian(fft, u_hat)
    slope[1] = spectral.curl(fft, induction) + eta * spectral.laplacian(fft, b_hat)
    return slope


def orszag_tang(fft: PFFT) -> Array:
    """Return the modes of u and b, (2, 3, …): a vortex along z and a field that is nowhere alike. Collective."""
    x, y, z = fft.local_mesh()
    u, b = fft.empty_input(rank=1), fft.empty_input(rank=1)
    u[0], u[1], u[2] = -2 * np.sin(y), 2 * np.sin(x), 0
    b[0], b[1], b[2] = -2 * np.sin(2 * y) + np.sin(z), 2 * np.sin(x) + np.sin(z), np.sin(x) + np.sin(y)
    b *= 0.8
    state = fft.output.empty((2, 3))
    state[0], state[1] = fft.forward(u), fft.forward(b)
    return state


def begun(fft: PFFT, checkpoints: files.Checkpoints | None) -> tuple[int, Array]:
    """Return how many steps have been made, and the state after them: that of an earlier run, if there is one."""
    if checkpoints is None or checkpoints.latest() is None:
        return 0, orszag_tang(fft)
    step, found, _ = checkpoints.load(like={"state": fft.output})
    return step, found["state"]


def energies(fft: PFFT, state: Array) -> tuple[float, float]:
    """Return ⟨|u|²⟩/2 and ⟨|b|²⟩/2, the same on every rank. Collective over the ranks of `fft`."""
    return spectral.energy(fft, state[0]), spectral.energy(fft, state[1])


def plan(comm: MPI.Intracomm, n: int) -> Pointwise:
    """Return the products, whose `fft` goes between n³ points and the modes that the 2/3 rule keeps. Collective."""
    modes = 2 * ((n - 1) // 3) + 1
    fft = PFFT(comm, (modes, modes, modes), padding=n / modes)
    return fft.pointwise(force_and_induction, inputs=(4, 3), outputs=(2, 3), before=with_curls)


def main(
    n: int = 48,
    nu: float = 0.02,
    eta: float = 0.02,
    dt: float = 0.02,
    end: float = 1.0,
    path: str = "mhd.png",
    directory: str | None = None,
) -> None:
    """Print the energies, and draw the current. Collective over MPI.COMM_WORLD."""
    from mpi4py_pencil.plotting import Curves, Plane, plot_panels, save

    comm = MPI.COMM_WORLD
    product = plan(comm, n)
    fft = product.fft
    checkpoints = None if directory is None else files.Checkpoints(directory)
    first, state = begun(fft, checkpoints)
    steps = round(end / dt)
    if comm.rank == 0:
        print(f"The vortex of Orszag and Tang, {n} x {n} x {n} points, {comm.size} rank{'s' * (comm.size > 1)}\n")
        print(f"{'time':>6}{'kinetic':>12}{'magnetic':>12}")
    for done in range(first, steps + 1):
        if done > first:
            state = rk4(lambda modes: right_side(product, modes, nu, eta), state, dt)
        if done % (steps // 5) == 0:
            kinetic, magnetic = energies(fft, state)
            if comm.rank == 0:
                print(f"{done * dt:>6.2f}{kinetic:>12.6f}{magnetic:>12.6f}", flush=True)
            if checkpoints is not None and done > first:
                checkpoints.save(done, {"state": (state, fft.output)}, wait=False)  # while the next steps are made
    current = fft.backward(spectral.curl(fft, state[1]))[..., n // 4]
    where, shape = fft.local_slice(False)[:2], fft.global_shape(False)[:2]
    whole = gathered(comm, np.sqrt((np.asarray(current) ** 2).sum(axis=0)), where, shape)
    spectra = {name: spectral.spectrum(fft, part) for name, part in zip(("kinetic", "magnetic"), state, strict=True)}
    if comm.rank == 0:
        curves = {name: (k[1 : n // 3], e[1 : n // 3]) for name, (k, e) in spectra.items()}
        panels: list[Plane | Curves] = [
            Plane(f"Current |j| on the plane z = π/2 at t = {end:g}", whole),
            Curves("Energy spectra", "Wavenumber k", "E(k)", curves, "loglog", least=1e-12),
        ]
        save(plot_panels(panels, "The vortex of Orszag and Tang", f"{n} x {n} x {n} points"), path)
        print(f"\nWrote {path}")


if __name__ == "__main__":
    main(directory=sys.argv[1] if len(sys.argv) > 1 else None)
