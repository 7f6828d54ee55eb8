/* WaitStatus: the int that tells how a child ended, stopped or went on, with names for its parts. */
#ifndef PYSYSCALL_WAITSTATUS_H
#define PYSYSCALL_WAITSTATUS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* The type, a new reference; NULL with an exception. */
PyTypeObject *wait_status_type(PyObject *module);

/* A new object of the type. */
static inline PyObject *
wait_status_new(PyTypeObject *type, int status)
{
    PyObject *number = PyLong_FromLong(status);
    PyObject *object = number != NULL ? PyObject_CallOneArg((PyObject *)type, number) : NULL;
    Py_XDECREF(number);
    return object;
}

#endif
