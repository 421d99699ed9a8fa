"""A pytest plugin: the ranks of a parallel test fail together, and say why once.

After each test the ranks tell one another whether it failed. If it failed on some, it fails on all, and each
different error is shown once, by the lowest rank that has it. If the others do not come to that meeting,
because they wait for the failed rank elsewhere, that rank shows its error and aborts the job.
"""

import os
import subprocess
import time

import pytest
from mpi4py import MPI
from pytest_mpi.plugin import CHILD_PROCESS_FLAG

PATIENCE = 3
"""Seconds for which a failed rank waits for the others."""


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    """Take the part of this process: a rank, or the parent of ranks."""
    world = MPI.COMM_WORLD
    started_by_pytest = CHILD_PROCESS_FLAG in os.environ
    if world.size > 1:
        _quieten(config, world.rank, started_by_pytest)
        config.pluginmanager.register(Rank(world.Dup(), speaks=started_by_pytest or world.rank > 0))
    elif started_by_pytest:
        raise pytest.UsageError("the mpiexec on PATH starts ranks that do not find each other: it is another MPI's")
    else:
        config.pluginmanager.register(Parent())


def _quieten(config, rank, started_by_pytest):
    """Keep the ranks from reporting all at once, but have errors formatted on each (mpi-pytest: on one)."""
    config.option.tbstyle = "auto"
    if started_by_pytest or rank > 0:
        config.pluginmanager.unregister(name="terminalreporter")


class Rank:
    """One of several ranks that run the same tests."""

    def __init__(self, comm, speaks):
        self.comm = comm
        self.speaks = speaks  # otherwise pytest's own summary does
        self.stderr = os.fdopen(os.dup(2), "w")  # pytest captures 2

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, call):
        """Meet the others once the test is over, be it in its setup."""
        report = yield
        if report.when == "call" or (report.when == "setup" and not report.passed):
            self.meet(report, call)
        elif report.failed and self.speaks:
            self.say(report)
        return report

    def meet(self, report, call):
        """Make a failure of one rank one of all."""
        arrival = self.comm.Ibarrier()
        if report.failed and not _completes(arrival):
            self.say(report)
            MPI.COMM_WORLD.Abort(1)
        arrival.Wait()
        errors = self.comm.allgather(call.excinfo.exconly() if report.failed else None)
        failed = [rank for rank, error in enumerate(errors) if error is not None]
        if failed and not report.failed:
            report.outcome = "failed"
            report.longrepr = f"passed here, failed on ranks {failed}"
        elif report.failed and self.speaks and errors.index(errors[self.comm.rank]) == self.comm.rank:
            self.say(report)

    def say(self, report):
        """Show an error in one piece."""
        title = f" {report.nodeid} ({report.when}) on rank {self.comm.rank} of {self.comm.size} "
        captured = "".join(f"{name:-^100}\n{text}\n" for name, text in report.sections)
        self.stderr.write(f"\n{title:=^100}\n{report.longreprtext}\n{captured}")
        self.stderr.flush()

    def pytest_collectreport(self, report):
        """Show what keeps a file from being imported."""
        if report.failed and self.speaks:
            self.say(report)


def _completes(request):
    deadline = time.monotonic() + PATIENCE
    while not request.Test():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


class Parent:
    """A process that has mpiexec run the parallel tests, one at a time."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        """Replace the traceback of the call of mpiexec, which says nothing about the test."""
        report = yield
        error = call.excinfo and call.excinfo.value
        if isinstance(error, subprocess.CalledProcessError) and error.cmd[0] == "mpiexec":
            report.longrepr = f"mpiexec returned {error.returncode}. What the ranks wrote is below."
        return report
