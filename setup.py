"""Build the Cython kernels; everything else about the package is in pyproject.toml."""

from Cython.Build import cythonize
from setuptools import Extension, setup

kernels = Extension(
    "mpi4py_pencil._kernels",
    sources=["cython_kernels/kernels.pyx"],
    depends=["cython_kernels/copy.h", "cython_kernels/flags.h"],
    include_dirs=["cython_kernels"],
    extra_compile_args=["-O3"],
)

setup(ext_modules=cythonize([kernels], build_dir="build"))
