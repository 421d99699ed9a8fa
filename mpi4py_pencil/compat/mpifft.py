"""``mpi4py_fft.mpifft``: transforms of distributed arrays."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mpi4py import MPI

from ..layout.pencil import lengths, whole_axis
from ..layout.way import Way
from ..plan.arguments import axis_groups
from ..transforms import Fourier
from . import spaces
from .libfft import FFT, factor_of, family_of
from .pencil import Pencil, Subcomm
from .programs import Programs, Stage, between, described, fused

Array = np.ndarray[Any, Any]


class Transform:
    """One direction of a transform, as ``mpi4py_fft.mpifft.Transform``: stages with redistributions between them.

    A call is collective over the ranks. Where the stages are known, it is one of our own programs, from the array given
    to the array given; otherwise each stage works on its own arrays in turn.

    Parameters
    ----------
    xfftn : sequence of callable
        The stages: objects with `input_array` and `output_array`, to which the keywords of a call are passed.
    transfer : sequence of callable
        What redistributes the output of each stage but the last to the input of the next.
    pencil : pair of Pencil
        Of input and output.
    """

    _program: tuple[Programs, Way] | None = None

    def __init__(self, xfftn: Sequence[Any], transfer: Sequence[Any], pencil: Sequence[Any]) -> None:
        if len(xfftn) != len(transfer) + 1 or len(pencil) != 2:
            raise ValueError(f"{len(xfftn)} stages take {len(xfftn) - 1} transfers and 2 pencils, not {len(transfer)}")
        self._xfftn = tuple(xfftn)
        self._transfer = tuple(transfer)
        self._pencil = tuple(pencil)

    def __init_subclass__(cls, **kw: Any) -> None:
        """Have calls of a subclass of shenfun's carried out by our own programs where all conditions are met."""
        super().__init_subclass__(**kw)
        spaces.hook(cls)

    @property
    def input_array(self) -> Array:
        """The array that is transformed where no other is given."""
        array: Array = self._xfftn[0].input_array
        return array

    @property
    def output_array(self) -> Array:
        """The array that the result goes to where no other is given."""
        array: Array = self._xfftn[-1].output_array
        return array

    @property
    def input_pencil(self) -> Any:
        """How the input is divided."""
        return self._pencil[0]

    @property
    def output_pencil(self) -> Any:
        """How the output is divided."""
        return self._pencil[1]

    def __call__(self, input_array: Any = None, output_array: Any = None, **kw: Any) -> Any:
        """Transform.

        Parameters
        ----------
        input_array : array_like, optional
            The input; what is in `self.input_array` by default.
        output_array : ndarray, optional
            Where the result goes; `self.output_array` by default, which the next call overwrites.
        kw
            For the stages: ``normalize`` says whether to divide by the number of points; by default forward does.

        Returns
        -------
        ndarray
            The array that the result went to.
        """
        if self._program is not None and kw.keys() <= {"normalize", "normalise_idft"}:
            programs, way = self._program
            run = functools.partial(programs, way, normalize=kw.get("normalize", way is Way.FORWARD))
            return between(self, run, input_array, output_array)
        if input_array is not None:
            self.input_array[...] = input_array
        for k, transfer in enumerate(self._transfer):
            self._xfftn[k](**kw)
            transfer(self._xfftn[k].output_array, self._xfftn[k + 1].input_array)
        self._xfftn[-1](**kw)
        if output_array is None:
            return self.output_array
        output_array[...] = self.output_array
        return output_array


class PFFT:
    """A Fourier transform of a distributed array, as ``mpi4py_fft.PFFT``: it owns arrays, which calls return.

    Collective over `comm`. Where all stages are known (transforms of FFTW, by the backends "fftw" and "pyfftw"), calls
    are our own programs, and FFTW plans nothing.

    Parameters
    ----------
    comm : MPI.Intracomm or Subcomm
        The ranks, or how they divide the axes of the input.
    shape : sequence of int, optional
        The global shape, without padding.
    axes : int or sequence of (int or sequence of int), optional
        What is transformed, the last first; all axes by default.
    dtype : dtype-like, optional
        Of the input.
    grid : sequence of int, optional
        Ranks along each axis, open where not positive, 1 for those not named. By default all are open but those that
        are transformed first.
    padding : bool, float or sequence of float, optional
        The factor of points for each axis.
    collapse : bool, optional
        Whether to join groups of axes that are undivided at the start.
    backend : str, optional
        As in `libfft.FFT`.
    transforms : dict, optional
        For tuples of axes the two functions that plan forward and backward.
    darray : DistArray, optional
        An array whose shape, dtype and division are taken.
    slab : bool or int, optional
        Divide one axis only: that after the one transformed first, or this.
    kw
        Options of the backend.

    Raises
    ------
    TypeError, ValueError
        Where these do not fit together.
    """

    def __init__(
        self,
        comm: Any,
        shape: Sequence[int] | None = None,
        axes: Any = None,
        dtype: Any = float,
        grid: Sequence[int] | None = None,
        padding: Any = False,
        collapse: bool = False,
        backend: str = "fftw",
        transforms: Mapping[Any, Any] | None = None,
        darray: Any = None,
        slab: Any = False,
        **kw: Any,
    ) -> None:
        if shape is None and darray is None:
            raise TypeError("shape is missing, or darray")
        modes = lengths(darray.pencil.shape if shape is None else shape)
        groups = _groups(axes, len(modes), darray)
        points, factors = (modes, padding) if darray is not None else _padded(modes, groups, padding)
        dtype = np.dtype(dtype if darray is None else darray.dtype)
        if dtype.char not in "fdgFDG":
            raise TypeError(f"dtype {dtype} cannot be transformed")
        self.subcomm = darray.subcomm if darray is not None else _divided(comm, len(points), groups[-1], grid, slab)
        first = [axis for axis in groups[-1] if self.subcomm[axis].Get_size() != 1]
        if first:
            raise ValueError(f"axis {first[0]} is divided, but axes {groups[-1]} are transformed first: {axes=}")
        self.collapse = collapse
        self.axes = _collapsed(groups, self.subcomm) if collapse is True else groups
        self.xfftn: list[Any] = []
        self.transfer: list[Any] = []
        self._plan(points, dtype, factors, backend, transforms, kw)

    def _plan(
        self, points: Sequence[int], dtype: np.dtype[Any], padding: Any, backend: str, transforms: Any, options: Any
    ) -> None:
        """Make the stages, and the transforms of them."""
        shape = list(points)
        pencil = Pencil(self.subcomm, shape, self.axes[-1][-1])
        start, stages = pencil, []
        for group in reversed(self.axes):
            axis = group[-1]
            if self.xfftn:
                pencil, before = pencil.pencil(axis), pencil
                self.transfer.append(before.transfer(pencil, dtype))
            xfftn = FFT(pencil.subshape, group, dtype, padding, backend, transforms, **options)
            stages.append(_known(xfftn, group, pencil.shape, (transforms or {}).get(group)))
            self.xfftn.append(xfftn)
            shape[axis], dtype = xfftn.forward.output_array.shape[axis], xfftn.forward.output_array.dtype
            pencil = Pencil(pencil.subcomm, shape, axis)
        self.pencil = [start, pencil]
        self.forward = Transform(
            [each.forward for each in self.xfftn], [each.forward for each in self.transfer], self.pencil
        )
        self.backward = Transform(
            [each.backward for each in reversed(self.xfftn)],
            [each.backward for each in reversed(self.transfer)],
            self.pencil[::-1],
        )
        self._programs = _programs(start, stages)
        if self._programs is not None:
            self.forward._program = self._programs, Way.FORWARD
            self.backward._program = self._programs, Way.BACKWARD

    def destroy(self) -> None:
        """Give back what the plan holds; communicators when the last `Subcomm` that shares them goes. Collective."""
        if self._programs is not None:
            self._programs.close()
        for transfer in self.transfer:
            transfer.destroy()
        if isinstance(self.subcomm, Subcomm):
            self.subcomm.destroy()

    def shape(self, forward_output: bool = True) -> tuple[int, ...]:
        """The shape of this rank's block of the output of ``forward``, or of its input."""
        # not that of the output's pencil: shenfun's padded spaces have another one there
        array = self.forward.output_array if forward_output else self.forward.input_array
        return array.shape

    def local_slice(self, forward_output: bool = True) -> tuple[slice, ...]:
        """This rank's block of the output of ``forward``, or of its input, as slices of the global array."""
        pencil = _side(self.forward, forward_output)
        return tuple(slice(at, at + n) for at, n in zip(pencil.substart, pencil.subshape, strict=True))

    def global_shape(self, forward_output: bool = False) -> tuple[int, ...]:
        """The global shape of the input, or of the output of ``forward``."""
        shape: tuple[int, ...] = _side(self.forward, forward_output).shape
        return shape

    @property
    def dimensions(self) -> int:
        """The number of axes."""
        return len(self.forward.input_pencil.shape)

    def dtype(self, forward_output: bool = False) -> np.dtype[Any]:
        """The dtype of the input, or of the output of ``forward``."""
        array = self.forward.output_array if forward_output else self.forward.input_array
        return array.dtype


def _side(forward: Transform, forward_output: bool) -> Any:
    """The pencil of one side."""
    return forward.output_pencil if forward_output else forward.input_pencil


def _groups(axes: Any, ndim: int, darray: Any) -> tuple[tuple[int, ...], ...]:
    """The axes to transform, in groups, counted from the front; by default all, those of a darray's alignment first."""
    if axes is None:
        order = range(ndim) if darray is None else np.roll(range(ndim), ndim - 1 - darray.alignment)
        return tuple((int(axis),) for axis in order)
    return axis_groups(axes, ndim)


def _padded(modes: Sequence[int], groups: Any, padding: Any) -> tuple[tuple[int, ...], Any]:
    """The points along each axis, and by how much they are more than the modes. The argument is not changed."""
    if padding is False or padding is None:
        return tuple(modes), False
    if np.ndim(padding) and len(padding) != len(modes):
        raise ValueError(f"padding {padding!r} must be one number, or one for each of the {len(modes)} axes")
    factors = [factor_of(padding, axis) for axis in range(len(modes))]
    points = list(modes)
    for group in groups:
        axis = group[0]
        if len(group) == 1 and factors[axis] > 1 + 1e-6:
            points[axis] = math.floor(modes[axis] * factors[axis])
            factors[axis] = points[axis] / modes[axis]
    return tuple(points), factors


def _divided(comm: Any, ndim: int, first: Sequence[int], grid: Any, slab: Any) -> Any:
    """The communicator of each axis of the input; `first` are the axes that stay undivided."""
    if isinstance(comm, (tuple, list)):
        if grid is not None or slab or len(comm) != ndim:
            raise ValueError(f"comm has {len(comm)} communicators: it must have one for each axis, and no grid or slab")
        return comm if isinstance(comm, Subcomm) else tuple(comm)
    if grid is not None:
        if len(grid) > ndim:
            raise ValueError(f"grid {grid!r} has more entries than the {ndim} axes of shape")
        return Subcomm(comm, [*grid, *[1] * (ndim - len(grid))])
    if slab is False or slab is None:
        return Subcomm(comm, [1 if axis in first else 0 for axis in range(ndim)])
    axis = (first[-1] + 1) % ndim if slab is True else whole_axis(slab, ndim, "slab: ")
    return Subcomm(comm, [comm.Get_size() if k == axis else 1 for k in range(ndim)])


def _collapsed(groups: Any, subcomm: Sequence[MPI.Comm]) -> tuple[tuple[int, ...], ...]:
    """The groups, those whose axes are undivided at the start joined to the one that is transformed before."""
    joined: list[tuple[int, ...]] = [()]
    for group in reversed(groups):
        if all(subcomm[axis].Get_size() == 1 for axis in group):
            joined[0] = (*group, *joined[0])
        else:
            joined.insert(0, group)
    return tuple(joined)


def _known(xfftn: FFT, group: Sequence[int], points: Sequence[int], pair: Any) -> Stage | None:
    """What a stage computes, if we can compute it too."""
    if xfftn.backend not in ("fftw", "pyfftw"):
        return None
    family = Fourier() if pair is None else family_of(pair)
    if family is None or (pair is not None and xfftn.padding_factor != 1):
        return None
    stage, dtype = [], xfftn.dtype
    for axis in reversed(group):
        factor = xfftn.padding_factor if axis == group[-1] else 1.0
        stage.append(family.along(axis, round(points[axis] / factor), points[axis], dtype))
        dtype = stage[-1].dtype
    return stage


def _programs(start: Pencil, stages: Sequence[Stage | None]) -> Programs | None:
    """Our own programs for stages, if all are known and the ranks are those of one grid."""
    known = [stage for stage in stages if stage is not None]
    pencil = described(start.subcomm, start.shape, start.axis)
    if not fused() or pencil is None or len(known) < len(stages):
        return None
    return Programs(pencil, known)
