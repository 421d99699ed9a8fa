/* Vertical sweeps in double precision, with AVX2. */
#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#define RUN vertical_run_avx2_double
#define REAL double
#define NUMBER 8
#define INTEGER int64_t
#define BYTES 32
#include "sweep.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
