/* Where CPython keeps its audit hooks.
 *
 * No public function tells whether there are any. The place of both lists is known for the release of CPython
 * whose headers this is compiled with; another one may have them elsewhere, and is asked by PySys_Audit. So are
 * those whose headers are unknown, or whose PySys_Audit also tells DTrace. */
#define Py_BUILD_CORE_MODULE 1
#include "audit.h"

#if PY_VERSION_HEX < 0x030E0000 && !defined(WITH_DTRACE) && __has_include(<internal/pycore_interp.h>)
#include <internal/pycore_interp.h>
#include <internal/pycore_runtime.h>
#define KNOWS_HOOKS
#if PY_VERSION_HEX >= 0x030C0000
#define GLOBAL_HOOKS _PyRuntime.audit_hooks.head
#else
#define GLOBAL_HOOKS _PyRuntime.audit_hook_head
#endif
#endif

void
find_audit_hooks(module_state *state)
{
    /* Stands for hooks that may be there. */
    static const void *const unknown = &unknown;
    state->global_hooks = &unknown;
    state->own_hooks = (PyObject *const *)&unknown;
#ifdef KNOWS_HOOKS
    if (Py_Version == PY_VERSION_HEX) {
        state->global_hooks = (const void *const *)&GLOBAL_HOOKS;
        state->own_hooks = &PyInterpreterState_Get()->audit_hooks;
    }
#endif
}
