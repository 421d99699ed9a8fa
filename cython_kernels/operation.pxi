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
    """

    cdef object called

    def __init__(self, called, bint essential=False):
        self.called = called
        self.essential = essential
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
