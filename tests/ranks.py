"""A pytest plugin: the ranks of a parallel test fail together, and rank 0 reports the errors of all.

After each test the ranks tell one another whether it failed. If it failed on some, it fails on all, and each different
error is reported once. If the others do not come to that meeting, because they wait for the failed rank elsewhere,
that rank shows its error and aborts the job.
"""

import os
import time

import pytest
from mpi4py import MPI

PATIENCE = 2
"""Seconds for which a failed rank waits for the others."""


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    """Take the part of this process, if it is one rank of several."""
    world = MPI.COMM_WORLD
    if world.size > 1:
        config.pluginmanager.register(Rank(world.Dup()))
    if world.rank > 0:
        config.pluginmanager.unregister(name="terminalreporter")


class Rank:
    """One of several ranks that run the same tests."""

    def __init__(self, comm):
        self.comm = comm
        self.stderr = os.fdopen(os.dup(2), "w")  # pytest captures 2

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, call):
        """Meet the others after the test, be it over in its setup, and after its teardown."""
        report = yield
        if report.when != "setup" or not report.passed:
            self.meet(report, call)
        return report

    def meet(self, report, call):
        """Make a failure of one rank one of all."""
        arrival = self.comm.Ibarrier()
        if report.failed and not _completes(arrival):
            self.say(report)
            time.sleep(1)  # mpiexec drops what it has not read when a job is aborted
            MPI.COMM_WORLD.Abort(1)
            os._exit(1)  # MPICH's Abort may return
        arrival.Wait()
        error = (call.excinfo.exconly(), self.describe(report)) if report.failed else None
        errors = dict(filter(None, reversed(self.comm.allgather(error))))  # of equal ones that of the lowest rank
        if report.failed:
            del errors[error[0]]
        elif errors:
            report.outcome = "failed"
            report.longrepr = "\n".join(errors)
        report.sections += errors.values()

    def describe(self, report):
        """Return whose error it is, and the error with what was captured."""
        captured = [f"{name:-^100}\n{text}" for name, text in report.sections]
        title = f"{report.nodeid} ({report.when}) on rank {self.comm.rank} of {self.comm.size}"
        return title, "\n".join([report.longreprtext, *captured])

    def say(self, report):
        """Show an error at once."""
        title, text = self.describe(report)
        self.stderr.write(f"\n{f' {title} ':=^100}\n{text}\n")
        self.stderr.flush()

    def pytest_collectreport(self, report):
        """Show what keeps a file from being imported: there may be no terminal to report it."""
        if report.failed:
            self.stderr.write(f"{report.longreprtext}\n")
            self.stderr.flush()


def _completes(request):
    deadline = time.monotonic() + PATIENCE
    while not request.Test():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
