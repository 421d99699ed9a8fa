"""``mpi4py_fft.fftw``: FFTW's transforms of one rank's arrays, through pyfftw."""

from . import factory, library, utilities, xfftn  # noqa: F401
from .factory import *  # noqa: F403 - all their names
from .utilities import *  # noqa: F403
from .xfftn import *  # noqa: F403

# FFTW in each precision, which are modules there
fftwf_xfftn, fftw_xfftn, fftwl_xfftn = (factory.fftlib[char] for char in "FDG")
