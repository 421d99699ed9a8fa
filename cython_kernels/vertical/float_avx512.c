/* Vertical sweeps in single precision, with AVX-512. */
#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw")
#endif
#define RUN vertical_run_avx512_float
#define REAL float
#define NUMBER 4
#define INTEGER int32_t
#define BYTES 64
#include "sweep.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
