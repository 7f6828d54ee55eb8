/* Whole files, many stats, many writes: one call from Python each, in native threads where these help. */
#ifndef PYSYSCALL_BULK_H
#define PYSYSCALL_BULK_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

PyObject *read_files(PyObject *module, PyObject *args, PyObject *kwargs);
PyObject *stat_many(PyObject *module, PyObject *args, PyObject *kwargs);
PyObject *write_all(PyObject *module, PyObject *args, PyObject *kwargs);

#endif
