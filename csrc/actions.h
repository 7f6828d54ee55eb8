/* Actions of signals that Python can live with: ignored, the default, or kept in a queue until Python asks. */
#ifndef PYSYSCALL_ACTIONS_H
#define PYSYSCALL_ACTIONS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* In a child that shares its descriptors: those of the queues are the parent's, and stay open. */
void queues_share_descriptors(void);

/* Functions for pysyscall.calls.signals, which checks what they are given. */
extern PyMethodDef action_methods[];

#endif
