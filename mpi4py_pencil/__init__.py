"""Pencil-decomposed transposes and parallel FFTs for spectral solvers."""

from . import spectral
from .distarray import DistArray
from .pencil import Pencil
from .pfft import PFFT, newDistArray
from .subcomm import Subcomm
from .transfer import Transfer

__all__ = ["PFFT", "DistArray", "Pencil", "Subcomm", "Transfer", "newDistArray", "spectral"]
