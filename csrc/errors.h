/* Everything that goes wrong: arguments refused by name, and errno as OSError. All of it is cold. */
#ifndef PYSYSCALL_ERRORS_H
#define PYSYSCALL_ERRORS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "signature.h"

/* Sets `exception` with "read() argument 'fd' " and the formatted text; returns false. */
__attribute__((cold)) bool refuse(const signature *sig, int i, PyObject *exception, const char *format, ...);

/* TypeError: "... must be <what the argument expects>, not <type of value>"; returns false. */
__attribute__((cold)) bool refuse_type(const signature *sig, int i, PyObject *value);

/* Raises OSError for a failed call, with the file names that it was about (or NULL). */
__attribute__((cold)) void raise_errno(const signature *sig, long result, PyObject *path,
                                       PyObject *second_path);

/* The argument of the signature that Python gives at `position`. */
int parameter_at(const signature *sig, int position);

/* Sorts positional and keyword arguments into `bound` (NULL where one is left out), or raises TypeError. */
__attribute__((cold)) bool bind_arguments(const signature *sig, PyObject *const *args, Py_ssize_t nargs,
                                          PyObject *kwnames, PyObject **bound);

/* The exception that is set, as an object; it is set no longer. */
PyObject *take_exception(void);
/* Sets it again; takes the reference. */
void raise_exception(PyObject *exception);

#endif
