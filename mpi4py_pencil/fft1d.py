"""The Fourier transform of one long line that is divided among the ranks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from types import TracebackType
from typing import Any

import numpy as np
from mpi4py import MPI

from .four_step.route import Line, OneWay, open_route
from .layout.arrays import checked_array, keep, overlap, refuse_no_array, said, truth
from .layout.subcomm import Subcomm
from .layout.way import Way
from .plan.arguments import normalized, request
from .plan.timing import Clock, Timings, timed
from .plan.tuning import default_of_all
from .ranks.agreement import agreed
from .ranks.calls import Calls
from .ranks.communicators import communicator
from .spec import LineSpec
from .transforms import Fourier
from .transforms.mesh import TWO_PI, box_lengths

Array = np.ndarray[Any, Any]

# So many kinds of component axes are remembered as the same on every rank.
_MOST_COMPONENTS = 8


class FFT1D:
    """The Fourier transform of a one-dimensional array that is divided among the ranks.

    ``forward`` goes from points to modes and scales by one over the number of points, ``backward`` goes back and does
    not scale. Points and modes are in natural order, that of ``numpy.fft.fft``, or of ``numpy.fft.rfft`` for real data,
    and each rank has a run of consecutive ones: see `local_slice`.

    Collective over `comm`. The transform goes four times through memory, with three exchanges: the input is copied to
    the first outbox, two sweeps transform, the last inbox is copied to the output. Made here, and kept: in shared
    memory two local arrays that are outboxes in turn, for the other methods three (two outboxes and an inbox), and one
    local array of twiddle factors. A plan may be used as a context manager; one that is merely dropped gives back what
    it holds too.

    Parameters
    ----------
    comm : MPI.Intracomm
        The ranks, any number. Nothing of it is changed or freed.
    n : int
        The modes, at least 1, which without `padding` are the points; for real data ``n // 2 + 1`` of them are stored.
        The work is divided as the rows of a matrix are: the points should have a divisor near their square root, and
        the more ranks there are, the more it matters. A prime number of points is one row, which one rank transforms.
    dtype : dtype-like, optional
        Of the input of ``forward``, real or complex, in single, double or long double precision; complex by default.
    backend : str, optional
        The engine that transforms lines: see `PFFT`.
    method : str, optional
        The exchange: see `Transfer`.
    padding : float, optional
        At least 1: there are floor(n * padding) points, m where it is m / n; backward pads with zeros, forward
        truncates. 3/2 removes the aliasing of quadratic products. An even number of modes has a Nyquist mode, which
        goes as in `PFFT`.
    norm : str, optional
        What is scaled: "forward" (the default), "backward", or "ortho": see `PFFT`.
    threads : int, optional
        The threads of each rank, for few ranks with several cores each. MPI is called by the calling thread only.
    wire : str, optional
        With "float32", messages between nodes are in single precision: see `PFFT`.

    Attributes
    ----------
    comm : MPI.Intracomm
        The ranks.
    n : int
        The modes.
    points : int
        The points.
    factors : (int, int)
        n1 <= n2, the divisors of `points` nearest to its square root, with n1 n2 = points.

    Raises
    ------
    TypeError, ValueError, ImportError, MemoryError
        On every rank, where an argument is wrong on one or the ranks disagree.

    Examples
    --------
    >>> from mpi4py import MPI
    >>> fft = FFT1D(MPI.COMM_SELF, 1000, float)
    >>> (x,) = fft.local_mesh()
    >>> u_hat = fft.forward(np.cos(3 * x))
    >>> bool(np.isclose(u_hat[3], 0.5)), u_hat.shape, fft.factors
    (True, (501,), (25, 40))
    """

    def __init__(
        self,
        comm: MPI.Intracomm,
        n: int,
        dtype: Any = complex,
        backend: str | None = None,
        method: str = "auto",
        padding: float | None = None,
        norm: str = "forward",
        threads: int = 1,
        wire: str | None = None,
    ) -> None:
        self.comm = communicator(comm)
        line: Line = agreed(
            comm,
            lambda: _asked(
                n,
                dtype=dtype,
                backend=backend,
                method=method,
                padding=padding,
                norm=norm,
                threads=threads,
                wire=wire,
            ),
            Line.arguments,
        )
        self._line = line if line.given else replace(line, backend=default_of_all(comm, line.backend))
        self.n, self.points, self.factors = self._line.modes, self._line.points, self._line.factors
        self._places = self._line.places(comm.Get_size())
        self._calls = Calls(comm, "FFT1D", Subcomm(comm, [0, 1]).grid.cart)
        self._pool = ThreadPoolExecutor(self._line.threads - 1) if self._line.threads > 1 else None
        self._clock = Clock()
        self._components: dict[tuple[int, ...], None] = {}
        self._ways: tuple[OneWay, ...] = open_route(comm, self._line, self._places, self._pool, self._clock)

    def forward(self, u: Array, out: Array | None = None, normalize: bool | None = None) -> Array:
        """Transform points into modes. Collective over the ranks.

        Parameters
        ----------
        u : ndarray
            This rank's points, ``shape(False)``, of any strides, with any leading component axes, whose lines are
            transformed one after the other. It is not changed.
        out : ndarray, optional
            Where the result goes: this rank's modes, ``shape(True)``, of any strides; it may be `u`, or overlap it.
        normalize : bool, optional
            Whether to scale by one over the number of points; by default as the plan's `norm` says.

        Returns
        -------
        ndarray
            `out`, or a new array.

        Raises
        ------
        TypeError, ValueError
            Before a message is sent, where an array has the wrong shape or dtype or cannot be written, the plan is
            closed, or the communicator has been freed.
        """
        return self._transform(Way.FORWARD, u, out, normalize)

    def backward(self, u_hat: Array, out: Array | None = None, normalize: bool | None = None) -> Array:
        """Transform modes into points: as `forward`, the other way.

        Of real data the imaginary parts of the mean and of the Nyquist mode do not count.
        """
        return self._transform(Way.BACKWARD, u_hat, out, normalize)

    def _transform(self, way: Way, source: Array, target: Array | None, normalize: bool | None) -> Array:
        """Transform in one direction."""
        with self._calls:
            components, result, scaling = self._calls.checked(
                lambda: self._checked(way, source, target, normalize),
                lambda found: {"the call": str(way), "the component axes": found[0], "normalize": found[2]},
            )
            if components and components not in self._components:
                agreed(self.comm, lambda: components, lambda found: {"the component axes": found})
                keep(self._components, components, None, _MOST_COMPONENTS)
            if components and overlap(source, result):
                source = source.copy()  # a line may lie where the result of another goes
            for index in np.ndindex(components):
                self._ways[way](source[index], result[index], scaling)
            return result

    def _checked(self, way: Way, source: Any, target: Any, normalize: Any) -> tuple[tuple[int, ...], Array, bool]:
        """The leading component axes of arrays that fit, where the result goes, and whether to normalise."""
        if not self._ways:
            raise ValueError("this FFT1D is closed")
        name = ("u", "u_hat")[way]
        refuse_no_array(name, source)
        components = source.shape[:-1]
        before, after = way is Way.BACKWARD, way is Way.FORWARD
        checked_array(name, source, (*components, *self.shape(before)), self.dtype(before))
        shape = (*components, *self.shape(after))
        if target is not None:
            checked_array("out", target, shape, self.dtype(after), written=True)
        result = np.empty(shape, self.dtype(after)) if target is None else target
        return components, result, normalized(self._line.norm, way, normalize)

    def shape(self, forward_output: bool = True) -> tuple[int]:
        """The shape of this rank's part of the modes, or of the points."""
        return (self._owned(forward_output)[1],)

    def global_shape(self, forward_output: bool = False) -> tuple[int]:
        """The shape of the whole: of the points, or of the modes that are stored."""
        return (self._places[truth("forward_output", forward_output)].items,)

    def local_slice(self, forward_output: bool = True) -> tuple[slice]:
        """This rank's part of the modes, or of the points, as a slice of the whole.

        Points and stored modes are divided into blocks as equal as can be, the larger ones first, as along an axis of a
        `PFFT`: so the modes of plans of the same `n` fit each other, whatever their padding.
        """
        start, count = self._owned(forward_output)
        return (slice(start, start + count),)

    def _owned(self, forward_output: bool) -> tuple[int, int]:
        """Start and count of this rank's part."""
        return self._places[truth("forward_output", forward_output)].owned(self.comm.Get_rank())

    def dtype(self, forward_output: bool = False) -> np.dtype[Any]:
        """The dtype of the points, or of the modes."""
        return self._line.complex_dtype if truth("forward_output", forward_output) else self._line.dtype

    @property
    def input(self) -> LineSpec:
        """What the input of ``forward`` is: how `files.load` is to divide a line of points, ``like=fft.input``."""
        return LineSpec(self.comm, self.global_shape(False), self.dtype(False))

    @property
    def output(self) -> LineSpec:
        """What the output of ``forward`` is, as `files.Checkpoints` takes it beside a line of modes."""
        modes = Fourier().along(0, self.n, self.points, self.dtype(False))
        return LineSpec(self.comm, self.global_shape(True), self.dtype(True), (modes,), self._line.norm)

    def local_mesh(self, lengths: float | None = None) -> list[Array]:
        """The coordinates of this rank's points, j L / points, in a list of one array, as `PFFT.local_mesh` has them.

        Local: no communication.

        Parameters
        ----------
        lengths : float, optional
            The length L of the line, 2π by default.

        Returns
        -------
        list of ndarray
            One real array, in the precision of the transform.

        Raises
        ------
        TypeError, ValueError
            Where `lengths` is not a positive number.
        """
        return [self._ruled(np.arange(*self._bounds(False)) * _length_of_box(lengths) / self.points)]

    def wavenumbers(self, lengths: float | None = None) -> list[Array]:
        """The angular wave numbers of this rank's modes, 2π k / L, in a list of one array.

        That of the Nyquist mode of complex data is -n/2 as in ``numpy.fft.fftfreq``, and n/2 of real data as in
        ``numpy.fft.rfftfreq``. Local: no communication. Parameters, result and errors are those of `local_mesh`.
        """
        k = np.arange(*self._bounds(True))
        if self._line.dtype.kind == "c":
            k = np.where(k >= (self.n + 1) // 2, k - self.n, k)
        return [self._ruled(k * (TWO_PI / _length_of_box(lengths)))]

    def _bounds(self, forward_output: bool) -> tuple[int, int]:
        """Start and stop of this rank's part."""
        start, count = self._owned(forward_output)
        return start, start + count

    def _ruled(self, values: Array) -> Array:
        """Real values in the precision of the transform."""
        return values.astype(np.finfo(self._line.dtype).dtype)

    @property
    def dimensions(self) -> int:
        """The number of axes, component axes not counted: one."""
        return 1

    def timings(self) -> AbstractContextManager[Timings]:
        """Time what happens in a ``with`` block, stage by stage: see `PFFT.timings`. Collective at its end.

        The stages are the ends of the line and the columns and rows of the matrix; at the ends a "copy" takes the
        place of a sweep.
        """
        return timed(self.comm, self._clock)

    def close(self) -> None:
        """Give back the plan's memory and threads; the communicators stay, with those who share them. Local."""
        self._ways = ()
        if self._pool is not None:
            self._pool.shutdown()

    def __repr__(self) -> str:
        """What it transforms and how, with the exchanges that were chosen while it is open. Local."""
        line = self._line
        methods = self._ways[0].methods if self._ways else [line.method]
        told: dict[str, Any] = {"n": self.n, "dtype": str(line.dtype)}
        told |= {"padded": self.points} if self.points != self.n else {}
        told |= {"factors": self.factors, "ranks": self.comm.Get_size()}
        told |= {"threads": line.threads} if line.threads > 1 else {}
        told |= {"method": "/".join(dict.fromkeys(methods)), "backend": line.backend}
        closed = "" if self._ways else "closed "
        return f"{closed}FFT1D({', '.join(f'{name}={value!r}' for name, value in told.items())})"

    def __enter__(self) -> FFT1D:
        """The plan itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the plan."""
        self.close()


def _asked(n: Any, **others: Any) -> Line:
    """The arguments of a plan, checked as those of a `PFFT` of one axis are."""
    if not hasattr(n, "__index__"):
        raise TypeError(f"n must be an int, not {said(n)}")
    if n < 1:
        raise ValueError(f"n is {n}: there must be one mode at least")
    asked = request(1, (n,), **others)
    return Line(
        modes=asked.shape[0],
        points=asked.points[0],
        dtype=asked.dtype,
        backend=asked.backend,
        method=asked.method,
        norm=asked.norm,
        threads=asked.threads,
        wire=asked.wire,
        given="backend" in asked.given,
    )


def _length_of_box(lengths: Any) -> np.longdouble:
    """The length of the line."""
    length: np.longdouble = box_lengths(lengths, 1, [0])[0]
    return length
