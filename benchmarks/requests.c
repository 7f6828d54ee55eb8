/* What valgrind's callgrind is asked for from within: start counting anew, write down the count. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <valgrind/callgrind.h>

static PyObject *
zero(PyObject *self, PyObject *unused)
{
    (void)self, (void)unused;
    CALLGRIND_ZERO_STATS;
    Py_RETURN_NONE;
}

static PyObject *
dump(PyObject *self, PyObject *unused)
{
    (void)self, (void)unused;
    CALLGRIND_DUMP_STATS;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"zero", zero, METH_NOARGS, NULL},
    {"dump", dump, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "pysyscall_requests", .m_size = -1,
                                        .m_methods = methods};

PyMODINIT_FUNC
PyInit_pysyscall_requests(void)
{
    return PyModule_Create(&definition);
}
