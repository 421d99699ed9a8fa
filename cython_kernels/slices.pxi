def largest(Py_ssize_t at, table, Py_ssize_t most, Py_ssize_t odd, bint double):
    """Of each column of an array of floating numbers the largest absolute, and 0, or nan if one is not finite."""
    cdef Py_ssize_t rows, row, columns, column
    rows, row, columns, column = table
    with nogil:
        if double:
            largest_f8(<const double *>at, rows, row, columns, column, <double *>most, <double *>odd)
        else:
            largest_f16(<const long double *>at, rows, row, columns, column, <long double *>most, <long double *>odd)


def slices(Py_ssize_t at, table, Py_ssize_t shifts, Py_ssize_t sums, bint double):
    """Of each column of an array of floating numbers the sums of its slices by three shifts: see slices.h.

    Parameters
    ----------
    at : int
        The array's address.
    table : tuple of four int
        How many rows there are, the step between them in numbers, and the same of the columns.
    shifts, sums : int
        The addresses of three rows of numbers, one for each column.
    double : bool
        Whether they are of double precision; else they are long.
    """
    cdef Py_ssize_t rows, row, columns, column
    rows, row, columns, column = table
    with nogil:
        if double:
            slices_f8(<const double *>at, rows, row, columns, column, <const double *>shifts, <double *>sums)
        else:
            slices_f16(<const long double *>at, rows, row, columns, column, <const long double *>shifts,
                       <long double *>sums)
