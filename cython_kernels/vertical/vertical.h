/* Sweeps that transform vertically: the points of W lines lie in the lanes of a vector, and all W are transformed at
 * once.
 *
 *   lanes.h        vectors, and the order of the lines in them
 *   butterflies.h  the transforms of up to 13 points that all others are made of
 *   passes.h       Stockham's passes of butterflies over a tile
 *   rows.h         where lines lie that passes read or write there
 *   gather.h       from where the lines lie to a tile
 *   scatter.h      from a tile to where they go
 *   halves.h       between n real points and n / 2 complex ones; edits of single points
 *   trigonometric.h  cosine, sine and Hartley transforms
 *   along.h        lines whose points follow each other: laid into lanes by the first pass
 *   sweep.h        the loops of a sweep
 *   vertical.c     which instruction sets this processor has; float_*.c and double_*.c are all of the above for each
 *                  of them
 *   compiler.h     what compilers and instruction sets call things
 *
 * A tile is in *split format*: a row for each point, and in a row for each group of W lines their W real parts and
 * then their W imaginary parts. It is transformed by decimation in frequency, after Stockham: every pass goes from one
 * tile to another and sorts while it goes, so that no bits are to be reversed. C. Van Loan, "Computational Frameworks
 * for the Fast Fourier Transform", SIAM (1992), has both.
 *
 * Backward is forward of the points in reverse, all but the first.
 */
#ifndef MPI4PY_PENCIL_VERTICAL_H
#define MPI4PY_PENCIL_VERTICAL_H

#include <stddef.h>

enum { VERTICAL_C2C, VERTICAL_R2C, VERTICAL_C2R };

/* What a transform of real points is the core of, where it is one: r2c of cosine and sine transforms of type 2 and of
 * Hartley's, c2r of those of type 3. All have real points on both sides. */
enum { VERTICAL_COSINE = 1, VERTICAL_SINE, VERTICAL_HARTLEY };

/* The columns of a table of pieces, as in kernels.pyx; the strides of the outer axes follow. */
enum { PIECE_AT, PIECE_POINTS, PIECE_BASE, PIECE_LINE, PIECE_COLUMN, PIECE_BATCH, PIECE_OUTER };

/* What happens to all points from i up to j; but COPY puts point i at j too, ADD adds point j to point i, and REAL
 * drops the imaginary part of point i. As in copy.h. */
enum { EDIT_ZERO, EDIT_COPY, EDIT_ADD, EDIT_REAL, EDIT_HALVE, EDIT_DOUBLE, EDIT_ROOT_HALF, EDIT_ROOT_TWO };

/* Bytes between the groups of two rows of a tile: rows that are apart by powers of two fall onto each other in the
 * cache. */
enum { VERTICAL_SPARE = 64 };

/* Rows of a tile beside those of the points of the transform: the last of the modes of real points, and one for what lies
 * nowhere. */
enum { VERTICAL_ROWS = 2 };

/* Butterflies ahead of which memory is asked for where a pass gathers. */
enum { VERTICAL_AHEAD = 2 };

typedef struct {
    const ptrdiff_t *pieces; /* a row each */
    ptrdiff_t count;
    const ptrdiff_t *edits; /* rows (what, i, j) */
    ptrdiff_t edit_count;
    int real; /* whether the points are */
} vertical_side;

typedef struct {
    int kind;
    int waves;
    int backward;
    ptrdiff_t length;          /* points of the line in space */
    ptrdiff_t points;          /* of the complex transform: those, or half as many where they are real and even */
    int along;                 /* whether points follow each other in the lines of all pieces, and as along.h wants them */
    ptrdiff_t passes;          /* all of them, but of lines along themselves that of along.h */
    const ptrdiff_t *radices;  /* one a pass */
    const void *twiddles;      /* of all passes, one after the other: see passes.h */
    const void *turns;         /* between halves, see halves.h; and those of trigonometric.h */
    vertical_side source, target;
    ptrdiff_t columns, batches; /* the lines of a plane: batches * columns */
    ptrdiff_t step;             /* lines a tile, a multiple of W unless it is all of them */
    const ptrdiff_t *outer;     /* extents of the other axes, the first slowest */
    ptrdiff_t outer_count;
    long double scales[2]; /* without and with normalisation */
    int stream;            /* whether to scatter past the cache */
    char *tiles[2];        /* memory for two tiles of `vertical_tile_bytes` */
    char **bases;          /* memory for the address of each piece */
    char **rows;           /* memory for the addresses of `length` + 1 points */
    ptrdiff_t *index;      /* memory for an index of the outer axes */
} vertical_sweep;

/* Goes through [start, stop) of the flat index of the outer axes; the pieces' bases count from the two addresses. */
typedef void (*vertical_run)(const vertical_sweep *v, char *source, char *target, ptrdiff_t start, ptrdiff_t stop,
                             int normalize);

typedef struct {
    const char *name;
    ptrdiff_t bytes;      /* of a vector */
    vertical_run runs[2]; /* of float, of double */
} vertical_instructions;

/* The instruction sets that this processor has, the best first, up to one without a name. */
const vertical_instructions *vertical_available(void);

#endif
