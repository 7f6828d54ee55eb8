/* What one interpreter's copy of the module holds. */
#ifndef PYSYSCALL_STATE_H
#define PYSYSCALL_STATE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "generated/struct_index.h"

typedef struct module_state {
    PyTypeObject *struct_types[STRUCT_COUNT];
} module_state;

static inline module_state *
state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

#endif
