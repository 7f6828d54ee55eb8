/* Finds the command that a family's arguments name, and makes the call as that command's signature says. */
#include "family.h"

#include <asm/ioctl.h>

#include "convert.h"
#include "errors.h"
#include "interpreter.h"

PyObject *
family_argument(const family *f, int position, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    if (position < nargs)
        return args[position];
    if (kwnames == NULL)
        return NULL;
    const char *name = f->general->args[parameter_at(f->general, position)].name;
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(kwnames); k++)
        if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, k), name) == 0)
            return args[nargs + k];
    return NULL;
}

/* The number that `value` is; false without an exception where it is none or too large. */
static bool
number_of(PyObject *value, long *number)
{
    if (value == NULL || !PyLong_Check(value))
        return false;
    int overflow;
    *number = PyLong_AsLongAndOverflow(value, &overflow);
    return overflow == 0;
}

/* The command; NULL where the table doesn't know it. */
static const family_command *
find(const family *f, long choice, PyObject *second)
{
    for (int k = 0; k < f->flags; k++)
        if (choice & f->commands[k].value)
            return &f->commands[k];
    long wanted = (choice & ~f->ignored_bits) >> f->shift;
    int low = f->flags, high = f->count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (f->commands[middle].value < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < f->count && f->commands[low].value == wanted; low++) {
        const family_command *command = &f->commands[low];
        long number;
        if (!command->has_second || (number_of(second, &number) && command->second == number))
            return command;
    }
    return NULL;
}

/* Whether a buffer is as long as the unknown request says that the kernel reads or writes. */
static bool
request_fits(const family *f, long request, PyObject *value)
{
    size_t size = _IOC_DIR((unsigned long)request) != _IOC_NONE ? _IOC_SIZE((unsigned long)request) : 0;
    Py_buffer view;
    if (value == NULL || size == 0 || PyIndex_Check(value) || !PyObject_CheckBuffer(value))
        return true;
    if (PyObject_GetBuffer(value, &view, PyBUF_SIMPLE) < 0)
        return false;
    size_t length = (size_t)view.len;
    PyBuffer_Release(&view);
    if (length >= size)
        return true;
    return refuse(f->general, parameter_at(f->general, f->decided), PyExc_ValueError,
                  "must have the %zu bytes that the request moves, not %zu", size, length);
}

/* The command that the arguments name, or NULL where the table doesn't know it; false with an exception. */
static bool
choose(const family *f, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
       const family_command **command)
{
    PyObject *second = family_argument(f, f->decided, args, nargs, kwnames);
    PyObject *index = family_argument(f, f->selector, args, nargs, kwnames);
    long choice;
    *command = NULL;
    if (number_of(index, &choice)) {
        *command = find(f, choice, second);
        if (*command == NULL && f->sized_requests && !request_fits(f, choice, second))
            return false;
    }
    else if (index != NULL && !PyLong_Check(index) && PyIndex_Check(index)) {
        /* A second look at it may give another number: the one that chose the command must also be the one given. */
        PyErr_Format(PyExc_TypeError, "%s: the command must be an int, not %s", f->general->text,
                     Py_TYPE(index)->tp_name);
        return false;
    }
    return true;
}

/* The signature of a command, or of those that the table doesn't know; NULL with ValueError where it is never made. */
static const signature *
signature_of(const family *f, const family_command *command)
{
    const signature *sig = command != NULL ? command->sig : f->general;
    if (sig->refused == NULL)
        return sig;
    PyErr_Format(PyExc_ValueError, "%s: %s", sig->text, sig->refused);
    return NULL;
}

const signature *
family_signature(const family *f, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    const family_command *command;
    if (f->given != NULL) {
        PyErr_Format(PyExc_TypeError,
                     "%s can't be made beforehand, nor be part of a batch; make it by itself",
                     f->general->text);
        return NULL;
    }
    return choose(f, args, nargs, kwnames, &command) ? signature_of(f, command) : NULL;
}

static PyObject *
run_chosen(const family *f, PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    const family_command *command;
    if (!choose(f, args, nargs, kwnames, &command))
        return NULL;
    family_run *run = command != NULL ? command->run : f->run_general;
    if (run != NULL)
        return run(module, args, nargs, kwnames);
    const signature *sig = signature_of(f, command);
    if (sig == NULL)
        return NULL;
    PyObject *bound[MAX_ARGUMENTS];
    if (f->given != NULL && !bind_arguments(sig, args, nargs, NULL, bound))
        return NULL; /* left out, but not by this command */
    return interpret(sig, module, args, nargs, kwnames);
}

/* Two arguments are one to the kernel. */
static PyObject *
run_packed(const family *f, PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *bound[MAX_ARGUMENTS];
    int packed = f->selector + 1, count = f->given->parameters;
    long high, low;
    if (!bind_arguments(f->given, args, nargs, kwnames, bound)
        || !convert_int(f->given, parameter_at(f->given, f->selector), bound[f->selector], &high)
        || !convert_int(f->given, parameter_at(f->given, packed), bound[packed], &low))
        return NULL;
    PyObject *both = PyLong_FromLong(high << f->shift | low);
    if (both == NULL)
        return NULL;
    bound[f->selector] = both;
    for (int k = packed; k + 1 < count; k++)
        bound[k] = bound[k + 1];
    for (count--; count > 0 && bound[count - 1] == NULL;)
        count--;
    PyObject *result = run_chosen(f, module, bound, count, NULL);
    Py_DECREF(both);
    return result;
}

PyObject *
run_family(const family *f, PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return f->given != NULL ? run_packed(f, module, args, nargs, kwnames)
                            : run_chosen(f, module, args, nargs, kwnames);
}
