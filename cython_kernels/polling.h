/* What is called between the tiles of a sweep while messages travel: MPI moves them only when it is called.
 *
 * A thread has one such call at the most, and looks at the clock first.
 */
#ifndef MPI4PY_PENCIL_POLLING_H
#define MPI4PY_PENCIL_POLLING_H

#include <stddef.h>
#include <time.h>

typedef struct {
    void (*call)(void *);
    void *data;
    double every, next; /* seconds: between two calls, and on the clock when the next is due */
} polling;

/* That of this thread, or NULL. */
extern __thread polling *polled;

static inline void poll_if_due(void) {
    struct timespec time;
    double now;
    if (polled == NULL) return;
    clock_gettime(CLOCK_MONOTONIC, &time);
    now = time.tv_sec + 1e-9 * time.tv_nsec;
    if (now < polled->next) return;
    polled->call(polled->data);
    polled->next = now + polled->every;
}

/* Sets that of this thread; returns the one before. */
static inline polling *set_polled(polling *next) {
    polling *before = polled;
    polled = next;
    return before;
}

#endif
