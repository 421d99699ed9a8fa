"""Programs written for mpi4py-fft, run unmodified: each in processes of its own, since they take that name."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PROGRAM = Path(__file__).with_name("compat_program.py")


def run(*words, directory=None, ranks=0):
    command = (["mpiexec", "-n", str(ranks)] if ranks else []) + [sys.executable, *map(str, words)]
    environment = {**os.environ, "MPIEXEC_TIMEOUT": "110"}
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=115)


@pytest.mark.parametrize("ranks", [1, 4])
def test_a_program_that_checks_what_it_is_given(ranks):
    done = run("-m", "mpi4py_pencil.compat", PROGRAM, "all", "well", ranks=ranks)
    if done.stdout != f"all well on {ranks}\n":
        pytest.fail(f"status {done.returncode}:\n{done.stdout}\n{done.stderr}")


def test_programs_and_modules_are_run_as_by_python(tmp_path):
    """With their arguments, their folder, and their exit status; mpi4py_fft need not be installed."""
    (tmp_path / "beside.py").write_text("import mpi4py_fft.fftw as fftw\nname = fftw.__name__\n")
    (tmp_path / "program.py").write_text(
        "import sys, beside\nfrom mpi4py_fft.fftw.xfftn import dctn\nfrom mpi4py_fft.io import HDF5File\n"
        "print(__name__, sys.argv[1:], beside.name)\nsys.exit(3)\n"
    )
    done = run("-m", "mpi4py_pencil.compat", tmp_path / "program.py", "-x", "1")
    expected = "__main__ ['-x', '1'] mpi4py_pencil.compat.fftw\n"
    np.testing.assert_equal((done.stdout, done.returncode), (expected, 3), done.stderr)
    done = run("-m", "mpi4py_pencil.compat", "-m", "program", "2", directory=tmp_path)
    np.testing.assert_equal((done.stdout, done.returncode), (expected.replace("'-x', '1'", "'2'"), 3), done.stderr)


def test_nothing_of_it_is_imported_unless_asked_for_and_it_comes_first(tmp_path):
    """Nor is what takes long to import and may never be used."""
    (tmp_path / "mpi4py_fft.py").write_text("")
    program = (
        "import sys\nimport mpi4py_pencil, mpi4py_pencil.arrays\n"
        "print([name for name in sys.modules if name.startswith(("
        "'mpi4py_pencil.compat', 'mpi4py_fft', 'pyfftw', 'scipy', 'h5py', 'matplotlib', 'urllib.request'))])\n"
        "import mpi4py_fft\n"
        "try:\n    import mpi4py_pencil.compat\nexcept ImportError as error:\n    print(error)\n"
    )
    (tmp_path / "program.py").write_text(program)
    done = run("program.py", directory=tmp_path)
    nothing, refusal = done.stdout.splitlines() or [done.stderr, ""]
    np.testing.assert_equal(nothing, "[]")
    if not refusal.startswith(f"mpi4py_fft has been imported before, from {tmp_path}"):
        pytest.fail(refusal)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="no glibc here, of whose allocator this is")
def test_temporary_arrays_are_not_mapped_afresh_in_each_step():
    """As they are not where FFTW has planned: what it frees is what glibc learns from."""
    program = (
        "import resource\nimport numpy as np\nimport mpi4py_pencil.compat\n"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "u = np.ones((3, 1 << 16), complex)\n"
        "for _ in range(3):\n    before = faults()\n    v = [3 * (u * u - u) + 1j * (u * u) for _ in range(2)]\n"
        "    after = faults()\n    del v\nprint(after - before, 2 * u.nbytes // resource.getpagesize())"
    )
    done = run("-c", program)
    faults, pages = map(int, done.stdout.split() or pytest.fail(done.stderr))
    if faults > pages // 4:
        pytest.fail(f"{faults} pages were mapped afresh in a step that makes arrays of {pages} pages")
