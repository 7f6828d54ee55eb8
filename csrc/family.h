/* Calls that are many in one: which signature a command has, and the call with it. */
#ifndef PYSYSCALL_FAMILY_H
#define PYSYSCALL_FAMILY_H

#include <Python.h>

#include "signature.h"

typedef PyObject *family_run(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);

/* What one value of the selecting argument stands for, or one flag of it. */
typedef struct {
    long value;
    long second; /* what the first of the decided arguments must be, too */
    bool has_second;
    const signature *sig;
    family_run *run; /* an instance of the engine for it, or NULL */
} family_command;

typedef struct {
    const signature *general; /* for commands that the table doesn't know */
    family_run *run_general;
    const family_command *commands; /* those chosen by a flag first, the others by value */
    const signature *given; /* the arguments as Python gives them, where what follows the selecting one
                             * is in the bits below it; or NULL */
    uint16_t count;
    uint16_t flags;      /* how many are chosen by a flag */
    uint8_t selector;    /* position of the selecting argument in Python */
    uint8_t decided;     /* ... of the first that it decides */
    uint8_t shift;       /* the command stands above that many bits of the selecting argument */
    bool sized_requests; /* the selecting argument holds the size of what the next points at */
    long ignored_bits;   /* of the selecting argument */
} family;

/* The argument at `position`, wherever it was given; borrowed, NULL where it wasn't. */
PyObject *family_argument(const family *f, int position, PyObject *const *args, Py_ssize_t nargs,
                          PyObject *kwnames);
/* The signature of the command that these arguments name, for batches; NULL with an exception. */
const signature *family_signature(const family *f, PyObject *const *args, Py_ssize_t nargs,
                                  PyObject *kwnames);
PyObject *run_family(const family *f, PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                     PyObject *kwnames);

#endif
