/* Copies between memory of any strides and a tile: rows of contiguous lines.
 *
 * A block of a piece is `n` points along the line (byte stride `line`) times `columns` lines (byte stride `column`).
 * In the tile, line c starts at tile + c * row and its points are contiguous. Loads and stores go through memcpy of a
 * fixed size, so that no alignment is assumed of a caller's array; compilers turn it into one unaligned move.
 *
 * `stream` asks for non-temporal stores: the written lines are not read again by this core, so they need not pass
 * through its cache (saves the read-for-ownership: a third of the traffic of a write).
 */
#ifndef MPI4PY_PENCIL_COPY_H
#define MPI4PY_PENCIL_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define PREFETCH(at) __builtin_prefetch(at)
#else
#define PREFETCH(at) ((void)0)
#endif

#if defined(__x86_64__) || defined(_M_X64)
#include <emmintrin.h>
#define HAVE_STREAM 1
#else
#define HAVE_STREAM 0
#endif

typedef struct { float re, im; } c8;
typedef struct { double re, im; } c16;
typedef struct { long double re, im; } c32;
typedef long double f16;
typedef double f8;
typedef float f4;

typedef void (*gather_t)(const char *from, ptrdiff_t line, ptrdiff_t column, char *tile, ptrdiff_t row, ptrdiff_t n,
                         ptrdiff_t columns);
typedef void (*scatter_t)(const char *tile, ptrdiff_t row, char *to, ptrdiff_t line, ptrdiff_t column, ptrdiff_t n,
                          ptrdiff_t columns, long double scale, int stream);

static inline f4 scaled_f4(f4 v, f4 s) { return v * s; }
static inline f8 scaled_f8(f8 v, f8 s) { return v * s; }
static inline f16 scaled_f16(f16 v, f16 s) { return v * s; }
static inline c8 scaled_c8(c8 v, f4 s) { v.re *= s; v.im *= s; return v; }
static inline c16 scaled_c16(c16 v, f8 s) { v.re *= s; v.im *= s; return v; }
static inline c32 scaled_c32(c32 v, f16 s) { v.re *= s; v.im *= s; return v; }

#if HAVE_STREAM
static inline void stream_f4(char *to, f4 v) { int32_t b; memcpy(&b, &v, 4); _mm_stream_si32((int *)to, b); }
static inline void stream_8(char *to, const void *v) { int64_t b; memcpy(&b, v, 8); _mm_stream_si64((long long *)to, b); }
static inline void stream_f8(char *to, f8 v) { stream_8(to, &v); }
static inline void stream_c8(char *to, c8 v) { stream_8(to, &v); }
static inline void stream_c16(char *to, c16 v) { _mm_stream_pd((double *)to, _mm_loadu_pd(&v.re)); }
#define STREAMS(T, to, line, column) (((uintptr_t)(to) | (uintptr_t)(line) | (uintptr_t)(column)) % sizeof(T) == 0)
#define FENCE() _mm_sfence()
#else
static inline void stream_f4(char *to, f4 v) { memcpy(to, &v, sizeof v); }
static inline void stream_f8(char *to, f8 v) { memcpy(to, &v, sizeof v); }
static inline void stream_c8(char *to, c8 v) { memcpy(to, &v, sizeof v); }
static inline void stream_c16(char *to, c16 v) { memcpy(to, &v, sizeof v); }
#define STREAMS(T, to, line, column) 0
#define FENCE() ((void)0)
#endif
/* x87 values have no non-temporal store, and long double data is bound by arithmetic anyway. */
static inline void stream_f16(char *to, f16 v) { memcpy(to, &v, sizeof v); }
static inline void stream_c32(char *to, c32 v) { memcpy(to, &v, sizeof v); }

/* Points of the line by which the gather asks for memory in advance: runs along the columns are too short for the
 * hardware to do so. docs/performance.md has what it is worth. */
#define AHEAD 8

/* Four points of a line at a time: the reads run along the columns, the writes fill whole pieces of cache lines. */
#define DEFINE_GATHER(T)                                                                                               \
    static void gather_##T(const char *from, ptrdiff_t line, ptrdiff_t column, char *tile, ptrdiff_t row, ptrdiff_t n, \
                           ptrdiff_t columns) {                                                                        \
        if (line == (ptrdiff_t)sizeof(T)) {                                                                            \
            for (ptrdiff_t c = 0; c < columns; c++) memcpy(tile + c * row, from + c * column, n * sizeof(T));          \
            return;                                                                                                    \
        }                                                                                                              \
        ptrdiff_t i = 0;                                                                                               \
        for (; i + 4 <= n; i += 4)                                                                                     \
            for (ptrdiff_t c = 0; c < columns; c++) {                                                                  \
                const char *f = from + i * line + c * column;                                                          \
                T v[4];                                                                                                \
                if (c % (64 / sizeof(T)) == 0) {                                                                       \
                    PREFETCH(f + AHEAD * line);                                                                        \
                    PREFETCH(f + (AHEAD + 1) * line);                                                                  \
                    PREFETCH(f + (AHEAD + 2) * line);                                                                  \
                    PREFETCH(f + (AHEAD + 3) * line);                                                                  \
                }                                                                                                      \
                memcpy(&v[0], f, sizeof(T));                                                                           \
                memcpy(&v[1], f + line, sizeof(T));                                                                    \
                memcpy(&v[2], f + 2 * line, sizeof(T));                                                                \
                memcpy(&v[3], f + 3 * line, sizeof(T));                                                                \
                memcpy(tile + c * row + i * sizeof(T), v, sizeof v);                                                   \
            }                                                                                                          \
        for (; i < n; i++)                                                                                             \
            for (ptrdiff_t c = 0; c < columns; c++)                                                                    \
                memcpy(tile + c * row + i * sizeof(T), from + i * line + c * column, sizeof(T));                       \
    }

/* The loop whose writes are contiguous is the inner one: along the line, or else along the columns. */
#define SCATTER_LINES(T, STORE)                                                                                        \
    for (ptrdiff_t c = 0; c < columns; c++)                                                                            \
        for (ptrdiff_t i = 0; i < n; i++) {                                                                            \
            T v;                                                                                                       \
            memcpy(&v, tile + c * row + i * sizeof(T), sizeof(T));                                                     \
            v = scaled_##T(v, s);                                                                                      \
            STORE(to + c * column + i * (ptrdiff_t)sizeof(T), v);                                                      \
        }

#define SCATTER_COLUMNS(T, STORE, first)                                                                               \
    for (ptrdiff_t i = first; i < n; i++)                                                                              \
        for (ptrdiff_t c = 0; c < columns; c++) {                                                                      \
            T v;                                                                                                       \
            memcpy(&v, tile + c * row + i * sizeof(T), sizeof(T));                                                     \
            v = scaled_##T(v, s);                                                                                      \
            STORE(to + i * line + c * column, v);                                                                      \
        }

/* Four points at a time, which share a cache line of the tile: worth it where the stores pass the cache by. */
#define SCATTER_FOURS(T, STORE)                                                                                        \
    for (ptrdiff_t i = 0; i + 4 <= n; i += 4)                                                                          \
        for (ptrdiff_t c = 0; c < columns; c++) {                                                                      \
            T v[4];                                                                                                    \
            char *t = to + i * line + c * column;                                                                      \
            memcpy(v, tile + c * row + i * sizeof(T), sizeof v);                                                       \
            for (int k = 0; k < 4; k++) v[k] = scaled_##T(v[k], s);                                                    \
            STORE(t, v[0]);                                                                                            \
            STORE(t + line, v[1]);                                                                                     \
            STORE(t + 2 * line, v[2]);                                                                                 \
            STORE(t + 3 * line, v[3]);                                                                                 \
        }

#define DEFINE_SCATTER(T, REAL)                                                                                        \
    static void scatter_##T(const char *tile, ptrdiff_t row, char *to, ptrdiff_t line, ptrdiff_t column, ptrdiff_t n,  \
                            ptrdiff_t columns, long double scale, int stream) {                                        \
        const REAL s = (REAL)scale;                                                                                    \
        const int along = line == (ptrdiff_t)sizeof(T);                                                                \
        if (stream && STREAMS(T, to, line, column)) {                                                                  \
            if (along) {                                                                                               \
                SCATTER_LINES(T, stream_##T)                                                                           \
            } else {                                                                                                   \
                SCATTER_FOURS(T, stream_##T)                                                                           \
                SCATTER_COLUMNS(T, stream_##T, n / 4 * 4)                                                              \
            }                                                                                                          \
        } else if (along) {                                                                                            \
            SCATTER_LINES(T, STORE_##T)                                                                                \
        } else {                                                                                                       \
            SCATTER_COLUMNS(T, STORE_##T, 0)                                                                           \
        }                                                                                                              \
    }

#define STORE_f4(to, v) memcpy(to, &(v), sizeof(v))
#define STORE_f8 STORE_f4
#define STORE_f16 STORE_f4
#define STORE_c8 STORE_f4
#define STORE_c16 STORE_f4
#define STORE_c32 STORE_f4

DEFINE_GATHER(f4) DEFINE_GATHER(f8) DEFINE_GATHER(f16) DEFINE_GATHER(c8) DEFINE_GATHER(c16) DEFINE_GATHER(c32)
DEFINE_SCATTER(f4, f4) DEFINE_SCATTER(f8, f8) DEFINE_SCATTER(f16, f16)
DEFINE_SCATTER(c8, f4) DEFINE_SCATTER(c16, f8) DEFINE_SCATTER(c32, f16)

/* By element type: 0-2 real, 3-5 complex, each float, double, long double. */
static const gather_t gathers[6] = {gather_f4, gather_f8, gather_f16, gather_c8, gather_c16, gather_c32};
static const scatter_t scatters[6] = {scatter_f4, scatter_f8, scatter_f16, scatter_c8, scatter_c16, scatter_c32};

/* What happens to points of a line in the tile before or after its transform: to all from i up to j, but COPY puts point
 * i at j too, ADD adds point j to point i, and REAL drops the imaginary part of point i. */
enum { ZERO, COPY, ADD, REAL, HALVE, DOUBLE, ROOT_HALF, ROOT_TWO };

static inline void add_f4(f4 *x, f4 y) { *x += y; }
static inline void add_f8(f8 *x, f8 y) { *x += y; }
static inline void add_f16(f16 *x, f16 y) { *x += y; }
static inline void add_c8(c8 *x, c8 y) { x->re += y.re; x->im += y.im; }
static inline void add_c16(c16 *x, c16 y) { x->re += y.re; x->im += y.im; }
static inline void add_c32(c32 *x, c32 y) { x->re += y.re; x->im += y.im; }
static inline void real_f4(f4 *x) { (void)x; }
static inline void real_f8(f8 *x) { (void)x; }
static inline void real_f16(f16 *x) { (void)x; }
static inline void real_c8(c8 *x) { x->im = 0; }
static inline void real_c16(c16 *x) { x->im = 0; }
static inline void real_c32(c32 *x) { x->im = 0; }

#define ROOT 1.4142135623730950488016887242096981L

#define DEFINE_EDIT(T, S)                                                                                              \
    static void edit_##T(int what, char *tile, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t i, ptrdiff_t j) {              \
        const S factor = what == HALVE ? (S)0.5L : what == DOUBLE ? 2 : what == ROOT_TWO ? (S)ROOT : (S)(ROOT / 2);    \
        for (ptrdiff_t r = 0; r < rows; r++) {                                                                         \
            T *x = (T *)(tile + r * row);                                                                              \
            switch (what) {                                                                                            \
            case ZERO: memset(x + i, 0, (j - i) * sizeof(T)); break;                                                   \
            case COPY: x[j] = x[i]; break;                                                                             \
            case ADD: add_##T(x + i, x[j]); break;                                                                     \
            case REAL: real_##T(x + i); break;                                                                         \
            default:                                                                                                   \
                for (ptrdiff_t k = i; k < j; k++) x[k] = scaled_##T(x[k], factor);                                     \
            }                                                                                                          \
        }                                                                                                              \
    }
DEFINE_EDIT(f4, f4) DEFINE_EDIT(f8, f8) DEFINE_EDIT(f16, f16)
DEFINE_EDIT(c8, f4) DEFINE_EDIT(c16, f8) DEFINE_EDIT(c32, f16)

typedef void (*edit_t)(int what, char *tile, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t i, ptrdiff_t j);
static const edit_t edits[6] = {edit_f4, edit_f8, edit_f16, edit_c8, edit_c16, edit_c32};

/* Copies rows of `width` contiguous bytes; both sides advance by their own stride. */
static void copy_rows(const char *from, ptrdiff_t from_stride, char *to, ptrdiff_t to_stride, ptrdiff_t rows,
                      ptrdiff_t width, int stream) {
#if HAVE_STREAM
    if (stream && ((uintptr_t)to | (uintptr_t)to_stride | (uintptr_t)width) % 16 == 0) {
        for (ptrdiff_t r = 0; r < rows; r++) {
            const char *f = from + r * from_stride;
            char *t = to + r * to_stride;
            for (ptrdiff_t b = 0; b < width; b += 16)
                _mm_stream_si128((__m128i *)(t + b), _mm_loadu_si128((const __m128i *)(f + b)));
        }
        return;
    }
#endif
    for (ptrdiff_t r = 0; r < rows; r++) memcpy(to + r * to_stride, from + r * from_stride, width);
}

#endif
