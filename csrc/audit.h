/* sys.audit("pysyscall.call", name, args) for each call, where an audit hook is installed. */
#ifndef PYSYSCALL_AUDIT_H
#define PYSYSCALL_AUDIT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "call.h"
#include "state.h"

/* Lets `state` see the hooks of its interpreter. */
void find_audit_hooks(module_state *state);

/* Whether anyone listens. PySys_Audit finds that out as well, but takes longer for it than a short call may. */
ALWAYS_INLINE bool
is_audited(const module_state *state)
{
    return __builtin_expect(*state->own_hooks != NULL || *state->global_hooks != NULL, 0);
}

/* Tells them of the call; false where one of them raised. */
ALWAYS_INLINE bool
audit(const signature *sig, PyObject *const *args, Py_ssize_t given)
{
#define ARG(k) (k < given && args[k] != NULL ? args[k] : Py_None)
    switch (sig->parameters + sig->options) {
    case 0: return PySys_Audit("pysyscall.call", "s()", sig->name) == 0;
    case 1: return PySys_Audit("pysyscall.call", "s(O)", sig->name, ARG(0)) == 0;
    case 2: return PySys_Audit("pysyscall.call", "s(OO)", sig->name, ARG(0), ARG(1)) == 0;
    case 3: return PySys_Audit("pysyscall.call", "s(OOO)", sig->name, ARG(0), ARG(1), ARG(2)) == 0;
    case 4: return PySys_Audit("pysyscall.call", "s(OOOO)", sig->name, ARG(0), ARG(1), ARG(2), ARG(3)) == 0;
    case 5:
        return PySys_Audit("pysyscall.call", "s(OOOOO)", sig->name, ARG(0), ARG(1), ARG(2), ARG(3), ARG(4))
               == 0;
    default:
        return PySys_Audit("pysyscall.call", "s(OOOOOO)", sig->name, ARG(0), ARG(1), ARG(2), ARG(3), ARG(4),
                           ARG(5))
               == 0;
    }
#undef ARG
}

#endif
