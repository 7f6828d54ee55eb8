/* Messages of System V queues: a type, and a text of any length behind it. */
#include "msgbuf.h"

#include "errors.h"

/* The type, which stands before the text. */
static bool
type_from(const signature *sig, int i, PyObject *value, long *type)
{
    if (!PyIndex_Check(value))
        return refuse(sig, i, PyExc_TypeError, "must have an int as type, not %s", Py_TYPE(value)->tp_name);
    PyObject *number = PyNumber_Index(value);
    if (number == NULL)
        return false;
    int overflow;
    *type = PyLong_AsLongAndOverflow(number, &overflow);
    Py_DECREF(number);
    return overflow == 0 || refuse(sig, i, PyExc_OverflowError, "must have a type of 64 bits");
}

bool
msgbuf_from(const signature *sig, int i, PyObject *value, memory *m, long *length)
{
    if (!PyTuple_Check(value))
        return refuse_type(sig, i, value);
    if (PyTuple_GET_SIZE(value) != 2)
        return refuse(sig, i, PyExc_ValueError, "must hold 2 items, a type and a text, not %zd",
                      PyTuple_GET_SIZE(value));
    long type = 0;
    PyObject *text = PyTuple_GET_ITEM(value, 1);
    if (!type_from(sig, i, PyTuple_GET_ITEM(value, 0), &type))
        return false;
    if (!PyObject_CheckBuffer(text))
        return refuse(sig, i, PyExc_TypeError, "must have a bytes-like object as text, not %s",
                      Py_TYPE(text)->tp_name);
    Py_buffer view;
    if (!convert_buffer(sig, i, 1, text, false, &view))
        return false;
    bool good = memory_take(m, sizeof(type) + (size_t)view.len);
    if (good) {
        memcpy(m->data, &type, sizeof(type));
        memcpy(m->data + sizeof(type), view.buf, (size_t)view.len);
        *length = view.len;
    }
    PyBuffer_Release(&view);
    return good;
}

bool
msgbuf_ready(module_state *state)
{
    if (__atomic_load_n(&state->msgbuf, __ATOMIC_ACQUIRE) != NULL)
        return true;
    PyObject *module = PyImport_ImportModule("pysyscall.msgbuf");
    PyObject *class = module != NULL ? PyObject_GetAttrString(module, "Msgbuf") : NULL;
    Py_XDECREF(module);
    /* Another thread may have been faster. */
    PyObject *none = NULL;
    if (class != NULL
        && !__atomic_compare_exchange_n(&state->msgbuf, &none, class, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE))
        Py_DECREF(class);
    return class != NULL;
}

PyObject *
msgbuf_result(module_state *state, const unsigned char *data, Py_ssize_t length)
{
    long type;
    memcpy(&type, data, sizeof(type));
    return PyObject_CallFunction(state->msgbuf, "ly#", type, (const char *)data + sizeof(type), length);
}
