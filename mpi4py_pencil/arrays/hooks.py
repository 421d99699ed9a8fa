"""Numpy's functions and ufuncs on global arrays: those of the namespace, and no other, since it would gather."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .context import namespace
from .globalarray import GlobalArray, apply, computed, refuse_local
from .statistics import accumulated, reduced

# Functions of numpy that have another name here.
_NAMES = {
    "amax": "max",
    "amin": "min",
    "around": "round",
    "concatenate": "concat",
    "conjugate": "conj",
    "cumprod": "cumulative_prod",
    "cumsum": "cumulative_sum",
    "transpose": "permute_dims",
}

_REDUCTIONS = {np.add, np.multiply, np.minimum, np.maximum, np.logical_and, np.logical_or}


def call_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A ufunc, called or reduced, on global arrays. Collective."""
    if ufunc in (np.matmul, np.vecdot) and method == "__call__":
        return namespace(ufunc.__name__)(*inputs, **kwargs)
    if method == "__call__" and ufunc.signature is None:
        return computed(ufunc, inputs, kwargs)
    if method == "reduce" and ufunc in _REDUCTIONS:
        if kwargs.pop("out", None) not in (None, (None,)):
            raise TypeError("out is not there for reductions: assign the result, out[...] = …")
        axis = inputs[1] if len(inputs) > 1 else kwargs.pop("axis", 0)
        return reduced(ufunc, inputs[0], axis, **kwargs)
    if method == "outer":
        a, b = inputs
        ndim = np.ndim(b)
        return apply(ufunc, (a[(..., *[None] * ndim)], b), **kwargs)
    if method == "accumulate" and ufunc in (np.add, np.multiply):
        return accumulated(
            ufunc, inputs[0], *inputs[1:], **{"axis": 0, "dtype": None, "include_initial": False, **kwargs}
        )
    raise TypeError(
        f"numpy.{ufunc.__name__}.{method} is not there for global arrays: use the functions of "
        "mpi4py_pencil.arrays, the blocks by .local, or .to_numpy(), which is collective"
    )


def call_function(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A function of numpy on global arrays: that of the namespace under the same name. Collective."""
    refuse_local([*args, *kwargs.values()])
    own = _own(func)
    if own is None:
        other = _INSTEAD.get(func.__name__, "the functions of mpi4py_pencil.arrays")
        raise TypeError(
            f"{func.__module__}.{func.__name__} is not there for global arrays: use {other}, "
            "the blocks by .local, or .to_numpy(), which is collective"
        )
    return own(*args, **kwargs)


@functools.cache
def _own(func: Any) -> Callable[..., Any] | None:
    """The function of the namespace that stands for one of numpy's."""
    module, name = func.__module__, func.__name__
    if func in _SPECIAL:
        return _SPECIAL[func]
    for prefix in ("linalg", "fft"):
        if module.startswith(f"numpy.{prefix}"):
            return getattr(namespace(prefix), name, None)
    return namespace(_NAMES.get(name, name), None)


def _transpose(a: GlobalArray, axes: Any = None) -> GlobalArray:
    return a.transpose() if axes is None else a.transpose(*axes)


def _isclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> GlobalArray:
    return apply(lambda x, y: np.isclose(x, y, rtol, atol, equal_nan), (a, b))


def _dot(a: Any, b: Any) -> GlobalArray:
    if 0 in (np.ndim(a), np.ndim(b)):
        return apply(np.multiply, (a, b))
    if np.ndim(b) > 2:
        raise TypeError("numpy.dot of stacks of matrices is not there for global arrays: use matmul, or tensordot")
    return namespace("matmul")(a, b)


# What does the work of functions that are not there.
_INSTEAD = {
    "append": "concat",
    "argwhere": "nonzero",
    "block": "concat",
    "cross": "linalg.cross",
    "einsum": "tensordot, vecdot or matmul",
    "fft2": "fft.fftn with axes=(-2, -1)",
    "hstack": "concat",
    "ifft2": "fft.ifftn with axes=(-2, -1)",
    "inner": "vecdot or tensordot",
    "median": "sort",
    "nansum": "sum with where=~isnan(x)",
    "outer": "linalg.outer",
    "percentile": "sort",
    "quantile": "sort",
    "split": "slices",
    "unique": "unique_values, or others of unique_all",
    "vdot": "vecdot",
    "vstack": "concat or stack",
}

_SPECIAL: dict[Any, Callable[..., Any]] = {
    np.transpose: _transpose,
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a, axis=None: a.size if axis is None else a.shape[axis],
    np.copy: lambda a, order="K", subok=False: a.copy(),
    np.ravel: lambda a, order="C": namespace("reshape")(a, -1),
    np.array_repr: lambda a: repr(a),
    np.array_str: lambda a: str(a),
    np.isclose: _isclose,
    np.allclose: lambda a, b, *args, **kwargs: bool(_isclose(a, b, *args, **kwargs).all()),
    np.dot: _dot,
    np.array_equal: lambda a, b: np.shape(a) == np.shape(b) and bool((a == b).all()),
    np.iscomplexobj: lambda a: a.dtype.kind == "c",
    np.isrealobj: lambda a: a.dtype.kind != "c",
    np.result_type: lambda *given: namespace("result_type")(*given),
    np.flipud: lambda a: namespace("flip")(a, axis=0),
    np.fliplr: lambda a: namespace("flip")(a, axis=1),
    np.trace: lambda a, offset=0, axis1=0, axis2=1, dtype=None: namespace("linalg").trace(
        namespace("moveaxis")(a, (axis1, axis2), (-2, -1)), offset=offset, dtype=dtype
    ),
    np.diagonal: lambda a, offset=0, axis1=0, axis2=1: namespace("linalg").diagonal(
        namespace("moveaxis")(a, (axis1, axis2), (-2, -1)), offset=offset
    ),
    np.swapaxes: lambda a, i, j: namespace("moveaxis")(a, (i, j), (j, i)),
}
