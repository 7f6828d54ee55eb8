/* The bare call for typed calls in Python: words and buffers in, the result register out. */
#include "enter.h"

#include "gil.h"
#include "signature.h"
#include "syscall_arch.h"

/* One register: None is 0, an int has 64 bits with or without a sign, of a buffer it is the address. */
static bool
word_of(PyObject *value, long *word, Py_buffer *view, int *views)
{
    if (value == Py_None) {
        *word = 0;
        return true;
    }
    if (!PyLong_Check(value)) {
        if (PyObject_GetBuffer(value, &view[*views], PyBUF_SIMPLE) < 0)
            return false;
        *word = (long)view[(*views)++].buf;
        return true;
    }
    int overflow;
    *word = PyLong_AsLongAndOverflow(value, &overflow);
    if (overflow > 0) {
        *word = (long)PyLong_AsUnsignedLong(value);
        overflow = PyErr_Occurred() != NULL;
    }
    if (overflow != 0 && !PyErr_Occurred())
        PyErr_SetString(PyExc_OverflowError, "a register has 64 bits");
    return overflow == 0;
}

static PyObject *
enter(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    long words[1 + MAX_ARGUMENTS] = {0};
    Py_buffer view[MAX_ARGUMENTS];
    int views = 0;
    bool good = count >= 1 && count <= 1 + MAX_ARGUMENTS && PyLong_Check(args[0]);
    if (!good)
        PyErr_SetString(PyExc_TypeError, "_enter() takes a number and at most six words");
    for (Py_ssize_t k = 0; good && k < count; k++)
        good = word_of(args[k], &words[k], view, &views);
    long result = 0;
    if (good) {
        PyThreadState *thread = gil_release();
        result = syscall6(words[0], words[1], words[2], words[3], words[4], words[5], words[6]);
        gil_take(thread);
    }
    while (views > 0)
        PyBuffer_Release(&view[--views]);
    return good ? PyLong_FromLong(result) : NULL;
}

static PyObject *
address_of(PyObject *Py_UNUSED(module), PyObject *buffer)
{
    Py_buffer view;
    if (PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    PyObject *address = PyLong_FromVoidPtr(view.buf);
    PyBuffer_Release(&view);
    return address;
}

PyMethodDef enter_methods[] = {
    {"_enter", (PyCFunction)(void (*)(void))enter, METH_FASTCALL,
     PyDoc_STR("_enter($module, number, /, *words)\n--\n\nMake a call; an error is a negative errno.")},
    {"_address_of", address_of, METH_O,
     PyDoc_STR("_address_of($module, buffer, /)\n--\n\nWhere a buffer's bytes begin.")},
    {NULL, NULL, 0, NULL},
};
