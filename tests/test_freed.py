"""After the communicator of a plan is freed, or MPI has ended: calls are refused, arrays stay what they were."""

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI
from support import check, everywhere, expect_everywhere

from mpi4py_pencil import FFT1D, PFFT, DistArray, Pencil, Subcomm, Transfer, newDistArray
from mpi4py_pencil.exchange import METHODS

WORLD = MPI.COMM_WORLD


class Everything:
    """Plans of each kind over a communicator, used once, and the arrays that they were used with."""

    def __init__(self, comm, method):
        fft = PFFT(comm, (6, 7, 5), method=method)
        u = newDistArray(fft, False, val=1)
        u_hat = fft.forward(u)
        line = FFT1D(comm, 60, method=method)
        points = np.ones(line.shape(False), complex)
        modes = line.forward(points)
        before = Pencil(Subcomm(comm, [0, 1]), (6, 8), 1)
        transfer = before.transfer(before.pencil(0), float, method)
        self.lent = transfer.empty(), transfer.empty(forward_output=True)
        self.lent[0][...] = 1
        transfer.forward(*self.lent)
        block = DistArray((6, 7), Subcomm(comm, [0, 1]), val=1)
        turned = block.redistribute(0)
        self.calls = [
            lambda: fft.forward(u),
            lambda: fft.backward(u_hat),
            lambda: fft.forward.adjoint(u_hat),
            lambda: fft.forward(np.ones((3, *u.shape))),
            lambda: line.forward(points),
            lambda: line.backward(modes),
            lambda: transfer.forward(*self.lent),
            lambda: transfer.backward(*self.lent[::-1]),
            lambda: transfer.empty(),
            lambda: Transfer(before, before, float, method),
            lambda: block.redistribute(0),
            lambda: block.redistribute(out=turned),
        ]


@pytest.mark.parallel([1, 3])
@pytest.mark.parametrize("method", METHODS)
def test_the_communicator_is_freed(method):
    comm = WORLD.Dup()
    made = Everything(comm, method)
    comm.Free()
    for call in made.calls:
        expect_everywhere(ValueError, "communicator has been freed", call)
    with everywhere():
        for array in made.lent:
            np.testing.assert_array_equal(array, 1)
            array += 1


@pytest.mark.parallel([2])
def test_a_line_of_the_grid_is_freed_by_the_caller():
    """It was not theirs to free, but the rest of the grid can go after it."""
    comm = WORLD.Dup()
    subcomm = Subcomm(comm, [0, 1])
    subcomm[0].Free()
    comm.Free()
    check(not subcomm.grid.cart, "the grid went with its parent")


AFTER_THE_END = """
import sys
import numpy as np
from mpi4py import MPI
from mpi4py_pencil import FFT1D, PFFT, DistArray, Pencil, Subcomm
from test_freed import METHODS, Everything

world = MPI.COMM_WORLD
made = [Everything(comm, method) for comm in (world, world.Dup()) for method in METHODS]
before = Pencil(Subcomm(world, [0, 1]), (4, 4), 1)
MPI.Finalize()
told = []
for each in made:
    for array in each.lent:
        array += 1
        told.append(bool(np.all(array == 2)))
    for call in each.calls:
        try:
            call()
        except ValueError as error:
            told.append("MPI has been finalized" in str(error))
for make in (
    lambda: PFFT(world, (4, 4)),
    lambda: FFT1D(world, 16),
    lambda: Subcomm(world, [0, 1]),
    lambda: DistArray((4, 4)),
    lambda: before.pencil(0),
    lambda: Pencil(before.subcomm, (4, 4)),
):
    try:
        make()
    except ValueError as error:
        told.append("MPI has been finalized" in str(error))
if told != [True] * (len(made) * (2 + 12) + 6):
    sys.exit(f"{told}")
"""


@pytest.mark.parametrize("ranks", [1, 2])
def test_mpi_has_ended(ranks):
    """MPI libraries would abort, or have unmapped their windows."""
    call = ["mpiexec", "-n", str(ranks), sys.executable, "-c", AFTER_THE_END]
    done = subprocess.run(call, capture_output=True, text=True, timeout=100, cwd=Path(__file__).parent)
    np.testing.assert_equal(done.returncode, 0, done.stderr)


@pytest.mark.parallel([2])
@pytest.mark.parametrize("method", METHODS)
def test_a_direction_outlives_its_plan(method):
    fft = PFFT(WORLD, (6, 7, 5), method=method)
    forward, backward, adjoint = fft.forward, fft.backward, fft.forward.adjoint
    u = newDistArray(fft, False)
    u_hat = forward(u)
    fft.close()
    for direction, array in itertools.product((forward, backward, adjoint), (u, u_hat)):
        expect_everywhere(ValueError, "this PFFT is closed", lambda d=direction, a=array: d(a))
