/* The words of Philox 4x64-10 by their numbers: J. K. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11. */
#ifndef MPI4PY_PENCIL_PHILOX_H
#define MPI4PY_PENCIL_PHILOX_H

#include <stddef.h>
#include <stdint.h>

/* Four words from a counter and a key. */
static inline void philox_block(const uint64_t *counter, const uint64_t *key, uint64_t *words) {
    uint64_t a = counter[0], b = counter[1], c = counter[2], d = counter[3], k = key[0], l = key[1];
    for (int round = 0; round < 10; round++) {
        const unsigned __int128 p = (unsigned __int128)0xD2E7470EE14C6C93u * a;
        const unsigned __int128 q = (unsigned __int128)0xCA5A826395121157u * c;
        a = (uint64_t)(q >> 64) ^ b ^ k;
        b = (uint64_t)q;
        c = (uint64_t)(p >> 64) ^ d ^ l;
        d = (uint64_t)p;
        k += 0x9E3779B97F4A7C15u;
        l += 0xBB67AE8584CAA73Bu;
    }
    words[0] = a, words[1] = b, words[2] = c, words[3] = d;
}

/* The words of these numbers, counted from those of a counter on; numpy's generator has that behind it when it draws. */
static void philox_words(const uint64_t *start, const uint64_t *key, const int64_t *numbers, ptrdiff_t count,
                         uint64_t *out) {
    uint64_t words[4];
    int64_t last = -1;
    for (ptrdiff_t i = 0; i < count; i++) {
        const int64_t block = numbers[i] >> 2;
        if (block != last) {
            uint64_t counter[4], more = (uint64_t)block + 1;
            for (int k = 0; k < 4; k++) {
                counter[k] = start[k] + more;
                more = counter[k] < more;
            }
            philox_block(counter, key, words);
            last = block;
        }
        out[i] = words[numbers[i] & 3];
    }
}

#endif
