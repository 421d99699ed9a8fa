"""What solvers do with modes, those that ``PFFT.forward`` makes: derivatives, projections, energies, random fields.

Most functions take modes and return modes: this rank's block, with any leading component axes. Nothing is sent but by
the functions that say so: sums over all ranks. Work is done in the precision of the modes.

The box has the length `lengths` along each axis: one number, or one for each axis; 2π by default. Axes with a cosine or
sine transform have wave numbers, and so derivatives of even order: those of odd order are sines of cosines, and the
other way round, which are no modes of that axis. Axes with a Chebyshev or Legendre series are [-1, 1], whatever
`lengths` are, and have derivatives of any order.

Where an axis has an even number of modes, the highest, the Nyquist mode, stands for a cosine alone. Derivatives of odd
order of it are sines that no mode stands for, and that vanish at the points of an unpadded grid: they are zero here, as
those of the trigonometric interpolant are at its points. Even orders keep it. (L. N. Trefethen, Spectral Methods in
MATLAB, SIAM 2000, chapter 3.) So the divergence of a gradient is the Laplacian but for Nyquist modes.
"""

from .derivatives import curl, derivative, divergence, gradient, inverse_curl, inverse_laplacian, laplacian
from .energies import energy, enstrophy, spectrum
from .fields import cross, random_field
from .projections import dealias, project

__all__ = [
    "cross",
    "curl",
    "dealias",
    "derivative",
    "divergence",
    "energy",
    "enstrophy",
    "gradient",
    "inverse_curl",
    "inverse_laplacian",
    "laplacian",
    "project",
    "random_field",
    "spectrum",
]
