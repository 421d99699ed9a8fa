/* Between n real points and n / 2 complex ones; edits of single points. All on whole rows of a tile.
 *
 * An even number n of real points is transformed as n / 2 complex ones z[j] = x[2 j] + i x[2 j + 1], with modes Z. The
 * transforms of the even and of the odd points are E[k] = (Z[k] + conj Z[n/2 - k]) / 2 and O[k] = (Z[k] - conj Z[n/2 -
 * k]) / 2i, and X[k] = E[k] + w^k O[k] with w = exp(-2 pi i / n). `turns` has the real and the imaginary part of w^k
 * for k up to n / 4. An odd number is transformed as as many complex ones, without imaginary part.
 */
INLINE C conjugate(C a) { return (C){a.re, -a.im}; }
INLINE C by_i(C a) { return (C){-a.im, a.re}; }

/* From rows Z[0], …, Z[m - 1] to rows X[0], …, X[m], n = 2 m. */
static void unpack(const char *from, char *to, ptrdiff_t row, ptrdiff_t m, ptrdiff_t groups, const REAL *turns) {
    for (ptrdiff_t g = 0; g < groups; g++) {
        const C z = load_split(from + g * GROUP);
        store_split(to + g * GROUP, (C){z.re + z.im, z.re - z.re});
        store_split(to + m * row + g * GROUP, (C){z.re - z.im, z.re - z.re});
    }
    for (ptrdiff_t k = 1; k <= m / 2; k++)
        for (ptrdiff_t g = 0; g < groups; g++) {
            const C a = load_split(from + k * row + g * GROUP);
            const C b = conjugate(load_split(from + (m - k) * row + g * GROUP));
            const C even = plus(a, b), odd = times(minus(a, b), turns[2 * k + 1] / 2, -turns[2 * k] / 2);
            const C half = {even.re / 2, even.im / 2};
            store_split(to + k * row + g * GROUP, plus(half, odd));
            store_split(to + (m - k) * row + g * GROUP, conjugate(minus(half, odd)));
        }
}

/* Back, twice as much, with real and imaginary parts swapped. */
static void pack(const char *from, char *to, ptrdiff_t row, ptrdiff_t m, ptrdiff_t groups, const REAL *turns) {
    for (ptrdiff_t g = 0; g < groups; g++) {
        const V first = load_split(from + g * GROUP).re, last = load_split(from + m * row + g * GROUP).re;
        store_split(to + g * GROUP, (C){first - last, first + last});
    }
    for (ptrdiff_t k = 1; k <= m / 2; k++)
        for (ptrdiff_t g = 0; g < groups; g++) {
            const C a = load_split(from + k * row + g * GROUP);
            const C b = conjugate(load_split(from + (m - k) * row + g * GROUP));
            const C even = plus(a, b), odd = by_i(times(minus(a, b), turns[2 * k], -turns[2 * k + 1]));
            const C z = plus(even, odd), y = conjugate(minus(even, odd));
            store_split(to + k * row + g * GROUP, (C){z.im, z.re});
            store_split(to + (m - k) * row + g * GROUP, (C){y.im, y.re});
        }
}

/* The imaginary parts of real lines of an odd number of points. */
static void no_imaginary(char *tile, ptrdiff_t row, ptrdiff_t n, ptrdiff_t groups) {
    for (ptrdiff_t k = 0; k < n; k++)
        for (ptrdiff_t g = 0; g < groups; g++) memset(tile + k * row + g * GROUP + BYTES, 0, BYTES);
}

/* The other half of an odd number of modes, all with real and imaginary parts swapped. */
static void mirror(char *tile, ptrdiff_t row, ptrdiff_t n, ptrdiff_t groups) {
    for (ptrdiff_t g = 0; g < groups; g++) {
        const V first = load_split(tile + g * GROUP).re;
        store_split(tile + g * GROUP, (C){first - first, first});
    }
    for (ptrdiff_t k = 1; k <= n / 2; k++)
        for (ptrdiff_t g = 0; g < groups; g++) {
            const C z = load_split(tile + k * row + g * GROUP);
            store_split(tile + k * row + g * GROUP, (C){z.im, z.re});
            store_split(tile + (n - k) * row + g * GROUP, (C){-z.im, z.re});
        }
}

/* What happens to complex points of all lines of a tile, one edit after the other. */
static void apply_edits(const vertical_side *side, const placing *rows, ptrdiff_t groups) {
    for (ptrdiff_t n = 0; n < side->edit_count; n++) {
        const ptrdiff_t *edit = side->edits + 3 * n, i = edit[1], j = edit[2];
        for (ptrdiff_t g = 0; g < groups; g++) {
            char *at = rows->tile + g * GROUP, *x = at + i * rows->row, *y = at + j * rows->row;
            switch (edit[0]) {
            case EDIT_ZERO:
                for (; x < y; x += rows->row) memset(x, 0, GROUP);
                break;
            case EDIT_COPY: store_split(y, load_split(x)); break;
            case EDIT_ADD: store_split(x, plus(load_split(x), load_split(y))); break;
            case EDIT_REAL: memset(x + (rows->swap ? 0 : BYTES), 0, BYTES); break;
            default: {
                const REAL factor = edit[0] == EDIT_HALVE ? (REAL)0.5 : 2;
                for (; x < y; x += rows->row) {
                    const C z = load_split(x);
                    store_split(x, (C){z.re * factor, z.im * factor});
                }
            }
            }
        }
    }
}
