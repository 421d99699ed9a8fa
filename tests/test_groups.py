"""Groups of axes that are undivided together, against numpy.fft of the global array."""

import itertools
import math
from functools import partial

import numpy as np
import pytest
from caches import small_caches
from lockstep import example, given, settings, st
from mpi4py import MPI
from oracles import close, random_array, transformed
from support import RANKS, check, everywhere, expect_everywhere, gather_global, rng

from mpi4py_pencil import DCT, PFFT
from mpi4py_pencil.exchange import METHODS

WORLD = MPI.COMM_WORLD


def flat(groups):
    """Return the axes of groups one after the other."""
    return [axis for group in groups for axis in (group if np.ndim(group) else [group])]


def check_groups(shape, groups, dtype="D", undivided=None, **options):
    """Compare both directions with numpy, and see which axes are undivided at both ends."""
    axes = flat(groups)
    whole = random_array(rng(*shape), shape, dtype)
    spectrum = transformed(whole, axes)
    with PFFT(WORLD, shape, groups, dtype, **options) as fft:
        what = f"{shape} {groups} {options}"
        with everywhere():
            np.testing.assert_equal(fft.axes, axes)
            for pencil, group in zip(fft.pencil, (groups[-1], undivided or groups[0]), strict=True):
                sizes = [pencil.sizes[k] for k in flat([group])]
                np.testing.assert_equal(sizes, [1] * len(sizes), f"{what}: {pencil}")
        for call, given, expected, output in (
            (fft.forward, whole, spectrum, True),
            (fft.backward, spectrum.astype(fft.dtype(True)), whole, False),
        ):
            result = call(given[fft.local_slice(not output)])
            found = gather_global(result, fft.local_slice(output), expected.shape)
            with everywhere():
                close(found, expected, dtype, math.prod(shape), factor=10)
                np.testing.assert_equal(result.pencil.sizes, fft.pencil[output].sizes, what)
    return found


CASES = [
    ((4, 5, 6), ((0,), (1, 2)), None),
    ((4, 5, 6), ((1, 2), (0,)), None),
    ((4, 5, 6), ((0, 1, 2),), [1, 1, 1]),
    ((4, 5, 6, 7), ((0, 1), (2, 3)), None),
    ((4, 5, 6, 7), ((0, 1), (2, 3)), [0, 1]),
    ((4, 5, 6, 7), ((0, 1), (2, 3)), [0, 0]),
    ((4, 5, 6, 7), ((3, 1), (0, 2)), [1, 0, 1, 0]),
    ((4, 5, 6, 7), ((2,), (0, 1), (3,)), [0, 1, 0, 1]),
    ((4, 5, 6, 7), ((0, 1), (3,)), [0, 1, 1, 1]),
    ((4, 5, 6, 7), (0, (2, 1), 3), [0, 0, 1, 1]),
    ((3, 4, 2, 5, 3), ((0, 1), (2, 3, 4)), [0, 0]),
    ((3, 4, 2, 5, 3), ((4,), (1, 3), (0, 2)), [1, 0, 1, 0, 1]),
    ((3, 4, 2, 5, 3), ((3, 4), (0, 1), (2,)), [0, 0, 1, 1, 1]),  # one of the axes of the first group is divided between
    ((3, 4, 2, 5), ((0, 1), (3,)), [1, 0, 0, 1]),
]


def possible(shape, groups, grid):
    """Whether as many axes are undivided in a grid as any group has."""
    dims = [0 if d == 0 else d for d in [*(grid or [1] * len(shape)), *[1] * len(shape)][: len(shape)]]
    whole = MPI.Compute_dims(WORLD.size, dims) if 0 in dims else dims
    return list(whole).count(1) >= max(len(np.atleast_1d(group)) for group in groups)


@pytest.mark.parallel(RANKS)
def test_fixed_cases():
    for (shape, groups, grid), dtype in itertools.product(CASES, "dD" if WORLD.size < 5 else "d"):
        asked = partial(check_groups, shape, groups, dtype, grid=grid, backend="numpy")
        if WORLD.size > 1 and grid is not None and 0 not in grid:
            continue
        if grid is None or possible(shape, groups, grid):
            asked()
        else:
            expect_everywhere(ValueError, "cannot all be undivided together", asked)


@pytest.mark.parallel([4])
def test_methods_give_the_same_numbers():
    for shape, groups, grid in CASES[5:11]:
        results = [
            check_groups(shape, groups, "D", grid=grid, method=method, backend="numpy")
            for method in METHODS
            if possible(shape, groups, grid)
        ]
        for result in results[1:]:
            np.testing.assert_array_equal(result, results[0])


@st.composite
def requests(draw):
    """Draw a shape, groups of its axes, a grid, and what else may be asked for."""
    ndim = draw(st.integers(2, 5))
    shape = tuple(draw(st.lists(st.sampled_from([1, 2, 3, 4, 5, 7]), min_size=ndim, max_size=ndim)))
    axes = draw(st.permutations(range(ndim)))[: draw(st.integers(2, ndim))]
    cuts = [0, *sorted(draw(st.sets(st.integers(1, len(axes) - 1)))), len(axes)]
    groups = tuple(tuple(axes[a:b]) for a, b in itertools.pairwise(cuts))
    grid = [1 if k in groups[-1] else draw(st.sampled_from([0, 1])) for k in range(ndim)]
    options = {"grid": grid, "method": draw(st.sampled_from(METHODS)), "threads": draw(st.sampled_from([1, 2]))}
    return shape, groups, draw(st.sampled_from("dDfF")), options


@pytest.mark.parallel([1, 2, 4, 6])
@settings(max_examples=25)
@given(requests(), st.booleans(), st.booleans())
@example(((7, 5, 4, 3), ((0, 1), (2, 3)), "D", {"grid": [0, 0, 1, 1], "method": "shared"}), True, False)
@example(((7, 5, 4), ((0, 1), (2,)), "D", {"grid": [0, 1, 1], "method": "shared"}), True, False)
@example(((5, 4, 7, 3), ((0, 1), (3,)), "d", {"grid": [0, 1, 0, 1], "method": "alltoallw"}), True, False)
def test_any_request(case, small, collapse):
    """Also plane by plane, where the boxes cut axes other than the transformed one."""
    shape, groups, dtype, options = case
    axes = flat(groups)
    options = {**options, "backend": "scipy", "collapse": collapse}
    if WORLD.size > 1 and 0 not in options["grid"]:
        options["grid"] = None
        if all(k in groups[-1] for k in range(len(shape))):
            return
    dims = options["grid"]
    asked = partial(check_groups, shape, groups, dtype, axes[:1] if collapse else None, **options)
    if dims is not None and not possible(shape, groups, dims):
        expect_everywhere(ValueError, r"grid \[.*cannot all be undivided together over", asked)
    elif dims is None and not any(possible(shape, groups, each) for each in grids(shape, groups)):
        expect_everywhere(ValueError, "has no axis to divide among", asked)
    elif small:
        with small_caches():
            asked()
    else:
        asked()


def grids(shape, groups):
    """Yield every grid that leaves the axes of the last group undivided."""
    factors = [n for n in range(1, WORLD.size + 1) if WORLD.size % n == 0]
    for dims in itertools.product(*[[1] if k in groups[-1] else factors for k in range(len(shape))]):
        if math.prod(dims) == WORLD.size:
            yield dims


@pytest.mark.parallel([4])
def test_planes_of_groups():
    """Arrays that do not stay in cache, whose boxes cut the axis that counts the planes, or that of the first sweep."""
    for dtype in "dD":
        check_groups((20, 24, 18, 16), ((0, 1), (2, 3)), dtype, grid=[0, 0], backend="scipy")
        check_groups((40, 41, 38), ((0,), (1, 2)), dtype, backend="scipy")
        check_groups((40, 41, 38), ((0, 1), (2,)), dtype, grid=[0, 1, 1], backend="scipy")
        check_groups((40, 7, 41, 18), ((0, 1), (3,)), dtype, grid=[0, 1, 0, 1], backend="scipy", threads=2)


@pytest.mark.parallel([1, 2, 4])
def test_collapsed_groups():
    """The same numbers; the axes that are undivided at the start are undivided together, as in mpi4py-fft."""
    shape = (5, 6, 4, 3)
    whole = random_array(rng(*shape), shape, "D")
    for axes, grid, undivided in (
        ((0, 1, 2, 3), [0, 1, 1, 1], (0,)),
        ((0, 1, 2, 3), [1, 0, 1, 1], (0, 1)),
        ((3, 2, 1, 0), [1, 1, 0, 1], (2, 3)),
        (((0,), (1,), (2, 3)), [1, 0, 1, 1], (0, 1)),
        ((2, 0, 1), [0, 1, 1, 0], None),
    ):
        if WORLD.size == 1:
            undivided = flat(axes)
        found = [
            check_groups(shape, axes, "D", undivided if collapse else None, grid=grid, collapse=collapse)
            for collapse in (False, True)
        ]
        np.testing.assert_allclose(found[1], found[0], atol=1e-14)
        np.testing.assert_allclose(found[1], whole, atol=1e-13)


@pytest.mark.parallel(4)
def test_collapse_where_it_cannot_be_had():
    """Joined, the first groups would have more axes than are undivided: they stay apart."""
    shape, axes = (4, 5, 6, 7), ((3,), (0, 1), (2,))
    with PFFT(WORLD, shape, axes, complex, [2, 2, 1, 1], collapse=True) as fft:
        check(fft._asked.groups == axes, f"collapsed to {fft._asked.groups}")
    check_groups(shape, axes, grid=[2, 2, 1, 1], collapse=True)


@pytest.mark.parallel([1, 3])
def test_groups_of_other_transforms():
    """The last transformed axis of a group of three may have another transform than the others."""
    shape = (4, 5, 6, 3)
    whole = random_array(rng(4), shape, "d")
    with PFFT(WORLD, shape, ((0, 1), (2, 3)), transforms={1: DCT(2)}, grid=[0, 1]) as fft:
        u_hat = fft.forward(whole[fft.local_slice(False)])
        found = gather_global(u_hat, fft.local_slice(True), fft.global_shape(True))
    j = np.arange(5)
    cosines = 2 * np.cos(np.pi * np.outer(j, j + 0.5) / 5) / 10
    expected = np.einsum("kj,ajbc->akbc", cosines, transformed(whole, (0, 2, 3)))
    with everywhere():
        np.testing.assert_allclose(found, expected, atol=1e-14)


@pytest.mark.parallel([2, 4, 6])
def test_refusals():
    """On every rank, naming the grid and the axes; the next plan is made as if nothing had been."""
    for arguments, message in [
        ({"axes": ((0,), (1, 2)), "grid": [1, 0, 1]}, r"grid \[1, 0, 1\] .*axes \(1, 2\), which are transformed first"),
        ({"axes": ((0,), (1, 2)), "grid": [1, WORLD.size, 1]}, "divides axis 1, which is transformed first"),
        ({"axes": ((0, 1), (2,)), "grid": [WORLD.size, 1, 1]}, None),
        ({"axes": ((0, 1, 2),)}, rf"shape \(4, 5, 6\) has no axis to divide among {WORLD.size} ranks"),
        ({"axes": ((0, 1), (2,)), "grid": [0, 0, 1]}, None if WORLD.size == 2 else "cannot all be undivided together"),
        ({"axes": ((0, 1), (0, 2))}, "name axis 0 twice"),
        ({"axes": ((0, (1,)), 2)}, "axis must be an int"),
    ]:
        call = partial(PFFT, WORLD, (4, 5, 6), dtype=complex, **arguments)
        if message is None:
            call().close()
        else:
            expect_everywhere((ValueError, TypeError), message, call)
