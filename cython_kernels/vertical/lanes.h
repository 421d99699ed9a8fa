/* Vectors of W numbers, and the order of the lines in them.
 *
 * Complex points of consecutive lines lie in memory as pairs. Two vectors of them become one of real and one of
 * imaginary parts by shuffles within their parts of 128 bits, which every instruction set does in one instruction. So
 * the lines lie in the lanes in an order of their own, the same everywhere: `LINE_OF(lane)`.
 */
typedef REAL V __attribute__((vector_size(BYTES), may_alias));
/* the same anywhere in memory: arrays of the caller are aligned to nothing */
typedef REAL U __attribute__((vector_size(BYTES), aligned(1), may_alias));
typedef REAL ANYWHERE __attribute__((aligned(1), may_alias));
typedef struct { V re, im; } C;

enum {
    W = BYTES / sizeof(REAL),
    PART = 16 / sizeof(REAL), /* lanes in 128 bits */
    HALF = PART / 2,          /* complex points in 128 bits */
    GROUP = 2 * BYTES,        /* bytes of a point of a group in a tile */
    POINT = 2 * sizeof(REAL)  /* of a complex point in memory */
};

#define LINE_OF(lane) ((lane) / PART * HALF + ((lane) % PART < HALF ? (lane) % PART : W / 2 + (lane) % PART - HALF))
#define LANE_OF(line) ((line) % (W / 2) / HALF * PART + (line) % HALF + ((line) < W / 2 ? 0 : HALF))

/* One shuffle each: INDEX(i) is the place in (a, b), W numbers each, from which number i comes. */
#define EACH_2(INDEX) INDEX(0), INDEX(1)
#define EACH_4(INDEX) EACH_2(INDEX), INDEX(2), INDEX(3)
#define EACH_8(INDEX) EACH_4(INDEX), INDEX(4), INDEX(5), INDEX(6), INDEX(7)
#define EACH_16(INDEX) \
    EACH_8(INDEX), INDEX(8), INDEX(9), INDEX(10), INDEX(11), INDEX(12), INDEX(13), INDEX(14), INDEX(15)
#if BYTES == 2 * NUMBER
#define EACH EACH_2
#elif BYTES == 4 * NUMBER
#define EACH EACH_4
#elif BYTES == 8 * NUMBER
#define EACH EACH_8
#else
#define EACH EACH_16
#endif
#if SHUFFLEVECTOR
#define SHUFFLE(a, b, INDEX) __builtin_shufflevector(a, b, EACH(INDEX))
#else
#define SHUFFLE(a, b, INDEX) __builtin_shuffle(a, b, (PLACES){EACH(INDEX)})
typedef INTEGER PLACES __attribute__((vector_size(BYTES)));
#endif

#define RE_OF(i) (((i) % PART < HALF ? 0 : W) + (i) / PART * PART + (i) % HALF * 2)
#define IM_OF(i) (RE_OF(i) + 1)
#define FIRST_PAIRS(i) (((i) % 2 ? W : 0) + (i) / PART * PART + (i) % PART / 2)
#define SECOND_PAIRS(i) (FIRST_PAIRS(i) + HALF)
/* blocks of d numbers in turn from a and from b: the even ones of both, the odd ones of both */
#define EVEN_BLOCKS(i, d) ((i) / (d) % 2 ? W + (i) - (d) : (i))
#define ODD_BLOCKS(i, d) ((i) / (d) % 2 ? W + (i) : (i) + (d))
#define EVEN_1(i) EVEN_BLOCKS(i, 1)
#define EVEN_2(i) EVEN_BLOCKS(i, 2)
#define EVEN_4(i) EVEN_BLOCKS(i, 4)
#define EVEN_8(i) EVEN_BLOCKS(i, 8)
#define ODD_1(i) ODD_BLOCKS(i, 1)
#define ODD_2(i) ODD_BLOCKS(i, 2)
#define ODD_4(i) ODD_BLOCKS(i, 4)
#define ODD_8(i) ODD_BLOCKS(i, 8)

/* Of W real numbers that follow each other, each into the lane of its line, and back. */
INLINE V load_reals(const char *from) {
    const V v = *(const U *)from;
    return SHUFFLE(v, v, LINE_OF);
}
INLINE void store_reals(char *to, V v) { *(U *)to = SHUFFLE(v, v, LANE_OF); }

/* A point of a group in a tile. */
INLINE C load_split(const char *from) { return (C){*(const V *)from, *(const V *)(from + BYTES)}; }
INLINE void store_split(char *to, C x) {
    *(V *)to = x.re;
    *(V *)(to + BYTES) = x.im;
}

/* Asks for the memory of a point of W consecutive lines. */
INLINE void prefetch(const char *from, const int bytes) {
    UNROLL
    for (int k = 0; k < bytes; k += 64) __builtin_prefetch(from + k);
}

/* A point of W consecutive lines in memory; where it streams, past the cache, the lines begin where 64 bytes do. */
INLINE C load_halves(const char *from, const char *half) {
    const V a = *(const U *)from, b = *(const U *)half;
    return (C){SHUFFLE(a, b, RE_OF), SHUFFLE(a, b, IM_OF)};
}
INLINE C load_pairs(const char *from) { return load_halves(from, from + BYTES); }
INLINE void store_pairs(char *to, C x, const int streams) {
    const V a = SHUFFLE(x.re, x.im, FIRST_PAIRS), b = SHUFFLE(x.re, x.im, SECOND_PAIRS);
    if (streams) {
        STREAM(to, a);
        STREAM(to + BYTES, b);
    } else {
        *(U *)to = a;
        *(U *)(to + BYTES) = b;
    }
}

/* Transposes W vectors: exchanges each bit of the number of the vector with that of the lane (Eklundh 1972). */
#define EXCHANGE(d)                                                                                                    \
    UNROLL                                                                                                             \
    for (int i = 0; i < W; i++)                                                                                        \
        if (i / d % 2 == 0) {                                                                                          \
            const V a = v[i], b = v[i + d];                                                                            \
            v[i] = SHUFFLE(a, b, EVEN_##d);                                                                            \
            v[i + d] = SHUFFLE(a, b, ODD_##d);                                                                         \
        }
INLINE void transpose(V *v) {
    EXCHANGE(1)
#if BYTES >= 4 * NUMBER
    EXCHANGE(2)
#endif
#if BYTES >= 8 * NUMBER
    EXCHANGE(4)
#endif
#if BYTES >= 16 * NUMBER
    EXCHANGE(8)
#endif
}
#undef EXCHANGE
