/* Vertical sweeps in single precision, with AVX2. */
#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#define RUN vertical_run_avx2_float
#define REAL float
#define NUMBER 4
#define INTEGER int32_t
#define BYTES 32
#include "sweep.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
