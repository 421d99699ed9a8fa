"""Global arrays and the world around them: local views, numpy, contexts, other packages, text, errors, leaks."""

import copy
import inspect
import pickle
import tracemalloc

import numpy as np
import pytest
from mpi4py import MPI
from support import check, everywhere, expect_everywhere

from mpi4py_pencil import PFFT, DistArray, Pencil, newDistArray
from mpi4py_pencil import arrays as xp

WORLD = MPI.COMM_WORLD
RANKS = [1, 2, 3]


def equal(array, whole):
    gathered = array.to_numpy()
    with everywhere():
        np.testing.assert_array_equal(gathered, whole)


@pytest.mark.parallel([1, 2, 4])
def test_both_views_are_of_one_memory():
    for dims in ([0, 0, 1], [0, 1, 0], [1, 0, 1]):
        u = DistArray((5, 6, 7), dims)
        u[...] = WORLD.rank
        g = u.as_global()
        g[2, 3] = 99
        back = g.as_local()
        owner = (
            u.local_slice()[0].start <= 2 < u.local_slice()[0].stop
            and u.local_slice()[1].start <= 3 < u.local_slice()[1].stop
        )
        with everywhere():
            np.testing.assert_equal(g.shape, u.global_shape)
            np.testing.assert_equal(
                [np.shares_memory(x, u) for x in (g.local, back) if u.size], [True, True][: 2 * (u.size > 0)]
            )
            np.testing.assert_equal(back.pencil.whole, u.pencil.whole)
            np.testing.assert_equal(bool((u == 99).any()), owner)
        equal(g.redistribute(u.redistribute(0).as_global().distribution), g.to_numpy())
    fft = PFFT(WORLD, (6, 8, 10), truncation=2 / 3)
    modes = newDistArray(fft, val=1)
    with everywhere():
        np.testing.assert_equal(modes.as_global().shape, modes.global_shape)
    check(modes.as_global().sum().item() == np.prod(modes.global_shape), "a truncated spectrum has other points")
    expect_everywhere(ValueError, "no pencil's", xp.zeros(3, distribution=["cyclic"]).as_local)
    loose = DistArray.of(Pencil([WORLD.Split(WORLD.rank), MPI.COMM_SELF], (2, 2)), float)
    expect_everywhere(ValueError, "of no grid", loose.as_global)
    loose.pencil.subcomm[0].Free()


@pytest.mark.parallel(RANKS)
def test_numpys_functions_are_ours_or_refused():
    whole = np.arange(12.0).reshape(3, 4)
    g = xp.asarray(whole)
    for call in (
        np.sin,
        lambda x: np.sum(x, axis=1),
        lambda x: np.add.reduce(x, axis=1),
        lambda x: np.add.accumulate(x, axis=1),
        lambda x: np.multiply.outer(x[0], x[1]),
        lambda x: np.clip(x, 2, None),
        lambda x: np.linalg.norm(x, axis=0),
        lambda x: np.fft.rfft(x, axis=0).real,
        lambda x: np.moveaxis(x, 0, 1),
        np.transpose,
        lambda x: np.roll(np.flip(x, 0), 1, 1),
        lambda x: np.concatenate([x, x], 1),
        np.ravel,
        np.trace,
        lambda x: np.diagonal(x, 1, 1, 0),
        lambda x: (x > 4) ** 2,
        lambda x: (x + 2j) ** 0.5,
        lambda x: 2 ** (x > 4),
        lambda x: np.vecdot(x > 4, x > 3),
        lambda x: np.searchsorted(x[1], 5.5, side="right"),
        np.divmod,
    ):
        if call is np.divmod:
            for ours, theirs in zip(np.divmod(g, 5), np.divmod(whole, 5), strict=True):
                equal(ours, theirs)
        else:
            found = call(g).to_numpy()
            with everywhere():
                np.testing.assert_allclose(found, call(whole), rtol=1e-14, atol=1e-14, strict=True)
    for call in (
        np.asarray,
        lambda x: np.median(x),
        lambda x: np.vstack([x, x]),
        lambda x: np.sum(x, out=np.zeros(())),
        lambda x: np.frompyfunc(str, 1, 1).at(x, 0),
    ):
        expect_everywhere(TypeError, r"to_numpy|out\[\.\.\.\]", lambda call=call: call(g))
    expect_everywhere(TypeError, "as_global", lambda: g + DistArray((3, 4), [WORLD.size, 1]))
    expect_everywhere(TypeError, "as_global", lambda: DistArray((3, 4), [WORLD.size, 1]) + g)
    expect_everywhere(TypeError, "out must be", lambda: np.add(g, 1, out=np.zeros((3, 4))))
    expect_everywhere(ValueError, "out has the shape", lambda: np.add(g, 1, out=g[0]))
    two = [xp.empty((3, 4), distribution=axes) for axes in (["block", None], ["cyclic", None])]
    expect_everywhere(ValueError, "not of one distribution", lambda: np.modf(g, out=tuple(two)))


@pytest.mark.parallel([2, 3])
def test_local_views_are_refused_by_all_functions():
    g = xp.zeros((5, 4))
    u = DistArray((5, 4), [0, 1], val=WORLD.rank + 1)  # blocks of different lengths, one of which may fit
    for call in (
        lambda: u - g,
        lambda: u == g,
        lambda: np.maximum(u, g),
        lambda: np.where(u > 0, u, g),
        lambda: np.concatenate([u, g]),
        lambda: np.array_equal(g, u),
        lambda: np.allclose(g, u),
        lambda: u @ g.T,
        lambda: g.T @ u,
        lambda: u.__iadd__(g),
        lambda: g.__iadd__(u),
        lambda: u.__setitem__(..., g),
        lambda: g.__setitem__(..., u),
        lambda: xp.full((5, 4), u),
        lambda: xp.full_like(g, u),
        lambda: xp.from_numpy(u),
        lambda: xp.asarray(u),
        lambda: xp.asarray([u, u]),
        lambda: xp.from_dlpack(u),
        lambda: xp.sum(u),
        lambda: xp.sqrt(u),
        lambda: xp.where(u > 0, 1, 0),
        lambda: xp.concat([g, u]),
        lambda: xp.linalg.norm(u),
        lambda: xp.fft.fft(u),
    ):
        expect_everywhere(TypeError, "as_global", call)
    equal(u.as_global() - g, u.as_global().to_numpy())


@pytest.mark.parallel(RANKS)
def test_numpy_arrays_are_the_whole_beside_global_ones_and_refused_alone():
    a, b = np.arange(12.0).reshape(3, 4), np.arange(20.0).reshape(4, 5) - 7
    g, h = xp.asarray(a), xp.asarray(b)
    for ours, theirs in (
        (g @ b, a @ b),
        (a @ h, a @ b),
        (xp.matmul(g, b), a @ b),
        (np.dot(g, h), a @ b),
        (np.dot(g[0], b), a[0] @ b),
        (np.dot(g, 2), 2 * a),
        (xp.tensordot(a, h, axes=1), a @ b),
        (xp.vecdot(g, a[0]), a @ a[0]),
        (xp.concat([g, a]), np.concatenate([a, a])),
        (xp.stack((a, g)), np.stack([a, a])),
        (xp.diff(g, axis=0, prepend=a[:1]), np.diff(a, axis=0, prepend=a[:1])),
        (np.isclose(g, a + 1e-9), np.ones((3, 4), bool)),
    ):
        found = ours.to_numpy()
        with everywhere():
            np.testing.assert_allclose(found, theirs, rtol=1e-13)
    check((np.allclose(g, a + 1e-9), np.allclose(a, g + 1), np.array_equal(a, g)) == (True, False, True), "allclose")
    for name in xp.__all__:
        function = getattr(xp, name)
        first = next(iter(inspect.signature(function).parameters), "") if inspect.isfunction(function) else ""
        if first not in ("x", "x1", "condition", "g", "arrays") or name == "from_dlpack":
            continue
        given = [[a, a]] if name in ("concat", "stack") else [a, a]
        expect_everywhere(TypeError, f"^{name} is of global arrays", lambda f=function, x=given: f(*x))
    for call in (lambda: xp.sqrt(2.0), lambda: xp.linalg.inv(a), lambda: xp.fft.fft(a), lambda: xp.add(1, a)):
        expect_everywhere(TypeError, "is of global arrays", call)
    for call in (lambda: g.redistribute(0), lambda: xp.zeros(3, distribution="block"), lambda: g.redistribute(a[0, 0])):
        expect_everywhere(TypeError, "for each axis", call)
    expect_everywhere(TypeError, "use tensordot", lambda: np.einsum("ij->i", g))


@pytest.mark.parallel([2, 4])
def test_contexts():
    half = WORLD.Split(WORLD.rank % 2)
    ctx = xp.Context(half)
    g = ctx.arange(10)
    check(g.sum().item() == 45, "a sum over half of the ranks")
    check((g + ctx.ones(10)).context is ctx, "the context is lost")
    equal_in = (g * 2).to_numpy()
    with everywhere():
        np.testing.assert_array_equal(equal_in, 2 * np.arange(10))
        with pytest.raises(ValueError, match="communicators"):
            g + xp.arange(10)
    grid = xp.Context(WORLD, [0, 0])
    check(grid.zeros((9, 2, 8)).distribution.order[0] is not None, "the longest axes are divided")
    check(grid.zeros((9, 2, 8)).distribution.order[1] is None, "the shortest axis is divided")
    expect_everywhere(ValueError, "cannot multiply", lambda: xp.Context(WORLD, [WORLD.size + 1]))
    expect_everywhere(AttributeError, "nothing_of_the_kind", lambda: grid.nothing_of_the_kind)
    alone = half.size == 1
    half.Free()
    for call in (g.to_numpy if alone else g.sum, g[3:4].item, (g * 2)[::-1].to_numpy, lambda: g[[1, 2]]):
        expect_everywhere(ValueError, "freed", call)
    expect_everywhere(ValueError, "freed", lambda: g.redistribute([None]))


class Exporter:
    """What another package exports."""

    def __init__(self, **said):
        self.said = {"__version__": "0.10.0", **said}

    def __distarray__(self):
        return self.said


@pytest.mark.parallel(RANKS)
def test_other_packages_take_and_give_arrays_by_the_protocol():
    size, rank = WORLD.size, WORLD.rank
    whole = np.arange(7 * 5).reshape(7, 5)
    order = np.random.default_rng(1).permutation(7)
    for axis in ("block", "cyclic", 2, xp.Unstructured(np.array_split(order, size)), None):
        g = xp.asarray(whole, distribution=[axis, "block" if axis is None else None])
        again = xp.from_distarray(Exporter(**g.__distarray__()))
        with everywhere():
            np.testing.assert_equal(np.shares_memory(again.local, g.local), g.local.size > 0)
        equal(again, whole)
    start, stop = rank * 2, rank * 2 + 2
    dim = {
        "dist_type": "b",
        "size": 2 * size,
        "proc_grid_size": size,
        "proc_grid_rank": rank,
        "start": start,
        "stop": stop,
    }
    buffer = np.arange(start, stop)
    equal(xp.from_distarray(Exporter(buffer=buffer, dim_data=(dim,))), np.arange(2 * size))
    for match, change in (
        ("dist_type", {"dist_type": "x"}),
        ("shape", {"start": start, "stop": stop + (rank == size - 1), "size": 2 * size + 1}),
        ("do not follow", {"start": start + 1}),
        ("padding", {"padding": (1, 0)}),
        ("lacks", {"dist_type": "u"}),
        ("grid of", {"proc_grid_size": size + 1}),
    ):
        bad = Exporter(buffer=buffer, dim_data=({**dim, **change},))
        expect_everywhere(ValueError, match, lambda bad=bad: xp.from_distarray(bad))
    expect_everywhere(TypeError, "__distarray__", lambda: xp.from_distarray(buffer))
    expect_everywhere(
        ValueError, "version", lambda: xp.from_distarray(Exporter(__version__="1.0", buffer=1, dim_data=()))
    )
    if size > 1:
        expect_everywhere(ValueError, "no words", lambda: xp.ones(4).sum().__distarray__())


@pytest.mark.parallel(RANKS)
def test_text_is_numpys_of_large_arrays_too():
    for shape in ((), (0,), (3,), (2, 3), (5000,), (40, 30), (3, 400), (2, 7, 100)):
        whole = np.arange(float(np.prod(shape))).reshape(shape) / 7
        g = xp.asarray(whole)
        texts = str(g), repr(g), f"{g}"
        with everywhere():
            np.testing.assert_equal(texts[0], np.array2string(whole, separator=" "))
            np.testing.assert_equal(texts[2], texts[0])
            np.testing.assert_equal(texts[1].startswith("GlobalArray("), True)
            np.testing.assert_equal(f"shape={shape}, dtype=float64" in texts[1], True)
    check(f"{xp.asarray(2.5):.2f}" == "2.50", "a format of a number")
    check(
        "cyclic" in repr(xp.zeros(4, distribution=["cyclic"])) or WORLD.size == 1, "repr does not say how it is divided"
    )


@pytest.mark.parallel(RANKS)
def test_numbers_and_truth():
    g = xp.arange(5)
    with everywhere():
        np.testing.assert_equal((len(g), g.size, g.nbytes, g.ndim), (5, 5, 40, 1))
    check(float(g[3]) == 3.0 and int(g[-1]) == 4 and complex(g[1]) == 1 and bool(g[0]) is False, "numbers")
    check([0, 1, 2][g[2]] == 2 and 3 in g and 7 not in g, "an index, and membership")
    check([int(x) for x in g] == [0, 1, 2, 3, 4], "iteration")
    expect_everywhere(ValueError, "one point", lambda: bool(g))
    expect_everywhere(TypeError, "index", lambda: range(3)[g])
    expect_everywhere(TypeError, "pickled", lambda: pickle.dumps(g))
    copied = copy.deepcopy(g)
    copied[0] = 9
    check(int(g[0]) == 0, "a copy shares memory")


@pytest.mark.parallel(RANKS)
def test_errors_are_everyones():
    g = xp.reshape(xp.arange(12), (3, 4))
    last = np.where(np.arange(6) == 5, 99, 0)  # out of bounds where one rank looks
    read_only = xp.broadcast_to(g, (2, 3, 4))
    for error, match, call in (
        (IndexError, "out of bounds", lambda: g[3]),
        (IndexError, "out of bounds", lambda: g[xp.asarray(last)]),
        (IndexError, "too many", lambda: g[0, 0, 0]),
        (IndexError, "mask of shape", lambda: g[np.ones((2, 2), bool)]),
        (IndexError, "integers or booleans", lambda: g[np.ones(3)]),
        (ValueError, "negative integer powers", lambda: g ** xp.asarray([1, 1, 1, -1])),
        (ValueError, "cannot become", lambda: g.reshape(5, 3)),
        (ValueError, "cannot become", lambda: g.redistribute(xp.zeros(5).distribution)),
        (ValueError, "does not exist", lambda: xp.zeros(3, device="gpu")),
        (ValueError, "axis 2", lambda: g.sum(axis=2)),
        (ValueError, "of nothing", lambda: xp.max(xp.zeros(0))),
        (ValueError, "broadcast", lambda: g + xp.zeros(3)),
        (ValueError, "inner lengths", lambda: g @ g),
        (ValueError, "read-only", lambda: read_only.__setitem__(0, 1)),
        (ValueError, "cannot be written", lambda: g.__setitem__(0, xp.zeros(3))),
        (ValueError, "copy=False", lambda: xp.asarray([1], copy=False)),
        (ValueError, "root", lambda: g.to_numpy(WORLD.size)),
        (ValueError, "root", lambda: xp.from_numpy(1, WORLD.size)),
        (TypeError, "Python objects", lambda: xp.asarray([None])),
        (TypeError, "fill_value must be a number", lambda: xp.full((2, 3), [1, 2, 3])),
        (TypeError, "fill_value must be a number", lambda: xp.full((3, 4), g)),
        (TypeError, "stack", lambda: xp.asarray([g, g])),
        (TypeError, "masked", lambda: g + np.ma.masked_array(np.ones(4), np.eye(4)[0])),
        (ValueError, "each of the", lambda: xp.Unstructured([[0, 2], [2]])),
        (ValueError, "in 2 parts", lambda: xp.Distribution.of((4,), [xp.Block.of_sizes([1, 2])], [2])),
        (ValueError, "Singular", lambda: xp.linalg.inv(xp.zeros((1, 2, 2)))),
        (ValueError, "give initial", lambda: np.max(g, where=g < 5)),
        (ValueError, "give initial", lambda: np.minimum.reduce(g, where=g < 5)),
        (OverflowError, "", lambda: np.max(xp.astype(g, xp.uint8), initial=300)),
        (TypeError, "Python objects", lambda: xp.fromfunction(lambda i: i.astype(object), (6,))),
    ):
        expect_everywhere(error, match, call)

    def other_on_the_last(i):
        return i / 2 if i[-1] == 5 else i

    if WORLD.size > 1:
        expect_everywhere(ValueError, "disagree on the dtype", lambda: xp.fromfunction(other_on_the_last, (6,)))
    check(xp.fromfunction(other_on_the_last, (6,), dtype=float).dtype == float, "the dtype that is asked for")


@pytest.mark.parallel(RANKS)
def test_values_that_numpy_refuses_are_refused_on_every_rank_whoever_has_the_points():
    first = np.arange(8) < 1
    keys = (0, slice(1), slice(0, 1, 2), first, xp.asarray(first), [0], xp.asarray([0]))
    objects = np.array([None], dtype=object)
    for dtype, value in (
        ("u1", 300),
        ("i1", -1000),
        ("i8", np.inf),
        ("i8", np.nan),
        ("i8", 2**70),
        ("f8", 1j),
        ("f8", "abc"),
        ("i8", objects),
        ("u1", [300]),
        ("i8", [2**70]),
    ):
        whole = np.zeros(8, dtype)
        with everywhere(), pytest.raises((TypeError, ValueError, OverflowError)) as refused:
            whole[:1] = value
        for axis in ("block", "cyclic"):
            g = xp.zeros(8, dtype=dtype, distribution=[axis])
            for key in keys if np.ndim(value) == 0 else keys[1:]:
                expect_everywhere(refused.type, "", lambda g=g, key=key, value=value: g.__setitem__(key, value))
            equal(g, whole)
    for dtype, value in (("u1", 2.7), ("f4", "1.5"), ("u1", np.array([300])), ("?", [2]), ("i8", np.float32(3))):
        for key in keys[1:]:
            whole, g = np.zeros(8, dtype), xp.zeros(8, dtype=dtype)
            whole[:1] = value
            g[key] = value
            equal(g, whole)


@pytest.mark.parallel([2, 4])
def test_errors_of_floating_point_and_read_only_memory_are_everyones_too():
    g = xp.arange(5.0)
    large = xp.where(g < 2, np.finfo(float).max, g)
    for match, call in (
        ("divide by zero", lambda: 1 / g),
        ("divide by zero", lambda: g.__ipow__(-1.0)),
        ("overflow", large.sum),
        ("overflow", lambda: xp.astype(large, np.float32)),
        ("overflow", lambda: (xp.ones((1, 5)) * large[:, None]).mean(axis=1)),
    ):
        with np.errstate(divide="raise", over="raise"):
            expect_everywhere((FloatingPointError, RuntimeError), match, call)
    rows, target = large[:, None] * np.ones(4), xp.zeros((5, 4), dtype="f4")
    for call in (
        lambda: rows @ np.full((4, 2), 2.0),
        lambda: xp.inner_products((1, large), (large, 2)),
        lambda: xp.cumulative_sum(large),
        lambda: xp.cumulative_sum(rows, axis=1),
        lambda: xp.fft.fft(rows, axis=1),
        lambda: target.__setitem__(..., rows),
        lambda: target.__setitem__((xp.arange(5),), rows),
        lambda: xp.arange(0, 5e4, 1e4, dtype="f2") * np.float16(2),
        lambda: xp.fromfunction(lambda i: (1e4 * i * i).astype("f2"), 5),
    ):
        with np.errstate(over="raise"):
            expect_everywhere((FloatingPointError, RuntimeError), "overflow", call)
    with np.errstate(all="raise"):
        expect_everywhere((FloatingPointError, RuntimeError), "invalid", lambda: xp.full(1, np.nan, dtype=int))
        normal = xp.random.default_rng(1).normal
        expect_everywhere((FloatingPointError, RuntimeError), "overflow", lambda: normal(0, 8.5e307, 30))
        expect_everywhere((FloatingPointError, RuntimeError), "", lambda: xp.linspace(0, 1e5, 9, dtype="f2"))
        check(int(xp.sum(xp.arange(9.0)[2:5] @ np.ones(3))) == 9, "what raises nothing goes on")
    half = np.zeros((4, 4), np.float16)
    half[0] = 40000, 0, 40000, 0  # in the sums of ranks, in one of two rows of these
    half = xp.Context(WORLD, [WORLD.size // 2, 2]).asarray(half, distribution=["block", "block"])
    for axis in (None, 1):
        with np.errstate(over="raise"):
            expect_everywhere((FloatingPointError, RuntimeError), "overflow", lambda axis=axis: half.sum(axis=axis))
    with np.errstate(over="raise"):
        rows = xp.astype(large / 1e270, np.float32)[:, None] * np.ones(5, "f4")
        found = xp.isinf(rows.sum(axis=1, reproducible=True)).to_numpy()
    with everywhere():
        np.testing.assert_array_equal(found, [True, True, False, False, False])
    read_only = xp.broadcast_to(g, (2, 5))[1:, 3]  # one rank has it, the others nothing
    expect_everywhere(ValueError, "read-only", lambda: read_only.__setitem__(..., 1))
    expect_everywhere(ValueError, "read-only", lambda: read_only.__iadd__(1))


@pytest.mark.parallel([2])
def test_ranks_that_do_something_else_are_told(monkeypatch):
    monkeypatch.setenv("MPI4PY_PENCIL_CHECK", "1")
    ctx = xp.Context()
    g = xp.reshape(ctx.arange(12.0), (3, 4))
    for match, call in (
        ("axis", lambda: g.sum(axis=WORLD.rank)),
        ("dtype", lambda: g.sum(dtype=[None, "i8"][WORLD.rank])),
        ("reproducible", lambda: g.sum(reproducible=WORLD.rank == 1)),
        ("dtype", lambda: xp.cumulative_sum(g[0], dtype=[None, xp.int64][WORLD.rank])),
        ("the call", lambda: g.sum() if WORLD.rank else g.max()),
        ("disagree on to", lambda: g.redistribute(["cyclic", None] if WORLD.rank else [None, "cyclic"])),
        ("disagree on obj", lambda: ctx.asarray([1, WORLD.rank])),
        ("broadcast", lambda: g + np.ones(4 + WORLD.rank)),
        ("axis", lambda: xp.sort(g, axis=WORLD.rank)),
        ("the call", lambda: xp.argsort(g) if WORLD.rank else xp.cumulative_sum(g, axis=1)),
        ("the call", lambda: xp.matmul(g.T, g) if WORLD.rank else g.sum()),
        ("shape", lambda: g.T @ g[:, WORLD.rank :]),
        ("axes", lambda: xp.fft.fft(g, axis=WORLD.rank)),
        ("the call", lambda: xp.nonzero(g) if WORLD.rank else xp.unique_values(g)),
        ("key", lambda: g[[0, 1][WORLD.rank :]]),
        ("axes", lambda: xp.roll(g, 1, axis=WORLD.rank)),
        ("side", lambda: xp.searchsorted(g[0], g, side="right" if WORLD.rank else "left")),
        ("the call", lambda: xp.isin(g, g) if WORLD.rank else xp.linalg.inv(g[:, 1:])),
    ):
        expect_everywhere(ValueError, match, call)


@pytest.mark.parallel([1, 2])
def test_powers_that_are_no_integers():
    """Negative exponents are refused of integers alone: where the result is one, and there are any."""
    a, b = np.array([1, 2, 4], np.uint64), np.array([-1, 2, -2])
    equal(xp.asarray(a) ** xp.asarray(b), a**b)
    equal(xp.asarray(a) ** np.int64(-1), a ** np.int64(-1))
    equal(xp.zeros((0, 3), dtype=xp.int64) ** -1, np.zeros((0, 3), int) ** -1)


def test_limits_are_numbers_of_pythons():
    for name in ("float32", "float64", "complex64", "complex128"):
        limits, numpys = xp.finfo(getattr(xp, name)), np.finfo(name)
        for field in ("bits", "eps", "max", "min", "smallest_normal"):
            value = getattr(limits, field)
            np.testing.assert_equal((type(value), value), (int if field == "bits" else float, getattr(numpys, field)))
        np.testing.assert_equal(limits.dtype, numpys.dtype)
    np.testing.assert_equal(xp.finfo(np.longdouble).max, np.finfo(np.longdouble).max)


@pytest.mark.parallel([2, 3])
def test_dealing_blocks_copies_them_once():
    """Beside the result there is memory for what is packed on one side: the other is sent, or received, as it lies."""
    g = xp.zeros(2**16, distribution=["block"])
    h = g.redistribute(["cyclic"])
    for array, other in ((g, h), (h, g)):
        array.redistribute(other.distribution)
        tracemalloc.start()
        array.redistribute(other.distribution)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        check(peak < 2.1 * array.local.nbytes, f"{peak} bytes for blocks of {array.local.nbytes}")


@pytest.mark.parallel([2])
def test_nothing_is_leaked_by_many_operations():
    """Neither communicators, of which there are about 2000, nor plans: these are kept, so many and no more."""
    from mpi4py_pencil.ranks.communicators import cache_of

    for n in range(1, 750):
        g = xp.zeros(n % 50 + 1)
        g[: n % 7] = 1
        part = (g + 1)[::-1] + xp.ones(n % 50 + 1)
        part.sum()
    kept = [len(kinds) for key, kinds in cache_of(WORLD).items() if isinstance(key, tuple) and key[0] is xp.Context]
    check(kept and max(kept) <= 64, f"plans kept: {kept}")
