"""``python -m mpi4py_pencil`` is the command ``mpi4py-pencil``."""

from mpi4py_pencil.cli import main

if __name__ == "__main__":
    main()
