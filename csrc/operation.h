/* A call whose arguments were converted beforehand, so that it can be made without Python: for batches and
 * prepared calls. */
#ifndef PYSYSCALL_OPERATION_H
#define PYSYSCALL_OPERATION_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "call.h"
#include "family.h"
#include "signature.h"
#include "state.h"

/* Every fast call by name; the last has none. */
typedef struct {
    const char *name;
    const signature *sig; /* NULL where the call is a family */
    const family *family;
} call_entry;

extern const call_entry call_table[];

/* Other names of calls; the last has none. */
typedef struct {
    const char *name, *target;
} call_alias;

extern const call_alias call_aliases[];

typedef struct {
    call c;
    room *own; /* memory that the registers point into; NULL where they don't */
    bool converted;
    bool lost; /* the result could not be built */
    long result;
} operation;

/* What must be remembered of a call under way whose time is limited. */
typedef struct {
    int64_t deadline;
    int64_t started;
    struct timespec duration;
} timing;

/* What follows after the kernel's answer. */
enum outcome {
    OUTCOME_DONE,
    OUTCOME_AGAIN,  /* make the call again */
    OUTCOME_RAISED, /* an exception is set */
};

/* What a batch must know of a signature. */
enum {
    RUNS_AGAIN = 1,       /* the registers are as good for a second time */
    IS_CLEARED = 2,       /* ... once the struct that the kernel fills is zero again */
    TAKES_RESULTS = 4,    /* no conversion looks at another argument's register */
    MAY_GROW = 8,         /* its memory may have been too short */
    IS_TIMED = 16,        /* a repetition waits for what is left of the time */
    NEEDS_NO_MEMORY = 32, /* no register points into `room`, as long as buffers are bytes */
    IS_BARE = 64,         /* only the instruction makes it, and only EINTR needs a second look */
    HAS_ONE_RESULT = 128, /* ... which is a struct or bytes, argument `traits >> RESULT_SHIFT` */
    IS_NUMBER = 256,      /* the result is an int, and that of the register */
    RESULT_SHIFT = 12
};

/* The traits of a signature, or -1 with TypeError where the engine does more for the call than converting. */
int operation_traits(const signature *sig);

/* Whether an argument is nothing but an integer in a register. */
static inline bool
is_plain_integer(const argument *a)
{
    return a->kind == KIND_INT || a->kind == KIND_FD || a->kind == KIND_WORD;
}

/* Converts `values`, one for each of the signature's arguments (NULL where it was left out), which must stay alive. Those in
 * the mask `later` get their registers later. False with an exception: nothing is held then. */
bool operation_convert(module_state *state, const signature *sig, int traits, operation *op,
                       PyObject *const *values, unsigned later);
/* Gives back what it holds, but for memory of its own that the next conversion can use. */
void operation_release(const signature *sig, operation *op);
/* The same, and that memory. */
void operation_free(const signature *sig, operation *op);
/* Zeroes what the kernel fills, but for bytes. */
void operation_clear(const signature *sig, operation *op);

/* Enters the kernel, with or without the GIL. */
long operation_enter(const signature *sig, const operation *op);
timing operation_begin(const signature *sig, const operation *op);
/* Whether `operation_attend` must look at the result. */
bool operation_needs_attention(const signature *sig, int traits, const operation *op);
/* With the GIL: what becomes of a call that was interrupted, had too little memory, or asked for too much. */
enum outcome operation_attend(const signature *sig, operation *op, timing *t);

/* The result as Python objects, once for each time the call was made; NULL with an exception. */
PyObject *operation_value(module_state *state, const signature *sig, int traits, operation *op);
/* Raises the OSError of a call that failed. */
void operation_raise(const signature *sig, const operation *op);

/* An integer of memory that the kernel has written: item `item` of argument `i`. */
long operation_cell(const signature *sig, const operation *op, int i, int item);

/* Whether argument `i`, given as `value`, is part of the result. */
bool operation_comes_back(const signature *sig, int i, PyObject *value);
/* Closes the descriptors of a result that could not be built. */
void operation_close(const signature *sig, const operation *op);
/* sys.audit for a call with these values, one for each argument of the signature. */
bool operation_audit(const signature *sig, PyObject *const *values);

int operation_traverse(const signature *sig, operation *op, visitproc visit, void *arg);

/* The signature behind one of the module's functions, with these arguments; NULL with an exception. */
const signature *signature_behind(PyObject *module, PyObject *function, PyObject *const *args,
                                  Py_ssize_t nargs, PyObject *kwnames);

/* Iterables that can be gone through only once, as tuples: `*value` is a strong reference. */
bool freeze(const argument *a, PyObject **value);

#endif
