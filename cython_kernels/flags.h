/* Counters in shared memory by which ranks of a node tell each other how far they are.
 *
 * Stores before a `raise_flag` are seen by who has seen its value with `reached`: release and acquire. Non-temporal
 * stores must have been fenced before, as every sweep and copy does at its end.
 */
#ifndef MPI4PY_PENCIL_FLAGS_H
#define MPI4PY_PENCIL_FLAGS_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define STORE_FLAG(at, value) __atomic_store_n((int64_t *)(at), value, __ATOMIC_RELEASE)
#define LOAD_FLAG(at) __atomic_load_n((const int64_t *)(at), __ATOMIC_ACQUIRE)
#else
#error "shared windows need atomic loads and stores: compile with GCC or Clang"
#endif

#if defined(__x86_64__) || defined(__i386__)
#define RELAX() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define RELAX() __asm__ __volatile__("yield")
#else
#define RELAX() ((void)0)
#endif

#include <sched.h>

/* What a rank knows of the counters of a window. */
typedef struct {
    const intptr_t *written, *read; /* addresses of each rank's counters: segments written, and peers' segments read */
    ptrdiff_t count, me;
    int64_t turn; /* how often this rank has written */
    int broken;   /* whether a wait was given up: the ranks are out of step */
    void *owner;
} window_counters;

static void raise_flag(char *at, int64_t value) { STORE_FLAG(at, value); }

/* Whether all flags have come to a value, after so many looks at the most; then others may have the core. */
static int reached(const intptr_t *flags, ptrdiff_t count, int64_t value, ptrdiff_t looks) {
    for (ptrdiff_t k = 0; k < count; k++)
        while (LOAD_FLAG(flags[k]) < value) {
            if (looks-- <= 0) {
                sched_yield();
                return 0;
            }
            RELAX();
        }
    return 1;
}

#endif
