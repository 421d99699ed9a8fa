/* From where the lines lie to a tile: W lines at a time, one piece after the other.
 *
 * `rows` says how the numbers of a line go to a tile: number k, counted in reals, to row k >> paired, and there to the
 * real part, or where they are paired to the real and the imaginary part in turn. Complex points are paired, and real
 * ones where two of them are treated as a complex one.
 */
typedef struct {
    char *tile;
    ptrdiff_t row;
    int paired;
} placing;

INLINE char *place(const placing *rows, ptrdiff_t k) {
    return rows->tile + (k >> rows->paired) * rows->row + (k & rows->paired) * BYTES;
}

/* Where `count` lines of a plane from `first` on begin, by lane; the last stands for all that there are not. */
static void find_lines(const vertical_sweep *v, const ptrdiff_t *piece, char *base, ptrdiff_t first, ptrdiff_t count,
                       char **begin) {
    ptrdiff_t b = first / v->columns, c = first % v->columns;
    for (ptrdiff_t line = 0; line < W; line++) {
        begin[LANE_OF(line)] = base + b * piece[PIECE_BATCH] + c * piece[PIECE_COLUMN];
        if (line + 1 < count && ++c == v->columns) c = 0, b++;
    }
}

/* Lines whose numbers follow each other: W of W lines at a time, transposed. */
static void gather_lines(char *const *lines, ptrdiff_t numbers, const placing *rows, ptrdiff_t at) {
    if (numbers < W) {
        for (ptrdiff_t k = 0; k < numbers; k++)
            for (int l = 0; l < W; l++) ((REAL *)place(rows, at + k))[l] = ((const ANYWHERE *)lines[l])[k];
        return;
    }
    for (ptrdiff_t k = 0; k < numbers; k += W) {
        if (k + W > numbers) k = numbers - W; /* the last begins earlier, and gathers some once more */
        V v[W];
        UNROLL
        for (int l = 0; l < W; l++) v[l] = *(const U *)(lines[l] + k * sizeof(REAL));
        transpose(v);
        UNROLL
        for (int l = 0; l < W; l++) *(V *)place(rows, at + k + l) = v[l];
    }
}

/* Lines side by side. */
static void gather_columns(const char *from, ptrdiff_t line, ptrdiff_t points, ptrdiff_t lines, int real,
                           const placing *rows, ptrdiff_t at) {
    const ptrdiff_t groups = groups_of(lines);
    for (ptrdiff_t i = 0; i < points; i++, from += line)
        for (ptrdiff_t g = 0; g < groups; g++) {
            const ptrdiff_t begin = begin_of_group(g, lines);
            if (real) *(V *)(place(rows, at + i) + g * GROUP) = load_reals(from + begin * (POINT / 2));
            else store_split(rows->tile + (at + i) * rows->row + g * GROUP, load_pairs(from + begin * POINT));
        }
}

/* Lines that lie anyhow. */
static void gather_points(char *const *lines, ptrdiff_t line, ptrdiff_t points, int numbers, const placing *rows,
                          ptrdiff_t at) {
    for (ptrdiff_t i = 0; i < points; i++)
        for (int part = 0; part < numbers; part++) {
            REAL *to = (REAL *)place(rows, (at + i) * numbers + part);
            for (int l = 0; l < W; l++) to[l] = ((const ANYWHERE *)(lines[l] + i * line))[part];
        }
}

static void gather(const vertical_sweep *v, char *const *bases, ptrdiff_t first, ptrdiff_t lines, placing rows) {
    const vertical_side *side = &v->source;
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
                gather_columns(begin[0], line, points, together ? lines : W, side->real, &rows, at);
            else if (line == width) gather_lines(begin, points * numbers, &rows, at * numbers);
            else gather_points(begin, line, points, numbers, &rows, at);
        }
    }
}
