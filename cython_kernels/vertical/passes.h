/* Stockham's passes, by decimation in frequency.
 *
 * Before a pass of radix r the transforms that remain are of m r points, s of them side by side: row q + s (p + m j)
 * has point p + m j of transform q. Mode k of the butterfly over j is multiplied by exp(-2 pi i p k / (m r)), and
 * goes to row q + s (r p + k): what remains are transforms of m points, s r of them side by side.
 *
 * `twiddles` has these factors of p = 0, 1, … for k = 1 to r - 1, real and imaginary part.
 */
typedef struct {
    const char *from;
    char *to;
    ptrdiff_t row;    /* bytes from row to row of both tiles */
    ptrdiff_t groups; /* of lines in a row */
    ptrdiff_t m, s;
    const REAL *twiddles;
    char *const *sources; /* of the first pass, where it gathers: where each point lies */
    char *const *targets; /* of the last pass, where it scatters */
    int swap, stream;
    REAL scale;
} passage;

INLINE void pass(const passage *a, const int r, const int gathers, const int scatters, const int twiddled) {
    const ptrdiff_t row = a->row, m = a->m, s = a->s;
    const REAL *w = a->twiddles;
    for (ptrdiff_t p = 0; p < m; p++, w += 2 * (r - 1))
        for (ptrdiff_t q = 0; q < s; q++) {
            const char *f = a->from + (q + s * p) * row;
            char *t = a->to + (q + s * r * p) * row;
            char *const *sources = gathers ? a->sources + p : NULL, *const *targets = scatters ? a->targets + q : NULL;
            for (ptrdiff_t g = 0; g < a->groups; g++, f += GROUP, t += GROUP) {
                C x[16];
                UNROLL
                for (int j = 0; j < r; j++)
                    if (gathers) {
                        prefetch(sources[m * j + VERTICAL_AHEAD] + g * GROUP);
                        x[j] = load_pairs(sources[m * j] + g * GROUP, a->swap);
                    } else x[j] = load_split(f + s * m * j * row);
                butterfly(x, r);
                UNROLL
                for (int k = 0; k < r; k++) {
                    if (twiddled && k) x[k] = times(x[k], w[2 * k - 2], w[2 * k - 1]);
                    if (scatters)
                        store_pairs(targets[s * k] + g * GROUP, (C){x[k].re * a->scale, x[k].im * a->scale}, a->swap,
                                    a->stream);
                    else store_split(t + s * k * row, x[k]);
                }
            }
        }
}

#define PASS(r)                                                                                                        \
    static void pass_##r(const passage *a) {                                                                           \
        if (a->sources) pass(a, r, 1, 0, 1);                                                                           \
        else if (a->targets) pass(a, r, 0, 1, 0);                                                                      \
        else if (a->m > 1) pass(a, r, 0, 0, 1);                                                                        \
        else pass(a, r, 0, 0, 0);                                                                                      \
    }
PASS(2) PASS(3) PASS(4) PASS(5) PASS(7) PASS(8) PASS(11) PASS(13) PASS(16)
#undef PASS

/* Does a pass; returns where the twiddles of the next begin. */
static const REAL *do_pass(const passage *a, ptrdiff_t r) {
    switch (r) {
    case 2: pass_2(a); break;
    case 3: pass_3(a); break;
    case 4: pass_4(a); break;
    case 5: pass_5(a); break;
    case 7: pass_7(a); break;
    case 8: pass_8(a); break;
    case 11: pass_11(a); break;
    case 13: pass_13(a); break;
    case 16: pass_16(a); break;
    }
    return a->twiddles + a->m * 2 * (r - 1);
}
