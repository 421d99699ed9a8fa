"""What is written while the program goes on: a snapshot, there at the next call or when the program ends."""

import subprocess
import sys

import numpy as np
import pytest
from mpi4py import MPI
from shared import files_no_longer_than, names, shared_directory
from support import check, everywhere, expect_everywhere

from mpi4py_pencil import PFFT, Subcomm, files, newDistArray
from mpi4py_pencil import arrays as xp

WORLD = MPI.COMM_WORLD
LAST = WORLD.size - 1

SCRIPT = """
import sys
from mpi4py import MPI
from mpi4py_pencil import DistArray, files
u = DistArray((40, 50, 60), [0, 1, 1], val=1)
files.save("u.npy", u, wait=False)
files.Checkpoints("run").save(1, {"u": u}, wait=False)
files.File("u.h5", "w", compression=1).write(1, {"u": u}, wait=False)
u += 1
if MPI.COMM_WORLD.rank == int(sys.argv[1]):
    raise SystemError("this rank has failed")
"""


@pytest.mark.parallel([1, 4])
def test_a_snapshot_that_is_there_at_the_next_call():
    """Of arrays that are written as they lie, and of such that are redistributed first."""
    fft = PFFT(WORLD, (40, 30, 20), grid=[0, 1, 1])
    u = newDistArray(fft, False, val=1)
    with shared_directory() as directory:
        for v in (u, xp.ones((40, 30, 20), distribution=["cyclic", None, None])):
            opened = [files.File(directory / name, "w", compression=c) for name, c in FILES]
            for step in range(1, 3):
                files.save(directory / f"{step}.npy", v, wait=False)
                for file in opened:
                    file.write(step, {"v": [v, (v, 2)]}, wait=False)
                v += 1
            files.wait()
            with everywhere():
                for step in range(1, 3):
                    np.testing.assert_equal(np.unique(np.load(directory / f"{step}.npy")), [step])
            for file in opened:
                np.testing.assert_equal(file.steps("v_2_slice_slice"), [1, 2])
                for step in range(1, 3):
                    check(np.all(file.read("v", u.copy(), step) == step), f"step {step}")
        files.save(directory / "last.npy", u, wait=False)
        check(np.array_equal(files.load(directory / "last.npy", u), u), "load waits for what save began")
        files.save(directory / "last.npy", 2 * u, wait=False)
        files.save(directory / "other.npy", u.as_global())
        with everywhere():
            np.testing.assert_equal(np.load(directory / "last.npy").max(), 6)
        with files.File(directory / "u.h5", "w") as file:
            file.write(1, {"u": u}, wait=False)
        np.testing.assert_equal(files.File(directory / "u.h5").steps("u"), [1])


FILES = [("v.h5", None), ("v.nc", 2), ("v.zarr", 2)]


@pytest.mark.parallel(3)
def test_errors_are_raised_by_the_next_call_on_every_rank():
    """What was there is as it was; what was begun later is written all the same, and so is what others begin."""
    u = newDistArray(PFFT(WORLD, (40, 30, 20)), False, val=1)
    with shared_directory() as directory:
        files.save(directory / "u.npy", u)
        file = files.File(directory / "u.h5", "w")
        file.write(1, {"u": u})
        before = names(directory)
        with files_no_longer_than(5000, LAST):
            files.save(directory / "u.npy", 2 * u, wait=False)
            expect_everywhere(OSError, "File too large", lambda: files.load(directory / "u.npy"))
            np.testing.assert_equal(names(directory), before)
            file.write(2, {"u": u}, wait=False)
            expect_everywhere(OSError, "File too large", lambda: file.steps("u"))
            files.save(directory / "u.npy", 2 * u, wait=False)
            expect_everywhere(OSError, "File too large", files.wait)
        np.testing.assert_equal(file.steps("u"), [1])
        check(np.array_equal(files.load(directory / "u.npy", u), u), "the old file")
        np.testing.assert_equal(names(directory), before)
        for call in (
            lambda: files.save(directory / "u.npy", u, wait=1),
            lambda: file.write(2, {"u": u}, wait=None),
        ):
            expect_everywhere(TypeError, "wait must be True or False", call)
        expect_everywhere(
            ValueError,
            "the ranks disagree on wait",
            lambda: files.save(directory / "u.npy", u, wait=WORLD.rank == 0),
        )


@pytest.mark.parallel(2)
def test_communicators_that_are_freed_meanwhile():
    """Are the user's own: what was begun with one cannot be finished, and the next call says so."""
    comm = WORLD.Dup()
    subcomm = Subcomm(comm, [0, 1])
    with shared_directory() as directory:
        checkpoints = files.Checkpoints(directory / "run", comm=comm)
        checkpoints.save(1, {"g": xp.Context(comm).ones((4, 4))}, wait=False)
        del subcomm
        comm.Free()
        expect_everywhere(ValueError, "freed", checkpoints.wait)
        expect_everywhere(ValueError, "freed", files.wait)
        np.testing.assert_equal(names(directory / "run"), [])
        files.wait()
        if WORLD.rank == 0:
            alone = MPI.COMM_SELF.Dup()
            files.save(directory / "alone.npy", xp.Context(alone).ones(4), wait=False)
            alone.Free()
        files.save(directory / "both.npy", xp.ones(4))
        if WORLD.rank == 0:
            with everywhere(MPI.COMM_SELF), pytest.raises(ValueError, match="freed"):
                files.wait()
        np.testing.assert_equal(names(directory), ["both.npy", "run"])


@pytest.mark.parallel(4)
def test_a_program_that_goes_elsewhere_meanwhile(monkeypatch):
    """Relative paths mean what they meant when they were given."""
    u = newDistArray(PFFT(WORLD, (8, 6)), False, val=1)
    with shared_directory() as directory:
        monkeypatch.chdir(directory)
        checkpoints = files.Checkpoints("run")
        opened = [files.File("u.h5", "w"), files.File("u.zarr", "w")]
        files.save("u.npy", u, wait=False)
        checkpoints.save(1, {"u": u}, wait=False)
        for file in opened:
            file.write(1, {"u": u}, wait=False)
        monkeypatch.chdir("/")
        files.wait()
        np.testing.assert_equal((checkpoints.latest(), *[file.steps("u") for file in opened]), (1, [1], [1]))
        np.testing.assert_equal(names(directory), ["run", "u.h5", "u.npy", "u.zarr"])


def run(directory, failing):
    """Run the script on two ranks."""
    (directory / "script.py").write_text(SCRIPT)
    command = ["mpiexec", "-n", "2", sys.executable, "script.py", str(failing)]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=60)


def test_what_nobody_waits_for_is_there_when_the_program_ends(tmp_path):
    done = run(tmp_path, -1)
    np.testing.assert_equal((done.returncode, done.stderr), (0, ""))
    alone = files.Checkpoints(tmp_path / "run", comm=MPI.COMM_SELF).load()
    file = files.File(tmp_path / "u.h5", comm=MPI.COMM_SELF)
    for u in (np.load(tmp_path / "u.npy"), alone.state["u"], file.read("u", alone.state["u"].copy())):
        np.testing.assert_equal((u.shape, np.unique(np.asarray(u))), ((40, 50, 60), [1]))
    np.testing.assert_equal({*names(tmp_path)}, {"run", "script.py", "u.h5", "u.npy"})


LOST = """
from mpi4py import MPI
from mpi4py_pencil import arrays as xp, files
comm = MPI.COMM_WORLD.Dup()
files.save("g.npy", xp.Context(comm).ones(4), wait=False)
comm.Free()
"""


def test_what_is_lost_is_told_when_the_program_ends(tmp_path):
    done = subprocess.run([sys.executable, "-c", LOST], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    check("is not there: its communicator was freed" in done.stderr, done.stderr, MPI.COMM_SELF)


def test_a_rank_that_fails_does_not_keep_others_waiting(tmp_path):
    done = run(tmp_path, 1)
    check(done.returncode != 0 and "this rank has failed" in done.stderr, done.stderr, MPI.COMM_SELF)
    check("a rank ended with an error" in done.stderr, done.stderr, MPI.COMM_SELF)
    np.testing.assert_equal((tmp_path / "u.npy").exists(), False)
