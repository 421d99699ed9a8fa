"""The name ``mpi4py_fft``, and those of its modules, for this package."""

from __future__ import annotations

import sys

_NAME = "mpi4py_fft"


def register(package: str) -> None:
    """Have all imported modules of a package found under the name of mpi4py-fft.

    Raises
    ------
    ImportError
        Where mpi4py-fft itself has been imported: what has taken its classes would not belong to what takes ours.
    """
    there = sys.modules.get(_NAME)
    if there is not None and there is not sys.modules[package]:
        raise ImportError(
            f"mpi4py_fft has been imported before, from {getattr(there, '__file__', 'nowhere')}: import "
            "mpi4py_pencil.compat first, or run the program by python -m mpi4py_pencil.compat"
        )
    for name, module in list(sys.modules.items()):
        if name == package or name.startswith(package + "."):
            sys.modules[_NAME + name.removeprefix(package)] = module
    fftw = sys.modules[f"{package}.fftw"]
    for precision in ("fftwf_xfftn", "fftw_xfftn", "fftwl_xfftn"):
        sys.modules[f"{_NAME}.fftw.{precision}"] = getattr(fftw, precision)
