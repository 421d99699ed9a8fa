"""Transforms of shenfun's spaces, carried out by our own programs where all of their bases are Fourier's.

shenfun's spaces subclass `mpifft.Transform`, whose stages are methods of its bases. Where each of them is one that we
can compute too, a call is a program; wherever a condition is not met, it is what shenfun has written.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ..layout.way import Way
from ..transforms import Fourier
from .programs import Programs, Stage, between, described, fused, steps_of

_MODULE = "shenfun.tensorproductspace"
_BASES = "shenfun.fourier.bases"
_WAYS = {"forward": Way.FORWARD, "scalar_product": Way.FORWARD, "backward": Way.BACKWARD}
# Under this name a space keeps its programs, and a transform which of them it is.
_KEPT = "_programs_of_mpi4py_pencil"

Call = Callable[..., Any]


def hook(cls: type) -> None:
    """Have calls of a class of shenfun's transforms be programs where they can be."""
    if cls.__module__ == _MODULE and "__call__" in cls.__dict__:
        setattr(cls, "__call__", _hooked(cls.__dict__["__call__"]))  # noqa: B010 - not known to have one


def _hooked(call: Call) -> Call:
    """The call of a transform of shenfun's."""

    @functools.wraps(call)
    def fused_or_not(
        self: Any, input_array: Any = None, output_array: Any = None, kind: Any = None, mesh: Any = None, **kw: Any
    ) -> Any:
        run = None if kw else _program(self, kind)
        if run is not None:
            return between(self, run, input_array, output_array)
        meshed = {} if mesh is None else {"mesh": mesh}
        return call(self, input_array, output_array, kind=kind, **meshed, **kw)

    return fused_or_not


def _program(transform: Any, kind: Any) -> Callable[..., None] | None:
    """What carries out a transform; None where that is not ours to do."""
    if _KEPT not in transform.__dict__:
        setattr(transform, _KEPT, _found(transform))
    found = transform.__dict__[_KEPT]
    if found is None or not fused() or transform._get_kind(transform._xfftn[0], kind) != "fast":
        return None
    programs, way = found
    return functools.partial(programs, way, normalize=way is Way.FORWARD)


def _found(transform: Any) -> tuple[Programs, Way] | None:
    """The programs of a transform's space, and which way it goes."""
    methods = [_method(each) for each in transform._xfftn]
    names = {getattr(each, "__name__", "") for each in methods}
    way = _WAYS.get(names.pop()) if len(names) == 1 else None
    if way is None:
        return None
    bases = [each.__self__ for each in way.order(methods)]
    if not all(_plain(base) for base in bases):
        return None
    space = bases[0].tensorproductspace
    if _KEPT not in space.__dict__:
        pencil = way.order([transform.input_pencil, transform.output_pencil])[0]
        arrays = way.order([transform.input_array, transform.output_array])
        setattr(space, _KEPT, _programs(bases, pencil, arrays))
    programs = space.__dict__[_KEPT]
    return None if programs is None else (programs, way)


def _method(stage: Any) -> Any:
    """The method of a basis that a stage calls: it may be wrapped several times."""
    while hasattr(stage, "func"):
        stage = stage.func
    return stage


def _plain(base: Any) -> bool:
    """Whether the transforms of a basis are Fourier's, and its space has nothing that changes them."""
    known = type(base).__module__ == _BASES and type(base).__name__ in ("R2C", "C2C")
    space = getattr(base, "tensorproductspace", None)
    return known and space is not None and not base.dealias_direct and space.coors.is_cartesian


def _programs(bases: Sequence[Any], points: Any, arrays: Sequence[Any]) -> Programs | None:
    """The programs of bases, in the order of forward, from points to modes; None where their arrays are others.

    Not by the pencil of the modes: of a padded space that has the points of the axis transformed last.
    """
    stages: list[Stage] = []
    dtype = arrays[0].dtype
    for base in bases:
        stage = []
        for axis in reversed(base._planned_axes):
            n = points.shape[axis]
            stage.append(Fourier().along(axis, base.N if axis == base.axis else n, n, dtype))
            dtype = stage[-1].dtype
        stages.append(stage)
    pencil = described(points.subcomm, points.shape, points.axis)
    if pencil is None:
        return None
    ends = pencil.subshape, steps_of(pencil, stages)[-1].after.subshape
    if ends != tuple(array.shape for array in arrays) or dtype != arrays[1].dtype:
        return None
    return Programs(pencil, stages)
