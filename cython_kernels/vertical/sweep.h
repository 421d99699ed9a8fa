#include "compiler.h"
#include "vertical.h"
#include "lanes.h"
#include "butterflies.h"
#include "passes.h"
#include "gather.h"
#include "scatter.h"
#include "halves.h"

/* The loops of a sweep. */

static void transform(const vertical_sweep *v, char *const *from, char *const *to, ptrdiff_t first, ptrdiff_t lines,
                      REAL scale) {
    const ptrdiff_t groups = (lines + W - 1) / W;
    const ptrdiff_t row = groups * GROUP + (groups > 1 ? VERTICAL_SPARE : 0);
    const int halved = v->kind != VERTICAL_C2C && v->length % 2 == 0;
    const int swap = v->kind == VERTICAL_C2C && v->backward;
    char *here = v->tiles[0], *there = v->tiles[1];
    passage pass = {.row = row, .groups = groups, .m = v->points, .s = 1, .twiddles = v->twiddles, .swap = swap};
#define OVER                                                                                                           \
    do {                                                                                                               \
        char *other = here;                                                                                            \
        here = there;                                                                                                  \
        there = other;                                                                                                 \
    } while (0)

    placing rows = {here, row, v->source.real ? halved : 1, swap};
    if (v->kind == VERTICAL_C2C && v->passes && find_rows(v, &v->source, from, first, lines, here, v->rows)) {
        memset(here, 0, row); /* what lies nowhere */
        pass.sources = v->rows;
    } else {
        gather(v, from, first, lines, rows);
        apply_edits(&v->source, &rows, groups);
    }
    if (v->kind == VERTICAL_R2C && !halved) no_imaginary(here, row, v->points, groups);
    if (v->kind == VERTICAL_C2R && !halved) mirror(here, row, v->points, groups);
    if (v->kind == VERTICAL_C2R && halved) {
        pack(here, there, row, v->points, groups, v->turns);
        OVER;
    }

    for (ptrdiff_t k = 0; k < v->passes; k++) {
        pass.m /= v->radices[k];
        pass.from = here;
        pass.to = there;
        if (k > 0 && k == v->passes - 1 && v->kind == VERTICAL_C2C &&
            (!v->stream || whole_lines(v, to, first, lines)) &&
            find_rows(v, &v->target, to, first, lines, there, v->rows)) {
            pass.targets = v->rows;
            pass.scale = scale;
            pass.stream = v->stream;
        }
        pass.twiddles = do_pass(&pass, v->radices[k]);
        pass.sources = NULL;
        pass.s *= v->radices[k];
        OVER;
    }
    if (pass.targets) return;

    if (v->kind == VERTICAL_R2C && halved) {
        unpack(here, there, row, v->points, groups, v->turns);
        OVER;
    }
    rows = (placing){here, row, v->target.real ? halved : 1, v->backward};
    apply_edits(&v->target, &rows, groups);
    scatter(v, to, first, lines, rows, scale);
#undef OVER
}

/* How many of the lines of a plane come next: as many as a tile holds, whole groups where they lie side by side, and
 * where they are streamed before these as few as there are up to the first at the start of 64 bytes. */
static ptrdiff_t next_lines(const vertical_sweep *v, char *const *to, ptrdiff_t first) {
    const ptrdiff_t rest = v->batches * v->columns - first, most = rest < v->step ? rest : v->step;
    const ptrdiff_t width = v->target.real ? sizeof(REAL) : POINT, column = first % v->columns;
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
