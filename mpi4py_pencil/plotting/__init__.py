"""Pictures: flows, curves beside fields, and how arrays are divided.

Nothing here draws on a display or touches pyplot's global state: each function returns a matplotlib Figure,
which `save` writes as a PNG.
"""

try:
    import matplotlib  # noqa: F401 - the files below take it for granted
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "mpi4py_pencil.plotting needs matplotlib: pip install 'mpi4py-pencil[cli]'", name="matplotlib"
    ) from error

from .distributions import Blocks, gather_blocks, plot_blocks, plot_owners, plot_slice
from .flows import plot_flow
from .panels import Bars, Curves, Plane, plot_convergence, plot_panels
from .paper import save
from .pencils import Layout, gather_layout, plot_pencils

__all__ = [
    "Bars",
    "Blocks",
    "Curves",
    "Layout",
    "Plane",
    "gather_blocks",
    "gather_layout",
    "plot_blocks",
    "plot_convergence",
    "plot_flow",
    "plot_owners",
    "plot_panels",
    "plot_pencils",
    "plot_slice",
    "save",
]
