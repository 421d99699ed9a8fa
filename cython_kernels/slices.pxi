def known_sums(Py_ssize_t at, table, Py_ssize_t work, Py_ssize_t state, bint double):
    """What is known of the sum of each column of an array of floating numbers: see slices.h.

    Parameters
    ----------
    at : int
        The array's address.
    table : tuple of four int
        How many rows there are, the step between them in numbers, and the same of the columns.
    work : int
        The address of room for eight numbers of each column.
    state : int
        The address of ten rows of whole numbers of 64 bits, one for each column.
    double : bool
        Whether the numbers are of double precision; else they are long.
    """
    cdef Py_ssize_t rows, row, columns, column
    rows, row, columns, column = table
    with nogil:
        if double:
            sums_f8_known(<const double *>at, rows, row, columns, column, <double *>work, <int64_t *>state)
        else:
            sums_f16_known(<const long double *>at, rows, row, columns, column, <long double *>work, <int64_t *>state)


def lower_sums(Py_ssize_t state, Py_ssize_t columns, Py_ssize_t top):
    """Let what is known of sums count from other bins on, none of which is below their own."""
    with nogil:
        lower_slices(<int64_t *>state, columns, <const int64_t *>top)


def rounded_sums(Py_ssize_t state, Py_ssize_t columns, Py_ssize_t totals, bint double):
    """Sums as floating numbers."""
    with nogil:
        if double:
            sums_f8_rounded(<const int64_t *>state, columns, <double *>totals)
        else:
            sums_f16_rounded(<const int64_t *>state, columns, <long double *>totals)
