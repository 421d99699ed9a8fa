"""A rank that has left does not leave others waiting in shared memory."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI
from support import check, everywhere, expect_everywhere

from mpi4py_pencil import PFFT, _kernels, newDistArray

WORLD = MPI.COMM_WORLD

PROGRAM = """
import sys
import time
import numpy as np
from mpi4py import MPI
from mpi4py_pencil import FFT1D, PFFT, DistArray, Pencil, Subcomm

world = MPI.COMM_WORLD
fft = PFFT(world, (6, 7, 5), method="shared")
u = np.ones(fft.shape(False))
u_hat = fft.forward(u)
line = FFT1D(world, 60, method="shared")
points = np.ones(line.shape(False), complex)
before = Pencil(Subcomm(world, [0, 1]), (6, 8), 1)
transfer = before.transfer(before.pencil(0), float, "shared")
lent = transfer.empty(), transfer.empty(True)
calls = {
    "forward": lambda: fft.forward(u),
    "backward": lambda: fft.backward(u_hat),
    "line": lambda: line.forward(points),
    "transfer": lambda: transfer.forward(*lent),
}
call = calls[sys.argv[1]]
call()
world.Barrier()
if world.rank == 1:
    if sys.argv[2] == "exit":
        sys.exit("gone")
    raise ValueError("gone")
call()
"""


@pytest.mark.parametrize(
    ("call", "how"), [("forward", "raise"), ("backward", "exit"), ("line", "exit"), ("transfer", "raise")]
)
def test_a_rank_that_ends_ends_the_others(call, how):
    """Each says why; without it the job would wait for ever."""
    command = ["mpiexec", "-n", "3", sys.executable, "-c", PROGRAM, call, how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parent)
    told = done.stdout + done.stderr
    check(done.returncode != 0, told)
    check("gone" in told and "rank 1 of 3 that exchange data has left" in told, told)


@pytest.mark.parallel([2, 3])
def test_a_rank_that_drops_its_plan():
    fft = PFFT(WORLD, (4, 4), method="shared")
    u = newDistArray(fft, False, val=1)
    fft.forward(u)
    last = WORLD.rank == WORLD.size - 1
    if last:
        del fft
    with everywhere():
        if not last:
            with pytest.raises(
                RuntimeError, match=f"rank {WORLD.size - 1} of {WORLD.size} that exchange data has left"
            ):
                fft.forward(u)


@pytest.mark.parallel([2])
def test_a_fork_leaves_nothing():
    """It shares the memory, but is no rank; an exit of it is not the rank's."""
    fft = PFFT(WORLD, (4, 4), method="shared")
    u = newDistArray(fft, False, val=1)
    child = os.fork()
    if child == 0:
        fft = None
        os._exit(0)
    os.waitpid(child, 0)
    total = WORLD.allreduce(np.sum(np.asarray(fft.forward(u))))
    check(abs(total - 1) < 1e-15, f"the modes of ones sum up to {total}")


@pytest.mark.parallel([2, 3])
@pytest.mark.parametrize("call", ["forward", "transfer"])
def test_a_wait_that_is_interrupted(monkeypatch, call):
    """By a signal, say. The ranks are out of step then: the next call raises on all, and waits on none."""
    comm = WORLD.Dup()
    fft = PFFT(comm, (4, 4), method="shared")
    u = newDistArray(fft, False, val=1)
    u_hat = newDistArray(fft)
    pencil = fft.pencil[0]
    move = pencil.transfer(pencil.pencil(0), float, "shared")
    turned = np.empty(move.pencils[1].subshape)
    again = {"forward": lambda: fft.forward(u, u_hat), "transfer": lambda: move.forward(u, turned)}[call]
    again()
    last = WORLD.rank == WORLD.size - 1
    if last:
        monkeypatch.setattr(_kernels, "arrived", interrupted)
    with everywhere():
        if last:
            with pytest.raises(KeyboardInterrupt):
                again()
        else:
            time.sleep(0.1)  # so that the last rank comes to wait
            with pytest.raises(RuntimeError, match="has left"):
                [again() for _ in range(2)]
    monkeypatch.undo()
    expect_everywhere(RuntimeError, "a call was interrupted while ranks waited", again)


def interrupted(*_):
    """Raise what a signal raises."""
    raise KeyboardInterrupt


@pytest.mark.parallel([2])
def test_a_fork_that_drops_a_lent_array_leaves_nothing():
    pencil = PFFT(WORLD, (4, 4)).pencil[0]
    move = pencil.transfer(pencil.pencil(0), float, "shared")
    lent = move.empty()
    window = lent.base
    while isinstance(window, np.ndarray):
        window = window.base
    window = window.window
    child = os.fork()
    if child == 0:
        del lent
        os._exit(0)
    os.waitpid(child, 0)
    check(not window.left(), "no rank has left")
