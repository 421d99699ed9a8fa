"""Parallel fast Fourier transforms of distributed arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from types import TracebackType
from typing import Any

import numpy as np
from mpi4py import MPI

from .description import description, text
from .distarray import DistArray
from .engines import engine
from .layout.arrays import keep, refuse_no_array, said, truth
from .layout.pencil import Pencil, lengths
from .layout.subcomm import Subcomm
from .layout.way import Way
from .plan.arguments import Request, normalized, request, scales
from .plan.pipeline import Pipeline, Route, Scales
from .plan.product import Functions, Product
from .plan.steps import Step, steps
from .plan.timing import Clock, Timings, timed
from .plan.tuning import settled
from .pointwise import Function, Pointwise, wanted
from .ranks.agreement import agreed, nothing
from .ranks.calls import Calls
from .ranks.communicators import communicator, ranks_per_node
from .spec import Spec
from .sweep.tiles import Tiles
from .transforms import Ball, Fourier, mesh

Array = np.ndarray[Any, Any]

# Plans for so many kinds of component axes are kept, beside that for none; then the oldest is dropped on every rank.
_MOST_COMPONENTS = 8


class _Planned:
    """What is planned for arrays with some leading component axes; the pipelines of adjoints at their first use."""

    def __init__(self, specs: tuple[Spec, Spec], planned: Sequence[Step], route: Route) -> None:
        self.specs = specs
        self.steps = planned
        self.route = route
        self._pipelines = {(way, False): route.pipeline(way) for way in Way}

    def pipeline(self, way: Way, adjoint: bool) -> Pipeline:
        """The pipeline of one direction."""
        key = (way, adjoint)
        if key not in self._pipelines:
            self._pipelines[key] = self.route.pipeline(way, adjoint)
        return self._pipelines[key]


class Direction:
    """A plan's transform in one direction, to be called."""

    __slots__ = ("_adjoint", "_fft", "_way")

    def __init__(self, fft: PFFT, way: Way, adjoint: bool = False) -> None:
        self._fft, self._way, self._adjoint = fft, way, adjoint

    def __call__(self, source: Array, /, out: Array | None = None, normalize: bool | None = None) -> Array:
        """Transform an array.

        Collective over the ranks.

        Parameters
        ----------
        source : ndarray
            This rank's block, of any strides, with any leading component axes, which go through together: points, of
            ``shape(False)``, on the way forward, and modes, of ``shape(True)``, backward. It is not changed.
        out : ndarray, optional
            Where the result goes: this rank's block of it, of any strides; it may be `source`.
        normalize : bool, optional
            Whether to scale by one over the number of points; by default as the plan's `norm` says.

        Returns
        -------
        ndarray
            `out`, or a new DistArray.

        Raises
        ------
        TypeError, ValueError
            Before a message is sent, where an array has the wrong shape or dtype, belongs to another distribution, or
            cannot be written; where the adjoint of a transform is not known; where the plan is closed, or its
            communicator has been freed.
        """
        return self._fft._transform(self._way, self._adjoint, source, out, normalize)

    @property
    def adjoint(self) -> Direction:
        """The adjoint transform, which goes the other way with the same scale.

        For all x and y the sum of conj(y) * A x over all ranks is that of conj(A.adjoint(y)) * x, every stored item
        counted once; its real part where the points are real and the modes complex.
        """
        return Direction(self._fft, self._way.back, not self._adjoint)

    def __repr__(self) -> str:
        """Which direction of which plan."""
        return f"{self._fft!r}.{self._way.back if self._adjoint else self._way}{'.adjoint' * self._adjoint}"


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
    axes : int or sequence of (int or sequence of int), optional
        The axes to transform, the last of them first; all by default. The others stay as they are. A sequence within
        groups axes that are undivided together when they are transformed.
    dtype : dtype-like, optional
        Of the input of ``forward``, in single, double or long double precision. Real data stay real until their first
        Fourier transform, which keeps the half of the spectrum that is not redundant. float by default.
    grid : sequence of int, optional
        Processes along each axis of the input, 0 or -1 where open, 1 for those not named; ``axes[-1]`` must stay
        undivided. By default from wisdom, or else chosen from the shape.
    padding : float or sequence of float, optional
        At least 1 for each axis (3/2 removes the aliasing of quadratic products): along an axis with n Fourier modes
        there are floor(n * padding) points, m where it is m / n; backward pads with zeros, forward truncates.
    collapse : bool, optional
        Whether to join the groups of axes that are undivided at the start, as mpi4py-fft does. It changes how the
        output may be distributed, not what is computed: local axes are transformed in one trip through memory anyway.
    backend : str, optional
        The engine that transforms lines: "vertical" (sweeps of this package's own, which leave to FFTW what they do not
        know), "pyfftw" (FFTW), "mkl", "ducc" (faster on long primes), "scipy" or "numpy". By default from wisdom, or
        else "vertical" for Fourier transforms on processors with AVX2, and "pyfftw" otherwise.
    transforms : dict, optional
        For an axis, or a tuple of axes, what is computed in place of `Fourier`: `DCT`, `DST`, `Hartley`, `Chebyshev`,
        `Legendre`, or a `LinearMap`. `shape` counts the points of these axes.
    method : str, optional
        The exchange: see `Transfer`. "auto" takes it from wisdom, where there is some.
    truncation : float, sequence of (float or None), or Ball, optional
        The largest wave number that is kept along each Fourier axis (half of the waves around a period have the number
        n / 2), or a `Ball` of modes. Modes beyond are zero after forward, and backward takes them for zero; those
        beyond the largest along an axis are neither computed on nor sent.
    norm : str, optional
        What is scaled: "forward" (by one over the number of points; the default), "backward", or "ortho", where both
        are orthonormal.
    threads : int, optional
        The threads of each rank, for few ranks with several cores each. MPI is called by the calling thread only.
    like : PFFT, optional
        A plan whose grid is taken, so that modes of one fit the other. Plans of one `shape` choose the same grid by
        themselves, whatever their dtype and padding, unless wisdom tells them apart.
    tune : str, optional
        With "measure", what `grid`, `backend` and `method` leave open is found by trying, and kept as wisdom in a small
        file that later plans read; what is known already is not tried again.
    wire : str, optional
        With "float32", messages between nodes are in single precision, half as many bytes, while all else stays double:
        each exchange changes a number by a part in 2**24 at the most.

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
        collapse: bool = False,
        backend: str | None = None,
        transforms: Mapping[Any, Any] | None = None,
        method: str = "auto",
        truncation: float | Sequence[float | None] | Ball | None = None,
        norm: str = "forward",
        threads: int = 1,
        like: PFFT | None = None,
        tune: str | None = None,
        wire: str | None = None,
    ) -> None:
        size, per_node = communicator(comm).Get_size(), ranks_per_node(comm)
        asked = agreed(
            comm,
            lambda: request(
                size,
                shape,
                axes=axes,
                dtype=dtype,
                grid=grid if like is None else _grid_like(like, comm, grid, len(lengths(shape))),
                padding=padding,
                collapse=collapse,
                backend=backend,
                transforms=transforms,
                method=method,
                truncation=truncation,
                norm=norm,
                threads=threads,
                tune=tune,
                wire=wire,
                ranks_per_node=per_node,
            ),
            lambda found: {"like": "nothing" if like is None else "a plan", **found.arguments()},
        )
        self._make(comm, settled(comm, asked, planned))
        if like is not None:
            agreed(comm, lambda: self._check_like(like))

    def _make(self, comm: MPI.Intracomm, asked: Request) -> None:
        """Plan what was asked. Collective over `comm`."""
        self.comm = comm
        self._asked = asked
        self.axes = tuple(t.axis for t in reversed(asked.transforms))
        self.subcomm = Subcomm(comm, asked.dims)
        planner, vertical = engine(asked.backend), asked.backend == "vertical"
        self._tiles = [Tiles(planner, asked.tile_bytes, vertical) for _ in range(asked.threads)]
        self._pool = ThreadPoolExecutor(asked.threads - 1) if asked.threads > 1 else None
        self._clock = Clock()
        self._calls = Calls(comm, "PFFT", self.subcomm.grid.cart)
        self._plain: _Planned | None = None
        self._plain = self._made(())
        self._with_components: dict[tuple[int, ...], _Planned] = {}
        self._specs = self._plain.specs
        self.pencil = tuple(spec.pencil for spec in self._specs)
        outside = None if asked.ball is None else asked.ball.outside(self.wavenumbers())
        self._outside = None if outside is None else np.broadcast_to(outside, self.shape())

    def _planned(self, components: tuple[int, ...] = ()) -> _Planned:
        """What is planned for arrays with these leading component axes. Collective over the ranks at the first use."""
        plain = self._open()
        if not components:
            return plain
        if components not in self._with_components:
            agreed(self.comm, lambda: components, lambda found: {"the component axes": found})
            keep(self._with_components, components, self._made(components), _MOST_COMPONENTS)
        return self._with_components[components]

    def _made(self, components: tuple[int, ...]) -> _Planned:
        """A plan for arrays with these leading component axes. Collective over the ranks."""
        planned = self._steps(components)
        asked = self._asked
        modes = Spec(planned[-1].after.full(), self.dtype(True), tuple(asked.transforms), asked.norm)
        specs = Spec(planned[0].before, asked.dtype), modes
        route = self._route(planned)
        return agreed(self.comm, lambda: _Planned(specs, planned, route), nothing)  # an engine may fail on one rank

    def _steps(self, components: tuple[int, ...]) -> Sequence[Step]:
        """The steps for arrays with these leading component axes."""
        asked, rank = self._asked, len(components)
        transforms = [replace(t, axis=t.axis + rank) for t in asked.transforms]
        groups = [[axis + rank for axis in group] for group in asked.joined]
        return steps(Pencil(self.subcomm, asked.points, self.axes[-1]).with_components(components), transforms, groups)

    def _route(self, planned: Sequence[Step], components: int = 0) -> Route:
        """The passes of these steps, and exchanges between them, never cut along so many of the first axes.

        Collective over the ranks.
        """
        asked = self._asked
        return Route(
            self.comm,
            planned,
            asked.method,
            self._tiles,
            self._pool,
            _scales(asked),
            self._clock,
            components,
            asked.wire is not None,
            asked.parts,
        )

    @property
    def forward(self) -> Direction:
        """Transform points in space into modes: ``fft.forward(u, out=None, normalize=None)``, see `Direction`."""
        return Direction(self, Way.FORWARD)

    @property
    def backward(self) -> Direction:
        """Transform modes into points in space: ``fft.backward(u_hat, out=None, normalize=None)``."""
        return Direction(self, Way.BACKWARD)

    def pointwise(
        self,
        function: Function,
        inputs: int | Sequence[int] = (),
        outputs: int | Sequence[int] = (),
        *,
        before: Function | None = None,
        after: Function | None = None,
        places: bool = False,
        reduce: str | None = None,
    ) -> Pointwise:
        """A function of points in space, applied to modes: ``backward``, the function and ``forward`` in one.

        The points exist as tiles in cache alone: backward's last pass, the function and forward's first pass are one.
        Collective over the ranks; so are calls of the result.

        Parameters
        ----------
        function : callable
            ``function(x, out, *values)`` fills `out` from `x`: tiles of all inputs, ``(*inputs, *block)``, and of all
            outputs, ``(*outputs, *block)``, where the block is a part of this rank's points. It is called once for
            every tile, by several threads at a time where the plan has them; `x` may be overwritten. Or a compiled
            function, which runs without Python's lock: its address, a function of ctypes, or what has an `address`, as
            ``numba.cfunc`` gives it, of the type ``int (ptrdiff_t points, const T *x, ptrdiff_t step, T *out, ptrdiff_t
            out_step, const double *values)``: input c begins at ``x + c * step``. It returns 0 where all is well.
        inputs, outputs : int or sequence of int, optional
            The component axes of what goes in and of what comes out; none by default.
        before : callable, optional
            ``before(u_hat, out, k, *values)`` makes the modes of the inputs from those of the caller's array, tile by
            tile as backward's first sweep reads them: `u_hat`, with whatever component axes the array has, is a part of
            it, and `k` has the wave numbers there, which broadcast against it.
        after : callable, optional
            ``after(x, out, k, *values, **arrays)`` writes a part of the result, as forward's last sweep leaves the
            modes of the outputs in `x`; the result may have other component axes than these.
        places : bool, optional
            Whether `function` is told where its tile lies, as slices of this rank's block of points:
            ``function(x, out, at, *values)``.
        reduce : str, optional
            "max", "min" or "sum": what becomes of that which `function` returns, over all tiles and ranks.

        Returns
        -------
        Pointwise
            To be called: ``product(u_hat, out=None, *values, **arrays)``.

        Raises
        ------
        TypeError, ValueError
            On every rank, where an argument is wrong or not the same everywhere; where the plan is closed.

        Examples
        --------
        >>> from mpi4py import MPI
        >>> fft = PFFT(MPI.COMM_WORLD, (16, 16))
        >>> square = fft.pointwise(lambda x, out: np.multiply(x, x, out=out))
        >>> u = newDistArray(fft, False)
        >>> u[...] = np.cos(fft.local_mesh()[0])
        >>> bool(np.isclose(square(fft.forward(u))[0, 0], 0.5))
        True
        """
        self._open()
        asked = agreed(
            self.comm,
            lambda: wanted(inputs, outputs, before, after, places, reduce),
            lambda found: found.arguments(),
        )
        into, out = (self._route(self._steps(part), len(part)) for part in (asked.inputs, asked.outputs))
        return agreed(self.comm, lambda: Pointwise(self, (into, out), asked, (before, function, after)), nothing)

    def _product(
        self, routes: tuple[Route, Route], components: tuple[tuple[int, ...], tuple[int, ...]], applied: Functions
    ) -> Product:
        """The program of a `Pointwise`, with the scales that this plan's directions have by default."""
        norm, factors = self._asked.norm, _scales(self._asked)
        back, forth = (factors[normalized(norm, way, None)] for way in (Way.BACKWARD, Way.FORWARD))
        return Product(routes, components, (back, forth), applied, self._tiles, self._pool, self._clock)

    def _transform(self, way: Way, adjoint: bool, source: Array, target: Array | None, normalize: bool | None) -> Array:
        """Transform in one direction."""
        with self._calls:
            # the adjoint of forward goes backward, with the scale of forward
            scaled = way.back if adjoint else way
            components, result, scaling = self._calls.checked(
                lambda: self._checked(way, scaled, source, target, normalize),
                lambda found: {
                    "the call": f"{'adjoint of ' * adjoint}{scaled}",
                    "the component axes": found[0],
                    "normalize": found[2],
                },
            )
            if way:
                source = self._within(source)
            self._planned(components).pipeline(way, adjoint)(source, result, scaling)
            if not way:
                self._cut_off(result)
            return result

    def _within(self, u_hat: Array) -> Array:
        """Modes without those outside of the ball, where the plan has one."""
        return u_hat if self._outside is None else np.where(self._outside, 0, u_hat)

    def _cut_off(self, u_hat: Array, at: tuple[slice, ...] = ()) -> None:
        """Make the modes outside of the ball zero, where the plan has one: those at a place in the block, or all."""
        if self._outside is not None:
            np.copyto(np.asarray(u_hat), 0, where=self._outside[at])

    def _open(self) -> _Planned:
        """What is planned for arrays without components; a closed plan is refused."""
        if self._plain is None:
            raise ValueError("this PFFT is closed")
        return self._plain

    def _checked(
        self, way: Way, scaled: Way, source: Any, target: Any, normalize: Any
    ) -> tuple[tuple[int, ...], Array, bool]:
        """The leading component axes of arrays that fit, where the result goes, and whether to normalise."""
        specs, ndim = self._open().specs, self.dimensions
        name = ("u", "u_hat")[way]
        refuse_no_array(name, source)
        components = source.shape[: max(0, source.ndim - ndim)]
        specs[way].checked(name, source, components)
        if target is not None:
            specs[way.back].checked("out", target, components, written=True)
        result = specs[way.back].empty(components) if target is None else target
        return components, result, normalized(self._asked.norm, scaled, normalize)

    def _check_like(self, like: PFFT) -> None:
        """Refuse a plan whose modes are not divided as those of this one are."""
        mine, theirs = self.output.pencil, like.output.pencil
        if mine.divided != theirs.divided:
            raise ValueError(
                f"like has modes divided among {list(theirs.sizes)} ranks, this plan among {list(mine.sizes)}: plans "
                "whose modes fit have the same axes, in the same order and groups"
            )

    def shape(self, forward_output: bool = True) -> tuple[int, ...]:
        """The shape of this rank's block of the output of ``forward``, or of its input."""
        return self.pencil[truth("forward_output", forward_output)].subshape

    def global_shape(self, forward_output: bool = False) -> tuple[int, ...]:
        """The global shape of the input, or of the output of ``forward``."""
        return self.pencil[truth("forward_output", forward_output)].shape

    def local_slice(self, forward_output: bool = True) -> tuple[slice, ...]:
        """This rank's block of the output of ``forward``, or of its input, as slices of the global array."""
        return self.pencil[truth("forward_output", forward_output)].local_slice()

    def dtype(self, forward_output: bool = False) -> np.dtype[Any]:
        """The dtype of the input, or of the output of ``forward``."""
        return self._asked.transforms[-1].dtype if forward_output else self._asked.dtype

    @property
    def input(self) -> Spec:
        """What the input of ``forward`` is: its pencil, dtype, shape, global shape and local slice."""
        return self._specs[0]

    @property
    def output(self) -> Spec:
        """What the output of ``forward`` is, likewise."""
        return self._specs[1]

    def empty_input(self, rank: int = 0) -> DistArray:
        """An uninitialised array for the input of ``forward``; `rank` as in `newDistArray`."""
        return self.input.empty(self._components(rank))

    def empty_output(self, rank: int = 0) -> DistArray:
        """An uninitialised array for the output of ``forward``; `rank` as in `newDistArray`."""
        return self.output.empty(self._components(rank))

    def _components(self, rank: Any) -> tuple[int, ...]:
        """The leading component axes of a tensor."""
        if not hasattr(rank, "__index__") or rank < 0:
            raise ValueError(f"rank must count leading component axes, not {said(rank)}")
        return (self.dimensions,) * rank

    def local_mesh(self, lengths: float | Sequence[float] | None = None) -> list[Any]:
        """The coordinates of this rank's points, the input of ``forward``.

        Along Fourier axes they are j L / n, for j = 0..n-1. Along axes with a cosine or sine transform they lie where
        its type has them between 0 and L; Chebyshev and Legendre points lie in [-1, 1], whatever L is.

        Local: no communication.

        Parameters
        ----------
        lengths : float or sequence of float, optional
            The length L of the box along each axis, 2π by default. Those of axes that have none are not looked at.

        Returns
        -------
        list of (ndarray or None)
            One array for each axis, real and in the precision of the transform, which broadcasts against this rank's
            block; None for an axis that is not transformed or has a `LinearMap`, whose points may lie anywhere.

        Raises
        ------
        TypeError, ValueError
            Where `lengths` are not positive numbers, one or one for each axis.
        """
        return mesh.coordinates(self.input.pencil, self._asked.transforms, lengths)

    def wavenumbers(self, lengths: float | Sequence[float] | None = None) -> list[Any]:
        """The angular wave numbers of this rank's modes, the output of ``forward``: 2π k / L.

        With the lengths of 2π they are the whole numbers k. The highest of an even number of modes is -n/2 as in
        ``numpy.fft.fftfreq``, and n/2 along the half-complex axis as in ``numpy.fft.rfftfreq``; derivatives of odd
        order leave it out (see `mpi4py_pencil.spectral`). Along axes with a cosine or sine transform they are those of
        its cosines or sines: multiples of π / L. Polynomials have none.

        Local: no communication. Parameters, result and errors are those of `local_mesh`.
        """
        return mesh.wavenumbers(self.output.pencil, self._asked.transforms, lengths)

    @property
    def dimensions(self) -> int:
        """The number of axes, component axes not counted."""
        return len(self._asked.points)

    def description(self) -> dict[str, Any]:
        """The plan of this rank in figures, as plain data of dicts, lists, str and int. Local.

        Its steps, what its exchanges send here and on the busiest rank, and the bytes that it holds; for arrays without
        component axes.
        """
        planned = self._planned()
        return description(self._asked, planned.steps, planned.route.methods, None)

    def describe(self) -> str:
        """The `description` as text for people. Local."""
        return text(self.description())

    def timings(self) -> AbstractContextManager[Timings]:
        """Time what happens in a ``with`` block, stage by stage. Collective over the ranks at its end.

        Every rank makes the same calls in the block. What it gives is filled in at the end, the same on every rank;
        printed it is a table. Outside of such blocks nothing is timed.
        """
        return timed(self.comm, self._clock)

    def close(self) -> None:
        """Give back the plan's memory and threads; the communicators stay, with those who share them. Local."""
        self._plain = None
        self._with_components.clear()
        if self._pool is not None:
            self._pool.shutdown()

    def __repr__(self) -> str:
        """What it transforms and how, with the exchanges that were chosen while it is open. Local."""
        asked = self._asked
        others = {t.axis: t.family for t in reversed(asked.transforms) if not isinstance(t.family, Fourier)}
        told: dict[str, Any] = {"shape": asked.shape, "dtype": str(asked.dtype), "axes": self.axes, "grid": asked.dims}
        told |= {"padded": asked.points} if asked.points != asked.shape else {}
        told |= {"transforms": others} if others else {}
        told |= {"threads": asked.threads} if asked.threads > 1 else {}
        methods = [] if self._plain is None else self._plain.route.methods
        told |= {"method": "/".join(dict.fromkeys(methods)) or asked.method, "backend": asked.backend}
        closed = "closed " if self._plain is None else ""
        return f"{closed}PFFT({', '.join(f'{name}={value!r}' for name, value in told.items())})"

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


def _grid_like(like: Any, comm: MPI.Intracomm, grid: Any, ndim: int) -> tuple[int, ...]:
    """The grid of another plan."""
    if not isinstance(like, PFFT):
        raise TypeError(f"like must be a PFFT, not {said(like)}")
    if grid is not None:
        raise ValueError(f"grid {grid!r} and like say the same: give one of them")
    if ndim != like.dimensions:
        raise ValueError(f"like has {like.dimensions} axes, shape has {ndim}")
    if MPI.Comm.Compare(comm, like.comm) not in (MPI.IDENT, MPI.CONGRUENT):
        raise ValueError("like is a plan of other ranks than comm, or of the same in another order")
    return like._asked.dims


def _scales(asked: Request) -> Scales:
    """What is multiplied with, and with what where the result is to be normalised."""
    return scales(asked.norm, math.prod(transform.size for transform in asked.transforms))


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
    if not isinstance(pfft, PFFT):
        raise TypeError(f"pfft must be a PFFT, not {said(pfft)}")
    array = (pfft.empty_output if truth("forward_output", forward_output) else pfft.empty_input)(rank)
    try:
        array[...] = val
    except ValueError as error:
        raise ValueError(
            f"val, of shape {np.shape(val)}, does not broadcast to this rank's block {array.shape}, which is the part "
            f"fft.local_slice({forward_output}) of the whole"
        ) from error
    return array
