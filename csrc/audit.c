/* Where CPython keeps its audit hooks.
 *
 * No public function tells whether there are any. The place of both lists is known for the release of CPython
 * whose headers this is compiled with; another one may have them elsewhere, and is asked by PySys_Audit. */
#define Py_BUILD_CORE_MODULE 1
#include "audit.h"

#include <internal/pycore_interp.h>
#include <internal/pycore_runtime.h>

void
find_audit_hooks(module_state *state)
{
    /* Stands for hooks that may be there. */
    static const void *const unknown = &unknown;
    state->global_hooks = &unknown;
    state->own_hooks = (PyObject *const *)&unknown;
#ifndef WITH_DTRACE
    if (Py_Version != PY_VERSION_HEX)
        return;
    state->own_hooks = &PyInterpreterState_Get()->audit_hooks;
#if PY_VERSION_HEX >= 0x030C0000
    state->global_hooks = (const void *const *)&_PyRuntime.audit_hooks.head;
#else
    state->global_hooks = (const void *const *)&_PyRuntime.audit_hook_head;
#endif
#endif
}
