"""Run a program for which this package is mpi4py-fft.

``python -m mpi4py_pencil.compat program.py arguments``, or ``-m module arguments``, as Python itself takes them.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import mpi4py_pencil.compat  # noqa: F401 - takes the name mpi4py_fft

_USAGE = "usage: python -m mpi4py_pencil.compat [-m] program [arguments]"


def main() -> None:
    """Run what the command line names, as if Python had been called with it."""
    words = sys.argv[1:]
    if not words or words == ["-m"]:
        sys.exit(_USAGE)
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        return
    sys.argv = words
    sys.path[0] = str(Path(words[0]).resolve().parent)
    runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    main()
