"""Random arrays whose numbers belong to their indices: the same for any number of ranks and any distribution.

    rng = xp.random.default_rng(seed=1)
    u = rng.normal(size=(64, 64, 64))

A point takes the word that its place in the whole array, in C order, names: see `mpi4py_pencil.philox`.
"""

from __future__ import annotations

import math
import operator
import secrets
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from .. import philox
from ..layout.arrays import said
from ..philox import WORDS, Counted, checked_seed
from ..ranks.agreement import agreed
from .axes import Axis, Block, Indices
from .context import Context, world
from .creation import Divided, placed
from .globalarray import GlobalArray, together

__all__ = ["Generator", "default_rng"]

Plain: TypeAlias = "np.ndarray[Any, Any]"

# So many numbers are drawn at once; they stay in cache.
_CHUNK = 1 << 14


class _Draw(NamedTuple):
    """How numbers come from words.

    Attributes
    ----------
    made : callable
        Makes them from words of 64 bits, which it may overwrite.
    words, numbers : int
        So many words make so many numbers, neighbours of which the first has a place that is a multiple of `numbers`.
    """

    made: Callable[[Plain], Plain]
    words: int = 1
    numbers: int = 1


def default_rng(seed: int | None = None, *, context: Context | None = None) -> Generator:
    """A generator of random arrays over the ranks of a context. Collective.

    Parameters
    ----------
    seed : int, optional
        From 0 up to 2**128 - 1; by default one that nobody foresees, the same on every rank.
    context : Context, optional
        By default that of MPI.COMM_WORLD.

    Raises
    ------
    ValueError
        On every rank, where the seed is none on one or differs.
    """
    context = world() if context is None else context
    if seed is None:
        seed = context.comm.bcast(secrets.randbits(128))

    def asked() -> int:
        if np.ndim(seed):
            raise ValueError(
                f"seed must be a whole number from 0 up to 2**128 - 1, not an array or a sequence: {seed!r}"
            )
        return checked_seed(seed)

    return Generator(agreed(context.comm, asked, lambda found: {"seed": found}), context)


def __getattr__(name: str) -> Any:
    """Refuse what numpy.random has beside generators, and say where it is."""
    hint = f": make a generator, rng = default_rng(seed), and call rng.{name}" if hasattr(Generator, name) else ""
    raise AttributeError(f"module {__name__!r} has no {name!r}{hint}")


class Generator:
    """Random arrays, drawn one after the other. Made by `default_rng`.

    The numbers of an array depend on the seed, on how many arrays have been drawn before, and on the index of each
    point in the whole array; not on ranks or distributions. All ranks draw the same arrays; drawing is local.
    """

    def __init__(self, seed: int, context: Context) -> None:
        self._counted = Counted(seed)
        self._context = context
        self._drawn = 0

    def random(self, size: Any, *, dtype: Any = np.float64, distribution: Divided = None) -> GlobalArray:
        """Numbers from 0 up to but not 1, equally likely. Local.

        Parameters
        ----------
        size : int or tuple of int
            The shape.
        dtype : dtype, optional
            float64 or float32.
        distribution : Distribution or sequence, optional
            As for `zeros`.
        """
        kind = _real(dtype)
        draw = _Draw(_uniform) if kind == np.float64 else _Draw(_uniform_single, numbers=2)
        return self._filled(draw, size, kind, distribution)

    def uniform(
        self, low: float = 0.0, high: float = 1.0, size: Any = (), *, distribution: Divided = None
    ) -> GlobalArray:
        """Numbers from `low` up to `high`, equally likely, as float64. Local."""
        low, width = float(low), float(high) - float(low)
        made = self.random(size, distribution=distribution)
        return _shifted(made, width, low)

    def standard_normal(self, size: Any, *, dtype: Any = np.float64, distribution: Divided = None) -> GlobalArray:
        """Numbers with the normal distribution of mean 0 and variance 1, as float64 or float32. Local."""
        return self._filled(_Draw(_normal, 2, 2), size, _real(dtype), distribution)

    def normal(
        self, loc: float = 0.0, scale: float = 1.0, size: Any = (), *, distribution: Divided = None
    ) -> GlobalArray:
        """Numbers with the normal distribution of mean `loc` and standard deviation `scale`, as float64. Local.

        Raises
        ------
        ValueError
            Where `scale` is negative.
        """
        loc, scale = float(loc), float(scale)
        if scale < 0:
            raise ValueError(f"scale {scale} is negative")
        made = self.standard_normal(size, distribution=distribution)
        return _shifted(made, scale, loc)

    def integers(
        self,
        low: int,
        high: int | None = None,
        size: Any = (),
        *,
        dtype: Any = np.int64,
        endpoint: bool = False,
        distribution: Divided = None,
    ) -> GlobalArray:
        """Whole numbers from `low` up to but not `high`, or from 0 up to `low`. Local.

        Each comes from 64 bits: one of n numbers is more likely than another by n / 2**64 at the most.

        Parameters
        ----------
        endpoint : bool, optional
            Whether `high` may be drawn.

        Raises
        ------
        TypeError, ValueError
            Where a bound is no whole number, there is none in between, or one does not fit into `dtype`.
        """
        kind = np.dtype(dtype)
        if kind.kind not in "iu":
            raise TypeError(f"dtype {kind} is none of whole numbers")
        for name, bound in (("low", low), ("high", 0 if high is None else high)):
            if not hasattr(bound, "__index__") or np.ndim(bound):
                raise TypeError(f"{name} must be a whole number, not {said(bound)}")
        first, last = (0, operator.index(low)) if high is None else (operator.index(low), operator.index(high))
        last -= not endpoint
        limits = np.iinfo(kind)
        if not limits.min <= first <= last <= limits.max:
            raise ValueError(f"there are no numbers of dtype {kind} from {first} up to {last}")
        draw = _Draw(lambda words: _scaled(words, last - first + 1, first))
        return self._filled(draw, size, kind, distribution)

    def _start(self) -> int:
        """The number of the counter at which the next array begins; `spectral.random_field` counts in lower ones."""
        self._drawn += 1
        return (1 << 255) + (self._drawn << 128)

    def _filled(self, draw: _Draw, size: Any, kind: np.dtype[Any], distribution: Divided) -> GlobalArray:
        """An array of numbers."""
        start = self._start()
        context, found = placed(size, distribution, self._context, None)
        block = np.empty(found.local_shape(context.rank), kind)
        parts = found.parts(context.rank)
        if parts is not None:
            lists = [_indices(axis, part) for axis, part in zip(found.axes, parts, strict=True)]
            self._fill(draw, start, block, lists, [math.prod(found.shape[k + 1 :]) for k in range(found.ndim)])
        return GlobalArray(context, found, block)

    def _fill(
        self, draw: _Draw, start: int, block: Plain, lists: Sequence[range | Indices], steps: Sequence[int]
    ) -> None:
        """Fill a block, the places of whose points are sums of indices, from lists for each axis, times steps."""
        if block.size == 0:
            return
        ends = [(which[0], which[-1]) if isinstance(which, range) else (which.min(), which.max()) for which in lists]
        first, last = (sum(int(end[k]) * step for end, step in zip(ends, steps, strict=True)) for k in (0, 1))
        if last - first + 1 == block.size and all(isinstance(which, range) or len(which) == 1 for which in lists):
            self._draw_run(draw, start, first, block.reshape(-1))
        elif block.size <= _CHUNK:
            places = sum(list(map(operator.mul, np.ix_(*lists), steps)))
            np.copyto(block, self._drawn_at(draw, start, places.reshape(-1)).reshape(block.shape), casting="unsafe")
        else:
            axis = next(k for k, n in enumerate(block.shape) if n > 1)
            half = block.shape[axis] // 2
            for part in (slice(None, half), slice(half, None)):
                within = [which[part] if k == axis else which for k, which in enumerate(lists)]
                self._fill(draw, start, block[(slice(None),) * axis + (part,)], within, steps)

    def _draw_run(self, draw: _Draw, start: int, first: int, out: Plain) -> None:
        """Draw the numbers of the places from the first one on."""
        before = first % draw.numbers
        word = first // draw.numbers * draw.words
        raw = self._counted.at(start + word // WORDS).bit_generator.random_raw
        raw(word % WORDS)
        for at in range(-before, out.size, _CHUNK):
            count = min(_CHUNK, out.size - at)
            numbers = draw.made(raw(-(-count // draw.numbers) * draw.words))
            skipped = max(0, -at)
            np.copyto(out[at + skipped : at + count], numbers[skipped:count], casting="unsafe")

    def _drawn_at(self, draw: _Draw, start: int, places: Indices) -> Plain:
        """The numbers of places that lie apart."""
        together, which = np.divmod(places, draw.numbers)
        words = (together[:, None] * draw.words + np.arange(draw.words)).reshape(-1)
        numbers = draw.made(self._counted.words(start, words)).reshape(-1, draw.numbers)
        found: Plain = numbers[np.arange(len(which)), which]
        return found


def _shifted(x: GlobalArray, factor: float, shift: float) -> GlobalArray:
    """The array, whose points have been multiplied and then added to."""
    together(x.context, lambda: np.add(np.multiply(x.local, factor, out=x.local), shift, out=x.local))
    return x


def _real(dtype: Any) -> np.dtype[Any]:
    """A data type that numbers are drawn in."""
    kind = np.dtype(dtype)
    if kind not in (np.float64, np.float32):
        raise TypeError(f"dtype {kind} is not drawn: use float64 or float32")
    return kind


def _uniform(words: Plain) -> Plain:
    """Words as numbers from 0 up to but not 1 in double precision."""
    words >>= np.uint64(11)
    return words * 2.0**-53


def _uniform_single(words: Plain) -> Plain:
    """Words as numbers from 0 up to but not 1 in single precision, the lower half of each first."""
    halves = words.astype("<u8", copy=False).view("<u4")
    halves >>= np.uint32(8)
    return halves * np.float32(2.0**-24)


def _normal(words: Plain) -> Plain:
    """Words as numbers with the normal distribution, two from two."""
    numbers = philox.normal(words.reshape(-1, 2)).view(np.float64)
    numbers *= np.sqrt(2)
    return numbers


def _scaled(words: Plain, span: int, first: int) -> Plain:
    """Words, which are overwritten, as numbers from `first` on: the upper halves of their products with `span`."""
    if span < 2**64:
        lowest, shift = np.uint64(2**32 - 1), np.uint64(32)
        high, low = np.uint64(span >> 32), np.uint64(span & (2**32 - 1))
        carried = words & lowest
        middle = carried * high if high else None
        carried *= low
        carried >>= shift
        words >>= shift
        if middle is not None:
            middle += carried
            carried = words * low + (middle & lowest)
            words *= high
            words += middle >> shift
            words += carried >> shift
        else:
            words *= low
            words += carried
            words >>= shift
    if first:
        words += np.uint64(first % 2**64)
    return words


def _indices(axis: Axis, part: int) -> range | Indices:
    """The indices of a part, a run of them as a range, which needs no memory."""
    if isinstance(axis, Block):
        return range(axis.starts[part], axis.starts[part] + axis.sizes[part])
    return axis.indices(part)
