/* One instance of the trampoline that reads its signature at run time, for calls whose cost doesn't matter. */
#ifndef PYSYSCALL_INTERPRETER_H
#define PYSYSCALL_INTERPRETER_H

#include <Python.h>

#include "signature.h"

PyObject *interpret(const signature *sig, PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                    PyObject *kwnames);

#endif
