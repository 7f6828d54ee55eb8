/* What calls do to Mappings: which may begin, and what has become of the memory when they end. */
#ifndef PYSYSCALL_MAPPING_CALLS_H
#define PYSYSCALL_MAPPING_CALLS_H

#include "call.h"
#include "generated/numbers.h"
#include "mapping.h"
#include "state.h"

/* Whether a call makes, takes or changes Mappings, beyond using the memory of one. */
ALWAYS_INLINE bool
changes_mappings(const signature *sig)
{
    switch (sig->nr) {
    case NR_mmap:
    case NR_munmap:
    case NR_mremap:
    case NR_mprotect:
    case NR_pkey_mprotect:
    case NR_madvise:
    case NR_shmat:
    case NR_shmdt:
    case NR_map_shadow_stack: return true;
    default: return false;
    }
}

/* A Mapping, or a tuple of a Mapping and an offset in it, as an address: a new reference to the Mapping, pinned.
 * NULL with an exception or, where `value` is neither, without one. */
PyObject *mapping_address(module_state *state, const signature *sig, int i, PyObject *value, long *address);
void mapping_release(PyObject *mapping);

/* Whether `length` bytes from `address` on lie in a pinned Mapping; else raises for argument `i`. */
bool mapping_covers(const signature *sig, int i, PyObject *mapping, long address, long length);

/* The same for all arguments of a call that are addresses with a length. */
ALWAYS_INLINE bool
uses_of_mappings_fit(const signature *sig, const call *c)
{
    EACH_ARGUMENT (i) {
        if (i < sig->count && sig->args[i].kind == KIND_ADDRESS && sig->args[i].of >= 0 && c->owned[i] != NULL
            && !mapping_covers(sig, i, c->owned[i], c->reg[i], c->reg[sig->args[i].of]))
            return false;
    }
    return true;
}

/* Before the kernel is entered: keeps others off the Mappings that the call changes, and makes a new one in
 * `c->made` that will own what comes; false with an exception. */
bool mappings_begin(module_state *state, const signature *sig, call *c);
/* With the kernel's answer, good or bad: what each Mapping owns from now on. False with an exception where a new
 * one had to be given up. */
bool mappings_end(const signature *sig, call *c, long result);

#endif
