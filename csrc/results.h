/* The second half of the trampoline: what the kernel returned and wrote becomes Python objects. */
#ifndef PYSYSCALL_RESULTS_H
#define PYSYSCALL_RESULTS_H

#include "call.h"
#include "errors.h"
#include "generated/numbers.h"
#include "msgbuf.h"
#include "records.h"
#include "state.h"
#include "structs.h"
#include "syscall_arch.h"
#include "waitstatus.h"

/* The Python object for out-argument `i`; a new reference. */
ALWAYS_INLINE PyObject *
take_out(module_state *state, const signature *sig, call *c, room *m, int i, long result)
{
    const argument *a = &sig->args[i];
    PyObject *object;
    switch (a->kind) {
    case KIND_STRUCT_INOUT:
    case KIND_STRUCT_OUT:
        object = c->owned[i];
        if (a->tells_size)
            struct_take_size((struct_object *)object);
        c->owned[i] = NULL;
        return object;
    case KIND_OPTION_OUT:
        result = m->cells[a->length].length;
        if (c->reg[i] == (long)&m->cells[i])
            return PyLong_FromLong(m->cells[i].length);
        if (c->owned[i] != NULL && struct_check(c->owned[i])) {
            struct_object *filled = (struct_object *)c->owned[i];
            if (!struct_filled(filled, result)) {
                refuse(sig, i, PyExc_TypeError, "is a %s of %d bytes, but the option has %ld",
                       filled->info->name, filled->info->minimum, result);
                return NULL;
            }
            c->owned[i] = NULL;
            return (PyObject *)filled;
        }
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
    case KIND_STRUCTS_OUT: return structs_result(state, a->type, (const unsigned char *)c->reg[i], result);
    case KIND_RECORDS_OUT: return records_result(state, a->type, (unsigned char *)c->reg[i], result);
    case KIND_CELLS_OUT:
        if (a->enumeration != ENUM_NONE)
            return enum_result(state, a->enumeration,
                               integer_value(m->cells[i].bytes, a->size, a->is_signed));
        __attribute__((fallthrough));
    case KIND_CELLS_INOUT:
        return a->items == 1 ? integer_result(m->cells[i].bytes, a->size, a->is_signed)
                             : integers_result(m->cells[i].bytes, a->size, a->is_signed, a->items, true);
    case KIND_STATUS_OUT:
        return m->cells[i].length == 0 && state->status_zero != NULL
                   ? Py_NewRef(state->status_zero)
                   : wait_status_new(state->wait_status, m->cells[i].length);
    case KIND_ITEMS_OUT:
        return integers_result((const unsigned char *)c->reg[i], a->size, a->is_signed, result, false);
    case KIND_TEXT_OUT:
        return path_result((const char *)m->scratch,
                           (Py_ssize_t)strnlen((const char *)m->scratch, (size_t)a->max), NULL);
    case KIND_REGSET_OUT:
        result = (long)m->cells[i].vector.iov_len;
        if (c->viewed[i])
            return PyLong_FromLong(result);
        if (c->owned[i] == NULL)
            return PyBytes_FromStringAndSize((const char *)m->heap.data, smaller(result, (long)m->heap.size));
        object = c->owned[i];
        c->owned[i] = NULL;
        return result < PyBytes_GET_SIZE(object) ? shorten(object, result) : object;
    case KIND_SEMVALS_OUT: return integers_result(m->heap.data, a->size, false, m->cells[i].length, false);
    case KIND_DATA_OUT:
        return PyBytes_FromStringAndSize((const char *)c->reg[i],
                                         smaller(result, a->length >= 0 ? c->reg[a->length] : a->max));
    case KIND_NAMES_OUT: return names_result((const char *)c->reg[i], result);
    case KIND_FOLLOWED: return followed_result(state, a, &m->heap);
    case KIND_IFCONF_OUT:
        return structs_result(state, a->type, (const unsigned char *)m->cells[i].interfaces.ifc_buf,
                              m->cells[i].interfaces.ifc_len / (long)sizeof(struct ifreq));
    case KIND_TIME_INOUT:
        return c->reg[i] != 0 ? struct_from_data(state, a->type, &m->cells[i], sizeof(struct timespec))
                              : Py_NewRef(Py_None);
    case KIND_FDSET: return fdset_result(&m->sets, i - a->length - 1);
    case KIND_MSGBUF_OUT: return msgbuf_result(state, (const unsigned char *)c->reg[i], result);
    case KIND_SIGSET_OUT: return sigset_result(state, m->cells[i].mask);
    case KIND_SIGINFO_OUT: return siginfo_result(state, m->scratch);
    case KIND_PATH_OUT:
        return path_result((const char *)m->scratch, result, a->of >= 0 ? c->given[a->of] : NULL);
    case KIND_NODEMASK_OUT: return nodemask_result(m->nodes[i]);
    case KIND_PAGES_OUT:
        return pages_result((const unsigned char *)c->reg[i], (Py_ssize_t)pages_in(c->reg[a->of]));
    case KIND_CPUSET_OUT: return cpuset_result(m->scratch, result);
    case KIND_SOCKADDR_OUT: return sockaddr_result(state, m->address, m->cells[a->length].length);
    case KIND_MSGHDR_OUT: return message_result(state, &m->messages, result);
    case KIND_MMSGHDR_INOUT: return messages_lengths(&m->messages, result);
    case KIND_MMSGHDR_OUT: return messages_result(state, &m->messages, result);
    default: return NULL;
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
    case KIND_RECORDS_OUT:
    case KIND_CELLS_OUT:
    case KIND_CELLS_INOUT:
    case KIND_STATUS_OUT:
    case KIND_ITEMS_OUT:
    case KIND_TEXT_OUT:
    case KIND_REGSET_OUT:
    case KIND_SEMVALS_OUT:
    case KIND_FOLLOWED:
    case KIND_IFCONF_OUT:
    case KIND_DATA_OUT:
    case KIND_NAMES_OUT:
    case KIND_SIGSET_OUT:
    case KIND_SIGINFO_OUT:
    case KIND_TIME_INOUT:
    case KIND_FDSET:
    case KIND_MSGBUF_OUT:
    case KIND_PATH_OUT:
    case KIND_CPUSET_OUT:
    case KIND_NODEMASK_OUT:
    case KIND_PAGES_OUT:
    case KIND_SOCKADDR_OUT:
    case KIND_MSGHDR_OUT:
    case KIND_MMSGHDR_INOUT:
    case KIND_MMSGHDR_OUT:
    case KIND_OPTION_OUT: return true;
    default: return false;
    }
}

/* Whether what comes back is a struct that Python may do without. */
ALWAYS_INLINE bool
may_lack(const argument *a)
{
    return a->asked || (a->kind == KIND_STRUCT_INOUT && a->nullable);
}

/* Whether argument `i` is part of the result: not a struct that was left out. */
ALWAYS_INLINE bool
comes_back(const signature *sig, const call *c, int i)
{
    const argument *a = &sig->args[i];
    return is_out(a->kind) && !(may_lack(a) && c->owned[i] == NULL);
}

ALWAYS_INLINE PyObject *
own_result(module_state *state, const signature *sig, call *c, long result)
{
    PyObject *made = c->made;
    switch (sig->result) {
    case RESULT_MAPPING: c->made = NULL; return made;
    case RESULT_SIGNAL: return signal_result(state, result);
    case RESULT_TRUE: return Py_NewRef(Py_True);
    case RESULT_ENUM: return enum_result(state, sig->enumeration, result);
    case RESULT_BREAK:
    case RESULT_WORD: return PyLong_FromUnsignedLong((unsigned long)result);
    case RESULT_NICE: return PyLong_FromLong(20 - result);
    default: return PyLong_FromLong(result);
    }
}

/* The call's own result first, where it tells something; then the out-arguments in order. */
ALWAYS_INLINE PyObject *
build_result(module_state *state, const signature *sig, call *c, room *m, long result)
{
    bool tells = sig->result != RESULT_NONE && sig->result != RESULT_STARTED && sig->result != RESULT_ENDED
                 && sig->result != RESULT_COUNT_OF && sig->result != RESULT_READY_OF
                 && sig->result != RESULT_SIGNAL_OF;
    int items = tells;
    EACH_ARGUMENT (i)
        items += i < sig->count && comes_back(sig, c, i);
    if (items == 0)
        return Py_NewRef(Py_None);
    PyObject *parts[1 + MAX_ARGUMENTS];
    int n = 0;
    bool good = true;
    if (tells)
        good = (parts[n++] = own_result(state, sig, c, result)) != NULL;
    EACH_ARGUMENT (i) {
        if (i < sig->count && comes_back(sig, c, i))
            good = (parts[n++] = good ? take_out(state, sig, c, m, i, result) : NULL) != NULL;
    }
    if (items == 1)
        return parts[0];
    PyObject *tuple = good ? PyTuple_New(items) : NULL;
    _Pragma("GCC unroll 7") for (int k = 0; k < items; k++)
    {
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
    EACH_ARGUMENT (i) {
        if (i < sig->count && sig->args[i].kind == KIND_MSGHDR_OUT)
            messages_close(&m->messages, 1);
        if (i < sig->count && sig->args[i].kind == KIND_MMSGHDR_OUT)
            messages_close(&m->messages, result);
        if (i < sig->count && sig->args[i].is_fd) {
            for (int k = 0; k < sig->args[i].items; k++) {
                int fd;
                memcpy(&fd, m->cells[i].bytes + sizeof(fd) * (size_t)k, sizeof(fd));
                syscall1(NR_close, fd);
            }
        }
    }
}

#endif
