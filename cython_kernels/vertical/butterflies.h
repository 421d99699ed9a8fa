/* Butterflies: forward transforms of a few points, in natural order, of all lanes at once. */

INLINE C plus(C a, C b) { return (C){a.re + b.re, a.im + b.im}; }
INLINE C minus(C a, C b) { return (C){a.re - b.re, a.im - b.im}; }
INLINE C times(C a, REAL re, REAL im) { return (C){a.re * re - a.im * im, a.re * im + a.im * re}; }

/* Times exp(-2 pi i k / 8). */
INLINE C turned(C a, int k) {
    const REAL root = (REAL)0.70710678118654752440L; /* of 1/2 */
    switch (k) {
    case 1: return (C){(a.re + a.im) * root, (a.im - a.re) * root};
    case 2: return (C){a.im, -a.re};
    case 3: return (C){(a.im - a.re) * root, (a.re + a.im) * -root};
    default: return a;
    }
}

INLINE void butterfly_2(C *x) {
    const C a = x[0], b = x[1];
    x[0] = plus(a, b);
    x[1] = minus(a, b);
}

INLINE void butterfly_4(C *x) {
    const C a = plus(x[0], x[2]), b = minus(x[0], x[2]), c = plus(x[1], x[3]), d = turned(minus(x[1], x[3]), 2);
    x[0] = plus(a, c);
    x[1] = plus(b, d);
    x[2] = minus(a, c);
    x[3] = minus(b, d);
}

INLINE void butterfly_8(C *x) {
    C even[4], odd[4];
    UNROLL
    for (int j = 0; j < 4; j++) {
        even[j] = plus(x[j], x[j + 4]);
        odd[j] = turned(minus(x[j], x[j + 4]), j);
    }
    butterfly_4(even);
    butterfly_4(odd);
    UNROLL
    for (int k = 0; k < 4; k++) {
        x[2 * k] = even[k];
        x[2 * k + 1] = odd[k];
    }
}

/* Cosines and sines of 2 pi t / r for t up to (r - 1) / 2. */
static const REAL cosines[][7] = {
    [3] = {1, -0.500000000000000000000L},
    [5] = {1, 0.309016994374947424102L, -0.809016994374947424102L},
    [7] = {1, 0.623489801858733530525L, -0.222520933956314404289L, -0.900968867902419126236L},
    [11] = {1, 0.841253532831181168862L, 0.415415013001886425529L, -0.142314838273285140444L,
            -0.654860733945285064057L, -0.959492973614497389890L},
    [13] = {1, 0.885456025653209895900L, 0.568064746731155802512L, 0.120536680255323053349L, -0.354604887042535625970L,
            -0.748510748171101098635L, -0.970941817426052027157L},
};
static const REAL sines[][7] = {
    [3] = {0, 0.866025403784438646764L},
    [5] = {0, 0.951056516295153572116L, 0.587785252292473129169L},
    [7] = {0, 0.781831482468029808708L, 0.974927912181823607018L, 0.433883739117558120476L},
    [11] = {0, 0.540640817455597582108L, 0.909631995354518371412L, 0.989821441880932732376L, 0.755749574354258283774L,
            0.281732556841429697711L},
    [13] = {0, 0.464723172043768545656L, 0.822983865893656394580L, 0.992708874098053992801L, 0.935016242685414823440L,
            0.663122658240795202377L, 0.239315664287557767149L},
};

/* Of an odd prime of points, from the sums and differences of points j and r - j. */
INLINE void butterfly_odd(C *x, const int r) {
    const int half = (r - 1) / 2;
    C sum[7], difference[7];
    const C first = x[0];
    UNROLL
    for (int j = 1; j <= half; j++) {
        sum[j] = plus(x[j], x[r - j]);
        difference[j] = minus(x[j], x[r - j]);
        x[0] = plus(x[0], sum[j]);
    }
    UNROLL
    for (int k = 1; k <= half; k++) {
        C even = first, odd = {{0}, {0}};
        UNROLL
        for (int j = 1; j <= half; j++) {
            const int t = j * k % r, back = t > half;
            const REAL cosine = cosines[r][back ? r - t : t], sine = back ? -sines[r][r - t] : sines[r][t];
            even = (C){even.re + sum[j].re * cosine, even.im + sum[j].im * cosine};
            odd = (C){odd.re + difference[j].re * sine, odd.im + difference[j].im * sine};
        }
        x[k] = (C){even.re + odd.im, even.im - odd.re};
        x[r - k] = (C){even.re - odd.im, even.im + odd.re};
    }
}

/* By 2 and by 3, which have no common factor: so there are no twiddles between them, but an order of its own (I. J.
 * Good, J. R. Stat. Soc. B 20 (1958)). */
INLINE void butterfly_6(C *x) {
    C y[2][3];
    UNROLL
    for (int j = 0; j < 3; j++) {
        const C a = x[2 * j], b = x[(2 * j + 3) % 6];
        y[0][j] = plus(a, b);
        y[1][j] = minus(a, b);
    }
    UNROLL
    for (int k = 0; k < 2; k++) {
        butterfly_odd(y[k], 3);
        UNROLL
        for (int q = 0; q < 3; q++) x[(3 * k + 4 * q) % 6] = y[k][q];
    }
}

/* These two take longer to compile than all others; a call costs nothing next to their r * r multiplications. */
static NO_INLINE void butterfly_11(C *x) { butterfly_odd(x, 11); }
static NO_INLINE void butterfly_13(C *x) { butterfly_odd(x, 13); }

INLINE void butterfly(C *x, const int radix) {
    switch (radix) {
    case 2: butterfly_2(x); break;
    case 4: butterfly_4(x); break;
    case 6: butterfly_6(x); break;
    case 8: butterfly_8(x); break;
    case 11: butterfly_11(x); break;
    case 13: butterfly_13(x); break;
    default: butterfly_odd(x, radix);
    }
}
