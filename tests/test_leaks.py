"""Nothing grows: communicators, datatypes, requests, windows, Python's objects and memory, over hundreds of uses.

MPI does not say how many objects it holds. But it numbers them and uses the numbers of freed ones again: as long as
nothing leaks, new objects get numbers as low as before. (Open MPI numbers datatypes and requests only when asked for
the number; for those the tests see something with MPICH.)
"""

import gc
import itertools
import resource
from functools import partial

import numpy as np
import pytest
from mpi4py import MPI
from support import check, same_everywhere, windows

from mpi4py_pencil import FFT1D, PFFT, DistArray, Pencil, Subcomm, newDistArray
from mpi4py_pencil.exchange import METHODS
from mpi4py_pencil.exchange.window import Window
from mpi4py_pencil.plan import tuning

WORLD = MPI.COMM_WORLD

MAKERS = {
    "communicators": lambda: WORLD.Dup(),
    "datatypes": lambda: MPI.BYTE.Create_contiguous(3).Commit(),
    "requests": lambda: WORLD.Send_init([bytearray(8), MPI.BYTE], 0),
}


def highest_number(make):
    """Return the highest of the numbers of a few new objects; the upper bits of MPICH's say what they are."""
    made = [make() for _ in range(8)]
    number = max(one.py2f() & 0x3FFFFFF for one in made)
    for one in made:
        one.Free()
    return number


class Growth:
    """What has grown since the beginning."""

    def __init__(self):
        gc.collect()
        self.numbers = {name: highest_number(make) for name, make in MAKERS.items()}
        self.windows = windows()
        self.objects = len(gc.get_objects())
        self.kibibytes = peak()

    def check(self, uses, most=40):
        """Raise AssertionError on every rank if something has grown with the number of uses, or a number by `most`."""
        gc.collect()
        numbers = {name: highest_number(make) - self.numbers[name] for name, make in MAKERS.items()}
        mapped = windows() - self.windows
        objects = len(gc.get_objects()) - self.objects
        kibibytes = peak() - self.kibibytes
        grown = (
            f"after {uses} uses: numbers grew by {numbers}, windows {mapped}, objects {objects}, memory {kibibytes} KiB"
        )
        check(max(numbers.values()) < most, grown)
        check(mapped < 10, grown)
        check(objects < 250, grown)
        check(kibibytes < 2 * 1024, grown)


def repeated(use, first, times, most=40):
    """Call `use` with 0, 1, … `times` times, of which nothing may stay after `first` calls have; return its last."""
    for k in range(first):
        use(k)
    growth = Growth()
    for k in range(times):
        last = use(k)
    growth.check(times, most)
    return last


def peak():
    """Return the most memory that this process has had, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parallel(2)
def test_what_leaks_is_seen():
    """The measure itself: what is not freed raises the numbers of what comes after it."""
    growth = Growth()
    leaked = [WORLD.Dup() for _ in range(150)]
    with pytest.raises(AssertionError, match="numbers grew"):
        growth.check(150)
    for one in leaked:
        one.Free()
    growth = Growth()
    kept = [Window(WORLD, 8) for _ in range(10)]
    with pytest.raises(AssertionError, match=f"windows {len(kept)}"):
        growth.check(10)


@pytest.mark.parallel([1, 2])
def test_thousands_of_arrays():
    """Made, redistributed, computed with, dropped."""
    subcomm = Subcomm(WORLD, [0, 1])

    def use(k):
        shape = (20 + k % 5, 30)
        u = DistArray(shape, [0, 1] if k % 2 else subcomm, val=k)
        if k % 10 == 0:
            u = (u + 1).redistribute(0)
        return u

    u = repeated(use, 100, 1000)
    check(np.all(u == 999), "the last array")


@pytest.mark.parallel(2)
def test_hundreds_of_plans():
    """Closed, left by a with statement, or just dropped, by one rank later than by the others."""
    late = []

    def use(k):
        shape = [(8, 9, 10), (12, 8), (4, 6, 5, 4)][k % 3]
        method, backend = METHODS[k % len(METHODS)], ("numpy", "pyfftw")[k % 2]
        fft = PFFT(WORLD, shape, dtype="dDf"[k // 3 % 3], method=method, backend=backend)
        u_hat = fft.forward(newDistArray(fft, False, val=1))
        if k % 4 == 0:
            fft.forward(newDistArray(fft, False, val=1, rank=1))
        if k % 3 == 0:
            fft.close()
        elif k % 3 == 1:
            with fft:
                fft.backward(u_hat)
        if WORLD.rank == 0:
            late.append(fft)
            del late[:-3]

    repeated(use, 36, 120, 20)  # of which a sixth is a method's


@pytest.mark.parallel(2)
def test_hundreds_of_plans_of_one_line():
    """Closed or just dropped, each with arrays of two strides."""
    u = np.ones((400, 2), complex)

    def use(k):
        fft = FFT1D(WORLD, [144, 60, 35][k % 3], method=METHODS[k % len(METHODS)], backend="numpy")
        fft.forward(np.ones(fft.shape(False), complex))
        fft.backward(u[: fft.shape(True)[0], k % 2])
        if k % 2:
            fft.close()

    repeated(use, 36, 120, 20)  # of which a sixth is a method's


@pytest.mark.parallel(2)
def test_hundreds_of_transfers():
    """Each with arrays of several layouts."""
    start = Pencil(Subcomm(WORLD, [0, 1, 1]), (6, 8, 5), 2)
    after = start.pencil(0)
    sources = [np.ones(start.subshape), np.ones(start.subshape, order="F"), np.ones((*start.subshape, 2))[..., 0]]

    def use(k):
        transfer = start.transfer(after, float, METHODS[k % len(METHODS)])
        for a in sources:
            b = np.zeros(after.subshape)
            transfer.forward(a, b)
            transfer.backward(b, a)

    repeated(use, 24, 120, 20)


@pytest.mark.parallel(2)
def test_one_transfer_and_arrays_of_ever_new_layouts():
    start = Pencil(Subcomm(WORLD, [0, 1, 1]), (6, 8, 5), 2)
    after = start.pencil(0)
    fft = PFFT(WORLD, (6, 8, 5), backend="numpy")
    memory, big = np.ones(6 * 8 * 600), np.ones((6, 8, 600))

    def use(transfer, k):
        gap = 1 + k % 110
        a = big[tuple(slice(n) for n in start.subshape[:2])][..., : 5 * gap : gap]
        transfer.forward(a, memory[: int(np.prod(after.subshape))].reshape(after.subshape))
        fft.forward(a)

    for method in METHODS:
        transfer = start.transfer(after, float, method)
        repeated(partial(use, transfer), 20, 120)


@pytest.mark.parallel(2)
def test_what_was_made_for_a_communicator_goes_with_it():
    """Grids, windows and transfers, whether the plans go before or after it."""

    def use(k):
        comm = WORLD.Dup()
        fft = PFFT(comm, (6, 7, 5), method=METHODS[k % len(METHODS)], backend="numpy")
        fft.backward(fft.forward(newDistArray(fft, False)))
        u = DistArray((6, 7), Subcomm(comm, [0, 1]), val=1)
        turned = u.redistribute(0)
        if k % 2:
            del fft, u, turned
            gc.collect()
        comm.Free()

    repeated(use, 6, 30, 25)


@pytest.mark.parallel(2)
def test_tuning_leaves_nothing(monkeypatch):
    """Neither on the communicator, which lives on, nor in shared memory."""
    monkeypatch.setattr(tuning, "SECONDS", 0)
    monkeypatch.setattr(tuning, "ENGINES", ("numpy",))
    repeated(lambda k: PFFT(WORLD, (6, 8, 5 + k % 2), tune="measure").close(), 2, 5)


@pytest.mark.parallel(2)
def test_subcommunicators_are_made_once():
    """As many arrays and plans over one grid as one likes have the communicators of the first."""
    grids = {id(Subcomm(WORLD, dims).grid) for dims in itertools.repeat([0, 1], 100)}
    same_everywhere(len(grids))
    check(len(grids) == 1, f"{len(grids)} grids")
    u = DistArray((4, 4), [0, 1])
    fft = PFFT(WORLD, (4, 4), grid=[0, 1])
    check(all(a == b for a, b in zip(u.subcomm, fft.subcomm, strict=True)), "an array and a plan share communicators")
