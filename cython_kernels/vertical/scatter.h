/* From a tile to where the lines go, scaled: the mirror image of gather.h, with the lines that there are. */

/* A run of bytes past the cache. A line of 64 bytes of which only a part is written there costs several times as much
 * as a whole one, so that the parts at both ends stay in the cache, where what is written next to them joins them. */
static void stream_run(char *to, const char *from, ptrdiff_t bytes) {
    const ptrdiff_t head = -(uintptr_t)to % 64;
    ptrdiff_t b = head < bytes ? head : bytes;
    memcpy(to, from, b);
    for (; b + 64 <= bytes; b += 64) {
        UNROLL
        for (int k = 0; k < 64; k += BYTES) STREAM(to + b + k, *(const U *)(from + b + k));
    }
    memcpy(to + b, from + b, bytes - b);
}

/* Asks for the two ends of a run that is to come: stores are done in order, and all would wait for these two. */
INLINE void stream_soon(const char *to, ptrdiff_t bytes) {
    __builtin_prefetch(to, 1);
    __builtin_prefetch(to + bytes - 1, 1);
}

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
    /* the first part ends where 64 bytes do, for lines that are apart by whole ones */
    ptrdiff_t most = MOST - (uintptr_t)lines[0] % 64 / sizeof(REAL);
    for (ptrdiff_t k = 0, some; k < numbers; k += some, most = MOST) {
        some = numbers - k < most ? numbers - k : most;
        if (some < W) {
            char *ends[W];
            for (int l = 0; l < W; l++) ends[l] = lines[l] + k * sizeof(REAL);
            scatter_lines(rows, at + k, ends, some, W, scale);
            return;
        }
        for (int l = 0; l < W; l++) stream_soon(lines[l] + k * sizeof(REAL), some * sizeof(REAL));
        for (ptrdiff_t i = 0; i < some; i += W) {
            if (i + W > some) i = some - W;
            by_lines(rows, at + k + i, scale, v);
            UNROLL
            for (int l = 0; l < W; l++) *(U *)((REAL *)together[l] + i) = v[l];
        }
        for (int l = 0; l < W; l++)
            stream_run(lines[l] + k * sizeof(REAL), (const char *)together[l], some * sizeof(REAL));
    }
}

/* Lines side by side, a group of them at least. */
static void scatter_columns(const placing *rows, ptrdiff_t at, char *to, ptrdiff_t line, ptrdiff_t points,
                            ptrdiff_t lines, int real, REAL scale, int stream) {
    enum { MOST = 8, ROWS_AHEAD = 8 }; /* groups that are put together before they are streamed; and see stream_soon */
    char memory[(MOST + 1) * GROUP], *const together = memory + GROUP; /* the last begins earlier */
    const ptrdiff_t groups = groups_of(lines), width = real ? POINT / 2 : POINT, most = MOST * W * width;
    for (ptrdiff_t i = 0; i < points; i++, to += line) {
        if (stream && i + ROWS_AHEAD < points) stream_soon(to + ROWS_AHEAD * line, lines * width);
        for (ptrdiff_t g = 0; g < groups; g++) {
            const ptrdiff_t begin = begin_of_group(g, lines) * width, put = g / MOST * most, rest = lines * width - put;
            char *t = stream ? together + (begin - put) : to + begin;
            if (real) store_reals(t, *(const V *)(place(rows, at + i) + g * GROUP) * scale);
            else store_pairs(t, scaled(load_split(rows->tile + (at + i) * rows->row + g * GROUP), scale), 0);
            if (stream && (g % MOST == MOST - 1 || g == groups - 1))
                stream_run(to + put, together, rest < most ? rest : most);
        }
    }
}

/* Lines that lie anyhow. */
static void scatter_points(const placing *rows, ptrdiff_t at, char *const *lines, ptrdiff_t line, ptrdiff_t points,
                           int numbers, ptrdiff_t count, REAL scale) {
    for (ptrdiff_t i = 0; i < points; i++)
        for (int part = 0; part < numbers; part++) {
            const REAL *from = (const REAL *)place(rows, (at + i) * numbers + part);
            for (int l = 0; l < W; l++)
                if (LINE_OF(l) < count) ((ANYWHERE *)(lines[l] + i * line))[part] = from[l] * scale;
        }
}

/* Whether the rows of a tile of lines side by side are whole lines of 64 bytes, in all pieces. */
static int whole_lines(const vertical_sweep *v, char *const *bases, ptrdiff_t first, ptrdiff_t lines) {
    uintptr_t all = (uintptr_t)lines * POINT;
    for (ptrdiff_t n = 0; n < v->target.count; n++) {
        const ptrdiff_t *piece = v->target.pieces + n * (PIECE_OUTER + v->outer_count);
        all |= (uintptr_t)bases[n] + first / v->columns * piece[PIECE_BATCH] + first % v->columns * piece[PIECE_COLUMN];
        all |= (uintptr_t)piece[PIECE_LINE];
    }
    return all % 64 == 0;
}

static void scatter(const vertical_sweep *v, char *const *bases, ptrdiff_t first, ptrdiff_t lines, placing rows,
                    REAL scale) {
    const vertical_side *side = &v->target;
    const int numbers = side->real ? 1 : 2;
    const ptrdiff_t width = width_of(side);
    char *const tile = rows.tile;
    for (ptrdiff_t n = 0; n < side->count; n++) {
        const ptrdiff_t *piece = side->pieces + n * (PIECE_OUTER + v->outer_count);
        const ptrdiff_t at = piece[PIECE_AT] / width, points = piece[PIECE_POINTS], line = piece[PIECE_LINE];
        const int together = dense(v, piece, first, lines, width);
        for (ptrdiff_t g = 0; g * W < lines; g += together ? groups_of(lines) : 1) {
            const ptrdiff_t from = first + begin_of_group(g, lines), count = lines < W ? lines : W;
            char *begin[W];
            find_lines(v, piece, bases[n], from, count, begin);
            rows.tile = tile + g * GROUP;
            if (together || dense(v, piece, from, count, width))
                scatter_columns(&rows, at, begin[0], line, points, together ? lines : W, side->real, scale, v->stream);
            else if (line == width && v->stream && count == W)
                stream_lines(&rows, at * numbers, begin, points * numbers, scale);
            else if (line == width) scatter_lines(&rows, at * numbers, begin, points * numbers, count, scale);
            else scatter_points(&rows, at, begin, line, points, numbers, count, scale);
        }
    }
}
