"""Build the Cython kernels; everything else about the package is in pyproject.toml."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

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


class SideBySide(build_ext):
    """Compiles the sources of the extension on all processors: its own option for this does several extensions."""

    def build_extensions(self):
        """Build with a compiler that is called once for each source."""
        compile_some = self.compiler.compile

        def compile_each(sources, **how):
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                return [o for some in pool.map(lambda source: compile_some([source], **how), sources) for o in some]

        self.compiler.compile = compile_each
        super().build_extensions()


setup(ext_modules=cythonize([kernels], build_dir="build"), cmdclass={"build_ext": SideBySide})
