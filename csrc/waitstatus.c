/* WaitStatus: the int that tells how a child ended, stopped or went on, with names for its parts. */
#include "waitstatus.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>

enum part { EXITED, SIGNALED, STOPPED, CONTINUED, EXIT_CODE, TERM_SIGNAL, STOP_SIGNAL, CORE_DUMPED };

static int
status_of(PyObject *self)
{
    return (int)PyLong_AsUnsignedLongMask(self);
}

/* One part; those that the status doesn't tell are None. */
static PyObject *
get_part(PyObject *self, void *part)
{
    int status = status_of(self);
    int number = -1;
    switch ((enum part)(intptr_t)part) {
    case EXITED: return PyBool_FromLong(WIFEXITED(status));
    case SIGNALED: return PyBool_FromLong(WIFSIGNALED(status));
    case STOPPED: return PyBool_FromLong(WIFSTOPPED(status));
    case CONTINUED: return PyBool_FromLong(WIFCONTINUED(status));
    case CORE_DUMPED: return PyBool_FromLong(WIFSIGNALED(status) && WCOREDUMP(status));
    case EXIT_CODE: number = WIFEXITED(status) ? WEXITSTATUS(status) : -1; break;
    case TERM_SIGNAL: number = WIFSIGNALED(status) ? WTERMSIG(status) : -1; break;
    case STOP_SIGNAL: number = WIFSTOPPED(status) ? WSTOPSIG(status) : -1; break;
    }
    return number >= 0 ? PyLong_FromLong(number) : Py_NewRef(Py_None);
}

#define PART(name, part, doc) {name, get_part, NULL, PyDoc_STR(doc), (void *)(intptr_t)(part)}

static PyGetSetDef parts[] = {
    PART("exited", EXITED, "Whether the child ended by itself."),
    PART("signaled", SIGNALED, "Whether a signal ended the child."),
    PART("stopped", STOPPED, "Whether a signal, or a tracer, stopped the child."),
    PART("continued", CONTINUED, "Whether the child went on after a stop."),
    PART("exit_code", EXIT_CODE, "The exit status, 0 to 255; None where the child did not exit."),
    PART("term_signal", TERM_SIGNAL, "The signal that ended the child, or None."),
    PART("stop_signal", STOP_SIGNAL, "The signal that stopped the child, or None."),
    PART("core_dumped", CORE_DUMPED, "Whether a core file was written."),
    {NULL, NULL, NULL, NULL, NULL},
};

static PyObject *
status_repr(PyObject *self)
{
    int status = status_of(self);
    if (WIFEXITED(status))
        return PyUnicode_FromFormat("<WaitStatus: exit_code=%d>", WEXITSTATUS(status));
    if (WIFSIGNALED(status))
        return PyUnicode_FromFormat("<WaitStatus: term_signal=%d%s>", WTERMSIG(status),
                                    WCOREDUMP(status) ? ", core_dumped" : "");
    if (WIFSTOPPED(status))
        return PyUnicode_FromFormat("<WaitStatus: stop_signal=%d>", WSTOPSIG(status));
    if (WIFCONTINUED(status))
        return PyUnicode_FromString("<WaitStatus: continued>");
    return PyUnicode_FromFormat("<WaitStatus: %d>", status);
}

static bool
int_attribute(PyObject *object, const char *name, int *number)
{
    PyObject *value = PyObject_GetAttrString(object, name);
    if (value == NULL)
        return false;
    *number = (int)PyLong_AsLong(value);
    Py_DECREF(value);
    return !PyErr_Occurred();
}

/* The same news as `wait4` would tell it. */
static PyObject *
from_siginfo(PyObject *type, PyObject *info)
{
    int code, value, status;
    if (!int_attribute(info, "si_code", &code) || !int_attribute(info, "si_status", &value))
        return NULL;
    switch (code) {
    case CLD_EXITED: status = W_EXITCODE(value & 0xff, 0); break;
    case CLD_KILLED: status = W_EXITCODE(0, value & 0x7f); break;
    case CLD_DUMPED: status = W_EXITCODE(0, value & 0x7f) | WCOREFLAG; break;
    case CLD_TRAPPED:
    case CLD_STOPPED: status = W_STOPCODE(value); break;
    case CLD_CONTINUED: status = __W_CONTINUED; break;
    default:
        return PyErr_Format(PyExc_ValueError,
                            "from_siginfo() argument 'info' tells of no child: its si_code is %d", code);
    }
    return wait_status_new((PyTypeObject *)type, status);
}

static PyMethodDef methods[] = {
    {"from_siginfo", from_siginfo, METH_O | METH_CLASS,
     PyDoc_STR("from_siginfo($type, info, /)\n--\n\nThe status that `info`, a SiginfoChild, tells of.\n\n"
               "ValueError where it tells of no child: WNOHANG found nothing.")},
    {NULL, NULL, 0, NULL},
};

PyTypeObject *
wait_status_type(PyObject *module)
{
    PyType_Slot slots[] = {
        {Py_tp_doc, (void *)PyDoc_STR("How a child ended, stopped or went on: the int that `os.WIFEXITED` "
                                      "and its kin take apart, with names for its parts.")},
        {Py_tp_getset, parts},
        {Py_tp_methods, methods},
        {Py_tp_repr, status_repr},
        /* As text it is the number that it is for `os`. */
        {Py_tp_str, PyLong_Type.tp_repr},
        {0, NULL},
    };
    PyType_Spec spec = {
        .name = "pysyscall.WaitStatus",
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
        .slots = slots,
    };
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, (PyObject *)&PyLong_Type);
}
