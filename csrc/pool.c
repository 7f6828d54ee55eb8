/* Jobs that need no Python, done by native threads while the calling thread looks after signals. */
#define _GNU_SOURCE
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

#include "convert.h"
#include "errors.h"

enum {
    SIGNALS_EVERY = 20000000, /* ns */
    BLOCK = 16,               /* jobs that a thread takes at once */
    JOBS_A_THREAD = 32,       /* fewer are not worth a thread's start */
};

/* Jobs that a thread has taken and not done. */
typedef struct {
    size_t next, end;
} block;

static bool
take_block(pool *p, block *taken)
{
    if (pool_stops(p))
        return false;
    taken->next = __atomic_fetch_add(&p->next, BLOCK, __ATOMIC_RELAXED);
    taken->end = taken->next + BLOCK < p->count ? taken->next + BLOCK : p->count;
    return taken->next < p->count;
}

static void *
help(void *arg)
{
    pool *p = arg;
    block taken;
    while (take_block(p, &taken))
        while (taken.next < taken.end && !pool_stops(p))
            p->work(p, taken.next++, INT64_MAX);
    return NULL;
}

/* Signals are for Python's threads. */
static int
start_helpers(pool *p, pthread_t *helpers, int wanted)
{
    sigset_t all, before;
    pthread_attr_t small;
    int started = 0;
    sigfillset(&all);
    if (wanted <= 0 || pthread_attr_init(&small) != 0)
        return 0;
    pthread_attr_setstacksize(&small, 256 << 10);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (started < wanted && pthread_create(&helpers[started], &small, help, p) == 0)
        started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&small);
    return started;
}

/* Waits for a helper, but not for long; whether it has ended. */
static bool
wait_for(pthread_t helper)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += SIGNALS_EVERY;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    return pthread_timedjoin_np(helper, NULL, &until) == 0;
}

/* The calling thread's part, until it is time to look for signals; false where no jobs are left. */
static bool
work_for_a_while(pool *p, block *taken)
{
    int64_t deadline = nanoseconds_on(CLOCK_MONOTONIC) + SIGNALS_EVERY;
    do {
        for (; taken->next < taken->end; taken->next++)
            if (!p->work(p, taken->next, deadline))
                return true;
        if (!take_block(p, taken))
            return false;
    } while (nanoseconds_on(CLOCK_MONOTONIC) < deadline);
    return true;
}

static bool
look_for_signals(pool *p)
{
    if (PyErr_CheckSignals() == 0)
        return true;
    __atomic_store_n(&p->stop, true, __ATOMIC_RELAXED);
    return false;
}

bool
pool_run(pool *p, int threads)
{
    pthread_t helpers[MOST_THREADS];
    size_t worth = p->count / JOBS_A_THREAD;
    int wanted = worth < (size_t)threads - 1 ? (int)worth : threads - 1;
    int started = start_helpers(p, helpers, wanted);
    bool good = true;
    block taken = {0};
    for (bool more = true; good && more;) {
        PyThreadState *thread = PyEval_SaveThread();
        more = work_for_a_while(p, &taken);
        PyEval_RestoreThread(thread);
        good = look_for_signals(p);
    }
    while (started > 0) {
        PyThreadState *thread = PyEval_SaveThread();
        bool ended = wait_for(helpers[started - 1]);
        PyEval_RestoreThread(thread);
        started -= ended;
        /* One exception is enough. */
        if (good && !ended)
            good = look_for_signals(p);
    }
    return good;
}

bool
threads_from(const signature *sig, int i, PyObject *value, int *threads)
{
    enum { USEFUL = 4 };
    if (value == NULL || value == Py_None) {
        cpu_set_t usable;
        int count = sched_getaffinity(0, sizeof(usable), &usable) == 0 ? CPU_COUNT(&usable) : 1;
        *threads = count < 1 ? 1 : count < USEFUL ? count : USEFUL;
        return true;
    }
    if (!PyLong_Check(value))
        return refuse_type(sig, i, value);
    int overflow;
    long number = PyLong_AsLongAndOverflow(value, &overflow);
    if (overflow != 0 || number < 1 || number > MOST_THREADS)
        return refuse(sig, i, PyExc_ValueError, "must be in [1, %d]", MOST_THREADS);
    *threads = (int)number;
    return true;
}
