"""Kill a program that saves checkpoints, again and again, and look at what it has left.

    python benchmarks/kills.py --kills 200 --ranks 2

Each time a rank, or mpiexec, is killed (SIGKILL) at a random moment; then the last checkpoint of which a rank had been
told must be there, and the last one of all must hold what was saved. With ``--jobs 2`` two programs write to the same
directory. Every second program saves while it goes on.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import suppress
from pathlib import Path

SHAPE = (40, 60, 80)


def main() -> None:
    """Run the command, or one rank of a program that is to be killed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--directory", default=None, help="where to write; a temporary directory by default")
    parser.add_argument("--rank-of", metavar="JOB", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--wait", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.rank_of is not None:
        save_for_ever(Path(asked.directory), asked.rank_of, asked.jobs, bool(asked.wait))
    with tempfile.TemporaryDirectory(dir=asked.directory) as directory:
        print(kill_often(Path(directory), asked.kills, asked.ranks, asked.jobs, asked.seed))


def value(step: int) -> float:
    """What all points of the array have at a step."""
    return step + 0.25


def save_for_ever(directory: Path, job: int, jobs: int, wait: bool) -> None:
    """Save checkpoints, one after the other, and tell of each that is there."""
    from mpi4py import MPI

    from mpi4py_pencil import PFFT, files, newDistArray

    rank = MPI.COMM_WORLD.rank
    (directory / f"rank-{os.getpid()}").touch()
    fft = PFFT(MPI.COMM_WORLD, SHAPE)
    checkpoints = files.Checkpoints(directory / "run")
    u = newDistArray(fft, False)
    step = job
    if checkpoints.latest() is not None:
        step = (checkpoints.load(like={}).step // jobs + 1) * jobs + job
    with (directory / "told").open("a") as told:
        before = None
        while True:
            u[...] = value(step)
            checkpoints.save(step, {"u": u, "modes": (fft.forward(u), fft.output)}, wait=wait, value=value(step))
            there = step if wait else before
            if rank == 0 and there is not None:
                told.write(f"{there}\n")
                told.flush()
            before = step
            step += jobs


def kill_often(directory: Path, kills: int, ranks: int, jobs: int, seed: int) -> str:
    """Kill programs so many times; return what happened. An AssertionError tells of what was lost."""
    chance = random.Random(seed)
    saved = 0
    for kill in range(kills):
        programs = [start(directory, ranks, job, jobs, (kill + job) % 2) for job in range(jobs)]
        while len(list(directory.glob("rank-*"))) < jobs * ranks:
            time.sleep(0.01)
            if any(program.poll() is not None for program in programs):
                raise AssertionError(f"a program has ended by itself, with status {programs[0].wait()}")
        time.sleep(chance.uniform(0.1, 1.0))
        pids = [int(path.name.partition("-")[2]) for path in directory.glob("rank-*")]
        with suppress(ProcessLookupError):
            os.kill(chance.choice([*pids, programs[0].pid]), signal.SIGKILL)
        time.sleep(chance.uniform(0, 0.05))
        end(programs, pids)
        saved += look(directory / "run", directory / "told")
        for path in directory.glob("rank-*"):
            path.unlink()
    return f"{kills} kills of {jobs} x {ranks} ranks: {saved} checkpoints were told of, none of the last is lost"


def start(directory: Path, ranks: int, job: int, jobs: int, wait: int) -> subprocess.Popen[bytes]:
    """Start a program."""
    options = ["--directory", str(directory), "--rank-of", str(job), "--jobs", str(jobs), "--wait", str(wait)]
    command = ["mpiexec", "-n", str(ranks), sys.executable, __file__, *options]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def end(programs: list[subprocess.Popen[bytes]], pids: list[int]) -> None:
    """End what is left of programs of which one process was killed."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for program in programs:
        try:
            program.wait(timeout=10)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()
    while any(Path(f"/proc/{pid}").exists() and alive(pid) for pid in pids):
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether a process runs, and is not just not waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def look(run: Path, told: Path) -> int:
    """Return of how many checkpoints programs were told since last time, if the last of them is there and whole."""
    import numpy as np
    from mpi4py import MPI

    from mpi4py_pencil import files

    steps = [int(line) for line in told.read_text().splitlines()] if told.exists() else []
    there = files.Checkpoints(run, comm=MPI.COMM_SELF)
    last = there.latest()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for step in {steps[-1] if steps else last, last} - {None}:
            found = there.load(step)
            wrong = found.attrs["value"] != value(step) or (np.asarray(found.state["u"]) != value(step)).any()
            if wrong or found.state["modes"][0, 0, 0] != value(step):
                raise AssertionError(f"the checkpoint of step {step} holds something else than was saved")
    told.write_text("")
    return len(steps)


if __name__ == "__main__":
    main()
