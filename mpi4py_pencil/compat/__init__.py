"""Programs that were written for mpi4py-fft, unmodified: its modules, by our own transforms and redistributions.

``python -m mpi4py_pencil.compat program.py`` runs one; ``import mpi4py_pencil.compat`` before ``import mpi4py_fft``
does the same for what follows. Then this package is what is found under the name ``mpi4py_fft``, and its modules under
those there: `pencil`, `distarray`, `mpifft`, `libfft`, `fftw` and `io`.

Nothing of it is imported unless it is asked for, and nothing else in the package knows of it.
"""

from . import distarray, fftw, io, libfft, mpifft, pencil
from .distarray import DistArray, Function, newDistArray
from .fftw import fftlib
from .io import HDF5File, NCFile, generate_xdmf
from .mpifft import PFFT
from .programs import keep_freed_memory
from .registration import register

# Of the release whose interface it has.
__version__ = "2.0.6"

__all__ = [
    "PFFT",
    "DistArray",
    "Function",
    "HDF5File",
    "NCFile",
    "distarray",
    "fftlib",
    "fftw",
    "generate_xdmf",
    "io",
    "libfft",
    "mpifft",
    "newDistArray",
    "pencil",
]

register(__name__)
keep_freed_memory()
