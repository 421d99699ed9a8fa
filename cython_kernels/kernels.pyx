# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""What plans are made of: operations on memory, and programs of them that run without Python. Nothing here checks.

An `Operation` is a sweep of an engine's or of this package's own, a copy, a wait for other ranks, or a call of Python.
A `Program` is a list of them with the places that each starts from and ends at. `known_sums`, `lower_sums` and
`rounded_sums` are the loops of sums that no order changes, `philox` that of random words by their numbers.
"""

import numpy as np

from cpython.buffer cimport PyBUF_STRIDES, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from cpython.exc cimport PyErr_SetFromErrno
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int64_t, uint64_t
from posix.mman cimport MAP_FAILED, MAP_SHARED, PROT_READ, PROT_WRITE, mmap, munmap
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

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
        int kind, waves, backward, along
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
    ctypedef struct window_counters:
        const Py_ssize_t *written
        const Py_ssize_t *read
        Py_ssize_t count, me
        long long turn
        int broken
        void *owner
    void raise_flag(char *, long long)
    int reached(const Py_ssize_t *, Py_ssize_t, long long, Py_ssize_t)

cdef extern from "polling.h" nogil:
    ctypedef struct polling:
        void (*call)(void *) noexcept nogil
        void *data
        double every, next
    void poll_if_due()
    polling *set_polled(polling *)

cdef extern from "slices.h" nogil:
    void sums_f8_known(const double *, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, double *, int64_t *)
    void sums_f16_known(const long double *, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, long double *, int64_t *)
    void sums_f8_rounded(const int64_t *, ptrdiff_t, double *)
    void sums_f16_rounded(const int64_t *, ptrdiff_t, long double *)
    void lower_slices(int64_t *, ptrdiff_t, const int64_t *)

cdef extern from "philox.h" nogil:
    void philox_words(const uint64_t *, const uint64_t *, const int64_t *, ptrdiff_t, uint64_t *)

# The columns of a table of pieces; the strides of the outer axes follow.
cdef enum:
    AT, POINTS, BASE, LINE, COLUMN, BATCH, OUTER

# More axes than an array of numpy's has.
cdef enum:
    MAX_OUTER = 64

include "operation.pxi"
include "sweep.pxi"
include "vertical.pxi"
include "copying.pxi"
include "window.pxi"
include "program.pxi"
include "slices.pxi"
include "philox.pxi"
