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
    char *here = v->tiles[0], *there = v->tiles[1];
#define OVER                                                                                                           \
    do {                                                                                                               \
        char *other = here;                                                                                            \
        here = there;                                                                                                  \
        there = other;                                                                                                 \
    } while (0)

    placing rows = {here, row, v->source.real ? halved : 1, v->kind == VERTICAL_C2C && v->backward};
    gather(v, from, first, lines, rows);
    apply_edits(&v->source, &rows, groups);
    if (v->kind == VERTICAL_R2C && !halved) no_imaginary(here, row, v->points, groups);
    if (v->kind == VERTICAL_C2R && !halved) mirror(here, row, v->points, groups);
    if (v->kind == VERTICAL_C2R && halved) {
        pack(here, there, row, v->points, groups, v->turns);
        OVER;
    }

    passage pass = {here, there, row, groups, v->points, 1, v->twiddles};
    for (ptrdiff_t k = 0; k < v->passes; k++) {
        pass.m /= v->radices[k];
        pass.from = here;
        pass.to = there;
        pass.twiddles = do_pass(&pass, v->radices[k]);
        pass.s *= v->radices[k];
        OVER;
    }

    if (v->kind == VERTICAL_R2C && halved) {
        unpack(here, there, row, v->points, groups, v->turns);
        OVER;
    }
    rows = (placing){here, row, v->target.real ? halved : 1, v->backward};
    apply_edits(&v->target, &rows, groups);
    scatter(v, to, first, lines, rows, scale);
#undef OVER
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
        for (ptrdiff_t first = 0; first < lines; first += v->step)
            transform(v, from, to, first, lines - first < v->step ? lines - first : v->step, scale);
        for (ptrdiff_t k = v->outer_count - 1; k >= 0 && ++v->index[k] == v->outer[k]; k--) v->index[k] = 0;
    }
    if (v->stream) FENCE();
}
