"""Which engines there are to test: MKL runs on some machines only, and not in long double."""

from importlib.util import find_spec

import numpy as np
import pytest

from mpi4py_pencil.engines import ENGINES
from mpi4py_pencil.engines.with_vertical import instruction_set

# What plans of Fourier transforms take here where nothing is given.
DEFAULT = "vertical" if instruction_set()[1] >= 32 else "pyfftw"

LIBRARIES = {
    "pyfftw": "pyfftw",
    "vertical": "pyfftw",  # which transforms what it does not know
    "mkl": "mkl_fft",
    "ducc": "ducc0",
    "scipy": "scipy",
    "numpy": "numpy",
}


def engines(dtype=float):
    """Return the names of the engines that are installed and transform numbers of this precision."""
    here = [name for name in ENGINES if find_spec(LIBRARIES[name])]
    return [name for name in here if name != "mkl" or np.dtype(dtype).char not in "gG"]


def each_engine(dtypes):
    """Return a mark that runs a test for each pair of an engine, installed or skipped, and a dtype that it knows."""
    return pytest.mark.parametrize(
        ("name", "dtype"),
        [
            pytest.param(
                name,
                dtype,
                id=f"{name}-{dtype.name}",
                marks=pytest.mark.skipif(not find_spec(LIBRARIES[name]), reason=f"{LIBRARIES[name]} is not installed"),
            )
            for name in ENGINES
            for dtype in dtypes
            if name != "mkl" or dtype.char not in "gG"
        ],
    )
