/* Sets of descriptors for select: masks as long as the highest descriptor needs. */
#include "fdsets.h"

#include <limits.h>

#include "errors.h"
#include "vectors.h"

/* Makes room for `fd` in each set. */
static bool
reach(fdsets *sets, long fd)
{
    if (sets->masks == NULL) {
        sets->masks = (unsigned char *)sets->in_place;
        sets->bytes = FDSET_INLINE;
        memset(sets->in_place, 0, sizeof(sets->in_place));
    }
    size_t bytes = sets->bytes;
    while ((size_t)fd / 8 >= bytes)
        bytes *= 2;
    if (bytes == sets->bytes)
        return true;
    memory more;
    if (!memory_take(&more, FDSETS * bytes))
        return false;
    if (more.origin != MEMORY_MAPPED)
        memset(more.data, 0, more.size);
    for (size_t k = 0; k < FDSETS; k++)
        memcpy(more.data + k * bytes, sets->masks + k * sets->bytes, sets->bytes);
    fdsets_release(sets);
    sets->heap = more;
    sets->masks = more.data;
    sets->bytes = bytes;
    return true;
}

/* The iterator of what is no string and no single descriptor: a file's own would read from it. */
static PyObject *
iterator_of(module_state *state, const signature *sig, int i, PyObject *value)
{
    if (PyList_CheckExact(value) || PyTuple_CheckExact(value) || PyAnySet_CheckExact(value))
        return PyObject_GetIter(value);
    PyObject *fileno = NULL;
    bool single = PyUnicode_Check(value) || PyBytes_Check(value) || PyByteArray_Check(value);
    if (!single && !optional_attribute(value, state->fileno, &fileno))
        return NULL;
    single = single || fileno != NULL;
    Py_XDECREF(fileno);
    PyObject *iterator = single ? NULL : PyObject_GetIter(value);
    if (iterator != NULL)
        return iterator;
    if (!single && (Py_TYPE(value)->tp_iter != NULL || !PyErr_ExceptionMatches(PyExc_TypeError)))
        return NULL;
    PyErr_Clear();
    refuse_type(sig, i, value);
    return NULL;
}

/* The descriptor that is item `k`. */
static bool
descriptor(module_state *state, const signature *sig, int i, Py_ssize_t k, PyObject *item, long *fd)
{
    if (int_in_place(item, fd) && *fd >= 0)
        return true;
    PyObject *number = NULL, *fileno;
    if (PyIndex_Check(item)) {
        number = PyNumber_Index(item);
    }
    else if (optional_attribute(item, state->fileno, &fileno)) {
        if (fileno == NULL)
            return refuse(sig, i, PyExc_TypeError,
                          "item %zd must be an int or an object with fileno(), not %s", k,
                          Py_TYPE(item)->tp_name);
        number = PyObject_CallNoArgs(fileno);
        Py_DECREF(fileno);
    }
    if (number == NULL)
        return false;
    int overflow = 0;
    bool good = PyLong_Check(number);
    if (!good)
        refuse(sig, i, PyExc_TypeError, "item %zd must have a fileno() that returns an int, not %s", k,
               Py_TYPE(number)->tp_name);
    else if ((*fd = PyLong_AsLongAndOverflow(number, &overflow)) < 0 || overflow != 0)
        good = refuse(sig, i, PyExc_ValueError, "item %zd must be in [0, %d]", k, INT_MAX - 1);
    Py_DECREF(number);
    return good;
}

/* Puts item `k` into a set; the kernel counts in a C int. */
static bool
put(module_state *state, const signature *sig, int i, Py_ssize_t k, PyObject *item, fdsets *sets, int place,
    long *count)
{
    long fd = 0;
    if (!descriptor(state, sig, i, k, item, &fd))
        return false;
    if (fd >= INT_MAX)
        return refuse(sig, i, PyExc_ValueError, "item %zd must be in [0, %d]", k, INT_MAX - 1);
    if (!reach(sets, fd))
        return false;
    sets->masks[(size_t)place * sets->bytes + (size_t)fd / 8] |= (unsigned char)(1 << fd % 8);
    *count = fd >= *count ? fd + 1 : *count;
    return true;
}

bool
fdset_from(module_state *state, const signature *sig, int i, PyObject *value, fdsets *sets, int place,
           long *count)
{
    if (!reach(sets, 0))
        return false;
    bool good = true;
#ifndef Py_GIL_DISABLED
    if (PyList_CheckExact(value)) {
        /* A fileno() may change the list. */
        for (Py_ssize_t k = 0; good && k < PyList_GET_SIZE(value); k++) {
            PyObject *item = Py_NewRef(PyList_GET_ITEM(value, k));
            good = put(state, sig, i, k, item, sets, place, count);
            Py_DECREF(item);
        }
        return good;
    }
#endif
    PyObject *iterator = iterator_of(state, sig, i, value), *item;
    if (iterator == NULL)
        return false;
    for (Py_ssize_t k = 0; good && (item = PyIter_Next(iterator)) != NULL; k++) {
        good = put(state, sig, i, k, item, sets, place, count);
        Py_DECREF(item);
    }
    Py_DECREF(iterator);
    return good && !PyErr_Occurred();
}

void
fdsets_release(fdsets *sets)
{
    if (sets->masks != NULL && sets->masks != (unsigned char *)sets->in_place)
        memory_give_back(&sets->heap);
    sets->masks = NULL;
}

/* The bytes that hold `count` bits, in whole words. */
static size_t
whole_words(long count)
{
    return ((size_t)count + 63) / 64 * 8;
}

long
fdsets_total(const fdsets *sets, long count)
{
    long total = 0;
    size_t used = sets->masks != NULL ? whole_words(count) : 0;
    for (size_t k = 0; k < FDSETS; k++) {
        for (size_t byte = 0; byte < used; byte += 8) {
            uint64_t word;
            memcpy(&word, sets->masks + k * sets->bytes + byte, sizeof(word));
            /* They are few: faster than __builtin_popcountll, which the oldest processors have as a function. */
            for (; word != 0; word &= word - 1)
                total++;
        }
    }
    return total;
}

PyObject *
fdset_result(const fdsets *sets, int place, long count)
{
    if (sets->masks == NULL)
        return PySet_New(NULL);
    return cpuset_result(sets->masks + (size_t)place * sets->bytes, (Py_ssize_t)whole_words(count));
}
