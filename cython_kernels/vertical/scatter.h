/* From a tile to where the lines go, scaled: the mirror image of gather.h, with the lines that there are. */

/* W numbers from `k` on of W lines, by line. */
INLINE void by_lines(const placing *rows, ptrdiff_t k, REAL scale, V *v) {
    UNROLL
    for (int l = 0; l < W; l++) v[l] = *(const V *)place(rows, k + l) * scale;
    transpose(v);
}

/* Lines whose numbers follow each other, `count` of W. */
static void scatter_lines(const placing *rows, ptrdiff_t at, char *const *lines, ptrdiff_t numbers, ptrdiff_t count,
                          REAL scale) {
    V v[W];
    if (numbers < W) {
        for (int l = 0; l < W; l++)
            if (LINE_OF(l) < count)
                for (ptrdiff_t k = 0; k < numbers; k++)
                    ((ANYWHERE *)lines[l])[k] = ((const REAL *)place(rows, at + k))[l] * scale;
        return;
    }
    for (ptrdiff_t k = 0; k < numbers; k += W) {
        if (k + W > numbers) k = numbers - W; /* the last begins earlier, and stores some once more */
        by_lines(rows, at + k, scale, v);
        if (count == W) {
            UNROLL
            for (int l = 0; l < W; l++) *(U *)(lines[l] + k * sizeof(REAL)) = v[l];
        } else
            for (int l = 0; l < W; l++)
                if (LINE_OF(l) < count) *(U *)(lines[l] + k * sizeof(REAL)) = v[l];
    }
}

/* The same past the cache, W lines. Where it is transposed, too little of a line comes at once for the processor to put
 * together: so some of each is put together here before. */
static void stream_lines(const placing *rows, ptrdiff_t at, char *const *lines, ptrdiff_t numbers, REAL scale) {
    enum { MOST = 1024 / sizeof(REAL) };
    V together[W][MOST / W], v[W];
    for (ptrdiff_t k = 0; k < numbers; k += MOST) {
        const ptrdiff_t some = numbers - k < MOST ? numbers - k : MOST;
        if (some < W) {
            char *ends[W];
            for (int l = 0; l < W; l++) ends[l] = lines[l] + k * sizeof(REAL);
            scatter_lines(rows, at + k, ends, some, W, scale);
            return;
        }
        for (ptrdiff_t i = 0; i < some; i += W) {
            if (i + W > some) i = some - W;
            by_lines(rows, at + k + i, scale, v);
            UNROLL
            for (int l = 0; l < W; l++) *(U *)((REAL *)together[l] + i) = v[l];
        }
        for (int l = 0; l < W; l++) {
            char *to = lines[l] + k * sizeof(REAL);
            const char *from = (const char *)together[l];
            const ptrdiff_t bytes = some * sizeof(REAL);
            for (ptrdiff_t b = 0; b + 16 <= bytes; b += 16) stream_16(to + b, from + b);
            memcpy(to + bytes / 16 * 16, from + bytes / 16 * 16, bytes % 16);
        }
    }
}

/* Whether stores past the cache, of 16 bytes, can go to all of these. */
INLINE int aligned(char *const *lines) {
    uintptr_t all = 0;
    for (int l = 0; l < W; l++) all |= (uintptr_t)lines[l];
    return all % 16 == 0;
}

static void scatter_columns(const placing *rows, ptrdiff_t at, char *to, ptrdiff_t line, ptrdiff_t points,
                            ptrdiff_t groups, int real, REAL scale, int stream) {
    for (ptrdiff_t i = 0; i < points; i++, to += line)
        for (ptrdiff_t g = 0; g < groups; g++)
            if (real)
                store(to + g * BYTES, from_lanes(*(const V *)(place(rows, at + i) + g * GROUP)) * scale, stream);
            else {
                const C x = load_split(rows->tile + (at + i) * rows->row + g * GROUP);
                store_pairs(to + g * GROUP, (C){x.re * scale, x.im * scale}, rows->swap, stream);
            }
}

static void scatter_points(const placing *rows, ptrdiff_t at, char *const *lines, ptrdiff_t line, ptrdiff_t points,
                                 int numbers, ptrdiff_t count, REAL scale) {
    for (ptrdiff_t i = 0; i < points; i++)
        for (int part = 0; part < numbers; part++) {
            const REAL *from = (const REAL *)place(rows, (at + i) * numbers + part);
            for (int l = 0; l < W; l++)
                if (LINE_OF(l) < count) ((ANYWHERE *)(lines[l] + i * line))[part] = from[l] * scale;
        }
}

/* Whether stores past the cache can go to all pieces of lines side by side. */
static int streams(const vertical_sweep *v, char *const *bases) {
    uintptr_t all = 0;
    for (ptrdiff_t n = 0; n < v->target.count; n++) {
        const ptrdiff_t *piece = v->target.pieces + n * (PIECE_OUTER + v->outer_count);
        all |= (uintptr_t)bases[n] | (uintptr_t)(piece[PIECE_LINE] | piece[PIECE_COLUMN] | piece[PIECE_BATCH]);
    }
    return all % 16 == 0;
}

static void scatter(const vertical_sweep *v, char *const *bases, ptrdiff_t first, ptrdiff_t lines, placing rows,
                          REAL scale) {
    const vertical_side *side = &v->target;
    const int numbers = side->real ? 1 : 2;
    const ptrdiff_t width = numbers * sizeof(REAL);
    char *const tile = rows.tile;
    for (ptrdiff_t n = 0; n < side->count; n++) {
        const ptrdiff_t *piece = side->pieces + n * (PIECE_OUTER + v->outer_count);
        const ptrdiff_t at = piece[PIECE_AT] / width, points = piece[PIECE_POINTS], line = piece[PIECE_LINE];
        const ptrdiff_t together = dense(v, piece, first, lines, width) ? lines / W : 1;
        for (ptrdiff_t g = 0; g * W < lines; g += together) {
            const ptrdiff_t count = lines - g * W < W ? lines - g * W : W;
            char *begin[W];
            find_lines(v, piece, bases[n], first + g * W, count, begin);
            rows.tile = tile + g * GROUP;
            if (dense(v, piece, first + g * W, count, width)) {
                const int stream = v->stream && ((uintptr_t)begin[0] | (uintptr_t)line) % 16 == 0;
                scatter_columns(&rows, at, begin[0], line, points, together, side->real, scale, stream);
            } else if (line == width && v->stream && count == W && aligned(begin))
                stream_lines(&rows, at * numbers, begin, points * numbers, scale);
            else if (line == width) scatter_lines(&rows, at * numbers, begin, points * numbers, count, scale);
            else scatter_points(&rows, at, begin, line, points, numbers, count, scale);
        }
    }
}
