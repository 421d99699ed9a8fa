"""A pytest plugin: a test that hangs becomes a failure that shows where each rank hangs.

A rank whose test takes longer than the ini option ``mpi_timeout`` (seconds; the environment variable
``MPI_TIMEOUT`` wins) writes its stacks to standard error, each line behind its rank, and is killed `GRACE`
seconds later; mpiexec then ends the others. Neither step needs the interpreter, so a rank that is stuck in C
code with the lock held counts too: the stacks are written by a thread of faulthandler's, and the kill is the
default action of SIGALRM. Stacks first, kill later, because the first rank to go takes the others with it.

A process without peers fails the test and goes on with the next one.
"""

import faulthandler
import os
import signal
import subprocess

import pytest
from mpi4py import MPI

GRACE = 3
"""Seconds between two stages of an escalation: time for every rank to have done the first one."""


def pytest_addoption(parser):
    """Declare the time limit."""
    parser.addini("mpi_timeout", "seconds after which a test has hung (or set MPI_TIMEOUT)", default="120")


def time_limit(config):
    """Return the seconds that a test may take."""
    return float(os.environ.get("MPI_TIMEOUT", config.getini("mpi_timeout")))


def pytest_configure(config):
    """Watch this process from now on, as one rank among others or as one without peers."""
    world = MPI.COMM_WORLD
    if world.size == 1:
        watchdog = LoneWatchdog(time_limit(config))
    else:
        watchdog = RankWatchdog(time_limit(config), f"[rank {world.rank} of {world.size}]")
    config.pluginmanager.register(watchdog)


class RankWatchdog:
    """Show the stacks of this rank at the limit, end it a little later; watch MPI_Finalize too."""

    def __init__(self, limit, label):
        self.limit = limit
        # faulthandler knows no ranks, and shows pytest's thirty frames: it writes through a filter.
        script = f"/site-packages.(_?pytest|pluggy)|<frozen runpy>/d; s/^/{label} /"
        self.filter = subprocess.Popen(["sed", "-u", "-E", script], stdin=subprocess.PIPE, stdout=2)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        self.arm()

    def arm(self):
        """Start the clock anew."""
        faulthandler.dump_traceback_later(self.limit, file=self.filter.stdin)
        signal.setitimer(signal.ITIMER_REAL, self.limit + GRACE)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self):
        """Give each test the full time."""
        self.arm()
        return (yield)


class LoneWatchdog:
    """Fail the test at the limit; end the process if that does not help, since it is stuck in C code."""

    def __init__(self, limit):
        self.limit = limit
        self.stderr = os.dup(2)  # pytest captures 2
        signal.signal(signal.SIGALRM, self.fail)

    def fail(self, signum, frame):
        """Be the handler of SIGALRM."""
        pytest.fail("the test has hung: see mpi_timeout")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self):
        """Watch one phase of a test."""
        faulthandler.dump_traceback_later(self.limit + GRACE, exit=True, file=self.stderr)
        signal.setitimer(signal.ITIMER_REAL, self.limit)
        try:
            return (yield)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            faulthandler.cancel_dump_traceback_later()

    pytest_runtest_call = pytest_runtest_teardown = pytest_runtest_setup
