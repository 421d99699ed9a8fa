"""Pencil-decomposed transposes and parallel FFTs for spectral solvers."""

from . import installation, files, spectral  # noqa: F401, I001 - the first says what is missing before others miss it
from .distarray import DistArray
from .fft1d import FFT1D
from .layout.pencil import Pencil
from .layout.subcomm import Subcomm
from .pfft import PFFT, newDistArray
from .transfer import Transfer
from .transforms import DCT, DST, Ball, Chebyshev, Fourier, Hartley, Legendre, LinearMap

__version__ = "0.1.0"

__all__ = [
    "DCT",
    "DST",
    "FFT1D",
    "PFFT",
    "Ball",
    "Chebyshev",
    "DistArray",
    "Fourier",
    "Hartley",
    "Legendre",
    "LinearMap",
    "Pencil",
    "Subcomm",
    "Transfer",
    "files",
    "newDistArray",
    "spectral",
]
