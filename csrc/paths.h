/* Many paths at once, as the kernel takes them. */
#ifndef PYSYSCALL_PATHS_H
#define PYSYSCALL_PATHS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "signature.h"
#include "state.h"

typedef struct {
    PyObject *given; /* a tuple, as Python gave them */
    PyObject *held;  /* a list of what was made of those that are not used in place */
    const char **texts;
    size_t count;
} paths;

/* Takes an iterable of paths; false with an exception. To be given back in either case. */
bool paths_take(module_state *state, const signature *sig, int i, PyObject *value, paths *p);
void paths_give_back(paths *p);

/* A list for what comes of each path, which code that signal handlers run does not find until it is full. */
PyObject *paths_list(const paths *p);
/* Hands the full list over; one that is not, after an exception, is given back: NULL. */
PyObject *paths_list_done(PyObject *list, bool full);

/* The OSError for path `k`; NULL with another exception. */
PyObject *paths_error(const signature *sig, const paths *p, size_t k, long result);

#endif
