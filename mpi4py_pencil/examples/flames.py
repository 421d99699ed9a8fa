"""The Kuramoto-Sivashinsky equation on a line that is divided among the ranks: a solver to read, to run and to copy.

    ∂u/∂t = -u ∂u/∂x - ∂²u/∂x² - ∂⁴u/∂x⁴,    u periodic on [0, L).

The second derivative feeds long waves, the fourth damps short ones, and the product carries energy from one to the
other: fronts, such as those of flames, that drift, split and merge for ever. A wave of the wave number k alone grows at
first like exp((k² - k⁴) t).

One line is transformed by `FFT1D`, whose points are divided as evenly as can be. u² / 2, whose slope the product is, is
formed on 3/2 as many points, where it has no aliases; the stiff linear part is integrated exactly (`etdrk4`).

``mpiexec -n 2 python -m mpi4py -m mpi4py_pencil.examples.flames`` prints the energy and draws u over space and time
into ``flames.png``, which takes matplotlib (the extra "cli").

Sources: Y. Kuramoto and T. Tsuzuki, Prog. Theor. Phys. 55 (1976); G. I. Sivashinsky, Acta Astronautica 4 (1977); A.-K.
Kassam and L. N. Trefethen, SIAM J. Sci. Comput. 26 (2005), the start and the method.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from mpi4py_pencil import FFT1D
from mpi4py_pencil.examples.gathering import gathered
from mpi4py_pencil.examples.stepping import etdrk4

Array = NDArray[Any]


def flux(u: Array) -> Array:
    """Return -u²/2 at each point."""
    return -(u**2) / 2


def right_side(fft: FFT1D, u_hat: Array, k: Array) -> Array:
    """Return the modes of the slope of -u²/2. Collective over the ranks of `fft`."""
    return 1j * k * fft.forward(flux(fft.backward(u_hat)))


def advanced(fft: FFT1D, u_hat: Array, length: float, dt: float, steps: int, every: int) -> list[Array]:
    """Return the modes at the start and after every so many steps. Collective over the ranks of `fft`."""
    (k,) = fft.wavenumbers(length)
    step = etdrk4(k**2 - k**4, dt)
    states = [u_hat]
    for done in range(1, steps + 1):
        u_hat = step(lambda modes: right_side(fft, modes, k), u_hat)
        if done % every == 0:
            states.append(u_hat)
    return states


def plan(comm: MPI.Intracomm, n: int) -> FFT1D:
    """Return the transform between 3n/2 real points and the modes of n. Collective over `comm`.

    n is odd: all modes have a partner of the other sign, and so a slope.
    """
    return FFT1D(comm, n, float, padding=3 / 2)


def main(
    n: int = 255, length: float = 64 * np.pi, dt: float = 0.25, end: float = 200.0, path: str = "flames.png"
) -> None:
    """Print the energy, and draw the fronts. Collective over MPI.COMM_WORLD."""
    from mpi4py_pencil.plotting import Plane, plot_panels, save

    comm = MPI.COMM_WORLD
    fft = plan(comm, n)
    (x,) = fft.local_mesh(length)
    q = 2 * np.pi / length
    u_hat = fft.forward(np.cos(q * x) * (1 + np.sin(q * x)) + 0.1 * np.cos(4 * q * x))
    states = advanced(fft, u_hat, length, dt, round(end / dt), every=2)
    lines = [gathered(comm, fft.backward(state), fft.local_slice(False), fft.global_shape(False)) for state in states]
    if comm.rank == 0:
        u = np.array(lines)
        print(f"Fronts of Kuramoto and Sivashinsky, {fft.points} points, {comm.size} rank{'s' * (comm.size > 1)}\n")
        print(f"{'time':>6}{'energy':>12}")
        for row in range(0, len(u), len(u) // 10):
            print(f"{2 * dt * row:>6.1f}{np.mean(u[row] ** 2) / 2:>12.6f}")
        plane = Plane("u", u.T, (0, length, 0, end), ("x", "Time"), width=1.6)
        save(plot_panels([plane], "The Kuramoto-Sivashinsky equation", f"{n} modes, {fft.points} points"), path)
        print(f"\nWrote {path}")


if __name__ == "__main__":
    main()
