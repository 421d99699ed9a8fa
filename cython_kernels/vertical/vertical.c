/* Which instruction sets this processor has. */
#include "vertical.h"

#define DECLARE(set)                                                                                                   \
    void vertical_run_##set##_float(const vertical_sweep *, char *, char *, ptrdiff_t, ptrdiff_t, int);                \
    void vertical_run_##set##_double(const vertical_sweep *, char *, char *, ptrdiff_t, ptrdiff_t, int);
#define RUNS(set) {vertical_run_##set##_float, vertical_run_##set##_double}

DECLARE(baseline)
#if defined(__x86_64__)
DECLARE(avx2)
DECLARE(avx512)
#endif

static const vertical_instructions all[] = {
#if defined(__x86_64__)
    {"avx512", 64, RUNS(avx512)},
    {"avx2", 32, RUNS(avx2)},
#endif
    {"baseline", 16, RUNS(baseline)},
    {0},
};

const vertical_instructions *vertical_available(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw"))
        return all;
    return all + (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? 1 : 2);
#else
    return all;
#endif
}
