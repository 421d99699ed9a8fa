"""A peer that is one process with threads: the program itself, and the ranks' end of the line to it.

It reads one JSON object (library, shape, threads, cpus, rest), plans, and answers with its version and the fingerprints
of its results; then for each line "forward" or "backward" it transforms once and answers with the seconds. It needs
numpy and its library, no MPI, so that it may run in another environment.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from fields import Array, everything, field, fingerprint

Calls = dict[str, Callable[[], Any]]


class Process:
    """The other process, as the rank that started it sees it."""

    def __init__(self, python: str, asked: dict[str, Any]) -> None:
        count = str(asked["threads"])
        environment = {**os.environ, "OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count}
        self._process = subprocess.Popen(
            [python, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.about = self.ask(asked)

    def ask(self, what: Any) -> Any:
        """Its answer."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the process was started without pipes")
        stdin.write(json.dumps(what) + "\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args} ended with status {self._process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        """Let it end."""
        self._process.communicate()


def mkl(u: Array, u_hat: Array, back: Array, threads: int) -> tuple[str, Calls]:
    """The transforms of Intel's library, which scales within."""
    mkl_fft = importlib.import_module("mkl_fft")
    calls = {
        "forward": lambda: mkl_fft.fftn(u, norm="forward", out=u_hat),
        "backward": lambda: mkl_fft.ifftn(u_hat, norm="forward", out=back),
    }
    return f"mkl_fft {mkl_fft.__version__}", calls


def ducc(u: Array, u_hat: Array, back: Array, threads: int) -> tuple[str, Calls]:
    """Those of ducc0, which scales within."""
    ducc0 = importlib.import_module("ducc0")
    calls = {
        "forward": lambda: ducc0.fft.c2c(u, out=u_hat, forward=True, inorm=2, nthreads=threads),
        "backward": lambda: ducc0.fft.c2c(u_hat, out=back, forward=False, inorm=0, nthreads=threads),
    }
    return f"ducc0 {ducc0.__version__}", calls


def fftw(u: Array, u_hat: Array, back: Array, threads: int) -> tuple[str, Calls]:
    """Those of the system's FFTW, MEASURE; it scales nothing, so the threads multiply after forward."""
    own = importlib.import_module("fftw")
    library = own.threaded(threads)
    execute = own.complex_plan(library, u, u_hat, own.FORWARD)
    backward = own.complex_plan(library, u_hat, back, own.BACKWARD)
    pool = ThreadPoolExecutor(threads)
    parts = np.array_split(u_hat, threads)
    scale = 1 / u.size

    def forward() -> None:
        execute()
        list(pool.map(lambda part: np.multiply(part, scale, out=part), parts))

    return own.version(library), {"forward": forward, "backward": backward}


LIBRARIES = {"MKL": mkl, "FFTW": fftw, "ducc0": ducc}


def prepare(asked: dict[str, Any]) -> tuple[dict[str, Any], Calls]:
    """What it says about itself, and the calls."""
    shape = tuple(asked["shape"])
    if hasattr(os, "sched_setaffinity"):  # a launcher may have bound the rank that started this to one core
        os.sched_setaffinity(0, asked["cpus"])
    aligned = importlib.import_module("fftw").aligned
    u, u_hat, back = (aligned(int(np.prod(shape)), complex).reshape(shape) for _ in range(3))
    start = time.perf_counter()
    version, calls = LIBRARIES[asked["library"]](u, u_hat, back, asked["threads"])
    plan = time.perf_counter() - start
    where = everything(shape)
    u[...] = field(shape, where, complex)
    for call in calls.values():
        call()
    prints = {name: plain(fingerprint(each, where)) for name, each in (("forward", u_hat), ("backward", back))}
    return {"version": version, "plan": plan, "fingerprints": prints}, calls


def plain(numbers: Array) -> list[list[float]]:
    """Complex numbers for JSON."""
    return [[each.real, each.imag] for each in numbers.tolist()]


def main() -> None:
    """Serve until the input ends."""
    asked = json.loads(sys.stdin.readline())
    try:
        about, calls = prepare(asked)
    except (ImportError, OSError) as error:
        about, calls = {"missing": f"{error} ({sys.executable})"}, {}
    print(json.dumps(about), flush=True)
    for line in sys.stdin:
        call = calls[json.loads(line)]
        start = time.perf_counter()
        call()
        seconds = time.perf_counter() - start
        time.sleep(asked["rest"])  # threads that wait for work, spinning, would take the cores from the ranks
        print(json.dumps(seconds), flush=True)


if __name__ == "__main__":
    main()
