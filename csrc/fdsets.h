/* Sets of descriptors for select: masks as long as the highest descriptor needs. */
#ifndef PYSYSCALL_FDSETS_H
#define PYSYSCALL_FDSETS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "convert.h"
#include "signature.h"
#include "state.h"

enum { FDSETS = 3, FDSET_INLINE = 128 };

/* The sets of one call, side by side. */
typedef struct {
    unsigned char *masks; /* NULL until there is one */
    size_t bytes;         /* of each mask */
    memory heap;
    uint64_t in_place[FDSETS * FDSET_INLINE / 8];
} fdsets;

/* Adds the descriptors of an iterable to set `place`; `count` becomes one more than the highest. May move
 * the masks. */
bool fdset_from(module_state *state, const signature *sig, int i, PyObject *value, fdsets *sets, int place,
                long *count);
void fdsets_release(fdsets *sets);

/* How many bits the first `count` of all sets have set. */
long fdsets_total(const fdsets *sets, long count);
PyObject *fdset_result(const fdsets *sets, int place, long count);

#endif
