"""The ground every test stands on, whether pytest was started alone or by mpiexec.

``python -m pytest`` runs everything, the tests marked ``parallel`` in one job per rank count (see jobs.py).
``mpiexec -n 3 python -m pytest -m "parallel[3]"`` runs those for three ranks. ``python -m pytest tests/hosts`` runs
what needs several hosts, which are emulated.

The tests must be able to fail under ``python -O`` too, where ``assert`` statements vanish: they use ``support.check``,
``support.everywhere`` and ``numpy.testing``, which raise. Property tests import Hypothesis through ``lockstep``.
"""

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from mpi4py import MPI
from support import SEED

pytest_plugins = ["watchdog", "ranks", "jobs"]

# Defaults for the ranks that the session starts; what the user has set in the environment wins.
ENVIRONMENT = {
    # Open MPI refuses to run as root, which is what most containers run as.
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    # Open MPI refuses more ranks than cores.
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    # All ranks of a test share a node; probing for networks takes Open MPI a second per start.
    "OMPI_MCA_btl": "self,sm",
    # Open MPI 5.0.11 prints a line about OSC UCX whenever a window is made on a node without UCX.
    "OMPI_MCA_osc": "^ucx",
    # Of more ranks than cores those that wait must sleep: MPICH's keep the cores from the others otherwise.
    "MPIR_CVAR_ENABLE_HEAVY_YIELD": "1",
    # Six ranks with a thread per core each would mostly wait for one another.
    "OMP_NUM_THREADS": "1",
}


def _prepare_environment():
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # Neither read nor write what the user has measured.
    os.environ["MPI4PY_PENCIL_WISDOM"] = ""
    # A virtual environment that is not activated is not on PATH, and mpiexec lies in it.
    programs = str(Path(sys.executable).parent)
    os.environ["PATH"] = os.pathsep.join([programs, os.environ.get("PATH", os.defpath)])
    # Some hundreds of processes are started: what is compiled once need not be by each of them.
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # For the processes that tests and sessions start.
    if sys.flags.optimize:
        os.environ["PYTHONOPTIMIZE"] = str(sys.flags.optimize)


_prepare_environment()


def pytest_report_header():
    """Say what a failure depends on."""
    library = MPI.Get_library_version().splitlines()[0].strip("\0 ")
    packages = ", ".join(f"{name} {version(name)}" for name in ("mpi4py", "numpy", "pyfftw"))
    return [
        f"MPI: {library}; {MPI.COMM_WORLD.size} rank(s) here",
        f"{packages}; Python {platform.python_version()}, optimize={sys.flags.optimize}; seed {SEED}",
    ]


def pytest_collection_modifyitems(items):
    """Refuse property tests whose ranks could draw different examples."""
    for item in items:
        used = getattr(item.obj, "_hypothesis_internal_use_settings", None)
        if used is not None and not used.derandomize:
            raise pytest.UsageError(f"{item.nodeid}: import given and settings from lockstep")
