#include "compiler.h"
#include "vertical.h"
#include "polling.h"
#include "lanes.h"
#include "butterflies.h"
#include "passes.h"
#include "rows.h"
#include "gather.h"
#include "scatter.h"
#include "halves.h"
#include "trigonometric.h"
#include "along.h"

/* The loops of a sweep. */

/* Some lines of a plane on their way through the tiles. */
typedef struct {
    ptrdiff_t first, lines;
    int halved;          /* whether an even number of real points is transformed as half as many complex ones */
    int in_place;        /* whether there is a first and a last pass that could read and write lines where they lie */
    const REAL *turns, *wave_turns;
    placed target;
} batch;

/* From where the lines lie to the points of the complex transform. */
static void enter(const vertical_sweep *v, char *const *from, const batch *b, passage *pass) {
    const ptrdiff_t row = pass->row, n = v->points;
    const int back = v->kind == VERTICAL_C2C && v->backward;
    placed source = {.rows = v->rows, .tile = pass->from, .row = row, .bytes = b->lines * POINT, .points = n,
                     .back = back};
    if (b->in_place && find_rows(v, &v->source, from, b->first, b->lines, &source)) {
        fetch_edited(&v->source, &source);
        pass->reads = v->source.real ? REALS : PAIRS;
        pass->ahead = VERTICAL_AHEAD * (v->source.real ? 2 : 1) * (back ? -1 : 1) * v->source.pieces[PIECE_LINE];
    } else {
        /* where they run backward, point 0 comes after all others, which is where it is copied from */
        const placing rows = {back ? pass->from + n * row : pass->from, back ? -row : row,
                              v->source.real ? b->halved : 1};
        gather(v, from, b->first, b->lines, rows);
        apply_edits(&v->source, &rows, pass->groups);
        if (back) memcpy(pass->from, rows.tile, row);
    }
    if (v->kind == VERTICAL_R2C) {
        if (v->waves && v->waves != VERTICAL_HARTLEY) fold(pass, v->length, b->halved, v->waves, 0);
        if (!b->halved) no_imaginary(pass->from, row, n, pass->groups);
    }
    if (v->kind == VERTICAL_C2R) {
        if (v->waves) from_waves(pass, v->length, b->halved, v->waves, b->wave_turns);
        if (b->halved) pack(pass, b->turns);
        else mirror(pass->from, row, n, pass->groups);
    }
}

/* Lets the next pass write the lines where they go, if they are such. */
static void write_in_place(const vertical_sweep *v, char *const *to, batch *b, passage *pass) {
    if (!b->in_place || (v->stream && (v->target.real || !whole_lines(v, to, b->first, b->lines)))) return;
    b->target = (placed){.rows = v->rows, .tile = pass->to, .row = pass->row, .bytes = b->lines * POINT,
                         .points = v->points};
    if (find_rows(v, &v->target, to, b->first, b->lines, &b->target))
        pass->writes = v->target.real ? REALS : v->stream ? PAIRS_PAST_CACHE : PAIRS;
}

/* All passes; the last one, be it of butterflies or the unpacking, writes the lines where they go, if it can. */
static void transform(const vertical_sweep *v, char *const *to, batch *b, passage *pass) {
    for (ptrdiff_t k = 0; k < v->passes; k++) {
        pass->m /= v->radices[k];
        if (k == v->passes - 1 && v->kind != VERTICAL_R2C) write_in_place(v, to, b, pass);
        pass->twiddles = do_pass(pass, v->radices[k]);
        pass->s *= v->radices[k];
        turn_over(pass);
    }
    if (v->kind == VERTICAL_R2C && b->halved) {
        pass->m = v->points;
        write_in_place(v, to, b, pass);
        unpack(pass, b->turns);
    }
}

/* From the modes, or the points, to where the lines go. */
static void leave(const vertical_sweep *v, char *const *to, batch *b, passage *pass, REAL scale) {
    if (pass->writes != IN_TILE) {
        deliver_edited(&v->target, &b->target);
        return;
    }
    if (v->waves && v->kind == VERTICAL_R2C) to_waves(pass, v->length, b->halved, v->waves, b->wave_turns);
    if (v->waves && v->kind == VERTICAL_C2R) fold(pass, v->length, b->halved, v->waves, 1);
    const placing rows = {pass->from, pass->row, v->target.real ? b->halved : 1};
    apply_edits(&v->target, &rows, pass->groups);
    scatter(v, to, b->first, b->lines, rows, scale);
}

static void sweep_lines(const vertical_sweep *v, char *const *from, char *const *to, ptrdiff_t first, ptrdiff_t lines,
                        REAL scale) {
    const ptrdiff_t groups = groups_of(lines);
    const int halved = v->kind != VERTICAL_C2C && v->length % 2 == 0;
    const REAL *const turns = v->turns;
    batch b = {.first = first, .lines = lines, .halved = halved, .turns = turns,
               .wave_turns = turns + 2 * (v->length / 4 + 1),
               .in_place = v->passes > 1 && !v->waves && (v->kind == VERTICAL_C2C || halved)};
    passage pass = {.from = v->tiles[0], .to = v->tiles[1], .groups = groups, .m = v->points, .s = 1,
                    .row = groups * GROUP + (groups > 1 ? VERTICAL_SPARE : 0), .twiddles = v->twiddles,
                    .rows = v->rows, .apart = GROUP, .last = (lines - W) * POINT, .scale = scale, .scale_im = scale};
    enter(v, from, &b, &pass);
    transform(v, to, &b, &pass);
    leave(v, to, &b, &pass, scale);
}

/* How many of the lines of a plane come next: as many as a tile holds, and where they lie side by side whole groups, but
 * for those at the end, which are not less than a group if that can be; where they are streamed, before these as few as
 * there are up to the first at the start of 64 bytes. */
static ptrdiff_t next_lines(const vertical_sweep *v, char *const *to, ptrdiff_t first) {
    const ptrdiff_t rest = v->batches * v->columns - first, most = rest < v->step ? rest : v->step;
    const ptrdiff_t width = width_of(&v->target), column = first % v->columns;
    const ptrdiff_t left = v->columns - column, whole = (left < most ? left : most) / W * W;
    const ptrdiff_t *piece = v->target.pieces;
    if (v->along) return left < most ? left : most;
    if (v->columns < W || !v->target.count || !side_by_side(v)) return most;
    if (v->stream && piece[PIECE_COLUMN] == width && piece[PIECE_LINE] % 64 == 0) {
        const ptrdiff_t at = (intptr_t)to[0] + first / v->columns * piece[PIECE_BATCH] + column * width;
        const ptrdiff_t lead = (64 - at % 64) % 64 / width;
        if (lead && at % width == 0 && lead < whole) return lead;
    }
    if (left <= most) return left;
    return left - whole < W && whole > W ? whole - W : whole;
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
            if (v->along) sweep_along(v, from, to, first, next, scale);
            else sweep_lines(v, from, to, first, next, scale);
            poll_if_due();
        }
        for (ptrdiff_t k = v->outer_count - 1; k >= 0 && ++v->index[k] == v->outer[k]; k--) v->index[k] = 0;
    }
    if (v->stream) FENCE();
}
