/* Sets of descriptors for select: masks as long as the highest descriptor needs. */
#include "fdsets.h"

#include <limits.h>

#include "errors.h"

enum { WORD_BITS = 64 };

/* Gives each mask room for word `last`. */
static bool
widen(fdsets *sets, size_t last)
{
    size_t room = sets->room;
    while (last >= room)
        room *= 2;
    memory more;
    if (!memory_take(&more, FDSETS * room * sizeof(uint64_t)))
        return false;
    uint64_t *masks = (uint64_t *)more.data;
    for (size_t k = 0; k < FDSETS; k++)
        memcpy(masks + k * room, sets->masks + k * sets->room, sets->words * sizeof(uint64_t));
    memory_give_back(&sets->heap);
    sets->heap = more;
    sets->masks = masks;
    sets->room = room;
    return true;
}

/* Takes word `last` of each mask, and all before it, into use. */
static bool
reach(fdsets *sets, size_t last)
{
    if (last >= sets->room && !widen(sets, last))
        return false;
    /* What was mapped is zero already, and too much to be touched. */
    if (sets->heap.origin == MEMORY_MAPPED && last >= sets->words)
        sets->words = last + 1;
    for (; sets->words <= last; sets->words++)
        for (size_t k = 0; k < FDSETS; k++)
            sets->masks[k * sets->room + sets->words] = 0;
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
put(module_state *state, const signature *sig, int i, Py_ssize_t k, PyObject *item, fdsets *sets, int place)
{
    long fd = 0;
    if (!descriptor(state, sig, i, k, item, &fd))
        return false;
    if (fd >= INT_MAX)
        return refuse(sig, i, PyExc_ValueError, "item %zd must be in [0, %d]", k, INT_MAX - 1);
    if (!reach(sets, (size_t)fd / WORD_BITS))
        return false;
    sets->masks[(size_t)place * sets->room + (size_t)fd / WORD_BITS] |= 1UL << fd % WORD_BITS;
    sets->count = fd >= sets->count ? fd + 1 : sets->count;
    return true;
}

/* Puts what an iterable yields into a set. */
static bool
put_each(module_state *state, const signature *sig, int i, PyObject *value, fdsets *sets, int place)
{
    PyObject *iterator = iterator_of(state, sig, i, value), *item;
    if (iterator == NULL)
        return false;
    bool good = true;
    for (Py_ssize_t k = 0; good && (item = PyIter_Next(iterator)) != NULL; k++) {
        good = put(state, sig, i, k, item, sets, place);
        Py_DECREF(item);
    }
    Py_DECREF(iterator);
    return good && !PyErr_Occurred();
}

/* Puts items from `k` on into a set while they are ints whose words are in use; tells where it stopped. */
static inline Py_ssize_t
put_plain(PyObject *const *items, Py_ssize_t k, Py_ssize_t size, fdsets *sets, int place)
{
    uint64_t *mask = sets->masks + (size_t)place * sets->room;
    unsigned long limit = sets->words * WORD_BITS;
    long fd, count = sets->count;
    for (; k < size && int_in_place(items[k], &fd) && (unsigned long)fd < limit; k++) {
        mask[(size_t)fd / WORD_BITS] |= 1UL << fd % WORD_BITS;
        count = fd >= count ? fd + 1 : count;
    }
    sets->count = count;
    return k;
}

/* Whether the items can be had from where they are, without an iterator. */
static inline bool
has_items(PyObject *value)
{
#ifndef Py_GIL_DISABLED
    if (PyList_CheckExact(value))
        return true;
#endif
    return PyTuple_CheckExact(value);
}

bool
fdset_from(module_state *state, const signature *sig, int i, PyObject *value, fdsets *sets, int place)
{
    if (sets->masks == NULL) {
        sets->masks = sets->in_place;
        sets->room = FDSET_WORDS;
        sets->words = 1;
        sets->count = 0;
        sets->heap.origin = MEMORY_NONE;
        for (size_t k = 0; k < FDSETS; k++)
            sets->in_place[k * FDSET_WORDS] = 0;
    }
    if (!has_items(value))
        return put_each(state, sig, i, value, sets, place);
    for (Py_ssize_t k = 0;; k++) {
        /* A fileno() may have changed the list. */
        PyObject *const *items = PySequence_Fast_ITEMS(value);
        Py_ssize_t size = Py_SIZE(value);
        k = put_plain(items, k, size, sets, place);
        if (k >= size)
            return true;
        PyObject *item = Py_NewRef(items[k]);
        bool good = put(state, sig, i, k, item, sets, place);
        Py_DECREF(item);
        if (!good)
            return false;
    }
}

Py_ssize_t
fdsets_count(fdsets *sets)
{
    Py_ssize_t total = 0;
    if (sets->masks == NULL)
        return 0;
    for (size_t k = 0; k < FDSETS; k++) {
        const uint64_t *mask = sets->masks + k * sets->room;
        Py_ssize_t found = 0;
        /* They are few: faster than __builtin_popcountll, which the oldest processors have as a function. */
        for (size_t place = 0; place < sets->words; place++)
            for (uint64_t word = mask[place]; word != 0; word &= word - 1)
                found++;
        sets->found[k] = found;
        total += found;
    }
    return total;
}

PyObject *
fdset_result(const fdsets *sets, int place)
{
    Py_ssize_t size = sets->masks != NULL ? sets->found[place] : 0, filled = 0;
    PyObject *list = PyList_New(size);
    if (list == NULL || size == 0)
        return list;
    const uint64_t *mask = sets->masks + (size_t)place * sets->room;
    for (long first = 0; filled < size; first += WORD_BITS) {
        for (uint64_t word = *mask++; word != 0; word &= word - 1) {
            PyObject *number = PyLong_FromLong(first + __builtin_ctzll(word));
            if (number == NULL) {
                Py_DECREF(list);
                return NULL;
            }
            PyList_SET_ITEM(list, filled++, number);
        }
    }
    return list;
}
