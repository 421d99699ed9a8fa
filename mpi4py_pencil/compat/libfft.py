"""``mpi4py_fft.libfft``: the transform of one rank's array, with padding, by any of several libraries."""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..transforms import DCT, DST
from . import fftw

Array = np.ndarray[Any, Any]

# Padding by less than this is none.
_TINY = 1e-6


class FFTBase:
    """What all transforms of this rank's array are: ``mpi4py_fft.libfft.FFTBase``."""


class FFT(FFTBase):
    """A transform of this rank's array, as ``mpi4py_fft.libfft.FFT``: it owns the arrays before and after.

    Where padding truncates an even number of modes, the highest one is halved to both signs and put together again, for
    real points too; there that depends on half of the number, which spoils one mode for three of four lengths.

    Parameters
    ----------
    shape : int or sequence of int
        Of the points.
    axes : int or sequence of int, optional
        What is transformed, the last one first; all axes by default.
    dtype : dtype-like, optional
        Of the points.
    padding : bool, float or sequence of float, optional
        By how much there are more points than modes, or that for each axis of the array; of one axis only.
    backend : str, optional
        "fftw" or "pyfftw" (both are pyfftw here, by two of its interfaces), "numpy", "scipy" or "mkl_fft".
    transforms : dict, optional
        For tuples of axes the two functions that plan forward and backward.
    kw
        Options of the backend.

    Attributes
    ----------
    forward, backward : Direction
        The transforms.
    """

    def __init__(
        self,
        shape: Any,
        axes: Any = None,
        dtype: Any = float,
        padding: Any = False,
        backend: str = "fftw",
        transforms: Mapping[Any, Any] | None = None,
        **kw: Any,
    ) -> None:
        self.shape = [int(n) for n in np.atleast_1d(shape)]
        self.axes = _axes(axes, len(self.shape))
        self.dtype = np.dtype(dtype)
        self.padding = padding
        self.backend = backend
        self.real_transform = self.dtype.kind == "f" and backend != "scipy"
        self.padding_factor = factor_of(padding, self.axes[-1])
        pair = (transforms or {}).get(tuple(self.axes))
        plan: Callable[..., Any] = _BACKENDS[backend]
        self._planner = functools.partial(plan, self.shape, self.axes, self.dtype, pair, kw)
        self._plans: tuple[Any, Any] | None = None
        points, full = self._arrays(pair)
        modes = full if self._modes is None else fftw.aligned(self._truncated(), dtype=full.dtype)
        self._full = full
        self.forward = Direction(self._forward, points, modes)
        self.backward = Direction(self._backward, modes, points)

    def _arrays(self, pair: Any) -> tuple[Array, Array]:
        """The arrays of points and of all modes; where it takes a plan to know the latter, it is made."""
        if self.backend not in ("fftw", "pyfftw") or not (pair is None or family_of(pair)):
            self._plans = self._planner()
            return self._plans[0].input_array, self._plans[0].output_array
        if pair is not None:
            return fftw.aligned(self.shape, dtype=self.dtype), fftw.aligned(self.shape, dtype=self.dtype)
        shape = list(self.shape)
        if self.real_transform:
            shape[self.axes[-1]] = shape[self.axes[-1]] // 2 + 1
        return fftw.aligned(self.shape, dtype=self.dtype), fftw.aligned(shape, dtype=self.dtype.char.upper())

    def _planned(self) -> tuple[Any, Any]:
        """The plans forward and backward, made at the first call: what the arrays hold is kept."""
        if self._plans is None:
            held = self.forward.input_array, self._full
            copies = [array.copy() for array in held]
            self._plans = self._planner(*held)
            for array, copy in zip(held, copies, strict=True):
                array[...] = copy
        return self._plans

    @property
    def fwd(self) -> Any:
        """The library's transform forward."""
        return self._planned()[0]

    @property
    def bck(self) -> Any:
        """The library's transform backward."""
        return self._planned()[1]

    @functools.cached_property
    def M(self) -> Any:
        """What ``normalize=True`` multiplies with."""
        if self.backend == "fftw":
            return self.fwd.get_normalization()
        one: Any = np.longdouble(1) if self.dtype.char in "gG" else 1.0
        return one / math.prod(self.shape[axis] for axis in self.axes)

    @functools.cached_property
    def _modes(self) -> int | None:
        """How many modes the padded axis has; None where nothing is padded."""
        if abs(self.padding_factor - 1) < _TINY:
            return None
        if len(self.axes) > 1:
            raise ValueError(f"padding {self.padding!r} is for one axis at a time, not for {self.axes}")
        return round(self.shape[self.axes[-1]] / self.padding_factor)

    def _truncated(self) -> list[int]:
        """The shape of the modes of a padded transform."""
        modes = self._modes or 0
        shape = list(self.shape)
        shape[self.axes[-1]] = modes // 2 + 1 if self.real_transform else modes
        return shape

    def _forward(self, normalize: bool = True, **kw: Any) -> None:
        """Transform the points."""
        self.fwd(None, None, **kw)
        if self._modes is not None:
            truncate(self._full, self.forward.output_array, self.axes[-1], self._modes, self.real_transform)
        if normalize:
            self.forward.output_array[...] *= self.M

    def _backward(self, normalize: bool = False, **kw: Any) -> None:
        """Transform the modes."""
        if self._modes is not None:
            pad(self.backward.input_array, self._full, self.axes[-1], self._modes, self.real_transform)
        self.bck(None, None, **kw)
        if normalize:
            self.backward.output_array[...] *= self.M


class Direction:
    """A transform of arrays of its own, to be called: ``forward(input_array=None, output_array=None, **options)``.

    Parameters
    ----------
    transform : callable
        What transforms one array into the other.
    input_array, output_array : ndarray
        The arrays.
    """

    def __init__(self, transform: Callable[..., None], input_array: Array, output_array: Array) -> None:
        self._transform = transform
        self.input_array = input_array
        self.output_array = output_array

    def __call__(self, input_array: Any = None, output_array: Array | None = None, **options: Any) -> Array:
        """Transform `input_array`, or what is in the array before; give `output_array`, or the array after."""
        if input_array is not None:
            self.input_array[...] = input_array
        self._transform(**options)
        if output_array is None:
            return self.output_array
        output_array[...] = self.output_array
        return output_array


def family_of(pair: Sequence[Any]) -> DCT | DST | None:
    """The cosine or sine transform that functions of `fftw`, or partial ones with a type, plan; None for others."""
    functions = [each.func if isinstance(each, functools.partial) else each for each in pair]
    for known, family in (((fftw.dctn, fftw.idctn), DCT), ((fftw.dstn, fftw.idstn), DST)):
        if tuple(functions) == known:
            given = [(each.args, each.keywords) if isinstance(each, functools.partial) else ((), {}) for each in pair]
            types = {keywords.get("type", 2) for _, keywords in given}
            plain = all(not args and keywords.keys() <= {"type"} for args, keywords in given)
            return family(types.pop()) if plain and len(types) == 1 else None
    return None


def truncate(full: Array, modes: Array, axis: int, n: int, real: bool) -> None:
    """Take the lowest `n` modes of more; of real points half of them are stored."""
    full, modes = np.moveaxis(full, axis, 0), np.moveaxis(modes, axis, 0)
    high = n // 2
    if real:
        modes[...] = full[: high + 1]
        if n % 2 == 0:
            modes[high] = 2 * modes[high].real
        return
    modes[: n - high] = full[: n - high]
    if high:
        modes[-high:] = full[-high:]
        if n % 2 == 0:
            modes[high] += full[high]


def pad(modes: Array, full: Array, axis: int, n: int, real: bool) -> None:
    """Put `n` modes among more, which are zero; the highest of an even number is halved to both signs."""
    full, modes = np.moveaxis(full, axis, 0), np.moveaxis(modes, axis, 0)
    high = n // 2
    full[...] = 0
    if real:
        full[: high + 1] = modes
        if n % 2 == 0:
            full[high] = full[high].real / 2
        return
    full[: n - high] = modes[: n - high]
    if high:
        full[-high:] = modes[-high:]
        if n % 2 == 0:
            full[-high] /= 2
            full[high] = full[-high]


def _axes(axes: Any, ndim: int) -> list[int]:
    """The axes, counted from the front."""
    found = [int(a) % ndim for a in (range(ndim) if axes is None else np.atleast_1d(axes))]
    if not found or len(set(found)) < len(found):
        raise ValueError(f"axes {axes!r} must name each axis once, and one at least")
    return found


def factor_of(padding: Any, axis: int) -> float:
    """The padding of an axis."""
    if padding is False:
        return 1.0
    factor = float(padding[axis] if np.ndim(padding) else padding)
    if not factor >= 1 - _TINY:
        raise ValueError(f"padding {padding!r} must be 1 or more: there are no fewer points than modes")
    return factor


def _with_fftw(
    shape: Sequence[int],
    axes: Sequence[int],
    dtype: np.dtype[Any],
    pair: Any,
    options: Mapping[str, Any],
    points: Array | None = None,
    modes: Array | None = None,
) -> tuple[Any, Any]:
    """Plans by the functions of `fftw`."""
    opts = {"overwrite_input": "FFTW_DESTROY_INPUT", "planner_effort": "FFTW_MEASURE", "threads": 1, **options}
    effort, overwrite = (fftw.flag_dict[opts[name]] for name in ("planner_effort", "overwrite_input"))
    real = dtype.kind == "f"
    plan_forward, plan_backward = pair or ((fftw.rfftn, fftw.irfftn) if real else (fftw.fftn, fftw.ifftn))
    points = fftw.aligned(shape, dtype=dtype) if points is None else points
    given: dict[str, Any] = {} if modes is None else {"output_array": modes}
    common = {"s": tuple(shape[axis] for axis in axes), "axes": tuple(axes), "threads": opts["threads"]}
    forward = plan_forward(points, flags=(effort, overwrite), **common, **given)
    backward = plan_backward(
        forward.output_array, flags=(effort,) if real else (effort, overwrite), output_array=points, **common
    )
    for array in (forward.input_array, forward.output_array):
        array.fill(0)
    return forward, backward


def _with_pyfftw(
    shape: Sequence[int],
    axes: Sequence[int],
    dtype: np.dtype[Any],
    pair: Any,
    options: Mapping[str, Any],
    points: Array | None = None,
    modes: Array | None = None,
) -> tuple[Any, Any]:
    """Plans by pyfftw's builders."""
    import pyfftw

    flags = ("avoid_copy", "overwrite_input", "auto_align_input", "auto_contiguous")
    opts = {**dict.fromkeys(flags, True), "threads": 1, **options}
    builders = pyfftw.builders
    real = dtype.kind == "f"
    build = pair or ((builders.rfftn, builders.irfftn) if real else (builders.fftn, builders.ifftn))
    common = {"s": tuple(shape[axis] for axis in axes), "axes": tuple(axes)}
    points = fftw.aligned(shape, dtype=dtype) if points is None else points
    forward = build[0](points, **common, **opts)
    if real:
        del opts["overwrite_input"]
    modes = forward.output_array if modes is None else modes
    backward = build[1](modes, **common, **opts)
    forward.update_arrays(points, modes)
    backward.update_arrays(modes, points)
    for array in (points, modes):
        array.fill(0)
    return forward, functools.partial(backward, normalise_idft=False)


class _Called:
    """A function from array to array as a transform that owns its arrays.

    Parameters
    ----------
    function : callable
        The function.
    input_array, output_array : ndarray
        The arrays.
    scale : float
        What its results are multiplied with.
    options : dict
        What the function is given.
    """

    def __init__(
        self, function: Callable[..., Array], input_array: Array, output_array: Array, scale: float, options: Any
    ) -> None:
        self._function = function
        self._scale = scale
        self._options = options
        self.input_array = input_array
        self.output_array = output_array

    def __call__(self, *_: None, **kw: Any) -> Array:
        """Transform one array into the other; only what the function knows of options is for it."""
        made = self._function(self.input_array, **{**self._options, **kw})
        if self.output_array.dtype.kind == "f":
            made = made.real  # of real points that were transformed as complex ones
        np.multiply(made, self._scale, out=self.output_array, casting="same_kind")
        return self.output_array


def _with_functions(
    name: str, shape: Sequence[int], axes: Sequence[int], dtype: np.dtype[Any], pair: Any, options: Mapping[str, Any]
) -> tuple[Any, Any]:
    """Transforms by a library whose functions make new arrays."""
    del options  # of planners
    module = importlib.import_module(_MODULES[name])
    real = dtype.kind == "f" and name != "scipy"
    forward, backward = pair or [getattr(module, f) for f in (("rfftn", "irfftn") if real else ("fftn", "ifftn"))]
    lengths = tuple(shape[axis] for axis in axes)
    given = {"shape" if name == "scipy" else "s": lengths, "axes": tuple(axes)}
    points = fftw.aligned(shape, dtype=dtype)
    made = forward(points, **given)
    modes = fftw.aligned(made.shape, dtype=dtype.char.upper() if made.dtype.kind == "c" else made.dtype)
    # these scale backward, by one over the number of points
    return _Called(forward, points, modes, 1, given), _Called(backward, modes, points, math.prod(lengths), given)


_MODULES = {"numpy": "numpy.fft", "scipy": "scipy.fftpack", "mkl_fft": "mkl_fft.interfaces.numpy_fft"}
_BACKENDS: dict[str, Any] = {
    "fftw": _with_fftw,
    "pyfftw": _with_pyfftw,
    **{name: functools.partial(_with_functions, name) for name in _MODULES},
}
