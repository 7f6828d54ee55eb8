/* What is known of a signal: the kernel's 128 bytes as the struct that the signal and its code select. */
#ifndef PYSYSCALL_SIGINFO_H
#define PYSYSCALL_SIGINFO_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "signature.h"
#include "state.h"

enum { SIGINFO_BYTES = 128 };

/* The struct object that `data` of SIGINFO_BYTES is; a new reference. */
PyObject *siginfo_result(module_state *state, const void *data);

/* The bytes of an object of any of these structs, or NULL with TypeError. */
const void *siginfo_from(module_state *state, const signature *sig, int i, PyObject *value);

/* The same from any bytes: a function of the module. */
PyObject *siginfo_of(PyObject *module, PyObject *source);

/* The member of Signal for a number, or an int where there is none; a new reference. */
PyObject *signal_result(module_state *state, long number);

/* The kernel's mask as a set of the same. */
PyObject *sigset_result(module_state *state, uint64_t mask);

#endif
