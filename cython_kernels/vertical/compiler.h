/* What compilers and instruction sets call things. */
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#define SHUFFLEVECTOR 1
#else
#define UNROLL _Pragma("GCC unroll 32")
#define SHUFFLEVECTOR (__GNUC__ >= 12)
/* nothing that takes a vector is called from another unit */
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

#if defined(__x86_64__)
#include <emmintrin.h>
#define FENCE() _mm_sfence()
INLINE void stream_16(char *to, const char *from) {
    _mm_stream_si128((__m128i *)to, _mm_loadu_si128((const __m128i *)from));
}
#else
#define FENCE() ((void)0)
INLINE void stream_16(char *to, const char *from) { memcpy(to, from, 16); }
#endif
