"""A pytest plugin: the parallel tests of a session run in one job per rank count, not in one job each.

mpi-pytest would start an mpiexec for every one of them, which takes seconds: most of it imports. Here the first test
for n ranks starts ``mpiexec -n n python -m pytest`` with all tests of the session for n ranks. Rank 0 records pytest's
reports, and this process passes them on as if they were its own. A job that breaks off fails the test that it was at;
another job runs the rest. Tests marked ``hosts``, with the ranks on each of several hosts, run on those of
hosts/hosts.sh.
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

HOSTS = Path(__file__).parent / "hosts" / "hosts.sh"


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    """Take the part of this process, if it has one: the session that starts jobs, or rank 0 of a job."""
    config.addinivalue_line("markers", "hosts(ranks, ranks, ...): run on hosts of so many ranks each")
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
    """Starts the jobs one after the other while the session runs its serial tests, which often wait for something."""

    def __init__(self, config):
        self.config = config
        self.waiting = defaultdict(list)  # ranks on each host: tests no job has run yet
        self.job = None
        self.reports = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        """Put the serial tests first: pytest would not expect others between them, which set nothing up here."""
        items.sort(key=rank_count)

    def pytest_collection_finish(self, session):
        """Sort the tests by where they run."""
        for item in session.items:
            if rank_count(item) > 1:
                self.waiting[place(item)].append(item)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self):
        """Leave no job behind where the session ends before it."""
        try:
            return (yield)
        finally:
            if self.job:
                self.job.end()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item):
        """Report a parallel test; leave a serial one to pytest."""
        self.look_after_jobs()
        if rank_count(item) == 1:
            return None
        while item.nodeid not in self.reports:
            self.job.process.wait()
            self.look_after_jobs()
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in self.reports.pop(item.nodeid):
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def look_after_jobs(self):
        """Take the reports of a job that has ended, and start the next where none runs."""
        if self.job and self.job.process.poll() is not None:
            self.reports.update(self.job.settled())
            self.waiting[self.job.place] = [item for item in self.job.items if item.nodeid not in self.reports]
            self.job = None
        here = next((place for place in sorted(self.waiting, key=sum) if self.waiting[place]), None)
        if self.job is None and here:
            self.job = Job(self.config, here, self.waiting[here])


class Job:
    """An mpiexec that runs tests; its end comes: the ranks watch themselves, and mpiexec the whole."""

    def __init__(self, config, place, items):
        self.config, self.place, self.items = config, place, items
        self.directory = tempfile.TemporaryDirectory()
        self.record, tests, self.output = (Path(self.directory.name, name) for name in ("record", "tests", "output"))
        self.record.touch()
        tests.write_text("".join(f"{item.nodeid}\n" for item in items))
        limit = math.ceil((time_limit(config) + GRACE) * (len(items) + 1))
        environment = {**os.environ, RECORD: str(self.record), "MPIEXEC_TIMEOUT": str(limit)}
        option = config.option
        command = [*launcher(place), sys.executable, "-m", "pytest", f"@{tests}"]
        command += ["-p", "no:cacheprovider", "-p", "no:zarr"]  # a plugin that imports zarr, on every rank
        command += [f"--rootdir={config.rootpath}", f"--capture={option.capture}", f"--tb={option.tbstyle}"]
        with self.output.open("w") as file:
            pipes = {} if option.capture == "no" else {"stdout": file, "stderr": subprocess.STDOUT}
            self.process = subprocess.Popen(
                command, cwd=config.rootpath, env=environment, stdin=subprocess.DEVNULL, **pipes
            )

    def settled(self):
        """The reports of the tests that were run to their end, and a failure of the one that the job broke off at."""
        done = defaultdict(list)
        for line in self.record.read_text().splitlines():
            report = self.config.hook.pytest_report_from_serializable(config=self.config, data=json.loads(line))
            done[report.nodeid].append(report)
        reports = {name: those for name, those in done.items() if those[-1].when == "teardown"}
        left = [item for item in self.items if item.nodeid not in reports]
        if left:
            broken = next((item for item in left if item.nodeid in done), left[0])
            reports[broken.nodeid] = [self.failure(broken, "")]
        elif self.process.returncode and not any(report.failed for those in done.values() for report in those):
            reports[self.items[-1].nodeid].append(self.failure(self.items[-1], "after the last test "))
        self.directory.cleanup()
        return reports

    def failure(self, item, when):
        """A report that says how the job ended, and what it wrote."""
        text = f"{when}mpiexec returned {self.process.returncode}"
        wrote = [("What the ranks wrote", self.output.read_text(errors="replace"))]
        return pytest.TestReport(item.nodeid, item.location, {}, "failed", text, "call", sections=wrote)

    def end(self):
        """End it before its time."""
        self.process.terminate()
        self.process.wait()
        self.directory.cleanup()


def rank_count(item):
    """Return how many ranks a test is for, from the mark that mpi-pytest gives to each."""
    names = (re.fullmatch(r"parallel\[(\d+)\]", mark.name) for mark in item.iter_markers())
    return next(int(name[1]) for name in names if name)


def place(item):
    """Return on how many ranks of each host a test runs."""
    hosts = item.get_closest_marker("hosts")
    return hosts.args if hosts else (rank_count(item),)


def launcher(place):
    """Return the words before a command that is to run there."""
    if len(place) == 1:
        return ["mpiexec", "-n", str(place[0])]
    return [str(HOSTS), ",".join(map(str, place))]
