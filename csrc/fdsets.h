/* Sets of descriptors for select: masks as long as the highest descriptor needs. */
#ifndef PYSYSCALL_FDSETS_H
#define PYSYSCALL_FDSETS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "convert.h"
#include "signature.h"
#include "state.h"

enum { FDSETS = 3, FDSET_WORDS = 16 };

/* The sets of one call, side by side. */
typedef struct {
    uint64_t *masks; /* NULL until there is one */
    size_t room;     /* how many words one mask has */
    size_t words;    /* how many of them are in use; those behind are not initialised */
    long count;      /* one more than the highest descriptor */
    Py_ssize_t found[FDSETS];
    memory heap;
    uint64_t in_place[FDSETS * FDSET_WORDS];
} fdsets;

/* Adds the descriptors of an iterable to set `place`. May move the masks. */
bool fdset_from(module_state *state, const signature *sig, int i, PyObject *value, fdsets *sets, int place);

static inline void
fdsets_release(fdsets *sets)
{
    if (sets->masks != NULL && sets->masks != sets->in_place)
        memory_give_back(&sets->heap);
    sets->masks = NULL;
}

/* How many bits all sets have set, which are then those of their results. */
Py_ssize_t fdsets_count(fdsets *sets);
/* The list of the descriptors that were counted in set `place`, in ascending order. */
PyObject *fdset_result(const fdsets *sets, int place);

#endif
