/* Jobs that need no Python, done by native threads while the calling thread looks after signals. */
#ifndef PYSYSCALL_POOL_H
#define PYSYSCALL_POOL_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

#include "signature.h"

enum { MOST_THREADS = 64 };

typedef struct pool {
    /* Does job `k`, or as much of it as until `deadline` (on CLOCK_MONOTONIC, in ns); whether it is done. */
    bool (*work)(struct pool *p, size_t k, int64_t deadline);
    void *jobs;
    size_t count, next;
    bool stop; /* work no more */
} pool;

/* Whether the pool's work shall end, asked between steps of a long job. */
static inline bool
pool_stops(const pool *p)
{
    return __atomic_load_n(&p->stop, __ATOMIC_RELAXED);
}

/* Does all jobs, in up to `threads` threads with the calling one; needs the GIL, and lets go of it. False with an
 * exception from a signal handler. */
bool pool_run(pool *p, int threads);

/* The argument `threads`: None for as many as there are usable CPUs, but at most four. */
bool threads_from(const signature *sig, int i, PyObject *value, int *threads);

#endif
