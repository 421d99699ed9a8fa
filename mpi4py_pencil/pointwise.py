"""Functions of points in space that are applied to modes, without a field in space."""

from __future__ import annotations

import ctypes
import numbers
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .description import product, product_text
from .layout.arrays import cut, refuse_no_array, truth
from .layout.way import Way
from .plan.fused import Compiled
from .plan.pipeline import Route
from .plan.product import Functions
from .plan.program import Program
from .ranks.agreement import agreed, checking, nothing
from .ranks.communicators import cache_of

if TYPE_CHECKING:
    from .pfft import PFFT

Array = np.ndarray[Any, Any]
Function = Callable[..., Any]
Components = tuple[int, ...]
_PAGES = 64 * 1024
# So many numbers at the most are passed to a compiled function.
_MOST_NUMBERS = 32
_REDUCE: dict[str, Callable[[Any, Any], Any]] = {"max": np.maximum, "min": np.minimum, "sum": np.add}


@dataclass(frozen=True)
class Wanted:
    """What is asked of a product, the same on every rank.

    Attributes
    ----------
    inputs, outputs : tuple of int
        The component axes.
    before, after : bool
        Whether there are functions of modes.
    places : bool
        Whether the function of points is told where its tile lies.
    reduce : str or None
        What becomes of what it returns.
    """

    inputs: Components
    outputs: Components
    before: bool
    after: bool
    places: bool
    reduce: str | None

    def arguments(self) -> dict[str, Any]:
        """What was asked for, by the names of the arguments."""
        return dict(vars(self))


def wanted(inputs: Any, outputs: Any, before: Any, after: Any, places: Any, reduce: Any) -> Wanted:
    """The arguments of a product, checked.

    Raises
    ------
    TypeError, ValueError
        Where one is wrong; the message names it.
    """
    for name, function in (("before", before), ("after", after)):
        if function is not None and not callable(function):
            raise TypeError(f"{name} must be a function, not {type(function).__name__}")
    if reduce is not None and reduce not in _REDUCE:
        raise ValueError(f"reduce {reduce!r} does not exist: use one of {', '.join(map(repr, _REDUCE))}")
    return Wanted(
        _components("inputs", inputs),
        _components("outputs", outputs),
        before is not None,
        after is not None,
        truth("places", places),
        reduce,
    )


def _components(name: str, value: Any) -> Components:
    """Component axes."""
    given = (value,) if hasattr(value, "__index__") else value
    if not isinstance(given, Sequence) or not all(hasattr(n, "__index__") and n > 0 for n in given):
        raise TypeError(f"{name} must be a positive int, or a sequence of these, not {value!r}")
    return tuple(int(n) for n in given)


def address_of(function: Any) -> int | None:
    """The address of a compiled function: an int, one of ctypes, or what has an `address` as numba's have; or None."""
    if isinstance(function, ctypes._CFuncPtr):  # type: ignore[attr-defined]
        return ctypes.cast(function, ctypes.c_void_p).value
    found = getattr(function, "address", function)
    # in the first pages of memory there is nothing, so that null pointers are found out
    return int(found) if isinstance(found, int) and not isinstance(found, bool) and found >= _PAGES else None


def _filled(name: str, out: Array, returned: Any) -> None:
    """Refuse what a function returns that was to fill an array; but this itself, as functions of numpy's return it."""
    if returned is not None and returned is not out:
        raise TypeError(
            f"{name} returned {type(returned).__name__}, and should fill its argument out, as in out[...] = ..., and "
            "return nothing" + ("; what it returns is for reduce=" if name == "function" else "")
        )


# Where MPI4PY_PENCIL_CHECK is set, a function finds this in what it is to fill. It is nobody's result.
_UNFILLED = -1.2345678e37


def _numbers(returned: Any) -> Array:
    """What a function returned to be reduced: a number, or a few."""
    found = np.array(returned)  # a copy: it may be of a tile
    if found.dtype.kind not in "biufc" or found.ndim > 1:
        raise TypeError(f"function returned {type(returned).__name__}: reduce wants a number, or a sequence of numbers")
    return np.asarray(np.add.reduce(found[None], axis=0))  # truths and short integers as long ones


class Pointwise:
    """What `PFFT.pointwise` makes: a function of points, applied to modes.

    Parameters
    ----------
    fft : PFFT
        The transform.
    routes : pair of Route
        Of the inputs and of the outputs.
    asked : Wanted
        What is asked for.
    functions : three of callable or None
        Of modes before, of points, and of modes after.

    Attributes
    ----------
    fft : PFFT
        The transform.
    """

    def __init__(
        self,
        fft: PFFT,
        routes: tuple[Route, Route],
        asked: Wanted,
        functions: tuple[Function | None, Function, Function | None],
    ) -> None:
        self.fft = fft
        self._routes = routes
        cache = cache_of(fft.comm)
        cache[Pointwise] = number = cache.get(Pointwise, 0) + 1
        # what is the same on every rank: exchanges may go by other methods on other nodes
        self._call = f"product {number} of its communicator, of {asked.inputs} into {asked.outputs}"
        self._asked = asked
        self._values: tuple[Any, ...] = ()
        self._arrays: dict[str, Array] = {}
        self._returned: list[Any] = []
        self._checking = False  # of the present call: asking the environment for each tile would take long
        before, self._function, after = functions
        self._before, self._after = before, after
        self._k = fft.wavenumbers()
        components = asked.inputs, asked.outputs
        self._compiled = compiled = address_of(self._function)
        self._numbers = np.zeros(_MOST_NUMBERS)
        if compiled is None and not callable(self._function):
            raise TypeError(
                f"function must be a function, or the address of a compiled one, not {type(self._function).__name__}"
            )
        if compiled is not None and (asked.places or asked.reduce):
            raise ValueError("places and reduce are for functions of Python's: a compiled one has no use for them")
        middle = self._middle if compiled is None else Compiled(compiled, self._numbers)
        applied = Functions(middle, before and self._first, after and self._last)
        self._product = fft._product(routes, components, applied)

    def __call__(self, u_hat: Array, /, out: Array | None = None, *values: Any, **arrays: Array) -> Any:
        """Apply it.

        Collective over the ranks.

        Parameters
        ----------
        u_hat : ndarray
            This rank's modes, of any strides, with the component axes of the inputs, or those that `before` takes. It
            is not changed, unless it is `out`.
        out : ndarray, optional
            Where the result goes, with the component axes of the outputs; it may be `u_hat`. By default a new
            DistArray. With a function `after` it must be given, with the component axes that this gives: the function
            finds there what lay there before, the input where it is `u_hat`.
        *values
            What the functions get, as it is.
        **arrays : ndarray
            Further arrays of modes, whose part `after` gets under their names.

        Returns
        -------
        DistArray or ndarray
            `out`. With `reduce`, a pair of it and of what the function returned, reduced over all tiles and ranks.

        Raises
        ------
        BaseException
            On every rank, what a function raised on one: there as it is, else an error of its type that names the rank.
            The plan stays usable.
        TypeError, ValueError
            Before a message is sent, where an array has the wrong shape or dtype, or the plan is closed.
        """
        fft = self.fft
        with fft._calls:
            # a call is long enough for the ranks to agree first: then a wrong array on one raises on all
            result, source, program = agreed(
                fft.comm, lambda: self._prepared(u_hat, out, values, arrays), lambda _: {"the call": self._call}
            )
            try:
                mine = agreed(fft.comm, lambda: self._applied(program, source, result), nothing)
            finally:
                self._values, self._arrays, self._returned = (), {}, []
            if self._after is None:
                fft._cut_off(result)
            return result if self._asked.reduce is None else (result, self._reduced(fft.comm.allgather(mine)))

    def description(self) -> dict[str, Any]:
        """What it holds on this rank, in figures, as plain data of dicts and int. Local.

        How many fields go in and out, the trips through memory and the exchanges, and the bytes held for these.
        """
        return product(self.fft._asked, self._routes, (self._asked.inputs, self._asked.outputs), self._product.held)

    def describe(self) -> str:
        """The `description` as text for people. Local."""
        return product_text(self.description())

    def _prepared(
        self, u_hat: Any, out: Any, values: tuple[Any, ...], arrays: dict[str, Any]
    ) -> tuple[Array, Array, Program]:
        """Where the result goes, what it is made from, and the program."""
        result = self._checked(u_hat, out, values, arrays)
        self._checking = checking()
        self._values, self._arrays, self._returned = values, {k: np.asarray(a) for k, a in arrays.items()}, []
        if self._compiled is not None:
            self._numbers[: len(values)] = values
        source = u_hat if self._before else self.fft._within(u_hat)
        return result, *self._product.prepared(source, result)

    def _applied(self, program: Program, source: Array, result: Array) -> Array | None:
        """What the function returned for all tiles of this rank, as one; None where there are no points."""
        self._product.run(program, source, result)
        return self._reduced(self._returned)

    def _checked(self, u_hat: Any, out: Any, values: tuple[Any, ...], arrays: dict[str, Any]) -> Array:
        """Where the result goes; arrays that do not fit are refused."""
        modes, asked = self.fft._open().specs[Way.BACKWARD], self._asked
        given: list[tuple[str, Any, Components | None]] = [("u_hat", u_hat, None if asked.before else asked.inputs)]
        if out is not None:
            given.append(("out", out, None if asked.after else asked.outputs))
        for k, (name, array, components) in enumerate([*given, *((name, a, None) for name, a in arrays.items())]):
            if k > 0 and not isinstance(array, np.ndarray):
                further = "values for the functions come after out, without names"
                raise TypeError(f"{name} must be a numpy array, not {type(array).__name__}; {further}")
            refuse_no_array(name, array)
            if components is None:
                components = array.shape[: max(0, array.ndim - len(modes.shape))]
            modes.checked(name, array, components, written=k == 1 and out is not None)
        suiting = len(values) <= _MOST_NUMBERS and all(isinstance(value, numbers.Real) for value in values)
        if self._compiled is not None and not suiting:
            raise TypeError(f"a compiled function takes at most {_MOST_NUMBERS} numbers, not {values!r}")
        if arrays and not asked.after:
            raise TypeError(f"{', '.join(arrays)}: further arrays are for the function after, and there is none")
        if out is None and asked.after:
            raise TypeError("out must be given where there is a function after: it works on what lies there")
        return modes.empty(asked.outputs) if out is None else out

    def _first(self, at: tuple[slice, ...], u_hat: Array, out: Array) -> None:
        """The function of modes before."""
        returned = self._call_of("before", self._before, u_hat, out, self._cut(at), *self._values)  # type: ignore[arg-type]
        _filled("before", out, returned)
        self.fft._cut_off(out, at)

    def _middle(self, at: tuple[slice, ...], x: Array, out: Array) -> None:
        """The function of points."""
        place = (at,) if self._asked.places else ()
        returned = self._call_of("function", self._function, x, out, *place, *self._values)
        if self._asked.reduce is None:
            _filled("function", out, returned)
        else:
            self._returned.append(_numbers(returned))

    def _last(self, at: tuple[slice, ...], x: Array, out: Array) -> None:
        """The function of modes after."""
        self.fft._cut_off(x, at)
        arrays = {name: cut(array, at) for name, array in self._arrays.items()}
        _filled("after", out, self._after(x, out, self._cut(at), *self._values, **arrays))  # type: ignore[misc]

    def _call_of(self, name: str, function: Function, x: Array, out: Array, *arguments: Any) -> Any:
        """What a function returns that is to fill `out`; where that is checked, refused if points are as they were."""
        if not self._checking:
            return function(x, out, *arguments)
        out[...] = _UNFILLED
        returned = function(x, out, *arguments)
        if (out.real == out.real.dtype.type(_UNFILLED)).any():
            raise ValueError(f"{name} left points of out as they were: it must fill all of it, as in out[...] = ...")
        return returned

    def _cut(self, at: tuple[slice, ...]) -> list[Any]:
        """The wave numbers of a tile."""
        return [
            None if k is None else k[tuple(s if axis == d else slice(None) for d, s in enumerate(at))]
            for axis, k in enumerate(self._k)
        ]

    def _reduced(self, found: Sequence[Array | None]) -> Any:
        """Numbers of tiles, or of ranks, as one; None where there are none."""
        total = None
        for one in found:
            if one is not None and total is not None and one.shape != total.shape:
                raise ValueError(f"function returned numbers of the shapes {total.shape} and {one.shape}")
            if one is not None:
                total = one if total is None else _REDUCE[str(self._asked.reduce)](total, one)
        return total

    def __repr__(self) -> str:
        """What it does. Local."""
        return f"Pointwise(inputs={self._asked.inputs}, outputs={self._asked.outputs}) of {self.fft!r}"
