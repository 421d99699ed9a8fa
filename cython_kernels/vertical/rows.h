/* Where each point of lines side by side lies, for passes that read or write there.
 *
 * The last group of a tile begins earlier, where its lines are no whole groups: those that it shares with the group
 * before are transformed once more. That costs less than lines by themselves, and none is written before all are read.
 */

INLINE ptrdiff_t groups_of(ptrdiff_t lines) { return (lines + W - 1) / W; }

/* The first line of group g in a tile of so many lines. */
INLINE ptrdiff_t begin_of_group(ptrdiff_t g, ptrdiff_t lines) {
    return lines < W || (g + 1) * W <= lines ? g * W : lines - W;
}

/* Whether these lines fill a group and lie side by side in memory. */
INLINE int dense(const vertical_sweep *v, const ptrdiff_t *piece, ptrdiff_t first, ptrdiff_t lines, ptrdiff_t width) {
    return piece[PIECE_COLUMN] == width && lines >= W && first % v->columns + lines <= v->columns;
}

INLINE ptrdiff_t width_of(const vertical_side *side) { return side->real ? POINT / 2 : POINT; }

/* Whether lines do so on one side at least, if there are enough of them: as its first piece says. */
INLINE int side_by_side(const vertical_sweep *v) {
    return (v->source.count && v->source.pieces[PIECE_COLUMN] == width_of(&v->source)) ||
           (v->target.count && v->target.pieces[PIECE_COLUMN] == width_of(&v->target));
}

/* Whether an edit is of a point and another, and whether it is of no more than these. */
INLINE int paired(const ptrdiff_t *edit) { return edit[0] == EDIT_COPY || edit[0] == EDIT_ADD; }
INLINE int single(const ptrdiff_t *edit) {
    return paired(edit) || edit[0] == EDIT_REAL || edit[2] - edit[1] == 1;
}

/* Where the points lie of lines that are read or written there. Those that lie in no piece are read from, and written
 * to, a row of a tile that is not in use; so are the few that are edited, each in a row of its own. */
enum { MOST_EDITS = 4 };
typedef struct {
    char **rows; /* of each point */
    char *tile;
    ptrdiff_t row, bytes; /* from row to row of the tile, and of pairs in one */
    ptrdiff_t points;     /* of the complex transform */
    int back;             /* whether all points after the first are counted from the end */
    ptrdiff_t count;      /* of points that have a row of the tile, */
    ptrdiff_t edited[2 * MOST_EDITS];
    char *places[2 * MOST_EDITS]; /* and where they would lie */
} placed;

INLINE ptrdiff_t counted(const placed *p, ptrdiff_t i) { return p->back && i ? p->points - i : i; }
INLINE char *row_of(const placed *p, ptrdiff_t i) { return p->tile + i * p->row; }
INLINE char *nowhere(const placed *p) { return row_of(p, p->points + 1); }

/* Gives a point a row of the tile. */
static void move(placed *p, ptrdiff_t i) {
    if (p->rows[i] == row_of(p, i)) return;
    p->edited[p->count] = i;
    p->places[p->count++] = p->rows[i];
    p->rows[i] = row_of(p, i);
}

/* Whether lines are read or written where they lie: side by side in all pieces, with no edits but of a few single
 * points. Then `p` is filled. */
static int find_rows(const vertical_sweep *v, const vertical_side *side, char *const *bases, ptrdiff_t first,
                     ptrdiff_t lines, placed *p) {
    const ptrdiff_t width = width_of(side), items = side->real ? 2 * p->points : p->points + 1;
    if (side->count == 0 || side->edit_count > MOST_EDITS) return 0;
    for (ptrdiff_t n = 0; n < side->edit_count; n++)
        if (side->edits[3 * n] != EDIT_ZERO && !single(side->edits + 3 * n)) return 0;
    for (ptrdiff_t n = 0; n < side->count; n++)
        if (!dense(v, side->pieces + n * (PIECE_OUTER + v->outer_count), first, lines, width)) return 0;
    for (ptrdiff_t i = 0; i < items; i++) p->rows[i] = nowhere(p);
    for (ptrdiff_t n = 0; n < side->count; n++) {
        const ptrdiff_t *piece = side->pieces + n * (PIECE_OUTER + v->outer_count);
        const ptrdiff_t at = piece[PIECE_AT] / width, end = at + piece[PIECE_POINTS];
        char *from = bases[n] + first / v->columns * piece[PIECE_BATCH] + first % v->columns * piece[PIECE_COLUMN];
        for (ptrdiff_t i = at; i < end; i++, from += piece[PIECE_LINE]) p->rows[counted(p, i)] = from;
    }
    for (ptrdiff_t n = 0; n < side->edit_count; n++) {
        const ptrdiff_t *edit = side->edits + 3 * n;
        if (edit[0] == EDIT_ZERO) continue;
        move(p, counted(p, edit[1]));
        if (paired(edit)) move(p, counted(p, edit[2]));
    }
    return 1;
}

/* An edit of a point of lines whose real and imaginary parts follow each other, `y` being the other point of it. */
INLINE void edit_pairs(ptrdiff_t what, REAL *x, REAL *y, ptrdiff_t numbers) {
    if (what == EDIT_ZERO) memset(x, 0, numbers * sizeof(REAL));
    else for (ptrdiff_t k = 0; k < numbers; k++) switch (what) {
        case EDIT_COPY: y[k] = x[k]; break;
        case EDIT_ADD: x[k] += y[k]; break;
        case EDIT_REAL: x[k] = k % 2 ? 0 : x[k]; break;
        case EDIT_HALVE: x[k] /= 2; break;
        case EDIT_DOUBLE: x[k] *= 2; break;
        }
}

/* The edits of a side, in the rows that these points have in the tile; but zeros, which lie nowhere. */
static void edit_rows(const vertical_side *side, const placed *p) {
    for (ptrdiff_t n = 0; n < side->edit_count; n++) {
        const ptrdiff_t *edit = side->edits + 3 * n;
        REAL *x = (REAL *)row_of(p, counted(p, edit[1])), *y = (REAL *)row_of(p, counted(p, edit[2]));
        if (edit[0] != EDIT_ZERO) edit_pairs(edit[0], x, y, p->bytes / (ptrdiff_t)sizeof(REAL));
    }
}

/* Before the source is read: the points that are edited, and those that lie nowhere. */
static void fetch_edited(const vertical_side *side, const placed *p) {
    if (side->real) return;
    memset(nowhere(p), 0, p->bytes);
    for (ptrdiff_t n = 0; n < p->count; n++) memcpy(row_of(p, p->edited[n]), p->places[n], p->bytes);
    edit_rows(side, p);
}

/* After the target has been written. */
static void deliver_edited(const vertical_side *side, const placed *p) {
    edit_rows(side, p);
    for (ptrdiff_t n = 0; n < p->count; n++)
        if (p->places[n] != nowhere(p)) memcpy(p->places[n], row_of(p, p->edited[n]), p->bytes);
}
