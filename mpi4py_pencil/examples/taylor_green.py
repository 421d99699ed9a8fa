"""The Taylor-Green vortex by a pseudo-spectral method: a solver to read, to run and to copy.

The incompressible Navier-Stokes equations on the periodic box [0, 2π)³, in rotational form,

    ∂u/∂t = u × ω - ∇(p + |u|²/2) + ν ∇²u,    ∇·u = 0,    ω = ∇ × u,

start from Taylor and Green's vortex and are advanced by the classical fourth-order Runge-Kutta method. Under
a Fourier transform ∇ becomes ik, the pressure becomes a projection, and only the product u × ω is formed in
physical space:

    dû/dt = P·F(u × ω) - ν k² û,    P = 1 - k k·/k².

Everything that knows about parallelism is the `PFFT`: it says which wavenumbers and which points this rank
holds, and its `forward` and `backward` take a vector field, component axis first, in one call.

Sources: G. I. Taylor and A. E. Green, Proc. R. Soc. Lond. A 158 (1937), the vortex; M. E. Brachet et al.,
J. Fluid Mech. 130 (1983), its direct simulation; M. Mortensen and H. P. Langtangen, Comput. Phys. Commun. 203
(2016), the structure of a pseudo-spectral solver in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from mpi4py_pencil import PFFT, newDistArray, spectral

Array = NDArray[Any]

# The classical Runge-Kutta method: the weight of each slope, and how far along it the next stage lies.
WEIGHTS = (1 / 6, 1 / 3, 1 / 3, 1 / 6)
ADVANCES = (1 / 2, 1 / 2, 1, None)


class NavierStokes:
    """A velocity field in the periodic box, and the means to advance it in time.

    Collective over `comm`, as is every method but `project`.

    Parameters
    ----------
    comm : mpi4py.MPI.Intracomm
        The ranks that share the field.
    shape : sequence of three int
        Fourier modes along each axis.
    nu : float
        Kinematic viscosity, 0 or more. Lengths are in units of the box size / 2π.
    dt : float
        Time step.
    dealias : {"mask", "3/2"}
        How the aliases of the product are removed: "mask" drops the upper third of the wavenumbers, keeping
        |kᵢ| < (2/3)(nᵢ/2 + 1); "3/2" forms the product on a grid 1.5 times as fine along each axis.
    dtype : {"float64", "float32"}
        Precision of the velocity.
    grid : sequence of three int, optional
        Number of ranks along each axis, 1 along the last; chosen when absent.
    method : str
        Exchange method of `PFFT`.

    Attributes
    ----------
    u_hat : DistArray, complex, (3, *local spectral shape)
        The velocity; its Fourier coefficients are scaled such that the mean is `u_hat[:, 0, 0, 0]`.
    cutoff : list of int
        Largest wavenumber kept along each axis.
    steps : int
        How many steps `u_hat` has been advanced.

    Raises
    ------
    ValueError
        If `dealias` is unknown, or if `PFFT` cannot be made from the other arguments.
    """

    def __init__(
        self,
        comm: MPI.Intracomm,
        shape: Sequence[int],
        nu: float,
        dt: float,
        dealias: str = "mask",
        dtype: str = "float64",
        grid: Sequence[int] | None = None,
        method: str = "auto",
    ) -> None:
        if dealias not in ("mask", "3/2"):
            raise ValueError(f"dealias is {dealias!r}; it must be 'mask' or '3/2'")
        padding = [1.5] * 3 if dealias == "3/2" else None
        self.fft = PFFT(comm, shape, dtype=np.dtype(dtype), grid=grid, padding=padding, method=method)
        self.comm, self.shape, self.nu, self.dt, self.steps = comm, tuple(shape), nu, dt, 0
        self.k = self.fft.wavenumbers()
        self.cutoff = [largest_kept(n, dealias) for n in self.shape]
        self.kept = [abs(k) <= largest for k, largest in zip(self.k, self.cutoff, strict=True)]
        self.u_hat, self.start, self.sum, self.slope = [newDistArray(self.fft, True, rank=1) for _ in "1234"]
        self.u, self.w = [newDistArray(self.fft, False, rank=1) for _ in "12"]

    @property
    def time(self) -> float:
        """How far the velocity has been advanced."""
        return self.steps * self.dt

    def set_velocity(self, velocity: Callable[..., tuple[Any, Any, Any]]) -> None:
        """Take the velocity from a function of the coordinates of the points, and set the time to zero.

        Parameters
        ----------
        velocity : callable
            Called with arrays x, y, z that broadcast to this rank's block; returns the three components.
        """
        for component, values in zip(self.u, velocity(*self.fft.local_mesh()), strict=True):
            component[...] = values
        self.fft.forward(self.u, self.u_hat)
        self.project(self.u_hat)
        self.steps = 0

    def step(self) -> None:
        """Advance the velocity by one time step."""
        self.start[...] = self.sum[...] = self.u_hat
        for weight, advance in zip(WEIGHTS, ADVANCES, strict=True):
            self.find_slope()
            for s in slabs(self.u_hat):
                self.sum[:, s] += weight * self.dt * self.slope[:, s]
                if advance is None:
                    self.u_hat[:, s] = self.sum[:, s]
                else:
                    self.u_hat[:, s] = self.start[:, s] + advance * self.dt * self.slope[:, s]
        self.steps += 1

    def find_slope(self) -> None:
        """Set `slope` to the time derivative of `u_hat`: P·F(u × ω) - ν k² û."""
        self.fft.backward(self.u_hat, self.u)
        self.find_vorticity()
        spectral.cross(self.u, self.w, out=self.w)
        self.fft.forward(self.w, self.slope)
        self.project(self.slope)
        for s in slabs(self.slope):
            self.slope[:, s] -= self.nu * self.k_squared(s) * self.u_hat[:, s]

    def find_vorticity(self) -> None:
        """Set `w` to the vorticity on this rank's points; `slope` is used up."""
        spectral.curl(self.fft, self.u_hat, out=self.slope)
        self.fft.backward(self.slope, self.w)

    def project(self, a: Array) -> None:
        """Remove from `a`, in place, the dealiased wavenumbers and the gradient: a - k (k·a)/k²."""
        for s in slabs(a):
            k = [self.k[0][s], self.k[1], self.k[2]]
            a[:, s] *= self.kept[0][s] & self.kept[1] & self.kept[2]
            gradient = (k[0] * a[0, s] + k[1] * a[1, s] + k[2] * a[2, s]) / np.maximum(self.k_squared(s), 1)
            for i in range(3):
                a[i, s] -= k[i] * gradient

    def k_squared(self, s: slice) -> Array:
        """Return k² of the slab `s`; wavenumbers are integers, so 1 is the least but zero."""
        return np.asarray(self.k[0][s] ** 2 + self.k[1] ** 2 + self.k[2] ** 2)

    def energy_and_dissipation(self) -> tuple[float, float]:
        """Return the mean kinetic energy <|u|²>/2 and the mean dissipation ν<|ω|²>, the same on every rank.

        `slope` is used up.

        Returns
        -------
        energy, dissipation : float
        """
        vorticity = spectral.curl(self.fft, self.u_hat, out=self.slope)
        return spectral.energy(self.fft, self.u_hat), 2 * self.nu * spectral.energy(self.fft, vorticity)

    def spectrum(self) -> Array:
        """Return the kinetic energy in shells, of the wavenumbers that round to 0, to 1, to 2, …, on every rank.

        The sum of all shells is the kinetic energy.

        Returns
        -------
        ndarray of float64
        """
        return spectral.spectrum(self.fft, self.u_hat)[1]

    def vorticity_slice(self, index: int) -> Array | None:
        """Return |ω| on the plane z = 2π index/n of the n points along z; only this plane is sent to rank 0.

        Returns
        -------
        ndarray of float64, (points along x, points along y), or None on every rank but 0
        """
        self.find_vorticity()
        w = np.asarray(self.w[..., index], dtype=float)
        parts = self.comm.gather((self.fft.local_slice(False)[:2], np.sqrt((w**2).sum(axis=0))))
        if parts is None:
            return None
        plane = np.empty(self.fft.global_shape(False)[:2])
        for here, values in parts:
            plane[here] = values
        return plane


def taylor_green(x: Array, y: Array, z: Array) -> tuple[Array, Array, int]:
    """Return the velocity of the Taylor-Green vortex, of kinetic energy 1/8, at points in [0, 2π)³."""
    return np.sin(x) * np.cos(y) * np.cos(z), -np.cos(x) * np.sin(y) * np.cos(z), 0


def largest_kept(n: int, dealias: str) -> int:
    """Return the largest |k| that dealiasing keeps along an axis of n modes.

    It is below n/2 in any case: on an even number of points, the derivative of the highest cosine vanishes.
    """
    bound = n / 2 if dealias == "3/2" else min(n / 2, 2 / 3 * (n / 2 + 1))
    return int(np.ceil(bound)) - 1


def slabs(a: Array, size: int = 2**14) -> list[slice]:
    """Return slices of the first spatial axis of a vector field: what is made of each stays in cache.

    Expressions on whole arrays would make whole temporary arrays, and a trip through memory an operator.
    """
    rows = max(1, size // max(1, a.shape[2] * a.shape[3]))
    return [slice(i, i + rows) for i in range(0, a.shape[1], rows)]


def steps_to(end: float, dt: float) -> tuple[int, float]:
    """Return number and length of the time steps to `end`: `dt`, or less where `dt` does not divide it."""
    steps = max(1, int(np.ceil(end / dt * (1 - 1e-9))))
    return steps, dt if abs(steps * dt - end) <= 1e-9 * end else end / steps


def run(
    solver: NavierStokes,
    steps: int,
    every: int,
    report: Callable[[float, float, float, float | None], None],
    tick: Callable[[], Any] = lambda: None,
    interrupted: Callable[[], bool] = lambda: False,
) -> bool:
    """Advance `solver` by `steps` steps, and report now and then.

    Collective over the solver's communicator.

    Parameters
    ----------
    solver : NavierStokes
    steps, every : int
        How many steps, and how many between two reports; the first and the last state are always reported.
    report : callable
        Called as ``report(time, energy, dissipation, seconds)``, with the mean wall-clock seconds a step has
        taken since the last report (None at first).
    tick : callable
        Called after each step.
    interrupted : callable
        Asked after each step; when it says True on any rank, all stop after that step.

    Returns
    -------
    bool
        Whether all steps were made.

    Raises
    ------
    FloatingPointError
        On every rank, if the kinetic energy, which can but decay, has doubled or is no number: it blew up.
    """
    first, dissipation = solver.energy_and_dissipation()
    report(solver.time, first, dissipation, None)
    done, clock = 0, MPI.Wtime()
    with np.errstate(over="ignore", invalid="ignore"):  # a run that blows up is known by its energy
        for step in range(1, steps + 1):
            solver.step()
            tick()
            stop = solver.comm.allreduce(bool(interrupted()), MPI.LOR)
            if stop or step % every == 0 or step == steps:
                seconds = (MPI.Wtime() - clock) / (step - done)
                energy, dissipation = solver.energy_and_dissipation()
                if not energy <= 2 * first:
                    raise FloatingPointError(f"the run blew up before t = {solver.time:g}: energy {energy:g}")
                report(solver.time, energy, dissipation, seconds)
                done, clock = step, MPI.Wtime()
            if stop:
                return False
    return True
