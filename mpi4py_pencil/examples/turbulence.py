"""Decaying turbulence in two dimensions: a solver to read, to run and to copy.

The vorticity ω of an incompressible fluid in the periodic box [0, 2π)² is carried along by its own velocity,

    ∂ω/∂t = -u·∇ω + ν ∇²ω,    ω = ∂u₁/∂x₀ - ∂u₀/∂x₁,    ∇·u = 0.

From a random field, vortices form, merge and grow, while enstrophy is lost at small scales and energy is nearly kept.
Under a Fourier transform ∇ becomes ik and u a factor of ω; the product alone is formed in space, where `advection` says
what it is at the points of a tile: no field is there as a whole. Of n points along an axis there are modes with wave
numbers below n/3 alone, so that it has no aliases. Viscosity is integrated exactly (`etdrk4`).

``mpiexec -n 2 python -m mpi4py -m mpi4py_pencil.examples.turbulence`` prints energy and enstrophy and draws the
vorticity at the start and at the end, and the spectra, into ``turbulence.png``, which takes matplotlib (the extra
"cli").

Sources: J. C. McWilliams, J. Fluid Mech. 146 (1984), such simulations, and the spectrum that they start from; G. K.
Batchelor, Phys. Fluids 12, suppl. II (1969), what becomes of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from mpi4py_pencil import PFFT, spectral
from mpi4py_pencil.examples.gathering import gathered
from mpi4py_pencil.examples.stepping import etdrk4

Array = NDArray[Any]


def velocity_and_slope(w_hat: Array, out: Array, k: Sequence[Array]) -> None:
    """Fill `out` with the modes of the velocity and of the gradient of the vorticity ω."""
    u, slope = out[:2], out[2:]
    for i in range(2):
        np.multiply(1j * k[i], w_hat, out=slope[i])
    squares = np.maximum(k[0] ** 2 + k[1] ** 2, 1)
    np.divide(slope[1], squares, out=u[0])
    np.divide(slope[0], -squares, out=u[1])


def advection(x: Array, out: Array) -> None:
    """Fill `out` with -u·∇ω at each point, of the velocity and the gradient of the vorticity there."""
    u, slope = x[:2], x[2:]
    np.multiply(u[0], -slope[0], out=out)
    out -= u[1] * slope[1]


def flow(fft: PFFT, w_hat: Array, nu: float, dt: float) -> Iterator[Array]:
    """Yield the modes of the vorticity after each step. Collective over the ranks of `fft`."""
    k = fft.wavenumbers()
    step = etdrk4(-nu * (k[0] ** 2 + k[1] ** 2), dt)
    slope = fft.pointwise(advection, inputs=4, before=velocity_and_slope)
    while True:
        w_hat = step(slope, w_hat)
        yield w_hat


def plan(comm: MPI.Intracomm, n: int) -> PFFT:
    """Return the transform between n x n points and the modes that the 2/3 rule keeps. Collective over `comm`."""
    modes = 2 * ((n - 1) // 3) + 1
    return PFFT(comm, (modes, modes), padding=n / modes)


def random_vorticity(fft: PFFT, seed: int) -> Array:
    """Return the modes of a random vorticity of the energy 1/2 around k = 6. Collective over the ranks of `fft`."""
    w_hat = spectral.random_field(fft, lambda k: k**3 / (1 + (k / 6) ** 4) ** 3, seed)
    w_hat /= np.sqrt(2 * spectral.energy(fft, spectral.inverse_curl(fft, w_hat)))
    return w_hat


def main(n: int = 128, nu: float = 1e-3, dt: float = 0.01, end: float = 10.0, path: str = "turbulence.png") -> None:
    """Print energy and enstrophy, and draw the flow. Collective over MPI.COMM_WORLD."""
    from mpi4py_pencil.plotting import Curves, Plane, plot_panels, save

    comm = MPI.COMM_WORLD
    fft = plan(comm, n)
    w_hat = random_vorticity(fft, seed=1)
    steps = round(end / dt)
    planes, curves = [], {}
    if comm.rank == 0:
        print(f"Turbulence in two dimensions, {n} x {n} points, {comm.size} rank{'s' * (comm.size > 1)}\n")
        print(f"{'time':>6}{'energy':>12}{'enstrophy':>12}")
    states = flow(fft, w_hat, nu, dt)
    for done in range(steps + 1):
        if done > 0:
            w_hat = next(states)
        if done % (steps // 10) == 0:
            u_hat = spectral.inverse_curl(fft, w_hat)
            energy, enstrophy = spectral.energy(fft, u_hat), spectral.energy(fft, w_hat)
            if comm.rank == 0:
                print(f"{done * dt:>6.1f}{energy:>12.6f}{enstrophy:>12.6f}", flush=True)
        if done in (0, steps):
            k, energies = spectral.spectrum(fft, u_hat)
            curves[f"t = {done * dt:g}"] = k[1 : n // 3], energies[1 : n // 3]
            whole = gathered(comm, fft.backward(w_hat), fft.local_slice(False), fft.global_shape(False))
            planes.append(Plane(f"Vorticity at t = {done * dt:g}", whole))
    if comm.rank == 0:
        spectra = Curves("Energy spectrum", "Wavenumber k", "E(k)", curves, "loglog", least=1e-9)
        save(plot_panels([*planes, spectra], "Decaying turbulence in two dimensions", f"{n} x {n} points"), path)
        print(f"\nWrote {path}")


if __name__ == "__main__":
    main()
