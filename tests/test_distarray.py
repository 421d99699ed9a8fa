"""Distributed arrays: where they go by redistribution, and that they never claim to be what they are not."""

import collections
import copy
import io
import itertools
import pickle

import numpy as np
import pytest
from lockstep import given, settings, st
from mpi4py import MPI
from oracles import numbered
from support import RANKS, check, everywhere, expect_everywhere, gather_global, rng

from mpi4py_pencil import FFT1D, PFFT, DistArray, Pencil, Subcomm, Transfer

WORLD = MPI.COMM_WORLD


def filled(shape, dims, dtype="f8", alignment=None, rank=0):
    """Return a distributed array and the global array whose blocks it holds."""
    whole = numbered(shape, dtype)
    array = DistArray(shape, dims, dtype=dtype, alignment=alignment, rank=rank)
    array[...] = whole[array.local_slice()]
    return array, whole


def is_block(array, whole, alignment, rank=0):
    """Raise AssertionError unless an array says of itself that it is this rank's block of `whole`, and is."""
    if type(array) is not DistArray:
        raise AssertionError(f"a {type(array).__name__}, not a DistArray")
    np.testing.assert_equal(array.global_shape, whole.shape)
    np.testing.assert_equal(array.alignment, alignment)
    np.testing.assert_equal(array.rank, rank)
    np.testing.assert_equal(array.shape, array.pencil.subshape)
    np.testing.assert_equal(array.commsizes[alignment], 1)
    np.testing.assert_equal(array.commsizes, [comm.size for comm in array.subcomm])
    np.testing.assert_equal(array.substart, [s.start for s in array.local_slice()])
    np.testing.assert_array_equal(array, whole[array.local_slice()])


def is_plain(result):
    """Raise AssertionError if a result claims to be somebody's block."""
    if isinstance(result, DistArray) and result._pencil is not None:
        raise AssertionError(f"a DistArray that is no block of {result.pencil}: {result!r}")


CASES = [
    ((8, 8), [0, 1], 0),
    ((3, 5), [1, 0], 0),
    ((5, 7, 4), [0, 0, 1], 0),
    ((5, 2, 4), [0, 1, 0], 0),
    ((3, 4, 5, 2), [0, 0, 0, 1], 0),
    ((2, 3, 1, 4, 3), [0, 1, 0, 1, 0], 0),
    ((3, 6, 5), [0, 1], 1),
    ((2, 4, 5, 3), [0, 1, 0], 1),
    ((3, 3, 5, 4, 2), [0, 0, 1], 2),
    ((1, 2, 7, 4), [1, 0], 2),
]


@pytest.mark.parallel(RANKS)
def test_redistribution_goes_anywhere_and_leaves_the_source_alone():
    for (shape, dims, rank), dtype in zip(CASES, itertools.cycle(["f8", "D", "i2", "F", "S3"])):
        array, whole = filled(shape, dims, dtype, rank=rank)
        first = array.alignment
        for axis in (*reversed(range(len(dims))), *range(len(dims)), -1):
            before = array.copy()
            turned = array.redistribute(axis)
            with everywhere():
                is_block(turned, whole, range(len(dims))[axis], rank)
                is_block(array, whole, before.alignment, rank)
                check_not_shared(turned, array)
                np.testing.assert_equal(turned.dtype, whole.dtype)
            array = turned
        back = DistArray.of(filled(shape, dims, dtype, rank=rank)[0].pencil, dtype, rank)
        returned = [array.redistribute(first, back), array.redistribute(first), array.redistribute(out=back)]
        with everywhere():
            np.testing.assert_equal([r is back for r in returned], [True, False, True])
            for result in returned:
                is_block(result, whole, first, rank)


def check_not_shared(a, b):
    if np.shares_memory(a, b):
        raise AssertionError("the result lies in the memory of the array that was redistributed")


@pytest.mark.parallel([1, 2, 4])
def test_where_nothing_moves_there_is_a_copy_all_the_same():
    array, whole = filled((6, 5), [0, 1])
    same = array.redistribute(1)
    same += 1
    out = DistArray((6, 5), [0, 1])
    array.redistribute(out=out)
    with everywhere():
        is_block(array, whole, 1)
        is_block(same, whole + 1, 1)
        is_block(out, whole, 1)


@pytest.mark.parallel([1, 3, 4])
def test_sources_and_targets_that_are_not_contiguous():
    """A component of every second item of an array, and one in Fortran order."""
    array, whole = filled((6, 5, 4), [0, 0, 1])
    wide = np.zeros((*array.shape, 2))
    spaced = DistArray.of(array.pencil, None, 0, wide[..., 0])
    spaced[...] = array
    order = DistArray.of(array.pencil.pencil(0), None, 0, np.zeros(array.pencil.pencil(0).subshape, order="F"))
    spaced.redistribute(out=order)
    with everywhere():
        is_block(order, whole, 0)
        np.testing.assert_array_equal(wide[..., 1], 0)


@pytest.mark.parallel([1, 4])
def test_components():
    """A component is the block of a field; what is no component is plain."""
    array, whole = filled((3, 2, 6, 5), [0, 1], rank=2)
    vector, scalar = array[1], array[2, -1]
    turned = scalar.redistribute(0)
    rows = list(array)
    with everywhere():
        is_block(vector, whole[1], 1, 1)
        is_block(scalar, whole[2, 1], 1, 0)
        is_block(vector[np.int64(0)], whole[1, 0], 1, 0)
        is_block(turned, whole[2, 1], 0, 0)
        is_block(rows[2], whole[2], 1, 1)
        check_shared(scalar, array)
        for key in ((0, 0, 0), slice(0, 1), (..., 0), [0, 1], array > 3, None, (), (0, slice(None))):
            is_plain(array[key])
    vector[...] = 7
    with everywhere():
        np.testing.assert_array_equal(np.asarray(array)[1], 7)
        np.testing.assert_array_equal(np.asarray(array)[0], whole[(0, slice(None), *array.local_slice()[2:])])


def check_shared(a, b):
    if a.size and not np.shares_memory(a, b):
        raise AssertionError("a component is a view")


ELEMENTWISE = {
    "u + v": lambda u, v: u + v,
    "2 * u": lambda u, v: 2 * u,
    "-u": lambda u, v: -u,
    "u ** 2": lambda u, v: u**2,
    "u == v": lambda u, v: u == v,
    "np.sqrt": lambda u, v: np.sqrt(u),
    "np.hypot": lambda u, v: np.hypot(u, v),
    "np.exp": lambda u, v: np.exp(1j * u),
    "broadcast row": lambda u, v: u + np.arange(u.shape[1]),
    "divmod": lambda u, v: divmod(u, 3)[1],
    "modf": lambda u, v: np.modf(u / 2)[0],
    "copy": lambda u, v: u.copy(),
    "copy.copy": lambda u, v: copy.copy(u),
    "copy.deepcopy": lambda u, v: copy.deepcopy(u),
    "np.copy": lambda u, v: np.copy(u),
    "astype": lambda u, v: u.astype("F"),
    "real": lambda u, v: (u + 1j).real,
    "imag": lambda u, v: (u * 1j).imag,
    "conj": lambda u, v: (u * 1j).conj(),
    "round": lambda u, v: (u / 3).round(1),
    "clip": lambda u, v: u.clip(2, 5),
    "where": lambda u, v: np.where(u > 3, u, v),
    "zeros_like": lambda u, v: np.zeros_like(u),
    "full_like": lambda u, v: np.full_like(u, 3),
}

PLAIN = {
    "matmul": lambda u, v: u @ u,
    "np.matmul": lambda u, v: np.matmul(u, v),
    "dot": lambda u, v: u.dot(u),
    "np.dot": lambda u, v: np.dot(u, u),
    "sum": lambda u, v: u.sum(),
    "sum axis": lambda u, v: u.sum(axis=0),
    "sum keepdims": lambda u, v: u.sum(axis=0, keepdims=True),
    "mean": lambda u, v: u.mean(axis=1),
    "max": lambda u, v: u.max(axis=0),
    "argmax": lambda u, v: u.argmax(axis=0),
    "cumsum": lambda u, v: u.cumsum(axis=0),
    "np.cumsum": lambda u, v: np.cumsum(u, axis=1),
    "accumulate": lambda u, v: np.add.accumulate(u),
    "reduce": lambda u, v: np.add.reduce(u),
    "outer": lambda u, v: np.multiply.outer(u, u),
    "T": lambda u, v: u.T,
    "transpose": lambda u, v: u.transpose(),
    "np.transpose": lambda u, v: np.transpose(u),
    "swapaxes": lambda u, v: u.swapaxes(0, 1),
    "np.moveaxis": lambda u, v: np.moveaxis(u, 0, 1),
    "reshape": lambda u, v: u.reshape(u.shape[::-1]),
    "same reshape": lambda u, v: u.reshape(u.shape),
    "ravel": lambda u, v: u.ravel(),
    "flatten": lambda u, v: u.flatten(),
    "slice": lambda u, v: u[:],
    "slice step": lambda u, v: u[::-1],
    "ellipsis": lambda u, v: u[...],
    "row": lambda u, v: u[0],
    "mask": lambda u, v: u[u > 2],
    "take": lambda u, v: u.take(range(u.shape[0]), axis=0),
    "np.roll": lambda u, v: np.roll(u, 1, axis=0),
    "np.flip": lambda u, v: np.flip(u),
    "np.sort": lambda u, v: np.sort(u, axis=0),
    "np.fft": lambda u, v: np.fft.fft(u),
    "np.linalg": lambda u, v: np.linalg.pinv(u),
    "einsum": lambda u, v: np.einsum("ij->ji", u),
    "concatenate": lambda u, v: np.concatenate([u, u]),
    "stack": lambda u, v: np.stack([u, u])[0],
    "broadcast_to": lambda u, v: np.broadcast_to(u, (2, *u.shape))[0],
    "asarray": lambda u, v: np.asarray(u),
    "np.array subok": lambda u, v: np.array(u, subok=True),
    "view dtype": lambda u, v: u.view("i8"),
    "pickle": lambda u, v: pickle.loads(pickle.dumps(u)),
    "np.where indices": lambda u, v: np.where(u > -1)[0].reshape(u.shape),
    "larger": lambda u, v: u + np.zeros((2, *u.shape)),
    "outer product of lines": lambda u, v: u[:, 0] * u[0],
}


def squares():
    """Return two arrays with square blocks, so that shapes alone do not tell a block from its transpose."""
    return filled((WORLD.size * 3, 3), [0, 1])[0], filled((WORLD.size * 3, 3), [0, 1])[0]


@pytest.mark.parallel([1, 3])
def test_elementwise_results_are_blocks():
    u, v = squares()
    block = np.array(u)
    for name, call in ELEMENTWISE.items():
        result, expected = call(u, v), call(block, block)
        with everywhere():
            if type(result) is not DistArray or not result.pencil.same_block(u.pencil):
                raise AssertionError(f"{name}: {result!r} is no block of {u.pencil}")
            np.testing.assert_array_equal(result, expected, name)
            np.testing.assert_equal(result.dtype, expected.dtype)


@pytest.mark.parallel([1, 3])
def test_everything_else_is_plain():
    u, v = squares()
    block = np.array(u)
    for name, call in PLAIN.items():
        result, expected = call(u, v), call(block, block)
        with everywhere():
            if isinstance(result, DistArray) and result._pencil is not None:
                raise AssertionError(f"{name}: {result!r} claims to be a block of {result.pencil}")
            np.testing.assert_array_equal(np.asarray(result), expected, name)


@pytest.mark.parallel(2)
def test_blocks_of_two_pencils_make_something_plain():
    """Their shapes are the same, but they are parts of different arrays."""
    u, v = DistArray((4, 4), [2, 1], val=1.0), DistArray((2, 8), [1, 2], val=2.0)
    np.testing.assert_equal(u.shape, v.shape)
    for name, call in {
        "u + v": lambda: u + v,
        "v + u": lambda: v + u,
        "less": lambda: u < v,
        "where": lambda: np.where(u > 0, u, v),
        "where, condition": lambda: np.where(u > 0, v, 0),
    }.items():
        result = call()
        with everywhere():
            is_plain(result)
            np.testing.assert_equal(np.shape(result), u.shape, name)
    w, mask = u.copy(), v > 0
    for name, call in {
        "+=": lambda: w.__iadd__(v),
        "out": lambda: np.add(u, v, out=w),
        "one of two": lambda: np.divmod(v, 2, out=(None, w)),
        "no subclass": lambda: np.add(v, 1, out=w, subok=False),
        "where": lambda: np.add(u, 1, out=w, where=mask),
        "clip": lambda: np.clip(v, 0, 1, out=w),
        "clip method": lambda: v.clip(0, 1, out=w),
        "[...]": lambda: w.__setitem__(..., v),
        "[:]": lambda: w.__setitem__(slice(None), v),
        "val": lambda: DistArray((4, 4), [2, 1], val=v),
    }.items():
        expect_everywhere(ValueError, "another part of the whole: redistribute it", call)
        with everywhere():
            np.testing.assert_array_equal(w, 1, name)
    w += np.asarray(v)
    with everywhere():
        is_block(w, np.full((4, 4), 3.0), 1)


@pytest.mark.parallel([1, 3])
def test_in_place_and_out():
    """What is written into stays what it is."""
    array, whole = filled((5, 4), [0, 1])
    same = array
    array += 1
    array *= array
    array[0:1] = 3
    plain, other = np.empty(array.shape), DistArray((5, 4), [0, 1])
    returned = [np.add(array, 1, out=plain), np.add(plain, 1, out=other), np.subtract(other, 1, other)]
    halves = np.divmod(array, 2, out=(plain, other))
    expected = (whole + 1) ** 2
    expected[[s.start for s in (WORLD.allgather(array.local_slice()[0])) if s.start < s.stop]] = 3
    with everywhere():
        np.testing.assert_equal([array is same, returned[0] is plain, returned[1] is other], [True] * 3)
        np.testing.assert_equal([returned[2] is other, halves[0] is plain, halves[1] is other], [True] * 3)
        is_block(array, expected, 1)
        is_block(other, expected % 2, 1)
    array.flat = 2
    array.real[...] += 1
    array.sort(axis=1)
    array.fill(array[0, 0] if array.size else 0)
    with everywhere():
        is_block(array, np.full((5, 4), 3.0), 1)


UFUNCS = sorted({x for x in vars(np).values() if isinstance(x, np.ufunc)}, key=lambda x: x.__name__)
VALUES = {"d": [0.0, 1.5, -2.0, 3.0], "D": [0.0, 1 + 2j, -1.5, 2j], "q": [0, 1, 2, 5], "?": [False, True]}


def blocks(draw, code):
    """Return a square DistArray with values of a dtype, the same at each draw of the same number."""
    array = DistArray((WORLD.size * 3, 3), [0, 1], dtype=code)
    array[...] = rng(draw(st.integers(0, 5)), WORLD.rank).choice(VALUES[code], array.shape)
    return array


@st.composite
def ufunc_calls(draw):
    """Draw a ufunc, a method of it, and arguments of all kinds, most of them DistArrays."""
    ufunc = draw(st.sampled_from(UFUNCS))
    methods = ["__call__"] * 4 + ["reduce", "accumulate", "outer", "at", "reduceat"] * (ufunc.nin == 2)
    method, code = draw(st.sampled_from(methods)), draw(st.sampled_from("ddDq?"))
    inputs = [blocks(draw, code) for _ in range(ufunc.nin)]
    if ufunc.nin == 2 and draw(st.booleans()):
        inputs[draw(st.integers(0, 1))] = draw(st.sampled_from([2, np.arange(3) + 1, np.ones((3, 3), code)]))
    kwargs = {}
    if method in ("reduce", "accumulate"):
        inputs = inputs[:1]
        kwargs["axis"] = draw(st.sampled_from([0, 1, -1] + [None, (0, 1)] * (method == "reduce")))
    if method == "reduceat":
        inputs, kwargs["axis"] = [inputs[0], [0, 2]], draw(st.integers(0, 1))
    if method == "at":
        inputs.insert(1, draw(st.sampled_from([[0, 1, 1], (slice(None), [0, 0])])))
    if method == "reduce":
        kwargs |= draw(st.sampled_from([{}, {"keepdims": True}, {"initial": 1}, {"initial": 1, "keepdims": True}]))
    if method in ("__call__", "reduce") and draw(st.booleans()):
        kwargs["where"] = draw(st.sampled_from([blocks(draw, "?"), np.ones((3, 3), bool), True]))
    if method == "__call__" and draw(st.integers(0, 2)) == 0:
        kwargs |= draw(st.sampled_from([{"order": "F"}, {"casting": "unsafe", "dtype": code}, {"subok": False}]))
    if method != "at" and ("where" in kwargs or draw(st.booleans())):
        kwargs["out"] = tuple(out_for(draw, method, kwargs) for _ in range(ufunc.nout))
    return ufunc, method, inputs, kwargs


def out_for(draw, method, kwargs):
    """Draw what a ufunc is to write into; with `where` there is something, as there would be garbage.

    So there is for methods, of which some refuse (None,) for plain arrays, and numpy drops it for others.
    """
    kinds = [DistArray, np.ndarray] + [type(None)] * (method == "__call__" and "where" not in kwargs)
    kind, code = draw(st.sampled_from(kinds)), draw(st.sampled_from("ddDq?"))
    out = blocks(draw, code)
    return out if kind is DistArray else None if kind is type(None) else np.array(out)


def plain(x):
    """Return a copy of arguments with all arrays plain."""
    if isinstance(x, (list, tuple)):
        return type(x)(map(plain, x))
    return np.array(x) if isinstance(x, np.ndarray) else x


def outcome(call, *args, **kwargs):
    """Return the result, or the type of what is raised."""
    with np.errstate(all="ignore"):
        try:
            return call(*args, **kwargs)
        except (TypeError, ValueError, IndexError, RuntimeError, Warning) as error:
            return type(error)


def same(found, expected, what):
    """Raise AssertionError unless two results are the same, whatever their classes."""
    np.testing.assert_equal(isinstance(found, tuple), isinstance(expected, tuple), what)
    for a, b in zip(*((x if isinstance(x, tuple) else (x,)) for x in (found, expected)), strict=True):
        np.testing.assert_equal(getattr(a, "dtype", a), getattr(b, "dtype", b), what)
        np.testing.assert_equal(np.asarray(a), np.asarray(b), what)


@settings(max_examples=150)
@given(ufunc_calls())
def test_any_ufunc_is_that_of_plain_arrays(case):
    """The same values or the same error; blocks where they are due; what was written into is what was given."""
    ufunc, method, inputs, kwargs = case
    what = f"np.{ufunc.__name__}.{method}, {[type(x).__name__ for x in inputs]}, {kwargs}"
    others, plain_kwargs = plain(inputs), {name: plain(x) for name, x in kwargs.items()}
    expected = outcome(getattr(ufunc, method), *others, **plain_kwargs)
    found = outcome(getattr(ufunc, method), *inputs, **kwargs)
    outs = kwargs.get("out", (None,) * ufunc.nout)
    blockwise = method == "__call__" and ufunc.signature is None and kwargs.get("subok", True)
    some = any(isinstance(x, DistArray) for x in (*inputs, kwargs.get("where"), *outs))
    with everywhere():
        same(found, expected, what)
        same(
            tuple(x for x in inputs if isinstance(x, np.ndarray)), tuple(x for x in others if hasattr(x, "shape")), what
        )
        if isinstance(found, type):
            return
        for result, out in zip(found if isinstance(found, tuple) else (found,), outs, strict=True):
            if out is not None:
                np.testing.assert_equal(result is out, True, what)
            elif blockwise and some:
                np.testing.assert_equal((type(result), result.alignment), (DistArray, 1), what)
            else:
                np.testing.assert_equal(isinstance(result, DistArray), False, what)


BLOCKWISE = {
    "copy": lambda u, w: np.copy(u, subok=True),
    "nan_to_num": lambda u, w: np.nan_to_num(u),
    "clip": lambda u, w: np.clip(u, 1, 4),
    "clip to blocks": lambda u, w: u.clip(u - 1, np.minimum(u, 4)),
    "round": lambda u, w: np.round(u / 3, 1),
    "fix": lambda u, w: np.fix(u / 3),
    "sinc": lambda u, w: np.sinc(u),
    "angle": lambda u, w: np.angle(u * 1j),
    "isclose": lambda u, w: np.isclose(u, w),
    "ones_like": lambda u, w: np.ones_like(u, "i4"),
    "zeros_like of a shape": lambda u, w: np.zeros_like(u, shape=u.shape),
    "full_like of an array": lambda u, w: np.full_like(u, w),
    "astype, no copy": lambda u, w: u.astype(u.dtype, copy=False),
    "atleast_1d": lambda u, w: np.atleast_1d(u),
    "conj": lambda u, w: u.conj(),
    "deepcopy of a list": lambda u, w: copy.deepcopy([u])[0],
    "of one row": lambda u, w: u * u[0],
    "select": lambda u, w: np.where(u > 3, u, 0),
}

INTO = {
    "sum": lambda u, w: u.sum(axis=0, keepdims=True, out=w[:1]) + w,
    "cumsum": lambda u, w: u.cumsum(0, None, w),
    "np.cumsum": lambda u, w: np.cumsum(u, axis=1, out=w),
    "clip": lambda u, w: u.clip(1, 4, out=w),
    "np.clip": lambda u, w: np.clip(u, 1, 4, w),
    "round": lambda u, w: (u / 3).round(1, w),
    "np.round": lambda u, w: np.round(u / 3, out=w),
    "take": lambda u, w: u.take([0, 2, 0], 0, w),
    "matmul": lambda u, w: np.matmul(u, u, out=w),
    "dot": lambda u, w: u.dot(u, out=w),
    "einsum": lambda u, w: np.einsum("ij->ji", u, out=w),
    "concatenate": lambda u, w: np.concatenate([u[:1], u[1:]], out=w),
    "copyto": lambda u, w: (np.copyto(w, u, where=u > 3), w)[1],
    "putmask": lambda u, w: (np.putmask(w, u > 3, u), w)[1],
    "place": lambda u, w: (np.place(w, u > 3, [1, 2]), w)[1],
    "put": lambda u, w: (np.put(w, [0, 2], u), w)[1],
    "fill_diagonal": lambda u, w: (np.fill_diagonal(w, 7), w)[1],
    "masked assignment": lambda u, w: (w.__setitem__(u > 3, 0), w)[1],
    "masked assignment of values": lambda u, w: (w.__setitem__(u > 3, u[u > 3]), w)[1],
    "indices": lambda u, w: (w.__setitem__([0, 2], u[[2, 0]]), w)[1],
    "columns": lambda u, w: (w.__setitem__((slice(None), 1), u[:, 0]), w)[1],
    "sort": lambda u, w: (w.sort(axis=0), w)[1],
    "partition": lambda u, w: (w.partition(1, axis=1), w)[1],
    "fill": lambda u, w: (w.fill(3), w)[1],
    "flat": lambda u, w: (setattr(w, "flat", u), w)[1],
    "real": lambda u, w: (setattr(w, "real", u), w)[1],
    "@=": lambda u, w: w.__imatmul__(u),
    "+=": lambda u, w: w.__iadd__(u[0]),
    "nan_to_num": lambda u, w: np.nan_to_num(w, copy=False),
    "mean": lambda u, w: (u.mean(axis=0, out=w[0]), w)[1],
    "std": lambda u, w: (u.std(axis=0, out=w[0]), w)[1],
}

OTHERS = {
    "sum where": lambda u, w: u.sum(where=u > 3),
    "mean where": lambda u, w: u.mean(axis=0, where=u > 3),
    "var where": lambda u, w: u.var(where=u > 0),
    "std": lambda u, w: (u * 1j).std(axis=0),
    "max where": lambda u, w: np.max(u, where=u > 3, initial=0),
    "any": lambda u, w: np.any(u > 3, axis=0, where=w > 3),
    "norm": lambda u, w: np.linalg.norm(u, axis=1),
    "broadcast_to": lambda u, w: np.broadcast_to(u, (2, 3, 3), subok=True),
    "broadcast_arrays": lambda u, w: np.broadcast_arrays(u, w[0])[1],
    "zeros_like, no subclass": lambda u, w: np.zeros_like(u, subok=False),
    "zeros_like, in its place": lambda u, w: np.zeros_like(u, None, "K", False),
    "full_like, no subclass": lambda u, w: np.full_like(u, 3, subok=False),
    "copy, no subclass": lambda u, w: np.copy(u, "K", False),
    "astype, no subclass": lambda u, w: u.astype(u.dtype, subok=False, copy=False),
    "add, no subclass": lambda u, w: np.add(u, 1, subok=False),
    "zeros_like of another shape": lambda u, w: np.zeros_like(u, shape=(3,)),
    "indices": lambda u, w: np.where(u),
    "nonzero": lambda u, w: u.nonzero(),
    "searchsorted": lambda u, w: u[0].searchsorted(u),
    "choose": lambda u, w: (u > 3).astype(int).choose([u, w]),
    "array2string": lambda u, w: np.array2string(u),
    "tolist": lambda u, w: u.tolist(),
    "pickle": lambda u, w: pickle.loads(pickle.dumps(u, 5)),
    "save": lambda u, w: saved(u),
    "histogram": lambda u, w: np.histogram(u, 3)[0],
    "apply": lambda u, w: np.apply_along_axis(sum, 0, u),
    "interp": lambda u, w: np.interp(u, [0, 9], [0, 18]),
    "svd": lambda u, w: np.linalg.svd(u)[1],
    "deque": lambda u, w: np.vstack(collections.deque([u, w])),
    "own list": lambda u, w: np.concatenate(collections.UserList([u, w])),
    "own tuple": lambda u, w: np.stack(collections.namedtuple("Pair", "u w")(u, w)),
    "sequences of sequences": lambda u, w: np.select(collections.deque([u > 3, w > 3]), (u, w)),
    "block": lambda u, w: np.block([[u, w], [w, u]]),
    "of a line": lambda u, w: np.add.reduce(u, axis=0, where=u > 3),
}


def saved(u):
    """Return an array that was written into a file, and read."""
    file = io.BytesIO()
    np.save(file, u)
    file.seek(0)
    return np.load(file)


def two():
    """Return two arrays of 3 x 3 on each rank with other values."""
    u, v = squares()
    w = v * 2 - 1
    u[...] = np.array(u)[::-1] % 7
    return u, w


@pytest.mark.parallel([1, 2])
def test_functions_are_those_of_plain_arrays():
    for kind, calls in ((DistArray, BLOCKWISE), (DistArray, INTO), (np.ndarray, OTHERS)):
        for name, call in calls.items():
            u, w = two()
            a, b = np.array(u), np.array(w)
            found, expected = call(u, w), call(a, b)
            with everywhere():
                for one, other in zip(*((x if isinstance(x, tuple) else (x,)) for x in (found, expected)), strict=True):
                    np.testing.assert_array_equal(np.asarray(one), np.asarray(other), name)
                    np.testing.assert_equal(isinstance(one, DistArray), kind is DistArray, f"{name}: {type(one)}")
                    if kind is DistArray:
                        np.testing.assert_equal(one.alignment, 1, name)
                np.testing.assert_array_equal(np.asarray(w), b, name)
                np.testing.assert_array_equal(np.asarray(u), a, name)


@pytest.mark.parallel([1, 2])
def test_components_and_their_fields_may_be_written_into_each_other():
    """A vector times a scalar in place: they are the same part of the whole."""
    vector, whole = filled((3, 4, 5), [0, 1], rank=1)
    scalar, field = filled((4, 5), [0, 1])
    vector *= scalar
    np.add.reduce(vector, axis=0, out=scalar)
    with everywhere():
        is_block(vector, whole * field, 1, 1)
        is_block(scalar, (whole * field).sum(axis=0), 1)
        is_plain(vector * scalar)


@pytest.mark.parallel([1, 2])
def test_masked_arrays_are_refused():
    """As the mask would be lost: the data are the caller's to give."""
    u, _ = squares()
    masked = np.ma.array(np.array(u), mask=np.array(u) > 3)
    for call in (
        lambda: u + masked,
        lambda: u.__iadd__(masked),
        lambda: np.add(u, 1, out=masked),
        lambda: np.add(u, 1, out=u, where=masked > 3),
        lambda: np.where(u > 3, u, masked),
        lambda: np.concatenate([u, masked]),
        lambda: u.__setitem__(..., masked),
        lambda: u.__setitem__(0, np.ma.masked),
        lambda: setattr(u, "real", masked),
        lambda: u.clip(0, masked),
        lambda: np.copyto(u, masked),
        lambda: DistArray(u.global_shape, [0, 1], val=masked),
    ):
        expect_everywhere(TypeError, "masked array, whose mask would be lost", call)
    sum_ = masked + u
    with everywhere():  # numpy.ma's own, which keeps the mask
        np.testing.assert_equal((type(sum_), sum_.mask.sum()), (np.ma.MaskedArray, masked.mask.sum()))


@pytest.mark.parallel([1, 2])
def test_plans_refuse_masked_arrays():
    shape = (2, 3)
    subcomm = Subcomm(WORLD, [0, 1])
    pencil = Pencil(subcomm, shape, 1)
    transfer = pencil.transfer(pencil.pencil(0), complex)
    with PFFT(WORLD, shape, dtype=complex) as fft, FFT1D(WORLD, 6) as line:
        for plan, shapes in (
            (fft, (fft.shape(False), fft.shape(True))),
            (line, (line.shape(False), line.shape(True))),
            (transfer, (pencil.subshape, pencil.pencil(0).subshape)),
        ):
            a, b = (np.zeros(one, complex) for one in shapes)
            for call in (
                lambda plan=plan, a=a, b=b: plan.forward(np.ma.array(a), b),
                lambda plan=plan, a=a, b=b: plan.forward(a, np.ma.array(b)),
                lambda plan=plan, a=a, b=b: plan.backward(np.ma.array(b), a),
                lambda plan=plan, a=a, b=b: plan.backward(b, np.ma.array(a)),
            ):
                expect_everywhere(TypeError, "masked array, whose mask would be lost", call)


@pytest.mark.parallel([1, 2])
def test_a_shape_that_is_not_the_block_s_is_not_claimed():
    array, _ = filled((4, 6), [0, 1])
    reshaped = array.copy()
    try:
        reshaped.shape = (reshaped.size,)
    except (AttributeError, DeprecationWarning):
        return  # a numpy that no longer lets arrays be reshaped in place
    with everywhere(), pytest.raises(AttributeError, match="not a distributed block"):
        print(reshaped.global_shape)
    for result in (reshaped + 1, reshaped.copy(), reshaped.real, np.zeros_like(reshaped), reshaped[0]):
        is_plain(result)
    reshaped += 1
    with everywhere():
        np.testing.assert_array_equal(reshaped, np.asarray(array).ravel() + 1)


@pytest.mark.parallel([1, 2])
def test_what_is_no_block_says_so():
    array, _ = filled((4, 6), [0, 1])
    view = array.view("i8")
    for name in ("pencil", "global_shape", "alignment", "commsizes", "substart"):
        with everywhere(), pytest.raises(AttributeError, match="not a distributed block"):
            getattr(view, name)
    check(array.tolist() == np.asarray(array).tolist(), "lists are lists")


@pytest.mark.parallel([1, 4])
def test_values_and_defaults():
    """Zero unless told otherwise; aligned along the last undivided axis, which is the last axis by default."""
    zeros, ones = DistArray((5, 6)), DistArray((5, 6), val=1, dtype=int)
    row = DistArray((5, 6), [0, 1], val=np.arange(6.0))
    first = DistArray((5, 6), alignment=0)
    two = DistArray((5, 6, 3), [0, 1, 1])
    subcomm = Subcomm(WORLD, [1, 0])
    given = DistArray((5, 6), subcomm, dtype="F")
    with everywhere():
        is_block(zeros, np.zeros((5, 6)), 1)
        is_block(ones, np.ones((5, 6), int), 1)
        is_block(row, np.tile(np.arange(6.0), (5, 1)), 1)
        is_block(first, np.zeros((5, 6)), 0)
        np.testing.assert_equal([two.alignment, given.alignment, given.dtype], [2, WORLD.size == 1, np.dtype("F")])
        np.testing.assert_equal([c == d for c, d in zip(given.subcomm, subcomm, strict=True)], [True, True])
        np.testing.assert_equal([a.dtype for a in (zeros, ones)], [np.dtype(float), np.dtype(int)])
    gathered = gather_global(ones, ones.local_slice(), (5, 6))
    with everywhere():
        np.testing.assert_array_equal(gathered, 1)


@pytest.mark.parallel([1, 2])
def test_refusals():
    n = WORLD.size
    array = DistArray((4, 6), [0, 1])
    alien = DistArray((4, 7), [0, 1])
    floats = DistArray((4, 6), [0, 1], dtype="f4")
    for call, exception, message in [
        (lambda: DistArray((4, 6), [0, 1, 1]), ValueError, r"dims name 3 axes, global_shape \(4, 6\) has 2"),
        (lambda: DistArray((4, 6), [n + 1, 1]), ValueError, rf"dims \[{n + 1}, 1\]"),
        (lambda: DistArray((4, 6), [-1, 1]), ValueError, r"dims \[-1, 1\] has a negative"),
        (lambda: DistArray((4, 6), "01"), TypeError, "dims must be"),
        (lambda: DistArray((4, 0), [0, 1]), ValueError, r"shape \(4, 0\)"),
        (lambda: DistArray((4, 6.5), [0, 1]), TypeError, r"shape must be .* \(4, 6.5\)"),
        (lambda: DistArray(4, [0, 1]), TypeError, "shape must be a sequence of ints, not 4"),
        (lambda: DistArray((4, 6), [0, 1], alignment=2), ValueError, "axis 2 does not exist"),
        (lambda: DistArray((4, 6), [0, 1], alignment="x"), TypeError, "axis must be an int, not 'x'"),
        (lambda: DistArray((4, 6), [0, 1], rank=2), ValueError, "rank 2 must count the leading component axes"),
        (lambda: DistArray((4, 6), [0, 1], rank=-1), ValueError, "rank -1 must count"),
        (lambda: DistArray((4, 6), [0, 1], rank="1"), (TypeError, ValueError), "rank '1' must"),
        (lambda: DistArray((4, 6), [0, 1], dtype="nonsense"), TypeError, "nonsense"),
        (lambda: array.redistribute(), TypeError, "redistribute needs axis, or out"),
        (lambda: array.redistribute(2), ValueError, "axis 2 does not exist"),
        (lambda: array.redistribute("x"), TypeError, "axis must be an int, not 'x'"),
        (lambda: array.redistribute(out=np.zeros((4, 6))), TypeError, "out must be a DistArray, not ndarray"),
        (lambda: array.redistribute(0, out=array.copy()), ValueError, "axis 0 contradicts out, .* along axis 1"),
        (lambda: array.redistribute(out=alien), ValueError, r"\(4, 6\) and \(4, 7\)"),
        (lambda: array.redistribute(out=floats), TypeError, "dtype float32, expected float64"),
        (lambda: array.redistribute(out=array), ValueError, "overlap"),
        (lambda: array.view("i8").redistribute(0), AttributeError, "not a distributed block"),
        (lambda: array.astype(object).redistribute(0), TypeError, "dtype object holds references"),
    ]:
        expect_everywhere(exception, message, call)
    if n > 1:
        every = Subcomm(WORLD, [n, 1])
        expect_everywhere(ValueError, "axis 0 is divided", lambda: DistArray((4, 6), every, alignment=0))
        expect_everywhere(ValueError, "dims divide every axis", lambda: DistArray((4,), [n]))


@pytest.mark.parallel([2, 3])
def test_a_bad_argument_on_one_rank_with_the_check_switched_on(monkeypatch):
    """Nobody hangs, and the next good call works."""
    monkeypatch.setenv("MPI4PY_PENCIL_CHECK", "1")
    last = WORLD.rank == WORLD.size - 1
    array, whole = filled((4, 6), [0, 1])
    good = array.redistribute(0)
    for bad, exception, message in [
        (lambda: array.redistribute(out=np.zeros((4, 6))), TypeError, "out must be a DistArray"),
        (lambda: array.redistribute(5), ValueError, "axis 5 does not exist"),
        (lambda: array.redistribute(1), ValueError, "the ranks disagree"),
        (lambda: array.redistribute(), TypeError, "needs axis, or out"),
    ]:
        expect_everywhere(exception, message, bad if last else lambda: array.redistribute(0))
        array.redistribute(out=good)
        with everywhere():
            is_block(good, whole, 0)
    expect_everywhere(TypeError, "dtype", lambda: array.redistribute(out=good.astype("f4") if last else good))


@pytest.mark.parallel([2, 3])
def test_what_differs_between_ranks_is_refused_on_all():
    last = WORLD.rank == WORLD.size - 1
    subcomm = Subcomm(WORLD, [1, 0])
    for call, exception, message in [
        (lambda: DistArray((4, 7 if last else 6), [0, 1]), ValueError, r"disagree.*\(4, 6\).*\(4, 7\)"),
        (lambda: DistArray((4, 7 if last else 6), subcomm), ValueError, r"disagree.*\(4, 6\).*\(4, 7\)"),
        (lambda: DistArray((4, 6), [0, 1] if last else [1, 0]), ValueError, "the ranks disagree"),
        (lambda: DistArray((4, 6), [0, 1], dtype="f4" if last else "f8"), ValueError, "the ranks disagree"),
        (lambda: DistArray((4, 6), [0, 1], alignment=5 if last else 1), ValueError, "axis 5 does not exist"),
        (lambda: DistArray((4, 6), [0, 1], rank=-1 if last else 0), ValueError, "rank -1 must count"),
    ]:
        expect_everywhere(exception, message, call)
    np.testing.assert_equal(DistArray((4, 6), subcomm).alignment, 0)


@pytest.mark.parallel([1, 2])
def test_an_array_made_from_a_pencil_without_a_grid():
    """Any sequence of communicators will do for a Pencil; an array of it is redistributed over their lines."""
    pencil = Pencil(list(Subcomm(WORLD, [0, 1])), (4, 6), 1)
    whole = numbered((4, 6), "f8")
    array = DistArray.of(pencil, "f8")
    array[...] = whole[pencil.local_slice()]
    turned = array.redistribute(0)
    with everywhere():
        is_block(turned, whole, 0)


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("axes", [(0, 1), (0, 2), (1, 2), (2, 0), (2, 1)])
def test_into_an_array_that_is_divided_otherwise(axes):
    """Each by its own choice of the grid over the same ranks, twice: the second time the transfer is known."""
    shape = (6, 7, 5)
    whole = numbered(shape, "f8")
    before, after = (DistArray(shape, alignment=axis) for axis in axes)
    before[...] = whole[before.local_slice()]
    for _ in range(2):
        after[...] = -1
        before.redistribute(out=after)
        with everywhere():
            is_block(after, whole, axes[1])
    again = DistArray(shape, before.subcomm, alignment=axes[0])
    after.redistribute(out=again)
    with everywhere():
        is_block(again, whole, axes[0])


@pytest.mark.parallel(2)
def test_arrays_over_other_ranks_are_refused():
    other = DistArray((4, 6), Subcomm(MPI.COMM_SELF, [1, 1]))
    message = "do not divide arrays among the same ranks"
    expect_everywhere(ValueError, message, lambda: DistArray((4, 6), [0, 1]).redistribute(out=other))


WRITERS = {
    "all": lambda u, v: u.__setitem__((slice(None), slice(None)), v),
    "ellipsis": lambda u, v: u.__setitem__((..., slice(None)), v),
    "none": lambda u, v: u.__setitem__((), v),
    "real": lambda u, v: setattr(u, "real", v),
    "copyto": lambda u, v: np.copyto(u, v),
    "putmask": lambda u, v: np.putmask(u, np.asarray(u) == u, v),
    "clip": lambda u, v: np.clip(v, 0, 1, u),
    "method clip": lambda u, v: v.clip(0, 1, u),
    "round": lambda u, v: np.round(v, 0, u),
    "method round": lambda u, v: v.round(0, u),
    "fix": lambda u, v: np.fix(v, u),
    "add": lambda u, v: np.add(v, 1, u),
}


def swapped():
    """Two arrays whose blocks have the same shape everywhere but on some ranks are other parts of the whole."""
    one = DistArray((4, 4, 4), [2, 2, 1], val=0.5)
    return one, one.redistribute(0).redistribute(1).redistribute(2)


@pytest.mark.parallel(4)
@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_blocks_of_other_pencils_are_not_written_by_any_way(write):
    one, other = swapped()
    expect_everywhere(ValueError, "another part of the whole", lambda: write(one, other))
    write(one, one.copy())


@pytest.mark.parallel(4)
def test_the_same_grid_the_other_way_round_is_another_division():
    """On all ranks alike: also on those whose blocks are the same."""
    one, other = swapped()
    fft = PFFT(WORLD, (4, 4, 4), grid=[2, 2, 1])
    expect_everywhere(ValueError, "u is distributed as", lambda: fft.forward(other))
    check(type(one + other) is np.ndarray, "what is computed from both is nobody's")
    last = WORLD.rank == WORLD.size - 1
    there = one.pencil.pencil(0)
    expect_everywhere(ValueError, "disagree on a", lambda: Transfer(other.pencil if last else one.pencil, there, float))
    fft.forward(one)
