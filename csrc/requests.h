/* Requests of asynchronous I/O: Iocb objects, and what they hold, live until the kernel has done with them.
 *
 * The kernel knows a request by its address and uses its buffer after io_submit has returned. So each object
 * that was submitted is kept here by context, until its event was taken or the context has ended. What the
 * program takes behind our back, from the ring or by a raw call, is kept for ever: too long is safe. */
#ifndef PYSYSCALL_REQUESTS_H
#define PYSYSCALL_REQUESTS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

#include "convert.h"
#include "signature.h"
#include "state.h"

/* A sequence of struct objects as an array of their addresses in `m`; a tuple that holds them all. */
PyObject *pointers_from(module_state *state, const signature *sig, int i, PyObject *value, memory *m);
/* Keeps all of `requests`, a tuple of Iocb, unless one of them does not fit the buffer that it holds. */
bool requests_keep(module_state *state, const signature *sig, int i, uint64_t context, PyObject *requests);

/* How many were submitted so far: what `requests_ended` wants to know from before the call. */
uint64_t requests_submitted(module_state *state);
/* Those of `requests` from `first` on were not submitted. */
void requests_not_submitted(module_state *state, uint64_t context, PyObject *requests, Py_ssize_t first);
/* The events of some were taken. */
void requests_done(module_state *state, uint64_t context, const unsigned char *events, long count);
/* The context has ended; `before` is what `submitted` was before that. */
void requests_ended(module_state *state, uint64_t context, uint64_t before);

#endif
