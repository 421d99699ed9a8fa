cdef struct strided_copy:
    const Py_ssize_t *source_strides
    const Py_ssize_t *target_strides
    const Py_ssize_t *extents
    Py_ssize_t loops, source, target, width
    int stream


cdef class Copy(Operation):
    """A copy of a block of rows of contiguous bytes.

    Parameters
    ----------
    source, target : (base, strides)
        Byte offset of the first row from the origin that `run` is given, and the byte strides of the axes, as intp.
    extents : array of intp
        Of the axes, none of them 0; the last is the inner loop.
    width : int
        Bytes of a row.
    stream : bool
        Whether to write with non-temporal stores.
    """

    cdef strided_copy copy
    cdef tuple kept

    def __init__(self, source, target, Py_ssize_t[::1] extents, Py_ssize_t width, bint stream):
        cdef Py_ssize_t[::1] source_strides = source[1], target_strides = target[1]
        cdef strided_copy *c = &self.copy
        c.source, c.target = source[0], target[0]
        c.source_strides, c.target_strides, c.extents = &source_strides[0], &target_strides[0], &extents[0]
        c.loops, c.width, c.stream = extents.shape[0], width, stream
        self.kept = (source, target, extents)
        self.function, self.data = run_copy, <void *>c


cdef int run_copy(void *data, char *source, char *target, Py_ssize_t start, Py_ssize_t stop,
                  bint normalize) except -1 nogil:
    cdef Py_ssize_t index[MAX_OUTER]
    cdef const strided_copy *c = <const strided_copy *>data
    cdef Py_ssize_t k, inner = c.loops - 1
    cdef char *f = source + c.source
    cdef char *t = target + c.target
    for k in range(inner + 1):
        index[k] = 0
    while True:
        copy_rows(f, c.source_strides[inner], t, c.target_strides[inner], c.extents[inner], c.width, c.stream)
        poll_if_due()
        k = inner - 1
        while k >= 0:
            index[k] += 1
            f += c.source_strides[k]
            t += c.target_strides[k]
            if index[k] < c.extents[k]:
                break
            f -= index[k] * c.source_strides[k]
            t -= index[k] * c.target_strides[k]
            index[k] = 0
            k -= 1
        if k < 0:
            break
    if c.stream:
        FENCE()
    return 0
