/* Messages of System V queues: a type, and a text of any length behind it. */
#ifndef PYSYSCALL_MSGBUF_H
#define PYSYSCALL_MSGBUF_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "convert.h"
#include "signature.h"
#include "state.h"

/* A tuple of type and text, as one block in `m`; sets the text's length. */
bool msgbuf_from(const signature *sig, int i, PyObject *value, memory *m, long *length);
/* The class Msgbuf is there. To be asked before a message is taken, which would be lost else. */
bool msgbuf_ready(module_state *state);
PyObject *msgbuf_result(module_state *state, const unsigned char *data, Py_ssize_t length);

#endif
