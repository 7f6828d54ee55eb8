/* From a Python call to the kernel and back: the engine behind every fast call.
 *
 * `trampoline` converts the arguments, enters the kernel, repeats or raises, and builds the result, all as a
 * signature says. It is inlined into each generated line with a constant signature, so that the compiler
 * drops every branch that this signature doesn't take and only straight-line code is left. */
#ifndef PYSYSCALL_TRAMPOLINE_H
#define PYSYSCALL_TRAMPOLINE_H

#include <errno.h>

#include "arguments.h"
#include "audit.h"
#include "call.h"
#include "errors.h"
#include "gil.h"
#include "results.h"
#include "rings.h"
#include "syscall_arch.h"
#include "vdso.h"

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

/* When a call began that may take `duration`. */
typedef struct {
    int64_t started;
    struct timespec duration;
} stopwatch;

/* After EINTR: runs Python's handlers and prepares the repetition; false to raise. */
ALWAYS_INLINE bool
prepare_repeat(const signature *sig, call *c, room *m, int64_t deadline, const stopwatch *watch)
{
    int64_t interrupted = sig->eintr == EINTR_REMAINING ? nanoseconds_on(sleep_clock(sig, c)) : 0;
    if (PyErr_CheckSignals() < 0 || sig->eintr == EINTR_RAISE)
        return false;
    if (sig->mask >= 0 && c->reg[sig->mask] != 0)
        return false;
    if (sig->eintr == EINTR_REMAINING) {
        if (sig->timeout >= 0 && deadline != 0)
            c->reg[sig->timeout] = milliseconds_until(deadline);
        if (sig->relative >= 0 && c->reg[sig->relative] != 0)
            m->cells[sig->relative].timespec = less_time(sig->args[sig->relative].type, watch->duration,
                                                         nanoseconds_on(CLOCK_MONOTONIC) - watch->started);
        EACH_ARGUMENT (i) {
            if (i < sig->count && sig->args[i].kind == KIND_REMAINING && m->cells[i].timespec.tv_nsec >= 0)
                m->cells[sig->args[i].of].timespec =
                    less(m->cells[i].timespec, nanoseconds_on(sleep_clock(sig, c)) - interrupted);
        }
    }
    return true;
}

/* Whether the call has an array that can be asked for again with more room. */
ALWAYS_INLINE bool
can_grow(const signature *sig)
{
    EACH_ARGUMENT (i) {
        enum kind kind = sig->args[i].kind;
        if (i < sig->count && (kind == KIND_ITEMS_OUT || kind == KIND_DATA_OUT || kind == KIND_NAMES_OUT))
            return sig->args[i].length >= 0;
        if (i < sig->count && kind == KIND_IFCONF_OUT)
            return true;
    }
    return false;
}

/* Whether argument `i` came back as an array that was too short, and that can be longer. */
ALWAYS_INLINE bool
was_too_short(const signature *sig, const call *c, int i, long result)
{
    const argument *a = &sig->args[i];
    if (a->length < 0)
        return false;
    bool too_short = a->kind == KIND_ITEMS_OUT   ? result == -EINVAL || result == c->reg[a->length]
                     : a->kind == KIND_DATA_OUT  ? result == -ERANGE || result > c->reg[a->length]
                     : a->kind == KIND_NAMES_OUT ? result == -ERANGE
                                                 : false;
    return too_short && c->reg[a->length] < a->max;
}

/* After an error that says so, where it came back full, or where the whole length was told: whether an array that
 * was too short could be made as long as it can get. */
ALWAYS_INLINE bool
grow(const signature *sig, call *c, room *m, long result)
{
    EACH_ARGUMENT (i) {
        const argument *a = &sig->args[i];
        if (i >= sig->count)
            break;
        if (a->kind == KIND_IFCONF_OUT && result >= 0) {
            struct ifconf *list = &m->cells[i].interfaces;
            bool full = list->ifc_len > SCRATCH_BYTES - (long)sizeof(struct ifreq);
            if (!full || m->heap.origin != MEMORY_NONE || !memory_take(&m->heap, IFCONF_MAX))
                return false;
            *list = (struct ifconf){.ifc_len = IFCONF_MAX, .ifc_buf = (char *)m->heap.data};
            return true;
        }
        if (!was_too_short(sig, c, i, result))
            continue;
        if (!memory_take(&m->heap, (size_t)a->max * a->size))
            return false;
        c->reg[i] = (long)m->heap.data;
        c->reg[a->length] = a->max;
        return true;
    }
    return false;
}

/* What the kernel's answer means where it is not what it seems. */
ALWAYS_INLINE long
understood(const signature *sig, const call *c, room *m, long result)
{
    if (sig->result == RESULT_STARTED && result == -EINPROGRESS)
        return 0;
    if (sig->result == RESULT_BREAK && c->reg[0] != 0 && result != c->reg[0])
        return -ENOMEM;
    EACH_ARGUMENT (i) {
        /* The kernel looks at no descriptor above all that were ever open, and leaves its bit as it was. */
        if (i < sig->count && sig->args[i].kind == KIND_FDSET)
            return result >= 0 && fdsets_count(&m->sets) > result ? -EBADF : result;
    }
    return result;
}

/* Asynchronous requests: which are under way now, and which no longer. */
ALWAYS_INLINE void
settle_requests(module_state *state, const signature *sig, const call *c, room *m, long result,
                uint64_t submitted)
{
    if (sig->context < 0)
        return;
    uint64_t context = (uint64_t)c->reg[sig->context];
    if (sig->result == RESULT_ENDED)
        requests_ended(state, context, submitted);
    EACH_ARGUMENT (i) {
        if (i < sig->count && sig->args[i].kind == KIND_POINTERS_IN)
            m->submitted = result;
        if (i < sig->count && sig->args[i].kind == KIND_STRUCTS_OUT)
            requests_done(state, context, (const unsigned char *)c->reg[i], result);
    }
}

/* After ECONNABORTED: a socket of a family without addresses has them asked for no more. That of AF_ALG is
 * no connection that would be lost: each `accept` makes a new one. */
ALWAYS_INLINE bool
do_without_address(const signature *sig, call *c, room *m, long error)
{
    EACH_ARGUMENT (i) {
        if (i >= sig->count || sig->result != RESULT_FD || sig->args[i].kind != KIND_SOCKADDR_OUT)
            continue;
        if (error != -ECONNABORTED || c->reg[i] == 0 || family_of((int)c->reg[0]) != AF_ALG)
            return false;
        c->reg[i] = c->reg[sig->args[i].length] = 0;
        m->cells[sig->args[i].length].length = 0;
        return true;
    }
    return false;
}

/* After an error that a flag can cause which the engine has added: some families refuse all that they don't
 * know. Only Unix sockets, which know it, have what it is for. */
ALWAYS_INLINE bool
do_without_flag(const signature *sig, call *c, room *m, long error)
{
    EACH_ARGUMENT (i) {
        if (i >= sig->count || sig->args[i].kind != KIND_CONTROL_ROOM)
            continue;
        if ((error != -EINVAL && error != -EOPNOTSUPP) || m->messages.added == 0
            || family_of((int)c->reg[0]) == AF_UNIX)
            return false;
        c->reg[sig->args[i].of] &= ~m->messages.added;
        m->messages.added = 0;
        return true;
    }
    return false;
}

ALWAYS_INLINE void
raise_for(const signature *sig, const call *c, long result)
{
    PyObject *paths[2] = {NULL, NULL};
    int n = 0;
    EACH_ARGUMENT (i) {
        if (i < sig->count && sig->args[i].kind == KIND_PATH && c->given[i] != NULL && n < 2)
            paths[n++] = c->given[i];
    }
    raise_errno(sig, result, paths[0], paths[1]);
}

ALWAYS_INLINE PyObject *
trampoline(const signature *sig, PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *bound[MAX_ARGUMENTS];
    if (__builtin_expect(kwnames != NULL || nargs < sig->required || nargs > sig->parameters, 0)) {
        if (!bind_arguments(sig, args, nargs, kwnames, bound))
            return NULL;
        args = bound;
        nargs = sig->parameters + sig->options;
    }
    module_state *state = state_of(module);
    if (is_audited(state) && !audit(sig, args, nargs))
        return NULL;

    call c;
    room m;
    m.heap.origin = MEMORY_NONE;
    c.made = NULL;
    EACH_ARGUMENT (i) {
        if (i < sig->count && sig->args[i].kind == KIND_FDSET)
            m.sets.masks = NULL;
        c.owned[i] = NULL;
        c.viewed[i] = false;
        c.reg[i] = 0;
    }
    int position = 0;
    EACH_ARGUMENT (i) {
        if (i >= sig->count)
            break;
        bool visible = sig->args[i].name != NULL;
        PyObject *value = visible && position < nargs ? args[position] : NULL;
        position += visible;
        if (!convert(state, sig, &c, &m, i, value))
            goto fail;
    }

    if (!uses_of_mappings_fit(sig, &c) || (changes_mappings(sig) && !mappings_begin(state, sig, &c)))
        goto fail;

    int64_t deadline = 0;
    if (sig->eintr == EINTR_REMAINING && sig->timeout >= 0 && c.reg[sig->timeout] > 0)
        deadline = deadline_after(c.reg[sig->timeout]);
    stopwatch watch = {0};
    if (sig->eintr == EINTR_REMAINING && sig->relative >= 0 && c.reg[sig->relative] != 0)
        watch = (stopwatch){nanoseconds_on(CLOCK_MONOTONIC), m.cells[sig->relative].timespec};
    uint64_t submitted = sig->result == RESULT_ENDED ? requests_submitted(state) : 0;
    long result;
    for (;;) {
        PyThreadState *thread = may_wait(sig, &c) ? gil_release() : NULL;
        result = enter_kernel(sig, &c);
        gil_take(thread);
        result = understood(sig, &c, &m, result);
        if (__builtin_expect(!syscall_failed(result), 1)) {
            if (can_grow(sig)) {
                if (grow(sig, &c, &m, result))
                    continue;
                if (PyErr_Occurred())
                    goto fail;
            }
            break;
        }
        if (sig->result == RESULT_OWNER && is_owner(c.reg[0], result))
            break;
        if (result == -EINTR && sig->eintr == EINTR_DONE) {
            if (PyErr_CheckSignals() < 0)
                goto fail;
            result = 0;
            break;
        }
        if (grow(sig, &c, &m, result) || do_without_address(sig, &c, &m, result)
            || do_without_flag(sig, &c, &m, result))
            continue;
        if (result != -EINTR || !prepare_repeat(sig, &c, &m, deadline, &watch)) {
            if (!PyErr_Occurred())
                raise_for(sig, &c, result);
            if (changes_mappings(sig))
                mappings_end(sig, &c, result);
            goto fail;
        }
    }
    if (sig->keeps == KEEPS_BUFFERS && !ring_hold(c.reg[0], c.reg[1], &m.iovec))
        goto fail;
    if (sig->keeps == KEEPS_NO_MORE && !ring_release(c.reg[0], c.reg[1]))
        goto fail;
    settle_requests(state, sig, &c, &m, result, submitted);
    if (changes_mappings(sig) && !mappings_end(sig, &c, result))
        goto fail;
    PyObject *object = build_result(state, sig, &c, &m, result);
    if (__builtin_expect(object == NULL, 0))
        close_unreturned(sig, &m, result);
    release(state, sig, &c, &m);
    return object;

fail:
    release(state, sig, &c, &m);
    return NULL;
}

#endif
