"""What plans say of themselves: against counting points of small global arrays, and against what real plans do."""

import functools
import itertools
import json
import math
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from lockstep import example, given, settings, st
from mpi4py import MPI
from support import check, everywhere, expect_everywhere

from mpi4py_pencil import PFFT
from mpi4py_pencil.cli import run_command
from mpi4py_pencil.description import emulated, text
from mpi4py_pencil.exchange import METHODS, memory, methods
from mpi4py_pencil.plan import leg
from mpi4py_pencil.plan.grids import choose_grid
from mpi4py_pencil.sweep import cache, tiles

WORLD = MPI.COMM_WORLD
PAGE = Path(__file__).parent.parent / "docs" / "describe.md"


def of(kind, told):
    """Return the sweeps or the exchanges of a description."""
    return [step for step in told["steps"] if step["step"] == kind]


# --- The oracle: every point of a global array says which rank of the grid has it ---------------------------
def owners(shape, dims, order):
    """Return the rank that has each point, where axis k is divided by the dimension order[k] of the grid."""
    ranks = np.zeros(shape, int)
    for k, n in enumerate(shape):
        parts = dims[order[k]]
        coordinate = np.repeat(np.arange(parts), [part.size for part in np.array_split(np.arange(n), parts)])
        weight = math.prod(dims[order[k] + 1 :])
        ranks += weight * coordinate.reshape([-1 if axis == k else 1 for axis in range(len(shape))])
    return ranks


def walk(points, modes, axes, dims, real):
    """Yield for each step of a forward transform who has the points before it and after it, found axis by axis."""
    shape, order = list(points), list(range(len(points)))
    here = owners(shape, dims, order)
    last = axes[-1]
    for axis in reversed(axes):
        if dims[order[axis]] > 1:
            order[axis], order[last] = order[last], order[axis]
            there = owners(shape, dims, order)
            yield "exchange", (last, axis), here, there
            here = there
        shape[axis] = modes[axis] // 2 + 1 if real and axis == axes[-1] else modes[axis]
        there = owners(shape, dims, order)
        yield "sweep", axis, here, there
        here, last = there, axis


def block_of(rank, ranks):
    """Return the extents of what a rank has, as they are seen along each axis; None for none."""
    where = np.nonzero(ranks == rank)
    return [len(set(indices)) for indices in where] if where[0].size else None


def moved(here, there, size):
    """Return how many points each rank (row) gives to each rank (column); none to itself."""
    matrix = np.bincount(here.ravel() * size + there.ravel(), minlength=size * size).reshape(size, size)
    np.fill_diagonal(matrix, 0)
    return matrix


@st.composite
def requests(draw):
    """Draw a shape, the axes to transform, a grid that leaves the first to be transformed undivided, and more."""
    ndim = draw(st.integers(2, 4))
    shape = tuple(draw(st.integers(1, 6)) for _ in range(ndim))
    axes = tuple(draw(st.permutations(range(ndim)))[: draw(st.integers(1, ndim))])
    dims = tuple(1 if k == axes[-1] else draw(st.integers(1, 4)) for k in range(ndim))
    padding = draw(st.sampled_from([None, 1.5]))
    return shape, axes, dims, padding, draw(st.sampled_from("fdgFDG")), draw(st.sampled_from([None, 1, 2, 3, 5, 100]))


@settings(max_examples=40)
@given(requests(), st.data())
@example(((8, 5, 4), (0, 1, 2), (3, 4, 1), None, "d", 5), None)
def test_all_figures_against_counting_points(case, data):
    shape, axes, dims, padding, dtype, per_node = case
    size = math.prod(dims)
    points = tuple(math.floor(n * padding) if padding and k in axes else n for k, n in enumerate(shape))
    steps = list(walk(points, shape, axes, dims, dtype.islower()))
    for rank in {0, size - 1, size // 2 if data is None else data.draw(st.integers(0, size - 1))}:
        told = emulated(size, shape, rank, axes=axes, dtype=dtype, grid=dims, padding=padding, ranks_per_node=per_node)
        np.testing.assert_equal(len(told["steps"]), len(steps))
        for step, (kind, along, here, there) in zip(told["steps"], steps, strict=True):
            np.testing.assert_equal(step["step"], kind)
            for name, ranks in (("before", here), ("after", there)):
                expected = block_of(rank, ranks)
                np.testing.assert_equal(step[name] if math.prod(step[name]) else None, expected)
            if kind == "sweep":
                check_sweep(step, rank, size, along, here, there)
            else:
                np.testing.assert_equal((step["from_axis"], step["to_axis"]), along)
                check_exchange(step, rank, moved(here, there, size), per_node)
        check_sides(told, rank, points, steps[0][2], steps[-1][3], dtype)


def check_sweep(step, rank, size, axis, here, there):
    """Compare a sweep with who has what."""
    np.testing.assert_equal(step["axis"], axis)
    np.testing.assert_equal(step["lines"], np.count_nonzero(here.take(0, axis) == rank))
    np.testing.assert_equal(step["length"], [here.shape[axis], there.shape[axis]])
    np.testing.assert_equal(step["idle_ranks"], size - np.unique(here).size)


def check_exchange(step, rank, points, per_node):
    """Compare an exchange with the points that each rank gives to each."""
    given = points * np.dtype(step["dtype"]).itemsize
    figures = {"boxes": np.count_nonzero(points, axis=1), "sent": given.sum(1), "largest_box": given.max(1)}
    for name, values in figures.items():
        np.testing.assert_equal((step[name], step["busiest"][name]), (values[rank], values.max()))
    if per_node is None:
        np.testing.assert_equal((step["nodes"], step["method"]), (None, "auto"))
        return
    node = np.arange(len(points)) // per_node
    away = given * (node[:, None] != node)
    stays = (given - away).sum(1)
    leaves = [away[node == k].sum() for k in range(node[-1] + 1)]
    nodes = step["nodes"]
    np.testing.assert_equal((nodes["stays"], nodes["leaves"]), (stays[rank], away[rank].sum()))
    np.testing.assert_equal((nodes["busiest_leaves"], nodes["busiest_node_leaves"]), (away.sum(1).max(), max(leaves)))


def check_sides(told, rank, points, first, last, dtype):
    """Compare input and output with who has what."""
    itemsizes = [np.dtype(dtype).itemsize, np.dtype(dtype.upper()).itemsize]
    for name, ranks, itemsize in zip(("input", "output"), (first, last), itemsizes, strict=True):
        np.testing.assert_equal(told[name]["shape"], ranks.shape)
        np.testing.assert_equal(told[name]["bytes"], itemsize * np.count_nonzero(ranks == rank))
    np.testing.assert_equal(told["input"]["shape"], points)


@pytest.mark.parametrize("per_node", [1, 2, 3, 4, 5, 6, 8, 12, 24, 100])
def test_methods_and_peers_of_nodes(per_node):
    """The peers are found here by looking at the coordinates of all ranks."""
    dims = (2, 4, 3, 1)
    coords = list(itertools.product(*map(range, dims)))
    told = [emulated(24, (6, 6, 6, 6), grid=dims, rank=r, ranks_per_node=per_node) for r in range(24)]
    for k, dimension in enumerate((2, 1, 0)):
        steps = [of("exchange", t)[k] for t in told]
        groups = {}
        for rank, place in enumerate(coords):
            groups.setdefault(tuple(c for d, c in enumerate(place) if d != dimension), []).append(rank)
        together = {key: len({rank // per_node for rank in group}) == 1 for key, group in groups.items()}
        for rank, place in enumerate(coords):
            key = tuple(c for d, c in enumerate(place) if d != dimension)
            near = [q for q in groups[key] if q != rank and q // per_node == rank // per_node]
            nodes = steps[rank]["nodes"]
            # all join their boxes, or none does
            small = "alltoallv" if per_node == 1 else "joined"
            method = "shared" if together[key] and (all(together.values()) or per_node == 1) else small
            np.testing.assert_equal(steps[rank]["method"], method)
            np.testing.assert_equal((steps[rank]["peers"], nodes["peers"]), (dims[dimension] - 1, len(near)))
            np.testing.assert_equal(nodes["groups"], len(groups))
            np.testing.assert_equal(nodes["groups_on_one_node"], sum(together.values()))


def test_a_slab_by_hand():
    """32 MiB of real points in 4 slabs: the figures of docs/architecture.md."""
    told = emulated(4, (256, 256, 256), method="shared")
    mib = 1024 * 1024
    np.testing.assert_equal((told["grid"], told["passes"], told["input"]["bytes"]), ([4, 1, 1], 2, 32 * mib))
    # planes that the last axis counts would be gone through point by point
    np.testing.assert_equal(emulated(4, (256, 256, 256), grid=(1, 4, 1), backend="pyfftw")["passes"], 3)
    np.testing.assert_equal([s["pass"] for s in of("sweep", told)], [1, 1, 2])
    (exchange_,) = of("exchange", told)
    np.testing.assert_equal((exchange_["boxes"], exchange_["sent"]), (3, 3 * 64 * 64 * 129 * 16))
    np.testing.assert_equal(told["memory"]["windows"], 32.25 * mib)
    np.testing.assert_equal(told["memory"]["buffers"], 0)


# --- Real plans ---------------------------------------------------------------------------------------------
CASES = [
    ((12, 10, 8), {}),
    ((64, 48, 40), {"dtype": "D"}),  # planes worth pairing
    ((80, 48, 40), {"padding": 1.5, "axes": (1, 2, 0)}),
    ((3, 2, 4), {"dtype": "f"}),
    ((5, 6, 7, 4), {"axes": (3, 1), "dtype": "F"}),
    ((40, 30, 20), {"axes": (0, 2), "dtype": "g"}),
    ((9, 8), {"dtype": "d"}),
    ((7, 7, 7), {"dtype": "D"}),  # the same line over as many lines as the block of a step has
    ((64, 48, 39), {"dtype": "f", "padding": 1.5, "backend": "vertical"}),
    ((20, 17, 12), {"backend": "vertical"}),  # lines that it knows, and some that it does not
]


@pytest.mark.parallel([1, 4])
def test_a_real_plan_says_what_an_emulated_one_says():
    for (shape, asked), method in itertools.product(CASES, METHODS):
        with PFFT(WORLD, shape, method=method, **asked) as fft:
            told = fft.description()
            pencils, sides = fft.pencil, (fft.shape(False), fft.shape(True))
            with everywhere():
                np.testing.assert_equal([told["input"]["block"], told["output"]["block"]], list(map(list, sides)))
                np.testing.assert_equal([told["input"]["shape"], told["output"]["shape"]], [p.shape for p in pencils])
                methods = {step["method"] for step in of("exchange", told)}
                np.testing.assert_equal(methods <= ({"shared", "alltoallv"} if method == "auto" else {method}), True)
                same = {**asked, "method": methods.pop() if methods else method}
                other = emulated(WORLD.size, shape, rank=WORLD.rank, **same)
                np.testing.assert_equal({**told, "method": same["method"]}, other)
                np.testing.assert_equal(fft.describe(), text(told))


@pytest.mark.parallel([1, 2, 4])
def test_what_is_sent_is_what_is_said():
    """The counts that MPI is given, and the boxes that it is not given since they stay."""
    for shape, asked in CASES:
        with PFFT(WORLD, shape, method="alltoallv", **asked) as fft:
            pairs = fft._planned().route.between
            bound = [forward for forward, _ in pairs if forward.method == "alltoallv"]
            with everywhere():
                for step, found in zip(of("exchange", fft.description()), bound, strict=True):
                    counts = np.array(found._send[1])
                    np.testing.assert_equal(step["peers"], counts.size - 1)
                    np.testing.assert_equal(step["boxes"], np.count_nonzero(counts))
                    np.testing.assert_equal(step["sent"], counts.sum() * np.dtype(step["dtype"]).itemsize)


@pytest.mark.parallel([1, 4])
def test_memory_is_what_a_plan_reserves(monkeypatch):
    reserved = {"private": 0, "shared": 0}

    def counted(make, kind, position):
        @functools.wraps(make)
        def call(*arguments):
            reserved[kind] += arguments[position]
            return make(*arguments)

        return call

    for module in (tiles, leg, memory):
        monkeypatch.setattr(module, "aligned_bytes", counted(module.aligned_bytes, "private", 0))
    for module in (methods, memory):
        monkeypatch.setattr(module, "Window", counted(module.Window, "shared", 1))
    for (shape, asked), method in itertools.product(CASES, METHODS):
        reserved.update(private=0, shared=0)
        with PFFT(WORLD, shape, method=method, **asked) as fft:
            told = fft.description()["memory"]
            with everywhere():
                np.testing.assert_equal(told["windows"], reserved["shared"])
                np.testing.assert_equal(told["total"], reserved["private"] + reserved["shared"])
                np.testing.assert_equal(told["buffers"] + told["tiles"], reserved["private"])


@pytest.mark.parallel([2])
def test_a_closed_plan_has_nothing_to_say():
    fft = PFFT(WORLD, (4, 4))
    fft.close()
    expect_everywhere(ValueError, "closed", fft.describe)
    expect_everywhere(ValueError, "closed", fft.description)


# --- Data, text and command ---------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [1, 4, 4096])
@pytest.mark.parametrize("per_node", [None, 48])
def test_json_goes_round(size, per_node):
    told = emulated(size, (60, 50, 40), padding=1.5, ranks_per_node=per_node)
    again = json.loads(json.dumps(told))
    np.testing.assert_equal(again == told, True)
    np.testing.assert_equal(text(again), text(told))


def tables(output):
    """Return the lines of each part of a text."""
    return [block.splitlines() for block in output.strip().split("\n\n")]


def plan(capfd, arguments):
    """Run the command plan; return its status, output and errors."""
    status = run_command(MPI.COMM_SELF, ["plan", *shlex.split(arguments)])
    captured = capfd.readouterr()
    return status, captured.out, captured.err


def test_65536_ranks(capfd):
    status, output, errors = plan(
        capfd, "--shape 1024 1024 1024 --ranks 65536 --grid 256 256 --ranks-per-node 128 --dtype float32 --padding 3/2"
    )
    np.testing.assert_equal((status, errors), (0, ""))
    heading, arrays, steps, exchanges, held = tables(output)
    np.testing.assert_equal(
        heading[0].split(None, 1)[1], "65536 in a grid of 256 x 256 x 1 on 512 nodes, up to 128 a node"
    )
    np.testing.assert_equal(
        re.split(r" {2,}", arrays[1])[1:], ["1536 x 1536 x 1536", "float32", "6 x 6 x 1536", "216 KiB"]
    )
    np.testing.assert_equal([line.split()[0] for line in steps], ["pass", "1", "exchange", "2", "exchange", "3"])
    np.testing.assert_equal({line.find(" x ") > 0 for line in steps[1:]}, {True})
    np.testing.assert_equal(re.split(r" {2,}", exchanges[1])[:5], ["2 -> 1", "rank 0", "joined", "255", "255"])
    np.testing.assert_equal([line.split()[0] for line in held], ["memory", "windows", "tiles", "total"])
    np.testing.assert_equal([line for line in output.splitlines() if line != line.rstrip() or len(line) > 120], [])


def test_notes_say_what_a_method_means(capfd):
    few = plan(capfd, "--shape 8 8 8 --ranks 6 --grid 3 2 --ranks-per-node 3")[1]
    check("joined: boxes for the ranks of a node go side by side" in few and "groups of peers" not in few, few)
    mixed = plan(capfd, "--shape 96 96 96 --ranks 6 --grid 3 2 --ranks-per-node 3")[1]
    check("2 -> 1: 2 of 3 groups of peers are each on one node: shared; others not." in mixed, mixed)
    unknown = plan(capfd, "--shape 8 8 8 --ranks 6")[1]
    check("auto: shared where all peers are on one node; else messages" in unknown, unknown)
    paired = plan(capfd, "--shape 256 256 256 --ranks 4 --method pairwise")[1]
    check("Pass 1 takes its two sweeps plane by plane, in one trip." in paired, paired)
    check("auto" not in paired and "shared" not in paired, paired)


def test_idle_ranks_are_shown_where_there_are_some(capfd):
    crowded = plan(capfd, "--shape 40x40 --ranks 1000")[1]
    lines = [line.split()[-1] for line in tables(crowded)[2]]
    np.testing.assert_equal((lines[1], lines[3]), ("960", "979"))
    check("busiest rank" in crowded, crowded)
    check("idle" not in plan(capfd, "--shape 40x40 --ranks 20")[1], "idle ranks where all work")


def test_json_of_the_command(capfd, tmp_path):
    path = tmp_path / "plan.json"
    arguments = """--shape 64 32 16 --ranks 12 --axes -1 0 --padding 3/2 1 2 --method pairwise --truncation 16
    --backend numpy --threads 3 --json"""
    expected = emulated(
        12,
        (64, 32, 16),
        axes=(-1, 0),
        padding=(1.5, 1, 2),
        method="pairwise",
        truncation=16,
        backend="numpy",
        threads=3,
    )
    status, output, _ = plan(capfd, f"{arguments} {path}")
    np.testing.assert_equal((status, output), (0, text(expected) + "\n"))
    np.testing.assert_equal(json.loads(path.read_text(encoding="utf-8")) == expected, True)
    status, output, _ = plan(capfd, f"{arguments} -")
    np.testing.assert_equal(json.loads(output) == expected, True)


REFUSED = {
    "--ranks 2": "Missing option '--shape'",
    "--shape 4 4": "Missing option '--ranks'",
    "--shape 4 0 --ranks 2": "shape (4, 0) must have",
    "--shape 64,64,64": "Missing option '--ranks'",
    "--shape 8,8, --ranks 2": "'--shape': '8,8,' must be whole numbers, as in 64 32 32",
    "--shape 1000000000000 1000000000000 --ranks 4": "has 1e+24 points, but must have at most",
    "--shape four --ranks 1": "'--shape': 'four' must be whole numbers, as in 64 32 32",
    "--shape 8.5 8 --ranks 1": "'--shape': '8.5 8' must be whole numbers",
    "--shape 16 --ranks 2": "shape (16,) has no axis to divide among 2 ranks",
    "--shape 8 8 --ranks 0": "'--ranks': 0 must be between 1 and 10000000",
    "--shape 8 8 --ranks 4,4": "'--ranks': '4,4' is not a valid integer",
    "--shape 8 8 --ranks 2.5": "'--ranks': '2.5' is not a valid integer",
    "--shape 8 8 --ranks 99999999": "'--ranks': 99999999 must be between 1 and 10000000",
    "--shape 8 8 --ranks 2 --ranks-per-node 0": "'--ranks-per-node': 0 must be 1 or more",
    "--shape 8 8 --ranks 3 --grid 2 1": "grid [2, 1] cannot multiply to the number of ranks, 3",
    "--shape 8 8 --ranks 2 --axes 0 0": "axes (0, 0) name axis 0 twice",
    "--shape 8 8 --ranks 2 --axes 2": "axis 2 does not exist",
    "--shape 8 8 --ranks 2 --padding 3/0": "'--padding': '3/0' must be numbers or fractions, as in 3/2",
    "--shape 8 8 --ranks 2 --padding 1/2": "padding 0.5 must be at least 1",
    "--shape 8 8 --ranks 2 --padding 1.5,1.5,1": "padding [1.5, 1.5, 1.0] must be one number, or one for each of",
    "--shape 8 8 --ranks 2 --padding 1.5,1.5,": "'--padding': '1.5,1.5,' must be numbers or fractions, as in 3/2",
    "--shape 8 8 --ranks 2 --grid 2,": "'--grid': '2,' must be whole numbers",
    "--shape 8 8 --ranks 2 --truncation 1,": "'--truncation': '1,' must be numbers or fractions",
    "--shape 8 8 --ranks 2 --axes 1 --truncation 1, 2": "truncation [1.0, 2.0] names axis 0: only axes with a Fourier",
    "--shape 8 8 --ranks 2 --backend post": "'--backend': 'post' is not one of 'vertical'",
    "--shape 8 8 --ranks 2 --threads 0": "'--threads': 0 must be 1 or more",
    "--shape 8 8 --ranks 2 --dtype int": "'--dtype': 'int' is not one of 'float32'",
    "--shape 8 8 --ranks 2 --method post": "'--method': 'post' is not one of 'auto'",
    "--shape 8 8 --ranks 4 --method shared --ranks-per-node 2": "method 'shared' needs all peers on one node",
    "--shape 8 8 --ranks 4 --json /nowhere/x.json": "'--json': '/nowhere/x.json' cannot be written: No such file",
    "--shape 8 8 --ranks 4 more": "unexpected extra argument (more)",
}


def test_what_the_command_refuses(capfd):
    for arguments, expected in REFUSED.items():
        status, output, errors = plan(capfd, arguments)
        np.testing.assert_equal((status, output, errors.count("\n")), (2, "", 1), arguments)
        check(errors.startswith("Error: ") and expected in errors, f"{arguments}: {errors!r} instead of {expected!r}")


@pytest.mark.parametrize(
    ("settings_", "match"),
    [
        ({"rank": 4}, "rank 4 is not among 4 ranks"),
        ({"rank": -1}, "rank -1 is not among 4 ranks"),
        ({"ranks_per_node": 0}, "ranks_per_node 0 must be 1 or more"),
        ({"size": 0}, "size 0 must be 1 or more"),
    ],
)
def test_what_an_emulated_plan_refuses(settings_, match):
    with pytest.raises(ValueError, match=match):
        emulated(**{"size": 4, "shape": (8, 8), **settings_})


def test_the_page_shows_what_the_command_prints(capfd, monkeypatch):
    """Tiles depend on the cache of the machine: the page has those of a second-level cache of 1 MiB."""
    monkeypatch.setattr(cache, "TILE_BYTES", 256 * 1024)
    pattern = r"^```sh\n.*?mpi4py-pencil plan (.*?)\n```\n\n```text\n(.*?)^```$"
    shown = re.findall(pattern, PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    np.testing.assert_equal(len(shown) > 0, True)
    for arguments, output in shown:
        np.testing.assert_equal(plan(capfd, arguments)[1], output)


# --- The choice of the grid, for many ranks -----------------------------------------------------------------
@pytest.mark.parametrize(
    ("shape", "size"), [((8, 8, 8), 48), ((12, 10, 6, 4), 60), ((5, 4, 3, 2, 2), 36), ((9, 7), 13)]
)
def test_the_grid_is_the_first_of_the_cheapest(shape, size):
    """Of equal ones it is the one that divides earlier axes, among all ways to write the number as a product."""
    axes = range(len(shape))
    told = {}
    for dims in itertools.product(range(1, size + 1), repeat=len(shape) - 1):
        if math.prod(dims) == size:
            steps = walk(shape, shape, axes, (*dims, 1), False)
            told[dims] = sum(np.count_nonzero(here == 0) for _, _, here, _ in steps)
    least = min(told.values())
    best = max(dims for dims, touched in told.items() if touched == least)
    np.testing.assert_equal(choose_grid(shape, [(axis,) for axis in axes], size), (*best, 1))
