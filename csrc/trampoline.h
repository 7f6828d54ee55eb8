/* From a Python call to the kernel and back: the engine behind every fast call.
 *
 * `trampoline` converts the arguments, enters the kernel, repeats or raises, and builds the result, all as a
 * signature says. It is inlined into each generated line with a constant signature, so that the compiler
 * drops every branch that this signature doesn't take and only straight-line code is left. */
#ifndef PYSYSCALL_TRAMPOLINE_H
#define PYSYSCALL_TRAMPOLINE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <limits.h>

#include "convert.h"
#include "errors.h"
#include "generated/numbers.h"
#include "signature.h"
#include "sockaddr.h"
#include "state.h"
#include "structs.h"
#include "syscall_arch.h"
#include "vdso.h"
#include "vectors.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define EACH_ARGUMENT(i) _Pragma("GCC unroll 6") for (int i = 0; i < MAX_ARGUMENTS; i++)

enum { SCRATCH_BYTES = 4096 };

/* What one call holds while it is under way. No pointer to it is ever taken, so all of it lives in registers. */
typedef struct {
    PyObject *given[MAX_ARGUMENTS]; /* borrowed from the caller */
    PyObject *owned[MAX_ARGUMENTS];
    bool viewed[MAX_ARGUMENTS];
    long reg[MAX_ARGUMENTS];
} call;

/* Memory that the kernel is pointed at. The compiler keeps only the parts that the signature uses. */
typedef struct {
    Py_buffer view[MAX_ARGUMENTS];
    cell cells[MAX_ARGUMENTS];
    vector iovec;                   /* at most one argument of a call is an iovec, */
    memory heap;                    /* ... or an array of unknown size */
    unsigned char scratch[SCRATCH_BYTES];
    unsigned char address[SOCKADDR_MAX];
} room;

static inline long
smaller(long a, long b)
{
    return a < b ? a : b;
}

/* Writes an argument's length to the argument that carries it. */
ALWAYS_INLINE void
set_length(const signature *sig, call *c, room *m, int i, long length)
{
    const argument *a = &sig->args[i];
    if (a->length < 0)
        return;
    if (a->length_by_pointer) {
        m->cells[a->length].length = (int)smaller(length, INT_MAX);
        c->reg[a->length] = (long)&m->cells[a->length];
    }
    else {
        c->reg[a->length] = length;
    }
}

ALWAYS_INLINE long
fallback_of(const signature *sig, const call *c, int i)
{
    const argument *a = &sig->args[i];
    if (a->when < 0)
        return a->fallback;
    for (int k = 0; k < 2; k++)
        if (a->when_bits[k] != 0 && (c->reg[a->when] & a->when_bits[k]) == a->when_bits[k])
            return a->fallback;
    return 0;
}

/* Room for `size` bytes that the kernel fills: on the stack while it is small. */
ALWAYS_INLINE unsigned char *
room_for(room *m, size_t size)
{
    if (size <= SCRATCH_BYTES)
        return m->scratch;
    return memory_take(&m->heap, size) ? m->heap.data : NULL;
}

ALWAYS_INLINE bool
convert_bytes_in(const signature *sig, call *c, room *m, int i, PyObject *value)
{
    if (PyBytes_CheckExact(value)) {
        c->reg[i] = (long)PyBytes_AS_STRING(value);
        set_length(sig, c, m, i, PyBytes_GET_SIZE(value));
        return true;
    }
    if (!convert_buffer(sig, i, value, false, &m->view[i]))
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
        if (!convert_buffer(sig, i, value, true, &m->view[i]))
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

ALWAYS_INLINE bool
convert_struct_in(const module_state *state, const signature *sig, call *c, room *m, int i, PyObject *value)
{
    const argument *a = &sig->args[i];
    set_length(sig, c, m, i, a->size);
    if (a->nullable && value == Py_None) {
        c->reg[i] = 0;
        return true;
    }
    if (!Py_IS_TYPE(value, state->struct_types[a->type])) {
        c->owned[i] = (PyObject *)struct_coerce(state, a->type, value);
        if (c->owned[i] == NULL)
            return PyErr_Occurred() ? false : refuse_type(sig, i, value);
        value = c->owned[i];
    }
    c->reg[i] = (long)((struct_object *)value)->data;
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

/* Converts argument `i`, which Python gives as `value` (NULL where it was left out). */
ALWAYS_INLINE bool
convert(const module_state *state, const signature *sig, call *c, room *m, int i, PyObject *value)
{
    const argument *a = &sig->args[i];
    long number;
    switch (a->kind) {
    case KIND_CONST:
        c->reg[i] = a->fallback;
        return true;
    case KIND_DERIVED:
        return true;
    case KIND_INT:
    case KIND_FD:
        if (a->optional && value == NULL) {
            c->reg[i] = fallback_of(sig, c, i);
            return true;
        }
        if (!int_in_place(value, &number) || number < a->min || number > a->max) {
            if (a->nullable && value == Py_None)
                number = a->none;
            else if (!(a->kind == KIND_FD ? convert_fd(sig, i, value, &number)
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
    case KIND_PATH:
    case KIND_STRING:
        c->given[i] = value;
        if (a->nullable && (value == NULL || value == Py_None)) {
            c->given[i] = NULL;
            c->reg[i] = 0;
            return true;
        }
        c->reg[i] = (long)path_in_place(value);
        if (c->reg[i] == 0) {
            c->owned[i] = convert_path(sig, i, value);
            if (c->owned[i] == NULL)
                return false;
            c->reg[i] = (long)PyBytes_AS_STRING(c->owned[i]);
        }
        return true;
    case KIND_BYTES_IN:
        return convert_bytes_in(sig, c, m, i, value);
    case KIND_BYTES_OUT:
        return convert_bytes_out(sig, c, m, i, value);
    case KIND_STRUCT_IN:
        return convert_struct_in(state, sig, c, m, i, a->optional && value == NULL ? Py_None : value);
    case KIND_STRUCT_OUT:
        c->owned[i] = (PyObject *)struct_new(state, a->type);
        if (c->owned[i] == NULL)
            return false;
        c->reg[i] = (long)((struct_object *)c->owned[i])->data;
        set_length(sig, c, m, i, a->size);
        return true;
    case KIND_STRUCT_INOUT:
        c->owned[i] = struct_copy(state, a->type, value);
        if (c->owned[i] == NULL)
            return PyErr_Occurred() ? false : refuse_type(sig, i, value);
        c->reg[i] = (long)((struct_object *)c->owned[i])->data;
        set_length(sig, c, m, i, a->size);
        return true;
    case KIND_STRUCTS_IN:
    case KIND_STRUCTS_INOUT:
        if (!structs_from(state, sig, i, value, &m->heap, &number))
            return false;
        c->reg[i] = (long)m->heap.data;
        set_length(sig, c, m, i, number);
        return true;
    case KIND_STRUCTS_OUT:
        if (!int_in_place(value, &number) || number < a->min || number > a->max)
            if (!convert_int(sig, i, value, &number))
                return false;
        set_length(sig, c, m, i, number);
        c->reg[i] = (long)room_for(m, (size_t)number * a->size);
        return c->reg[i] != 0;
    case KIND_TIMESPEC_IN:
        if (a->nullable && (value == NULL || value == Py_None)) {
            c->reg[i] = 0;
            return true;
        }
        c->reg[i] = (long)&m->cells[i];
        return convert_timespec(state, sig, i, value, &m->cells[i].timespec);
    case KIND_REMAINING:
        /* Stays negative where the kernel writes nothing, because the Timespec is a time and no duration. */
        m->cells[i].timespec.tv_nsec = -1;
        c->reg[i] = (long)&m->cells[i];
        return true;
    case KIND_CELL_IN:
        if (a->nullable && (value == NULL || value == Py_None)) {
            c->reg[i] = 0;
            return true;
        }
        if (!int_in_place(value, &number) || number < a->min || number > a->max)
            if (!convert_int(sig, i, value, &number))
                return false;
        m->cells[i].offset = number;
        c->reg[i] = (long)&m->cells[i];
        return true;
    case KIND_CELLS_OUT:
        c->reg[i] = (long)&m->cells[i];
        return true;
    case KIND_ITEMS_IN:
        if (!integers_from(sig, i, value, &m->heap, &number))
            return false;
        c->reg[i] = (long)m->heap.data;
        set_length(sig, c, m, i, number);
        return true;
    case KIND_DATA_OUT:
    case KIND_NAMES_OUT:
    case KIND_ITEMS_OUT:
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
    case KIND_SIGSET_IN:
        if (a->nullable && (value == NULL || value == Py_None)) {
            c->reg[i] = 0;
            return true;
        }
        c->reg[i] = (long)&m->cells[i];
        return sigset_from(sig, i, value, &m->cells[i].mask);
    case KIND_SIGSET_OUT:
        m->cells[i].mask = 0;
        c->reg[i] = (long)&m->cells[i];
        return true;
    case KIND_SOCKADDR_IN:
        if (a->nullable && (value == NULL || value == Py_None)) {
            c->reg[i] = 0;
            set_length(sig, c, m, i, 0);
            return true;
        }
        struct_object *address = sockaddr_from(state, sig, i, value);
        if (address == NULL)
            return false;
        c->reg[i] = (long)address->data;
        set_length(sig, c, m, i, address->size);
        return true;
    case KIND_SOCKADDR_OUT:
        c->reg[i] = (long)m->address;
        set_length(sig, c, m, i, SOCKADDR_MAX);
        return true;
    case KIND_OPTION_IN:
        return convert_option_in(sig, c, m, i, value);
    case KIND_OPTION_OUT:
        if (value != NULL && value != Py_None)
            return convert_bytes_out(sig, c, m, i, value);
        m->cells[i].length = 0;
        c->reg[i] = (long)&m->cells[i];
        set_length(sig, c, m, i, sizeof(int));
        return true;
    }
    Py_UNREACHABLE();
}

/* Gives back all that the call holds; what became part of the result has been taken out before. */
ALWAYS_INLINE void
release(const signature *sig, call *c, room *m)
{
    EACH_ARGUMENT(i) {
        if (i >= sig->count)
            break;
        switch (sig->args[i].kind) {
        case KIND_PATH:
        case KIND_STRING:
        case KIND_STRUCT_IN:
        case KIND_STRUCT_INOUT:
        case KIND_STRUCT_OUT:
            Py_XDECREF(c->owned[i]);
            break;
        case KIND_BYTES_OUT:
        case KIND_OPTION_OUT:
            Py_XDECREF(c->owned[i]);
            if (c->viewed[i])
                PyBuffer_Release(&m->view[i]);
            else if (m->heap.origin != MEMORY_NONE)
                memory_give_back(&m->heap);
            break;
        case KIND_BYTES_IN:
        case KIND_OPTION_IN:
            if (c->viewed[i])
                PyBuffer_Release(&m->view[i]);
            break;
        case KIND_IOVEC_IN:
        case KIND_IOVEC_OUT:
            if (c->viewed[i])
                vector_release(&m->iovec);
            break;
        case KIND_STRUCTS_IN:
        case KIND_STRUCTS_INOUT:
        case KIND_STRUCTS_OUT:
        case KIND_ITEMS_IN:
        case KIND_ITEMS_OUT:
        case KIND_DATA_OUT:
        case KIND_NAMES_OUT:
            if (m->heap.origin != MEMORY_NONE)
                memory_give_back(&m->heap);
            break;
        default:
            break;
        }
    }
}

ALWAYS_INLINE long
enter_kernel(const signature *sig, const call *c)
{
    if (sig->vdso != VDSO_NONE) {
        /* Read once: another interpreter may switch the vDSO off meanwhile. */
        vdso_function function = __atomic_load_n(&vdso_functions[sig->vdso], __ATOMIC_RELAXED);
        if (function != NULL) {
            long result = function(c->reg[0], c->reg[1], c->reg[2]);
            /* All but time() return a C int, which leaves the upper half of the register undefined. */
            return sig->vdso == VDSO_TIME ? result : (int)result;
        }
    }
    /* Registers beyond the call's arguments are zero, so a kernel whose call has grown reads no garbage. */
    return syscall6(sig->nr, c->reg[0], c->reg[1], c->reg[2], c->reg[3], c->reg[4], c->reg[5]);
}

/* The clock that measures a sleep. Setting CLOCK_REALTIME changes no duration. */
ALWAYS_INLINE clockid_t
sleep_clock(const signature *sig, const call *c)
{
    bool named = sig->clock >= 0 && c->reg[sig->clock] != CLOCK_REALTIME;
    return named ? (clockid_t)c->reg[sig->clock] : CLOCK_MONOTONIC;
}

/* After EINTR: runs Python's handlers and prepares the repetition; false to raise. */
ALWAYS_INLINE bool
prepare_repeat(const signature *sig, call *c, room *m, int64_t deadline)
{
    int64_t interrupted = sig->eintr == EINTR_REMAINING ? nanoseconds_on(sleep_clock(sig, c)) : 0;
    if (PyErr_CheckSignals() < 0 || sig->eintr == EINTR_RAISE)
        return false;
    if (sig->eintr == EINTR_REMAINING) {
        if (sig->timeout >= 0 && deadline != 0)
            c->reg[sig->timeout] = milliseconds_until(deadline);
        EACH_ARGUMENT(i) {
            if (i < sig->count && sig->args[i].kind == KIND_REMAINING && m->cells[i].timespec.tv_nsec >= 0)
                m->cells[sig->args[i].of].timespec =
                    less(m->cells[i].timespec, nanoseconds_on(sleep_clock(sig, c)) - interrupted);
        }
    }
    return true;
}

/* After an error that says so: whether an array that was too short could be made as long as it can get. */
ALWAYS_INLINE bool
grow(const signature *sig, call *c, room *m, long error)
{
    EACH_ARGUMENT(i) {
        const argument *a = &sig->args[i];
        if (i >= sig->count)
            break;
        bool too_short = a->kind == KIND_ITEMS_OUT                                ? error == -EINVAL
                         : a->kind == KIND_DATA_OUT || a->kind == KIND_NAMES_OUT ? error == -ERANGE
                                                                                 : false;
        if (!too_short || c->reg[a->length] >= a->max)
            continue;
        if (!memory_take(&m->heap, (size_t)a->max * a->size))
            return false;
        c->reg[i] = (long)m->heap.data;
        c->reg[a->length] = a->max;
        return true;
    }
    return false;
}

/* The Python object for out-argument `i`; a new reference. */
ALWAYS_INLINE PyObject *
take_out(const module_state *state, const signature *sig, call *c, room *m, int i, long result)
{
    const argument *a = &sig->args[i];
    PyObject *object;
    switch (a->kind) {
    case KIND_STRUCT_INOUT:
    case KIND_STRUCT_OUT:
        object = c->owned[i];
        c->owned[i] = NULL;
        return object;
    case KIND_OPTION_OUT:
        result = m->cells[a->length].length;
        if (c->reg[i] == (long)&m->cells[i])
            return PyLong_FromLong(m->cells[i].length);
        __attribute__((fallthrough));
    case KIND_BYTES_OUT:
        if (c->viewed[i])
            return PyLong_FromLong(result);
        if (c->owned[i] == NULL)
            return PyBytes_FromStringAndSize((const char *)c->reg[i], smaller(result, (long)m->heap.size));
        /* Under MSG_TRUNC the kernel reports a datagram's whole length, more than it wrote. */
        object = c->owned[i];
        c->owned[i] = NULL;
        return result < PyBytes_GET_SIZE(object) ? shorten(object, result) : object;
    case KIND_STRUCTS_INOUT:
        return sig->result == RESULT_READY_OF
                   ? ready_result(state, a->type, m->heap.data, c->reg[a->length])
                   : structs_result(state, a->type, m->heap.data, c->reg[a->length]);
    case KIND_STRUCTS_OUT:
        return structs_result(state, a->type, (const unsigned char *)c->reg[i], result);
    case KIND_CELLS_OUT:
        return a->items == 1 ? integer_result(m->cells[i].bytes, a->size, a->is_signed)
                             : integers_result(m->cells[i].bytes, a->size, a->is_signed, a->items, true);
    case KIND_ITEMS_OUT:
        return integers_result((const unsigned char *)c->reg[i], a->size, a->is_signed, result, false);
    case KIND_DATA_OUT:
        return PyBytes_FromStringAndSize((const char *)c->reg[i], result);
    case KIND_NAMES_OUT:
        return names_result((const char *)c->reg[i], result);
    case KIND_SIGSET_OUT:
        return sigset_result(m->cells[i].mask);
    case KIND_PATH_OUT:
        return path_result((const char *)m->scratch, result, a->of >= 0 ? c->given[a->of] : NULL);
    case KIND_CPUSET_OUT:
        return cpuset_result(m->scratch, result);
    case KIND_SOCKADDR_OUT:
        return sockaddr_result(state, m->address, m->cells[a->length].length);
    default:
        return NULL;
    }
}

ALWAYS_INLINE bool
is_out(enum kind kind)
{
    switch (kind) {
    case KIND_BYTES_OUT:
    case KIND_STRUCT_INOUT:
    case KIND_STRUCT_OUT:
    case KIND_STRUCTS_INOUT:
    case KIND_STRUCTS_OUT:
    case KIND_CELLS_OUT:
    case KIND_ITEMS_OUT:
    case KIND_DATA_OUT:
    case KIND_NAMES_OUT:
    case KIND_SIGSET_OUT:
    case KIND_PATH_OUT:
    case KIND_CPUSET_OUT:
    case KIND_SOCKADDR_OUT:
    case KIND_OPTION_OUT:
        return true;
    default:
        return false;
    }
}

ALWAYS_INLINE PyObject *
own_result(const signature *sig, long result)
{
    switch (sig->result) {
    case RESULT_TRUE:
        return Py_NewRef(Py_True);
    case RESULT_WORD:
        return PyLong_FromUnsignedLong((unsigned long)result);
    case RESULT_NICE:
        return PyLong_FromLong(20 - result);
    default:
        return PyLong_FromLong(result);
    }
}

/* The call's own result first, where it tells something; then the out-arguments in order. */
ALWAYS_INLINE PyObject *
build_result(const module_state *state, const signature *sig, call *c, room *m, long result)
{
    bool tells = sig->result != RESULT_NONE && sig->result != RESULT_COUNT_OF && sig->result != RESULT_READY_OF;
    int items = tells;
    EACH_ARGUMENT(i) items += i < sig->count && is_out(sig->args[i].kind);
    if (items == 0)
        return Py_NewRef(Py_None);
    PyObject *parts[1 + MAX_ARGUMENTS];
    int n = 0;
    bool good = true;
    if (tells)
        good = (parts[n++] = own_result(sig, result)) != NULL;
    EACH_ARGUMENT(i) {
        if (i < sig->count && is_out(sig->args[i].kind))
            good = (parts[n++] = good ? take_out(state, sig, c, m, i, result) : NULL) != NULL;
    }
    if (items == 1)
        return parts[0];
    PyObject *tuple = good ? PyTuple_New(items) : NULL;
    _Pragma("GCC unroll 7") for (int k = 0; k < items; k++) {
        if (tuple != NULL)
            PyTuple_SET_ITEM(tuple, k, parts[k]);
        else
            Py_XDECREF(parts[k]);
    }
    return tuple;
}

/* The result could not be built: the descriptors that the kernel made must not be lost. */
ALWAYS_INLINE void
close_unreturned(const signature *sig, const room *m, long result)
{
    if (sig->result == RESULT_FD)
        syscall1(NR_close, result);
    EACH_ARGUMENT(i) {
        if (i < sig->count && sig->args[i].is_fd) {
            for (int k = 0; k < sig->args[i].items; k++) {
                int fd;
                memcpy(&fd, m->cells[i].bytes + sizeof(fd) * (size_t)k, sizeof(fd));
                syscall1(NR_close, fd);
            }
        }
    }
}

ALWAYS_INLINE void
raise_for(const signature *sig, const call *c, long result)
{
    PyObject *paths[2] = {NULL, NULL};
    int n = 0;
    EACH_ARGUMENT(i) {
        if (i < sig->count && sig->args[i].kind == KIND_PATH && n < 2)
            paths[n++] = c->given[i];
    }
    raise_errno(sig, result, paths[0], paths[1]);
}

/* sys.audit("pysyscall.call", name, args): costs one test where no hook is installed. */
ALWAYS_INLINE bool
audit(const signature *sig, PyObject *const *args, Py_ssize_t given)
{
#define ARG(k) (k < given && args[k] != NULL ? args[k] : Py_None)
    switch (sig->parameters) {
    case 0: return PySys_Audit("pysyscall.call", "s()", sig->name) == 0;
    case 1: return PySys_Audit("pysyscall.call", "s(O)", sig->name, ARG(0)) == 0;
    case 2: return PySys_Audit("pysyscall.call", "s(OO)", sig->name, ARG(0), ARG(1)) == 0;
    case 3: return PySys_Audit("pysyscall.call", "s(OOO)", sig->name, ARG(0), ARG(1), ARG(2)) == 0;
    case 4: return PySys_Audit("pysyscall.call", "s(OOOO)", sig->name, ARG(0), ARG(1), ARG(2), ARG(3)) == 0;
    case 5:
        return PySys_Audit("pysyscall.call", "s(OOOOO)", sig->name, ARG(0), ARG(1), ARG(2), ARG(3), ARG(4)) == 0;
    default:
        return PySys_Audit("pysyscall.call", "s(OOOOOO)", sig->name, ARG(0), ARG(1), ARG(2), ARG(3), ARG(4),
                           ARG(5)) == 0;
    }
#undef ARG
}

ALWAYS_INLINE PyObject *
trampoline(const signature *sig, PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    const module_state *state = state_of(module);
    PyObject *bound[MAX_ARGUMENTS];
    if (__builtin_expect(kwnames != NULL || nargs < sig->required || nargs > sig->parameters, 0)) {
        if (!bind_arguments(sig, args, nargs, kwnames, bound))
            return NULL;
        args = bound;
        nargs = sig->parameters;
    }
    if (!audit(sig, args, nargs))
        return NULL;

    call c;
    room m;
    m.heap.origin = MEMORY_NONE;
    EACH_ARGUMENT(i) {
        c.owned[i] = NULL;
        c.viewed[i] = false;
        c.reg[i] = 0;
    }
    int position = 0;
    EACH_ARGUMENT(i) {
        if (i >= sig->count)
            break;
        bool visible = sig->args[i].name != NULL;
        PyObject *value = visible && position < nargs ? args[position] : NULL;
        position += visible;
        if (!convert(state, sig, &c, &m, i, value))
            goto fail;
    }

    int64_t deadline = 0;
    if (sig->eintr == EINTR_REMAINING && sig->timeout >= 0 && c.reg[sig->timeout] > 0)
        deadline = deadline_after(c.reg[sig->timeout]);
    long result;
    for (;;) {
        if (sig->blocks) {
            PyThreadState *thread = PyEval_SaveThread();
            result = enter_kernel(sig, &c);
            PyEval_RestoreThread(thread);
        }
        else {
            result = enter_kernel(sig, &c);
        }
        if (__builtin_expect(!syscall_failed(result), 1))
            break;
        if (result == -EINTR && sig->eintr == EINTR_DONE) {
            if (PyErr_CheckSignals() < 0)
                goto fail;
            result = 0;
            break;
        }
        if (grow(sig, &c, &m, result))
            continue;
        if (result != -EINTR || !prepare_repeat(sig, &c, &m, deadline)) {
            if (!PyErr_Occurred())
                raise_for(sig, &c, result);
            goto fail;
        }
    }
    PyObject *object = build_result(state, sig, &c, &m, result);
    if (__builtin_expect(object == NULL, 0))
        close_unreturned(sig, &m, result);
    release(sig, &c, &m);
    return object;

fail:
    release(sig, &c, &m);
    return NULL;
}

#endif
