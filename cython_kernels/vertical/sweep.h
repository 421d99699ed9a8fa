#include "compiler.h"
#include "vertical.h"
#include "lanes.h"
#include "butterflies.h"
#include "passes.h"
#include "rows.h"
#include "gather.h"
#include "scatter.h"
#include "halves.h"

/* The loops of a sweep. */

/* After a pass: what was written is read. */
static void turn_over(passage *pass) {
    char *const written = pass->to;
    pass->to = pass->from;
    pass->from = written;
    pass->reads = IN_TILE;
}

/* Lets a pass write the lines where they go, if they are such. */
static void write_in_place(const vertical_sweep *v, char *const *to, ptrdiff_t first, ptrdiff_t lines, passage *pass,
                           placed *target) {
    target->tile = pass->to;
    if (v->stream && (v->target.real || !whole_lines(v, to, first, lines))) return;
    if (!find_rows(v, &v->target, to, first, lines, target)) return;
    pass->writes = v->target.real ? REALS : v->stream ? PAIRS_PAST_CACHE : PAIRS;
}

static void transform(const vertical_sweep *v, char *const *from, char *const *to, ptrdiff_t first, ptrdiff_t lines,
                      REAL scale) {
    const ptrdiff_t groups = (lines + W - 1) / W, n = v->points;
    const ptrdiff_t row = groups * GROUP + (groups > 1 ? VERTICAL_SPARE : 0);
    const int halved = v->kind != VERTICAL_C2C && v->length % 2 == 0;
    const int back = v->kind == VERTICAL_C2C && v->backward;
    const int in_place = v->passes > 1 && (v->kind == VERTICAL_C2C || halved);
    passage pass = {.from = v->tiles[0], .to = v->tiles[1], .row = row, .groups = groups, .m = n, .s = 1,
                    .twiddles = v->twiddles, .rows = v->rows, .scale = scale};

    placed source = {.rows = v->rows, .tile = pass.from, .row = row, .bytes = groups * GROUP, .points = n, .back = back};
    if (in_place && find_rows(v, &v->source, from, first, lines, &source)) {
        fetch_edited(&v->source, &source);
        pass.reads = v->source.real ? REALS : PAIRS;
        pass.ahead = VERTICAL_AHEAD * (v->source.real ? 2 : 1) * (back ? -1 : 1) * v->source.pieces[PIECE_LINE];
    } else {
        /* where they run backward, point 0 comes after all others, which is where it is copied from */
        const placing rows = {back ? pass.from + n * row : pass.from, back ? -row : row, v->source.real ? halved : 1};
        gather(v, from, first, lines, rows);
        apply_edits(&v->source, &rows, groups);
        if (back) memcpy(pass.from, rows.tile, row);
    }
    if (v->kind == VERTICAL_R2C && !halved) no_imaginary(pass.from, row, n, groups);
    if (v->kind == VERTICAL_C2R && !halved) mirror(pass.from, row, n, groups);
    if (v->kind == VERTICAL_C2R && halved) {
        pack(&pass, v->turns);
        turn_over(&pass);
    }

    placed target = {.rows = v->rows, .row = row, .bytes = groups * GROUP, .points = n};
    for (ptrdiff_t k = 0; k < v->passes; k++) {
        pass.m /= v->radices[k];
        if (k == v->passes - 1 && v->kind != VERTICAL_R2C && in_place) write_in_place(v, to, first, lines, &pass, &target);
        pass.twiddles = do_pass(&pass, v->radices[k]);
        pass.s *= v->radices[k];
        turn_over(&pass);
    }
    if (v->kind == VERTICAL_R2C && halved) {
        pass.m = n;
        if (in_place) write_in_place(v, to, first, lines, &pass, &target);
        unpack(&pass, v->turns);
        turn_over(&pass);
    }
    if (pass.writes == IN_TILE) {
        const placing rows = {pass.from, row, v->target.real ? halved : 1};
        apply_edits(&v->target, &rows, groups);
        scatter(v, to, first, lines, rows, scale);
    } else deliver_edited(&v->target, &target);
}

/* How many of the lines of a plane come next: as many as a tile holds, whole groups where they lie side by side, and
 * where they are streamed before these as few as there are up to the first at the start of 64 bytes. */
static ptrdiff_t next_lines(const vertical_sweep *v, char *const *to, ptrdiff_t first) {
    const ptrdiff_t rest = v->batches * v->columns - first, most = rest < v->step ? rest : v->step;
    const ptrdiff_t width = width_of(&v->target), column = first % v->columns;
    const ptrdiff_t whole = (v->columns - column < most ? v->columns - column : most) / W * W;
    const ptrdiff_t *piece = v->target.pieces;
    if (v->columns < W || !v->target.count || !side_by_side(v)) return most;
    if (v->stream && piece[PIECE_COLUMN] == width && piece[PIECE_LINE] % 64 == 0) {
        const ptrdiff_t at = (intptr_t)to[0] + first / v->columns * piece[PIECE_BATCH] + column * width;
        const ptrdiff_t lead = (64 - at % 64) % 64 / width;
        if (lead && at % width == 0 && lead < whole) return lead;
    }
    return whole ? whole : v->columns - column;
}

/* The addresses of the pieces of a side at an index of the outer axes. */
static void locate(const vertical_sweep *v, const vertical_side *side, char *origin, char **bases) {
    for (ptrdiff_t n = 0; n < side->count; n++) {
        const ptrdiff_t *piece = side->pieces + n * (PIECE_OUTER + v->outer_count);
        bases[n] = origin + piece[PIECE_BASE];
        for (ptrdiff_t k = 0; k < v->outer_count; k++) bases[n] += v->index[k] * piece[PIECE_OUTER + k];
    }
}

void RUN(const vertical_sweep *v, char *source, char *target, ptrdiff_t start, ptrdiff_t stop, int normalize) {
    const REAL scale = (REAL)v->scales[normalize];
    const ptrdiff_t lines = v->batches * v->columns;
    char **from = v->bases, **to = from + v->source.count;
    ptrdiff_t rest = start;
    for (ptrdiff_t k = v->outer_count - 1; k >= 0; k--) {
        v->index[k] = rest % v->outer[k];
        rest /= v->outer[k];
    }
    for (; start < stop; start++) {
        locate(v, &v->source, source, from);
        locate(v, &v->target, target, to);
        for (ptrdiff_t first = 0, next; first < lines; first += next) {
            next = next_lines(v, to, first);
            transform(v, from, to, first, next, scale);
        }
        for (ptrdiff_t k = v->outer_count - 1; k >= 0 && ++v->index[k] == v->outer[k]; k--) v->index[k] = 0;
    }
    if (v->stream) FENCE();
}
