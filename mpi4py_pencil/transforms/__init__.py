"""What is computed along one axis, as descriptions: lengths, dtypes, and which points of a line are kept."""

from .fourier import Ball, Fourier
from .line import Edit, Line, Run, Transform, adjoint_of
from .maps import Legendre, LinearMap
from .trigonometric import DCT, DST, Chebyshev, Hartley

__all__ = [
    "DCT",
    "DST",
    "Ball",
    "Chebyshev",
    "Edit",
    "Fourier",
    "Hartley",
    "Legendre",
    "Line",
    "LinearMap",
    "Run",
    "Transform",
    "adjoint_of",
]
