/* Cosine and sine transforms of types 2 and 3 and Hartley's, by way of transforms of as many real points.
 *
 * J. Makhoul, "A fast cosine transform in one and two dimensions", IEEE Trans. ASSP 28 (1980): let v be the points
 * x[0], x[2], x[4], … and then the others from the end, …, x[5], x[3], x[1], and V their modes. With w = exp(-2 pi i / 4 n)
 * the cosine transform of type 2 is y[k] = 2 Re w^k V[k] and y[n - k] = -2 Im w^k V[k]. Type 3 is this from the end to
 * the start, times 2 n. The sine transform of type 2 is the cosine transform of the points with alternating signs, from
 * the end; that of type 3 is its reverse.
 *
 * Hartley's is y[k] = Re X[k] - Im X[k] of the modes X of the points as they are, and y[n - k] = Re X[k] + Im X[k].
 *
 * The factors w^k for k up to n / 2 follow those of halves.h in `turns`.
 */

/* Number k of real ones in a tile, two in a row where they are paired. */
INLINE V *number(char *tile, const passage *a, int pairs, ptrdiff_t k) {
    return (V *)(tile + (k >> pairs) * a->row + (k & pairs) * BYTES);
}

/* Where y[k] and y[n - k] are: those of a sine transform from the end. For k = 0, which has no other, they are one. */
INLINE V *low_wave(char *tile, const passage *a, int pairs, int waves, ptrdiff_t n, ptrdiff_t k) {
    return number(tile, a, pairs, waves == VERTICAL_SINE ? n - 1 - k : k);
}
INLINE V *high_wave(char *tile, const passage *a, int pairs, int waves, ptrdiff_t n, ptrdiff_t k) {
    return low_wave(tile, a, pairs, waves, n, k ? n - k : 0);
}

/* Points x to v, or back; the signs of those of odd number are turned for a sine transform. */
static void fold(passage *a, ptrdiff_t n, int pairs, int waves, int back) {
    for (ptrdiff_t j = 0; j < n; j++) {
        const ptrdiff_t k = j % 2 ? n - 1 - j / 2 : j / 2;
        const V *from = number(a->from, a, pairs, back ? k : j);
        V *to = number(a->to, a, pairs, back ? j : k);
        for (ptrdiff_t g = 0; g < 2 * a->groups; g += 2) to[g] = waves == VERTICAL_SINE && j % 2 ? -from[g] : from[g];
    }
    turn_over(a);
}

/* Modes 0 to n / 2 to numbers y. */
static void to_waves(passage *a, ptrdiff_t n, int pairs, int waves, const REAL *turns) {
    for (ptrdiff_t k = 0; k <= n / 2; k++) {
        const char *from = a->from + k * a->row;
        V *low = low_wave(a->to, a, pairs, waves, n, k), *high = high_wave(a->to, a, pairs, waves, n, k);
        for (ptrdiff_t g = 0; g < 2 * a->groups; g += 2) {
            const C x = load_split(from + g * BYTES);
            const C y = waves == VERTICAL_HARTLEY ? (C){x.re - x.im, -x.re - x.im}
                                                  : times(x, 2 * turns[2 * k], 2 * turns[2 * k + 1]);
            high[g] = -y.im;
            low[g] = y.re;
        }
    }
    turn_over(a);
}

/* Numbers x to modes 0 to n / 2; of mode 0 the imaginary part does not count. */
static void from_waves(passage *a, ptrdiff_t n, int pairs, int waves, const REAL *turns) {
    for (ptrdiff_t k = 0; k <= n / 2; k++) {
        const V *low = low_wave(a->from, a, pairs, waves, n, k), *high = high_wave(a->from, a, pairs, waves, n, k);
        for (ptrdiff_t g = 0; g < 2 * a->groups; g += 2) {
            const C x = {low[g], -high[g]};
            store_split(a->to + k * a->row + g * BYTES, times(x, turns[2 * k], -turns[2 * k + 1]));
        }
    }
    turn_over(a);
}
