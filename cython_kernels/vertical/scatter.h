/* From a tile to where the lines go, scaled: the mirror image of gather.h, with the lines that there are. */

/* Whether stores past the cache, of 16 bytes, can go to all of these. */
INLINE int aligned(char *const *begin, ptrdiff_t stride) {
    uintptr_t all = (uintptr_t)stride;
    for (int l = 0; l < W; l++) all |= (uintptr_t)begin[l];
    return all % 16 == 0;
}

static void scatter_lines(const placing *rows, ptrdiff_t at, char *const *lines, ptrdiff_t numbers, ptrdiff_t count,
                                REAL scale, int stream) {
    if (numbers < W) {
        for (int l = 0; l < W; l++)
            if (LINE_OF(l) < count)
                for (ptrdiff_t k = 0; k < numbers; k++)
                    ((ANYWHERE *)lines[l])[k] = ((const REAL *)place(rows, at + k))[l] * scale;
        return;
    }
    for (ptrdiff_t k = 0; k < numbers; k += W) {
        if (k + W > numbers) k = numbers - W, stream = 0; /* the last begins earlier, aligned to nothing */
        V v[W];
        UNROLL
        for (int l = 0; l < W; l++) v[l] = *(const V *)place(rows, at + k + l) * scale;
        transpose(v);
        if (count == W) {
            UNROLL
            for (int l = 0; l < W; l++) store(lines[l] + k * sizeof(REAL), v[l], stream);
        } else {
            UNROLL
            for (int l = 0; l < W; l++)
                if (LINE_OF(l) < count) store(lines[l] + k * sizeof(REAL), v[l], 0);
        }
    }
}

static void scatter_columns(const placing *rows, ptrdiff_t at, char *to, ptrdiff_t line, ptrdiff_t points, int real,
                                  REAL scale, int stream) {
    if (real)
        for (ptrdiff_t i = 0; i < points; i++)
            store(to + i * line, from_lanes(*(const V *)place(rows, at + i)) * scale, stream);
    else
        for (ptrdiff_t i = 0; i < points; i++) {
            const C x = load_split(rows->tile + (at + i) * rows->row);
            store_pairs(to + i * line, (C){x.re * scale, x.im * scale}, rows->swap, stream);
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

static void scatter(const vertical_sweep *v, char *const *bases, ptrdiff_t first, ptrdiff_t lines, placing rows,
                          REAL scale) {
    const vertical_side *side = &v->target;
    const int numbers = side->real ? 1 : 2;
    const ptrdiff_t width = numbers * sizeof(REAL);
    char *const tile = rows.tile;
    for (ptrdiff_t n = 0; n < side->count; n++) {
        const ptrdiff_t *piece = side->pieces + n * (PIECE_OUTER + v->outer_count);
        const ptrdiff_t at = piece[PIECE_AT] / width, points = piece[PIECE_POINTS], line = piece[PIECE_LINE];
        for (ptrdiff_t g = 0; g * W < lines; g++) {
            const ptrdiff_t count = lines - g * W < W ? lines - g * W : W;
            char *begin[W];
            find_lines(v, piece, bases[n], first + g * W, count, begin);
            rows.tile = tile + g * GROUP;
            if (dense(v, piece, first + g * W, count, width)) {
                const int stream = v->stream && ((uintptr_t)begin[0] | (uintptr_t)line) % 16 == 0;
                scatter_columns(&rows, at, begin[0], line, points, side->real, scale, stream);
            } else if (line == width)
                scatter_lines(&rows, at * numbers, begin, points * numbers, count, scale,
                                    v->stream && aligned(begin, 0));
            else scatter_points(&rows, at, begin, line, points, numbers, count, scale);
        }
    }
}
