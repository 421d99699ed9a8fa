# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Loops on memory: the sweep's tile loop and the strided copy; and memory that ranks share. Nothing here checks."""

import numpy as np

from cpython.buffer cimport PyBuffer_FillInfo
from cpython.exc cimport PyErr_SetFromErrno
from libc.stddef cimport ptrdiff_t

cdef extern from "copy.h" nogil:
    ctypedef void (*gather_t)(const char *, ptrdiff_t, ptrdiff_t, char *, ptrdiff_t, ptrdiff_t, ptrdiff_t)
    ctypedef void (*scatter_t)(const char *, ptrdiff_t, char *, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t,
                               long double, int)
    ctypedef void (*edit_t)(int, char *, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t)
    const gather_t gathers[6]
    const scatter_t scatters[6]
    const edit_t edits[6]
    void copy_rows(const char *, ptrdiff_t, char *, ptrdiff_t, ptrdiff_t, ptrdiff_t, int)
    void FENCE()

cdef extern from "vertical/vertical.h" nogil:
    ctypedef struct vertical_side:
        const Py_ssize_t *pieces
        Py_ssize_t count
        const Py_ssize_t *edits
        Py_ssize_t edit_count
        int real
    ctypedef struct vertical_sweep:
        int kind, waves, backward
        Py_ssize_t length, points, passes
        const Py_ssize_t *radices
        const void *twiddles
        const void *turns
        vertical_side source, target
        Py_ssize_t columns, batches, step
        const Py_ssize_t *outer
        Py_ssize_t outer_count
        long double scales[2]
        int stream
        char *tiles[2]
        char **bases
        char **rows
        Py_ssize_t *index
    ctypedef void (*vertical_run)(const vertical_sweep *, char *, char *, Py_ssize_t, Py_ssize_t, int)
    ctypedef struct vertical_instructions:
        const char *name
        Py_ssize_t bytes
        vertical_run runs[2]
    const vertical_instructions *vertical_available()
    int VERTICAL_C2C, VERTICAL_R2C, VERTICAL_C2R, VERTICAL_COSINE, VERTICAL_SINE, VERTICAL_HARTLEY

cdef extern from "flags.h" nogil:
    void raise_flag(char *, long long)
    int reached(const Py_ssize_t *, Py_ssize_t, long long, Py_ssize_t)

cdef extern from "<sys/mman.h>" nogil:
    void *mmap(void *, size_t, int, int, int, Py_ssize_t)
    int munmap(void *, size_t)
    const int PROT_READ, PROT_WRITE, MAP_SHARED
    void *MAP_FAILED

# The columns of a table of pieces; the strides of the outer axes follow.
cdef enum:
    AT, POINTS, BASE, LINE, COLUMN, BATCH, OUTER

# More axes than an array of numpy's has.
cdef enum:
    MAX_OUTER = 64


cdef class Sweep:
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

    Attributes
    ----------
    count : int
        The product of the outer extents: `run` goes through range(count).
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
    cdef readonly Py_ssize_t count

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
        self.count = 1
        cdef Py_ssize_t k
        for k in range(self.outer.shape[0]):
            self.count *= self.outer[k]

    def run(self, Py_ssize_t source_at, Py_ssize_t target_at, Py_ssize_t start, Py_ssize_t stop, bint normalize):
        """Sweep the range [start, stop) of the flat index of the outer axes; the origins are addresses."""
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
                            self.gather(<char *>source_at, index, b, nb, c, nc)
                    else:
                        execute = self.executes[tile]
                        tile += 1
                    execute()
                    with nogil:
                        self.scatter(<char *>target_at, index, b, nb, c, nc, scale)
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


cdef class Vertical:
    """One pass over a local array as a `Sweep` is, by vertical transforms of its own: without tiles of an engine.

    Parameters
    ----------
    instructions : int
        Which of `instruction_sets()`.
    kind : str
        As a `Line` has it: "forward", "backward", "r2c", "c2r", "dct2", "dct3", "dst2", "dst3" or
        "hartley".
    length, points : int
        Points of a line in space, and of the complex transform: vertical/halves.h says why they differ.
    passes : (radices, twiddles, turns)
        The radix of each pass, as intp; their twiddle factors, as vertical/passes.h reads them, and the turns of
        vertical/halves.h, then those of vertical/trigonometric.h, of the precision of the lines.
    sides : pair of (table, edits)
        The pieces as a `Sweep` has them; the edits likewise, also zeros for points that lie in no piece.
    outer : (k,) array of intp
        Extents of the outer axes; `run` covers a range of their flat index.
    columns, batches, step : int
        Extents of the column and the batch axis, and how many of their lines a tile holds.
    scales : (2,) array of long double
        The scale without and with normalisation.
    stream : bool
        Whether to scatter with non-temporal stores.
    workspace : (2, n) array of bytes
        Memory for two tiles, aligned to cache lines.

    Attributes
    ----------
    count : int
        The product of the outer extents: `run` goes through range(count).
    """

    cdef vertical_sweep sweep
    cdef vertical_run function
    cdef tuple kept
    cdef readonly Py_ssize_t count

    def __init__(self, int instructions, str kind, Py_ssize_t length, Py_ssize_t points, passes, sides,
                 Py_ssize_t[::1] outer, Py_ssize_t columns, Py_ssize_t batches, Py_ssize_t step,
                 long double[::1] scales, bint stream, unsigned char[:, ::1] workspace):
        cdef vertical_sweep *v = &self.sweep
        cdef Py_ssize_t[::1] radices = passes[0]
        cdef Py_ssize_t k, twiddles = passes[1].ctypes.data, turns = passes[2].ctypes.data
        if kind in ("r2c", "dct2", "dst2", "hartley"):
            v.kind = VERTICAL_R2C
        else:
            v.kind = VERTICAL_C2R if kind in ("c2r", "dct3", "dst3") else VERTICAL_C2C
        v.waves = {"dct": VERTICAL_COSINE, "dst": VERTICAL_SINE, "har": VERTICAL_HARTLEY}.get(kind[:3], 0)
        v.backward = kind in ("backward", "c2r")
        v.length, v.points, v.passes = length, points, radices.shape[0]
        v.radices = &radices[0] if v.passes else NULL
        v.twiddles, v.turns = <void *>twiddles, <void *>turns
        fill_side(&v.source, sides[0][0], sides[0][1], v.waves or kind == "r2c")
        fill_side(&v.target, sides[1][0], sides[1][1], v.waves or kind == "c2r")
        v.outer = &outer[0] if outer.shape[0] else NULL
        v.outer_count = outer.shape[0]
        v.columns, v.batches, v.step = columns, batches, step
        v.scales[0], v.scales[1] = scales[0], scales[1]
        v.stream = stream
        v.tiles[0], v.tiles[1] = <char *>&workspace[0, 0], <char *>&workspace[1, 0]
        self.function = vertical_available()[instructions].runs[passes[1].itemsize == 8]
        cdef Py_ssize_t[::1] index = np.zeros(max(1, outer.shape[0]), np.intp)
        cdef Py_ssize_t[::1] bases = np.zeros(max(1, v.source.count + v.target.count), np.intp)
        cdef Py_ssize_t[::1] rows = np.zeros(length + 1, np.intp)
        v.index, v.bases, v.rows = &index[0], <char **>&bases[0], <char **>&rows[0]
        self.kept = (passes, sides, outer, workspace, index, bases, rows)
        self.count = 1
        for k in range(outer.shape[0]):
            self.count *= outer[k]

    def run(self, Py_ssize_t source_at, Py_ssize_t target_at, Py_ssize_t start, Py_ssize_t stop, bint normalize):
        """Sweep the range [start, stop) of the flat index of the outer axes; the origins are addresses."""
        with nogil:
            self.function(&self.sweep, <char *>source_at, <char *>target_at, start, stop, normalize)


cdef void fill_side(vertical_side *side, Py_ssize_t[:, ::1] pieces, Py_ssize_t[:, ::1] changes, bint real):
    side.count, side.edit_count, side.real = pieces.shape[0], changes.shape[0], real
    side.pieces = &pieces[0, 0] if side.count else NULL
    side.edits = &changes[0, 0] if side.edit_count else NULL


def instruction_sets():
    """The instruction sets of this processor that `Vertical` knows, the best first: name and bytes of a vector."""
    cdef const vertical_instructions *each = vertical_available()
    found = []
    while each.name != NULL:
        found.append(((<bytes>each.name).decode(), each.bytes))
        each += 1
    return found


def copy(Py_ssize_t source, Py_ssize_t[::1] source_strides, Py_ssize_t target, Py_ssize_t[::1] target_strides,
         Py_ssize_t[::1] extents, Py_ssize_t width, bint stream):
    """Copy a block of `extents` rows of `width` contiguous bytes between two addresses; strides in bytes.

    The last axis is the inner loop. Blocks with an extent of zero must not be passed.
    """
    cdef Py_ssize_t index[MAX_OUTER]
    cdef Py_ssize_t k, inner = extents.shape[0] - 1
    cdef char *f = <char *>source
    cdef char *t = <char *>target
    with nogil:
        for k in range(inner + 1):
            index[k] = 0
        while True:
            copy_rows(f, source_strides[inner], t, target_strides[inner], extents[inner], width, stream)
            k = inner - 1
            while k >= 0:
                index[k] += 1
                f += source_strides[k]
                t += target_strides[k]
                if index[k] < extents[k]:
                    break
                f -= index[k] * source_strides[k]
                t -= index[k] * target_strides[k]
                index[k] = 0
                k -= 1
            if k < 0:
                break
        if stream:
            FENCE()


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
