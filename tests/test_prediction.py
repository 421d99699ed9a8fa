"""Predictions: against messages and bytes counted box by box, and against times put together by hand."""

import itertools
import json
import math
from collections import deque
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI
from support import check, everywhere

from mpi4py_pencil.cli import check as checking
from mpi4py_pencil.cli import measuring, run_command
from mpi4py_pencil.description.figures import steps_of
from mpi4py_pencil.description.machine import ASSUMED, Link, Machine, load, save
from mpi4py_pencil.description.prediction import Travel, exchange_seconds, finished, pass_seconds, predictions
from mpi4py_pencil.description.traffic import traffics
from mpi4py_pencil.plan import tuning
from mpi4py_pencil.plan.arguments import request
from mpi4py_pencil.plan.grids import choose_grid, ranked_grids
from mpi4py_pencil.plan.passes import passes
from mpi4py_pencil.ranks import communicators

COMM = MPI.COMM_WORLD
MACHINE = Machine(
    ranks_per_node=4,
    between=Link(latency=3.0, message=5.0, bandwidth=7.0, alone=11.0, work=0.0),
    within=Link(latency=13.0, message=17.0, bandwidth=19.0, alone=23.0, work=0.0),
    fence=0.25,
    memory=1024.0,
    cache=1000,
    call=0.5,
    sweeps={8: 2.0, 32: 4.0},
)
EACH = ((0,), (1,), (2,))


# --- Exchanges, box by box ----------------------------------------------------------------------------------
def ranges(n, parts):
    """Return the indices of each of so many blocks."""
    return np.array_split(np.arange(n), parts)


def given(shape, dims, order, aligned, divided, sender, receiver):
    """Return the points of the box that one rank gives to another; None where they are no peers."""
    mine, theirs = np.unravel_index(sender, dims), np.unravel_index(receiver, dims)
    along = order[aligned]
    if any(a != b for d, (a, b) in enumerate(zip(mine, theirs, strict=True)) if d != along):
        return None
    points = 1
    for axis, n in enumerate(shape):
        if axis == divided:  # whole before, and cut by the dimension that cut the aligned axis until now
            points *= len(ranges(n, dims[along])[theirs[along]])
        else:
            points *= len(ranges(n, dims[order[axis]])[mine[order[axis]]])
    return points


def counted(shape, dims, order, aligned, divided, per_node, itemsize):
    """Return boxes and bytes: the most of a rank that stay and leave, and the most bytes of a node.

    And to how many nodes the first gives.
    """
    size = math.prod(dims)
    boxes, sent, reached = np.zeros((2, size), int), np.zeros((2, size), int), set()
    for sender, receiver in itertools.permutations(range(size), 2):
        points = given(shape, dims, order, aligned, divided, sender, receiver)
        if points:
            leaves = int(sender // per_node != receiver // per_node)
            boxes[leaves, sender] += 1
            sent[leaves, sender] += points * itemsize
            if leaves and sender < per_node:
                reached.add(receiver // per_node)
    nodes = [[sum(each[k : k + per_node]) for k in range(0, size, per_node)] for each in sent]
    return boxes.max(1), sent.max(1), [max(each) for each in nodes], len(reached)


@pytest.mark.parametrize(
    ("shape", "dims", "per_node"),
    [
        ((8, 8, 8), (4, 1, 1), 2),
        ((7, 6, 5), (2, 3, 1), 3),
        ((7, 6, 5), (3, 2, 1), 4),  # a group of peers on two nodes, others on one
        ((4, 3, 9), (5, 2, 1), 4),  # more ranks than points, and a node that is not full
        ((6, 5, 8), (2, 4, 1), 1),
        ((6, 5, 8), (2, 4, 1), 100),
    ],
)
def test_exchanges_against_counting_boxes(shape, dims, per_node):
    asked = request(math.prod(dims), shape, grid=dims, dtype=complex, ranks_per_node=per_node)
    found = list(traffics(steps_of(asked, 0), per_node))
    order, last, one = [0, 1, 2], 2, 0
    for axis in (1, 0):
        if dims[order[axis]] > 1:
            boxes, sent, nodes, reached = counted(shape, dims, order, axis, last, per_node, 16)
            order[axis], order[last] = order[last], order[axis]
            far = (3, 5 * boxes[1], max(nodes[1] / 7, sent[1] / 11)) if boxes[1] else (0, 0, 0)
            near = (13 * (not boxes[1]), 17 * boxes[0], max(nodes[0] / 19, sent[0] / 23)) if boxes[0] else (0, 0, 0)
            ranks = min(per_node, math.prod(dims))
            waits = 2 * 0.25 if ranks > 1 else 0
            carried = nodes[1] / max(1, min(ranks, reached))
            for method, expected in {
                "joined": (3 + waits, 5 * math.ceil(reached / ranks), max(nodes[1] / 7, carried / 11)),
                "alltoallv": np.add(far, near),
                "pairwise": np.add(far, near),
                "hybrid": np.add(far, (0, 0, 0.25 * bool(boxes[0]))),
                "shared": (0, 0, 0.25),
            }.items():
                np.testing.assert_allclose(exchange_seconds(found[one], method, MACHINE), expected, err_msg=method)
            one += 1
        last = axis
    np.testing.assert_equal(len(found), one)


# --- Passes, overlap and whole plans ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("dtype", "per_node", "lines", "through"),
    [
        # 2 x 16 x 8 complex points, then 8 x 4 x 8: 256, of 4096 bytes, which are read and written
        ("D", 4, [256 * 2, 256 * 3, 256 * 2], [8192, 8192, 8192]),
        # 256 real points become 2 x 16 x 5 modes, of 2560 bytes
        ("d", 2, [160 * 2, 160 * 3, 160 * 2], [2048 + 2560, 5120, 5120]),
        # in single precision twice as many at a time
        ("F", 1, [128 * 2, 128 * 3, 128 * 2], [4096, 4096, 4096]),
    ],
)
def test_passes_by_hand(dtype, per_node, lines, through):
    """A line of 16 lies half way between 8 and 32, for the logarithm."""
    np.testing.assert_allclose([MACHINE.point(n) for n in (2, 8, 16, 32, 99)], [2, 2, 3, 4, 4])
    trips = passes(steps_of(request(4, (8, 16, 8), grid=(4, 1, 1), dtype=dtype), 0))
    expected = np.hypot(lines, np.array(through) * per_node / 1024)
    np.testing.assert_allclose([pass_seconds(trip, MACHINE, per_node) for trip in trips], expected)
    whole = replace(MACHINE, cache=10000)
    np.testing.assert_allclose([pass_seconds(trip, whole, per_node, 2) for trip in trips], np.divide(lines, 2))


def ticks(actions):
    """Return how long a processor and a network take that go on with what they have to do, or wait, in every tick.

    The processor sweeps for so many ticks, waits for a piece, or lets pieces go, each of which travels so many ticks.
    """
    actions, travelling, there = deque(actions.split("; ")), deque(), set()
    now = busy = 0
    while True:
        while actions and not busy:
            what, *of = actions[0].split()
            if what == "wait" and of[0] not in there:
                break
            actions.popleft()
            if what == "sweep":
                busy = int(of[0])
            if what == "go":
                travelling.extend(piece.split("=") for piece in of)
        if not (actions or busy):
            return now
        if travelling:
            piece, left = travelling.popleft()
            if int(left) > 1:
                travelling.appendleft((piece, int(left) - 1))
            else:
                there.add(piece)
        busy = max(busy - 1, 0)
        now += 1


HALVES, GROWING = (Fraction(1, 2), Fraction(1)), [Fraction(n, 10) for n in (1, 3, 6, 10)]
WHOLE = Travel(3, 2, 200)
# slabs: the sweep after needs something of every part; pencils: a part of what was swept
SLABS = Travel(3, 2, 200, 0, 1, GROWING, HALVES)
PENCILS, OTHERS = (Travel(3, 2, 200, axis, axis, HALVES, HALVES) for axis in (0, 1))
GROWN = "sweep {}; go a=25; sweep {}; go b=45; sweep {}; go c=65; sweep {}; go d=45 e=42; "
BY_HAND = {
    "uncut, and local": ([70, 40, 50], [WHOLE, Travel()], "sweep 70; go x=205; wait x; sweep 40; sweep 50"),
    "slabs": ([100, 80], [SLABS], GROWN.format(10, 20, 30, 40) + "wait d; sweep 40; wait e; sweep 40"),
    "slow": ([1000, 800], [SLABS], GROWN.format(100, 200, 300, 400) + "wait d; sweep 400; wait e; sweep 400"),
    "pencils": (
        [80, 120, 40],
        [PENCILS, SLABS],
        "sweep 40; go p=105; sweep 40; go q=105; wait p; sweep 12; go a=25; sweep 24; go b=45; sweep 24; wait q; "
        "sweep 12; go c=65; sweep 48; go d=45 e=42; wait d; sweep 20; wait e; sweep 20",
    ),
    "cut along another axis for what goes": (
        [80, 120, 40],
        [PENCILS, OTHERS],
        "sweep 40; go p=105; sweep 40; go q=105; wait p; wait q; sweep 60; go r=105; sweep 60; go s=105; wait r; "
        "sweep 20; wait s; sweep 20",
    ),
    "cut before uncut": (
        [80, 600, 40],
        [PENCILS, WHOLE],
        "sweep 40; go p=105; sweep 40; go q=105; wait p; sweep 300; wait q; sweep 300; go x=205; wait x; sweep 40",
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_overlap_by_hand(name):
    sweeps, travels, actions = BY_HAND[name]
    np.testing.assert_allclose(finished(sweeps, travels), ticks(actions))


# Halves of 20 go, and travel 30 each: a third of the processor works for them; or all of it, and nothing is swept.
@pytest.mark.parametrize(("work", "by_hand"), [(0, 110), (20, 120), (60, 160)])
def test_messages_take_the_processor(work, by_hand):
    """Sweeps are done so much later; while the processor waits that is no matter."""
    found = finished([40, 60], [Travel(0, 0, 60, 0, 0, HALVES, HALVES, work)])
    np.testing.assert_allclose(found, by_hand)
    np.testing.assert_allclose(found, by_steps([40, 60], 60, work), atol=0.01)


def by_steps(sweeps, moved, work, step=1e-3):
    """Return the same by small steps of time: two halves before, which travel, and two after."""
    before, after = ([half / 2] * 2 for half in sweeps)
    travelling, there, now = [], 0, 0.0
    while after:
        busy = bool(travelling)
        free = step * (1 - work / moved) if busy else step
        if before:
            before[0] -= free
            if before[0] <= 0:
                before.pop(0)
                travelling.append(moved / 2)
        elif there >= 3 - len(after):
            after[0] -= free
            if after[0] <= 0:
                after.pop(0)
        if busy:
            travelling[0] -= step
            if travelling[0] <= 0:
                travelling.pop(0)
                there += 1
        now += step
    return now


def test_work_is_that_of_the_bytes_of_a_rank():
    """It only adds to what is cut; the way back is predicted by itself."""
    slow, busy = (replace(MACHINE, between=replace(MACHINE.between, bandwidth=1.0, work=work)) for work in (0, 0.05))
    for method in ("pairwise", "alltoallv"):
        [idle], [working] = (
            predictions(2, (256,) * 3, machine, 1, dtype=complex, grid=(2, 1, 1), method=method)
            for machine in (slow, busy)
        )
        cut = method == "pairwise"
        np.testing.assert_equal(idle.backward < working.backward, cut)
        np.testing.assert_equal(idle.seconds < working.seconds, cut)
        np.testing.assert_equal(idle.backward == idle.seconds, not cut)


def by_method(size, grid, per_node):
    """Return predictions for 256 x 256 x 256 complex points, which do not stay in cache, and a grid."""
    return {each.method: each for each in predictions(size, (256,) * 3, MACHINE, per_node, dtype=complex, grid=grid)}


@pytest.mark.parametrize("method", ["auto", "pairwise", "alltoallv"])
def test_slabs_are_cut_as_plans_cut_them(method):
    """Two ranks of 128 x 256 x 256 points give each other 64 MiB: in parts that end at whole planes, and in eighths."""
    found = by_method(2, (2, 1, 1), 1)[method]
    ends = [Fraction(end, 128) for end in (13, 38, 77, 128)], [Fraction(k, 8) for k in range(1, 9)]
    expected = Travel(3, 5, 2**26 / 7, 0, 1, *ends) if method != "alltoallv" else Travel(3, 5, 2**26 / 7)
    parts, pieces = (1, 1) if method == "alltoallv" else (4, 11)
    (_, before), (_, exchange), (_, after) = found.stages
    np.testing.assert_equal(found.methods, ("alltoallv" if method == "alltoallv" else "pairwise",))
    np.testing.assert_equal(found.parts, (pieces,))
    np.testing.assert_allclose(exchange, 3 * parts + 5 * pieces + 2**26 / 7)
    np.testing.assert_allclose(found.seconds, 0.5 + finished([before, after], [expected]))


@pytest.mark.parametrize(
    ("grid", "per_node", "methods", "parts"),
    [
        ((2, 2, 1), 1, ("pairwise", "pairwise"), (8, 11)),
        ((2, 2, 1), 2, ("shared", "pairwise"), (1, 11)),
        ((4, 1, 1), 2, ("hybrid",), (11,)),
        ((4, 1, 1), 3, ("hybrid",), (11,)),
        ((4, 1, 1), 4, ("shared",), (1,)),
        ((4, 1, 1), 1, ("pairwise",), (11,)),
        # the first rank has its peers on its node, the last has not
        ((2, 2, 1), 3, ("pairwise", "pairwise"), (8, 11)),
    ],
)
def test_what_auto_comes_to_for_the_slowest_ranks(grid, per_node, methods, parts):
    found = by_method(4, grid, per_node)
    np.testing.assert_equal((found["auto"].methods, found["auto"].parts), (methods, parts))
    check(found["auto"].seconds < found["alltoallv"].seconds, found)


def test_a_plan_is_the_sum_of_its_stages():
    found = predictions(8, (16, 12, 10), MACHINE, 4, dtype=complex)
    np.testing.assert_equal({each.grid for each in found}, set(ranked_grids((16, 12, 10), EACH, 8, 4)))
    np.testing.assert_equal([each.seconds for each in found], sorted(each.seconds for each in found))
    for each in found:
        np.testing.assert_allclose(each.seconds, 0.5 + sum(seconds for _, seconds in each.stages))
    [pencils] = [each for each in found if each.grid == (2, 4, 1) and each.method == "auto"]
    np.testing.assert_equal(pencils.methods, ("shared", "joined"))


def test_where_nothing_is_exchanged():
    """By one rank, or since no axis that is divided is transformed: then too the ranks share memory."""
    alone = replace(MACHINE, between=None, within=None, fence=None)
    only, *_ = predictions(1, (8, 8), alone, 1)
    np.testing.assert_equal((only.methods, [name for name, _ in only.stages]), ((), ["sweep axis 1", "sweep axis 0"]))
    only, *_ = predictions(8, (64, 8), alone, 4, axes=1, dtype=complex)
    np.testing.assert_equal(only.methods, ())
    np.testing.assert_allclose(only.seconds, 0.5 + np.hypot(64 * 2, 2048 * 4 / 1024))


@pytest.mark.parametrize(
    ("machine", "asked", "match"),
    [
        (replace(MACHINE, between=None), {}, "between nodes are not known: .* twice, --network FILE --network latency"),
        (replace(MACHINE, within=None), {"method": "pairwise"}, "within a node are not known: .* ranks on a node$"),
        (replace(MACHINE, fence=None), {"grid": (2, 4)}, "of windows are not known: .*/dev/shm has room$"),
        (MACHINE, {"method": "alltoallw"}, "'alltoallw' is not predicted"),
        (MACHINE, {"dtype": "g"}, "only FFTs, single or double"),
    ],
)
def test_what_cannot_be_predicted(machine, asked, match):
    with pytest.raises(ValueError, match=match):
        predictions(8, (16, 16, 16), machine, 4, **asked)


# --- Grids --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [(64, 64, 64), (12, 100, 8), (5, 4, 3, 2)])
@pytest.mark.parametrize("size", [1, 6, 16])
def test_grids_on_one_node_are_what_they_were(shape, size):
    groups = [(axis,) for axis in range(len(shape))]
    for per_node in (size, 4 * size):
        np.testing.assert_equal(ranked_grids(shape, groups, size, per_node) == ranked_grids(shape, groups, size), True)


@pytest.mark.parametrize(
    ("shape", "size", "per_node", "alone", "expected"),
    [
        # the peers of one exchange of two are on a node
        ((512, 512, 512), 4096, 128, (512, 8, 1), (32, 128, 1)),
        # slabs have one exchange, of as many bytes
        ((1024, 1024, 1024), 512, 128, (512, 1, 1), (512, 1, 1)),
        # 96 ranks in a row would lie on two nodes of 128
        ((4096, 4096, 4096), 98304, 128, (4096, 24, 1), (768, 128, 1)),
    ],
)
def test_grids_between_nodes(shape, size, per_node, alone, expected):
    np.testing.assert_equal(choose_grid(shape, EACH, size), alone)
    np.testing.assert_equal(choose_grid(shape, EACH, size, per_node), expected)


@pytest.mark.parallel([4])
def test_ranks_of_a_node_follow_each_other_or_not(monkeypatch):
    for nodes, expected in [
        ([0, 0, 0, 0], 4),
        ([0, 0, 1, 1], 2),
        ([0, 0, 0, 1], 3),
        ([0, 1, 2, 3], 1),
        ([0, 1, 0, 1], None),
        ([0, 1, 1, 0], None),
        ([0, 1, 1, 1], None),
    ]:
        mine = [rank for rank in range(4) if nodes[rank] == nodes[COMM.rank]]
        monkeypatch.setattr(communicators, "on_node", lambda _, mine=mine: (mine.index(COMM.rank), len(mine)))
        comm = COMM.Dup()
        found = communicators.ranks_per_node(comm)
        comm.Free()
        with everywhere():
            np.testing.assert_equal(found, expected, str(nodes))


# --- The file and the commands ------------------------------------------------------------------------------
def test_the_file_goes_round(tmp_path):
    for machine in (MACHINE, ASSUMED, replace(MACHINE, between=None, fence=None, about={"machine": "this"})):
        save(machine, tmp_path / "network.json")
        check(load(tmp_path / "network.json") == machine, "the file says something else")


REFUSED = {
    "--network {0}": "--network needs --ranks-per-node",
    "--ranks-per-node 2 --network nowhere.json": "No such file or directory; must be a file, or latency,bandwidth",
    "--ranks-per-node 2 --network {0} --network {0}": "give at most one file, and one latency,bandwidth",
    "--ranks-per-node 2 --network {1}": "network` has written: it lacks ranks_per_node, between, within, fence,",
    "--ranks-per-node 2 --network {2}": "network` has written: memory is -1.0, and must be a number above 0",
    "--ranks-per-node 2 --network {3}": "network` has written: it must be an object",
    "--ranks-per-node 2 --network {4}": "network` has written: within lacks latency, message, bandwidth, alone, work",
    "--ranks-per-node 2 --network {5}": "network` has written: memory is None, and must be a number above 0",
    "--ranks-per-node 2 --network {6}": "network` has written: a length in sweeps is 0, and must be a number above 0",
    "--ranks-per-node 2 --network {7}": "network` has written: about must be an object",
    "--ranks-per-node 2 --network {8}": "written: work of within is -1, and must be a number above 0 or 0",
    "--ranks-per-node 2 --network 1e-6,fast": "1e-6,fast must be seconds and bytes a second, as in 2e-6,25e9",
    "--ranks-per-node 2 --network 1e-6,0": "1e-6,0 must be seconds and bytes a second",
    "--ranks-per-node 2 --network nan,1e9": "nan,1e9 must be seconds and bytes a second",
    "--ranks-per-node 4 --network {0} --dtype longdouble": "only FFTs, single or double",
}


def test_predictions_of_the_command(capfd, tmp_path):
    """Of 65536 ranks too, with the network of a file or one that is given."""
    slower = {**asdict(ASSUMED.within), "work": -1}
    changes = (
        {},
        {"memory": -1.0},
        {"within": {}},
        {"memory": None},
        {"sweeps": {"0": 1}},
        {"about": 3},
        {"within": slower},
    )
    right, wrong, *others = [{**asdict(ASSUMED), **change} for change in changes]
    files = [str(tmp_path / f"{k}.json") for k in range(9)]
    for file, content in zip(files, [right, {}, wrong, [], *others], strict=True):
        Path(file).write_text(json.dumps(content))
    for arguments, expected in REFUSED.items():
        status = run_command(
            MPI.COMM_SELF, ["plan", "--shape", "8x8", "--ranks", "4", *arguments.format(*files).split()]
        )
        output, errors = capfd.readouterr()
        np.testing.assert_equal((status, output, errors.count("\n")), (2, "", 1), arguments)
        check(errors.startswith("Error: ") and expected in errors, f"{arguments}: {errors!r}")
    network = f"--network {files[0]} --network 2e-6,25e9"
    backwards = f"--network 2e-6,25e9 --network {files[0]}"
    words = f"plan --shape 1024 1024 1024 --ranks 1024 --ranks-per-node 128 {backwards}"
    np.testing.assert_equal(run_command(MPI.COMM_SELF, words.split()), 0)
    shown = capfd.readouterr().out
    check("predicted ms: machine assumed, network 2e-6,25e9\ngrid " in shown, shown)
    check("fastest: grid 8x128x1, method auto; the default, " in shown, shown)
    check("  shared, pairwise in 5 parts  " in shown, shown)
    words = f"plan --shape 8 8 8 --ranks 8 --ranks-per-node 2 {network}"
    np.testing.assert_equal(run_command(MPI.COMM_SELF, words.split()), 0)
    shown = capfd.readouterr().out
    check("\nnote: memory is what 128 ranks of a node get together, not 2: measure" in shown, shown)
    words = f"plan --shape 1024 1024 1024 --ranks 65536 --ranks-per-node 128 {network} --method auto --json -"
    np.testing.assert_equal(run_command(MPI.COMM_SELF, words.split()), 0)
    told = json.loads(capfd.readouterr().out)["predictions"]
    link = Link(2e-6, 2e-6, 25e9, 25e9, 0.0)
    # 511 other nodes are 4 messages for each rank; a node has two planes of 1024 x 513 modes, and keeps a 512th of them
    machine = replace(ASSUMED, between=link)
    [best] = predictions(65536, (1024,) * 3, machine, 128, grid=(512, 128), method="joined")
    np.testing.assert_equal((told[0]["grid"], told[0]["methods"]), ([1024, 64, 1], ["shared", "joined"]))
    expected = 2e-6 + 2 * ASSUMED.fence + 4 * 2e-6 + 2 * 1024 * 513 * 16 * 511 / 512 / 25e9
    np.testing.assert_allclose(best.stages[3][1], expected, rtol=1e-3)


class Emulated:
    """Nodes of two ranks each, as far as measuring knows."""

    def __init__(self):
        self.comm = COMM
        self.node, self.across = COMM.Split(COMM.rank // 2), COMM.Split(COMM.rank % 2)
        self.count, self.least, self.most, self.number = COMM.size // 2, 2, 2, self.node.rank

    def free(self):
        self.node.Free()
        self.across.Free()


def quickly(monkeypatch):
    """Let measuring take no time."""
    for name, value in (
        ("SECONDS", 0),
        ("LEAST", 1),
        ("LARGE", 1000),
        ("STREAMED", 8000),
        ("CACHED", 1024),
        ("CALLS", 8),
    ):
        monkeypatch.setattr(measuring, name, value)


@pytest.mark.parallel([4])
def test_measuring_between_nodes(monkeypatch):
    quickly(monkeypatch)
    nodes = Emulated()
    found = measuring.measured(nodes)
    nodes.free()
    with everywhere():
        for link in (found.between, found.within):
            check(all(0 < each < math.inf for key, each in vars(link).items() if key != "work"), link, MPI.COMM_SELF)
            check(0 <= link.work < math.inf, link, MPI.COMM_SELF)
        for each in (found.fence, found.memory, found.call, *found.sweeps.values()):
            check(0 < each < math.inf, found, MPI.COMM_SELF)
        np.testing.assert_equal(found == COMM.bcast(found), True)


@pytest.mark.parallel([1, 2, 3])
def test_the_commands_network_and_check(capfd, tmp_path, monkeypatch):
    """What cannot be measured with so many ranks is said so; what is wrong is a verdict and an exit status."""
    quickly(monkeypatch)
    monkeypatch.setattr(checking, "SLOW", math.inf)
    file = tmp_path / "network.json"
    np.testing.assert_equal(run_command(COMM, ["network", "--output", str(file)]), 0)
    said = capfd.readouterr().out
    if COMM.rank == 0:
        machine = load(file)
        alone = COMM.size == 1
        np.testing.assert_equal((machine.between, machine.within is None, machine.fence is None), (None, alone, alone))
        check(said.count("not measured") == (3 if alone else 1) and f"Wrote {file}" in said, said, MPI.COMM_SELF)
    for name, value, problem in [
        ("TOLERANCE", 1e-13, None),
        ("SLOW", 0, None),
        ("TOLERANCE", 0, "PROBLEM: a transform differs from numpy's by "),
        ("_seen", lambda _: COMM.rank == 0 and COMM.size > 1, "PROBLEM: what one rank writes into a shared window"),
        ("SHAPE", (0, 1), "PROBLEM: a transform fails: ValueError"),
    ]:
        with monkeypatch.context() as patch:
            patch.setattr(checking, name, value)
            status = run_command(COMM, ["check"])
        lines = capfd.readouterr().out.splitlines()
        with everywhere():
            np.testing.assert_equal(status, 0 if problem is None else 1, name)
            noted = any("note: messages within a node take long" in line for line in lines)
            np.testing.assert_equal(noted, name == "SLOW" and COMM.rank == 0 and COMM.size > 1, str(lines))
            if COMM.rank == 0 and not lines[-1].startswith(problem or "All is well."):
                raise AssertionError(lines)


@pytest.mark.parallel([4])
def test_plans_choose_grids_by_nodes(monkeypatch):
    """Tuning too tries first what a plan takes."""
    monkeypatch.setattr(communicators, "on_node", lambda _: (COMM.rank % 2, 2))
    comm = COMM.Dup()
    per_node = communicators.ranks_per_node(comm)
    asked = request(4, (4, 64, 64), ranks_per_node=per_node)
    among = tuning.candidates(comm, asked)
    comm.Free()
    with everywhere():
        np.testing.assert_equal((per_node, among.grids[0]), (2, choose_grid((4, 64, 64), EACH, 4, 2)))
