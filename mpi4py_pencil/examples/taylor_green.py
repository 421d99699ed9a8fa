"""The Taylor-Green vortex by a pseudo-spectral method: a solver to read, to run and to copy.

The incompressible Navier-Stokes equations on the periodic box [0, 2π)³, in rotational form,

    ∂u/∂t = u × ω - ∇(p + |u|²/2) + ν ∇²u,    ∇·u = 0,    ω = ∇ × u,

start from Taylor and Green's vortex and are advanced by the classical fourth-order Runge-Kutta method. Under
a Fourier transform ∇ becomes ik, the pressure becomes a projection, and only the product u × ω is formed in
physical space:

    dû/dt = P·F(u × ω) - ν k² û,    P = 1 - k k·/k².

Everything that knows about parallelism is the `PFFT`: it says which wavenumbers and which points this rank
holds, its `forward` and `backward` take a vector field, component axis first, in one call, and its `pointwise` applies
a function of modes, the vorticity of û, and one of points, the product, to tiles in cache: neither the six fields nor
u × ω are ever there as a whole.

Sources: G. I. Taylor and A. E. Green, Proc. R. Soc. Lond. A 158 (1937), the vortex; M. E. Brachet et al.,
J. Fluid Mech. 130 (1983), its direct simulation; M. Mortensen and H. P. Langtangen, Comput. Phys. Commun. 203
(2016), the structure of a pseudo-spectral solver in Python.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from mpi4py_pencil import PFFT, files, newDistArray, spectral
from mpi4py_pencil.examples.gathering import gathered

Array = NDArray[Any]

# The classical Runge-Kutta method: the weight of each slope, and how far along it the next stage lies.
WEIGHTS = (1 / 6, 1 / 3, 1 / 3, 1 / 6)
ADVANCES = (1 / 2, 1 / 2, 1, None)


class NavierStokes:
    """A velocity field in the periodic box, and the means to advance it in time.

    Collective over `comm`, as is every method but `project` and what works on tiles.

    Parameters
    ----------
    comm : mpi4py.MPI.Intracomm
        The ranks that share the field.
    shape : sequence of three int
        How fine the velocity is along each axis: with "3/2" the Fourier modes, with "mask" the points.
    nu : float
        Kinematic viscosity, 0 or more. Lengths are in units of the box size / 2π.
    dt : float
        Time step.
    dealias : {"mask", "3/2"}
        How the aliases of the product are removed: "mask" leaves out the upper third of the wavenumbers that n points
        have, keeping |kᵢ| < nᵢ/3; "3/2" forms the product on a grid of 1.5 times as many points. Either way only modes
        that are kept are stored, and transformed: the plan is padded.
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
    start_time : float
        What the time was before these steps.

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
        self.shape = tuple(map(operator.index, shape))
        self.cutoff = [largest_kept(n, dealias) for n in self.shape]
        modes = [2 * largest + 1 for largest in self.cutoff]
        points = [n * 3 // 2 if dealias == "3/2" else n for n in self.shape]
        padding = [n / m for n, m in zip(points, modes, strict=True)]
        self.fft = PFFT(comm, modes, dtype=np.dtype(dtype), grid=grid, padding=padding, method=method)
        self.comm, self.nu, self.dt = comm, nu, dt
        self.steps, self.start_time = 0, 0.0
        self.k = self.fft.wavenumbers()
        self.u_hat, self.start, self.sum, self.slope = [newDistArray(self.fft, True, rank=1) for _ in "1234"]
        self.product = self.fft.pointwise(cross, inputs=6, outputs=3, before=with_vorticity)

    @property
    def time(self) -> float:
        """How far the velocity has been advanced."""
        return self.start_time + self.steps * self.dt

    def save(self, checkpoints: files.Checkpoints) -> None:
        """Begin to save the velocity and the time; it is written while the next steps are made."""
        checkpoints.save(self.steps, {"u_hat": (self.u_hat, self.fft.output)}, wait=False, time=self.time)

    def restore(self, checkpoints: files.Checkpoints) -> None:
        """Take the velocity and the time from the last checkpoint, of any number of modes and ranks."""
        step, state, attrs = checkpoints.load(like={"u_hat": self.fft.output})
        self.u_hat[...] = state["u_hat"]
        self.project(self.u_hat)
        self.steps, self.start_time = step, attrs["time"] - step * self.dt

    def set_velocity(self, velocity: Callable[..., tuple[Any, Any, Any]]) -> None:
        """Take the velocity from a function of the coordinates of the points, and set the time to zero.

        Parameters
        ----------
        velocity : callable
            Called with arrays x, y, z that broadcast to this rank's block; returns the three components.
        """
        u = newDistArray(self.fft, False, rank=1)
        for component, values in zip(u, velocity(*self.fft.local_mesh()), strict=True):
            component[...] = values
        self.fft.forward(u, self.u_hat)
        self.project(self.u_hat)
        self.steps, self.start_time = 0, 0.0

    def step(self) -> None:
        """Advance the velocity by one time step."""
        for number in range(len(WEIGHTS)):
            self.product(self.u_hat, self.slope)
            for s in slabs(self.u_hat):
                slope, u_hat, start, total = (a[:, s] for a in (self.slope, self.u_hat, self.start, self.sum))
                self.advance(slope, u_hat, start, total, [self.k[0][s], self.k[1], self.k[2]], number)
        self.steps += 1

    def advance(self, slope: Array, u_hat: Array, start: Array, total: Array, k: Sequence[Array], number: int) -> None:
        """Make `u_hat` that of the next Runge-Kutta stage, where `slope` comes as F(u × ω) of the present one."""
        # all factors are real: numpy would make complex numbers of them, at twice the work
        slope, u_hat, start, total = (pairs(each) for each in (slope, u_hat, start, total))
        k = [k[0], k[1], np.repeat(k[2], 2, axis=-1)]
        self.project_tile(slope, k)
        if number == 0:
            start[...] = total[...] = u_hat
        slope -= self.nu * squared(k) * u_hat
        along = ADVANCES[number]
        if along is None:
            np.add(total, self.dt * WEIGHTS[number] * slope, out=u_hat)
        else:
            total += self.dt * WEIGHTS[number] * slope
            slope *= self.dt * along
            np.add(start, slope, out=u_hat)

    def project_tile(self, a: Array, k: Sequence[Array]) -> None:
        """Remove from `a`, in place, the gradient: a - k (k·a)/k²."""
        gradient = k[0] * a[0] + k[1] * a[1] + k[2] * a[2]
        gradient /= np.maximum(squared(k), 1)
        for i in range(3):
            a[i] -= k[i] * gradient

    def project(self, a: Array) -> None:
        """Remove the same from all of this rank's modes."""
        for s in slabs(a):
            self.project_tile(a[:, s], [self.k[0][s], self.k[1], self.k[2]])

    def energy_and_dissipation(self) -> tuple[float, float]:
        """Return the mean kinetic energy <|u|²>/2 and the mean dissipation ν<|ω|²>, the same on every rank.

        Returns
        -------
        energy, dissipation : float
        """
        vorticity = spectral.curl(self.fft, self.u_hat)
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
        vorticity = self.fft.backward(spectral.curl(self.fft, self.u_hat))
        w = np.asarray(vorticity[..., index], dtype=float)
        where, shape = self.fft.local_slice(False)[:2], self.fft.global_shape(False)[:2]
        return gathered(self.comm, np.sqrt((w**2).sum(axis=0)), where, shape)


def taylor_green(x: Array, y: Array, z: Array) -> tuple[Array, Array, int]:
    """Return the velocity of the Taylor-Green vortex, of kinetic energy 1/8, at points in [0, 2π)³."""
    return np.sin(x) * np.cos(y) * np.cos(z), -np.cos(x) * np.sin(y) * np.cos(z), 0


def squared(k: Sequence[Array]) -> Array:
    """Return k²; wavenumbers are integers, so 1 is the least but zero."""
    return np.asarray(k[0] ** 2 + k[1] ** 2 + k[2] ** 2)


def pairs(a: Array) -> Array:
    """Return complex numbers as real and imaginary parts in turn, in the same memory."""
    return a.view(a.real.dtype)


def with_vorticity(u_hat: Array, out: Array, k: Sequence[Array]) -> None:
    """Fill `out` with the velocity û and its vorticity ik × û."""
    u, w = out[:3], out[3:]
    u[...] = u_hat
    for i, j, m in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        np.multiply(1j * k[j], u[m], out=w[i])
        w[i] -= 1j * k[m] * u[j]


def cross(x: Array, out: Array) -> None:
    """Fill `out` with u × ω, of which `x` has all six components."""
    u, w = x[:3], x[3:]
    for i, j, m in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        np.multiply(u[j], w[m], out=out[i])
        out[i] -= u[m] * w[j]


def largest_kept(n: int, dealias: str) -> int:
    """Return the largest |k| that dealiasing keeps along an axis of n modes, or points.

    It is below n/2 in any case: on an even number of points, the derivative of the highest cosine vanishes. On n points
    a sum of two that are below n/3 is taken for none that is below n/3 too.
    """
    return (n - 1) // 2 if dealias == "3/2" else (n - 1) // 3


def slabs(a: Array, size: int = 2**15) -> list[slice]:
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
