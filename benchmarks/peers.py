"""Ours and the libraries next to it, each as a planned transform of this rank's blocks."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from types import ModuleType
from typing import Any, NamedTuple

import fftw
import numpy as np
from fields import Array, Slices
from mpi4py import MPI
from rows import Row

import mpi4py_pencil

OURS = "mpi4py-pencil"


class Planned(NamedTuple):
    """A transform that is ready to run, on the caller's arrays; forward scales.

    Attributes
    ----------
    forward, backward : callable
        From `u` to `u_hat`, and from `u_hat` to `back`. Collective.
    u, u_hat, back : ndarray
        This rank's blocks.
    where : pair of tuples of slice
        The blocks of points and of modes in the whole.
    """

    forward: Callable[[], Any]
    backward: Callable[[], Any]
    u: Array
    u_hat: Array
    back: Array
    where: tuple[Slices, Slices]


def ours(comm: MPI.Intracomm, row: Row) -> Planned:
    """This package's. Collective."""
    fft = mpi4py_pencil.PFFT(comm, row.shape, dtype=row.dtype, grid=row.grid, padding=row.padding)
    return _of(mpi4py_pencil, fft)


def mpi4py_fft(comm: MPI.Intracomm, row: Row) -> Planned:
    """That of mpi4py-fft, on slabs unless a grid is given; it plans with FFTW_MEASURE by default. Collective."""
    package = importlib.import_module("mpi4py_fft")
    how: dict[str, Any] = {"grid": row.grid} if row.grid else {"slab": True}
    if row.padding:
        how["padding"] = [row.padding] * len(row.shape)
    return _of(package, package.PFFT(comm, row.shape, dtype=row.dtype, **how))


def _of(package: ModuleType, fft: Any) -> Planned:
    """A PFFT, ours or theirs, with plain arrays."""
    u, u_hat, back = (package.newDistArray(fft, side).view(np.ndarray) for side in (False, True, False))
    where = fft.local_slice(False), fft.local_slice(True)
    return Planned(lambda: fft.forward(u, u_hat), lambda: fft.backward(u_hat, back), u, u_hat, back, where)


def fftw_mpi(comm: MPI.Intracomm, row: Row) -> Planned:
    """That of FFTW with MPI: out of place, natural order out. Collective.

    FFTW scales nothing: forward is followed by a multiplication of the result, as its users have to.
    """
    library = _library()
    half = (*row.shape[:-1], row.shape[-1] // 2 + 1) if row.dtype == "float64" else row.shape
    u, at, plan = fftw.mpi_block(library, comm, row.shape, row.dtype)
    u_hat, at_modes, plan_modes = fftw.mpi_block(library, comm, half, complex)
    back = np.zeros_like(u)
    forward = fftw.mpi_plan(library, comm, row.shape, u, u_hat, fftw.FORWARD)
    backward = fftw.mpi_plan(library, comm, row.shape, u_hat, back, fftw.BACKWARD)
    modes = fftw.view(u_hat, plan_modes)
    scale = 1 / np.prod(row.shape, dtype=float)

    def scaled() -> None:
        forward()
        np.multiply(modes, scale, out=modes)

    return Planned(scaled, backward, fftw.view(u, plan), modes, fftw.view(back, plan), (at, at_modes))


@functools.cache
def _library() -> fftw.Library:
    """FFTW-MPI on all ranks. Collective at first."""
    return fftw.with_mpi(MPI.COMM_WORLD)


MAKERS = {OURS: ours, "mpi4py-fft": mpi4py_fft, "FFTW-MPI": fftw_mpi}


@functools.cache  # and asked once: a library of another MPI that was loaded stays loaded
def absent(peer: str) -> str | None:
    """Why a peer that shares the ranks cannot be measured, on all ranks alike; None where it can. Collective."""
    if peer == "mpi4py-fft" and find_spec("mpi4py_fft") is None:
        return "not installed: pip install mpi4py-fft, which builds against the system's FFTW"
    if peer == "FFTW-MPI":
        try:
            _library()
        except OSError as error:
            return str(error)
    return None


def about(peer: str) -> str:
    """The peer's version."""
    if peer == "FFTW-MPI":
        return f"{fftw.version(_library())} ({_library()._name})"
    return version(peer) if peer == "mpi4py-fft" else version("mpi4py-pencil")
