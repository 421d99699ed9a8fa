/* Lines whose points follow each other on both sides.
 *
 * Such a line of n = W m points is not laid into lanes beside others. The first pass, of radix W over the points p + m j,
 * takes W that follow each other at once, so that p is what the lanes differ in; mode k of it is multiplied by
 * exp(-2 pi i p k / n), and W transforms of m points remain. Transposed, their points p are rows and the k lanes: a
 * group of a tile, as W lines would be, one group for each line. All further passes are those of passes.h; and since
 * mode q of transform k is mode k + W q of the line, the last one writes modes that follow each other. So a line is
 * transposed once instead of on its way in and on its way out, within a pass, and is not copied at all. It is the
 * four-step transform of D. H. Bailey, J. Supercomputing 4 (1990), in registers.
 *
 * Backward is forward of the conjugate, conjugated. Real points, an even number of them, are n complex ones as they lie;
 * between them and n + 1 modes stands what halves.h says, with W modes that follow each other in a vector.
 *
 * Of lines that lie in several pieces, or are edited, a copy in one piece is made.
 */

/* Lines in one piece: where the first begins, and bytes from one to the next. */
typedef struct { char *begin; ptrdiff_t apart; } whole_lines_at;

#define RE_REVERSED(i) (2 * (W - 1 - LINE_OF(i)))
#define IM_REVERSED(i) (RE_REVERSED(i) + 1)
#define REVERSED_PAIRS(i) ((i) % 2 * W + LANE_OF(W - 1 - (i) / 2))
#define FURTHER_REVERSED_PAIRS(i) ((i) % 2 * W + LANE_OF(W / 2 - 1 - (i) / 2))
#define OPPOSITE(i) (LINE_OF(i) ? LANE_OF((W - LINE_OF(i)) % W) : W)

INLINE C times_each(C a, V re, V im) { return (C){a.re * re - a.im * im, a.re * im + a.im * re}; }

/* As `load_pairs` and `store_pairs`, the last of the W points in the first lane. */
INLINE C load_reversed(const char *from) {
    const V a = *(const U *)from, b = *(const U *)(from + BYTES);
    return (C){SHUFFLE(a, b, RE_REVERSED), SHUFFLE(a, b, IM_REVERSED)};
}
INLINE void store_reversed(char *to, C x) {
    *(U *)to = SHUFFLE(x.re, x.im, REVERSED_PAIRS);
    *(U *)(to + BYTES) = SHUFFLE(x.re, x.im, FURTHER_REVERSED_PAIRS);
}

/* Of a row with modes W q + 0, 1, … the mode -0, and of the row before it modes -1, -2, …: each in the lane of its
 * opposite. */
INLINE C load_opposite(const char *before, const char *row) {
    const C a = load_split(before), b = load_split(row);
    return (C){SHUFFLE(a.re, b.re, OPPOSITE), SHUFFLE(a.im, b.im, OPPOSITE)};
}

/* By 2 and by 8. */
INLINE void butterfly_16(C *x) {
    static const REAL roots[][2] = {
        {1, 0}, {0.923879532511286756128L, -0.382683432365089771728L}, {0.707106781186547524401L, -0.707106781186547524401L},
        {0.382683432365089771728L, -0.923879532511286756128L}, {0, -1}, {-0.382683432365089771728L, -0.923879532511286756128L},
        {-0.707106781186547524401L, -0.707106781186547524401L}, {-0.923879532511286756128L, -0.382683432365089771728L}};
    C even[8], odd[8];
    UNROLL
    for (int j = 0; j < 8; j++) {
        even[j] = plus(x[j], x[j + 8]);
        odd[j] = minus(x[j], x[j + 8]);
        odd[j] = j % 2 ? times(odd[j], roots[j][0], roots[j][1]) : turned(odd[j], j / 2);
    }
    butterfly_8(even);
    butterfly_8(odd);
    UNROLL
    for (int k = 0; k < 8; k++) {
        x[2 * k] = even[k];
        x[2 * k + 1] = odd[k];
    }
}

/* Where W points begin that follow each other, and where the second half of them does: the other half of W = 2 m points
 * is of another line. */
typedef struct { char *begin, *half; } halves_at;

/* The pass of radix W of a line of W m points, or of two of them if m is W / 2, from where they lie to their groups of
 * a tile: to rows p of the first, and of the second from p = W / 2 on. */
static void pass_along(halves_at from, halves_at to, ptrdiff_t row, ptrdiff_t m, const REAL *twiddles, REAL sign) {
    for (ptrdiff_t p = 0; p < m; p += W, twiddles += 2 * W * (W - 1)) {
        if (p + W > m && m > W) p = m - W; /* the last begin earlier, and are computed once more */
        C x[W];
        UNROLL
        for (int j = 0; j < W; j++) {
            const ptrdiff_t at = (p + m * j) * POINT;
            x[j] = load_halves(from.begin + at, from.half + at);
            x[j].im *= sign;
        }
        if (W == 16) butterfly_16(x);
        else butterfly(x, W);
        V re[W], im[W];
        UNROLL
        for (int k = 0; k < W; k++) {
            const REAL *w = twiddles + 2 * W * (k - 1);
            if (k) x[k] = times_each(x[k], *(const U *)w, *(const U *)(w + W));
            re[LANE_OF(k)] = x[k].re;
            im[LANE_OF(k)] = x[k].im;
        }
        transpose(re);
        transpose(im);
        UNROLL
        for (int i = 0; i < W; i++) {
            const ptrdiff_t line = LINE_OF(i);
            store_split((line < W / 2 ? to.begin : to.half) + (p + line) * row, (C){re[i], im[i]});
        }
    }
}

/* Modes of n complex points, in the m rows of a tile, to n + 1 modes of twice as many real points. */
static void unpack_along(const passage *a, ptrdiff_t m, const REAL *turns, whole_lines_at to) {
    const ptrdiff_t n = m * W, row = a->row;
    const REAL half = a->scale / 2;
    for (ptrdiff_t q = 0; q < (m + 1) / 2; q++, turns += 2 * W) {
        const V re = *(const U *)turns, im = *(const U *)(turns + W);
        const char *low = a->from + q * row, *before = a->from + (m - 1 - q) * row, *high = a->from + (m - q) % m * row;
        char *t = to.begin;
        for (ptrdiff_t g = 0; g < a->groups * GROUP; g += GROUP, t += to.apart) {
            const C y = load_split(low + g), z = conjugate(load_opposite(before + g, high + g));
            const C even = plus(y, z), odd = times_each(minus(y, z), im, -re);
            store_pairs(t + q * GROUP, scaled(plus(even, odd), half), 0);
            store_reversed(t + (n - q * W - W + 1) * POINT, scaled(conjugate(minus(even, odd)), half));
        }
    }
    if (m % 2 == 0)
        for (ptrdiff_t g = 0; g < a->groups; g++) {
            const REAL *x = (const REAL *)(a->from + m / 2 * row + g * GROUP);
            ANYWHERE *t = (ANYWHERE *)(to.begin + g * to.apart) + n;
            t[0] = x[0] * a->scale;
            t[1] = -x[W] * a->scale;
        }
}

/* Back, twice as much. The imaginary parts of the first and the last mode do not count. */
static void pack_along(whole_lines_at from, whole_lines_at to, ptrdiff_t lines, ptrdiff_t m, const REAL *turns) {
    const ptrdiff_t n = m * W;
    const char *f = from.begin;
    char *t = to.begin;
    for (ptrdiff_t g = 0; g < lines; g++, f += from.apart, t += to.apart) {
        const REAL *w = turns;
        for (ptrdiff_t q = 0; q < (m + 1) / 2; q++, w += 2 * W) {
            const char *high = f + (n - q * W - W + 1) * POINT;
            const C x = load_pairs(f + q * GROUP), y = conjugate(load_reversed(high));
            const C even = plus(x, y), odd = by_i(times_each(minus(x, y), *(const U *)w, -*(const U *)(w + W)));
            store_pairs(t + q * GROUP, plus(even, odd), 0);
            store_reversed(t + (n - q * W - W + 1) * POINT, conjugate(minus(even, odd)));
        }
        const ANYWHERE *x = (const ANYWHERE *)f;
        ANYWHERE *z = (ANYWHERE *)t;
        z[0] = x[0] + x[2 * n];
        z[1] = x[0] - x[2 * n];
        if (m % 2 == 0) {
            z[n] = 2 * x[n];
            z[n + 1] = -2 * x[n + 1];
        }
    }
}

/* The edits of a side, in a copy of a line. */
static void edit_along(const vertical_side *side, char *line) {
    for (ptrdiff_t n = 0; n < side->edit_count; n++) {
        const ptrdiff_t *edit = side->edits + 3 * n, points = single(edit) ? 1 : edit[2] - edit[1];
        edit_pairs(edit[0], (REAL *)(line + edit[1] * POINT), (REAL *)(line + edit[2] * POINT), 2 * points);
    }
}

/* Where a line of a piece begins. */
INLINE char *begin_of(const vertical_sweep *v, const ptrdiff_t *piece, char *base, ptrdiff_t line) {
    return base + line / v->columns * piece[PIECE_BATCH] + line % v->columns * piece[PIECE_COLUMN];
}

/* Lines of a side where they lie, if each is all there in one piece, without edits; else none. */
static whole_lines_at lines_of(const vertical_sweep *v, const vertical_side *side, char *const *bases, ptrdiff_t first) {
    const ptrdiff_t items = side->real ? v->length : v->kind == VERTICAL_C2C ? v->points : v->points + 1;
    if (side->count != 1 || side->edit_count || side->pieces[PIECE_POINTS] != items) return (whole_lines_at){0};
    return (whole_lines_at){begin_of(v, side->pieces, bases[0], first), side->pieces[PIECE_COLUMN]};
}

static void copy_in(const vertical_sweep *v, char *const *bases, ptrdiff_t first, ptrdiff_t lines, whole_lines_at to) {
    const vertical_side *side = &v->source;
    for (ptrdiff_t g = 0; g < lines; g++) {
        char *line = to.begin + g * to.apart;
        for (ptrdiff_t n = 0; n < side->count; n++) {
            const ptrdiff_t *piece = side->pieces + n * (PIECE_OUTER + v->outer_count);
            memcpy(line + piece[PIECE_AT], begin_of(v, piece, bases[n], first + g), piece[PIECE_POINTS] * width_of(side));
        }
        edit_along(side, line);
    }
}

static void copy_out(const vertical_sweep *v, char *const *bases, ptrdiff_t first, ptrdiff_t lines, whole_lines_at from) {
    const vertical_side *side = &v->target;
    for (ptrdiff_t g = 0; g < lines; g++) {
        char *line = from.begin + g * from.apart;
        edit_along(side, line);
        for (ptrdiff_t n = 0; n < side->count; n++) {
            const ptrdiff_t *piece = side->pieces + n * (PIECE_OUTER + v->outer_count);
            const ptrdiff_t bytes = piece[PIECE_POINTS] * width_of(side);
            char *to = begin_of(v, piece, bases[n], first + g);
            if (v->stream) stream_run(to, line + piece[PIECE_AT], bytes);
            else memcpy(to, line + piece[PIECE_AT], bytes);
        }
    }
}

/* Asks for the ends of all that `copy_out` is to write past the cache. */
static void stream_out_soon(const vertical_sweep *v, char *const *bases, ptrdiff_t first, ptrdiff_t lines) {
    for (ptrdiff_t n = 0; n < v->target.count; n++) {
        const ptrdiff_t *piece = v->target.pieces + n * (PIECE_OUTER + v->outer_count);
        for (ptrdiff_t g = 0; g < lines; g++)
            stream_soon(begin_of(v, piece, bases[n], first + g), piece[PIECE_POINTS] * width_of(&v->target));
    }
}

static void sweep_along(const vertical_sweep *v, char *const *from, char *const *to, ptrdiff_t first, ptrdiff_t lines,
                        REAL scale) {
    const ptrdiff_t m = v->points / W, copied = (v->points + 1) * POINT / 64 * 64 + 64;
    const REAL *const twiddles = v->twiddles, *const rest = twiddles + (m + W - 1) / W * 2 * W * (W - 1);
    passage pass = {.from = v->tiles[0], .to = v->tiles[1], .groups = lines, .m = m, .s = 1,
                    .row = lines * GROUP + (lines > 1 ? VERTICAL_SPARE : 0), .twiddles = rest, .rows = v->rows,
                    .last = PTRDIFF_MAX,
                    .scale = scale, .scale_im = v->backward ? -scale : scale};
    whole_lines_at source = lines_of(v, &v->source, from, first), target = lines_of(v, &v->target, to, first);
    const int past_cache = v->stream && v->kind != VERTICAL_R2C && GROUP % 64 == 0 &&
                           ((uintptr_t)target.begin | (uintptr_t)target.apart) % 64 == 0;
    const int there = target.begin && (past_cache || !v->stream);
    if (v->stream && !there) stream_out_soon(v, to, first, lines);
    const whole_lines_at lying = source;
    if (!source.begin) {
        source = (whole_lines_at){pass.from, copied};
        copy_in(v, from, first, lines, source);
    }
    if (v->kind == VERTICAL_C2R) {
        const whole_lines_at packed = {pass.to, copied};
        pack_along(source, packed, lines, m, v->turns);
        source = packed;
        turn_over(&pass);
    }
    for (ptrdiff_t g = 0; g < lines; g += m < W ? 2 : 1) {
        char *line = source.begin + g * source.apart, *group = pass.to + g * GROUP;
        halves_at begin = {line, line + BYTES}, end = {group, group};
        if (m < W && g + 1 < lines) {
            begin.half = line + source.apart;
            end.half = group + GROUP - m * pass.row;
        } else if (m < W) { /* nobody beside the last */
            begin.half = line;
            end.half = group - m * pass.row;
        }
        pass_along(begin, end, pass.row, m, twiddles, v->backward ? -1 : 1);
    }
    turn_over(&pass);
    ptrdiff_t butterflies = 0;
    for (ptrdiff_t k = 0; k < v->passes; k++) butterflies += m / v->radices[k];
    if (lying.begin) {
        pass.soon = lying.begin + lines * lying.apart;
        pass.soon_apart = lying.apart;
        pass.soon_bytes = (v->points * POINT / butterflies + 63) / 64 * 64;
    }
    for (ptrdiff_t k = 0; k < v->passes - (v->kind != VERTICAL_R2C); k++) {
        pass.m /= v->radices[k];
        pass.twiddles = do_pass(&pass, v->radices[k]);
        pass.s *= v->radices[k];
        turn_over(&pass);
    }
    /* the last, be it of butterflies or the unpacking */
    if (!there) target = (whole_lines_at){pass.to, copied};
    if (v->kind == VERTICAL_R2C) unpack_along(&pass, m, v->turns, target);
    else {
        for (ptrdiff_t q = 0; q < m; q++) pass.rows[q] = target.begin + q * GROUP;
        pass.apart = target.apart;
        pass.writes = past_cache ? PAIRS_PAST_CACHE : PAIRS;
        pass.m = 1;
        do_pass(&pass, v->radices[v->passes - 1]);
    }
    if (!there) copy_out(v, to, first, lines, target);
}
