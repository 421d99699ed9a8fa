"""Tuning: with times that are made up the best is found, on all ranks alike; with any choice the transform is right."""

import itertools
import json
import time
import warnings
from dataclasses import asdict

import numpy as np
import pytest
from installed import DEFAULT, engines
from lockstep import given, settings, st
from mpi4py import MPI
from oracles import close, random_array, transformed
from support import check, everywhere, gather_global, rng, same_everywhere

from mpi4py_pencil import PFFT
from mpi4py_pencil.pfft import planned
from mpi4py_pencil.plan import tuning
from mpi4py_pencil.plan.arguments import request
from mpi4py_pencil.plan.tuning import Candidates, Choice
from mpi4py_pencil.sweep import cache
from mpi4py_pencil.sweep.cache import TILE_BYTES

WORLD = MPI.COMM_WORLD
LAST = WORLD.rank == WORLD.size - 1
SHAPE = (12, 10, 9)


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Return where rank 0 keeps its wisdom, on every rank."""
    path = WORLD.bcast(tmp_path / "wisdom.json")
    monkeypatch.setenv("MPI4PY_PENCIL_WISDOM", str(path))
    return path


def choice_of(plan):
    """Return what a plan is made with."""
    asked = plan._asked
    return Choice(asked.dims, asked.method, asked.backend, asked.tile_bytes, asked.parts)


class Clock:
    """Takes the place of `tuning.timed`: a second and more for any plan but one that is made as wished."""

    def __init__(self, monkeypatch, **wished):
        self.wished, self.tried = wished, []
        monkeypatch.setattr(tuning, "timed", self)

    def __call__(self, plan):
        choice = choice_of(plan)
        self.tried.append(choice)
        return 1.0 + sum(getattr(choice, name) != value for name, value in self.wished.items())


def asked_for(shape=SHAPE, dtype=float, grid=None, backend=None, method="auto", **more):
    return request(WORLD.size, shape, dtype=dtype, grid=grid, backend=backend, method=method, **more)


@given(st.lists(st.integers(1, 5), min_size=4, max_size=4), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_the_search(counts, random):
    """Where times are sums of what each question costs, it finds the best of all, trying few and none of them twice."""
    grids, methods, backends, tiles = ([f"{kind}{k}" for k in range(n)] for kind, n in zip("gmbt", counts, strict=True))
    cost = {name: random.random() for name in (*itertools.product(grids, methods), *backends, *tiles)}
    tried = []

    def seconds(choice):
        tried.append(choice)
        return cost[choice.grid, choice.method] + cost[choice.backend] + cost[choice.tile_bytes]

    best = tuning.search(Candidates(grids, methods, backends, tiles), seconds)
    every = [Choice(*one) for one in itertools.product(grids, methods, backends, tiles)]
    np.testing.assert_equal(len(set(tried)), len(tried))
    np.testing.assert_equal(len(tried), counts[0] * counts[1] + counts[2] + counts[3] - 2)
    np.testing.assert_allclose(seconds(best), min(map(seconds, every)), atol=1e-14)  # some may cost the same


def test_parts_are_tried_where_exchanges_are_cut():
    for fast, tried in (("m", 5), ("n", 0)):
        among = Candidates(["g"], ["m", "n"], ["b"], [1], ["m"])
        seen = []

        def seconds(choice, fast=fast, seen=seen):
            seen.append(choice.parts)
            return (choice.method != fast) + (choice.parts != 4)

        best = tuning.search(among, seconds)
        np.testing.assert_equal((len(seen), among.tries), (2 + tried, 7))
        np.testing.assert_equal(best, Choice("g", fast, "b", 1, 4 if tried else None))


def test_of_equals_the_default_wins():
    best = tuning.search(Candidates(["g", "h"], ["m", "n"], ["b", "c"], [2, 1, 4]), lambda choice: 1.0)
    np.testing.assert_equal(best, Choice("g", "m", "b", 2))


@pytest.mark.parallel([1, 2, 4, 6])
def test_candidates():
    for dtype in "fG":
        among = same_everywhere(asdict(tuning.candidates(WORLD, asked_for(dtype=dtype))))
        with everywhere():
            np.testing.assert_equal(among["grids"][0], asked_for().dims)
            np.testing.assert_equal({np.prod(grid) for grid in among["grids"]}, {WORLD.size})
            np.testing.assert_equal(len(among["grids"]), {1: 1, 2: 2, 4: 3, 6: 4}[WORLD.size])
            several = ["auto", "alltoallv", "alltoallw", "pairwise", "hybrid", "joined"]
            np.testing.assert_equal(sorted(among["methods"]), sorted(several) if WORLD.size > 1 else ["auto"])
            np.testing.assert_equal(among["backends"], engines(dtype))
            np.testing.assert_equal(among["tiles"], [TILE_BYTES, TILE_BYTES // 2, TILE_BYTES * 2])


@pytest.mark.parallel([2])
def test_methods_that_cut():
    for per_node, expected in ((2, []), (1, ["auto"]), (None, ["auto"])):
        found = tuning.candidates(WORLD, asked_for(ranks_per_node=per_node)).cut
        with everywhere():
            np.testing.assert_equal(found, ["pairwise", "hybrid", *expected])


@pytest.mark.parallel([1, 3])
def test_the_engine_is_one_that_suits_all_ranks(monkeypatch):
    """One of them has a processor on which FFTW is faster than vertical sweeps."""
    np.testing.assert_equal(choice_of(PFFT(WORLD, SHAPE)).backend, DEFAULT)
    np.testing.assert_equal(choice_of(PFFT(WORLD, SHAPE, dtype="g")).backend, "pyfftw")
    if LAST:
        monkeypatch.setenv("MPI4PY_PENCIL_SIMD", "baseline")
    check(choice_of(PFFT(WORLD, SHAPE)).backend == "pyfftw", "all ranks take what suits the last")


def test_many_ranks_do_not_try_all_grids():
    class Many:
        def Get_size(self):
            return 5040

        def Allreduce(self, *args):
            pass

        def bcast(self, value):
            return value

    asked = request(5040, (512, 512, 512))
    np.testing.assert_equal(len(tuning.candidates(Many(), asked).grids), tuning.MOST_GRIDS)


@pytest.mark.parallel([2, 3])
def test_what_differs_between_ranks(monkeypatch):
    """Engines that are missing somewhere are not tried; of the sizes of caches that of rank 0 counts."""
    usable = tuning._usable
    if LAST:
        monkeypatch.setattr(tuning, "_usable", lambda name, dtype: name != "scipy" and usable(name, dtype))
        monkeypatch.setattr(cache, "TILE_BYTES", 4096)
    among = same_everywhere(asdict(tuning.candidates(WORLD, asked_for())))
    expected = [name for name in engines() if name != "scipy"]
    check(among["backends"] == expected and among["tiles"][0] == TILE_BYTES, str(among))


@pytest.mark.parallel([1, 2, 4])
def test_the_best_is_found_kept_and_read(file, monkeypatch):
    """By all ranks; a plan that is not to be tuned follows it, for the same transform and for no other."""
    wished = {"backend": "scipy", "tile_bytes": TILE_BYTES * 2}
    if WORLD.size > 1:
        wished |= {"grid": (1, WORLD.size, 1), "method": "pairwise", "parts": 4}
    clock = Clock(monkeypatch, **wished)
    default = choice_of(PFFT(WORLD, SHAPE))
    check(not clock.tried, "nothing is tried without being asked")
    for arguments, tries in (({"tune": "measure"}, True), ({"tune": "measure"}, False), ({}, False)):
        clock.tried.clear()
        with PFFT(WORLD, SHAPE, **arguments) as plan:
            found = same_everywhere(asdict(choice_of(plan)))
        with everywhere():
            np.testing.assert_equal({name: found[name] for name in wished}, wished)
            np.testing.assert_equal(bool(clock.tried), tries)
    for other in ({"dtype": "f"}, {"axes": (1, 0, 2)}, {"axes": (0, 1)}, {"padding": 1.5}, {"dtype": complex}):
        check(choice_of(PFFT(WORLD, SHAPE, **other)).backend == default.backend, f"{other} is another transform")
    check(choice_of(PFFT(WORLD, SHAPE[::-1])).backend == default.backend, "another shape is another transform")
    np.testing.assert_equal(choice_of(PFFT(MPI.COMM_SELF, SHAPE)).backend == "scipy", WORLD.size == 1)


@pytest.mark.parallel([2, 4])
def test_what_is_given_wins(file, monkeypatch):
    """Over what is kept, and while tuning, where it is not varied; it is remembered by itself."""
    Clock(monkeypatch, grid=(1, WORLD.size, 1), method="pairwise", backend="scipy")
    PFFT(WORLD, SHAPE, tune="measure").close()
    given = {"grid": (WORLD.size, 1, 1), "method": "alltoallw", "backend": "numpy"}
    for names in (("grid",), ("method",), ("backend",), tuple(given)):
        asked = {name: given[name] for name in names}
        plain = choice_of(PFFT(WORLD, SHAPE, **asked))
        tuned = choice_of(PFFT(WORLD, SHAPE, tune="measure", **asked))
        later = choice_of(PFFT(WORLD, SHAPE, **asked))
        with everywhere():
            for choice in (plain, tuned, later):
                np.testing.assert_equal({name: getattr(choice, name) for name in names}, asked)
            np.testing.assert_equal(later, tuned)
            if "backend" not in names:
                np.testing.assert_equal((plain.backend, tuned.backend), (DEFAULT, "scipy"))


def entries():
    """Yield what may have become of an entry, and whether it can still be followed."""
    good = {"grid": [1, WORLD.size, 1], "method": "auto", "backend": "scipy", "tile_bytes": 8192, "seconds": 1.0}
    yield good, True
    yield {**good, "more": None}, True
    yield {**good, "parts": None}, True
    for parts in (0, 3, 2.0, True, "2", [2], 1 << 40):
        yield {**good, "parts": parts}, False
    for name in ("grid", "method", "backend", "tile_bytes"):
        yield {key: value for key, value in good.items() if key != name}, False
        for value in (None, [], "x", {}, -1, [WORLD.size + 1, 1, 1], [1, 1, WORLD.size + 1], 1 << 40):
            yield {**good, name: value}, False
    for grid in ([1.0, WORLD.size, 1], [1, WORLD.size, True], [1, WORLD.size, "1"], [1, WORLD.size, [1]]):
        yield {**good, "grid": grid}, False
    for tile_bytes in (8192.0, True, 0, tuning.MOST_TILES * TILE_BYTES + 1, float("nan"), float("inf")):
        yield {**good, "tile_bytes": tile_bytes}, False
    yield {**good, "method": "shared"}, False  # nobody tries it, and where a node is not all it cannot be


@pytest.mark.parallel([1, 2])
def test_entries_that_cannot_be_followed(file):
    """They are warned of, on rank 0, and plans are made without."""
    name = tuning.name_of(WORLD, asked_for())
    default = choice_of(PFFT(WORLD, SHAPE))
    for entry, good in entries():
        if WORLD.rank == 0:
            file.write_text(json.dumps({name: entry}))
        if good or WORLD.rank > 0:
            found = choice_of(PFFT(WORLD, SHAPE)) if good else refused(RuntimeError)
        else:
            found = refused(RuntimeWarning)
        with everywhere():
            np.testing.assert_equal(
                found, Choice((1, WORLD.size, 1), "auto", "scipy", 8192) if good else None, str(entry)
            )
    check(choice_of(planned(WORLD, asked_for())) == default, "the default is still to be had")


@pytest.mark.parallel([2])
def test_an_entry_never_overrides_what_is_given(file):
    """Also not one that somebody has edited."""
    given = {"grid": (WORLD.size, 1, 1), "method": "alltoallw", "backend": "numpy"}
    asked = asked_for(**given)
    good = {**given, "tile_bytes": 8192}
    for entry in ({**good, "grid": (1, WORLD.size, 1)}, {**good, "method": "auto"}, {**good, "backend": "scipy"}):
        name = tuning.name_of(WORLD, asked)
        if WORLD.rank == 0:
            file.write_text(json.dumps({name: entry}))
        WORLD.Barrier()
        with everywhere(), pytest.raises((RuntimeWarning, RuntimeError), match="which is given"):
            PFFT(WORLD, SHAPE, **given)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
ANYTHING = SCALARS | st.lists(SCALARS, max_size=4) | st.dictionaries(st.text(max_size=2), SCALARS, max_size=2)
FIELDS = {
    "grid": st.sampled_from([[1.0, 1, 1], [1, True, 1], [1, 1], "111", [[1], 1, 1]]) | ANYTHING,
    "method": st.sampled_from(["alltoallw", "pairwise", "shared", ["auto"]]) | ANYTHING,
    "backend": st.sampled_from([*engines(), ["numpy"], "no such", "../numpy"]) | ANYTHING,
    "tile_bytes": st.sampled_from([1, 4096.0, 1e9, 1 << 30, True, "4096"]) | ANYTHING,
}


@st.composite
def entries_that_were_edited(draw):
    """Draw an entry that was good, with one field or two of it replaced or removed."""
    entry = {"grid": [1, 1, 1], "method": "auto", "backend": "numpy", "tile_bytes": 4096}
    for name in draw(st.lists(st.sampled_from(list(FIELDS)), min_size=1, max_size=2)):
        entry.pop(name, None)
        if draw(st.integers(0, 5)):
            entry[name] = draw(FIELDS[name])
    return entry


@settings(max_examples=60)
@given(entries_that_were_edited())
def test_no_entry_keeps_a_plan_from_being_made(tmp_path_factory, entry):
    """Nor makes it larger than one that is tuned: in tiles of the largest size there may be."""
    shape = (4, 3, 5)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = tmp_path_factory.mktemp("wisdom") / "wisdom.json"
        patch.setenv("MPI4PY_PENCIL_WISDOM", str(file))
        name = tuning.name_of(MPI.COMM_SELF, request(1, shape, dtype=float))
        file.write_text(json.dumps({name: entry}))
        with PFFT(MPI.COMM_SELF, shape, dtype=float) as fft:
            whole = random_array(rng(9), shape, "d")
            close(fft.forward(whole), transformed(whole, (0, 1, 2)), "d", whole.size, factor=8)
            chosen = choice_of(fft)
    tile = chosen.tile_bytes
    kept = tile is None or (type(tile) is int and 0 < tile <= tuning.MOST_TILES * TILE_BYTES)
    check(kept, f"{chosen} of {entry}", MPI.COMM_SELF)


def refused(kind):
    """Make a plan, which must raise this warning: in these tests warnings are errors, and errors are everyone's."""
    with pytest.raises(kind, match="the wisdom for this transform is of no use here, planning without"):
        PFFT(WORLD, SHAPE)


@pytest.mark.parallel([2, 3])
@pytest.mark.filterwarnings("ignore:the wisdom")
def test_an_engine_that_is_gone_from_one_rank(file, monkeypatch):
    Clock(monkeypatch, backend="scipy")
    PFFT(WORLD, SHAPE, tune="measure").close()
    checked = tuning.checked_engine

    def gone(name, dtype):
        if name == "scipy":
            raise ImportError("backend 'scipy' needs scipy")
        return checked(name, dtype)

    if LAST:
        monkeypatch.setattr(tuning, "checked_engine", gone)
    check(choice_of(PFFT(WORLD, SHAPE)).backend == DEFAULT, "all ranks go on with the default")
    monkeypatch.undo()


@pytest.mark.parallel([1, 2])
@pytest.mark.filterwarnings("ignore:the wisdom")
def test_where_wisdom_cannot_be_kept(file, monkeypatch):
    """The plan is tuned all the same; the next one is tuned again."""
    file.mkdir(exist_ok=True)
    WORLD.Barrier()
    clock = Clock(monkeypatch, backend="scipy")
    for _ in range(2):
        clock.tried.clear()
        check(choice_of(PFFT(WORLD, SHAPE, tune="measure")).backend == "scipy", "the best is found")
        check(len(clock.tried) > 2, "candidates are tried")


@pytest.mark.parallel([1, 3])
def test_times_are_those_of_the_slowest(monkeypatch):
    monkeypatch.setattr(tuning, "SECONDS", 0)

    class Sleeper:
        comm = WORLD

        def shape(self, forward_output):
            return (2, 3)

        def dtype(self, forward_output):
            return np.dtype(complex)

        def forward(self, u, out):
            time.sleep(0.02 if LAST else 0)

        def backward(self, u_hat, out):
            time.sleep(0.01 if LAST else 0)

    seconds = same_everywhere(tuning.timed(Sleeper()))
    check(seconds >= 0.03, f"{seconds} s")


@pytest.mark.parallel([1, 2, 4])
@pytest.mark.parametrize("dtype", "dF")
def test_every_choice_gives_the_same(dtype):
    """Against numpy on the whole array, both ways."""
    asked = asked_for(dtype=dtype)
    among = tuning.candidates(WORLD, asked)
    whole = random_array(rng(7), SHAPE, dtype)
    expected = transformed(whole, (0, 1, 2))
    tiles = [1, 2048, *among.tiles]
    choices = [Choice(*one) for one in itertools.product(among.grids, among.methods, ["numpy"], [2048])]
    choices += [Choice(asked.dims, "pairwise", "numpy", 2048, parts) for parts in tuning.PARTS]
    choices += [Choice(asked.dims, "auto", *one) for one in itertools.product(among.backends, tiles)]
    for choice in choices:
        with planned(WORLD, tuning._chosen(asked, choice)) as fft:
            u_hat = fft.forward(whole[fft.local_slice(False)])
            sides = [(u_hat, fft.local_slice(True), expected), (fft.backward(u_hat), fft.local_slice(False), whole)]
        for found, where, wanted in sides:
            found = gather_global(found, where, wanted.shape)
            with everywhere():
                close(found, wanted, dtype, whole.size, factor=8)


@pytest.mark.parallel([1, 2])
def test_for_real(file, monkeypatch):
    """What is measured is kept, with its time; the transform is that of numpy."""
    monkeypatch.setattr(tuning, "SECONDS", 0)
    monkeypatch.setattr(tuning, "MOST_TRIES", 3)
    whole = random_array(rng(8), SHAPE, "d")
    expected = transformed(whole, (0, 1, 2))
    with PFFT(WORLD, SHAPE, tune="measure") as fft:
        found = gather_global(fft.forward(whole[fft.local_slice(False)]), fft.local_slice(True), expected.shape)
        choice = choice_of(fft)
    with everywhere():
        close(found, expected, "d", whole.size, factor=8)
        entry = json.loads(file.read_text())[tuning.name_of(WORLD, asked_for())]
        names = ("method", "backend", "tile_bytes", "parts")
        np.testing.assert_equal(Choice(tuple(entry["grid"]), *(entry[name] for name in names)), choice)
        check(0 < entry["seconds"] < 60, str(entry), MPI.COMM_SELF)
