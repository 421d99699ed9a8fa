"""``mpi4py_fft.io``: fields in HDF5 and NetCDF-4 files, by an h5py without MPI."""

from .file_base import FileBase
from .generate_xdmf import generate_xdmf
from .h5py_file import HDF5File
from .nc_file import NCFile

__all__ = ["FileBase", "HDF5File", "NCFile", "generate_xdmf"]
