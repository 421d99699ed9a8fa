/* All kernels of vertical sweeps against transforms in long double, without Python: every instruction set of this
 * processor, both precisions, all kinds, lines that lie in every way on both sides, and more and fewer of them than a
 * vector has lanes. It runs under sanitizers, and for other processors in an emulator. Prints the worst errors in units
 * of the last place; returns 1 where one is too large, or where a kernel writes what it should not. */
#include "vertical.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DOUBLE = 1, MOST = 512, MOST_PASSES = 16, GUARD = 0x5a };
enum way { CONTIGUOUS, SIDE_BY_SIDE, APART, IN_TWO, WAYS };

enum { FORWARD, BACKWARD, R2C, C2R, DCT2, DCT3, DST2, DST3, HARTLEY, KINDS };
static const char *const kinds[] = {"forward", "backward", "r2c", "c2r", "dct2", "dct3", "dst2", "dst3", "hartley"};

/* One side of a sweep: `count` lines of `items` numbers of `width` reals. */
typedef struct {
    ptrdiff_t items, width, count;
    ptrdiff_t pieces[2][PIECE_OUTER];
    ptrdiff_t cut; /* items of the first piece */
    char *memory;
    size_t bytes;
} side;

static void *checked(void *memory) {
    if (!memory) abort();
    return memory;
}

static side laid_out(enum way way, ptrdiff_t items, ptrdiff_t reals, ptrdiff_t count, ptrdiff_t size) {
    const ptrdiff_t width = reals * size;
    const ptrdiff_t cut = way == IN_TWO && items > 1 ? (items + 1) / 2 : items;
    side s = {.items = items, .width = reals, .count = count, .cut = cut};
    ptrdiff_t line = width, column = items * width, second = 0;
    if (way == SIDE_BY_SIDE) line = count * width, column = width;
    if (way == APART) line = 2 * width, column = 2 * items * width + width;
    if (way == IN_TWO) column = s.cut * width, second = count * column;
    s.bytes = (size_t)(2 * (items + 1) * (count + 1) * width);
    s.memory = checked(malloc(s.bytes));
    memset(s.memory, GUARD, s.bytes);
    const ptrdiff_t first[] = {0, s.cut, 0, line, column, 0};
    const ptrdiff_t rest[] = {s.cut * width, items - s.cut, second, line, (items - s.cut) * width, 0};
    memcpy(s.pieces[0], first, sizeof first);
    memcpy(s.pieces[1], rest, sizeof rest);
    return s;
}

static char *place(const side *s, ptrdiff_t line, ptrdiff_t item, ptrdiff_t part, ptrdiff_t size) {
    const ptrdiff_t *piece = s->pieces[item >= s->cut];
    return s->memory + piece[PIECE_BASE] + line * piece[PIECE_COLUMN] +
           (item - (item >= s->cut ? s->cut : 0)) * piece[PIECE_LINE] + part * size;
}

static long double get(const char *at, ptrdiff_t size) {
    double d;
    float f;
    memcpy(size == 8 ? (void *)&d : (void *)&f, at, (size_t)size);
    return size == 8 ? d : f;
}

static void put(char *at, long double value, ptrdiff_t size) {
    const double d = (double)value;
    const float f = (float)value;
    memcpy(at, size == 8 ? (const void *)&d : (const void *)&f, (size_t)size);
}

/* exp(-2 pi i k / n), exact at the eighths. */
static void root(ptrdiff_t k, ptrdiff_t n, long double *re, long double *im) {
    const long double angle = 8 * atanl(1) * (long double)(k % n) / (long double)n;
    *re = cosl(angle);
    *im = -sinl(angle);
}

/* Factors as they come, the smallest first: not those that Python chooses. */
static ptrdiff_t factors(ptrdiff_t n, ptrdiff_t *radices) {
    static const ptrdiff_t known[] = {8, 6, 4, 2, 3, 5, 7, 11, 13};
    ptrdiff_t count = 0;
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        for (; n % known[k] == 0; n /= known[k]) radices[count++] = known[k];
    if (n != 1) abort();
    return count;
}

/* Which of `lanes` points that follow each other lies in a lane: those of every 128 bits are of both halves. */
static ptrdiff_t line_of(ptrdiff_t lane, ptrdiff_t lanes, ptrdiff_t size) {
    const ptrdiff_t part = 16 / size, half = part / 2;
    return lane / part * half + (lane % part < half ? lane % part : lanes / 2 + lane % part - half);
}

/* Real parts for all lanes, then imaginary ones: exp(-2 pi i (start + line) times / n), lines counted modulo `most`. */
static char *put_lanes(char *at, ptrdiff_t start, ptrdiff_t times, ptrdiff_t most, ptrdiff_t n, ptrdiff_t lanes,
                       ptrdiff_t size) {
    for (ptrdiff_t lane = 0; lane < lanes; lane++) {
        long double re, im;
        root((start + line_of(lane, lanes, size)) % most * times, n, &re, &im);
        put(at + lane * size, re, size);
        put(at + (lanes + lane) * size, im, size);
    }
    return at + 2 * lanes * size;
}

/* Of `points`; before them, where there are `lanes` of such lines in one along itself, those of its first pass. */
static char *twiddles(ptrdiff_t points, const ptrdiff_t *radices, ptrdiff_t passes, ptrdiff_t size, ptrdiff_t lanes) {
    char *all = checked(malloc((size_t)(2 * size * (2 * points + MOST_PASSES + lanes * (points + lanes))))), *at = all;
    for (ptrdiff_t p = 0; lanes && p < points; p += lanes)
        for (ptrdiff_t k = 1; k < lanes; k++)
            at = put_lanes(at, p + lanes > points && points > lanes ? points - lanes : p, k, points, points * lanes,
                           lanes, size);
    for (ptrdiff_t k = 0; k < passes; points /= radices[k++])
        for (ptrdiff_t p = 0; p < points / radices[k]; p++)
            for (ptrdiff_t q = 1; q < radices[k]; q++, at += 2 * size) {
                long double re, im;
                root(p * q, points, &re, &im);
                put(at, re, size);
                put(at + size, im, size);
            }
    return all;
}

/* Those of along.h. */
static char *turns_along(ptrdiff_t n, ptrdiff_t rest, ptrdiff_t lanes, ptrdiff_t size) {
    char *all = checked(malloc((size_t)(2 * size * lanes * (rest + 1)))), *at = all;
    for (ptrdiff_t q = 0; q < (rest + 1) / 2; q++) at = put_lanes(at, lanes * q, 1, n, n, lanes, size);
    return all;
}

/* Those of halves.h and of trigonometric.h. */
static char *turns(ptrdiff_t n, ptrdiff_t size) {
    char *all = checked(malloc((size_t)(2 * size * (n / 4 + n / 2 + 2)))), *at = all;
    for (ptrdiff_t k = 0; k < n / 4 + n / 2 + 2; k++, at += 2 * size) {
        long double re, im;
        if (k <= n / 4) root(k, n, &re, &im);
        else root(k - n / 4 - 1, 4 * n, &re, &im);
        put(at, re, size);
        put(at + size, im, size);
    }
    return all;
}

/* Number k of a line, by the definition, with a table of exp(-2 pi i k / 4 n); of half a spectrum as far as it stands
 * for the whole. */
static void expected(const side *s, ptrdiff_t line, int kind, ptrdiff_t n, ptrdiff_t k, ptrdiff_t size,
                     const long double (*table)[2], long double *re, long double *im) {
    *re = *im = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        const ptrdiff_t item = kind == C2R && j > n / 2 ? n - j : j, turn = 4 * j * k % (4 * n);
        const long double x = get(place(s, line, item, 0, size), size);
        const int ends = kind == C2R && (item == 0 || 2 * item == n);
        const long double y = kind >= DCT2 || kind == R2C || ends ? 0 : get(place(s, line, item, 1, size), size);
        const long double z = item == j ? y : -y, c = table[turn][0], d = table[turn][1];
        const long double sine = kind == BACKWARD || kind == C2R ? -d : d;
        switch (kind) {
        case DCT2: *re += 2 * x * table[(2 * j + 1) * k % (4 * n)][0]; break;
        case DCT3: *re += (j ? 2 : 1) * x * table[j * (2 * k + 1) % (4 * n)][0]; break;
        case DST2: *re -= 2 * x * table[(2 * j + 1) * (k + 1) % (4 * n)][1]; break;
        case DST3: *re -= (j < n - 1 ? 2 : 1) * x * table[(j + 1) * (2 * k + 1) % (4 * n)][1]; break;
        case HARTLEY: *re += x * (c - d); break;
        default: *re += x * c - z * sine, *im += x * sine + z * c;
        }
    }
}

/* The relative L2 error of a sweep, in units of the last place; infinite where it wrote beside its target. */
static double error(const vertical_instructions *set, int precision, int kind, ptrdiff_t n, ptrdiff_t lines,
                    enum way from, enum way to, int stream) {
    const ptrdiff_t size = precision == DOUBLE ? 8 : 4, lanes = set->bytes / size, half = n / 2 + 1;
    const int real = kind >= R2C, real_in = kind == R2C || kind >= DCT2, real_out = kind >= C2R;
    const int to_points = kind == C2R || kind == DCT3 || kind == DST3;
    const int wave = kind <= DCT3 ? VERTICAL_COSINE : kind <= DST3 ? VERTICAL_SINE : VERTICAL_HARTLEY;
    const ptrdiff_t points = real && n % 2 == 0 ? n / 2 : n;
    side source = laid_out(from, kind == C2R ? half : n, real_in ? 1 : 2, lines, size);
    side target = laid_out(to, kind == R2C ? half : n, real_out ? 1 : 2, lines, size);
    for (ptrdiff_t l = 0; l < lines; l++)
        for (ptrdiff_t i = 0; i < source.items; i++)
            for (ptrdiff_t part = 0; part < source.width; part++)
                put(place(&source, l, i, part, size), rand() / (long double)RAND_MAX - 0.5L, size);

    const int along = (from == CONTIGUOUS || from == IN_TWO) && (to == CONTIGUOUS || to == IN_TWO) && kind < DCT2 &&
                      (!real || n % 2 == 0) && points % lanes == 0 &&
                      (points >= lanes * lanes || (lanes > 2 && 2 * points == lanes * lanes));
    ptrdiff_t radices[MOST_PASSES], index[1];
    const ptrdiff_t rest = along ? points / lanes : points, all = (lines + lanes - 1) / lanes * lanes;
    const ptrdiff_t passes = factors(rest, radices), step = along && all > points / 4 ? points / 4 : all;
    const size_t tile = (size_t)((points + VERTICAL_ROWS) * (2 * all * size + VERTICAL_SPARE)) / 64 * 64 + 64;
    char *bases[4], *turned = along ? turns_along(n, rest, lanes, size) : turns(n, size);
    char *factor = twiddles(rest, radices, passes, size, along ? lanes : 0);
    char **rows = checked(malloc((size_t)(n + 1) * sizeof *rows));
    const vertical_sweep v = {
        .kind = !real ? VERTICAL_C2C : to_points ? VERTICAL_C2R : VERTICAL_R2C, .waves = kind < DCT2 ? 0 : wave,
        .backward = kind == BACKWARD || to_points, .length = n,
        .points = points, .along = along, .passes = passes, .radices = radices, .twiddles = factor, .turns = turned,
        .source = {source.pieces[0], 1 + (source.cut < source.items), NULL, 0, real_in},
        .target = {target.pieces[0], 1 + (target.cut < target.items), NULL, 0, real_out},
        .columns = lines, .batches = 1, .step = step, .outer = index, .outer_count = 0, .scales = {1, 1},
        .stream = stream, .tiles = {checked(aligned_alloc(64, tile)), checked(aligned_alloc(64, tile))},
        .bases = bases, .rows = rows, .index = index};
    set->runs[precision](&v, source.memory, target.memory, 0, 1, 0);

    static long double table[4 * MOST][2];
    for (ptrdiff_t k = 0; k < 4 * n; k++) root(k, 4 * n, &table[k][0], &table[k][1]);
    long double off = 0, norm = 0;
    for (ptrdiff_t l = 0; l < lines; l++)
        for (ptrdiff_t i = 0; i < target.items; i++) {
            long double want[2];
            expected(&source, l, kind, n, i, size, (const long double(*)[2])table, &want[0], &want[1]);
            for (ptrdiff_t part = 0; part < target.width; part++) {
                char *at = place(&target, l, i, part, size);
                const long double d = get(at, size) - want[part];
                off += d * d;
                norm += want[part] * want[part];
                memset(at, GUARD, (size_t)size);
            }
        }
    double found = (double)(sqrtl(off / norm) / (size == 8 ? 0x1p-52L : 0x1p-23L));
    for (size_t k = 0; k < target.bytes; k++)
        if (target.memory[k] != GUARD) found = HUGE_VAL;
    free(source.memory);
    free(target.memory);
    free(turned);
    free(factor);
    free(rows);
    free(v.tiles[0]);
    free(v.tiles[1]);
    return found;
}

/* The worst of an instruction set and kind; lines that lie in every way take turns with the lengths. */
static double worst(const vertical_instructions *set, int precision, int kind) {
    static const ptrdiff_t lengths[] = {1, 2, 3, 4, 7, 8, 12, 15, 16, 26, 32, 44, 45, 48, 64, 70, 96, 128, 243, 256};
    const ptrdiff_t lanes = set->bytes / (precision == DOUBLE ? 8 : 4), counts[] = {1, lanes, 4 * lanes, 2 * lanes + 1};
    double most = 0;
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++)
        for (int way = 0; way < WAYS * WAYS; way++) {
            const ptrdiff_t n = lengths[k], lines = counts[(k + (size_t)way) % 4];
            const int rare = n > 64 ? 8 : n > 16 ? 4 : 1; /* the definition takes its time */
            if (way % rare != (int)k % rare) continue;
            const double e = error(set, precision, kind, n, lines, way / WAYS, way % WAYS, (int)(k + way / 4) % 2);
            /* what is computed wrong is off by far more; how exact they are tests/test_vertical.py sees */
            if (!(e < 2)) {
                printf("  %td points, %td lines, ways %d to %d: %g\n", n, lines, way / WAYS, way % WAYS, e);
                most = HUGE_VAL;
            }
            if (e > most) most = e;
        }
    return most;
}

int main(void) {
    int failed = 0;
    for (const vertical_instructions *set = vertical_available(); set->name; set++)
        for (int precision = 0; precision < 2; precision++)
            for (int kind = 0; kind < KINDS; kind++) {
                const double e = worst(set, precision, kind);
                printf("%-8s %-6s %-12s %.3f\n", set->name, precision == DOUBLE ? "double" : "float", kinds[kind], e);
                failed |= !(e < HUGE_VAL);
            }
    return failed;
}
