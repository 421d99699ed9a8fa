"""Arrays in files: numpy's own, checkpoints, and HDF5 and NetCDF-4 for those who look at the results."""

from .checkpoints import Checkpoint, Checkpoints
from .hdf5 import File
from .npy import load, save

__all__ = ["Checkpoint", "Checkpoints", "File", "load", "save"]
