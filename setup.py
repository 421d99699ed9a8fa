"""Build the Cython kernels; everything else about the package is in pyproject.toml."""

from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

vertical = Path("cython_kernels/vertical")
kernels = Extension(
    "mpi4py_pencil._kernels",
    sources=["cython_kernels/kernels.pyx", "cython_kernels/polling.c", *sorted(map(str, vertical.glob("*.c")))],
    depends=[
        "cython_kernels/copy.h",
        "cython_kernels/flags.h",
        "cython_kernels/philox.h",
        "cython_kernels/polling.h",
        "cython_kernels/slices.h",
        *map(str, vertical.glob("*.h")),
    ],
    include_dirs=["cython_kernels"],
    # the loops of small tiles lose a tenth where they happen to begin in the middle of what a processor fetches at once
    extra_compile_args=["-O3", "-falign-loops=32", "-g0"],
)

setup(ext_modules=cythonize([kernels], build_dir="build"))
