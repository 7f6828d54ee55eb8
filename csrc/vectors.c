/* Python sequences to the kernel's arrays, and back: iovecs, CPU masks, arrays of structs and integers. */
#include "vectors.h"

#include <fcntl.h>
#include <linux/sem.h>
#include <poll.h>

#include "errors.h"
#include "fields.h"
#include "generated/numbers.h"
#include "structs.h"
#include "syscall_arch.h"

PyObject *
fast_sequence(const signature *sig, int i, PyObject *value)
{
    bool usable = !PyUnicode_Check(value) && !PyObject_CheckBuffer(value)
                  && (PySequence_Check(value) || PyAnySet_Check(value) || PyIter_Check(value));
    if (!usable) {
        refuse_type(sig, i, value);
        return NULL;
    }
    /* A tuple of its own: converting an element may run code that changes the caller's list. */
    return PySequence_Tuple(value);
}

/* The same, but a list is used as it is where no other thread can change it meanwhile. */
static PyObject *
buffer_sequence(const signature *sig, int i, PyObject *value)
{
#ifndef Py_GIL_DISABLED
    if (PyList_CheckExact(value))
        return Py_NewRef(value);
#endif
    return fast_sequence(sig, i, value);
}

bool
vector_acquire(const signature *sig, int i, PyObject *value, bool writable, vector *v)
{
    v->iov = v->iov_inline;
    v->views = v->views_inline;
    v->count = 0;
    PyObject *sequence = buffer_sequence(sig, i, value);
    if (sequence == NULL)
        return false;
    Py_ssize_t count = PySequence_Fast_GET_SIZE(sequence);
    bool good = true;
    if (count > VECTOR_INLINE) {
        v->iov = PyMem_New(struct iovec, count);
        v->views = PyMem_New(Py_buffer, count);
        good = v->iov != NULL && v->views != NULL;
        if (!good)
            PyErr_NoMemory();
    }
    for (Py_ssize_t k = 0; good && k < count; k++) {
        if (k >= PySequence_Fast_GET_SIZE(sequence)) {
            good = refuse(sig, i, PyExc_RuntimeError, "changed its size during the call");
            break;
        }
        PyObject *item = Py_NewRef(PySequence_Fast_GET_ITEM(sequence, k));
        if (!PyObject_CheckBuffer(item)) {
            good = refuse(sig, i, PyExc_TypeError, "item %zd must be a bytes-like object, not %s", k,
                          Py_TYPE(item)->tp_name);
        }
        else {
            good = convert_buffer(sig, i, k, item, writable, &v->views[k]);
        }
        Py_DECREF(item);
        if (good) {
            v->iov[k] = (struct iovec){v->views[k].buf, (size_t)v->views[k].len};
            v->count++;
        }
    }
    Py_DECREF(sequence);
    if (!good)
        vector_release(v);
    return good;
}

void
vector_release(vector *v)
{
    for (Py_ssize_t k = 0; k < v->count; k++)
        PyBuffer_Release(&v->views[k]);
    v->count = 0;
    if (v->iov != v->iov_inline)
        PyMem_Free(v->iov);
    if (v->views != v->views_inline)
        PyMem_Free(v->views);
    v->iov = v->iov_inline;
    v->views = v->views_inline;
}

/* Marks each number of an iterable, which must lie in [low, high], in a bit mask whose first bit is `low`;
 * tells the highest bit. */
static bool
mask_from(const signature *sig, int i, PyObject *value, long low, long high, unsigned char *mask,
          long *highest)
{
    PyObject *iterator = PyUnicode_Check(value) ? NULL : PyObject_GetIter(value);
    if (iterator == NULL) {
        if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_TypeError))
            return false;
        PyErr_Clear();
        return refuse_type(sig, i, value);
    }
    *highest = 0;
    PyObject *item;
    bool good = true;
    while (good && (item = PyIter_Next(iterator)) != NULL) {
        int overflow = 0;
        long number = 0;
        if (!PyLong_Check(item)) {
            good = refuse(sig, i, PyExc_TypeError, "must hold ints, not %s", Py_TYPE(item)->tp_name);
        }
        else {
            number = PyLong_AsLongAndOverflow(item, &overflow);
            if (overflow != 0 || number < low || number > high)
                good = refuse(sig, i, PyExc_ValueError, "must hold numbers in [%ld, %ld]", low, high);
        }
        Py_DECREF(item);
        if (good) {
            long bit = number - low;
            mask[bit / 8] |= (unsigned char)(1 << bit % 8);
            *highest = bit > *highest ? bit : *highest;
        }
    }
    Py_DECREF(iterator);
    return good && !PyErr_Occurred();
}

PyObject *
cpuset_result(const unsigned char *mask, Py_ssize_t length)
{
    PyObject *set = PySet_New(NULL);
    for (Py_ssize_t byte = 0; set != NULL && byte < length; byte += 8) {
        uint64_t word;
        memcpy(&word, mask + byte, sizeof(word));
        for (; set != NULL && word != 0; word &= word - 1) {
            PyObject *number = PyLong_FromLong(8 * byte + __builtin_ctzll(word));
            if (number == NULL || PySet_Add(set, number) < 0)
                Py_CLEAR(set);
            Py_XDECREF(number);
        }
    }
    return set;
}

bool
cpuset_from(const signature *sig, int i, PyObject *value, unsigned char mask[CPUSET_BYTES], long *length)
{
    long highest;
    memset(mask, 0, CPUSET_BYTES);
    if (!mask_from(sig, i, value, 0, 8 * CPUSET_BYTES - 1, mask, &highest))
        return false;
    *length = (highest / 64 + 1) * 8;
    return true;
}

bool
nodemask_from(const signature *sig, int i, PyObject *value, unsigned char mask[NODEMASK_BYTES], long *bits)
{
    long highest;
    memset(mask, 0, NODEMASK_BYTES);
    if (!mask_from(sig, i, value, 0, 8 * NODEMASK_BYTES - 1, mask, &highest))
        return false;
    *bits = highest == 0 && mask[0] == 0 ? 0 : (highest / 64 + 1) * 64;
    return true;
}

PyObject *
nodemask_result(const unsigned char *mask)
{
    return cpuset_result(mask, NODEMASK_BYTES);
}

PyObject *
pages_result(const unsigned char *data, Py_ssize_t count)
{
    PyObject *list = PyList_New(count);
    for (Py_ssize_t k = 0; list != NULL && k < count; k++)
        PyList_SET_ITEM(list, k, Py_NewRef(data[k] & 1 ? Py_True : Py_False));
    return list;
}

bool
sigset_from(const signature *sig, int i, PyObject *value, uint64_t *mask)
{
    long highest;
    *mask = 0;
    return mask_from(sig, i, value, 1, 64, (unsigned char *)mask, &highest);
}

bool
integers_from(const signature *sig, int i, PyObject *value, memory *m, long *count)
{
    const argument *a = &sig->args[i];
    PyObject *sequence = fast_sequence(sig, i, value);
    if (sequence == NULL)
        return false;
    Py_ssize_t items = PyTuple_GET_SIZE(sequence);
    bool good = memory_take(m, a->size * (size_t)items);
    for (Py_ssize_t k = 0; good && k < items; k++) {
        long number;
        good = convert_int(sig, i, PyTuple_GET_ITEM(sequence, k), &number);
        if (good)
            memcpy(m->data + a->size * (size_t)k, &number, a->size);
        else
            memory_give_back(m);
    }
    Py_DECREF(sequence);
    *count = items;
    return good;
}

bool
integers_into(const signature *sig, int i, PyObject *value, unsigned char *data)
{
    const argument *a = &sig->args[i];
    PyObject *sequence = fast_sequence(sig, i, value);
    if (sequence == NULL)
        return false;
    Py_ssize_t items = PyTuple_GET_SIZE(sequence);
    bool good =
        items == a->items || refuse(sig, i, PyExc_ValueError, "must hold %d items, not %zd", a->items, items);
    for (Py_ssize_t k = 0; good && k < items; k++) {
        PyObject *item = PyTuple_GET_ITEM(sequence, k);
        long number;
        good = a->size == 8 && !a->is_signed ? convert_word(sig, i, item, &number)
                                             : convert_int(sig, i, item, &number);
        if (good)
            memcpy(data + a->size * (size_t)k, &number, a->size);
    }
    Py_DECREF(sequence);
    return good;
}

bool
is_owner(long fd, long number)
{
    struct f_owner_ex owner;
    return syscall3(NR_fcntl, fd, F_GETOWN_EX, (long)&owner) == 0 && owner.type == F_OWNER_PGRP
           && owner.pid == -number;
}

long
semaphores_in(long semid)
{
    struct semid64_ds set;
    long result = syscall4(NR_semctl, semid, 0, IPC_STAT, (long)&set);
    return syscall_failed(result) ? result : (long)set.sem_nsems;
}

/* One string for the kernel: the item itself, or "name=value" for a pair; a new bytes without NUL inside. */
static PyObject *
string_from(module_state *state, const signature *sig, int i, PyObject *item, bool pair)
{
    if (!pair)
        return convert_path(state, sig, i, item);
    PyObject *name = convert_path(state, sig, i, PyTuple_GET_ITEM(item, 0));
    PyObject *value = name != NULL ? convert_path(state, sig, i, PyTuple_GET_ITEM(item, 1)) : NULL;
    PyObject *text = NULL;
    if (value != NULL && (PyBytes_GET_SIZE(name) == 0 || strchr(PyBytes_AS_STRING(name), '=') != NULL))
        refuse(sig, i, PyExc_ValueError, "must have names that are not empty and hold no '='");
    else if (value != NULL)
        text = PyBytes_FromFormat("%s=%s", PyBytes_AS_STRING(name), PyBytes_AS_STRING(value));
    Py_XDECREF(name);
    Py_XDECREF(value);
    return text;
}

/* The items() of a mapping, as a tuple. */
static PyObject *
pairs_of(const signature *sig, int i, PyObject *value)
{
    PyObject *name = PyUnicode_InternFromString("items"), *method = NULL;
    bool good = name != NULL && optional_attribute(value, name, &method);
    Py_XDECREF(name);
    if (!good)
        return NULL;
    if (method == NULL) {
        refuse_type(sig, i, value);
        return NULL;
    }
    PyObject *pairs = PyObject_CallNoArgs(method);
    PyObject *tuple = pairs != NULL ? PySequence_Tuple(pairs) : NULL;
    Py_DECREF(method);
    Py_XDECREF(pairs);
    return tuple;
}

PyObject *
strings_from(module_state *state, const signature *sig, int i, PyObject *value, bool mapping, long *address)
{
    PyObject *items = mapping ? pairs_of(sig, i, value) : fast_sequence(sig, i, value);
    if (items == NULL)
        return NULL;
    /* What is handed out holds the strings and, last, the array that points at them. */
    Py_ssize_t count = PyTuple_GET_SIZE(items);
    PyObject *held = PyTuple_New(count + 1);
    PyObject *array = PyBytes_FromStringAndSize(NULL, (count + 1) * (Py_ssize_t)sizeof(char *));
    bool good = held != NULL && array != NULL;
    /* Code that runs meanwhile must not find it half made. */
    if (held != NULL)
        PyObject_GC_UnTrack(held);
    for (Py_ssize_t k = 0; good && k < count; k++) {
        PyObject *item = PyTuple_GET_ITEM(items, k);
        PyObject *text = NULL;
        if (mapping && !(PyTuple_Check(item) && PyTuple_GET_SIZE(item) == 2))
            refuse(sig, i, PyExc_TypeError, "must have items() that are pairs");
        else
            text = string_from(state, sig, i, item, mapping);
        good = text != NULL;
        if (good) {
            PyTuple_SET_ITEM(held, k, text);
            ((char **)PyBytes_AS_STRING(array))[k] = PyBytes_AS_STRING(text);
        }
    }
    Py_DECREF(items);
    if (!good) {
        Py_XDECREF(held);
        Py_XDECREF(array);
        return NULL;
    }
    ((char **)PyBytes_AS_STRING(array))[count] = NULL;
    PyTuple_SET_ITEM(held, count, array);
    *address = (long)PyBytes_AS_STRING(array);
    return held;
}

PyObject *
names_result(const char *data, Py_ssize_t length)
{
    PyObject *list = PyList_New(0);
    const char *end = data + length;
    for (const char *name = data; list != NULL && name < end;) {
        size_t size = strnlen(name, (size_t)(end - name));
        PyObject *text = PyUnicode_DecodeFSDefaultAndSize(name, (Py_ssize_t)size);
        name += size + 1;
        if (text == NULL || PyList_Append(list, text) < 0)
            Py_CLEAR(list);
        Py_XDECREF(text);
    }
    return list;
}

/* The items of a tuple, structs or tuples of their fields, side by side in `m` from `offset` on. */
static bool
structs_into(module_state *state, const signature *sig, int i, unsigned type, PyObject *items, memory *m,
             size_t offset)
{
    size_t size = struct_table[type].size;
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(items); k++) {
        PyObject *item = PyTuple_GET_ITEM(items, k);
        unsigned char *at = m->data + offset + size * (size_t)k;
        memset(at, 0, size);
        if (PyTuple_CheckExact(item) && fields_store(&struct_table[type], at, item))
            continue;
        struct_object *element = struct_coerce(state, type, item);
        if (element == NULL)
            return PyErr_Occurred() ? false
                                    : refuse(sig, i, PyExc_TypeError,
                                             "item %zd must be %s or a tuple of its fields, not %s", k,
                                             struct_table[type].name, Py_TYPE(item)->tp_name);
        memcpy(at, element->data, size);
        bool good = hold(&m->held, element->held);
        Py_DECREF(element);
        if (!good)
            return false;
    }
    return true;
}

#ifndef Py_GIL_DISABLED
/* Whether `value` is a list of objects of that struct that point at nothing: no code runs while they are copied. */
static bool
is_plain_list(PyTypeObject *type, PyObject *value)
{
    if (!PyList_CheckExact(value))
        return false;
    for (Py_ssize_t k = 0; k < PyList_GET_SIZE(value); k++) {
        PyObject *item = PyList_GET_ITEM(value, k);
        if (!Py_IS_TYPE(item, type) || ((struct_object *)item)->held != NULL)
            return false;
    }
    return true;
}
#endif

bool
structs_from(module_state *state, const signature *sig, int i, PyObject *value, memory *m, long *count)
{
#ifndef Py_GIL_DISABLED
    const size_t size = struct_table[sig->args[i].type].size;
    if (is_plain_list(state->struct_types[sig->args[i].type], value)) {
        *count = PyList_GET_SIZE(value);
        if (!memory_take(m, size * (size_t)*count))
            return false;
        for (Py_ssize_t k = 0; k < *count; k++)
            memcpy(m->data + size * (size_t)k, ((struct_object *)PyList_GET_ITEM(value, k))->data, size);
        return true;
    }
#endif
    PyObject *sequence = fast_sequence(sig, i, value);
    if (sequence == NULL)
        return false;
    unsigned type = sig->args[i].type;
    *count = PyTuple_GET_SIZE(sequence);
    bool good = memory_take(m, struct_table[type].size * (size_t)*count);
    if (good && !structs_into(state, sig, i, type, sequence, m, 0)) {
        memory_give_back(m);
        good = false;
    }
    Py_DECREF(sequence);
    return good;
}

bool
program_from(module_state *state, const signature *sig, int i, PyObject *value, memory *m,
             struct sock_fprog *program)
{
    long count;
    const long size = sizeof(struct sock_filter);
    if (PyObject_CheckBuffer(value)) {
        Py_buffer view;
        if (!convert_buffer(sig, i, -1, value, false, &view))
            return false;
        count = view.len / size;
        bool good = view.len % size == 0
                        ? memory_take(m, (size_t)view.len)
                        : refuse(sig, i, PyExc_ValueError,
                                 "must have %ld bytes an instruction, not %zd in all", size, view.len);
        if (good)
            memcpy(m->data, view.buf, (size_t)view.len);
        PyBuffer_Release(&view);
        if (!good)
            return false;
    }
    else if (!structs_from(state, sig, i, value, m, &count)) {
        return false;
    }
    *program = (struct sock_fprog){(unsigned short)count, (struct sock_filter *)m->data};
    if (count <= UINT16_MAX)
        return true;
    memory_give_back(m);
    return refuse(sig, i, PyExc_ValueError, "must hold at most %d items, not %ld", UINT16_MAX, count);
}

bool
followed_from(module_state *state, const signature *sig, int i, PyObject *value, memory *m)
{
    const argument *a = &sig->args[i];
    PyObject *items = NULL, *head = value;
    if (a->follows) {
        if (value == NULL || !PyTuple_Check(value) || PyTuple_GET_SIZE(value) != 2)
            return refuse_type(sig, i, value);
        head = PyTuple_GET_ITEM(value, 0);
        items = fast_sequence(sig, i, PyTuple_GET_ITEM(value, 1));
        if (items == NULL)
            return false;
    }
    struct_object *first = struct_coerce(state, a->type, head);
    bool good = first != NULL || (!PyErr_Occurred() && refuse_type(sig, i, head));
    long count = 0;
    if (good && items == NULL)
        memcpy(&count, first->data + a->count_offset, a->count_size);
    else if (good)
        count = PyTuple_GET_SIZE(items);
    long most = (1L << 8 * a->count_size) - 1;
    if (good && count > most)
        good = refuse(sig, i, PyExc_ValueError, "must hold at most %ld items, not %ld", most, count);
    good = good && memory_take(m, a->size + struct_table[a->follower].size * (size_t)count);
    if (good) {
        memcpy(m->data, first->data, a->size);
        memcpy(m->data + a->count_offset, &count, a->count_size);
    }
    if (good && items != NULL && !structs_into(state, sig, i, a->follower, items, m, a->size)) {
        memory_give_back(m);
        good = false;
    }
    Py_XDECREF(items);
    Py_XDECREF(first);
    return good;
}

PyObject *
followed_result(module_state *state, const argument *a, const memory *m)
{
    long filled = 0, room = (long)((m->size - a->size) / struct_table[a->follower].size);
    memcpy(&filled, m->data + a->filled_offset, a->count_size);
    PyObject *head = struct_from_data(state, a->type, m->data, a->size);
    PyObject *items = structs_result(state, a->follower, m->data + a->size, filled < room ? filled : room);
    PyObject *pair = head != NULL && items != NULL ? PyTuple_Pack(2, head, items) : NULL;
    Py_XDECREF(head);
    Py_XDECREF(items);
    return pair;
}

PyObject *
structs_result(module_state *state, unsigned type, const unsigned char *data, Py_ssize_t count)
{
    PyObject *list = PyList_New(count);
    for (Py_ssize_t k = 0; list != NULL && k < count; k++) {
        struct_object *element = struct_new(state, type);
        if (element == NULL) {
            Py_CLEAR(list);
            break;
        }
        memcpy(element->data, data + element->size * k, (size_t)element->size);
        PyList_SET_ITEM(list, k, (PyObject *)element);
    }
    return list;
}

PyObject *
ready_result(module_state *state, unsigned type, const unsigned char *data, Py_ssize_t count)
{
    const struct pollfd *polled = (const struct pollfd *)data;
    Py_ssize_t ready = 0;
    for (Py_ssize_t k = 0; k < count; k++)
        ready += polled[k].revents != 0;
    PyObject *list = PyList_New(ready);
    for (Py_ssize_t k = 0, n = 0; list != NULL && k < count; k++) {
        if (polled[k].revents == 0)
            continue;
        PyObject *element = struct_from_data(state, type, &polled[k], sizeof(polled[k]));
        if (element == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, n++, element);
    }
    return list;
}

PyObject *
integers_result(const unsigned char *data, size_t size, bool is_signed, Py_ssize_t count, bool as_tuple)
{
    PyObject *result = as_tuple ? PyTuple_New(count) : PyList_New(count);
    for (Py_ssize_t k = 0; result != NULL && k < count; k++) {
        PyObject *number = integer_result(data + size * (size_t)k, size, is_signed);
        if (number == NULL)
            Py_CLEAR(result);
        else if (as_tuple)
            PyTuple_SET_ITEM(result, k, number);
        else
            PyList_SET_ITEM(result, k, number);
    }
    return result;
}
