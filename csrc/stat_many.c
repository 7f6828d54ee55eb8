/* stat_many(paths): statx for many files. */
#include "bulk.h"

#include <errno.h>
#include <fcntl.h>

#include "convert.h"
#include "errors.h"
#include "generated/numbers.h"
#include "paths.h"
#include "pool.h"
#include "structs.h"
#include "syscall_arch.h"

enum { CHUNK = 16384 };

static const signature function = {
    .name = "stat_many",
    .text = "stat_many(paths, mask, *, dirfd, flags, threads)",
    .since = "4.11",
    .args = {{.name = "paths", .expected = "an iterable of str, bytes or os.PathLike"},
             {.name = "mask", .expected = "an int", .kind = KIND_INT, .max = UINT32_MAX},
             {.name = "dirfd",
              .expected = "an int or an object with fileno()",
              .kind = KIND_FD,
              .nullable = true,
              .none = AT_FDCWD,
              .min = INT32_MIN,
              .max = INT32_MAX},
             {.name = "flags", .expected = "an int", .kind = KIND_INT, .min = INT32_MIN, .max = UINT32_MAX},
             {.name = "threads", .expected = "an int", .nullable = true}},
};

typedef struct {
    const char *const *texts;
    long dirfd, flags, mask;
    PyObject **objects; /* Statx structs that nobody else has seen */
    long *results;
} request;

static bool
work(pool *p, size_t k, int64_t Py_UNUSED(deadline))
{
    const request *r = p->jobs;
    struct_object *object = (struct_object *)r->objects[k];
    do
        r->results[k] =
            syscall5(NR_statx, r->dirfd, (long)r->texts[k], r->flags, r->mask, (long)object->data);
    while (r->results[k] == -EINTR && !pool_stops(p));
    return true;
}

static bool
stat_chunk(module_state *state, const paths *p, size_t first, size_t count, request *r, int threads,
           PyObject *list)
{
    r->texts = p->texts + first;
    /* In the list they are at once, where they are given back with it if anything goes wrong. */
    r->objects = ((PyListObject *)list)->ob_item + first;
    for (size_t k = 0; k < count; k++) {
        r->objects[k] = (PyObject *)struct_new(state, STRUCT_Statx);
        if (r->objects[k] == NULL)
            return false;
    }
    pool jobs = {.work = work, .jobs = r, .count = count};
    if (!pool_run(&jobs, threads))
        return false;
    for (size_t k = 0; k < count; k++) {
        if (!syscall_failed(r->results[k]))
            continue;
        PyObject *error = paths_error(&function, p, first + k, r->results[k]);
        if (error == NULL)
            return false;
        Py_SETREF(r->objects[k], error);
    }
    return true;
}

PyObject *
stat_many(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"paths", "mask", "dirfd", "flags", "threads", NULL};
    module_state *state = state_of(module);
    PyObject *value, *mask = NULL, *dirfd = NULL, *flags = NULL, *wanted = NULL;
    request r = {.dirfd = AT_FDCWD, .mask = STATX_BASIC_STATS};
    int threads;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O$OOO:stat_many", names, &value, &mask, &dirfd, &flags,
                                     &wanted)
        || PySys_Audit("pysyscall.call", "s(OOOO)", "stat_many", value, mask != NULL ? mask : Py_None,
                       dirfd != NULL ? dirfd : Py_None, flags != NULL ? flags : Py_None)
               < 0
        || (mask != NULL && !convert_int(&function, 1, mask, &r.mask))
        || (dirfd != NULL && !convert_fd(state, &function, 2, dirfd, &r.dirfd))
        || (flags != NULL && !convert_int(&function, 3, flags, &r.flags))
        || !threads_from(&function, 4, wanted, &threads))
        return NULL;
    paths p;
    PyObject *list = NULL;
    bool good = paths_take(state, &function, 0, value, &p);
    if (good) {
        r.results = PyMem_New(long, CHUNK);
        list = paths_list(&p);
        good = r.results != NULL && list != NULL;
        if (r.results == NULL)
            PyErr_NoMemory();
    }
    for (size_t first = 0; good && first < p.count; first += CHUNK) {
        size_t count = p.count - first < CHUNK ? p.count - first : CHUNK;
        good = stat_chunk(state, &p, first, count, &r, threads, list);
    }
    PyMem_Free(r.results);
    paths_give_back(&p);
    return paths_list_done(list, good);
}
