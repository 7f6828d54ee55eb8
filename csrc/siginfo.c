/* Signals as Python sees them: which struct tells of one, and which member of Signal it is. */
#include "siginfo.h"

#include <limits.h>

#include "errors.h"
#include "structs.h"

enum { SIGNAL_COUNT = 64 };

/* A signal's code within [low, high] makes its information that struct; signal 0 is any. */
struct siginfo_case {
    int signal, low, high;
    enum struct_index type;
};

#include "generated/siginfo.inc"

PyObject *
siginfo_result(module_state *state, const void *data)
{
    int head[3]; /* si_signo, si_errno, si_code */
    memcpy(head, data, sizeof(head));
    const struct siginfo_case *c = siginfo_cases;
    while ((c->signal != 0 && c->signal != head[0]) || head[2] < c->low || head[2] > c->high)
        c++;
    return struct_from_data(state, c->type, data, SIGINFO_BYTES);
}

const void *
siginfo_from(module_state *state, const signature *sig, int i, PyObject *value)
{
    /* A type that has not been made yet has no objects. */
    for (size_t k = 0; k < Py_ARRAY_LENGTH(siginfo_structs); k++)
        if (Py_IS_TYPE(value, state->struct_types[siginfo_structs[k]]))
            return ((struct_object *)value)->data;
    refuse_type(sig, i, value);
    return NULL;
}

PyObject *
siginfo_of(PyObject *module, PyObject *source)
{
    Py_buffer view;
    if (PyObject_GetBuffer(source, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    PyObject *result = NULL;
    if (view.len == SIGINFO_BYTES)
        result = siginfo_result(state_of(module), view.buf);
    else
        PyErr_Format(PyExc_ValueError, "siginfo_of() needs %d bytes, not %zd", SIGINFO_BYTES, view.len);
    PyBuffer_Release(&view);
    return result;
}

/* What stands for each number: an int first, then the member in its place, where there is one. */
static PyObject *
make_signals(void)
{
    PyObject *signals = PyTuple_New(SIGNAL_COUNT + 1);
    for (long number = 0; signals != NULL && number <= SIGNAL_COUNT; number++) {
        PyObject *item = PyLong_FromLong(number);
        if (item == NULL)
            Py_CLEAR(signals);
        else
            PyTuple_SET_ITEM(signals, number, item);
    }
    PyObject *flags = signals != NULL ? PyImport_ImportModule("pysyscall.flags") : NULL;
    if (signals != NULL && flags == NULL && PyErr_ExceptionMatches(PyExc_Exception))
        PyErr_Clear(); /* a call that has been made may have put Python's files out of reach */
    PyObject *members = flags != NULL ? PyObject_GetAttrString(flags, "Signal") : NULL;
    PyObject *iterator = members != NULL ? PyObject_GetIter(members) : NULL;
    PyObject *member;
    while (iterator != NULL && (member = PyIter_Next(iterator)) != NULL) {
        long number = PyLong_AsLong(member);
        if (number >= 0 && number <= SIGNAL_COUNT) {
            Py_DECREF(PyTuple_GET_ITEM(signals, number));
            PyTuple_SET_ITEM(signals, number, member);
        }
        else {
            Py_DECREF(member);
        }
    }
    Py_XDECREF(iterator);
    Py_XDECREF(members);
    Py_XDECREF(flags);
    if (PyErr_Occurred())
        Py_CLEAR(signals);
    return signals;
}

/* The same, made once; borrowed. */
static PyObject *
signals_of(module_state *state)
{
    PyObject *signals = __atomic_load_n(&state->signals, __ATOMIC_ACQUIRE);
    if (__builtin_expect(signals != NULL, 1))
        return signals;
    signals = make_signals();
    PyObject *expected = NULL;
    if (signals == NULL
        || __atomic_compare_exchange_n(&state->signals, &expected, signals, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE))
        return signals;
    Py_DECREF(signals);
    return expected;
}

PyObject *
signal_result(module_state *state, long number)
{
    if (number < 0 || number > SIGNAL_COUNT)
        return PyLong_FromLong(number);
    PyObject *signals = signals_of(state);
    return signals != NULL ? Py_NewRef(PyTuple_GET_ITEM(signals, number)) : NULL;
}

PyObject *
sigset_result(module_state *state, uint64_t mask)
{
    PyObject *signals = mask != 0 ? signals_of(state) : NULL;
    if (mask != 0 && signals == NULL)
        return NULL;
    PyObject *set = PySet_New(NULL);
    for (; set != NULL && mask != 0; mask &= mask - 1)
        if (PySet_Add(set, PyTuple_GET_ITEM(signals, 1 + __builtin_ctzll(mask))) < 0)
            Py_CLEAR(set);
    return set;
}
