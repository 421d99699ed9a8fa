cdef class Mapping:
    """The bytes of a file as memory that is shared with all who map it, for as long as this object or a view of it is.

    Python's own mmap holds on to a descriptor, of which a process has not many.
    """

    cdef char *at
    cdef Py_ssize_t nbytes

    def __cinit__(self, int descriptor, Py_ssize_t nbytes):
        cdef void *at = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        if at == MAP_FAILED:
            PyErr_SetFromErrno(OSError)
        self.at = <char *>at
        self.nbytes = nbytes

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.at, self.nbytes, 0, flags)

    def __dealloc__(self):
        if self.at != NULL:
            munmap(self.at, self.nbytes)


def signal(Py_ssize_t flag, long long value):
    """Set the flag at an address, after all that this thread has written."""
    raise_flag(<char *>flag, value)


def arrived(Py_ssize_t[::1] flags, long long value, Py_ssize_t looks):
    """Whether the flags at all these addresses have come to a value; looks that often at the most."""
    cdef int there
    with nogil:
        there = reached(&flags[0], flags.shape[0], value, looks)
    return bool(there)


# So often a waiting rank looks before it lets MPI, and others, have the core: some tens of microseconds.
cdef enum:
    LOOKS = 1000


cdef class Counters:
    """How far the ranks of a window are, by counters in it that are addresses here.

    Parameters
    ----------
    written, read : (ranks,) array of intp
        Where each rank counts how often it has written its segment, and read those of its peers.
    me : int
        This rank.
    waited : callable
        Called with the addresses of counters, and a value that they have not come to after many looks; it returns once
        they have, or raises.
    leave : callable
        Says to the other ranks that this one will not count on.

    Attributes
    ----------
    broken : bool
        Whether a wait has raised: the ranks are out of step then, and every further one raises.
    """

    cdef window_counters counters
    cdef object waited, leave
    cdef tuple kept

    def __init__(self, Py_ssize_t[::1] written, Py_ssize_t[::1] read, Py_ssize_t me, waited, leave):
        cdef window_counters *c = &self.counters
        c.written, c.read, c.count, c.me = &written[0], &read[0], written.shape[0], me
        c.turn, c.broken, c.owner = 0, 0, <void *>self
        self.waited, self.leave = waited, leave
        self.kept = (written, read)

    @property
    def broken(self):
        """Whether a wait has raised."""
        return bool(self.counters.broken)

    cdef int look(self, bint at_written) except -1:
        """Wait on, since it takes long."""
        if self.counters.broken:
            raise RuntimeError("a call was interrupted while ranks waited for each other: make anew what was called")
        try:
            self.waited(self.kept[0 if at_written else 1], self.counters.turn)
        except BaseException:
            self.abandon()
            raise
        return 0

    cdef int abandon(self) except -1:
        """Wait no more, and let nobody wait: the ranks are out of step."""
        self.counters.broken = 1
        self.leave()
        return 0


cdef class Counting(Operation):
    """An operation on the counters of a window."""

    cdef Counters counters

    def __init__(self, Counters counters):
        self.counters = counters
        self.data = <void *>&counters.counters
        self.essential = True


cdef class Claim(Counting):
    """Wait until the peers have read what lies in this rank's segment."""

    def __cinit__(self):
        self.function = run_claim


cdef struct fence_call:
    window_counters *counters
    int64_t turns


cdef class Fence(Counting):
    """What each rank has written into its segment is there for all.

    Parameters
    ----------
    counters : Counters
        Of the window.
    turns : int
        Of so many fences in a row the last is waited for, which is after all others.
    """

    cdef fence_call call

    def __init__(self, Counters counters, turns=1):
        super().__init__(counters)
        self.call.counters, self.call.turns = &counters.counters, turns
        self.function, self.data = run_fence, <void *>&self.call


cdef class Release(Counting):
    """Say that this rank has read its peers' segments, and go on."""

    def __cinit__(self):
        self.function = run_release


cdef int wait_on(window_counters *c, bint at_written) except -1 with gil:
    return (<Counters>c.owner).look(at_written)


cdef int run_claim(void *data, char *source, char *target, Py_ssize_t start, Py_ssize_t stop,
                   bint normalize) except -1 nogil:
    cdef window_counters *c = <window_counters *>data
    if c.broken or not reached(c.read, c.count, c.turn, LOOKS):
        return wait_on(c, False)
    return 0


cdef int run_fence(void *data, char *source, char *target, Py_ssize_t start, Py_ssize_t stop,
                   bint normalize) except -1 nogil:
    cdef window_counters *c = (<fence_call *>data).counters
    if not c.broken:
        c.turn += (<fence_call *>data).turns
        raise_flag(<char *>c.written[c.me], c.turn)
        if reached(c.written, c.count, c.turn, LOOKS):
            return 0
    return wait_on(c, True)


cdef int run_release(void *data, char *source, char *target, Py_ssize_t start, Py_ssize_t stop,
                     bint normalize) except -1 nogil:
    cdef window_counters *c = <window_counters *>data
    raise_flag(<char *>c.read[c.me], c.turn)
    return 0
