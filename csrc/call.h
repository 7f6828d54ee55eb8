/* One call under way: its registers, what it owns, and the memory that the kernel is pointed at. */
#ifndef PYSYSCALL_CALL_H
#define PYSYSCALL_CALL_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <limits.h>

#include "convert.h"
#include "fdsets.h"
#include "messages.h"
#include "siginfo.h"
#include "signature.h"
#include "sockaddr.h"
#include "vectors.h"

#define ALWAYS_INLINE    static inline __attribute__((always_inline))
#define EACH_ARGUMENT(i) _Pragma("GCC unroll 6") for (int i = 0; i < MAX_ARGUMENTS; i++)

/* No list of interfaces is longer than IFCONF_MAX. */
enum { SCRATCH_BYTES = 4096, IFCONF_MAX = 8 << 20 };

/* A tuple for a struct of so few bytes goes onto the stack without an object of it. */
enum { SMALL_STRUCT = 32 };

/* What one call holds while it is under way. No pointer to it is ever taken, but by calls that change Mappings, so
 * all of it lives in registers. */
typedef struct {
    PyObject *given[MAX_ARGUMENTS]; /* borrowed from the caller */
    PyObject *owned[MAX_ARGUMENTS];
    bool viewed[MAX_ARGUMENTS];
    long reg[MAX_ARGUMENTS];
    PyObject *made; /* RESULT_MAPPING: what will be returned */
} call;

/* Memory that the kernel is pointed at. The compiler keeps only the parts that the signature uses. */
typedef struct {
    Py_buffer view[MAX_ARGUMENTS];
    cell cells[MAX_ARGUMENTS];
    vector iovec; /* at most one argument of a call is an iovec, */
    memory heap;  /* ... or an array of unknown size */
    messages messages;
    _Alignas(8) unsigned char scratch[SCRATCH_BYTES];
    _Alignas(8) unsigned char small[MAX_ARGUMENTS][SMALL_STRUCT];
    unsigned char address[SOCKADDR_MAX];
    unsigned char nodes[MAX_ARGUMENTS][NODEMASK_BYTES];
    fdsets sets;
    long submitted; /* of requests: how many the kernel has taken */
} room;

/* The struct io_uring_getevents_arg. */
typedef struct {
    uint64_t mask;
    uint32_t mask_size;
    uint32_t minimum;
    uint64_t timeout;
} waiting;

static inline long
larger(long a, long b)
{
    return a > b ? a : b;
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

/* Whether the call can take long, so that other threads shall run meanwhile. */
ALWAYS_INLINE bool
may_wait(const signature *sig, const call *c)
{
    return sig->blocks && (sig->brief < 0 || c->reg[sig->brief] > sig->brief_most);
}

/* How many pages begin in a length. */
static inline size_t
pages_in(long length)
{
    enum { PAGE = 4096 };
    return (size_t)length / PAGE + ((size_t)length % PAGE != 0);
}

/* Room for `size` bytes that the kernel fills: on the stack while it is small. */
ALWAYS_INLINE unsigned char *
room_for(room *m, size_t size)
{
    if (size <= SCRATCH_BYTES)
        return m->scratch;
    return memory_take(&m->heap, size) ? m->heap.data : NULL;
}

#endif
