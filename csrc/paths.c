/* Many paths at once, as the kernel takes them. */
#include "paths.h"

#include "convert.h"
#include "errors.h"

bool
paths_take(module_state *state, const signature *sig, int i, PyObject *value, paths *p)
{
    *p = (paths){0};
    /* A str is an iterable of str, but never what is meant. */
    if (PyUnicode_Check(value) || PyObject_CheckBuffer(value)
        || !(Py_TYPE(value)->tp_iter || PySequence_Check(value)))
        return refuse_type(sig, i, value);
    p->given = PySequence_Tuple(value);
    p->held = PyList_New(0);
    if (p->given == NULL || p->held == NULL)
        return false;
    p->count = (size_t)PyTuple_GET_SIZE(p->given);
    p->texts = PyMem_New(const char *, p->count);
    if (p->texts == NULL) {
        PyErr_NoMemory();
        return false;
    }
    /* For errors, each item is an argument of its own. */
    char name[64];
    const signature one = {.name = sig->name,
                           .args = {{.name = name, .expected = "a str, bytes or os.PathLike"}}};
    for (size_t k = 0; k < p->count; k++) {
        PyObject *item = PyTuple_GET_ITEM(p->given, (Py_ssize_t)k);
        p->texts[k] = path_in_place(item);
        if (p->texts[k] != NULL)
            continue;
        PyOS_snprintf(name, sizeof(name), "%s[%zu]", sig->args[i].name, k);
        PyObject *text = convert_path(state, &one, 0, item);
        if (text == NULL || PyList_Append(p->held, text) < 0) {
            Py_XDECREF(text);
            return false;
        }
        p->texts[k] = PyBytes_AS_STRING(text);
        Py_DECREF(text);
    }
    return true;
}

void
paths_give_back(paths *p)
{
    Py_CLEAR(p->given);
    Py_CLEAR(p->held);
    PyMem_Free(p->texts);
    p->texts = NULL;
}

PyObject *
paths_list(const paths *p)
{
    PyObject *list = PyList_New((Py_ssize_t)p->count);
    if (list != NULL)
        PyObject_GC_UnTrack(list);
    return list;
}

PyObject *
paths_list_done(PyObject *list, bool full)
{
    if (!full)
        Py_CLEAR(list);
    if (list != NULL)
        PyObject_GC_Track(list);
    return list;
}

PyObject *
paths_error(const signature *sig, const paths *p, size_t k, long result)
{
    raise_errno(sig, result, PyTuple_GET_ITEM(p->given, (Py_ssize_t)k), NULL);
    return PyErr_ExceptionMatches(PyExc_OSError) ? take_exception() : NULL;
}
