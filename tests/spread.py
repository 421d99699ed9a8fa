"""Arrays in all kinds of distributions, drawn by Hypothesis: alike on every rank."""

import numpy as np
from lockstep import st
from mpi4py import MPI
from oracles import numbered

from mpi4py_pencil import arrays as xp

SIZE = MPI.COMM_WORLD.size
DTYPES = ["f8", "f4", "f2", "g", "D", "F", "G", "i8", "i2", "u1", "?"]


@st.composite
def shapes(draw, least=0, most=3, longest=7):
    return tuple(draw(st.lists(st.integers(0, longest), min_size=least, max_size=most)))


@st.composite
def axes(draw, n, parts):
    """Draw how an axis of `n` indices is split into parts."""
    kind = draw(st.sampled_from(["block", "sizes", "cyclic", "block-cyclic", "unstructured"]))
    if kind == "block":
        return xp.Block.even(n, parts)
    if kind == "cyclic":
        return xp.Cyclic(n, parts)
    if kind == "block-cyclic":
        return xp.Cyclic(n, parts, draw(st.integers(2, 3)))
    cuts = sorted(draw(st.lists(st.integers(0, n), min_size=parts - 1, max_size=parts - 1)))
    sizes = np.diff([0, *cuts, n])
    if kind == "sizes":
        return xp.Block.of_sizes(sizes)
    order = draw(st.permutations(range(n)))
    return xp.Unstructured(np.split(np.array(order, int), np.cumsum(sizes)[:-1]))


@st.composite
def distributions(draw, shape, size=SIZE):
    """Draw a distribution of arrays of a shape over some of the ranks, with replicas where dimensions are left."""
    divisors = [k for k in range(1, size + 1) if size % k == 0]
    first = draw(st.sampled_from(divisors))
    dims = draw(st.sampled_from([(size,), (first, size // first)]))
    ranks = None
    if draw(st.integers(0, 3)) == 0:
        ranks = draw(st.permutations(range(size)))[: draw(st.integers(1, size))]
        dims = (len(ranks),)
    divided = draw(st.permutations(range(len(shape))))[: draw(st.integers(0, len(dims)))]
    order = {axis: d for d, axis in enumerate(divided)}
    maps = [draw(axes(n, dims[order[k]] if k in order else 1)) for k, n in enumerate(shape)]
    maps = [m if k in order else xp.Block.even(m.n, 1) for k, m in enumerate(maps)]
    return xp.Distribution(maps, [order.get(k) for k in range(len(shape))], dims, None, ranks)


@st.composite
def arrays(draw, shape=None, dtypes=None, views=1):
    """Draw a global array and the numpy array that it is."""
    shape = draw(shapes()) if shape is None else shape
    dtype = draw(st.sampled_from(dtypes or DTYPES))
    whole = values(shape, dtype, draw(st.integers(0, 99)))
    array = xp.asarray(whole, distribution=draw(distributions(shape)))
    for _ in range(draw(st.integers(0, views))):
        array, whole = viewed(draw, array, whole)
    return array, whole


def values(shape, dtype, seed):
    """Return some values, of which some are alike."""
    whole = numbered(shape, np.dtype("i8")) if shape else np.asarray(1)
    whole = (whole * (2 * seed + 1)) % 11 - (0 if np.dtype(dtype).kind in "u?" else 5)
    return np.asarray(whole * (1 - 2j) if np.dtype(dtype).kind == "c" else whole).astype(dtype)


def viewed(draw, array, whole):
    """Draw a view of an array."""
    if not whole.ndim:
        return array, whole
    key = tuple(draw(basic(n)) for n in whole.shape[: draw(st.integers(1, whole.ndim))])
    return array[key], np.asarray(whole[key])


def basic(n):
    """Draw an integer, where there is one, or a slice of an axis."""
    step = st.integers(-3, 3).filter(bool)
    end = st.none() | st.integers(-n - 1, n + 1)
    slices = st.builds(slice, end, end, st.none() | step)
    return slices | st.integers(-n, n - 1) if n else slices
