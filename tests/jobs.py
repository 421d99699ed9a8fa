"""A pytest plugin: the parallel tests of a session run in one job per rank count, not in one job each.

mpi-pytest would start an mpiexec for every one of them, which takes seconds: most of it imports. Here the first test
for n ranks starts ``mpiexec -n n python -m pytest`` with all tests of the session for n ranks. Rank 0 records pytest's
reports, and this process passes them on as if they were its own. A job that breaks off fails the test that it was at;
another job runs the rest.
"""

import json
import math
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import pytest
from mpi4py import MPI
from watchdog import GRACE, time_limit

RECORD = "PYTEST_RECORD_OF_RANK_0"
"""Environment variable: the file to which rank 0 of a job writes its reports."""


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    """Take the part of this process, if it has one: the session that starts jobs, or rank 0 of a job."""
    record = os.environ.get(RECORD)
    if MPI.COMM_WORLD.size == 1:
        if record is not None:
            raise pytest.UsageError("the mpiexec on PATH is another MPI's: the ranks that it starts are all alone")
        config.pluginmanager.register(Jobs(config))
    elif record is not None:
        _take_own_temporary_directory(Path(record).parent)
        if MPI.COMM_WORLD.rank == 0:
            config.pluginmanager.register(Recorder(config, Path(record)))


def _take_own_temporary_directory(parent):
    """Keep the ranks from tidying up behind each other where pytest keeps the directories of tmp_path."""
    directory = parent / f"rank-{MPI.COMM_WORLD.rank}"
    directory.mkdir()
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(directory)


class Recorder:
    """Writes the reports to a file, and nothing to the terminal."""

    def __init__(self, config, path):
        self.config = config
        self.path = path
        config.pluginmanager.unregister(name="terminalreporter")

    def pytest_runtest_logreport(self, report):
        """Write one report, a line of JSON."""
        data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        with self.path.open("a") as file:
            file.write(json.dumps(data) + "\n")


class Jobs:
    """Starts a job when a test is due that no job has run yet."""

    def __init__(self, config):
        self.config = config
        self.waiting = defaultdict(list)  # rank count: tests no job has run yet
        self.reports = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        """Put the serial tests first: pytest would not expect others between them, which set nothing up here."""
        items.sort(key=rank_count)

    def pytest_collection_finish(self, session):
        """Sort the tests by their rank counts."""
        for item in session.items:
            self.waiting[rank_count(item)].append(item)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item):
        """Report a parallel test; leave a serial one to pytest."""
        ranks = rank_count(item)
        if ranks == 1:
            return None
        if item.nodeid not in self.reports:
            self.run(ranks)
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in self.reports.pop(item.nodeid):
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def run(self, ranks):
        """Run the waiting tests for `ranks` ranks up to the end of one job."""
        items = self.waiting[ranks]
        with tempfile.TemporaryDirectory() as directory:
            record, tests = Path(directory, "record"), Path(directory, "tests")
            record.touch()
            tests.write_text("".join(f"{item.nodeid}\n" for item in items))
            process = self.start(ranks, record, tests, len(items))
            lines = record.read_text().splitlines()
        done = defaultdict(list)
        for line in lines:
            report = self.config.hook.pytest_report_from_serializable(config=self.config, data=json.loads(line))
            done[report.nodeid].append(report)
        self.settle(ranks, items, done, process)

    def start(self, ranks, record, tests, count):
        """Start a job and wait for its end, which comes: the ranks watch themselves, and mpiexec the whole."""
        limit = math.ceil((time_limit(self.config) + GRACE) * (count + 1))
        environment = {**os.environ, RECORD: str(record), "MPIEXEC_TIMEOUT": str(limit)}
        option = self.config.option
        command = ["mpiexec", "-n", str(ranks), sys.executable, "-m", "pytest", f"@{tests}", "-p", "no:cacheprovider"]
        command += [f"--rootdir={self.config.rootpath}", f"--capture={option.capture}", f"--tb={option.tbstyle}"]
        pipes = {} if option.capture == "no" else {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.run(
            command, cwd=self.config.rootpath, env=environment, stdin=subprocess.DEVNULL, errors="replace", **pipes
        )

    def settle(self, ranks, items, done, process):
        """Keep the reports of the tests that were run to their end; fail the one that the job broke off at."""
        for item in items:
            if item.nodeid in done and done[item.nodeid][-1].when == "teardown":
                self.reports[item.nodeid] = done[item.nodeid]
        left = [item for item in items if item.nodeid not in self.reports]
        if left:
            broken = next((item for item in left if item.nodeid in done), left[0])
            self.reports[broken.nodeid] = [_failure(broken, "", process)]
            left.remove(broken)
        elif process.returncode and not any(report.failed for reports in done.values() for report in reports):
            self.reports[items[-1].nodeid].append(_failure(items[-1], "after the last test ", process))
        self.waiting[ranks] = left


def rank_count(item):
    """Return how many ranks a test is for, from the mark that mpi-pytest gives to each."""
    names = (re.fullmatch(r"parallel\[(\d+)\]", mark.name) for mark in item.iter_markers())
    return next(int(name[1]) for name in names if name)


def _failure(item, when, process):
    text = f"{when}mpiexec returned {process.returncode}"
    wrote = [("What the ranks wrote", process.stdout or "")]
    return pytest.TestReport(item.nodeid, item.location, {}, "failed", text, "call", sections=wrote)
