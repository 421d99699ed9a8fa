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
#define HAVE_STREAM 1
#define FENCE() _mm_sfence()
#else
#define HAVE_STREAM 0
#define FENCE() ((void)0)
#endif
