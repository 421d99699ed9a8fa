"""Small complete programs that use mpi4py_pencil, written to be read and copied."""
