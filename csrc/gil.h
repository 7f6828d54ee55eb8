/* The GIL while the kernel works: released where the process has other threads that could want it. */
#ifndef PYSYSCALL_GIL_H
#define PYSYSCALL_GIL_H

#include <stdbool.h>

#include "facts.h"

/* NULL where no other thread can want the GIL: only this one could start one, and it is in the kernel. */
static inline PyThreadState *
gil_release(void)
{
    bool alone = *__atomic_load_n(&facts.single_threaded, __ATOMIC_RELAXED);
    return __builtin_expect(alone, 1) ? NULL : PyEval_SaveThread();
}

static inline void
gil_take(PyThreadState *thread)
{
    if (__builtin_expect(thread != NULL, 0))
        PyEval_RestoreThread(thread);
}

#endif
