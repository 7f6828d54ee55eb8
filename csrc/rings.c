/* Buffers that stay registered with an io_uring instance: pysyscall.rings keeps them. */
#include "rings.h"

#include <linux/io_uring.h>

#include "generated/numbers.h"
#include "syscall_arch.h"

static bool
tell(const char *function, long fd, long opcode, PyObject *buffers)
{
    PyObject *rings = PyImport_ImportModule("pysyscall.rings");
    PyObject *result = NULL;
    if (rings != NULL)
        result = buffers != NULL ? PyObject_CallMethod(rings, function, "llO", fd, opcode, buffers)
                                 : PyObject_CallMethod(rings, function, "ll", fd, opcode);
    Py_XDECREF(rings);
    Py_XDECREF(result);
    return result != NULL;
}

bool
ring_hold(long fd, long opcode, const vector *buffers)
{
    PyObject *list = PyList_New(buffers->count);
    for (Py_ssize_t k = 0; list != NULL && k < buffers->count; k++) {
        PyObject *view = PyMemoryView_FromObject(buffers->views[k].obj);
        if (view == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, k, view);
    }
    bool good = list != NULL && tell("hold", fd, opcode, list);
    if (!good)
        syscall4(NR_io_uring_register, fd, opcode - IORING_REGISTER_BUFFERS + IORING_UNREGISTER_BUFFERS, 0,
                 0);
    Py_XDECREF(list);
    return good;
}

bool
ring_release(long fd, long opcode)
{
    return tell("release", fd, opcode, NULL);
}
