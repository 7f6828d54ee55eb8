/* A batch: what was recorded, and what came of it.
 *
 * A call is a `recipe` (what was recorded) and a `step` (its converted arguments and its result). A batch over
 * inputs has several sets of steps, one for each input of a chunk. */
#ifndef PYSYSCALL_RECORDER_H
#define PYSYSCALL_RECORDER_H

#include "batch.h"

enum { MOST_SETS = 256 /* inputs in a chunk */ };

typedef enum { ON_ERROR_STOP, ON_ERROR_SKIP, ON_ERROR_CONTINUE } error_policy;

/* An argument that becomes known when the batch runs. */
typedef struct {
    uint8_t argument;
    enum { FROM_INPUT, FROM_REGISTER, FROM_CELL } source;
    uint8_t cell, item; /* FROM_CELL */
    uint32_t from;      /* the call, or the input */
} binding;

typedef struct {
    const signature *sig;
    int traits;
    uint32_t group; /* 0 for none */
    uint8_t count;  /* of bindings */
    uint8_t later;  /* arguments that are results of other calls, as a mask */
    bool has_inputs;
    bool is_bare; /* nothing but registers, which are all there */
    binding *bindings;
    PyObject *values[MAX_ARGUMENTS]; /* by argument of the signature; NULL where left out or bound */
} recipe;

enum status {
    NOT_MADE,
    MADE,
    LACKS_RESULT, /* one that it was to take */
    MISFITS,      /* the result that it was to take is no number that the argument can be */
};

typedef struct {
    operation op;
    enum status status;
    binding *culprit; /* LACKS_RESULT and MISFITS */
    PyObject *value;  /* the result, once it was asked for */
} step;

typedef struct {
    PyObject_HEAD
    PyObject *module;
    char busy;
    bool ran;
    error_policy on_error;
    uint32_t groups, group; /* how many there were, and the one that is open */
    uint32_t inputs;
    size_t count, capacity;
    recipe *recipes;
    step *steps; /* the first set */
    step *others;
    size_t sets;      /* with the first */
    PyObject **items; /* the inputs of each set */
    size_t passed;    /* inputs before this chunk */
} recorder;

/* What a recorded call will return, or the value that an input has (`call` is its number). */
typedef struct {
    PyObject_HEAD
    recorder *batch;
    size_t call;
    bool is_input;
    int item; /* of a result that is a tuple, or -1 */
} result_object;

/* Python code that a conversion runs, and other threads, must not find it half changed. */
static inline bool
seize(recorder *b)
{
    if (!__atomic_exchange_n(&b->busy, 1, __ATOMIC_ACQUIRE))
        return true;
    PyErr_SetString(PyExc_RuntimeError,
                    "the batch is in use: by another thread, or by a call being recorded");
    return false;
}

static inline void
let_go(recorder *b)
{
    __atomic_store_n(&b->busy, 0, __ATOMIC_RELEASE);
}

static inline step *
set_of(recorder *b, size_t set)
{
    return set == 0 ? b->steps : b->others + (set - 1) * b->count;
}

/* The types of `result_object` must have been made. */
result_object *result_new(recorder *b, size_t call, int item, bool is_input);
void recipe_drop(recipe *r);
/* Forgets all sets but the first. */
void sets_drop(recorder *b);

/* Makes the calls of the first `sets` sets; false with an exception, before which what was done is done. */
bool sets_run(recorder *b, size_t sets);

/* Makes a set ready to run, with what its input is (or NULL). */
bool set_prepare(recorder *b, size_t set, PyObject *item);
/* What came of a call: its result as the call itself returns it, or the exception that stands for it. */
PyObject *set_outcome(recorder *b, size_t set, size_t call);
/* The same of all calls, as a tuple. */
PyObject *set_outcomes(recorder *b, size_t set);

/* Lets go of the inputs. */
void items_drop(recorder *b);
/* Runs a chunk of inputs, and appends a tuple for each that was begun. */
bool chunk_run(recorder *b, PyObject *iterator, PyObject *done, bool *more);

#endif
