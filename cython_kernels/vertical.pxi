cdef struct vertical_call:
    vertical_run function
    vertical_sweep sweep


cdef class Vertical(Operation):
    """One pass over a local array as a `Sweep` is, by vertical transforms of its own: without tiles of an engine.

    Parameters
    ----------
    instructions : int
        Which of `instruction_sets()`.
    kind : str
        As a `Line` has it: "forward", "backward", "r2c", "c2r", "dct2", "dct3", "dst2", "dst3" or "hartley".
    length, points : int
        Points of a line in space, and of the complex transform: vertical/halves.h says why they differ.
    along : bool
        Whether lines are transformed along themselves, as vertical/along.h says.
    passes : (radices, twiddles, turns)
        The radix of each pass, as intp; their twiddle factors, as vertical/passes.h reads them, and the turns of
        vertical/halves.h, then those of vertical/trigonometric.h, of the precision of the lines; or those that
        vertical/along.h reads.
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

    Its count is the product of the outer extents.
    """

    cdef vertical_call call
    cdef tuple kept

    def __init__(self, int instructions, str kind, Py_ssize_t length, Py_ssize_t points, bint along, passes,
                 sides, Py_ssize_t[::1] outer, Py_ssize_t columns, Py_ssize_t batches, Py_ssize_t step,
                 long double[::1] scales, bint stream, unsigned char[:, ::1] workspace):
        cdef vertical_sweep *v = &self.call.sweep
        cdef Py_ssize_t[::1] radices = passes[0]
        cdef Py_ssize_t k, twiddles = passes[1].ctypes.data, turns = passes[2].ctypes.data
        if kind in ("r2c", "dct2", "dst2", "hartley"):
            v.kind = VERTICAL_R2C
        else:
            v.kind = VERTICAL_C2R if kind in ("c2r", "dct3", "dst3") else VERTICAL_C2C
        v.waves = {"dct": VERTICAL_COSINE, "dst": VERTICAL_SINE, "har": VERTICAL_HARTLEY}.get(kind[:3], 0)
        v.backward = kind in ("backward", "c2r")
        v.length, v.points, v.passes = length, points, radices.shape[0]
        v.along = along
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
        self.call.function = vertical_available()[instructions].runs[passes[1].itemsize == 8]
        cdef Py_ssize_t[::1] index = np.zeros(max(1, outer.shape[0]), np.intp)
        cdef Py_ssize_t[::1] bases = np.zeros(max(1, v.source.count + v.target.count), np.intp)
        cdef Py_ssize_t[::1] rows = np.zeros(length + 1, np.intp)
        v.index, v.bases, v.rows = &index[0], <char **>&bases[0], <char **>&rows[0]
        self.kept = (passes, sides, outer, workspace, index, bases, rows)
        self.function, self.data = run_vertical, <void *>&self.call
        for k in range(outer.shape[0]):
            self.count *= outer[k]


cdef int run_vertical(void *data, char *source, char *target, Py_ssize_t start, Py_ssize_t stop,
                      bint normalize) except -1 nogil:
    cdef vertical_call *call = <vertical_call *>data
    call.function(&call.sweep, source, target, start, stop, normalize)
    return 0


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
