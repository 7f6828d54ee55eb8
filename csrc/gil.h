/* The GIL while the kernel works: released where the process has other threads that could want it. */
#ifndef PYSYSCALL_GIL_H
#define PYSYSCALL_GIL_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

/* Where libc notes whether the process has never had a second thread: a char, not 0 while that is so. */
extern const char *single_threaded;

void find_single_threaded(void);

/* NULL where no other thread can want the GIL: only this one could start one, and it is in the kernel. */
static inline PyThreadState *
gil_release(void)
{
    return *__atomic_load_n(&single_threaded, __ATOMIC_RELAXED) ? NULL : PyEval_SaveThread();
}

static inline void
gil_take(PyThreadState *thread)
{
    if (thread != NULL)
        PyEval_RestoreThread(thread);
}

#endif
