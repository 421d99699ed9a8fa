"""Transforms of shenfun's spaces, carried out by our own programs where their bases are Fourier's, or Legendre's.

shenfun's spaces subclass `mpifft.Transform`, whose stages are methods of its bases. Where each of them is one that we
can compute too, a call is a program; wherever a condition is not met, it is what shenfun has written.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ..layout.way import Way
from ..transforms import Fourier, LinearMap, Transform
from .programs import Programs, Stage, between, described, fused, steps_of

_MODULE = "shenfun.tensorproductspace"
# The bases that we know, by their modules. Polynomials are summed up one by one there; here they are a matrix.
_FOURIER = "shenfun.fourier.bases", ("R2C", "C2C")
_LEGENDRE = "shenfun.legendre.bases", ("Orthogonal",)
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
        run = None if kw else _program(self, kind, mesh)
        if run is not None:
            return between(self, run, input_array, output_array)
        meshed = {} if mesh is None else {"mesh": mesh}
        return call(self, input_array, output_array, kind=kind, **meshed, **kw)

    return fused_or_not


def _program(transform: Any, kind: Any, mesh: Any) -> Callable[..., None] | None:
    """What carries out a transform; None where that is not ours to do: kinds and points that programs ask for."""
    if _KEPT not in transform.__dict__:
        setattr(transform, _KEPT, _found(transform) if fused() else None)
    found = transform.__dict__[_KEPT]
    if found is None:
        return None
    run, fourier, polynomials = found
    if fourier is not None and transform._get_kind(fourier, kind) != "fast":
        return None
    return None if polynomials and (kind is not None or mesh is not None) else run


def _found(transform: Any) -> tuple[Callable[..., None], Any, bool] | None:
    """What carries out a transform, one of its stages that is Fourier's (kinds go by families), and whether others."""
    methods = [_method(each) for each in transform._xfftn]
    names = {getattr(each, "__name__", "") for each in methods}
    name = names.pop() if len(names) == 1 else ""
    way = _WAYS.get(name)
    if way is None:
        return None
    bases = [each.__self__ for each in way.order(methods)]
    if not all(_plain(base, name) for base in bases):
        return None
    space = bases[0].tensorproductspace
    if _KEPT not in space.__dict__:
        pencil = way.order([transform.input_pencil, transform.output_pencil])[0]
        arrays = way.order([transform.input_array, transform.output_array])
        setattr(space, _KEPT, _programs(bases, pencil, arrays))
    programs = space.__dict__[_KEPT]
    if programs is None:
        return None
    run = functools.partial(programs, way, normalize=way is Way.FORWARD)
    known = [_is(method.__self__, _FOURIER) for method in methods]
    return run, transform._xfftn[known.index(True)] if any(known) else None, not all(known)


def _method(stage: Any) -> Any:
    """The method of a basis that a stage calls: it may be wrapped several times."""
    while hasattr(stage, "func"):
        stage = stage.func
    return stage


def _is(base: Any, known: tuple[str, tuple[str, ...]]) -> bool:
    """Whether a basis is of a class that we know."""
    return type(base).__module__ == known[0] and type(base).__name__ in known[1]


def _plain(base: Any, name: str) -> bool:
    """Whether what a basis calls `name` is known to us, and its space has nothing that changes it."""
    space = getattr(base, "tensorproductspace", None)
    if space is None or base.dealias_direct or not space.coors.is_cartesian:
        return False
    # their scalar product leaves out the inverse of the mass matrix, which Fourier's have in their scale
    return _is(base, _FOURIER) or (_is(base, _LEGENDRE) and not base.is_padded and name != "scalar_product")


def _stage(base: Any, shape: Sequence[int], dtype: Any) -> list[Transform]:
    """What a basis computes of points of this shape."""
    if _is(base, _LEGENDRE):
        values = base.vandermonde(base.mesh(False, False))
        weights = base.points_and_weights(base.N)[1]
        coefficients = (values * weights[:, None]).T / base.l2_norm_sq()[:, None]
        return [LinearMap(coefficients, values).along(base.axis, base.N, base.N, dtype)]
    stage: list[Transform] = []
    for axis in reversed(base._planned_axes):
        n = shape[axis]
        stage.append(Fourier().along(axis, base.N if axis == base.axis else n, n, dtype))
        dtype = stage[-1].dtype
    return stage


def _programs(bases: Sequence[Any], points: Any, arrays: Sequence[Any]) -> Programs | None:
    """The programs of bases, in the order of forward, from points to modes; None where their arrays are others.

    Not by the pencil of the modes: of a padded space that has the points of the axis transformed last.
    """
    stages: list[Stage] = []
    dtype = arrays[0].dtype
    for base in bases:
        stages.append(_stage(base, points.shape, dtype))
        dtype = stages[-1][-1].dtype
    pencil = described(points.subcomm, points.shape, points.axis)
    if pencil is None:
        return None
    ends = pencil.subshape, steps_of(pencil, stages)[-1].after.subshape
    if ends != tuple(array.shape for array in arrays) or dtype != arrays[1].dtype:
        return None
    return Programs(pencil, stages)
