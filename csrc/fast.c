/* The module pysyscall._fast: every fast call, each an instance of the trampoline. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "actions.h"
#include "audit.h"
#include "batch.h"
#include "bulk.h"
#include "enter.h"
#include "facts.h"
#include "family.h"
#include "interpreter.h"
#include "mapping.h"
#include "processes.h"
#include "spawn.h"
#include "trampoline.h"
#include "waitstatus.h"

#ifdef PYSYSCALL_INTERPRET
/* A quick build: one instance of the engine serves all calls. */
#define run_call interpret
#else
#define run_call trampoline
#endif

#include "generated/calls.inc"

/* Of each call: the method of a batch that records it, and its place in the table. */
#define RECORD(name, sig, family)                                                                            \
    static PyObject *record_##name(PyObject *batch, PyObject *const *args, Py_ssize_t n, PyObject *names)    \
    {                                                                                                        \
        return record_call(batch, sig, family, args, n, names);                                              \
    }
#define CALL(name)   RECORD(name, &sig_##name, NULL)
#define FAMILY(name) RECORD(name, NULL, &family_##name)
#include "generated/entries.inc"
#undef CALL
#undef FAMILY

const call_entry call_table[] = {
#define CALL(name)   {#name, &sig_##name, NULL},
#define FAMILY(name) {#name, NULL, &family_##name},
#include "generated/entries.inc"
    {NULL, NULL, NULL},
};

PyMethodDef record_methods[] = {
#define METHOD(name, doc)                                                                                    \
    {#name, (PyCFunction)(void (*)(void))record_##name, METH_FASTCALL | METH_KEYWORDS, doc},
#include "generated/methods.inc"
#undef METHOD
    {NULL, NULL, 0, NULL},
};

static PyObject *
vfork_exec(PyObject *m, PyObject *const *args, Py_ssize_t n, PyObject *names)
{
    return spawn(&sig_execve, m, args, n, names);
}

static PyObject *
switch_vdso(PyObject *Py_UNUSED(module), PyObject *on)
{
    int enable = PyObject_IsTrue(on);
    if (enable < 0)
        return NULL;
    vdso_enable(enable);
    Py_RETURN_NONE;
}

/* The module's __getattr__: structs and batches, whose types are made when they are first asked for. */
static PyObject *
get_struct(PyObject *module, PyObject *name)
{
    if (!PyUnicode_Check(name))
        return PyErr_Format(PyExc_TypeError, "attribute name must be a str, not %s", Py_TYPE(name)->tp_name);
    PyTypeObject *type = struct_type_named(state_of(module), name);
    if (type == NULL && !PyErr_Occurred())
        type = batch_type_named(state_of(module), name);
    if (type == NULL) {
        if (!PyErr_Occurred())
            PyErr_Format(PyExc_AttributeError, "module 'pysyscall._fast' has no attribute '%U'", name);
        return NULL;
    }
    return Py_NewRef(type);
}

static PyMethodDef fast_methods[] = {
#define METHOD(name, doc)                                                                                    \
    {#name, (PyCFunction)(void (*)(void))call_##name, METH_FASTCALL | METH_KEYWORDS, doc},
#include "generated/methods.inc"
    {"prepare", (PyCFunction)(void (*)(void))prepare_call, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("prepare(call, /, *args, **kwargs)\n--\n\n"
               "The call with these arguments, converted once: an object that makes it when it is called.")},
    {"read_files", (PyCFunction)(void (*)(void))read_files, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("read_files(paths, *, threads=None)\n--\n\nThe contents of many files.")},
    {"stat_many", (PyCFunction)(void (*)(void))stat_many, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("stat_many(paths, mask=2047, *, dirfd=None, flags=0, threads=None)\n--\n\n"
               "What statx says of many files.")},
    {"write_all", (PyCFunction)(void (*)(void))write_all, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("write_all(fd, chunks)\n--\n\nWrite many buffers, all of them.")},
    {"__getattr__", get_struct, METH_O, NULL},
    {"_fork", (PyCFunction)(void (*)(void))make_child, METH_FASTCALL, NULL},
    {"_exit", (PyCFunction)(void (*)(void))end_thread, METH_FASTCALL, NULL},
    {"_vfork_exec", (PyCFunction)(void (*)(void))vfork_exec, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"_siginfo_of", siginfo_of, METH_O,
     PyDoc_STR("_siginfo_of($module, data, /)\n--\n\nThe struct that tells of a signal.")},
    {"_vdso", switch_vdso, METH_O,
     PyDoc_STR("_vdso($module, on, /)\n--\n\nLet clock_gettime and its kin use the vDSO, or make them enter "
               "the kernel.")},
    {NULL, NULL, 0, NULL},
};

const call_alias call_aliases[] = {
#include "generated/aliases.inc"
    {NULL, NULL},
};

static int
fast_exec(PyObject *module)
{
    module_state *state = state_of(module);
    state->fileno = PyUnicode_InternFromString("fileno");
    state->fspath = PyUnicode_InternFromString("__fspath__");
    if (state->fileno == NULL || state->fspath == NULL)
        return -1;
    for (unsigned k = 0; k < ENUM_COUNT; k++)
        if ((state->members[k] = PyDict_New()) == NULL)
            return -1;
    state->module = module;
    find_audit_hooks(state);
    state->mapping_type = mapping_make_type(module);
    if (state->mapping_type == NULL || PyModule_AddType(module, state->mapping_type) < 0)
        return -1;
    state->wait_status = wait_status_type(module);
    if (state->wait_status == NULL || PyModule_AddType(module, state->wait_status) < 0)
        return -1;
    state->status_zero = wait_status_new(state->wait_status, 0);
    if (state->status_zero == NULL)
        return -1;
    vdso_enable(true);
    find_facts(module);
    find_thread_record();
    if (PyModule_AddFunctions(module, action_methods) < 0 || PyModule_AddFunctions(module, enter_methods) < 0)
        return -1;
    for (size_t k = 0; call_aliases[k].name != NULL; k++) {
        PyObject *target = PyObject_GetAttrString(module, call_aliases[k].target);
        int failed = target == NULL || PyModule_AddObjectRef(module, call_aliases[k].name, target) < 0;
        Py_XDECREF(target);
        if (failed)
            return -1;
    }
    return 0;
}

static int
fast_traverse(PyObject *module, visitproc visit, void *arg)
{
    const module_state *state = state_of(module);
    Py_VISIT(state->mapping_type);
    for (unsigned k = 0; k < STRUCT_COUNT; k++)
        Py_VISIT(state->struct_types[k]);
    for (int k = 0; k < BATCH_TYPES; k++)
        Py_VISIT(state->batch_types[k]);
    for (unsigned k = 0; k < ENUM_COUNT; k++)
        Py_VISIT(state->members[k]);
    Py_VISIT(state->wait_status);
    /* It refers to its type, which the collector can't see, as ints aren't its own. */
    if (state->status_zero != NULL && Py_REFCNT(state->status_zero) == 1)
        Py_VISIT(Py_TYPE(state->status_zero));
    Py_VISIT(state->signals);
    Py_VISIT(state->message);
    Py_VISIT(state->control_message);
    Py_VISIT(state->msgbuf);
    return 0;
}

static int
fast_clear(PyObject *module)
{
    module_state *state = state_of(module);
    Py_CLEAR(state->mapping_type);
    for (unsigned k = 0; k < STRUCT_COUNT; k++)
        Py_CLEAR(state->struct_types[k]);
    for (int k = 0; k < BATCH_TYPES; k++)
        Py_CLEAR(state->batch_types[k]);
    for (unsigned k = 0; k < ENUM_COUNT; k++) {
        state->latest[k].member = NULL;
        Py_CLEAR(state->members[k]);
    }
    Py_CLEAR(state->wait_status);
    Py_CLEAR(state->status_zero);
    Py_CLEAR(state->signals);
    Py_CLEAR(state->message);
    Py_CLEAR(state->control_message);
    Py_CLEAR(state->msgbuf);
    return 0;
}

static void
fast_free(void *module)
{
    module_state *state = state_of(module);
    fast_clear(module);
    structs_free_spares(state);
    Py_CLEAR(state->fileno);
    Py_CLEAR(state->fspath);
}

static PyModuleDef_Slot fast_slots[] = {
    {Py_mod_exec, fast_exec},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

struct PyModuleDef fast_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "pysyscall._fast",
    .m_doc =
        PyDoc_STR("The system calls that are made straight from C, and the structs that they take and fill."),
    .m_size = sizeof(module_state),
    .m_methods = fast_methods,
    .m_slots = fast_slots,
    .m_traverse = fast_traverse,
    .m_clear = fast_clear,
    .m_free = fast_free,
};

PyMODINIT_FUNC
PyInit__fast(void)
{
    return PyModuleDef_Init(&fast_module);
}
