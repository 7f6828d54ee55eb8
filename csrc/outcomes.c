/* What came of a batch's calls: results, errors with their place, and what stands for a call that was not made. */
#include "errors.h"
#include "recorder.h"
#include "syscall_arch.h"

/* An exception with the place in the batch where it belongs. */
static PyObject *
with_place(const recorder *b, size_t set, size_t call, PyObject *exception)
{
    if (exception == NULL)
        return NULL;
    const char *name = b->recipes[call].sig->name;
    PyObject *note = b->inputs == 0 ? PyUnicode_FromFormat("call %zu of the batch, %s()", call, name)
                                    : PyUnicode_FromFormat("input %zu, call %zu of the batch, %s()",
                                                           b->passed + set, call, name);
    PyObject *done = note != NULL ? PyObject_CallMethod(exception, "add_note", "O", note) : NULL;
    Py_XDECREF(note);
    if (done == NULL)
        Py_CLEAR(exception);
    Py_XDECREF(done);
    return exception;
}

/* The NotRun that stands for the result of a call that was not made. */
static PyObject *
not_run(const recorder *b, const step *s, size_t call)
{
    PyObject *module = PyImport_ImportModule("pysyscall.batch");
    PyObject *type = module != NULL ? PyObject_GetAttrString(module, "NotRun") : NULL;
    Py_XDECREF(module);
    const char *name = b->recipes[call].sig->name;
    PyObject *text = NULL;
    if (type != NULL && s->status == LACKS_RESULT)
        text = PyUnicode_FromFormat("call %zu, %s(), was not made: call %u, %s(), gave no result", call, name,
                                    s->culprit->from, b->recipes[s->culprit->from].sig->name);
    else if (type != NULL)
        text = PyUnicode_FromFormat("call %zu, %s(), was not made%s", call, name,
                                    b->ran ? "" : ": the batch has not run");
    PyObject *object = text != NULL ? PyObject_CallOneArg(type, text) : NULL;
    Py_XDECREF(type);
    Py_XDECREF(text);
    return object;
}

/* The OverflowError for a result that was no number for the argument that it was to be. */
static PyObject *
misfit(const recorder *b, const step *s, size_t call)
{
    const argument *a = &b->recipes[call].sig->args[s->culprit->argument];
    refuse(b->recipes[call].sig, s->culprit->argument, PyExc_OverflowError,
           "must be in [%ld, %ld]: the result of call %u, %s(), is not", a->min, a->max, s->culprit->from,
           b->recipes[s->culprit->from].sig->name);
    return take_exception();
}

PyObject *
set_outcome(recorder *b, size_t set, size_t call)
{
    const recipe *r = &b->recipes[call];
    step *s = &set_of(b, set)[call];
    if (s->value != NULL)
        return Py_NewRef(s->value);
    PyObject *value = NULL;
    if (s->status == MADE && !syscall_failed(s->op.result)) {
        value = operation_value(state_of(b->module), r->sig, r->traits, &s->op);
    }
    else if (s->status == MADE) {
        operation_raise(r->sig, &s->op);
        value = PyErr_ExceptionMatches(PyExc_OSError) ? with_place(b, set, call, take_exception()) : NULL;
    }
    else if (s->status == MISFITS) {
        value = with_place(b, set, call, misfit(b, s, call));
    }
    else {
        value = not_run(b, s, call);
    }
    s->value = Py_XNewRef(value);
    return value;
}

PyObject *
set_outcomes(recorder *b, size_t set)
{
    PyObject *tuple = PyTuple_New((Py_ssize_t)b->count);
    for (size_t k = 0; tuple != NULL && k < b->count; k++) {
        PyObject *value = set_outcome(b, set, k);
        if (value == NULL)
            Py_CLEAR(tuple);
        else
            PyTuple_SET_ITEM(tuple, (Py_ssize_t)k, value);
    }
    return tuple;
}
