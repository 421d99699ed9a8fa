/* Sums of slices of numbers, which arrays/reproducible.py puts together: all of them are exact, in whatever order.
 *
 * Adding and subtracting a shift, 1.5 times a power of two, rounds a number to a multiple of the shift's last bit: that
 * is the slice, and the rest goes to the next shift. No compiler may treat these sums as if they were associative.
 */
#ifndef MPI4PY_PENCIL_SLICES_H
#define MPI4PY_PENCIL_SLICES_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__FAST_MATH__)
#error "slices are nothing where sums are reordered: compile without -ffast-math"
#endif

#define SLICES 3
/* Bits of a bin, and of the lower of the two whole numbers that a sum of slices is kept as. */
#define BIN 40
#define LIMB 26
/* What is known of a sum: its highest bin, whether there is nan, inf, -inf, and two whole numbers for each slice. */
#define SAID 4
#define KNOWN (SAID + 2 * SLICES)

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

/* What is known of the sums of the columns of an array, as rows of `state`; and sums that are known as numbers.
 *
 * The lowest bin begins with the smallest number; the highest of a sum is the one above which all its numbers are
 * rounded to 0. Where shifts would overflow, numbers are scaled down by so many bins as what is left out anyway. `work`
 * has room for 8 numbers of each column.
 */
#define DEFINE_STATES(T, NAME, EXPONENTS, FREXP, LDEXP, LEAST, DIGITS, MOST)                                           \
    static int NAME##_exponent(int64_t bin) { return (LEAST) - (DIGITS) + BIN * (int)bin; }                            \
    static void NAME##_known(const T *x, ptrdiff_t rows, ptrdiff_t row, ptrdiff_t columns, ptrdiff_t column, T *work,  \
                             int64_t *state) {                                                                         \
        T *most = work, *odd = most + columns, *shifts = odd + columns, *sums = shifts + SLICES * columns;             \
        memset(state, 0, sizeof(int64_t) * KNOWN * (size_t)columns);                                                   \
        largest_##EXPONENTS(x, rows, row, columns, column, most, odd);                                                 \
        for (ptrdiff_t j = 0; j < columns; j++) {                                                                      \
            int exponent = 0;                                                                                          \
            if (odd[j] == 0) FREXP(most[j], &exponent);                                                                \
            const int64_t top = odd[j] == 0 && most[j] > 0 ? (exponent + BIN - NAME##_exponent(0)) / BIN - 1 : -1;     \
            const int down = NAME##_exponent(top) + DIGITS + 2 > MOST ? SLICES : 0;                                    \
            state[j] = top;                                                                                            \
            for (int k = 0; k < SLICES; k++) {                                                                         \
                const int64_t bin = top - down - k > 0 ? top - down - k : 0;                                           \
                shifts[k * columns + j] = LDEXP((T)1.5, DIGITS + NAME##_exponent(bin));                                \
            }                                                                                                          \
        }                                                                                                              \
        slices_##EXPONENTS(x, rows, row, columns, column, shifts, sums);                                               \
        for (ptrdiff_t j = 0; j < columns; j++) {                                                                      \
            const T *from = x + j * column;                                                                            \
            const int64_t top = state[j];                                                                              \
            T sum[SLICES], shift[SLICES];                                                                              \
            for (int k = 0; k < SLICES; k++) sum[k] = sums[k * columns + j], shift[k] = shifts[k * columns + j];       \
            if (odd[j] != 0) {                                                                                         \
                for (ptrdiff_t i = 0; i < rows; i++) {                                                                 \
                    const T each = from[i * row];                                                                      \
                    if (each != each) state[columns + j] = 1;                                                          \
                    else if (each - each != 0) state[(each > 0 ? 2 : 3) * columns + j] = 1;                            \
                }                                                                                                      \
                continue;                                                                                              \
            }                                                                                                          \
            const int down = NAME##_exponent(top) + DIGITS + 2 > MOST ? SLICES : 0;                                    \
            if (down) {                                                                                                \
                const T scale = LDEXP((T)1, -BIN * down);                                                              \
                for (int k = 0; k < SLICES; k++) sum[k] = 0;                                                           \
                for (ptrdiff_t i = 0; i < rows; i++) {                                                                 \
                    T each = from[i * row] * scale;                                                                    \
                    SLICE(each, shift, sum);                                                                           \
                }                                                                                                      \
            }                                                                                                          \
            for (int k = 0; k < SLICES; k++) {                                                                         \
                const int64_t bin = top - down - k > 0 ? top - down - k : 0;                                           \
                const int64_t value = (int64_t)LDEXP(sum[k], -NAME##_exponent(bin));                                   \
                state[(SAID + 2 * k) * columns + j] = value >> LIMB;                                                   \
                state[(SAID + 2 * k + 1) * columns + j] = value & ((1 << LIMB) - 1);                                   \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    static void NAME##_rounded(const int64_t *state, ptrdiff_t columns, T *totals) {                                   \
        for (ptrdiff_t j = 0; j < columns; j++) {                                                                      \
            const int64_t *of = state + j;                                                                             \
            T total = 0; /* the highest first: what cancels there is exact */                                          \
            for (int k = 0; k < SLICES; k++) {                                                                         \
                const T high = (T)of[(SAID + 2 * k) * columns], low = (T)of[(SAID + 2 * k + 1) * columns];             \
                total += LDEXP(LDEXP(high, LIMB) + low, (SLICES - 1 - k) * BIN);                                       \
            }                                                                                                          \
            totals[j] = LDEXP(total, NAME##_exponent(of[0] - (SLICES - 1)));                                           \
            const int nan = of[columns] != 0, above = of[2 * columns] != 0, below = of[3 * columns] != 0;              \
            if (nan || (above && below)) totals[j] = (T)NAN;                                                           \
            else if (above || below) totals[j] = above ? (T)INFINITY : -(T)INFINITY;                                   \
        }                                                                                                              \
    }
DEFINE_STATES(double, sums_f8, f8, frexp, ldexp, DBL_MIN_EXP - 1, (DBL_MANT_DIG - 1), DBL_MAX_EXP)
DEFINE_STATES(long double, sums_f16, f16, frexpl, ldexpl, LDBL_MIN_EXP - 1, (LDBL_MANT_DIG - 1), LDBL_MAX_EXP)

/* Count the slices of sums from the bins `top` on, none of which is below the sum's own. */
static void lower_slices(int64_t *state, ptrdiff_t columns, const int64_t *top) {
    for (ptrdiff_t j = 0; j < columns; j++) {
        const int64_t by = top[j] - state[j];
        for (int k = SLICES - 1; by > 0 && k >= 0; k--)
            for (int limb = SAID + 2 * k; limb < SAID + 2 * k + 2; limb++)
                state[limb * columns + j] = k >= by ? state[(limb - 2 * by) * columns + j] : 0;
        state[j] = top[j];
    }
}

#endif
