/* The first half of the trampoline: the arguments that Python gave become registers. */
#ifndef PYSYSCALL_ARGUMENTS_H
#define PYSYSCALL_ARGUMENTS_H

#include <unistd.h>

#include "call.h"
#include "errors.h"
#include "mapping_calls.h"
#include "msgbuf.h"
#include "requests.h"
#include "state.h"
#include "structs.h"

ALWAYS_INLINE bool
convert_bytes_in(const signature *sig, call *c, room *m, int i, PyObject *value)
{
    if (PyBytes_CheckExact(value)) {
        c->reg[i] = (long)PyBytes_AS_STRING(value);
        set_length(sig, c, m, i, PyBytes_GET_SIZE(value));
        return true;
    }
    if (!convert_buffer(sig, i, -1, value, false, &m->view[i]))
        return false;
    c->viewed[i] = true;
    c->reg[i] = (long)m->view[i].buf;
    set_length(sig, c, m, i, m->view[i].len);
    return true;
}

/* New bytes of the size that an int gives, or the caller's own buffer. */
ALWAYS_INLINE bool
convert_bytes_out(const signature *sig, call *c, room *m, int i, PyObject *value)
{
    long count;
    if (int_in_place(value, &count) ? count >= 0 : false) {
        if (count > MAX_TRANSFER)
            count = MAX_TRANSFER;
    }
    else if (PyIndex_Check(value)) {
        if (!convert_count(sig, i, value, &count))
            return false;
    }
    else {
        if (!convert_buffer(sig, i, -1, value, true, &m->view[i]))
            return false;
        c->viewed[i] = true;
        c->reg[i] = (long)m->view[i].buf;
        set_length(sig, c, m, i, m->view[i].len);
        return true;
    }
    set_length(sig, c, m, i, count);
    if (count > HEAP_LIMIT) {
        if (!memory_take_up_to(&m->heap, (size_t)count))
            return false;
        c->reg[i] = (long)m->heap.data;
        set_length(sig, c, m, i, (long)m->heap.size);
        return true;
    }
    c->owned[i] = PyBytes_FromStringAndSize(NULL, count);
    if (c->owned[i] == NULL)
        return false;
    c->reg[i] = (long)PyBytes_AS_STRING(c->owned[i]);
    return true;
}

/* A copy whose size field holds. The kernel reads that many bytes; with E2BIG it writes there what it knows. */
static inline PyObject *
sized_copy(module_state *state, const signature *sig, int i, const struct_object *value)
{
    struct_object *copy = (struct_object *)struct_copy(state, sig->args[i].type, (PyObject *)value);
    if (copy == NULL)
        return NULL;
    Py_ssize_t told = struct_told_size(copy);
    if (told == copy->info->size_from && copy->info->size_from == 0) {
        struct_tell_size(copy);
    }
    else if (told > copy->size) {
        refuse(sig, i, PyExc_ValueError, "says that it has %zd bytes, but it has %zd", told, copy->size);
        Py_CLEAR(copy);
    }
    return (PyObject *)copy;
}

ALWAYS_INLINE bool
convert_struct_in(module_state *state, const signature *sig, call *c, room *m, int i, PyObject *value)
{
    const argument *a = &sig->args[i];
    if (a->nullable && value == Py_None) {
        set_length(sig, c, m, i, 0);
        c->reg[i] = 0;
        return true;
    }
    if (a->size <= SMALL_STRUCT && !a->tells_size && !a->grows && PyTuple_CheckExact(value)
        && struct_small(a->type, value, m->small[i])) {
        c->reg[i] = (long)m->small[i];
        set_length(sig, c, m, i, a->size);
        return true;
    }
    if (!Py_IS_TYPE(value, state->struct_types[a->type])) {
        c->owned[i] = (PyObject *)struct_coerce(state, a->type, value);
        if (c->owned[i] == NULL)
            return PyErr_Occurred() ? false : refuse_type(sig, i, value);
        value = c->owned[i];
    }
    if (a->tells_size) {
        PyObject *copy = sized_copy(state, sig, i, (const struct_object *)value);
        Py_XSETREF(c->owned[i], copy);
        if (copy == NULL)
            return false;
        value = copy;
    }
    c->reg[i] = (long)((struct_object *)value)->data;
    set_length(sig, c, m, i, a->grows ? ((struct_object *)value)->size : a->size);
    return true;
}

ALWAYS_INLINE bool
convert_option_in(const signature *sig, call *c, room *m, int i, PyObject *value)
{
    if (!PyIndex_Check(value)) {
        if (!convert_bytes_in(sig, c, m, i, value))
            return false;
        /* Its length is a C int to the kernel, which would cut off the upper half. */
        set_length(sig, c, m, i, smaller(c->reg[sig->args[i].length], INT_MAX));
        return true;
    }
    long number;
    if (!convert_int(sig, i, value, &number))
        return false;
    m->cells[i].length = (int)number;
    c->reg[i] = (long)&m->cells[i];
    set_length(sig, c, m, i, sizeof(int));
    return true;
}

/* Sets stand side by side after their common length, each as long as the longest. */
ALWAYS_INLINE bool
convert_fdset(module_state *state, const signature *sig, call *c, room *m, int i, PyObject *value)
{
    int carrier = sig->args[i].length;
    c->reg[i] = 0;
    if (value == NULL || value == Py_None)
        return true;
    if (!fdset_from(state, sig, i, value, &m->sets, i - carrier - 1))
        return false;
    c->reg[carrier] = m->sets.count;
    c->viewed[i] = true;
    EACH_ARGUMENT (k) {
        if (sig->args[k].kind == KIND_FDSET && c->viewed[k])
            c->reg[k] = (long)(m->sets.masks + (size_t)(k - carrier - 1) * m->sets.room);
    }
    return true;
}

ALWAYS_INLINE bool
convert_msgbuf_out(module_state *state, const signature *sig, call *c, room *m, int i, PyObject *value)
{
    long length;
    if (!convert_count(sig, i, value, &length) || !msgbuf_ready(state))
        return false;
    size_t size = sizeof(long) + (size_t)length;
    if (size <= SCRATCH_BYTES) {
        c->reg[i] = (long)m->scratch;
    }
    else {
        if (!memory_take_up_to(&m->heap, size))
            return false;
        c->reg[i] = (long)m->heap.data;
        size = m->heap.size;
    }
    set_length(sig, c, m, i, (long)(size - sizeof(long)));
    return true;
}

ALWAYS_INLINE bool
convert_pointers(module_state *state, const signature *sig, call *c, room *m, int i, PyObject *value)
{
    m->submitted = 0;
    c->owned[i] = pointers_from(state, sig, i, value, &m->heap);
    if (c->owned[i] == NULL)
        return false;
    c->reg[i] = (long)m->heap.data;
    set_length(sig, c, m, i, PyTuple_GET_SIZE(c->owned[i]));
    if (sig->context >= 0)
        c->viewed[i] = requests_keep(state, sig, i, (uint64_t)c->reg[sig->context], c->owned[i]);
    return sig->context < 0 || c->viewed[i];
}

ALWAYS_INLINE bool
convert_regset_out(const signature *sig, call *c, room *m, int i, PyObject *value)
{
    if (!convert_bytes_out(sig, c, m, i, value))
        return false;
    size_t size = c->viewed[i]          ? (size_t)m->view[i].len
                  : c->owned[i] != NULL ? (size_t)PyBytes_GET_SIZE(c->owned[i])
                                        : m->heap.size;
    m->cells[i].vector = (struct iovec){(void *)c->reg[i], size};
    c->reg[i] = (long)&m->cells[i];
    return true;
}

/* A copy to which the kernel may write, with zeros behind it where it is small. */
static inline PyObject *
roomy_copy(const Py_buffer *view)
{
    Py_ssize_t size = view->len < SCRATCH_BYTES ? SCRATCH_BYTES : view->len;
    PyObject *copy = PyBytes_FromStringAndSize(NULL, size);
    if (copy != NULL) {
        memset(PyBytes_AS_STRING(copy), 0, (size_t)size);
        memcpy(PyBytes_AS_STRING(copy), view->buf, (size_t)view->len);
    }
    return copy;
}

/* A value of which nothing is known: an int as it is, a writable buffer in place, a copy of any other. */
ALWAYS_INLINE bool
convert_any(const signature *sig, call *c, room *m, int i, PyObject *value)
{
    if (value == NULL || value == Py_None) {
        c->reg[i] = 0;
        return true;
    }
    if (PyIndex_Check(value)) {
        PyObject *number = PyNumber_Index(value);
        if (number == NULL)
            return false;
        c->reg[i] = PyLong_AsLong(number);
        if (c->reg[i] == -1 && PyErr_Occurred()) {
            PyErr_Clear();
            bool good = convert_word(sig, i, number, &c->reg[i]);
            Py_DECREF(number);
            return good;
        }
        Py_DECREF(number);
        return true;
    }
    if (PyObject_GetBuffer(value, &m->view[i], PyBUF_WRITABLE) == 0) {
        c->viewed[i] = true;
        c->reg[i] = (long)m->view[i].buf;
        set_length(sig, c, m, i, m->view[i].len);
        if (!sig->args[i].roomy || m->view[i].len >= SCRATCH_BYTES)
            return true;
        c->owned[i] = roomy_copy(&m->view[i]);
        if (c->owned[i] != NULL)
            c->reg[i] = (long)PyBytes_AS_STRING(c->owned[i]);
        return c->owned[i] != NULL;
    }
    PyErr_Clear();
    if (!convert_buffer(sig, i, -1, value, false, &m->view[i]))
        return false;
    set_length(sig, c, m, i, m->view[i].len);
    c->owned[i] = roomy_copy(&m->view[i]);
    PyBuffer_Release(&m->view[i]);
    if (c->owned[i] != NULL)
        c->reg[i] = (long)PyBytes_AS_STRING(c->owned[i]);
    return c->owned[i] != NULL;
}

/* The length of argument `i`, which stands in a struct argument before it. */
ALWAYS_INLINE long
counted(const signature *sig, const call *c, int i)
{
    uint32_t count;
    memcpy(&count, (const char *)c->reg[sig->args[i].counted_in] + sig->args[i].count_offset, sizeof(count));
    return (long)count;
}

/* Below the place up to which malloc has taken memory, moving the break would free what is in use. */
ALWAYS_INLINE bool
convert_break(const signature *sig, call *c, int i, PyObject *value)
{
    if (value == NULL || value == Py_None)
        return true;
    if (!convert_word(sig, i, value, &c->reg[i]))
        return false;
    unsigned long taken = (unsigned long)sbrk(0), wanted = (unsigned long)c->reg[i];
    return wanted == 0 || wanted >= taken
           || refuse(sig, i, PyExc_ValueError, "must be at least %lu, where malloc's memory ends", taken);
}

/* Converts argument `i`, which Python gives as `value` (NULL where it was left out). */
ALWAYS_INLINE bool
convert(module_state *state, const signature *sig, call *c, room *m, int i, PyObject *value)
{
    const argument *a = &sig->args[i];
    long number;
    switch (a->kind) {
    case KIND_CONST: c->reg[i] = a->fallback; return true;
    case KIND_DERIVED: return true;
    case KIND_INT:
    case KIND_FD:
        if (a->optional && value == NULL) {
            c->reg[i] = fallback_of(sig, c, i);
            return true;
        }
        if (!int_in_place(value, &number) || number < a->min || number > a->max) {
            if (a->nullable && value == Py_None)
                number = a->none;
            else if (!(a->kind == KIND_FD ? convert_fd(state, sig, i, value, &number)
                                          : convert_int(sig, i, value, &number)))
                return false;
        }
        c->reg[i] = number;
        return true;
    case KIND_WORD:
        if (a->optional && value == NULL) {
            c->reg[i] = fallback_of(sig, c, i);
            return true;
        }
        if (!int_in_place(value, &number) || number < 0)
            if (!convert_word(sig, i, value, &number))
                return false;
        c->reg[i] = number;
        return true;
    case KIND_ADDRESS:
        if (value == NULL || (a->nullable && value == Py_None)) {
            c->reg[i] = value == NULL ? fallback_of(sig, c, i) : a->none;
            return true;
        }
        if (!int_in_place(value, &number) || number < 0) {
            c->owned[i] = mapping_address(state, sig, i, value, &number);
            if (c->owned[i] == NULL && (PyErr_Occurred() || !convert_word(sig, i, value, &number)))
                return false;
        }
        c->reg[i] = number;
        return true;
    case KIND_MAPPING:
        c->owned[i] = mapping_address(state, sig, i, value, &c->reg[i]);
        if (c->owned[i] == NULL)
            return PyErr_Occurred() ? false : refuse_type(sig, i, value);
        set_length(sig, c, m, i, (long)((mapping_object *)c->owned[i])->size);
        return true;
    case KIND_BREAK: return convert_break(sig, c, i, value);
    case KIND_PATH:
    case KIND_STRING:
    case KIND_NAME:
        c->given[i] = value;
        if (a->nullable && (value == NULL || value == Py_None)) {
            c->given[i] = NULL;
            c->reg[i] = 0;
            return true;
        }
        c->reg[i] = (long)path_in_place(value);
        if (c->reg[i] == 0) {
            c->owned[i] = convert_path(state, sig, i, value);
            if (c->owned[i] == NULL)
                return false;
            c->reg[i] = (long)PyBytes_AS_STRING(c->owned[i]);
        }
        /* Some lengths are a C int to the kernel, which would cut off the upper half. */
        if (a->length >= 0)
            set_length(sig, c, m, i,
                       smaller((long)strlen((char *)c->reg[i]) + (a->kind == KIND_STRING), INT_MAX));
        return true;
    case KIND_BYTES_IN:
        if (!convert_bytes_in(sig, c, m, i, value))
            return false;
        if (a->is_counted) {
            long length = c->viewed[i] ? m->view[i].len : PyBytes_GET_SIZE(value);
            if (length != counted(sig, c, i))
                return refuse(sig, i, PyExc_ValueError,
                              "must have the %ld bytes that the struct says, not %ld", counted(sig, c, i),
                              length);
        }
        return true;
    case KIND_BYTES_OUT: return convert_bytes_out(sig, c, m, i, value);
    case KIND_STRUCT_IN:
        return convert_struct_in(state, sig, c, m, i, a->optional && value == NULL ? Py_None : value);
    case KIND_STRUCT_OUT:
        if (a->asked && value != Py_True) {
            c->reg[i] = 0;
            set_length(sig, c, m, i, 0);
            return value == NULL || value == Py_False || refuse_type(sig, i, value);
        }
        c->owned[i] = (PyObject *)struct_out(state, a->type, a->size);
        if (c->owned[i] == NULL)
            return false;
        if (a->tells_size)
            struct_tell_size((struct_object *)c->owned[i]);
        c->reg[i] = (long)((struct_object *)c->owned[i])->data;
        set_length(sig, c, m, i, a->size);
        return true;
    case KIND_STRUCT_INOUT:
        if (a->nullable && (value == NULL || value == Py_None)) {
            c->reg[i] = 0;
            set_length(sig, c, m, i, 0);
            return true;
        }
        c->owned[i] = struct_copy(state, a->type, value);
        if (c->owned[i] == NULL)
            return PyErr_Occurred() ? false : refuse_type(sig, i, value);
        c->reg[i] = (long)((struct_object *)c->owned[i])->data;
        set_length(sig, c, m, i, a->size);
        return true;
    case KIND_STRUCTS_IN:
    case KIND_STRUCTS_INOUT:
        if (a->nullable && (value == NULL || value == Py_None)) {
            c->reg[i] = 0;
            set_length(sig, c, m, i, 0);
            return true;
        }
        if (!structs_from(state, sig, i, value, &m->heap, &number))
            return false;
        if (a->items != 0 && number != a->items)
            return refuse(sig, i, PyExc_ValueError, "must hold %d items, not %ld", a->items, number);
        c->reg[i] = (long)m->heap.data;
        set_length(sig, c, m, i, number);
        return true;
    case KIND_STRUCTS_OUT:
        if (a->length < 0) {
            number = a->is_counted ? counted(sig, c, i) : a->items;
            c->reg[i] = (long)room_for(m, (size_t)number * a->size);
            return c->reg[i] != 0;
        }
        if (!int_in_place(value, &number) || number < a->min || number > a->max)
            if (!convert_int(sig, i, value, &number))
                return false;
        set_length(sig, c, m, i, number);
        c->reg[i] = (long)room_for(m, (size_t)number * a->size);
        return c->reg[i] != 0;
    case KIND_RECORDS_OUT:
        number = a->fallback;
        if (value != NULL && (!int_in_place(value, &number) || number < a->min || number > a->max))
            if (!convert_int(sig, i, value, &number))
                return false;
        set_length(sig, c, m, i, number);
        c->reg[i] = (long)m->scratch;
        if (number <= SCRATCH_BYTES)
            return true;
        if (!memory_take_up_to(&m->heap, (size_t)number))
            return false;
        c->reg[i] = (long)m->heap.data;
        set_length(sig, c, m, i, (long)m->heap.size);
        return true;
    case KIND_TIMESPEC_IN:
        if (a->nullable && (value == NULL || value == Py_None)) {
            c->reg[i] = 0;
            return true;
        }
        c->reg[i] = (long)&m->cells[i];
        return convert_timespec(state, sig, i, value, &m->cells[i].timespec);
    case KIND_TIME_INOUT:
        if (a->nullable && (value == NULL || value == Py_None)) {
            c->reg[i] = 0;
            return true;
        }
        c->reg[i] = (long)&m->cells[i];
        return convert_time(state, sig, i, value, &m->cells[i].timespec);
    case KIND_FDSET: return convert_fdset(state, sig, c, m, i, value);
    case KIND_POINTERS_IN: return convert_pointers(state, sig, c, m, i, value);
    case KIND_MSGBUF_IN:
        if (!msgbuf_from(sig, i, value, &m->heap, &number))
            return false;
        c->reg[i] = (long)m->heap.data;
        set_length(sig, c, m, i, number);
        return true;
    case KIND_MSGBUF_OUT: return convert_msgbuf_out(state, sig, c, m, i, value);
    case KIND_REMAINING:
        /* Stays negative where the kernel writes nothing, because the Timespec is a time and no duration. */
        m->cells[i].timespec.tv_nsec = -1;
        c->reg[i] = (long)&m->cells[i];
        return true;
    case KIND_CELLS_IN:
    case KIND_CELLS_INOUT:
        if (a->nullable && (value == NULL || value == Py_None)) {
            c->reg[i] = 0;
            return true;
        }
        c->reg[i] = (long)&m->cells[i];
        if (a->items > 1)
            return integers_into(sig, i, value, m->cells[i].bytes);
        if (a->is_fd)
            return convert_fd(state, sig, i, value, &m->cells[i].offset);
        if (a->size == 8 && !a->is_signed)
            return convert_word(sig, i, value, &m->cells[i].offset);
        if (!int_in_place(value, &number) || number < a->min || number > a->max)
            if (!convert_int(sig, i, value, &number))
                return false;
        /* The kernel reads the lower `size` bytes. */
        m->cells[i].offset = number;
        return true;
    case KIND_CELLS_OUT:
    case KIND_STATUS_OUT:
        /* Some calls succeed without writing: wait4 with WNOHANG. */
        memset(m->cells[i].bytes, 0, sizeof(m->cells[i].bytes));
        c->reg[i] = (long)&m->cells[i];
        return true;
    case KIND_ITEMS_IN:
        if (!integers_from(sig, i, value, &m->heap, &number))
            return false;
        c->reg[i] = (long)m->heap.data;
        set_length(sig, c, m, i, number);
        return true;
    case KIND_TEXT_OUT:
        memset(m->scratch, 0, (size_t)a->max);
        c->reg[i] = (long)m->scratch;
        return true;
    case KIND_FPROG_IN:
        if (!program_from(state, sig, i, value, &m->heap, &m->cells[i].program))
            return false;
        c->reg[i] = (long)&m->cells[i];
        return true;
    case KIND_REGSET_IN:
        if (!convert_bytes_in(sig, c, m, i, value))
            return false;
        m->cells[i].vector.iov_len = c->viewed[i] ? (size_t)m->view[i].len : (size_t)PyBytes_GET_SIZE(value);
        m->cells[i].vector.iov_base = (void *)c->reg[i];
        c->reg[i] = (long)&m->cells[i];
        return true;
    case KIND_REGSET_OUT: return convert_regset_out(sig, c, m, i, value);
    case KIND_SEMVALS_IN:
    case KIND_SEMVALS_OUT: {
        long count = semaphores_in(c->reg[0]);
        if (count < 0) {
            raise_errno(sig, count, NULL, NULL);
            return false;
        }
        if (a->kind == KIND_SEMVALS_OUT) {
            if (!memory_take(&m->heap, (size_t)count * a->size))
                return false;
            m->cells[i].length = (int)count;
        }
        else {
            if (!integers_from(sig, i, value, &m->heap, &number))
                return false;
            if (number != count)
                return refuse(sig, i, PyExc_ValueError,
                              "must hold a value for each of the set's %ld semaphores, not %ld", count,
                              number);
        }
        c->reg[i] = (long)m->heap.data;
        return true;
    }
    case KIND_FOLLOWED:
        if (!followed_from(state, sig, i, value, &m->heap))
            return false;
        c->reg[i] = (long)m->heap.data;
        return true;
    case KIND_IFCONF_OUT:
        m->cells[i].interfaces = (struct ifconf){.ifc_len = SCRATCH_BYTES, .ifc_buf = (char *)m->scratch};
        c->reg[i] = (long)&m->cells[i];
        return true;
    case KIND_WAITING_IN: {
        waiting *w = (waiting *)m->scratch;
        *w = (waiting){0};
        m->cells[i].timespec = (struct timespec){0, 0};
        c->reg[i] = (long)w;
        if (value == NULL || value == Py_None)
            return true;
        if (Py_IS_TYPE(value, struct_type(state, STRUCT_IoUringGeteventsArg))) {
            memcpy(w, ((struct_object *)value)->data, sizeof(*w));
            return true;
        }
        w->timeout = (uint64_t)&m->cells[i];
        return convert_timespec(state, sig, i, value, &m->cells[i].timespec);
    }
    case KIND_WAITMASK_IN: {
        waiting *w = (waiting *)m->scratch;
        c->reg[i] = sizeof(*w);
        if (value == NULL || value == Py_None)
            return true;
        w->mask = (uint64_t)&m->cells[i];
        w->mask_size = sizeof(uint64_t);
        return sigset_from(sig, i, value, &m->cells[i].mask);
    }
    case KIND_ANY: return convert_any(sig, c, m, i, value);
    case KIND_DATA_OUT:
    case KIND_NAMES_OUT:
    case KIND_ITEMS_OUT:
        if (a->length < 0) {
            c->reg[i] = (long)room_for(m, (size_t)a->max);
            return c->reg[i] != 0;
        }
        number = smaller(a->max, SCRATCH_BYTES / a->size);
        set_length(sig, c, m, i, number);
        c->reg[i] = (long)m->scratch;
        return true;
    case KIND_PATH_OUT:
        set_length(sig, c, m, i, SCRATCH_BYTES);
        c->reg[i] = (long)m->scratch;
        return true;
    case KIND_IOVEC_IN:
    case KIND_IOVEC_OUT:
        if (!vector_acquire(sig, i, value, a->kind == KIND_IOVEC_OUT, &m->iovec))
            return false;
        c->reg[i] = (long)m->iovec.iov;
        set_length(sig, c, m, i, m->iovec.count);
        c->viewed[i] = true;
        return true;
    case KIND_ARGV:
    case KIND_ENVP:
        c->owned[i] = strings_from(state, sig, i, value, a->kind == KIND_ENVP, &c->reg[i]);
        return c->owned[i] != NULL;
    case KIND_CPUSET_IN:
        if (!cpuset_from(sig, i, value, m->scratch, &number))
            return false;
        c->reg[i] = (long)m->scratch;
        set_length(sig, c, m, i, number);
        return true;
    case KIND_CPUSET_OUT:
        c->reg[i] = (long)m->scratch;
        set_length(sig, c, m, i, CPUSET_BYTES);
        return true;
    case KIND_NODEMASK_IN:
        if (a->nullable && (value == NULL || value == Py_None)) {
            c->reg[i] = 0;
            return true;
        }
        if (!nodemask_from(sig, i, value, m->nodes[i], &number))
            return false;
        c->reg[i] = number != 0 ? (long)m->nodes[i] : 0;
        /* The kernel looks at one bit less than it is told. Two masks have the length of the longer one. */
        if (number != 0)
            c->reg[a->length] = larger(c->reg[a->length], number + 1);
        return true;
    case KIND_NODEMASK_OUT:
        memset(m->nodes[i], 0, NODEMASK_BYTES);
        c->reg[i] = (long)m->nodes[i];
        set_length(sig, c, m, i, 8 * NODEMASK_BYTES + 1);
        return true;
    case KIND_PAGES_OUT: c->reg[i] = (long)room_for(m, pages_in(c->reg[a->of])); return c->reg[i] != 0;
    case KIND_SIGSET_IN:
        if (a->nullable && (value == NULL || value == Py_None)) {
            c->reg[i] = 0;
            return true;
        }
        c->reg[i] = (long)&m->cells[i];
        return sigset_from(sig, i, value, &m->cells[i].mask);
    case KIND_SIGSET_PACK:
        if (a->nullable && (value == NULL || value == Py_None)) {
            c->reg[i] = 0;
            return true;
        }
        m->cells[i].pack.mask = &m->cells[i].pack.own;
        m->cells[i].pack.size = sizeof(uint64_t);
        c->reg[i] = (long)&m->cells[i];
        return sigset_from(sig, i, value, &m->cells[i].pack.own);
    case KIND_SIGSET_OUT:
        m->cells[i].mask = 0;
        c->reg[i] = (long)&m->cells[i];
        return true;
    case KIND_SIGINFO_IN:
        if (a->nullable && (value == NULL || value == Py_None)) {
            c->reg[i] = 0;
            return true;
        }
        c->reg[i] = (long)siginfo_from(state, sig, i, value);
        return c->reg[i] != 0;
    case KIND_SIGINFO_OUT:
        memset(m->scratch, 0, SIGINFO_BYTES);
        c->reg[i] = (long)m->scratch;
        return true;
    case KIND_SOCKADDR_IN:
        if (a->nullable && (value == NULL || value == Py_None)) {
            c->reg[i] = 0;
            set_length(sig, c, m, i, 0);
            return true;
        }
        struct_object *address = sockaddr_from(sig, i, value);
        if (address == NULL)
            return false;
        c->reg[i] = (long)address->data;
        set_length(sig, c, m, i, address->size);
        return true;
    case KIND_SOCKADDR_OUT:
        c->reg[i] = (long)m->address;
        set_length(sig, c, m, i, SOCKADDR_MAX);
        return true;
    case KIND_OPTION_IN: return convert_option_in(sig, c, m, i, value);
    case KIND_OPTION_OUT:
        if (value != NULL && value != Py_None) {
            int type = struct_index(value);
            if (type < 0)
                return convert_bytes_out(sig, c, m, i, value);
            struct_object *object = struct_new(state, (unsigned)type);
            if (object == NULL)
                return false;
            c->owned[i] = (PyObject *)object;
            c->reg[i] = (long)object->data;
            set_length(sig, c, m, i, object->size);
            return true;
        }
        m->cells[i].length = 0;
        c->reg[i] = (long)&m->cells[i];
        set_length(sig, c, m, i, sizeof(int));
        return true;
    case KIND_MSGHDR_IN:
    case KIND_MSGHDR_OUT:
        c->viewed[i] = a->kind == KIND_MSGHDR_IN ? message_from(state, sig, i, value, &m->messages)
                                                 : message_room(state, sig, i, value, &m->messages);
        c->reg[i] = (long)&m->messages.headers->msg_hdr;
        return c->viewed[i];
    case KIND_MMSGHDR_INOUT:
    case KIND_MMSGHDR_OUT:
        c->viewed[i] = a->kind == KIND_MMSGHDR_INOUT ? messages_from(state, sig, i, value, &m->messages)
                                                     : messages_room(state, sig, i, value, &m->messages);
        if (!c->viewed[i])
            return false;
        c->reg[i] = (long)m->messages.headers;
        set_length(sig, c, m, i, m->messages.count);
        return true;
    case KIND_CONTROL_ROOM:
        number = a->fallback;
        if (value != NULL && (!int_in_place(value, &number) || number < a->min || number > a->max))
            if (!convert_int(sig, i, value, &number))
                return false;
        if (number != 0) {
            m->messages.added = a->added & ~c->reg[a->of];
            c->reg[a->of] |= a->added;
        }
        return messages_room_for_control(&m->messages, (size_t)number);
    }
    Py_UNREACHABLE();
}

/* Gives back all that the call holds; what became part of the result has been taken out before. */
ALWAYS_INLINE void
release(module_state *state, const signature *sig, call *c, room *m)
{
    if (sig->result == RESULT_MAPPING)
        Py_XDECREF(c->made);
    EACH_ARGUMENT (i) {
        if (i >= sig->count)
            break;
        switch (sig->args[i].kind) {
        case KIND_ADDRESS:
        case KIND_MAPPING: mapping_release(c->owned[i]); break;
        case KIND_PATH:
        case KIND_STRING:
        case KIND_NAME:
        case KIND_STRUCT_IN:
        case KIND_STRUCT_INOUT:
        case KIND_ARGV:
        case KIND_ENVP:
        case KIND_STRUCT_OUT: Py_XDECREF(c->owned[i]); break;
        case KIND_BYTES_OUT:
        case KIND_REGSET_OUT:
        case KIND_OPTION_OUT:
            Py_XDECREF(c->owned[i]);
            if (c->viewed[i])
                PyBuffer_Release(&m->view[i]);
            else if (m->heap.origin != MEMORY_NONE)
                memory_give_back(&m->heap);
            break;
        case KIND_ANY:
            if (c->viewed[i] && c->owned[i] != NULL)
                memcpy(m->view[i].buf, PyBytes_AS_STRING(c->owned[i]), (size_t)m->view[i].len);
            Py_XDECREF(c->owned[i]);
            __attribute__((fallthrough));
        case KIND_BYTES_IN:
        case KIND_REGSET_IN:
        case KIND_OPTION_IN:
            if (c->viewed[i])
                PyBuffer_Release(&m->view[i]);
            break;
        case KIND_IOVEC_IN:
        case KIND_IOVEC_OUT:
            if (c->viewed[i])
                vector_release(&m->iovec);
            break;
        case KIND_MSGHDR_IN:
        case KIND_MSGHDR_OUT:
        case KIND_MMSGHDR_INOUT:
        case KIND_MMSGHDR_OUT:
            if (c->viewed[i])
                messages_release(&m->messages);
            break;
        case KIND_FDSET: fdsets_release(&m->sets); break;
        case KIND_POINTERS_IN:
            if (c->viewed[i])
                requests_not_submitted(state, (uint64_t)c->reg[sig->context], c->owned[i], m->submitted);
            Py_XDECREF(c->owned[i]);
            __attribute__((fallthrough));
        case KIND_MSGBUF_IN:
        case KIND_MSGBUF_OUT:
        case KIND_STRUCTS_IN:
        case KIND_STRUCTS_INOUT:
        case KIND_STRUCTS_OUT:
        case KIND_RECORDS_OUT:
        case KIND_ITEMS_IN:
        case KIND_ITEMS_OUT:
        case KIND_DATA_OUT:
        case KIND_NAMES_OUT:
        case KIND_FPROG_IN:
        case KIND_SEMVALS_IN:
        case KIND_SEMVALS_OUT:
        case KIND_FOLLOWED:
        case KIND_IFCONF_OUT:
        case KIND_PAGES_OUT:
            if (m->heap.origin != MEMORY_NONE)
                memory_give_back(&m->heap);
            break;
        default: break;
        }
    }
}

#endif
