"""What ranks on several hosts do, which `hosts.sh` makes of this machine; too long to be part of the other tests.

``python -m pytest tests/hosts`` runs it, as root, with iproute2 and MPICH.
"""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import contract
import numpy as np
import pytest
import spread
from jobs import HOSTS
from lockstep import given, settings, st
from mpi4py import MPI
from oracles import numbered, random_array
from support import check, everywhere, rng, same_everywhere
from test_four_step import check_plan as check_line
from test_leaks import repeated
from test_pfft import check_plan
from test_transfer import KINDS, check_both_ways

from mpi4py_pencil import FFT1D, PFFT, DistArray, Pencil, Subcomm, newDistArray
from mpi4py_pencil.exchange import METHODS, chosen_method
from mpi4py_pencil.exchange.window import on_one_node
from mpi4py_pencil.layout.boxes import boxes

WORLD = MPI.COMM_WORLD
LAYOUTS = [(2, 2), (1, 1, 1), (2, 2, 2), (3, 1)]
SECONDS = 100
CARD = Path("/sys/class/net/card/statistics/tx_bytes")
METHODS_OF_ALL = [method for method in METHODS if method not in contract.ON_ONE_NODE]


def missing():
    """Return why there can be no hosts here, or an empty string."""
    if "MPICH" not in MPI.Get_library_version():
        return "hosts.sh starts ranks by MPICH's mpiexec"
    done = subprocess.run([HOSTS, "1", "true"], capture_output=True, text=True)
    return done.stderr if done.returncode else ""


MISSING = missing() if WORLD.size == 1 else ""


def runs_on(hosts):
    """Return the layout of hosts as a parameter of tests that run there."""
    there = [pytest.mark.parallel(sum(hosts)), pytest.mark.hosts(*hosts)]
    skipped = [pytest.mark.skip(reason=f"there can be no hosts: {MISSING}")]
    return pytest.param(hosts, id="+".join(map(str, hosts)), marks=skipped if MISSING else there)


on_hosts = pytest.mark.parametrize("hosts", [runs_on(hosts) for hosts in LAYOUTS])
starts_hosts = pytest.mark.skipif(bool(MISSING), reason=f"there can be no hosts: {MISSING}")


@on_hosts
def test_the_hosts(hosts):
    """Each has its ranks, its name and its shared memory; what goes to another passes through its card, and counts."""
    names = contract.on_nodes(WORLD)
    check([names.count(name) for name in sorted(set(names))] == list(hosts), f"ranks on {names}")
    node = WORLD.Split_type(MPI.COMM_TYPE_SHARED)
    check(node.size == names.count(names[WORLD.rank]), f"{node.size} ranks share memory")
    check(on_one_node(node) and not on_one_node(WORLD), "the nodes are found out")
    mark = Path(f"/dev/shm/mark-{names[WORLD.rank]}")
    mark.touch()
    WORLD.barrier()
    check(len(list(Path("/dev/shm").glob("mark-*"))) == 1, "files of another host")
    for comm, least, most in ((WORLD, 1_000_000, None), (node, 0, 100_000)):
        before = int(CARD.read_text())
        comm.allgather(bytes(1_000_000 if comm.size > 1 else 0))
        sent = int(CARD.read_text()) - before
        WORLD.barrier()
        check(sent >= least and (most is None or sent <= most), f"{sent} bytes were sent to other hosts")
    node.Free()


@on_hosts
def test_the_contract_of_exchanges(hosts):
    contract.every_box_moves()
    contract.each_box_is_unpacked_once()
    contract.rounds_need_no_meeting()


@on_hosts
def test_auto_shares_memory_where_all_peers_do(hosts):
    """On a grid some peers are on one host and some are not; a plan by "auto" has them all."""
    start = Pencil(Subcomm(WORLD, [0, 0, 1]), (6, 7, 8), 2)
    for axis in (0, 1):
        moved = boxes(start, start.pencil(axis))
        one = len(set(contract.on_nodes(moved.comm))) == 1
        chosen = same_everywhere(chosen_method(WORLD, "auto", moved, 8), moved.comm)
        check((chosen == "shared") == one, f"{chosen} on {contract.on_nodes(moved.comm)}")


@st.composite
def plans(draw):
    """Draw a shape and what a plan of it is asked."""
    shape = tuple(draw(st.lists(st.sampled_from([1, 2, 3, 5, 8, 12, 30]), min_size=2, max_size=4)))
    axes = tuple(draw(st.permutations(range(len(shape))))[: draw(st.integers(1, len(shape)))])
    grid = [0 if k != axes[-1] and draw(st.booleans()) else 1 for k in range(len(shape))]
    asked = {"dtype": draw(st.sampled_from("dDfFgG")), "method": draw(st.sampled_from(METHODS_OF_ALL))}
    return shape, {"axes": axes, "grid": grid if 0 in grid else None, **asked}


@on_hosts
@settings(max_examples=30)
@given(plans())
def test_any_plan(hosts, case):
    shape, asked = case
    with PFFT(WORLD, shape, **asked) as fft:
        check_plan(fft, random_array(rng(*shape), shape, asked["dtype"]))


@st.composite
def moves(draw):
    """Draw a shape, how it is split, two alignments, a dtype and a method."""
    shape = tuple(draw(st.lists(st.integers(1, 12), min_size=2, max_size=4)))
    axis, other = (draw(st.integers(0, len(shape) - 1)) for _ in range(2))
    dims = [1 if k == axis else 0 for k in range(len(shape))]
    return shape, dims, axis, other, draw(st.sampled_from(KINDS)), draw(st.sampled_from(METHODS_OF_ALL))


@on_hosts
@settings(max_examples=50)
@given(moves())
def test_any_transfer(hosts, case):
    shape, dims, axis, other, kind, method = case
    before = Pencil(Subcomm(WORLD, dims), shape, axis)
    check_both_ways(before, before.pencil(other), kind, method)


@on_hosts
@settings(max_examples=30)
@given(moves(), st.booleans())
def test_any_redistribution_of_blocks(hosts, case, into):
    """Into a new array, or into one that is there."""
    shape, dims, axis, other, kind, _ = case
    whole = numbered(shape, kind)
    u = DistArray(shape, Subcomm(WORLD, dims), dtype=kind, alignment=axis)
    u[...] = whole[u.local_slice()]
    turned = u.redistribute(other)
    if into:
        turned[...] = np.zeros((), kind)
        u.redistribute(out=turned)
    with everywhere():
        np.testing.assert_array_equal(turned, whole[turned.local_slice()])
        np.testing.assert_array_equal(u, whole[u.local_slice()])


@on_hosts
@settings(max_examples=30)
@given(spread.arrays(), st.data())
def test_any_redistribution_of_whole_arrays(hosts, case, data):
    """Dealt out, in blocks of any sizes, some on some of the ranks only."""
    array, whole = case
    found = array.redistribute(data.draw(spread.distributions(array.shape))).to_numpy()
    with everywhere():
        np.testing.assert_array_equal(found, whole)


LARGE = [((40, 50, 60), None), ((40, 50, 60), [0, 1, 1])]


@on_hosts
def test_boxes_of_many_packets(hosts):
    """Larger than what MPI sends unasked, and than what a socket takes at once."""
    for (shape, grid), method in itertools.product(LARGE, METHODS_OF_ALL):
        with PFFT(WORLD, shape, dtype="D", grid=grid, method=method) as fft:
            check_plan(fft, random_array(rng(*shape), shape, "D"))
    for dtype, method in itertools.product("dD", METHODS_OF_ALL):
        with FFT1D(WORLD, 2**18, dtype, method=method) as line:
            check_line(line)


@pytest.mark.parametrize("hosts", [runs_on((2, 2))])
def test_nothing_is_left(hosts):
    """Of plans, transfers and lines, by each method."""

    def use(k):
        method = METHODS_OF_ALL[k % len(METHODS_OF_ALL)]
        fft = PFFT(WORLD, (8, 9, 10), dtype="dD"[k % 2], method=method, backend="numpy")
        fft.backward(fft.forward(newDistArray(fft, False, val=1)))
        move = fft.pencil[0].transfer(fft.pencil[0].pencil(0), float, method)
        move.forward(np.ones(move.pencils[0].subshape), np.empty(move.pencils[1].subshape))
        line = FFT1D(WORLD, 144, method=method, backend="numpy")
        line.forward(np.ones(line.shape(False), complex))
        if k % 2:
            fft.close()
            line.close()

    repeated(use, 20, 120)


@starts_hosts
def test_the_benchmark_between_hosts_with_slow_cards():
    """It names what it measures, and the cards are slow: a quarter of 32 cubed points takes 6.5 ms at 20 MB/s."""
    benchmark = Path(__file__).parents[2] / "benchmarks" / "nodes.py"
    command = [HOSTS, "1,1", sys.executable, str(benchmark), "--shape", "32x32x32", "--runs", "1"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, env={**os.environ, "SLOW": "2e7"}, check=False
    )
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line}
    np.testing.assert_equal(done.returncode, 0, done.stderr)
    for name in ("alltoallv", "whole", "pairwise", "hybrid", "joined", "auto"):
        check(min(map(float, rows[name])) > 4, f"{name}: {rows[name]} ms")


@starts_hosts
def test_hosts_go_with_what_runs_there():
    """Also where it does not end by itself."""
    command = [HOSTS, "1,1", "bash", "-c", "echo $HOSTS_NAME; exec sleep 1000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        name = process.stdout.readline().strip()
        before = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
        process.terminate()
        np.testing.assert_equal(process.wait(SECONDS), 1)
    after = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    np.testing.assert_equal((name != "", before.count(f"{name}-"), after.count(f"{name}-")), (True, 3, 0), after)


@starts_hosts
def test_words_that_hosts_sh_does_not_know():
    for words in ([], ["2"], ["2,x", "true"], ["-n", "2", "true"]):
        done = subprocess.run([HOSTS, *words], capture_output=True, text=True, timeout=SECONDS)
        np.testing.assert_equal((done.returncode, "usage: hosts.sh" in done.stderr), (2, True), done.stderr)


KILLED = """
import os
import signal
import sys
import numpy as np
from mpi4py import MPI
from mpi4py_pencil import PFFT

fft = PFFT(MPI.COMM_WORLD, (6, 7, 5), method=sys.argv[1])
u = np.ones(fft.shape(False))
fft.forward(u)
MPI.COMM_WORLD.Barrier()
print("so far", flush=True)
MPI.COMM_WORLD.Barrier()
if MPI.COMM_WORLD.rank == 2:
    os.kill(os.getpid(), signal.SIGKILL)
while True:
    fft.forward(u)
"""


@starts_hosts
@pytest.mark.parametrize("method", METHODS_OF_ALL)
def test_a_rank_that_is_killed_ends_the_job(method):
    """Ranks that poll for one on another host are not left alone: the launcher ends them."""
    command = [HOSTS, "2,2", sys.executable, "-c", KILLED, method]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    np.testing.assert_equal((done.stdout.count("so far"), done.returncode != 0), (4, True), done.stdout + done.stderr)
