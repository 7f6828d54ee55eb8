/* What one interpreter's copy of the module holds. */
#ifndef PYSYSCALL_STATE_H
#define PYSYSCALL_STATE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "facts.h"
#include "generated/enum_index.h"
#include "generated/struct_index.h"
#include "structs.h"

/* The types of batches, which are made when one is first needed. */
enum { BATCH_RECORDER, BATCH_RESULT, BATCH_INPUT, BATCH_PREPARED, BATCH_TYPES };

enum { REQUEST_BUCKETS = 64 };

/* The asynchronous requests under way, in lists by address. */
typedef struct {
    struct request *buckets[REQUEST_BUCKETS];
    uint64_t submitted; /* so far: the number of each */
#ifdef Py_GIL_DISABLED
    PyMutex lock;
#endif
} request_table;

/* The member of an enumeration that was asked for last; borrowed, NULL before there is one. */
typedef struct {
    PyObject *member;
    long value;
} seen_member;

typedef struct module_state {
    PyObject *module;                         /* borrowed: the module that this state belongs to */
    PyTypeObject *struct_types[STRUCT_COUNT]; /* NULL until one is first needed */
    /* Of each, the memory of an object that is no more; or NULL. */
    struct_object *spare_structs[STRUCT_COUNT];
    PyTypeObject *batch_types[BATCH_TYPES];
    PyObject *members[ENUM_COUNT]; /* of each enumeration: those that were seen, by value */
    seen_member latest[ENUM_COUNT];
    PyTypeObject *mapping_type;
    PyTypeObject *wait_status;
    PyObject *status_zero;                   /* of a child that ended well, as most do */
    PyObject *signals;                       /* members of Signal by number; NULL until first needed */
    PyTypeObject *message, *control_message; /* NULL until a call has to do with messages */
    PyObject *fileno, *fspath; /* names of methods, interned: the cache of attributes goes by identity */
    PyObject *msgbuf;          /* the class Msgbuf; NULL until it is first needed */
    /* Where the audit hooks of this interpreter and of all interpreters begin: NULL behind them for none. */
    PyObject *const *own_hooks;
    const void *const *global_hooks;
    request_table requests;
} module_state;

extern struct PyModuleDef fast_module;

static inline module_state *
state_of(PyObject *module)
{
    Py_ssize_t offset = __atomic_load_n(&facts.state_offset, __ATOMIC_RELAXED);
    return __builtin_expect(offset != 0, 1) ? *(module_state **)((char *)module + offset)
                                            : PyModule_GetState(module);
}

/* Puts a new type into its place, and returns the one that is there then: making it may have run code, or another
 * thread, that made it too. */
static inline PyTypeObject *
keep_type(PyTypeObject **place, PyTypeObject *type)
{
    PyTypeObject *before = NULL;
    if (__atomic_compare_exchange_n(place, &before, type, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return type;
    Py_DECREF(type);
    return before;
}

static inline PyTypeObject *
struct_type(module_state *state, unsigned index)
{
    PyTypeObject *type = __atomic_load_n(&state->struct_types[index], __ATOMIC_ACQUIRE);
    return __builtin_expect(type != NULL, 1) ? type : struct_make_type(state, index);
}

/* A new struct of `size` bytes, a constant: a small one without a call while there is memory of the last one.
 * Larger ones aren't worth it, as the compiler would clear them more slowly than memset. */
static inline __attribute__((always_inline)) struct_object *
struct_out(module_state *state, unsigned index, Py_ssize_t size)
{
    struct_object **spare = &state->spare_structs[index], *object = *spare;
    PyTypeObject *type = state->struct_types[index];
    enum { SMALL = 64 };
    if (size > SMALL || __builtin_expect(object == NULL || type == NULL, 0))
        return struct_new(state, index);
    *spare = NULL;
    PyObject_Init((PyObject *)object, type);
    object->size = size;
    object->held = NULL;
    memset(object->data, 0, (size_t)size);
    return object;
}

#endif
