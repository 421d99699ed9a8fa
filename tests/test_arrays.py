"""Global arrays in all kinds of distributions against numpy on the gathered array."""

import numpy as np
import pytest
import spread
from lockstep import given, settings, st
from mpi4py import MPI
from support import check, everywhere

from mpi4py_pencil import arrays as xp

WORLD = MPI.COMM_WORLD
RANKS = [1, 2, 3]
EXAMPLES = 8
# Numpy warns of means of nothing; the results say so too.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def equal(array, whole, message=""):
    """Raise AssertionError on every rank unless a global array is the numpy array, in type and shape and layout too."""
    gathered = array.to_numpy() if isinstance(array, xp.GlobalArray) else None
    whole = np.asarray(whole)
    with everywhere():
        if gathered is None:
            raise AssertionError(f"{message}: a {type(array).__name__}, not a GlobalArray")
        np.testing.assert_equal(array.shape, whole.shape, message)
        np.testing.assert_equal(array.dtype, whole.dtype, message)
        np.testing.assert_equal(array.local.shape, array.distribution.local_shape(WORLD.rank), message)
        tolerance = {"e": 1e-2, "f": 1e-4, "F": 1e-4}.get(whole.dtype.char, 1e-12)
        np.testing.assert_allclose(gathered, whole, rtol=tolerance, atol=tolerance, err_msg=message)


@pytest.mark.parallel([*RANKS, 6])
@settings(max_examples=EXAMPLES)
@given(spread.arrays(), st.data())
def test_redistribution_goes_anywhere_also_to_other_shapes(pair, data):
    array, whole = pair
    before = array.copy()
    there = array.redistribute(data.draw(spread.distributions(whole.shape)))
    line = array.redistribute(data.draw(spread.distributions((whole.size,))))
    equal(there, whole)
    equal(line, whole.reshape(-1))
    equal(line.redistribute(there.distribution), whole)
    equal(before, array.to_numpy())
    with everywhere():
        if whole.size and np.shares_memory(there.local, array.local):
            raise AssertionError("redistribute returns the memory of the array")
    for root in {0, WORLD.size - 1}:
        found = array.to_numpy(root)
        with everywhere():
            np.testing.assert_equal(found is None, root != WORLD.rank)
            np.testing.assert_array_equal(whole if found is None else found, whole)
        equal(xp.from_numpy(found, root, distribution=there.distribution), whole)


@pytest.mark.parallel(RANKS)
@settings(max_examples=EXAMPLES)
@given(spread.arrays(), st.data())
def test_reductions_and_running_ones(pair, data):
    array, whole = pair
    axis = data.draw(st.none() | st.integers(0, whole.ndim - 1) if whole.ndim else st.none())
    keepdims = data.draw(st.booleans())
    names = ["sum", "prod", "any", "all", "count_nonzero", "mean", "var"]
    for name in names + (["min", "max", "argmin", "argmax"] if whole.size else []):
        found, expected = (getattr(m, name)(x, axis=axis, keepdims=keepdims) for m, x in ((xp, array), (np, whole)))
        equal(found, expected, name)
    equal(xp.sum(array, axis=list(range(whole.ndim))), np.sum(whole))
    mask = whole.real > 0
    equal(xp.sum(array, axis=axis, where=mask), np.sum(whole, axis=axis, where=mask))
    equal(xp.mean(array, axis=axis, where=xp.asarray(mask)), np.mean(whole, axis=axis, where=mask))
    if axis is not None:
        equal(xp.cumulative_sum(array, axis=axis), np.cumulative_sum(whole, axis=axis))
        options = {"axis": axis, "include_initial": True}
        equal(xp.cumulative_prod(array, **options), np.cumulative_prod(whole, **options))


@pytest.mark.parallel(RANKS)
@settings(max_examples=EXAMPLES)
@given(spread.arrays(), st.data())
def test_computing_with_operands_of_any_distribution_and_shape(pair, data):
    array, whole = pair
    shape = whole.shape
    shape = tuple(data.draw(st.sampled_from([n, 1])) for n in shape[data.draw(st.integers(0, len(shape))) :])
    values = spread.values(shape, "f8", 3)
    other = xp.asarray(values, distribution=data.draw(spread.distributions(shape)))
    equal(array + other, whole + values)
    equal(other * array, values * whole)
    equal(array + values, whole + values)
    equal(values - other, values - values)
    equal(2 * array, 2 * whole)
    equal(np.where(array != 0, other, array), np.where(whole != 0, values, whole))
    if whole.dtype in (np.float64, np.complex128):
        changed, expected = array.copy(), whole.copy()
        changed += other
        expected += values
        equal(changed, expected)
        np.multiply(changed, other, out=changed, where=whole.real > 0)
        np.multiply(expected, values, out=expected, where=whole.real > 0)
        equal(changed, expected)


@pytest.mark.parallel(RANKS)
@settings(max_examples=EXAMPLES)
@given(spread.arrays(), st.data())
def test_slices_read_and_write_as_numpys_do(pair, data):
    array, whole = pair
    key = tuple(data.draw(spread.basic(n)) for n in whole.shape)
    equal(array[key], whole[key], str(key))
    changed, expected = array.copy(), whole.copy()
    values = spread.values(whole[key].shape, "i8" if whole.dtype.kind != "u" else "u1", 5).astype(whole.dtype)
    changed[key], expected[key] = values, values
    equal(changed, expected, str(key))
    changed[key], expected[key] = 0, 0
    equal(changed, expected, str(key))
    changed[key] = xp.asarray(values, distribution=data.draw(spread.distributions(values.shape)))
    expected[key] = values
    equal(changed, expected, str(key))


@pytest.mark.parallel([*RANKS, 6])
@settings(max_examples=EXAMPLES)
@given(spread.shapes(1, 3, 5), st.data())
def test_arrays_of_indices_read_and_write_as_numpys_do(shape, data):
    array, whole = data.draw(spread.arrays(shape))
    together = data.draw(spread.shapes(0, 2, 3))
    ours, theirs = zip(*[data.draw(keys(n, together)) for n in whole.shape], strict=True) if whole.ndim else ((), ())
    equal(array[ours], whole[theirs], str(theirs))
    changed, expected = array.copy(), whole.copy()
    values = spread.values(whole[theirs].shape, "u1", 7).astype(whole.dtype)
    changed[ours], expected[theirs] = values, values
    equal(changed, expected, str(theirs))
    mask = whole.real > 0
    scattered = xp.asarray(mask, distribution=data.draw(spread.distributions(mask.shape)))
    equal(array[scattered], whole[mask])
    changed[scattered], expected[mask] = 1, 1
    equal(changed, expected)
    changed[mask] = xp.asarray(np.ones(int(mask.sum()), whole.dtype))
    equal(changed, expected)
    if not whole.ndim:
        return
    lengths = [n * data.draw(st.integers(0, 1)) for n in whole.shape[: data.draw(st.integers(1, whole.ndim))]]
    none = np.zeros(lengths, bool)
    equal(array[xp.asarray(none)], whole[none])
    changed[none] = 7
    equal(changed, expected)


@st.composite
def keys(draw, n, together):
    """Draw a part of a key for an axis, as global arrays have it and as numpy has."""
    if not n or draw(st.booleans()):
        key = draw(spread.basic(n))
        return key, key
    shape = tuple(draw(st.sampled_from([m, 1])) for m in together)
    places = np.arange(int(np.prod(shape, dtype=int))).reshape(shape) * draw(st.integers(1, 5))
    places = places % n - draw(st.sampled_from([0, n]))
    if not places.ndim or draw(st.booleans()):
        return places, places
    return xp.asarray(places, distribution=draw(spread.distributions(shape))), places


@pytest.mark.parallel(RANKS)
@settings(max_examples=EXAMPLES)
@given(spread.arrays(), st.data())
def test_other_orders_of_the_same_points(pair, data):
    array, whole = pair
    by = data.draw(st.integers(-5, 5))
    equal(xp.roll(array, by), np.roll(whole, by))
    equal(xp.flip(array), np.flip(whole))
    equal(array.reshape(-1), whole.reshape(-1))
    equal(array.T, whole.T)
    equal(np.concatenate([array, array], axis=None), np.concatenate([whole, whole], axis=None))
    equal(xp.stack([array, array], axis=-1), np.stack([whole, whole], axis=-1))
    equal(xp.tile(array, (2, 1, 3)), np.tile(whole, (2, 1, 3)))
    equal(xp.repeat(array, 2), np.repeat(whole, 2))
    equal(array[array != 0], whole[whole != 0])
    if not whole.ndim:
        return
    k = data.draw(st.integers(0, whole.ndim - 1))
    equal(xp.roll(array, by, axis=k), np.roll(whole, by, axis=k))
    other, more = data.draw(spread.arrays(whole.shape, [whole.dtype.char], views=0))
    equal(xp.concat([array, other], axis=k), np.concat([whole, more], axis=k))
    counts = np.arange(whole.shape[k]) % 3
    equal(xp.repeat(array, counts, axis=k), np.repeat(whole, counts, axis=k))
    for found, expected in zip(np.nonzero(array), np.nonzero(whole), strict=True):
        equal(found, expected)
    if whole.shape[k]:
        places = np.arange(5) % whole.shape[k]
        equal(xp.take(array, xp.asarray(places), axis=k), np.take(whole, places, axis=k))


@pytest.mark.parallel(RANKS)
@settings(max_examples=EXAMPLES)
@given(spread.arrays(), st.data())
def test_sorting_and_sets(pair, data):
    array, whole = pair
    for found, expected in zip(xp.unique_all(array), np.unique_all(whole), strict=True):
        equal(found, expected)
    equal(xp.isin(array, xp.asarray([1, 3])), np.isin(whole, [1, 3]))
    if not whole.ndim:
        return
    k = data.draw(st.integers(0, whole.ndim - 1))
    order = np.argsort(whole, axis=k, stable=True)
    equal(xp.sort(array, axis=k), np.sort(whole, axis=k))
    equal(xp.argsort(array, axis=k), order)
    equal(xp.sort(array, axis=k, descending=True), np.flip(np.sort(whole, axis=k), axis=k))
    backward = whole.shape[k] - 1 - np.argsort(np.flip(whole, axis=k), axis=k, stable=True)
    equal(xp.argsort(array, axis=k, descending=True), np.flip(backward, axis=k))
    if whole.shape[k]:
        equal(xp.take_along_axis(array, xp.asarray(order), axis=k), np.take_along_axis(whole, order, axis=k))
    line, values = np.sort(whole.reshape(-1)), data.draw(spread.arrays(dtypes=[whole.dtype.char], views=0))
    for side in ("left", "right"):
        found = xp.searchsorted(xp.asarray(line), values[0], side=side)
        equal(found, np.searchsorted(line, values[1], side=side))


@pytest.mark.parallel(RANKS)
def test_a_long_line_is_sorted_by_all_ranks():
    """Of many equal values too, each rank gets as many as the others, about."""
    for n, different in ((4000, 10**6), (4000, 3), (4001, 1)):
        whole = np.random.default_rng(n).integers(0, different, n)
        array = xp.asarray(whole)
        equal(xp.sort(array), np.sort(whole))
        equal(xp.argsort(array), np.argsort(whole, stable=True))
    whole = np.array([np.nan, 2.0, -np.inf, np.nan, 1.0, np.inf, -0.0] * 5)
    equal(xp.sort(xp.asarray(whole)), np.sort(whole))
    equal(xp.argmax(xp.asarray(whole)), np.argmax(whole))
    equal(xp.min(xp.asarray(whole)), np.min(whole))


@pytest.mark.parallel(RANKS)
@settings(max_examples=EXAMPLES)
@given(st.data())
def test_products(data):
    m, k, n = (data.draw(st.integers(0, 5)) for _ in range(3))
    kinds = ["f8", "D", "i8", "f2", "g"]
    a, left = data.draw(spread.arrays((*data.draw(spread.shapes(0, 1, 3)), m, k), kinds, views=0))
    b, right = data.draw(spread.arrays((k, n), kinds, views=0))
    v, vector = data.draw(spread.arrays((k,), kinds, views=0))
    equal(a @ b, left @ right)
    equal(np.matmul(a, v), np.matmul(left, vector))
    equal(v @ b, vector @ right)
    equal(np.vecdot(a, v), np.vecdot(left, vector))
    equal(np.tensordot(a, b, axes=1), np.tensordot(left, right, axes=1))
    equal(xp.linalg.outer(v, v), np.linalg.outer(vector, vector))
    if left.dtype.kind != "i" and left.size:
        equal(np.linalg.norm(a), np.linalg.norm(left))
        equal(np.linalg.norm(a, axis=-1), np.linalg.norm(left, axis=-1))
        equal(xp.linalg.matrix_norm(a), np.linalg.matrix_norm(left))


@pytest.mark.parallel([1, 3])
def test_norms_and_extremes_of_whole_numbers_and_of_what_is_taken():
    full = np.arange(12).reshape(3, 4) - 5
    for whole in (full * 2**30, full > 0, (full * 11).astype("i1"), full.astype("u1"), full / 7):
        g = xp.asarray(whole)
        for ord in (None, "fro", "nuc", 1, -1, 2, np.inf, -np.inf):
            found, theirs = np.linalg.norm(g, ord), np.linalg.norm(whole, ord)
            with everywhere():
                np.testing.assert_equal(found.dtype, theirs.dtype)
                np.testing.assert_allclose(float(found), theirs, rtol=1e-13)
        for ord in (0, 1, 2, 3, np.inf):
            found = np.linalg.vector_norm(g, ord=ord, axis=1).to_numpy()
            with everywhere():
                np.testing.assert_allclose(
                    found, np.linalg.vector_norm(whole, ord=ord, axis=1), rtol=1e-13, strict=True
                )
    for dtype, initial in (("i8", -3), ("u1", 7.9), ("f4", np.inf), ("?", False), ("f8", -1e9)):
        whole = full.astype(dtype)
        for take in (full < -9, full > 0):
            for axis in (None, 0, 1, (0, 1)):
                for call in (np.max, np.min, np.maximum.reduce):
                    found = call(xp.asarray(whole), axis=axis, initial=initial, where=xp.asarray(take)).to_numpy()
                    theirs = call(whole, axis=axis, initial=initial, where=take)
                    with everywhere():
                        np.testing.assert_array_equal(found, theirs, strict=True)
    empty = np.max(xp.zeros((0, 3)), axis=0, initial=2).to_numpy()
    with everywhere():
        np.testing.assert_array_equal(empty, np.full(3, 2.0), strict=True)


@pytest.mark.parallel([1, 3])
def test_factorisations_of_stacks_and_of_one_matrix():
    for batch in ((), (4,)):
        whole = np.random.default_rng(5).random((*batch, 4, 4)) + 4 * np.eye(4)
        array = xp.asarray(whole)
        equal(xp.linalg.inv(array), np.linalg.inv(whole))
        equal(np.linalg.det(array), np.linalg.det(whole))
        equal(xp.linalg.solve(array, array[..., :1]), np.linalg.solve(whole, whole[..., :1]))
        limits = np.full(batch, 0.5)
        equal(xp.linalg.pinv(array, rtol=xp.asarray(limits)), np.linalg.pinv(whole, rtol=limits))
        equal(xp.linalg.svdvals(array), np.linalg.svdvals(whole))
        orthogonal, upper = xp.linalg.qr(array)
        equal(orthogonal @ upper, whole)


TRANSFORMS = {"fftn": "fDg", "ifftn": "DG", "rfftn": "efd", "irfftn": "FDG"}


@pytest.mark.parallel([1, 3])
def test_fourier_transforms_of_small_arrays_and_of_large_ones(monkeypatch):
    cases = [((6, 5, 4), "block", "backward"), ((12,), "block", "ortho"), ((1, 10), "cyclic", "forward")]
    for least in (1 << 16, 1):
        monkeypatch.setattr("mpi4py_pencil.arrays.redistribution._LARGE", least)
        for shape, kind, norm in cases:
            axes = [None] * (len(shape) - 1) + [kind]
            for name, kinds in TRANSFORMS.items():
                for dtype in kinds:
                    whole = spread.values(shape, dtype, 2)
                    array = xp.asarray(whole, distribution=axes)
                    # numpy rounds the scale of half precision to that
                    exact = whole.astype("f") if dtype == "e" else whole
                    equal(getattr(xp.fft, name)(array, norm=norm), getattr(np.fft, name)(exact, norm=norm), name)
            one = xp.fft.hfft(xp.fft.ihfft(xp.asarray(whole.real)), n=shape[-1])
            equal(one, whole.real)
            equal(np.fft.fft(array, n=7, axis=0), np.fft.fft(whole, n=7, axis=0))
            equal(np.fft.fftshift(array), np.fft.fftshift(whole))


@pytest.mark.parallel(RANKS)
def test_what_is_made():
    for shape in ((), (7,), (3, 0), (2, 3, 4)):
        for name in ("zeros", "ones"):
            equal(getattr(xp, name)(shape, dtype="F"), getattr(np, name)(shape, dtype="F"))
            equal(getattr(xp, name + "_like")(xp.full(shape, 2)), getattr(np, name + "_like")(np.full(shape, 2)))
        equal(xp.full(shape, 2.5), np.full(shape, 2.5))
    for arguments in ((7,), (2, 9), (9, 2, -2), (0.5, 4), (1, 2, 0.3), (5, 5)):
        equal(xp.arange(*arguments), np.arange(*arguments))
    for arguments in ((0, 1, 5), (3, -2, 4), (1, 1, 3), (0, 1, 1), (0, 1j, 3), (0, 5, 0)):
        equal(xp.linspace(*arguments), np.linspace(*arguments))
        equal(xp.linspace(*arguments, endpoint=False), np.linspace(*arguments, endpoint=False))
    equal(xp.eye(4, 6, k=1), np.eye(4, 6, k=1))
    equal(xp.fromfunction(lambda i, j: 10 * i + j, (3, 4)), np.fromfunction(lambda i, j: 10 * i + j, (3, 4), dtype=int))
    square = xp.reshape(xp.arange(12), (3, 4))
    equal(xp.tril(square, k=-1), np.tril(square.to_numpy(), k=-1))
    for ours, theirs in zip(xp.meshgrid(xp.arange(3), xp.arange(4)), np.meshgrid(range(3), range(4)), strict=True):
        equal(ours, theirs)


@pytest.mark.parallel(RANKS)
def test_slices_are_views_of_views():
    array, whole = xp.reshape(xp.arange(60.0), (5, 3, 4)), np.arange(60.0).reshape(5, 3, 4)
    part, expected = array[1:, ::-1][::2, ..., 1], whole[1:, ::-1][::2, ..., 1]
    part += 100
    expected += 100
    part.T[...] *= 2
    expected.T[...] *= 2
    xp.squeeze(xp.expand_dims(part, axis=1))[0] = -1
    expected[0] = -1
    equal(array, whole)
    numbers = xp.asarray(whole + 0j)
    numbers.imag[2] = 7
    check(complex(numbers[2, 1, 1]) == whole[2, 1, 1] + 7j, "imag is no view")
