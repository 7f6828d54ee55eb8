/* The engine behind the calls that are described by data alone. */
#include "interpreter.h"

#include "trampoline.h"

PyObject *
interpret(const signature *sig, PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return trampoline(sig, module, args, nargs, kwnames);
}
