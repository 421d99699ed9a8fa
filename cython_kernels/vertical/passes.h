/* Stockham's passes, by decimation in frequency.
 *
 * Before a pass of radix r the transforms that remain are of m r points, s of them side by side: row q + s (p + m j)
 * has point p + m j of transform q. Mode k of the butterfly over j is multiplied by exp(-2 pi i p k / (m r)), and
 * goes to row q + s (r p + k): what remains are transforms of m points, s r of them side by side.
 *
 * `twiddles` has these factors of p = 0, 1, … for k = 1 to r - 1, real and imaginary part. The last pass has none.
 *
 * The first pass can read the lines, and the last write them, where they lie, if they do so side by side: instructions
 * are what a sweep in cache takes its time for, and this saves those of a pass. There are pairs, which are complex
 * points, and reals, of which two points in turn are the real and the imaginary part of a complex one.
 */
enum { IN_TILE, PAIRS, PAIRS_PAST_CACHE, REALS };

typedef struct {
    char *from, *to;  /* tiles, */
    ptrdiff_t row;    /* bytes from row to row of them */
    ptrdiff_t groups; /* of lines in a row */
    ptrdiff_t m, s;
    const REAL *twiddles;
    int reads, writes;
    char **rows;     /* where each point lies that is not in a tile */
    ptrdiff_t ahead; /* bytes from there to the memory that is asked for, since reads of points are too far apart for
                      * the processor to guess the next */
    ptrdiff_t apart; /* bytes from group to group of pairs that are written there */
    ptrdiff_t last;  /* the most bytes from the first pair read or written there to the first of a group: see rows.h */
    const char *soon; /* lines that are read after these, one for each group, if any: how far each has been asked for, */
    ptrdiff_t soon_apart, soon_bytes; /* bytes from one to the next, and for how many each butterfly asks */
    REAL scale, scale_im; /* of what is not written to a tile, and of the imaginary parts of pairs */
} passage;

INLINE C scaled(C x, REAL scale) { return (C){x.re * scale, x.im * scale}; }

/* Asks for more of the lines that are read next, for the second-level cache: those at work fill the first. */
static void ask_for_some(passage *a) {
    for (ptrdiff_t g = 0; g < a->groups; g++)
        for (ptrdiff_t b = 0; b < a->soon_bytes; b += 64) __builtin_prefetch(a->soon + g * a->soon_apart + b, 0, 2);
    a->soon += a->soon_bytes;
}

/* A pass of radix r; the pointers of a butterfly are read before any memory is written that might be them. */
INLINE void pass(passage *a, const int r, const int reads, const int writes, const int twiddled) {
    const ptrdiff_t row = a->row, m = a->m, s = a->s, ahead = a->ahead, apart = a->apart, bytes = a->groups * GROUP,
                    last = a->last;
    const REAL *w = a->twiddles, scale = a->scale, scale_im = a->scale_im;
    const int asks = reads == IN_TILE && a->soon;
    const int one = reads == REALS || writes == REALS ? 2 : 1;
    for (ptrdiff_t p = 0; p < m; p++, w += 2 * (r - 1))
        for (ptrdiff_t q = 0; q < s; q++) {
            const char *f = a->from + (q + s * p) * row;
            char *t = a->to + (q + s * r * p) * row, *at[32];
            if (reads != IN_TILE || writes != IN_TILE) {
                UNROLL
                for (int j = 0; j < r; j++)
                    for (int k = 0; k < one; k++) at[one * j + k] = a->rows[one * (q + p + m * s * j) + k];
            }
            if (asks) ask_for_some(a);
            for (ptrdiff_t g = 0, next = 0; g < bytes; g += GROUP, next += apart) {
                const ptrdiff_t there = next < last ? next : last;
                C x[13];
                UNROLL
                for (int j = 0; j < r; j++) {
                    if (reads == IN_TILE) x[j] = load_split(f + s * m * j * row + g);
                    if (reads == PAIRS) {
                        prefetch(at[j] + (there + ahead), GROUP);
                        x[j] = load_pairs(at[j] + there);
                    }
                    if (reads == REALS) {
                        prefetch(at[2 * j] + (there / 2 + ahead), BYTES);
                        prefetch(at[2 * j + 1] + (there / 2 + ahead), BYTES);
                        x[j] = (C){load_reals(at[2 * j] + there / 2), load_reals(at[2 * j + 1] + there / 2)};
                    }
                }
                butterfly(x, r);
                UNROLL
                for (int k = 0; k < r; k++) {
                    if (twiddled && k) x[k] = times(x[k], w[2 * k - 2], w[2 * k - 1]);
                    if (writes == IN_TILE) store_split(t + s * k * row + g, x[k]);
                    if (writes == PAIRS || writes == PAIRS_PAST_CACHE)
                        store_pairs(at[k] + there, (C){x[k].re * scale, x[k].im * scale_im}, writes == PAIRS_PAST_CACHE);
                    if (writes == REALS) {
                        store_reals(at[2 * k] + there / 2, x[k].re * scale);
                        store_reals(at[2 * k + 1] + there / 2, x[k].im * scale);
                    }
                }
            }
        }
}

#define PASS(r)                                                                                                        \
    static void pass_##r(passage *a) {                                                                           \
        if (a->reads == PAIRS) pass(a, r, PAIRS, IN_TILE, 1);                                                          \
        else if (a->reads == REALS) pass(a, r, REALS, IN_TILE, 1);                                                     \
        else if (a->writes == PAIRS) pass(a, r, IN_TILE, PAIRS, 0);                                                    \
        else if (a->writes == PAIRS_PAST_CACHE) pass(a, r, IN_TILE, PAIRS_PAST_CACHE, 0);                              \
        else if (a->writes == REALS) pass(a, r, IN_TILE, REALS, 0);                                                    \
        else if (a->m > 1) pass(a, r, IN_TILE, IN_TILE, 1);                                                            \
        else pass(a, r, IN_TILE, IN_TILE, 0);                                                                          \
    }
PASS(2) PASS(3) PASS(4) PASS(5) PASS(6) PASS(7) PASS(8) PASS(11) PASS(13)
#undef PASS

/* After a pass: what was written is read. */
static void turn_over(passage *a) {
    char *const written = a->to;
    a->to = a->from;
    a->from = written;
    a->reads = IN_TILE;
}

/* Does a pass; returns where the twiddles of the next begin. */
static const REAL *do_pass(passage *a, ptrdiff_t r) {
    switch (r) {
    case 2: pass_2(a); break;
    case 3: pass_3(a); break;
    case 4: pass_4(a); break;
    case 5: pass_5(a); break;
    case 6: pass_6(a); break;
    case 7: pass_7(a); break;
    case 8: pass_8(a); break;
    case 11: pass_11(a); break;
    case 13: pass_13(a); break;
    }
    return a->twiddles + a->m * 2 * (r - 1);
}
