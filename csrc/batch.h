/* Many calls for the price of entering the kernel: they are recorded first, then made in one loop. */
#ifndef PYSYSCALL_BATCH_H
#define PYSYSCALL_BATCH_H

#include "operation.h"

/* The type of that name (Recorder, Result, Prepared), made when it is first asked for; borrowed. NULL with an
 * exception or, where there is none, without. */
PyTypeObject *batch_type_named(module_state *state, PyObject *name);

/* A method of Recorder for each call: records it. `f` is its family, or NULL. */
PyObject *record_call(PyObject *recorder, const signature *sig, const family *f, PyObject *const *args,
                      Py_ssize_t nargs, PyObject *kwnames);
extern PyMethodDef record_methods[];

/* prepare(call, *args): an object that makes this one call. */
PyObject *prepare_call(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
extern PyType_Spec prepared_spec;

#endif
