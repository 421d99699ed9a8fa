"""Pencil-decomposed transposes and parallel FFTs for spectral solvers."""

from .distarray import DistArray
from .four_step import FFT1D
from .pencil import Pencil
from .pfft import PFFT, newDistArray
from .subcomm import Subcomm
from .transfer import Transfer

__all__ = ["FFT1D", "PFFT", "DistArray", "Pencil", "Subcomm", "Transfer", "newDistArray"]
