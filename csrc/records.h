/* Records side by side, each with its length inside: directory entries. */
#ifndef PYSYSCALL_RECORDS_H
#define PYSYSCALL_RECORDS_H

#include "state.h"

/* The records within `length` bytes as a list of structs; changes these bytes. */
PyObject *records_result(module_state *state, unsigned type, unsigned char *data, Py_ssize_t length);

#endif
