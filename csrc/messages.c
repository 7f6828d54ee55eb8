/* Messages of sendmsg, recvmsg, sendmmsg and recvmmsg: buffers, addresses and control messages. */
#include "messages.h"

#include <limits.h>

#include "errors.h"

/* The classes of Python that messages are made of: imported when the first call needs them, and before it,
 * so that nothing of Python's runs between the kernel's answer and the message. */
static bool
load_types(module_state *state)
{
    if (state->message != NULL)
        return true;
    PyObject *module = PyImport_ImportModule("pysyscall.messages");
    if (module == NULL)
        return false;
    PyObject *control = PyObject_GetAttrString(module, "ControlMessage");
    PyObject *message = control != NULL ? PyObject_GetAttrString(module, "Message") : NULL;
    Py_DECREF(module);
    if (message == NULL) {
        Py_XDECREF(control);
        return false;
    }
    /* The import may have run code, or another thread, that came here too. */
    if (state->message == NULL) {
        state->control_message = (PyTypeObject *)control;
        state->message = (PyTypeObject *)message;
    }
    else {
        Py_DECREF(control);
        Py_DECREF(message);
    }
    return true;
}

static void
begin(messages *m)
{
    m->headers = &m->header_inline;
    m->items = &m->item_inline;
    m->count = 0;
    m->control.origin = MEMORY_NONE;
    m->added = 0;
}

/* Room for `count` messages, none of which is there yet. */
static bool
begin_many(messages *m, Py_ssize_t count)
{
    begin(m);
    if (count <= 1)
        return true;
    m->headers = PyMem_New(struct mmsghdr, count);
    m->items = PyMem_New(message, count);
    if (m->headers != NULL && m->items != NULL)
        return true;
    messages_release(m);
    PyErr_NoMemory();
    return false;
}

static struct msghdr *
add(messages *m)
{
    message *item = &m->items[m->count];
    item->data.iov = item->data.iov_inline;
    item->data.views = item->data.views_inline;
    item->data.count = 0;
    item->bytes = NULL;
    item->large.origin = MEMORY_NONE;
    item->address = NULL;
    item->control = NULL;
    m->headers[m->count] = (struct mmsghdr){.msg_len = 0};
    return &m->headers[m->count++].msg_hdr;
}

/* The buffer `value`, or those that are in it, as the message's data. */
static bool
take_buffers(const signature *sig, int i, PyObject *value, bool writable, message *item,
             struct msghdr *header)
{
    vector *v = &item->data;
    if (PyObject_CheckBuffer(value)) {
        if (!convert_buffer(sig, i, -1, value, writable, &v->views[0]))
            return false;
        v->iov[0] = (struct iovec){v->views[0].buf, (size_t)v->views[0].len};
        v->count = 1;
    }
    else if (!vector_acquire(sig, i, value, writable, v)) {
        return false;
    }
    header->msg_iov = v->iov;
    header->msg_iovlen = (size_t)v->count;
    return true;
}

/* What a Message has beside its data. */
static bool
take_rest(module_state *state, inner *in, PyObject *value, message *item, struct msghdr *header)
{
    PyObject *control = PyTuple_GET_ITEM(value, 1), *flags = PyTuple_GET_ITEM(value, 2),
             *address = PyTuple_GET_ITEM(value, 3);
    long number;
    inner_go(in, "flags", "an int");
    in->sig.args[0].min = INT_MIN;
    in->sig.args[0].max = UINT_MAX;
    if (!convert_int(&in->sig, 0, flags, &number))
        return false;
    header->msg_flags = (int)number;
    if (address != Py_None) {
        inner_go(in, "address", "a socket address such as SockaddrIn, or None");
        struct_object *object = sockaddr_from(&in->sig, 0, address);
        if (object == NULL)
            return false;
        item->address = Py_NewRef(object);
        header->msg_name = object->data;
        header->msg_namelen = (socklen_t)object->size;
    }
    if (PyTuple_CheckExact(control) && PyTuple_GET_SIZE(control) == 0)
        return true;
    if (!control_from(state, in, control, &item->control, &header->msg_controllen))
        return false;
    header->msg_control = item->control;
    return true;
}

static bool
add_message(module_state *state, const signature *sig, int i, PyObject *value, messages *m)
{
    struct msghdr *header = add(m);
    message *item = &m->items[m->count - 1];
    if (!PyObject_TypeCheck(value, state->message))
        return take_buffers(sig, i, value, false, item, header);
    inner in;
    inner_begin(&in, sig, i);
    if (sig->place != NULL)
        in.at = *sig->place;
    inner_go(&in, NULL, "a Message of four fields");
    if (PyTuple_GET_SIZE(value) != 4)
        return refuse_type(&in.sig, 0, value);
    inner_go(&in, "data", "a bytes-like object or an iterable of them");
    return take_buffers(&in.sig, 0, PyTuple_GET_ITEM(value, 0), false, item, header)
           && take_rest(state, &in, value, item, header);
}

/* Adds room for a message; an int asks for new bytes. */
static bool
add_room(module_state *Py_UNUSED(state), const signature *sig, int i, PyObject *value, messages *m)
{
    struct msghdr *header = add(m);
    message *item = &m->items[m->count - 1];
    header->msg_name = item->name;
    header->msg_namelen = SOCKADDR_MAX;
    if (!PyIndex_Check(value))
        return take_buffers(sig, i, value, true, item, header);
    long count;
    if (!convert_count(sig, i, value, &count))
        return false;
    struct iovec *piece = &item->data.iov[0];
    header->msg_iov = piece;
    header->msg_iovlen = 1;
    if (count > HEAP_LIMIT) {
        if (!memory_take_up_to(&item->large, (size_t)count))
            return false;
        *piece = (struct iovec){item->large.data, item->large.size};
        return true;
    }
    item->bytes = PyBytes_FromStringAndSize(NULL, count);
    if (item->bytes == NULL)
        return false;
    *piece = (struct iovec){PyBytes_AS_STRING(item->bytes), (size_t)count};
    return true;
}

typedef bool adder(module_state *state, const signature *sig, int i, PyObject *value, messages *m);

static bool
take_one(module_state *state, const signature *sig, int i, PyObject *value, messages *m, adder *add_one)
{
    begin(m);
    if (!load_types(state))
        return false;
    bool good = add_one(state, sig, i, value, m);
    if (!good)
        messages_release(m);
    return good;
}

static bool
take_many(module_state *state, const signature *sig, int i, const char *expected, PyObject *value,
          messages *m, adder *add_one)
{
    if (!load_types(state))
        return false;
    PyObject *sequence = fast_sequence(sig, i, value);
    if (sequence == NULL)
        return false;
    bool good = begin_many(m, PyTuple_GET_SIZE(sequence));
    if (!good) {
        Py_DECREF(sequence);
        return false;
    }
    inner in;
    inner_begin(&in, sig, i);
    inner_go(&in, NULL, expected);
    for (Py_ssize_t k = 0; good && k < PyTuple_GET_SIZE(sequence); k++) {
        in.at.message = k;
        good = add_one(state, &in.sig, 0, PyTuple_GET_ITEM(sequence, k), m);
    }
    Py_DECREF(sequence);
    if (!good)
        messages_release(m);
    return good;
}

bool
message_from(module_state *state, const signature *sig, int i, PyObject *value, messages *m)
{
    return take_one(state, sig, i, value, m, add_message);
}

bool
messages_from(module_state *state, const signature *sig, int i, PyObject *value, messages *m)
{
    return take_many(state, sig, i, "a Message, a bytes-like object or an iterable of them", value, m,
                     add_message);
}

bool
message_room(module_state *state, const signature *sig, int i, PyObject *value, messages *m)
{
    return take_one(state, sig, i, value, m, add_room);
}

bool
messages_room(module_state *state, const signature *sig, int i, PyObject *value, messages *m)
{
    return take_many(state, sig, i, "an int (how many bytes), a writable buffer or an iterable of them",
                     value, m, add_room);
}

bool
messages_room_for_control(messages *m, size_t size)
{
    if (size == 0 || m->count == 0)
        return true;
    size_t each = (size + 7) & ~(size_t)7;
    unsigned char *at = m->control_inline;
    if (each > CONTROL_INLINE / (size_t)m->count) {
        if (!memory_take(&m->control, each * (size_t)m->count))
            return false;
        at = m->control.data;
    }
    for (long k = 0; k < m->count; k++, at += each) {
        m->headers[k].msg_hdr.msg_control = at;
        m->headers[k].msg_hdr.msg_controllen = size;
    }
    return true;
}

/* The data of a message: the bytes, or how many came where buffers were given. */
static PyObject *
data_result(message *item, long length)
{
    if (item->large.origin != MEMORY_NONE)
        return PyBytes_FromStringAndSize((const char *)item->large.data,
                                         smaller(length, (long)item->large.size));
    if (item->bytes == NULL)
        return PyLong_FromLong(length);
    /* Under MSG_TRUNC the kernel tells a datagram's whole length, more than it wrote. */
    PyObject *object = item->bytes;
    item->bytes = NULL;
    return length < PyBytes_GET_SIZE(object) ? shorten(object, length) : object;
}

static PyObject *
one_result(module_state *state, messages *m, long k, long length)
{
    const struct msghdr *header = &m->headers[k].msg_hdr;
    PyObject *fields[] = {
        data_result(&m->items[k], length),
        control_result(state, header),
        /* The kernel gives back this flag of the call's, which tells nothing of the message. */
        PyLong_FromLong(header->msg_flags & ~MSG_CMSG_CLOEXEC),
        sockaddr_result(state, m->items[k].name, (int)header->msg_namelen),
    };
    return named_tuple(state->message, fields, 4);
}

PyObject *
message_result(module_state *state, messages *m, long length)
{
    return one_result(state, m, 0, length);
}

PyObject *
messages_result(module_state *state, messages *m, long count)
{
    PyObject *list = PyList_New(count);
    for (long k = 0; list != NULL && k < count; k++) {
        PyObject *object = one_result(state, m, k, m->headers[k].msg_len);
        if (object == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, k, object);
    }
    return list;
}

PyObject *
messages_lengths(const messages *m, long count)
{
    PyObject *list = PyList_New(count);
    for (long k = 0; list != NULL && k < count; k++) {
        PyObject *length = PyLong_FromUnsignedLong(m->headers[k].msg_len);
        if (length == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, k, length);
    }
    return list;
}

void
messages_close(const messages *m, long count)
{
    for (long k = 0; k < count; k++)
        control_close(&m->headers[k].msg_hdr);
}

void
messages_release(messages *m)
{
    for (long k = 0; k < m->count; k++) {
        message *item = &m->items[k];
        vector_release(&item->data);
        Py_XDECREF(item->bytes);
        memory_give_back(&item->large);
        Py_XDECREF(item->address);
        PyMem_Free(item->control);
    }
    m->count = 0;
    memory_give_back(&m->control);
    if (m->headers != &m->header_inline)
        PyMem_Free(m->headers);
    if (m->items != &m->item_inline)
        PyMem_Free(m->items);
}
