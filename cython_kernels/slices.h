/* Sums of slices of numbers, which arrays/reproducible.py puts together: all of them are exact, in whatever order.
 *
 * Adding and subtracting a shift, 1.5 times a power of two, rounds a number to a multiple of the shift's last bit: that
 * is the slice, and the rest goes to the next shift. No compiler may treat these sums as if they were associative.
 */
#ifndef MPI4PY_PENCIL_SLICES_H
#define MPI4PY_PENCIL_SLICES_H

#include <stddef.h>

#if defined(__FAST_MATH__)
#error "slices are nothing where sums are reordered: compile without -ffast-math"
#endif

#define SLICES 3

#if defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__) && !defined(__clang__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("avx2", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

#define LANES 4
typedef double four_f8 __attribute__((vector_size(32), aligned(8), may_alias));
typedef long long four_i8 __attribute__((vector_size(32), aligned(8), may_alias));

/* The larger absolutes of two; m is not negative. */
#define LARGER(m, x)                                                                                                   \
    do {                                                                                                               \
        const four_f8 size_ = (four_f8)((four_i8)(x) & 0x7fffffffffffffffLL);                                          \
        const four_i8 more_ = size_ > m;                                                                               \
        m = (four_f8)(((four_i8)size_ & more_) | ((four_i8)m & ~more_));                                               \
    } while (0)

/* Add the slices of x, a number or several side by side, to sums. */
#define SLICE(x, shifts, sums)                                                                                         \
    do {                                                                                                               \
        for (int k_ = 0; k_ < SLICES; k_++) {                                                                          \
            const __typeof__(x) slice_ = (x + shifts[k_]) - shifts[k_];                                                \
            sums[k_] += slice_;                                                                                        \
            x -= slice_;                                                                                               \
        }                                                                                                              \
    } while (0)

/* The sums of the slices of each column of an array, in `sums`, of which the slices are the rows, as of `shifts`. */
#define DEFINE_SLICES(T, NAME)                                                                                         \
    static void NAME##_column(const T *x, ptrdiff_t rows, ptrdiff_t row, const T *shifts, T *sums) {                   \
        T total[SLICES] = {0};                                                                                         \
        for (ptrdiff_t i = 0; i < rows; i++) {                                                                         \
            T each = x[i * row];                                                                                       \
            SLICE(each, shifts, total);                                                                                \
        }                                                                                                              \
        for (int k = 0; k < SLICES; k++) sums[k] += total[k];                                                          \
    }                                                                                                                  \
    /* the largest absolute; and 0, or nan where a number is not finite */                                             \
    static void NAME##_largest(const T *x, ptrdiff_t rows, ptrdiff_t row, T *most, T *odd) {                           \
        for (ptrdiff_t i = 0; i < rows; i++) {                                                                         \
            const T each = x[i * row], size = each < 0 ? -each : each;                                                 \
            if (size > *most) *most = size;                                                                            \
            *odd += each - each;                                                                                       \
        }                                                                                                              \
    }
DEFINE_SLICES(double, slices_f8)
DEFINE_SLICES(long double, slices_f16)

FOR_EACH_PROCESSOR
static void slices_f8(const double *x, ptrdiff_t rows, ptrdiff_t row, ptrdiff_t columns, ptrdiff_t column,
                      const double *shifts, double *sums) {
    ptrdiff_t j = 0;
    if (column == 1) /* columns side by side */
        for (; j + LANES <= columns; j += LANES) {
            four_f8 shift[SLICES], total[SLICES] = {{0}};
            for (int k = 0; k < SLICES; k++) shift[k] = *(const four_f8 *)(shifts + k * columns + j);
            for (ptrdiff_t i = 0; i < rows; i++) {
                four_f8 each = *(const four_f8 *)(x + i * row + j);
                SLICE(each, shift, total);
            }
            for (int k = 0; k < SLICES; k++) *(four_f8 *)(sums + k * columns + j) = total[k];
        }
    for (; j < columns; j++) {
        const double *from = x + j * column;
        double shift[SLICES], sum[SLICES] = {0};
        for (int k = 0; k < SLICES; k++) shift[k] = shifts[k * columns + j];
        ptrdiff_t i = 0;
        if (row == 1) { /* rows side by side: two sums of four, since one has to wait for itself */
            four_f8 total[SLICES] = {{0}}, other[SLICES] = {{0}}, four[SLICES];
            for (int k = 0; k < SLICES; k++) four[k] = (four_f8){0} + shift[k];
            for (; i + 2 * LANES <= rows; i += 2 * LANES) {
                four_f8 each = *(const four_f8 *)(from + i), next = *(const four_f8 *)(from + i + LANES);
                SLICE(each, four, total);
                SLICE(next, four, other);
            }
            for (int k = 0; k < SLICES; k++) {
                total[k] += other[k];
                for (int lane = 0; lane < LANES; lane++) sum[k] += total[k][lane];
            }
        }
        slices_f8_column(from + i * row, rows - i, row, shift, sum);
        for (int k = 0; k < SLICES; k++) sums[k * columns + j] = sum[k];
    }
}

FOR_EACH_PROCESSOR
static void largest_f8(const double *x, ptrdiff_t rows, ptrdiff_t row, ptrdiff_t columns, ptrdiff_t column, double *most,
                       double *odd) {
    ptrdiff_t j = 0;
    if (column == 1)
        for (; j + LANES <= columns; j += LANES) {
            four_f8 m = {0}, o = {0};
            for (ptrdiff_t i = 0; i < rows; i++) {
                const four_f8 each = *(const four_f8 *)(x + i * row + j);
                LARGER(m, each);
                o += each - each;
            }
            *(four_f8 *)(most + j) = m;
            *(four_f8 *)(odd + j) = o;
        }
    for (; j < columns; j++) {
        const double *from = x + j * column;
        ptrdiff_t i = 0;
        most[j] = odd[j] = 0;
        if (row == 1) {
            four_f8 m = {0}, o = {0}, n = {0}, p = {0};
            for (; i + 2 * LANES <= rows; i += 2 * LANES) {
                const four_f8 each = *(const four_f8 *)(from + i), next = *(const four_f8 *)(from + i + LANES);
                LARGER(m, each);
                LARGER(n, next);
                o += each - each;
                p += next - next;
            }
            o += p;
            LARGER(m, n);
            for (int lane = 0; lane < LANES; lane++) {
                if (m[lane] > most[j]) most[j] = m[lane];
                odd[j] += o[lane];
            }
        }
        slices_f8_largest(from + i * row, rows - i, row, most + j, odd + j);
    }
}

static void slices_f16(const long double *x, ptrdiff_t rows, ptrdiff_t row, ptrdiff_t columns, ptrdiff_t column,
                       const long double *shifts, long double *sums) {
    for (ptrdiff_t j = 0; j < columns; j++) {
        long double shift[SLICES], sum[SLICES] = {0};
        for (int k = 0; k < SLICES; k++) shift[k] = shifts[k * columns + j];
        slices_f16_column(x + j * column, rows, row, shift, sum);
        for (int k = 0; k < SLICES; k++) sums[k * columns + j] = sum[k];
    }
}

static void largest_f16(const long double *x, ptrdiff_t rows, ptrdiff_t row, ptrdiff_t columns, ptrdiff_t column,
                        long double *most, long double *odd) {
    for (ptrdiff_t j = 0; j < columns; j++) {
        most[j] = odd[j] = 0;
        slices_f16_largest(x + j * column, rows, row, most + j, odd + j);
    }
}

#endif
