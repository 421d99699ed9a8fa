"""``mpi4py_fft.distarray``: arrays that are this rank's block of a distributed one."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Integral, Number
from typing import Any

import numpy as np
from mpi4py import MPI

from ..distarray import DistArray as Block
from ..distarray import transfer_between
from ..layout.pencil import whole_axis
from ..layout.subcomm import Subcomm as Grid
from .pencil import Pencil, Subcomm, Transfer

Plain = np.ndarray[Any, Any]
comm = MPI.COMM_WORLD


class DistArray(np.ndarray):
    """This rank's block of a distributed array, as ``mpi4py_fft.DistArray``.

    Slices of components, ufuncs and copies keep the class, and what it says of its pencil, as numpy's subclasses do;
    so they may claim a pencil that is not theirs any more.

    Parameters
    ----------
    global_shape : sequence of int
        Of the whole array, component axes included.
    subcomm : Subcomm, sequence of MPI.Intracomm or sequence of int, optional
        How the axes are divided, component axes left out: by which ranks, or by how many, open where not positive. By
        default all are open but the alignment.
    val : number, optional
        What to fill it with; without it, and without `buffer`, it holds anything.
    dtype : dtype-like, optional
        float by default.
    buffer : buffer, optional
        Memory to take.
    strides : sequence of int, optional
        Of an array with one axis.
    alignment : int, optional
        An undivided axis, component axes not counted; the last one by default.
    rank : int, optional
        How many leading axes count components.
    """

    _p0: Pencil | None
    _rank: int

    def __new__(
        cls,
        global_shape: Sequence[int],
        subcomm: Any = None,
        val: Any = None,
        dtype: Any = float,
        buffer: Any = None,
        strides: Any = None,
        alignment: int | None = None,
        rank: int = 0,
    ) -> DistArray:
        """Make the block of this rank. Collective over MPI.COMM_WORLD where `subcomm` has no communicators."""
        shape = tuple(int(n) for n in global_shape)
        pencil = None if len(shape) - rank < 2 else _pencil(shape[rank:], subcomm, alignment)
        local = shape if pencil is None else shape[:rank] + pencil.subshape
        if isinstance(buffer, np.ndarray) and buffer.shape == local and buffer.dtype == dtype:
            self = np.asarray(buffer).view(cls)  # of any strides
        else:
            self = np.ndarray.__new__(cls, local, dtype, buffer, strides=strides if pencil is None else None)
        if buffer is None and isinstance(val, Number):
            self.fill(val)
        self._p0 = pencil
        self._rank = rank
        return self

    def __array_finalize__(self, obj: Any) -> None:
        """Take over what the array was told that this one is made from."""
        if obj is not None:
            self._p0 = getattr(obj, "_p0", None)
            self._rank = getattr(obj, "_rank", 0)

    @property
    def pencil(self) -> Any:
        """How the array is divided, component axes left out; None of an array with one axis."""
        return self._p0

    @property
    def rank(self) -> int:
        """How many leading axes count components."""
        return self._rank

    @property
    def alignment(self) -> int:
        """The axis along which every rank has whole lines, component axes not counted."""
        return int(self.pencil.axis)

    @property
    def global_shape(self) -> tuple[int, ...]:
        """The shape of the whole array."""
        return (*self.shape[: self.rank], *self.pencil.shape)

    @property
    def substart(self) -> tuple[int, ...]:
        """Where this block starts in the whole array."""
        return (*(0,) * self.rank, *self.pencil.substart)

    @property
    def subcomm(self) -> tuple[Any, ...]:
        """The communicator of each axis."""
        return (*(MPI.COMM_SELF,) * self.rank, *self.pencil.subcomm)

    @property
    def commsizes(self) -> list[int]:
        """Among how many ranks each axis is divided."""
        return [comm.Get_size() for comm in self.subcomm]

    @property
    def dimensions(self) -> int:
        """The number of axes, component axes not counted."""
        return len(self.pencil.shape)

    @property
    def v(self) -> Plain:
        """The block as a plain array, a view."""
        return self.__array__()

    def __getitem__(self, i: Any) -> Any:
        """A component, or a slice of components, keeps the class; of a tuple that goes beyond them a plain array."""
        if self.ndim == 1:
            return np.ndarray.__getitem__(self, i)
        entries = len(i) if isinstance(i, tuple) else 1
        if entries > self.rank or not isinstance(i, (Integral, slice, tuple)):
            return np.ndarray.__getitem__(self.v, i)
        part: Any = np.ndarray.__getitem__(self, i)
        part._rank = self.rank - (self.ndim - part.ndim)
        return part

    def local_slice(self) -> tuple[slice, ...]:
        """This block as slices of the whole array."""
        return tuple(slice(at, at + n) for at, n in zip(self.substart, self.shape, strict=True))

    def get(self, gslice: Sequence[Any]) -> Plain | None:
        """A part of the whole array on rank 0 of MPI.COMM_WORLD, None on the others. Collective.

        Parameters
        ----------
        gslice : sequence of int and slice
            The part: ``slice(None)`` takes a whole axis.
        """
        from .io.parts import gathered  # that folder stands on this module

        return gathered(self, gslice)

    def get_pencil_and_transfer(self, axis: int) -> tuple[Pencil, Transfer]:
        """The pencil aligned along `axis`, and the transfer to it."""
        pencil: Pencil = self.pencil
        target = pencil.pencil(axis)
        return target, pencil.transfer(target, self.dtype)

    def redistribute(self, axis: int | None = None, out: DistArray | None = None) -> DistArray:
        """The same array aligned along another axis. Collective over the ranks that have it.

        Parameters
        ----------
        axis : int, optional
            The alignment. Where it is undivided already, this very array is given, and nothing is moved.
        out : DistArray, optional
            Where the result goes; its alignment is taken.

        Returns
        -------
        DistArray
            This array, `out`, or a new one.
        """
        axis = None if axis is None else whole_axis(axis, self.dimensions)
        if axis is not None and axis == self.alignment:
            return self
        if axis is not None and isinstance(out, DistArray) and axis != out.alignment:
            raise ValueError(f"axis {axis} contradicts out, which is aligned along axis {out.alignment}")
        if axis is not None and self.commsizes[self.rank + axis] == 1:
            self._p0 = Pencil(self.pencil.subcomm, self.pencil.shape, axis)
            return self
        if out is None:
            if axis is None:
                raise TypeError("redistribute needs axis, or out")
            target = self.pencil.pencil(axis)
            out = DistArray(self.global_shape, target.subcomm, dtype=self.dtype, alignment=target.axis, rank=self.rank)
        elif self.global_shape != out.global_shape:
            raise ValueError(f"out has the global shape {out.global_shape}, expected {self.global_shape}")
        if self.commsizes == out.commsizes:
            out[...] = self
        else:
            self._move(out)
        return out

    def _move(self, out: DistArray) -> None:
        """Bring this array to the division of another."""
        components = self.shape[: self.rank]
        a, b = (each.pencil.described().with_components(components) for each in (self, out))
        if isinstance(a.subcomm, Grid) and isinstance(b.subcomm, Grid):
            transfer_between(a, b, self.dtype).forward(np.asarray(self), np.asarray(out))
            return
        transfer = self.pencil.transfer(out.pencil, self.dtype)
        for index in np.ndindex(*components):
            transfer.forward(np.asarray(self)[index], np.asarray(out)[index])

    def block(self) -> Block:
        """The same memory as our own array. Local."""
        components = self.shape[: self.rank]
        pencil = self.pencil.described().with_components(components)
        return Block.of(pencil, self.dtype, self.rank, np.asarray(self))

    def write(
        self,
        filename: Any,
        name: str = "darray",
        step: int = 0,
        global_slice: Sequence[Any] | None = None,
        domain: Any = None,
        as_scalar: bool = False,
    ) -> None:
        """Write the array, or a part of it, as a step of `name`. Collective over MPI.COMM_WORLD.

        Parameters
        ----------
        filename : str or HDF5File or NCFile
            The file, or its name, which ends in ".h5" or is of NetCDF.
        name : str, optional
            Of the field in the file.
        step : int, optional
            The number of the step.
        global_slice : sequence of int and slice, optional
            The part.
        domain : sequence, optional
            The coordinates, as `HDF5File` takes them.
        as_scalar : bool, optional
            Whether components become fields of their own.
        """
        field: Any = self if global_slice is None else (self, global_slice)
        _file(filename, domain=domain, mode="a").write(step, {name: [field]}, as_scalar=as_scalar)

    def read(self, filename: Any, name: str = "darray", step: int = 0) -> None:
        """Read a step of `name` into this array; the parameters are those of `write`. Collective."""
        _file(filename, mode="r").read(self, name, step=step)


def _pencil(shape: Sequence[int], subcomm: Any, alignment: int | None) -> Pencil:
    """The pencil that the arguments of a `DistArray` mean."""
    if subcomm is None:
        aligned = len(shape) - 1 if alignment is None else alignment
        subcomm = Subcomm(MPI.COMM_WORLD, [int(k == aligned % len(shape)) for k in range(len(shape))])
    elif len(subcomm) != len(shape):
        raise ValueError(f"subcomm has {len(subcomm)} entries, global_shape {len(shape)} axes besides components")
    elif not all(isinstance(each, MPI.Comm) for each in subcomm):
        subcomm = Subcomm(MPI.COMM_WORLD, subcomm)
    if alignment is None:
        whole = [k for k, comm in enumerate(subcomm) if comm.Get_size() == 1]
        if not whole:
            raise ValueError("subcomm divides every axis: leave one undivided")
        alignment = whole[-1]
    return Pencil(subcomm, shape, int(alignment))


def _file(filename: Any, **kw: Any) -> Any:
    """A file, or that of a name."""
    from .io import FileBase, HDF5File, NCFile  # that folder stands on this module

    if isinstance(filename, FileBase):
        return filename
    return (HDF5File if filename.endswith(".h5") else NCFile)(filename, **kw)


def newDistArray(pfft: Any, forward_output: bool = True, val: Any = 0, rank: int = 0, view: bool = False) -> Any:
    """An array for the input or the output of a transform, as ``mpi4py_fft.newDistArray``.

    Parameters
    ----------
    pfft : PFFT
        The transform.
    forward_output : bool, optional
        Whether for the output of ``forward``, or for its input.
    val : number, optional
        What to fill it with.
    rank : int, optional
        How many leading component axes it has, each as long as the array has axes.
    view : bool, optional
        Whether to give a plain array, whose ``base`` is the `DistArray`.
    """
    shape = pfft.global_shape(forward_output)
    pencil = pfft.pencil[bool(forward_output)]
    made = DistArray(
        (*(len(shape),) * rank, *shape),
        pencil.subcomm,
        val=val,
        dtype=pfft.dtype(forward_output),
        alignment=pencil.axis,
        rank=rank,
    )
    return made.v if view else made


def Function(*args: Any, **kw: Any) -> Any:
    """Make what `newDistArray` makes; `tensor` asks for a vector."""
    warnings.warn("Function() is deprecated: use newDistArray()", FutureWarning, stacklevel=2)
    if "tensor" in kw:
        kw["rank"] = 1
        del kw["tensor"]
    return newDistArray(*args, **kw)
