/* The loop that makes the calls of a batch, without the GIL. */
#include "recorder.h"

#include <errno.h>

#include "syscall_arch.h"

enum {
    CALLS_BETWEEN_LOOKS = 32, /* at the clock */
    SIGNALS_EVERY = 20000000, /* ns between two looks at signals */
};

typedef struct {
    size_t sets; /* to be run */
    size_t set, call;
    bool again; /* the call was begun before */
    timing timing;
    int64_t look; /* when to look for signals */
} cursor;

enum pause {
    PAUSE_END,
    PAUSE_SIGNALS,
    PAUSE_CALL, /* `operation_attend` wants to see the call */
};

/* Puts results of earlier calls into the registers of this one. */
static bool
link_arguments(recorder *b, const recipe *r, step *set, step *s)
{
    for (int k = 0; k < r->count; k++) {
        binding *bound = &r->bindings[k];
        if (bound->source == FROM_INPUT)
            continue;
        const step *from = &set[bound->from];
        s->culprit = bound;
        s->status = LACKS_RESULT;
        if (from->status != MADE || syscall_failed(from->op.result))
            return false;
        long number = bound->source == FROM_REGISTER
                          ? from->op.result
                          : operation_cell(b->recipes[bound->from].sig, &from->op, bound->cell, bound->item);
        const argument *a = &r->sig->args[bound->argument];
        s->status = MISFITS;
        if (a->kind != KIND_WORD && (number < a->min || number > a->max))
            return false;
        s->op.c.reg[bound->argument] = number;
    }
    s->status = NOT_MADE;
    return true;
}

/* Where to go on after a call: `failed` if it failed. */
static void
move_on(const recorder *b, cursor *at, bool failed)
{
    at->again = false;
    uint32_t group = b->recipes[at->call].group;
    at->call++;
    if (failed && b->on_error == ON_ERROR_STOP) {
        at->sets = at->set;
        at->call = 0;
        return;
    }
    if (failed && b->on_error == ON_ERROR_SKIP) {
        if (group == 0)
            at->call = b->count;
        while (at->call < b->count && b->recipes[at->call].group == group)
            at->call++;
    }
    if (at->call == b->count) {
        at->set++;
        at->call = 0;
    }
}

/* Makes calls one after the other, up to one that fails or needs more than its registers; tells how many
 * succeeded. Between two system calls each instruction counts. */
static size_t
make_bare_calls(const recipe *r, step *s, size_t most)
{
    size_t k = 0;
    for (; k < most && __builtin_expect(r[k].is_bare, 1); k++) {
        const long *reg = s[k].op.c.reg;
        long result = syscall6(r[k].sig->nr, reg[0], reg[1], reg[2], reg[3], reg[4], reg[5]);
        s[k].op.result = result;
        s[k].status = MADE;
        if (__builtin_expect(syscall_failed(result), 0))
            break;
    }
    return k;
}

/* Makes one call, or prepares it and leaves it to the calling loop. */
static enum pause
make_call(recorder *b, cursor *at, step *set)
{
    const recipe *r = &b->recipes[at->call];
    step *s = &set[at->call];
    /* A bare call that was made already has failed. */
    if (s->status != MADE) {
        if (!at->again) {
            if (r->count != 0 && !link_arguments(b, r, set, s)) {
                move_on(b, at, true);
                return PAUSE_END;
            }
            if (r->traits & IS_TIMED)
                at->timing = operation_begin(r->sig, &s->op);
        }
        s->op.result = operation_enter(r->sig, &s->op);
    }
    s->status = NOT_MADE;
    if (operation_needs_attention(r->sig, r->traits, &s->op))
        return PAUSE_CALL;
    s->status = MADE;
    move_on(b, at, syscall_failed(s->op.result));
    return PAUSE_END;
}

static enum pause
make_calls(recorder *b, cursor *at)
{
    size_t made = 0;
    while (at->set < at->sets) {
        step *set = set_of(b, at->set);
        if (!at->again) {
            size_t left = b->count - at->call;
            size_t most = left < CALLS_BETWEEN_LOOKS ? left : CALLS_BETWEEN_LOOKS;
            size_t bare = make_bare_calls(&b->recipes[at->call], &set[at->call], most);
            made += bare;
            at->call += bare;
        }
        if (at->call == b->count) {
            at->set++;
            at->call = 0;
        }
        else if (made < CALLS_BETWEEN_LOOKS) {
            made++;
            if (make_call(b, at, set) == PAUSE_CALL)
                return PAUSE_CALL;
        }
        if (made >= CALLS_BETWEEN_LOOKS) {
            made = 0;
            if (nanoseconds_on(CLOCK_MONOTONIC) >= at->look)
                return PAUSE_SIGNALS;
        }
    }
    return PAUSE_END;
}

bool
sets_run(recorder *b, size_t sets)
{
    cursor at = {.sets = sets};
    for (;;) {
        at.look = nanoseconds_on(CLOCK_MONOTONIC) + SIGNALS_EVERY;
        PyThreadState *thread = PyEval_SaveThread();
        enum pause pause = make_calls(b, &at);
        PyEval_RestoreThread(thread);
        if (pause == PAUSE_END)
            return true;
        if (pause == PAUSE_SIGNALS) {
            if (PyErr_CheckSignals() < 0)
                return false;
            continue;
        }
        step *s = &set_of(b, at.set)[at.call];
        enum outcome outcome = operation_attend(b->recipes[at.call].sig, &s->op, &at.timing);
        at.again = outcome == OUTCOME_AGAIN;
        if (at.again)
            continue;
        s->status = MADE;
        if (outcome == OUTCOME_RAISED)
            return false;
        move_on(b, &at, syscall_failed(s->op.result));
    }
}
