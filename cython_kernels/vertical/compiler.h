/* What compilers and instruction sets call things. */
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define NO_INLINE __attribute__((noinline))

#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#define SHUFFLEVECTOR 1
#else
#define UNROLL _Pragma("GCC unroll 32")
#define SHUFFLEVECTOR (__GNUC__ >= 12)
/* nothing that takes a vector is called from another unit */
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

/* Stores past the cache: of 16 bytes to where 16 begin, which is anywhere in an array of numpy's, and of a vector V to
 * where as many bytes begin. */
#if defined(__x86_64__)
#if BYTES == 16
#include <emmintrin.h>
#else
#include <immintrin.h>
#endif
#define FENCE() _mm_sfence()
INLINE void stream_16(char *to, const char *from) {
    _mm_stream_si128((__m128i *)to, _mm_loadu_si128((const __m128i *)from));
}
#else
#define FENCE() ((void)0)
INLINE void stream_16(char *to, const char *from) { memcpy(to, from, 16); }
#endif
#if defined(__clang__)
#define STREAM(to, v) __builtin_nontemporal_store(v, (V *)(to))
#elif !defined(__x86_64__)
#define STREAM(to, v) (*(V *)(to) = (v))
#elif BYTES == 64
#define STREAM(to, v) _mm512_stream_si512((__m512i *)(to), (__m512i)(v))
#elif BYTES == 32
#define STREAM(to, v) _mm256_stream_si256((__m256i *)(to), (__m256i)(v))
#else
#define STREAM(to, v) _mm_stream_si128((__m128i *)(to), (__m128i)(v))
#endif
