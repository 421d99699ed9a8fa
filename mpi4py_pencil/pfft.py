"""Parallel fast Fourier transforms of distributed arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

import numpy as np
from mpi4py import MPI

from .agreement import agreed, checked, communicator
from .arguments import Request, request
from .arrays import checked_array
from .distarray import DistArray
from .engines import engine
from .pencil import Pencil
from .pipeline import Pipeline, build
from .plan import steps
from .subcomm import Subcomm
from .sweep import TILE_BYTES, Tiles
from .tuning import settled

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class _Side:
    """The arrays on one side of a transform."""

    pencil: Pencil
    dtype: np.dtype[Any]


class PFFT:
    """A Fourier transform of a distributed array over any of its axes.

    ``forward`` goes from points in space to modes, axis after axis from the last of `axes` to the first, and scales by
    one over the number of points; ``backward`` goes back and does not scale. The input is aligned along ``axes[-1]``,
    the output along ``axes[0]``.

    Collective over `comm`. Everything is planned here for arrays of `shape`; for arrays with leading component axes at
    their first use. A plan may be used as a context manager; one that is merely dropped gives back what it holds too.

    Parameters
    ----------
    comm : MPI.Intracomm
        The ranks. Nothing of it is changed or freed.
    shape : sequence of int
        Global shape: the modes along each axis, which without `padding` are the points (for real data: along
        ``axes[-1]``, ``shape[axes[-1]] // 2 + 1`` modes are stored).
    axes : int or sequence of int, optional
        The axes to transform, the last of them first; all by default. The others stay as they are.
    dtype : dtype-like, optional
        Of the input of ``forward``, in single, double or long double precision: real for real-to-complex transforms
        (half-complex along ``axes[-1]``), or complex. float by default.
    grid : sequence of int, optional
        Processes along each axis of the input, 0 or -1 where open, 1 for those not named; ``axes[-1]`` must stay
        undivided. By default from wisdom, or else chosen from the shape.
    padding : float or sequence of float, optional
        At least 1 for each axis (3/2 removes the aliasing of quadratic products): along a transformed axis with n modes
        there are floor(n * padding) points; backward pads with zeros, forward truncates.
    backend : str, optional
        The engine that transforms lines: "pyfftw", "mkl", "ducc" (faster on odd lengths), "scipy" or "numpy". By
        default from wisdom, or else "pyfftw".
    method : str, optional
        The exchange: see `Transfer`. "auto" takes it from wisdom, where there is some.
    tune : str, optional
        With "measure", what `grid`, `backend` and `method` leave open is found by trying, and kept as wisdom in a small
        file that later plans read; what is known already is not tried again.

    Attributes
    ----------
    comm, subcomm, axes : MPI.Intracomm, Subcomm, tuple of int
        The ranks, the communicators of the input's axes, and the transformed axes.
    pencil : pair of Pencil
        Of input and output.

    Raises
    ------
    TypeError, ValueError, ImportError
        On every rank, where an argument is wrong or not the same everywhere, or the backend is not installed.

    Examples
    --------
    >>> from mpi4py import MPI
    >>> fft = PFFT(MPI.COMM_WORLD, (8, 9), dtype=complex)
    >>> u = newDistArray(fft, False, val=1)
    >>> u_hat = fft.forward(u)
    >>> u_hat.global_shape, bool(np.isclose(u_hat[0, 0], 1))
    ((8, 9), True)
    """

    def __init__(
        self,
        comm: MPI.Intracomm,
        shape: Sequence[int],
        axes: int | Sequence[int] | None = None,
        dtype: Any = float,
        grid: Sequence[int] | None = None,
        padding: float | Sequence[float] | None = None,
        backend: str | None = None,
        method: str = "auto",
        tune: str | None = None,
    ) -> None:
        size = communicator(comm).Get_size()
        asked = agreed(comm, lambda: request(size, shape, axes, dtype, grid, padding, backend, method, tune))
        self._make(comm, settled(comm, asked, planned))

    def _make(self, comm: MPI.Intracomm, asked: Request) -> None:
        """Plan what was asked. Collective over `comm`."""
        self.comm = comm
        self._asked = asked
        self.axes = tuple(t.axis for t in reversed(asked.transforms))
        self.subcomm = Subcomm(comm, asked.dims)
        self._tiles = Tiles(engine(asked.backend), asked.tile_bytes or TILE_BYTES)
        self._pipelines: dict[tuple[int, ...], tuple[Pipeline, Pipeline]] = {}
        self._sides: dict[tuple[int, ...], tuple[_Side, _Side]] = {}
        self._plan(())
        self.pencil = tuple(side.pencil for side in self._sides[()])

    def _plan(self, components: tuple[int, ...]) -> tuple[Pipeline, Pipeline]:
        """Plan for arrays with leading component axes. Collective over the ranks."""
        asked, rank = self._asked, len(components)
        transforms = [replace(t, axis=t.axis + rank) for t in asked.transforms]
        start = Pencil(self.subcomm, asked.points, self.axes[-1]).with_components(components)
        planned = steps(start, transforms)
        self._sides[components] = _Side(start, asked.dtype), _Side(planned[-1].after, transforms[-1].dtype)
        self._pipelines[components] = build(self.comm, planned, asked.method, self._tiles)
        return self._pipelines[components]

    def forward(self, u: Array, out: Array | None = None, normalize: bool | None = None) -> Array:
        """Transform points in space into modes.

        Collective over the ranks.

        Parameters
        ----------
        u : ndarray
            This rank's block of the input, ``shape(False)``, of any strides; with any leading component axes, which go
            through together. It is not changed.
        out : ndarray, optional
            Where the result goes: this rank's block of the output, ``shape(True)``, of any strides; it may be `u`.
        normalize : bool, optional
            Whether to scale by one over the number of points; ``forward`` does and ``backward`` does not by default.

        Returns
        -------
        ndarray
            `out`, or a new DistArray.

        Raises
        ------
        TypeError, ValueError
            Before a message is sent, where an array has the wrong shape or dtype, belongs to another distribution, or
            cannot be written.
        """
        return self._transform(0, u, out, normalize)

    def backward(self, u_hat: Array, out: Array | None = None, normalize: bool | None = None) -> Array:
        """Transform modes into points in space: as `forward`, the other way."""
        return self._transform(1, u_hat, out, normalize)

    def _transform(self, way: int, source: Array, target: Array | None, normalize: bool | None) -> Array:
        """Transform in one direction."""
        if not self._pipelines:
            raise ValueError("this PFFT is closed")
        name = ("u", "u_hat")[way]
        components = checked(self.comm, lambda: self._checked(way, name, source, target))
        pipelines = self._pipelines.get(components) or self._plan(components)
        if target is None:
            side = self._sides[components][1 - way]
            target = DistArray.of(side.pencil, side.dtype, len(components))
        pipelines[way](source, target, way == 0 if normalize is None else bool(normalize))
        return target

    def _checked(self, way: int, name: str, source: Any, target: Any) -> tuple[int, ...]:
        """The leading component axes of arrays that fit; others are refused."""
        base = self._sides[()]
        ndim = len(self._asked.points)
        if not isinstance(source, np.ndarray):
            raise TypeError(f"{name} must be a numpy array, not {type(source).__name__}")
        components = source.shape[: max(0, source.ndim - ndim)]
        for label, array, side in ((name, source, base[way]), ("out", target, base[1 - way])):
            if array is None and label == "out":
                continue
            checked_array(label, array, components + side.pencil.subshape, side.dtype, written=label == "out")
            if isinstance(array, DistArray) and array._pencil is not None:
                _same_distribution(label, array, side.pencil)
        return components

    def shape(self, forward_output: bool = True) -> tuple[int, ...]:
        """The shape of this rank's block of the output of ``forward``, or of its input."""
        return self.pencil[bool(forward_output)].subshape

    def global_shape(self, forward_output: bool = False) -> tuple[int, ...]:
        """The global shape of the input, or of the output of ``forward``."""
        return self.pencil[bool(forward_output)].shape

    def local_slice(self, forward_output: bool = True) -> tuple[slice, ...]:
        """This rank's block of the output of ``forward``, or of its input, as slices of the global array."""
        return self.pencil[bool(forward_output)].local_slice()

    def dtype(self, forward_output: bool = False) -> np.dtype[Any]:
        """The dtype of the input, or of the output of ``forward``."""
        return self._asked.transforms[-1].dtype if forward_output else self._asked.dtype

    @property
    def dimensions(self) -> int:
        """The number of axes, component axes not counted."""
        return len(self._asked.points)

    def close(self) -> None:
        """Give back the plan's memory; the communicators stay, with those who share them. Local."""
        self._pipelines.clear()

    def __enter__(self) -> PFFT:
        """The plan itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the plan."""
        self.close()


def planned(comm: MPI.Intracomm, asked: Request) -> PFFT:
    """A plan of what was asked, as it is: what it leaves open is not looked for. Collective over `comm`."""
    plan = PFFT.__new__(PFFT)
    plan._make(comm, asked)
    return plan


def _same_distribution(name: str, array: DistArray, pencil: Pencil) -> None:
    """Refuse a distributed array whose block is another part of the whole than a plan takes it for."""
    theirs = array.pencil
    rank = array.rank
    if theirs.shape[rank:] != pencil.shape or theirs.substart[rank:] != pencil.substart:
        raise ValueError(
            f"{name} is distributed as {theirs}, expected {pencil}: redistribute it, or make it by newDistArray"
        )


def newDistArray(pfft: PFFT, forward_output: bool = True, val: Any = 0, rank: int = 0) -> DistArray:
    """A distributed array for the input or the output of a transform.

    Parameters
    ----------
    pfft : PFFT
        The transform.
    forward_output : bool, optional
        Whether for the output of ``forward`` (the default), or for its input.
    val : scalar or array_like, optional
        What to fill it with.
    rank : int, optional
        The number of leading component axes, each as long as the array has axes: 1 for vectors, 2 for tensors.

    Returns
    -------
    DistArray
        Of shape ``(pfft.dimensions,) * rank + pfft.shape(forward_output)``.
    """
    if not hasattr(rank, "__index__") or rank < 0:
        raise ValueError(f"rank must count leading component axes, not {rank!r}")
    pencil = pfft.pencil[bool(forward_output)]
    whole = pencil.with_components((pfft.dimensions,) * rank)
    array = DistArray.of(whole, pfft.dtype(forward_output), rank)
    array[...] = val
    return array
