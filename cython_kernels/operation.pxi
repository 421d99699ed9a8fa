def address(array):
    """Of an array's first item, of whatever type, whether or not it may be written."""
    cdef Py_buffer view
    PyObject_GetBuffer(array, &view, PyBUF_STRIDES)
    cdef Py_ssize_t at = <Py_ssize_t>view.buf
    PyBuffer_Release(&view)
    return at


# What an operation does between two origins, over a range of its count; negative where it has raised an exception.
ctypedef int (*operate)(void *data, char *source, char *target, Py_ssize_t start, Py_ssize_t stop,
                        bint normalize) except -1 nogil


cdef int nothing(void *data, char *source, char *target, Py_ssize_t start, Py_ssize_t stop,
                 bint normalize) except -1 nogil:
    return 0


cdef class Operation:
    """What can be done to memory in one go; this one does nothing.

    Attributes
    ----------
    count : int
        It covers range(count), and may be asked for a part of that.
    essential : bool
        Whether other ranks wait for it: it is carried out also after an operation before it has failed.
    """

    cdef operate function
    cdef void *data
    cdef readonly Py_ssize_t count
    cdef readonly bint essential

    def __cinit__(self):
        self.function = nothing
        self.count = 1

    def run(self, Py_ssize_t source_at, Py_ssize_t target_at, Py_ssize_t start, Py_ssize_t stop, bint normalize):
        """Carry out the range [start, stop); the origins are addresses."""
        with nogil:
            self.function(self.data, <char *>source_at, <char *>target_at, start, stop, normalize)

    def __call__(self, Py_ssize_t source_at=0, Py_ssize_t target_at=0, bint normalize=False):
        """Carry out all of it."""
        self.run(source_at, target_at, 0, self.count, normalize)


cdef class Call(Operation):
    """A call of Python's.

    Parameters
    ----------
    function : callable
        Called with the two origins.
    essential : bool
        Whether other ranks wait for it.
    abandoned : callable, optional
        Called without arguments where a program of which it is a part ends in an error that leaves ranks out of step.
    """

    cdef object called, abandoned

    def __init__(self, called, bint essential=False, abandoned=None):
        self.called = called
        self.essential = essential
        self.abandoned = abandoned
        self.function, self.data = run_call, <void *>self


cdef int run_call(void *data, char *source, char *target, Py_ssize_t start, Py_ssize_t stop,
                  bint normalize) except -1 with gil:
    (<Call>data).called(<Py_ssize_t>source, <Py_ssize_t>target)
    return 0


cdef class Each(Operation):
    """A call of Python's for every part of a range that is asked for.

    Parameters
    ----------
    count : int
        The whole range.
    function : callable
        Called with where a part starts and stops.
    """

    cdef object called

    def __init__(self, Py_ssize_t count, called):
        self.count = count
        self.called = called
        self.function, self.data = run_each, <void *>self


cdef int run_each(void *data, char *source, char *target, Py_ssize_t start, Py_ssize_t stop,
                  bint normalize) except -1 with gil:
    (<Each>data).called(start, stop)
    return 0


# A compiled function of the user's: items of a tile, the first component of what goes in and the items from one to the
# next, the same of what comes out, and numbers of the call. It returns 0 where all is well.
ctypedef int (*foreign)(Py_ssize_t points, const void *x, Py_ssize_t step, void *out, Py_ssize_t out_step,
                        const double *values) noexcept nogil

cdef struct foreign_call:
    foreign function
    char *x
    char *out
    Py_ssize_t step, out_step, points, plane_bytes
    const double *values


cdef class Foreign(Operation):
    """A compiled function that is applied to the tiles of planes, without Python.

    Parameters
    ----------
    count : int
        The planes in all; those of a range lie one after the other from the same place on.
    function : int
        The address of the function.
    tiles : pair of (address, step)
        What goes in and what comes out: of the first plane, and items from component to component.
    points, plane_bytes : int
        Items of a tile, and bytes from plane to plane.
    values : array of float
        Numbers that the function is given; they may change from call to call.
    """

    cdef foreign_call call
    cdef object values

    def __init__(self, Py_ssize_t count, Py_ssize_t function, tiles, Py_ssize_t points, Py_ssize_t plane_bytes,
                 double[::1] values):
        cdef foreign_call *c = &self.call
        cdef Py_ssize_t x, out
        self.count = count
        x, c.step = tiles[0]
        out, c.out_step = tiles[1]
        c.function, c.x, c.out = <foreign>function, <char *>x, <char *>out
        c.points, c.plane_bytes, c.values = points, plane_bytes, &values[0]
        self.values = values
        self.function, self.data = run_foreign, <void *>c


cdef int run_foreign(void *data, char *source, char *target, Py_ssize_t start, Py_ssize_t stop,
                     bint normalize) except -1 nogil:
    cdef const foreign_call *c = <const foreign_call *>data
    cdef Py_ssize_t plane
    cdef int status
    for plane in range(stop - start):
        status = c.function(c.points, c.x + plane * c.plane_bytes, c.step, c.out + plane * c.plane_bytes, c.out_step,
                            c.values)
        if status:
            with gil:
                raise RuntimeError(f"the compiled function returned {status}, where 0 says that all is well")
    return 0
