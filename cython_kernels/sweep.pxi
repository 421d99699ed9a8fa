cdef class Sweep(Operation):
    """One pass over a local array: gather a tile, transform it, scatter it.

    Parameters
    ----------
    source, target : (pieces, 6 + outer) array of intp
        A row a piece: byte offset in the tile's line, points, byte offset of the piece's first point from the origin
        that `run` is given, byte strides of line, column, batch and of each outer axis.
    outer : (k,) array of intp
        Extents of the outer axes; `run` covers a range of their flat index.
    columns, batches : (extent, step)
        Extents of the column and batch axes, and how many of each a tile holds.
    tiles : (address, row, type) of the tile before and of the tile after the transform
        Byte stride between lines, element type as in copy.h.
    executes : sequence of callables
        One that transforms all lines that a tile may hold; where a tile at the end holds fewer, the others are
        left-overs. Or, where nothing is to be gathered since the lines lie in the source as in a tile, one for each tile
        of a call of `run`, in their order, from there to the tile after the transform.
    gathered : bool
        Whether the lines are gathered.
    edits : two (k, 3) arrays of intp
        Edits (what, i, j) of the tile before and after the transform, as in copy.h.
    scales : (2,) array of long double
        The scale without and with normalisation.
    stream : bool
        Whether to scatter with non-temporal stores.

    Its count is the product of the outer extents.
    """

    cdef Py_ssize_t[:, ::1] source, target
    cdef Py_ssize_t[::1] outer
    cdef Py_ssize_t columns, column_step, batches, batch_step
    cdef char *tile_in
    cdef char *tile_out
    cdef Py_ssize_t row_in, row_out
    cdef int type_in, type_out
    cdef tuple executes
    cdef bint gathered
    cdef Py_ssize_t[:, ::1] edits_in, edits_out
    cdef long double[::1] scales
    cdef int stream

    def __init__(self, source, target, outer, columns, batches, tiles, executes, gathered, edits, scales, stream):
        self.source, self.target, self.outer = source, target, outer
        self.columns, self.column_step = columns
        self.batches, self.batch_step = batches
        cdef Py_ssize_t before, after
        before, self.row_in, self.type_in = tiles[0]
        after, self.row_out, self.type_out = tiles[1]
        self.tile_in, self.tile_out = <char *>before, <char *>after
        self.executes = tuple(executes)
        self.gathered = gathered
        self.edits_in, self.edits_out = edits
        self.scales = scales
        self.stream = stream
        self.function, self.data = run_sweep, <void *>self
        cdef Py_ssize_t k
        for k in range(self.outer.shape[0]):
            self.count *= self.outer[k]

    cdef int sweep(self, char *source_at, char *target_at, Py_ssize_t start, Py_ssize_t stop,
                   bint normalize) except -1:
        """Sweep the range [start, stop) of the flat index of the outer axes."""
        cdef Py_ssize_t index[MAX_OUTER]
        cdef Py_ssize_t b, c, nb, nc, k, tile = 0, rest = start
        cdef long double scale = self.scales[normalize]
        cdef object execute = self.executes[0]
        for k in range(self.outer.shape[0] - 1, -1, -1):
            index[k] = rest % self.outer[k]
            rest //= self.outer[k]
        while start < stop:
            for b in range(0, self.batches, self.batch_step):
                nb = min(self.batch_step, self.batches - b)
                for c in range(0, self.columns, self.column_step):
                    nc = min(self.column_step, self.columns - c)
                    if self.gathered:
                        with nogil:
                            self.gather(source_at, index, b, nb, c, nc)
                    else:
                        execute = self.executes[tile]
                        tile += 1
                    execute()
                    with nogil:
                        self.scatter(target_at, index, b, nb, c, nc, scale)
                        poll_if_due()
            start += 1
            k = self.outer.shape[0] - 1
            while k >= 0:
                index[k] += 1
                if index[k] < self.outer[k]:
                    break
                index[k] = 0
                k -= 1
        if self.stream:
            FENCE()
        return 0

    cdef void gather(self, char *origin, Py_ssize_t *index, Py_ssize_t b, Py_ssize_t nb, Py_ssize_t c,
                     Py_ssize_t nc) noexcept nogil:
        cdef Py_ssize_t p, j
        cdef Py_ssize_t *piece
        cdef char *base
        cdef gather_t gather = gathers[self.type_in]
        for p in range(self.source.shape[0]):
            piece = &self.source[p, 0]
            base = origin + self.offset(piece, index, b, c)
            for j in range(nb):
                gather(base + j * piece[BATCH], piece[LINE], piece[COLUMN],
                       self.tile_in + j * nc * self.row_in + piece[AT], self.row_in, piece[POINTS], nc)
        for p in range(self.edits_in.shape[0]):
            edits[self.type_in](<int>self.edits_in[p, 0], self.tile_in, self.row_in, nb * nc,
                                self.edits_in[p, 1], self.edits_in[p, 2])

    cdef void scatter(self, char *origin, Py_ssize_t *index, Py_ssize_t b, Py_ssize_t nb, Py_ssize_t c,
                      Py_ssize_t nc, long double scale) noexcept nogil:
        cdef Py_ssize_t p, j
        cdef Py_ssize_t *piece
        cdef char *base
        cdef scatter_t scatter = scatters[self.type_out]
        for p in range(self.edits_out.shape[0]):
            edits[self.type_out](<int>self.edits_out[p, 0], self.tile_out, self.row_out, nb * nc,
                                 self.edits_out[p, 1], self.edits_out[p, 2])
        for p in range(self.target.shape[0]):
            piece = &self.target[p, 0]
            base = origin + self.offset(piece, index, b, c)
            for j in range(nb):
                scatter(self.tile_out + j * nc * self.row_out + piece[AT], self.row_out,
                        base + j * piece[BATCH], piece[LINE], piece[COLUMN], piece[POINTS], nc, scale, self.stream)

    cdef Py_ssize_t offset(self, Py_ssize_t *piece, Py_ssize_t *index, Py_ssize_t b, Py_ssize_t c) noexcept nogil:
        cdef Py_ssize_t k, at = piece[BASE] + b * piece[BATCH] + c * piece[COLUMN]
        for k in range(self.outer.shape[0]):
            at += index[k] * piece[OUTER + k]
        return at


cdef int run_sweep(void *data, char *source, char *target, Py_ssize_t start, Py_ssize_t stop,
                   bint normalize) except -1 with gil:
    return (<Sweep>data).sweep(source, target, start, stop, normalize)
