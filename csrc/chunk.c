/* Batches over inputs: chunk by chunk, in the same memory. */
#include "errors.h"
#include "recorder.h"

enum { CHUNK_BYTES = 8 << 20 /* fewer inputs in a chunk where these would need more memory */ };

/* What came of an earlier run. */
static inline void
forget_result(step *s)
{
    if (s->value != NULL)
        Py_CLEAR(s->value);
    s->status = NOT_MADE;
}

bool
set_prepare(recorder *b, size_t set, PyObject *item)
{
    module_state *state = state_of(b->module);
    step *steps = set_of(b, set);
    for (size_t k = 0; k < b->count; k++) {
        const recipe *r = &b->recipes[k];
        step *s = &steps[k];
        forget_result(s);
        if (s->op.converted && !r->has_inputs && (r->traits & RUNS_AGAIN)) {
            if (r->traits & IS_CLEARED)
                operation_clear(r->sig, &s->op);
            s->op.lost = false;
            continue;
        }
        PyObject *values[MAX_ARGUMENTS];
        memcpy(values, r->values, sizeof(values));
        for (int n = 0; n < r->count; n++)
            if (r->bindings[n].source == FROM_INPUT)
                values[r->bindings[n].argument] =
                    b->inputs == 1 ? item : PyTuple_GET_ITEM(item, r->bindings[n].from);
        operation_release(r->sig, &s->op);
        if ((r->has_inputs && !operation_audit(r->sig, values))
            || !operation_convert(state, r->sig, r->traits, &s->op, values, r->later)) {
            while (++k < b->count)
                forget_result(&steps[k]);
            return false;
        }
    }
    return true;
}

void
items_drop(recorder *b)
{
    for (size_t k = 0; k < MOST_SETS && b->items != NULL; k++)
        Py_CLEAR(b->items[k]);
}

/* What a set needs that was prepared. */
static size_t
bytes_of(recorder *b, size_t set)
{
    const step *steps = set_of(b, set);
    size_t bytes = b->count * sizeof(step);
    for (size_t k = 0; k < b->count; k++) {
        const operation *op = &steps[k].op;
        bytes += op->own != NULL ? sizeof(room) : 0;
        bytes += op->own != NULL && op->own->heap.origin != MEMORY_NONE ? op->own->heap.size : 0;
        for (int i = 0; i < b->recipes[k].sig->count; i++)
            if (op->c.owned[i] != NULL && PyBytes_Check(op->c.owned[i]))
                bytes += (size_t)PyBytes_GET_SIZE(op->c.owned[i]);
    }
    return bytes;
}

/* How many inputs a chunk has at most, by what the first one needs. */
static bool
make_sets(recorder *b, size_t bytes)
{
    if (b->sets > 1)
        return true;
    size_t sets = bytes < CHUNK_BYTES / 2 ? CHUNK_BYTES / bytes : 2;
    sets = sets < MOST_SETS ? sets : MOST_SETS;
    b->others = PyMem_Calloc((sets - 1) * b->count, sizeof(step));
    if (b->others == NULL) {
        PyErr_NoMemory();
        return false;
    }
    b->sets = sets;
    return true;
}

/* Takes the next input; false at the end, or with an exception. */
static bool
take_input(recorder *b, PyObject *iterator, size_t set)
{
    PyObject *item = PyIter_Next(iterator);
    if (item == NULL)
        return false;
    Py_XSETREF(b->items[set], item);
    if (b->inputs > 1 && !(PyTuple_Check(item) && PyTuple_GET_SIZE(item) == b->inputs)) {
        PyErr_Format(PyExc_TypeError, "input %zu must be a tuple of %u values", b->passed + set, b->inputs);
        return false;
    }
    return set_prepare(b, set, item);
}

/* After a chunk: nothing is held of its inputs and results. */
static void
release_chunk(recorder *b)
{
    for (size_t set = 0; set < b->sets; set++) {
        step *steps = set_of(b, set);
        for (size_t k = 0; k < b->count; k++) {
            Py_CLEAR(steps[k].value);
            if (b->recipes[k].has_inputs)
                operation_release(b->recipes[k].sig, &steps[k].op);
        }
    }
    items_drop(b);
}

bool
chunk_run(recorder *b, PyObject *iterator, PyObject *done, bool *more)
{
    if (b->items == NULL && (b->items = PyMem_Calloc(MOST_SETS, sizeof(PyObject *))) == NULL) {
        PyErr_NoMemory();
        return false;
    }
    size_t taken = 0, bytes = 0;
    *more = true;
    while (*more && (taken == 0 || (taken < b->sets && bytes < CHUNK_BYTES))) {
        *more = take_input(b, iterator, taken);
        if (*more) {
            bytes += bytes_of(b, taken++);
            *more = make_sets(b, bytes);
        }
    }
    /* An input that was refused does not keep those before it from being run. */
    PyObject *raised = PyErr_Occurred() ? take_exception() : NULL;
    b->ran = true;
    if (!sets_run(b, taken))
        Py_XSETREF(raised, take_exception());
    size_t set = 0;
    for (; set < taken && set_of(b, set)->status != NOT_MADE; set++) {
        PyObject *outcomes = set_outcomes(b, set);
        if (outcomes == NULL || PyList_Append(done, outcomes) < 0)
            Py_XSETREF(raised, take_exception());
        Py_XDECREF(outcomes);
        if (raised != NULL && outcomes == NULL)
            break;
    }
    *more = *more && set == taken;
    release_chunk(b);
    if (raised != NULL)
        raise_exception(raised);
    return raised == NULL;
}
