"""Hangs and failures of parallel tests are shown rank by rank, and leave no process behind."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SHORT, LONG = 2, 60  # seconds that a test of the inner session may take

PREAMBLE = """
import atexit
import ctypes
import os
import time
import pytest
from mpi4py import MPI
from support import check
world = MPI.COMM_WORLD

def stuck_in_c():
    mutex = ctypes.create_string_buffer(256)
    for _ in range(2):
        ctypes.PyDLL(None).pthread_mutex_lock(mutex)  # with the interpreter's lock held
"""

HANG = """
@pytest.mark.parallel(2)
def test_hang():
    waits_for_rank_1() if world.rank == 0 else goes_astray()

def waits_for_rank_1():
    world.barrier()

def goes_astray():
    stuck_in_c()
"""

LONE_FAILURE = """
@pytest.mark.parallel(2)
def test_lone_failure():
    if world.rank == 1:
        raise RuntimeError("only here")
    world.allgather(0)
    world.allgather(0)
"""

CRASH_AFTER_THE_TEST = """
@pytest.mark.parallel(2)
def test_crash_after_the_test():
    if world.rank == 1:
        atexit.register(os._exit, 3)
"""

NEXT = """
@pytest.mark.parallel(2)
def test_next():
    world.barrier()
"""

PARTIAL_FAILURE = """
@pytest.mark.parallel(3)
def test_partial_failure():
    if world.rank == 1:
        raise RuntimeError("only here")
"""

COMMON_FAILURE = """
@pytest.mark.parallel(3)
def test_common_failure():
    check(world.rank != 2, "no rank 2 wanted")
"""

DIFFERENT_FAILURES = """
@pytest.mark.parallel(3)
def test_different_failures():
    if world.rank != 2:
        raise RuntimeError(f"only on rank {world.rank}")
"""

SETUP_FAILURE = """
@pytest.fixture
def broken():
    if world.rank == 1:
        raise RuntimeError("only here")

@pytest.mark.parallel(2)
def test_setup_failure(broken):
    world.allgather(0)
    world.allgather(0)
"""

SERIAL_HANG = """
def test_serial_hang():
    time.sleep(1000)

def test_next():
    pass
"""

SERIAL_HANG_IN_C = """
def test_serial_hang_in_c():
    stuck_in_c()
"""


@pytest.fixture
def inner_session(tmp_path):
    """Return a function that runs a test file in a pytest of its own and gives back what that printed."""

    def run(source, *command, limit=LONG):
        (tmp_path / "conftest.py").write_text('pytest_plugins = ["watchdog", "ranks", "jobs"]\n')
        (tmp_path / "test_inner.py").write_text(PREAMBLE + source)
        paths = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
        # The mark tells the processes of this session from all others.
        environment = {**os.environ, "PYTHONPATH": paths, "MPI_TIMEOUT": str(limit), "INNER": str(tmp_path)}
        process = subprocess.run(
            [*command, sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--color=no"],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if process.returncode == 0:
            raise AssertionError(f"the inner session has passed:\n{process.stdout}")
        _expect_no_process(f"INNER={tmp_path}".encode())
        return process.stdout

    return run


def _expect_no_process(mark):
    deadline = time.monotonic() + 5
    while left := _processes(mark):
        if time.monotonic() > deadline:
            raise AssertionError(f"processes left behind: {left}")
        time.sleep(0.1)


def _processes(mark):
    """Return the command lines of all live processes that have `mark` in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes())
        except OSError:
            continue  # gone since, or another user's
    return found


def _expect(text, *wanted):
    missing = [line for line in wanted if line not in text]
    if missing:
        raise AssertionError(f"{missing} not in:\n{text}")


def _expect_once(text, line):
    if text.count(line) != 1:
        raise AssertionError(f"{text.count(line)} times {line!r} in:\n{text}")


ALONE = ()
BULK = ("mpiexec", "-n", "2")


@pytest.mark.parametrize("command", [ALONE, BULK], ids=["alone", "bulk"])
def test_hang_shows_stack_of_every_rank(inner_session, command):
    text = inner_session(HANG, *command, limit=SHORT)
    for rank, function in enumerate(["waits_for_rank_1", "goes_astray"]):
        stack = "\n".join(line for line in text.splitlines() if line.startswith(f"[rank {rank} of 2] "))
        _expect(stack, function, "in test_hang")


@pytest.mark.parametrize("command", [ALONE, BULK], ids=["alone", "bulk"])
def test_lone_failure_is_shown_and_ends_the_job(inner_session, command):
    """The next test runs all the same, in a job of its own if there are jobs."""
    text = inner_session(LONE_FAILURE + NEXT, *command)
    _expect(text, "test_lone_failure (call) on rank 1 of 2", "RuntimeError: only here")
    _expect(text, *["1 failed, 1 passed"] * (command == ALONE))
    if "most recent call first" in text:
        raise AssertionError(f"ended by the time limit only:\n{text}")


def test_crash_after_the_test_is_a_failure(inner_session):
    _expect(inner_session(CRASH_AFTER_THE_TEST), "after the last test mpiexec returned", "1 failed, 1 passed")


def test_failed_setup_is_shown_and_ends_the_job(inner_session):
    text = inner_session(SETUP_FAILURE)
    _expect(text, "test_setup_failure (setup) on rank 1 of 2", "RuntimeError: only here")


def test_failures_of_some_ranks_fail_all_and_are_shown_once(inner_session):
    text = inner_session(PARTIAL_FAILURE + DIFFERENT_FAILURES + COMMON_FAILURE)
    _expect(text, "3 failed")
    _expect_once(text, "test_partial_failure (call) on rank 1 of 3")
    _expect_once(text, "E           RuntimeError: only here")
    _expect_once(text, "E           RuntimeError: only on rank 0")
    _expect_once(text, "E           RuntimeError: only on rank 1")
    _expect_once(text, "E       AssertionError: rank 2: no rank 2 wanted")


def test_serial_hang_fails_and_the_next_test_runs(inner_session):
    _expect(inner_session(SERIAL_HANG, limit=SHORT), "the test has hung", "1 failed, 1 passed")


def test_serial_hang_in_c_ends_the_session(inner_session):
    _expect(inner_session(SERIAL_HANG_IN_C, limit=SHORT), "in test_serial_hang_in_c")
