"""Requests for transforms of any kind, drawn by Hypothesis, and what a plan of them is asked."""

from lockstep import st
from mpi4py import MPI

from mpi4py_pencil import DCT, DST, Fourier, Hartley
from mpi4py_pencil.exchange import METHODS

FAMILIES = {
    "fourier": Fourier(),
    "hartley": Hartley(),
    **{f"dct{number}": DCT(number) for number in (1, 2, 3, 4)},
    **{f"dst{number}": DST(number) for number in (1, 2, 3, 4)},
}
"""What is computed along an axis, by the names that oracles.trigonometric has for it."""


@st.composite
def shapes_and_axes(draw, lengths=(1, 2, 3, 4, 5, 7, 8, 9), most=4):
    """Draw a shape, the axes to transform, and a grid that fits; on one rank, arrays of one axis too."""
    several = MPI.COMM_WORLD.size > 1
    ndim = draw(st.integers(1 + several, most))
    shape = tuple(draw(st.lists(st.sampled_from(lengths), min_size=ndim, max_size=ndim)))
    axes = tuple(draw(st.permutations(range(ndim)))[: draw(st.integers(1, ndim))])
    open_axes = draw(st.lists(st.booleans(), min_size=ndim, max_size=ndim))
    grid = [0 if is_open and k != axes[-1] else 1 for k, is_open in enumerate(open_axes)]
    return shape, axes, None if several and 0 not in grid else grid


@st.composite
def chosen(draw, shape, axes):
    """Draw what is computed along each of the axes: by names, and as a user may write it.

    Axes with the same family stand in a tuple or alone, are counted from the front or from the end, and Fourier
    transforms are named or left to the default.
    """
    names = sorted(FAMILIES)
    kinds = {axis: draw(st.sampled_from([k for k in names if (k, shape[axis]) != ("dct1", 1)])) for axis in axes}
    together, named, back = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
    transforms = {}
    for kind in sorted(set(kinds.values())):
        same = [axis - len(shape) * back for axis in axes if kinds[axis] == kind]
        if kind != "fourier" or named:
            transforms.update(dict.fromkeys([tuple(same)] if together else same, FAMILIES[kind]))
    return kinds, transforms or None


@st.composite
def requests(draw):
    """Draw a shape, what is computed along its axes by names, and a plan's keyword arguments."""
    shape, axes, grid = draw(shapes_and_axes())
    kinds, transforms = draw(chosen(shape, axes))
    backends = ["vertical", "pyfftw", "ducc", "scipy"] + ["numpy"] * all(
        k in ("fourier", "hartley") for k in kinds.values()
    )
    return (
        shape,
        kinds,
        {
            "axes": axes,
            "grid": grid,
            "transforms": transforms,
            "dtype": draw(st.sampled_from("dDfFgG")),
            "norm": draw(st.sampled_from(["forward", "backward", "ortho"])),
            "method": draw(st.sampled_from(METHODS)),
            "backend": draw(st.sampled_from(backends)),
        },
    )


def calls():
    """Return a strategy for component axes and for what `normalize` is."""
    return st.tuples(st.lists(st.integers(1, 3), max_size=2).map(tuple), st.sampled_from([None, None, True, False]))
