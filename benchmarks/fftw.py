"""FFTW itself, by ctypes: as one process with threads, and with MPI.

FFTW_MPI_LIBRARY in the environment names the libfftw3_mpi that was built for the MPI library in use; without it the
system's is tried. Only double precision.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Callable, Sequence
from ctypes.util import find_library
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mpi4py import MPI

Array = np.ndarray[Any, Any]
Library = Any

MEASURE = 0
FORWARD, BACKWARD = -1, 1
HOW = "build FFTW with --enable-mpi --enable-shared for this MPI library and set FFTW_MPI_LIBRARY (docs/benchmarks.md)"


def aligned(items: int, dtype: Any) -> Array:
    """Memory that begins at a cache line, as FFTW's own allocation gives it."""
    kind = np.dtype(dtype)
    buffer = np.zeros(items * kind.itemsize + 64, np.uint8)
    start = -buffer.ctypes.data % 64
    return buffer[start : start + items * kind.itemsize].view(kind)


def version(library: Library) -> str:
    """What the library calls itself."""
    return (ctypes.c_char * 64).in_dll(library, "fftw_version").value.decode()


def _executor(library: Library, plan: Any, *used: Array) -> Callable[[], None]:
    """A plan's execution; the arrays are kept for as long as it is."""
    if not plan:
        raise RuntimeError("FFTW made no plan")

    def execute(_: Any = used) -> None:
        library.fftw_execute(ctypes.c_void_p(plan))

    return execute


def threaded(threads: int) -> Library:
    """The system's FFTW, set to plan for that many threads.

    Raises
    ------
    OSError
        Where there is none.
    """
    path = find_library("fftw3_omp") or find_library("fftw3_threads")
    if path is None:
        raise OSError("no libfftw3_omp nor libfftw3_threads: install FFTW 3 (Debian: libfftw3-double3)")
    library = ctypes.CDLL(path)
    library.fftw_plan_dft.restype = ctypes.c_void_p
    if not library.fftw_init_threads():
        raise OSError(f"{path} cannot start threads")
    library.fftw_plan_with_nthreads(threads)
    return library


def complex_plan(library: Library, source: Array, target: Array, sign: int) -> Callable[[], None]:
    """A transform of whole complex arrays, planned by measuring, not scaled. What the arrays hold is lost."""
    lengths = (ctypes.c_int * source.ndim)(*source.shape)
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (source, target)]
    plan = library.fftw_plan_dft(source.ndim, lengths, *pointers, sign, ctypes.c_uint(MEASURE))
    return _executor(library, plan, source, target)


def with_mpi(comm: MPI.Intracomm) -> Library:
    """FFTW-MPI, once it has transformed a small array rightly. Collective.

    Raises
    ------
    OSError
        On every rank, where it cannot be loaded or was built for another MPI library.
    """
    library = _loaded(comm)
    library.fftw_mpi_init()
    shape = (5, 6, 4)
    block, where, plan = mpi_block(library, comm, shape, complex)
    target = aligned(block.size, complex)
    execute = mpi_plan(library, comm, shape, block, target, FORWARD)
    whole = np.random.default_rng(1).random(shape) + 1j
    view(block, plan)[...] = whole[where]
    execute()
    right = np.allclose(view(target, plan), np.fft.fftn(whole)[where])
    if not all(comm.allgather(right)):
        raise OSError(f"{library._name} transforms wrongly: {HOW}")
    return library


def _loaded(comm: MPI.Intracomm) -> Library:
    """libfftw3_mpi, with the MPI library that this process has already, on every rank."""
    path = os.environ.get("FFTW_MPI_LIBRARY") or find_library("fftw3_mpi")
    before = _mpi_libraries()
    library, problem = None, None
    try:
        library = ctypes.CDLL(path) if path else None
    except OSError as error:
        problem = f"{error}: {HOW}"
    other = _mpi_libraries() - before
    if path is None:
        problem = f"no libfftw3_mpi: {HOW}"
    elif other:
        problem = f"{path} was built for another MPI library, {', '.join(sorted(other))}: {HOW}"
    problems = [each for each in comm.allgather(problem) if each]
    if problems:
        raise OSError(problems[0])
    for name in ("", "_r2c", "_c2r"):
        getattr(library, f"fftw_mpi_plan_dft{name}_f03").restype = ctypes.c_void_p
    library.fftw_mpi_local_size_f03.restype = ctypes.c_ssize_t
    return library


def _mpi_libraries() -> set[str]:
    """The MPI libraries in this process, as far as the system tells."""
    maps = Path("/proc/self/maps")
    return set(re.findall(r"/\S*/(libmpi\w*\.so\S*)", maps.read_text())) if maps.exists() else set()


Layout = tuple[tuple[int, ...], int]
"""The shape of a block in memory, and how many points of its last axis are data."""


def view(memory: Array, layout: Layout) -> Array:
    """The block in a buffer of FFTW-MPI: real lines are as long as two for each mode."""
    shape, last = layout
    return memory[: int(np.prod(shape))].reshape(shape)[..., :last]


def mpi_block(
    library: Library, comm: MPI.Intracomm, shape: Sequence[int], dtype: Any
) -> tuple[Array, tuple[slice, ...], Layout]:
    """Memory for this rank's slab of an array of that shape, which slab it is, and how it lies in the memory.

    For real data the memory is that of the modes, twice as many real numbers.
    """
    real = np.dtype(dtype).kind == "f"
    modes = (*shape[:-1], shape[-1] // 2 + 1) if real else tuple(shape)
    count, start = ctypes.c_ssize_t(), ctypes.c_ssize_t()
    lengths = (ctypes.c_ssize_t * len(modes))(*modes)
    items = library.fftw_mpi_local_size_f03(len(modes), lengths, comm.py2f(), ctypes.byref(count), ctypes.byref(start))
    where = (slice(start.value, start.value + count.value), *(slice(0, n) for n in shape[1:]))
    line = 2 * modes[-1] if real else modes[-1]
    return aligned((1 + real) * items, dtype), where, ((count.value, *shape[1:-1], line), shape[-1])


def mpi_plan(
    library: Library, comm: MPI.Intracomm, shape: Sequence[int], source: Array, target: Array, sign: int
) -> Callable[[], None]:
    """A transform of slabs into slabs along the same axis, planned by measuring, not scaled. Collective.

    What the arrays hold is lost.
    """
    kinds = source.dtype.kind + target.dtype.kind
    name = {"cc": "", "fc": "_r2c", "cf": "_c2r"}[kinds]
    signs = [sign] if kinds == "cc" else []
    lengths = (ctypes.c_ssize_t * len(shape))(*shape)
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (source, target)]
    plan = getattr(library, f"fftw_mpi_plan_dft{name}_f03")(
        len(shape), lengths, *pointers, comm.py2f(), *signs, ctypes.c_uint(MEASURE)
    )
    return _executor(library, plan, source, target)
