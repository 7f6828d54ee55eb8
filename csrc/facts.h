/* What is found out once about this process and its CPython, for all calls: side by side, so that a call has one
 * line of the cache to wait for. */
#ifndef PYSYSCALL_FACTS_H
#define PYSYSCALL_FACTS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

enum { SMALLEST_INT = -5, SMALL_INTS = 262 };

typedef struct {
    /* Where in a module object the pointer to its state lies; 0 where that is unknown. */
    Py_ssize_t state_offset;
    /* The ints that CPython keeps side by side, and how many; none where they lie otherwise. */
    PyLongObject *small_ints;
    unsigned long small_count;
    /* Where libc notes whether the process has never had a second thread: a char, not 0 while that is so. */
    const char *single_threaded;
} process_facts;

extern process_facts facts __attribute__((visibility("hidden"), aligned(64)));

/* Each interpreter finds the same. */
void find_facts(PyObject *module);

#endif
