/* Mapping: a Python object that owns memory of the address space, and hands it out as a buffer.
 *
 * Whoever uses the memory is counted, and what would take it away from a user is refused. */
#ifndef PYSYSCALL_MAPPING_H
#define PYSYSCALL_MAPPING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <sys/types.h>

struct module_state;

typedef struct {
    PyObject_HEAD
    unsigned char *address;
    size_t size;   /* as it was asked for; the kernel rounds it up to pages */
    int prot;      /* what every page allows, as far as is known */
    int before;    /* ... and allowed before a call that is under way */
    pid_t owner;   /* if not 0, forked children don't have the memory */
    long calls;    /* calls under way */
    long exports;  /* buffers handed out */
    long writable; /* ... those that can be written to */
    bool open;
    bool taken;    /* a call under way unmaps or moves it */
    bool changing; /* ... changes what may be done with it */
    bool guarded;  /* some page ends the process when it is touched */
    bool split;    /* a call was made on a part: its pages may differ */
    bool segment;  /* made by shmat, and given back to shmdt */
} mapping_object;

enum mapping_use { MAPPING_USABLE, MAPPING_CLOSED, MAPPING_TAKEN };

/* Counts a call that uses the memory: until `mapping_unpin` no one unmaps or moves it. */
enum mapping_use mapping_pin(mapping_object *m);
void mapping_unpin(mapping_object *m);

/* Keeps everyone else off a Mapping that is pinned once; false where someone uses it. */
bool mapping_take(mapping_object *m);
/* Lets it allow no more than `prot`, and no other call change that; false where a buffer needs more. */
bool mapping_restrict(mapping_object *m, int prot);
/* Ends what the two began. */
void mapping_let_go(mapping_object *m);

/* The size in whole pages. */
size_t mapping_span(const mapping_object *m);

/* A Mapping that owns nothing yet; NULL with MemoryError. */
mapping_object *mapping_new(struct module_state *state);
PyTypeObject *mapping_make_type(PyObject *module);

#endif
