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

/* Stores of a vector V past the cache, to where as many bytes begin. */
#if defined(__x86_64__)
#if BYTES == 16
#include <emmintrin.h>
#else
#include <immintrin.h>
#endif
#define FENCE() _mm_sfence()
#else
#define FENCE() ((void)0)
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
