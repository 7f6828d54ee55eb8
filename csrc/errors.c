/* Everything that goes wrong: arguments refused by name, and errno as OSError. */
#include "errors.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* The name of an argument, or of the place inside it. */
static PyObject *
name_of(const signature *sig, int i)
{
    const place *at = sig->place;
    PyObject *name = PyUnicode_FromString(sig->args[i].name);
    if (at == NULL)
        return name;
    const char *parts[] = {NULL, at->part, at->field};
    const long items[] = {at->message, at->control, at->item};
    for (int k = 0; name != NULL && k < 3; k++) {
        if (parts[k] != NULL)
            Py_SETREF(name, PyUnicode_FromFormat("%U.%s", name, parts[k]));
        if (name != NULL && items[k] >= 0)
            Py_SETREF(name, PyUnicode_FromFormat("%U[%ld]", name, items[k]));
    }
    return name;
}

bool
refuse(const signature *sig, int i, PyObject *exception, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    PyObject *text = PyUnicode_FromFormatV(format, arguments);
    va_end(arguments);
    PyObject *name = text != NULL ? name_of(sig, i) : NULL;
    if (name != NULL)
        PyErr_Format(exception, "%s() argument '%U' %U", sig->name, name, text);
    Py_XDECREF(name);
    Py_XDECREF(text);
    return false;
}

bool
refuse_type(const signature *sig, int i, PyObject *value)
{
    const char *none = sig->args[i].nullable ? " or None" : "";
    return refuse(sig, i, PyExc_TypeError, "must be %s%s, not %s", sig->args[i].expected, none,
                  value == Py_None ? "None" : Py_TYPE(value)->tp_name);
}

void
raise_errno(const signature *sig, long result, PyObject *path, PyObject *second_path)
{
    bool explained = sig->explanation != NULL && result == -sig->explained;
    if (result == -ENOSYS || explained) {
        PyObject *text = explained
                             ? PyUnicode_FromFormat("%s: %s", strerror(sig->explained), sig->explanation)
                             : PyUnicode_FromFormat("%s: %s() is in Linux since %s, or a filter forbids it",
                                                    strerror(ENOSYS), sig->name, sig->since);
        PyObject *pair = text != NULL ? Py_BuildValue("iN", (int)-result, text) : NULL;
        if (pair != NULL) {
            PyErr_SetObject(PyExc_OSError, pair);
            Py_DECREF(pair);
        }
        return;
    }
    errno = (int)-result;
    PyErr_SetFromErrnoWithFilenameObjects(PyExc_OSError, path, second_path);
}

static int
find_parameter(const signature *sig, PyObject *keyword)
{
    for (int i = 0, position = 0; i < sig->count; i++) {
        if (sig->args[i].name == NULL)
            continue;
        if (PyUnicode_CompareWithASCIIString(keyword, sig->args[i].name) == 0)
            return position;
        position++;
    }
    return -1;
}

int
parameter_at(const signature *sig, int position)
{
    for (int i = 0; i < sig->count; i++)
        if (sig->args[i].name != NULL && position-- == 0)
            return i;
    Py_UNREACHABLE();
}

bool
bind_arguments(const signature *sig, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
               PyObject **bound)
{
    if (nargs > sig->parameters) {
        PyErr_Format(PyExc_TypeError, "%s takes at most %d arguments (%zd given)", sig->text, sig->parameters,
                     nargs);
        return false;
    }
    for (int i = 0; i < MAX_ARGUMENTS; i++)
        bound[i] = i < nargs ? args[i] : NULL;
    Py_ssize_t keywords = kwnames != NULL ? PyTuple_GET_SIZE(kwnames) : 0;
    for (Py_ssize_t k = 0; k < keywords; k++) {
        PyObject *keyword = PyTuple_GET_ITEM(kwnames, k);
        int position = find_parameter(sig, keyword);
        if (position < 0) {
            PyErr_Format(PyExc_TypeError, "%s has no argument '%U'", sig->text, keyword);
            return false;
        }
        if (bound[position] != NULL) {
            PyErr_Format(PyExc_TypeError, "%s got argument '%U' twice", sig->text, keyword);
            return false;
        }
        bound[position] = args[nargs + k];
    }
    for (int position = 0; position < sig->required; position++) {
        if (bound[position] == NULL) {
            PyErr_Format(PyExc_TypeError, "%s lacks argument '%s'", sig->text,
                         sig->args[parameter_at(sig, position)].name);
            return false;
        }
    }
    return true;
}

PyObject *
take_exception(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (value != NULL && traceback != NULL)
        PyException_SetTraceback(value, traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
#endif
}

void
raise_exception(PyObject *exception)
{
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(exception);
#else
    PyErr_Restore(Py_NewRef(Py_TYPE(exception)), exception, PyException_GetTraceback(exception));
#endif
}
