/* Between n real points and n / 2 complex ones; edits of points. All on whole rows of a tile.
 *
 * An even number n of real points is transformed as n / 2 complex ones z[j] = x[2 j] + i x[2 j + 1], with modes Z. The
 * transforms of the even and of the odd points are E[k] = (Z[k] + conj Z[n/2 - k]) / 2 and O[k] = (Z[k] - conj Z[n/2 -
 * k]) / 2i, and X[k] = E[k] + w^k O[k] with w = exp(-2 pi i / n). `turns` has the real and the imaginary part of w^k
 * for k up to n / 4. An odd number is transformed as as many complex ones, without imaginary part.
 *
 * Unpacking is the last pass of such a transform, packing the first of its inverse. So they too write, or read, the
 * modes where they lie.
 */
INLINE C conjugate(C a) { return (C){a.re, -a.im}; }
INLINE C by_i(C a) { return (C){-a.im, a.re}; }

/* Modes Z[0], …, Z[m - 1] to X[0], …, X[m], n = 2 m. */
INLINE void unpacking(const passage *a, const REAL *turns, const int writes) {
    const ptrdiff_t m = a->m, row = a->row, bytes = a->groups * GROUP, last = a->last;
    const REAL scale = a->scale;
    for (ptrdiff_t k = 0; k <= m / 2; k++) {
        const REAL re = turns[2 * k] / 2, im = turns[2 * k + 1] / 2;
        const char *low = a->from + k * row, *high = a->from + (k ? m - k : 0) * row;
        char *to_low = writes == IN_TILE ? a->to + k * row : a->rows[k];
        char *to_high = writes == IN_TILE ? a->to + (m - k) * row : a->rows[m - k];
        for (ptrdiff_t g = 0; g < bytes; g += GROUP) {
            const C y = load_split(low + g), z = conjugate(load_split(high + g));
            const C sum = plus(y, z), odd = times(minus(y, z), im, -re), even = {sum.re / 2, sum.im / 2};
            const C x = plus(even, odd), mirrored = conjugate(minus(even, odd));
            if (writes == IN_TILE) {
                store_split(to_low + g, x);
                store_split(to_high + g, mirrored);
            } else {
                const ptrdiff_t there = g < last ? g : last;
                store_pairs(to_low + there, scaled(x, scale), writes == PAIRS_PAST_CACHE);
                store_pairs(to_high + there, scaled(mirrored, scale), writes == PAIRS_PAST_CACHE);
            }
        }
    }
}

static void unpack(passage *a, const REAL *turns) {
    if (a->writes == PAIRS) unpacking(a, turns, PAIRS);
    else if (a->writes == PAIRS_PAST_CACHE) unpacking(a, turns, PAIRS_PAST_CACHE);
    else unpacking(a, turns, IN_TILE);
    turn_over(a);
}

/* Back, twice as much, with all points after the first from the end: their forward transform is the backward one. The
 * imaginary parts of X[0] and X[m] do not count. */
INLINE void packing(const passage *a, const REAL *turns, const int reads) {
    const ptrdiff_t m = a->m, row = a->row, bytes = a->groups * GROUP, ahead = a->ahead, last = a->last;
    for (ptrdiff_t k = 0; k <= m / 2; k++) {
        const REAL re = turns[2 * k], im = turns[2 * k + 1];
        const char *low = reads == PAIRS ? a->rows[k] : a->from + k * row;
        const char *high = reads == PAIRS ? a->rows[m - k] : a->from + (m - k) * row;
        char *to_low = a->to + k * row, *to_high = a->to + (k ? m - k : 0) * row;
        for (ptrdiff_t g = 0; g < bytes; g += GROUP) {
            C x, y;
            if (reads == PAIRS) {
                const ptrdiff_t there = g < last ? g : last;
                prefetch(low + (there + ahead), GROUP);
                prefetch(high + (there - ahead), GROUP);
                x = load_pairs(low + there);
                y = conjugate(load_pairs(high + there));
            } else {
                x = load_split(low + g);
                y = conjugate(load_split(high + g));
            }
            if (k == 0) {
                store_split(to_low + g, (C){x.re + y.re, x.re - y.re});
                continue;
            }
            const C even = plus(x, y), odd = by_i(times(minus(x, y), re, -im));
            store_split(to_high + g, plus(even, odd));
            store_split(to_low + g, conjugate(minus(even, odd)));
        }
    }
}

static void pack(passage *a, const REAL *turns) {
    if (a->reads == PAIRS) packing(a, turns, PAIRS);
    else packing(a, turns, IN_TILE);
    turn_over(a);
}

/* The imaginary parts of real lines of an odd number of points. */
static void no_imaginary(char *tile, ptrdiff_t row, ptrdiff_t n, ptrdiff_t groups) {
    for (ptrdiff_t k = 0; k < n; k++)
        for (ptrdiff_t g = 0; g < groups; g++) memset(tile + k * row + g * GROUP + BYTES, 0, BYTES);
}

/* All of an odd number of modes, those after the first from the end as in `pack`. */
static void mirror(char *tile, ptrdiff_t row, ptrdiff_t n, ptrdiff_t groups) {
    for (ptrdiff_t g = 0; g < groups; g++) memset(tile + g * GROUP + BYTES, 0, BYTES);
    for (ptrdiff_t k = 1; k <= n / 2; k++)
        for (ptrdiff_t g = 0; g < groups; g++) {
            const C z = load_split(tile + k * row + g * GROUP);
            store_split(tile + k * row + g * GROUP, conjugate(z));
            store_split(tile + (n - k) * row + g * GROUP, z);
        }
}

/* What happens to points of all lines of a tile, one edit after the other; `parts` are the numbers of a point. */
static void apply_edits(const vertical_side *side, const placing *rows, ptrdiff_t groups) {
    const int parts = side->real ? 1 : 2;
    for (ptrdiff_t n = 0; n < side->edit_count; n++) {
        const ptrdiff_t *edit = side->edits + 3 * n, end = single(edit) ? edit[1] + 1 : edit[2];
        for (ptrdiff_t i = edit[1]; i < end; i++)
            for (int part = 0; part < parts; part++) {
                V *x = (V *)place(rows, i * parts + part), *y = (V *)place(rows, edit[2] * parts + part);
                for (ptrdiff_t g = 0; g < 2 * groups; g += 2) switch (edit[0]) {
                    case EDIT_ZERO: x[g] = (V){0}; break;
                    case EDIT_COPY: y[g] = x[g]; break;
                    case EDIT_ADD: x[g] += y[g]; break;
                    case EDIT_REAL: x[g] = part ? (V){0} : x[g]; break;
                    case EDIT_HALVE: x[g] *= (REAL)0.5; break;
                    case EDIT_DOUBLE: x[g] *= 2; break;
                    case EDIT_ROOT_HALF: x[g] *= (REAL)0.70710678118654752440L; break;
                    case EDIT_ROOT_TWO: x[g] *= (REAL)1.41421356237309504880L; break;
                    }
            }
    }
}
