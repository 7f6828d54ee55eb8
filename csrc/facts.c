/* What is found out once about this process and its CPython, for all calls. */
#define _GNU_SOURCE
#include "facts.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

static const char unknown = 0;
process_facts facts = {.single_threaded = &unknown};

/* The state is one block of memory, so no other word of the module object is the same. */
static Py_ssize_t
state_offset(PyObject *module)
{
    void *state = PyModule_GetState(module), *word;
    for (Py_ssize_t offset = sizeof(PyObject); offset < Py_TYPE(module)->tp_basicsize;
         offset += sizeof(word)) {
        memcpy(&word, (char *)module + offset, sizeof(word));
        if (word == state)
            return offset;
    }
    return 0;
}

/* The first of the small ints; NULL where they don't lie side by side. */
static PyLongObject *
small_ints(void)
{
    PyLongObject *first = (PyLongObject *)PyLong_FromLong(SMALLEST_INT);
    bool aligned = first != NULL;
    Py_XDECREF(first);
    for (long k = 0; aligned && k < SMALL_INTS; k++) {
        PyObject *number = PyLong_FromLong(SMALLEST_INT + k);
        aligned = number == (PyObject *)(first + k);
        Py_XDECREF(number);
    }
    PyErr_Clear();
    return aligned ? first : NULL;
}

void
find_facts(PyObject *module)
{
    PyLongObject *first = small_ints();
    /* glibc has it since 2.32, other C libraries don't. */
    const char *note = dlsym(RTLD_DEFAULT, "__libc_single_threaded");
    __atomic_store_n(&facts.state_offset, state_offset(module), __ATOMIC_RELAXED);
    __atomic_store_n(&facts.small_ints, first, __ATOMIC_RELAXED);
    __atomic_store_n(&facts.small_count, first != NULL ? SMALL_INTS : 0, __ATOMIC_RELAXED);
    __atomic_store_n(&facts.single_threaded, note != NULL ? note : &unknown, __ATOMIC_RELAXED);
}
