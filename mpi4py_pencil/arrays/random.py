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
from typing import Any, TypeAlias

import numpy as np

from .. import philox
from ..philox import WORDS, Counted, checked_seed
from ..ranks.agreement import agreed
from .axes import Axis, Block, Indices
from .context import Context, world
from .creation import Divided, placed
from .globalarray import GlobalArray

__all__ = ["Generator", "default_rng"]

Plain: TypeAlias = "np.ndarray[Any, Any]"

# Writes the numbers of the places from the first one to a line.
Draw: TypeAlias = "Callable[[int, Plain], None]"

# Between the points of a rank that lie apart all numbers are drawn, so many at once; they stay in cache.
_CHUNK = 1 << 14


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
    return Generator(agreed(context.comm, lambda: checked_seed(seed), lambda found: {"seed": found}), context)


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
        words = WORDS * 8 // kind.itemsize
        start = self._start()

        def draw(first: int, out: Plain) -> None:
            generator = self._counted.at(start + first // words)
            generator.random(first % words, dtype=kind.type)
            generator.random(out=out, dtype=kind.type)

        return self._filled(draw, size, kind, distribution)

    def uniform(
        self, low: float = 0.0, high: float = 1.0, size: Any = (), *, distribution: Divided = None
    ) -> GlobalArray:
        """Numbers from `low` up to `high`, equally likely, as float64. Local."""
        low, width = float(low), float(high) - float(low)
        made = self.random(size, distribution=distribution)
        np.add(np.multiply(made.local, width, out=made.local), low, out=made.local)
        return made

    def standard_normal(self, size: Any, *, dtype: Any = np.float64, distribution: Divided = None) -> GlobalArray:
        """Numbers with the normal distribution of mean 0 and variance 1, as float64 or float32. Local."""
        start = self._start()

        def draw(first: int, out: Plain) -> None:
            # two neighbours, of which the first has an even place, come from two words
            before = first % WORDS
            generator = self._counted.at(start + first // WORDS)
            for at in range(-before, out.size, _CHUNK):
                count = min(_CHUNK, out.size - at)
                words = generator.bit_generator.random_raw(count + count % 2)
                numbers = philox.normal(words.reshape(-1, 2)).view(np.float64)
                skipped = max(0, -at)
                np.multiply(numbers[skipped:count], np.sqrt(2), out=out[at + skipped : at + count], casting="same_kind")

        return self._filled(draw, size, _real(dtype), distribution)

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
        np.add(np.multiply(made.local, scale, out=made.local), loc, out=made.local)
        return made

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
            Where there is no number in between, or one does not fit into `dtype`.
        """
        kind = np.dtype(dtype)
        if kind.kind not in "iu":
            raise TypeError(f"dtype {kind} is none of whole numbers")
        first, last = (0, low.__index__()) if high is None else (low.__index__(), high.__index__())
        last -= not endpoint
        limits = np.iinfo(kind)
        if not limits.min <= first <= last <= limits.max:
            raise ValueError(f"there are no numbers of dtype {kind} from {first} up to {last}")
        start, span = self._start(), last - first + 1

        def draw(place: int, out: Plain) -> None:
            generator = self._counted.at(start + place // WORDS)
            generator.bit_generator.random_raw(place % WORDS)
            for at in range(0, out.size, _CHUNK):
                words = generator.bit_generator.random_raw(min(_CHUNK, out.size - at))
                np.copyto(out[at : at + _CHUNK], _scaled(words, span, first), casting="unsafe")

        return self._filled(draw, size, kind, distribution)

    def _start(self) -> int:
        """The number of the counter at which the next array begins; `spectral.random_field` counts in lower ones."""
        self._drawn += 1
        return (1 << 255) + (self._drawn << 128)

    def _filled(self, draw: Draw, size: Any, kind: np.dtype[Any], distribution: Divided) -> GlobalArray:
        """An array of the numbers that `draw` writes."""
        context, found = placed(size, distribution, self._context, None)
        block = np.empty(found.local_shape(context.rank), kind)
        parts = found.parts(context.rank)
        if parts is not None:
            lists = [_indices(axis, part) for axis, part in zip(found.axes, parts, strict=True)]
            _fill(draw, block, lists, [math.prod(found.shape[k + 1 :]) for k in range(found.ndim)])
        return GlobalArray(context, found, block)


def _real(dtype: Any) -> np.dtype[Any]:
    """A data type that numbers are drawn in."""
    kind = np.dtype(dtype)
    if kind not in (np.float64, np.float32):
        raise TypeError(f"dtype {kind} is not drawn: use float64 or float32")
    return kind


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


def _fill(draw: Draw, block: Plain, lists: Sequence[range | Indices], steps: Sequence[int]) -> None:
    """Fill a block, the places of whose points are sums of indices, from lists for each axis, times steps."""
    if block.size == 0:
        return
    ends = [(which[0], which[-1]) if isinstance(which, range) else (which.min(), which.max()) for which in lists]
    first, last = (sum(int(end[k]) * step for end, step in zip(ends, steps, strict=True)) for k in (0, 1))
    if last - first + 1 == block.size and all(isinstance(which, range) or len(which) == 1 for which in lists):
        draw(first, block.reshape(-1))
    elif last - first < _CHUNK:
        numbers = np.empty(last - first + 1, block.dtype)
        draw(first, numbers)
        places = sum(list(map(operator.mul, np.ix_(*lists), steps))) - first
        block[...] = numbers[places]
    else:
        axis = next(k for k, n in enumerate(block.shape) if n > 1)
        half = block.shape[axis] // 2
        for part in (slice(None, half), slice(half, None)):
            within = [which[part] if k == axis else which for k, which in enumerate(lists)]
            _fill(draw, block[(slice(None),) * axis + (part,)], within, steps)
