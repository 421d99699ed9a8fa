"""Arrays in files: numpy's own, checkpoints, and HDF5, NetCDF-4 and Zarr for those who look at the results."""

from .background import wait
from .checkpoints import Checkpoint, Checkpoints
from .fields import File
from .npy import load, save

__all__ = ["Checkpoint", "Checkpoints", "File", "load", "save", "wait"]
