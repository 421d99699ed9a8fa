"""Arrays as callers may have them: any order of axes, gaps, negative steps, no alignment."""

import math
from dataclasses import dataclass

import numpy as np
from lockstep import st


@dataclass(frozen=True)
class Layout:
    """How an array lies in memory: axes from the outermost to the innermost, steps along each, bytes before it."""

    order: tuple
    steps: tuple
    offset: int


def layouts(ndim):
    """Return a strategy for the layouts of arrays of `ndim` axes; it shrinks to a plain array."""
    return st.builds(
        Layout,
        st.permutations(range(ndim)).map(tuple),
        st.tuples(*[st.sampled_from([1, 1, 1, -1, 2, -2, 3])] * ndim),
        st.sampled_from([0, 0, 0, 64, 8, 4, 1]),
    )


def laid_out(whole, layout, filler=0xA5):
    """Return a copy of an array in a layout, and the memory that it lies in: bytes, `filler` wherever it is not."""
    stored = [whole.shape[k] * abs(layout.steps[k]) for k in layout.order]
    nbytes = math.prod(stored) * whole.itemsize
    memory = np.full(layout.offset + nbytes + 64, filler, np.uint8)
    inside = memory[layout.offset : layout.offset + nbytes]
    array = np.ndarray(stored, whole.dtype, inside) if nbytes else np.empty(stored, whole.dtype)
    array = array.transpose(np.argsort(layout.order))[tuple(slice(None, None, s) for s in layout.steps)]
    array[...] = whole
    return array, memory


def empty_like(shape, dtype, layout):
    """Return an uninitialised array in a layout, and its memory."""
    return laid_out(np.zeros(shape, dtype), layout)


def untouched_elsewhere(array, memory, filler=0xA5):
    """Raise AssertionError if memory around an array made by `laid_out` has changed; the array is filled up."""
    as_bytes = np.asarray(array).view(f"V{array.itemsize}")  # an assignment of long doubles leaves out padding
    as_bytes[...] = np.void(bytes([filler]) * array.itemsize)
    np.testing.assert_array_equal(memory, filler, "written outside of the array")
