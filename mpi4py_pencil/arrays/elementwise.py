"""Functions computed point by point: numpy's ufuncs on the blocks, under the names of the standard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .globalarray import GlobalArray, apply, computed
from .indexing import nonzero


def _unary(name: str) -> Callable[..., GlobalArray]:
    """The function of one array under a name."""
    ufunc = getattr(np, name)

    def function(x: Any, /, **kwargs: Any) -> GlobalArray:
        return computed(ufunc, (x,), kwargs)

    return _named(function, name)


def _binary(name: str) -> Callable[..., GlobalArray]:
    """The function of two arrays under a name."""
    ufunc = getattr(np, name)

    def function(x1: Any, x2: Any, /, **kwargs: Any) -> GlobalArray:
        return computed(ufunc, (x1, x2), kwargs)

    return _named(function, name)


def _named(function: Any, name: str) -> Any:
    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    function.__doc__ = f"numpy's `{name}`, point by point: see `globalarray.apply` for `out`, `where`."
    return function


abs = _unary("abs")
acos = _unary("acos")
acosh = _unary("acosh")
asin = _unary("asin")
asinh = _unary("asinh")
atan = _unary("atan")
atanh = _unary("atanh")
bitwise_invert = _unary("bitwise_invert")
ceil = _unary("ceil")
conj = _unary("conj")
cos = _unary("cos")
cosh = _unary("cosh")
exp = _unary("exp")
expm1 = _unary("expm1")
floor = _unary("floor")
isfinite = _unary("isfinite")
isinf = _unary("isinf")
isnan = _unary("isnan")
log = _unary("log")
log1p = _unary("log1p")
log2 = _unary("log2")
log10 = _unary("log10")
logical_not = _unary("logical_not")
negative = _unary("negative")
positive = _unary("positive")
reciprocal = _unary("reciprocal")
sign = _unary("sign")
signbit = _unary("signbit")
sin = _unary("sin")
sinh = _unary("sinh")
square = _unary("square")
sqrt = _unary("sqrt")
tan = _unary("tan")
tanh = _unary("tanh")
trunc = _unary("trunc")
add = _binary("add")
atan2 = _binary("atan2")
bitwise_and = _binary("bitwise_and")
bitwise_left_shift = _binary("bitwise_left_shift")
bitwise_or = _binary("bitwise_or")
bitwise_right_shift = _binary("bitwise_right_shift")
bitwise_xor = _binary("bitwise_xor")
copysign = _binary("copysign")
divide = _binary("divide")
equal = _binary("equal")
floor_divide = _binary("floor_divide")
greater = _binary("greater")
greater_equal = _binary("greater_equal")
hypot = _binary("hypot")
less = _binary("less")
less_equal = _binary("less_equal")
logaddexp = _binary("logaddexp")
logical_and = _binary("logical_and")
logical_or = _binary("logical_or")
logical_xor = _binary("logical_xor")
maximum = _binary("maximum")
minimum = _binary("minimum")
multiply = _binary("multiply")
nextafter = _binary("nextafter")
not_equal = _binary("not_equal")
pow = _binary("pow")
remainder = _binary("remainder")
subtract = _binary("subtract")


def real(x: GlobalArray, /) -> GlobalArray:
    """The real part, a view. Local."""
    return x.real


def imag(x: GlobalArray, /) -> GlobalArray:
    """The imaginary part, a view; of real numbers zeros. Local."""
    return x.imag


def round(x: GlobalArray, /, decimals: int = 0) -> GlobalArray:
    """Rounded to a number of decimals. Local."""
    return apply(lambda block: np.round(block, decimals), (x,))


def clip(x: GlobalArray, /, min: Any = None, max: Any = None) -> GlobalArray:
    """The values, those below `min` or above `max` replaced by these. Collective where bounds must be redistributed."""
    bounds = [bound for bound in (min, max) if bound is not None]

    def clipped(block: Any, *given: Any) -> Any:
        left = iter(given)
        low, high = (None if bound is None else next(left) for bound in (min, max))
        return np.clip(block, low, high) if given else block.copy()

    return apply(clipped, (x, *bounds))


def where(condition: GlobalArray, x1: Any = None, x2: Any = None, /) -> Any:
    """`x1` where the condition holds, else `x2`; with the condition alone `nonzero` of it. Collective."""
    if x1 is None and x2 is None:
        return nonzero(condition)
    return apply(np.where, (condition, x1, x2))
