/* What no wrapper can go below: builtins that make one call with constants, and loops that never leave C.
 *
 * The benchmarks build it when they need it. Python sets the registers before, once; the functions take
 * any arguments and look at none, so that the interpreter's part is that of the call they are compared to. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <dlfcn.h>
#include <stdbool.h>

#include "syscall_arch.h"

static struct {
    long nr;
    long reg[6];
} the;
static long (*the_vdso)(long, long, long);

static long
enter(void)
{
    return syscall6(the.nr, the.reg[0], the.reg[1], the.reg[2], the.reg[3], the.reg[4], the.reg[5]);
}

/* The door of 32-bit programs, with their numbers and their registers. */
static long
enter_int80(long nr)
{
    long result;
    __asm__ volatile("push %%rbp\n\tmov %[last], %%rbp\n\tint $0x80\n\tpop %%rbp"
                     : "=a"(result)
                     : "a"(nr), "b"(the.reg[0]), "c"(the.reg[1]), "d"(the.reg[2]), "S"(the.reg[3]),
                       "D"(the.reg[4]), [last] "r"(the.reg[5])
                     : "memory", "r8", "r9", "r10", "r11");
    return (int)result;
}

static PyObject *
set_call(PyObject *self, PyObject *args)
{
    (void)self;
    if (!PyArg_ParseTuple(args, "lllllll", &the.nr, &the.reg[0], &the.reg[1], &the.reg[2], &the.reg[3],
                          &the.reg[4], &the.reg[5]))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
set_vdso(PyObject *self, PyObject *args)
{
    const char *name;
    (void)self;
    if (!PyArg_ParseTuple(args, "s", &name))
        return NULL;
    void *library = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD);
    the_vdso = library != NULL ? (long (*)(long, long, long))dlsym(library, name) : NULL;
    return PyBool_FromLong(the_vdso != NULL);
}

static PyObject *
once(PyObject *self, PyObject *unused)
{
    (void)self, (void)unused;
    return PyLong_FromLong(enter());
}

static PyObject *
once_int80(PyObject *self, PyObject *nr)
{
    (void)self;
    return PyLong_FromLong(enter_int80(PyLong_AsLong(nr)));
}

static PyObject *
nothing(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    (void)self, (void)args, (void)nargs;
    Py_RETURN_NONE;
}

static PyObject *
held(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    (void)self, (void)args, (void)nargs;
    enter();
    Py_RETURN_NONE;
}

static PyObject *
released(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    (void)self, (void)args, (void)nargs;
    PyThreadState *thread = PyEval_SaveThread();
    enter();
    PyEval_RestoreThread(thread);
    Py_RETURN_NONE;
}

static PyObject *
vdso(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    (void)self, (void)args, (void)nargs;
    the_vdso(the.reg[0], the.reg[1], the.reg[2]);
    Py_RETURN_NONE;
}

/* What the results made below are like. */
static PyObject *example;

static PyObject *
set_example(PyObject *self, PyObject *object)
{
    (void)self;
    Py_XSETREF(example, Py_NewRef(object));
    Py_RETURN_NONE;
}

/* The cheapest object of that kind: bytes as they come, containers of the same items. */
static PyObject *
like(PyObject *object)
{
    if (PyBytes_CheckExact(object))
        return PyBytes_FromStringAndSize(NULL, PyBytes_GET_SIZE(object));
    if (PyAnySet_CheckExact(object))
        return PySet_New(object);
    bool is_tuple = PyTuple_CheckExact(object);
    if (!is_tuple && !PyList_CheckExact(object))
        return Py_NewRef(object);
    Py_ssize_t count = is_tuple ? PyTuple_GET_SIZE(object) : PyList_GET_SIZE(object);
    PyObject *made = is_tuple ? PyTuple_New(count) : PyList_New(count);
    for (Py_ssize_t k = 0; made != NULL && k < count; k++) {
        PyObject *item = like(is_tuple ? PyTuple_GET_ITEM(object, k) : PyList_GET_ITEM(object, k));
        if (item == NULL)
            Py_CLEAR(made);
        else if (is_tuple)
            PyTuple_SET_ITEM(made, k, item);
        else
            PyList_SET_ITEM(made, k, item);
    }
    return made;
}

static PyObject *
held_made(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    (void)self, (void)args, (void)nargs;
    long result = enter();
    return PyLong_CheckExact(example) ? PyLong_FromLong(result) : like(example);
}

static PyObject *
vdso_made(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    (void)self, (void)args, (void)nargs;
    the_vdso(the.reg[0], the.reg[1], the.reg[2]);
    return like(example);
}

static PyObject *
loop(PyObject *self, PyObject *count)
{
    (void)self;
    for (long n = PyLong_AsLong(count); n > 0; n--)
        enter();
    Py_RETURN_NONE;
}

static PyObject *
loop_vdso(PyObject *self, PyObject *count)
{
    (void)self;
    for (long n = PyLong_AsLong(count); n > 0; n--)
        the_vdso(the.reg[0], the.reg[1], the.reg[2]);
    Py_RETURN_NONE;
}

static PyObject *
loop_int80(PyObject *self, PyObject *args)
{
    long count, nr;
    (void)self;
    if (!PyArg_ParseTuple(args, "ll", &count, &nr))
        return NULL;
    for (; count > 0; count--)
        enter_int80(nr);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"set_call", set_call, METH_VARARGS, NULL},
    {"set_vdso", set_vdso, METH_VARARGS, NULL},
    {"set_example", set_example, METH_O, NULL},
    {"once", once, METH_NOARGS, NULL},
    {"once_int80", once_int80, METH_O, NULL},
    {"nothing", (PyCFunction)(void (*)(void))nothing, METH_FASTCALL, NULL},
    {"held", (PyCFunction)(void (*)(void))held, METH_FASTCALL, NULL},
    {"released", (PyCFunction)(void (*)(void))released, METH_FASTCALL, NULL},
    {"vdso", (PyCFunction)(void (*)(void))vdso, METH_FASTCALL, NULL},
    {"held_made", (PyCFunction)(void (*)(void))held_made, METH_FASTCALL, NULL},
    {"vdso_made", (PyCFunction)(void (*)(void))vdso_made, METH_FASTCALL, NULL},
    {"loop", loop, METH_O, NULL},
    {"loop_vdso", loop_vdso, METH_O, NULL},
    {"loop_int80", loop_int80, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "pysyscall_floor", .m_size = -1,
                                        .m_methods = methods};

PyMODINIT_FUNC
PyInit_pysyscall_floor(void)
{
    return PyModule_Create(&definition);
}
