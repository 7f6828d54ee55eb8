/* Control messages: typed Python values from the kernel's bytes by level and type, and the way back. */
#include "control.h"

#include <limits.h>

#include "convert.h"
#include "errors.h"
#include "fields.h"
#include "generated/numbers.h"
#include "sockaddr.h"
#include "syscall_arch.h"
#include "vectors.h"

#include "generated/control.inc"

enum { HEAD = sizeof(struct cmsghdr), ERROR_BYTES = 16 };

static const control_form as_bytes = {.kind = CONTROL_BYTES, .says = "a bytes-like object"};

static const control_info *
find(int level, int type)
{
    for (size_t k = 0; k < sizeof(control_table) / sizeof(control_table[0]); k++)
        if (control_table[k].level == level && control_table[k].type == type)
            return &control_table[k];
    return NULL;
}

static size_t
padded(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

void
inner_begin(inner *in, const signature *sig, int i)
{
    in->at = (place){.message = -1, .control = -1, .item = -1};
    in->sig.name = sig->name;
    in->sig.place = &in->at;
    in->sig.args[0] = (argument){.name = sig->args[i].name, .expected = sig->args[i].expected};
}

void
inner_go(inner *in, const char *part, const char *expected)
{
    in->at.part = part;
    in->sig.args[0].expected = expected;
}

/* What control messages are gathered in. */
typedef struct {
    unsigned char *data;
    size_t size, room;
} bytes;

/* Room for `size` more bytes at the end, zero. */
static unsigned char *
extend(bytes *b, size_t size)
{
    if (b->room - b->size < size) {
        size_t room = 2 * b->room + padded(size) + 64;
        unsigned char *data = PyMem_Realloc(b->data, room);
        if (data == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        b->data = data;
        b->room = room;
    }
    unsigned char *end = b->data + b->size;
    memset(end, 0, size);
    b->size += size;
    return end;
}

static bool
append(bytes *b, const void *data, size_t size)
{
    unsigned char *end = extend(b, size);
    if (end != NULL && size != 0)
        memcpy(end, data, size);
    return end != NULL;
}

static void
set_range(inner *in, long min, long max)
{
    in->sig.args[0].kind = KIND_INT;
    in->sig.args[0].min = min;
    in->sig.args[0].max = max;
}

static bool
append_integer(inner *in, PyObject *value, const control_form *form, bytes *b)
{
    long number;
    bool word = form->size == sizeof(long);
    if (word)
        in->sig.args[0].kind = KIND_WORD;
    else if (form->is_signed)
        set_range(in, INT_MIN, INT_MAX);
    else
        set_range(in, 0, (1L << 8 * form->size) - 1);
    bool good = word ? convert_word(&in->sig, 0, value, &number) : convert_int(&in->sig, 0, value, &number);
    return good && append(b, &number, form->size);
}

static bool
append_fd(module_state *state, inner *in, PyObject *value, bytes *b)
{
    long number;
    set_range(in, INT_MIN, INT_MAX);
    if (!convert_fd(state, &in->sig, 0, value, &number))
        return false;
    int fd = (int)number;
    return append(b, &fd, sizeof(fd));
}

static bool
append_fds(module_state *state, inner *in, PyObject *value, bytes *b)
{
    PyObject *fds = fast_sequence(&in->sig, 0, value);
    if (fds == NULL)
        return false;
    in->sig.args[0].expected = "an int or an object with fileno()";
    bool good = true;
    for (Py_ssize_t k = 0; good && k < PyTuple_GET_SIZE(fds); k++) {
        in->at.item = k;
        good = append_fd(state, in, PyTuple_GET_ITEM(fds, k), b);
    }
    in->at.item = -1;
    Py_DECREF(fds);
    return good;
}

static bool
append_struct(module_state *state, inner *in, PyObject *value, unsigned type, bytes *b)
{
    struct_object *object = struct_coerce(state, type, value);
    if (object == NULL)
        return PyErr_Occurred() ? false : refuse_type(&in->sig, 0, value);
    bool good = append(b, object->data, (size_t)object->size);
    Py_DECREF(object);
    return good;
}

static bool
append_error(module_state *state, inner *in, PyObject *value, bytes *b)
{
    if (!PyTuple_Check(value) || PyTuple_GET_SIZE(value) != 2)
        return refuse_type(&in->sig, 0, value);
    PyObject *offender = PyTuple_GET_ITEM(value, 1);
    if (!append_struct(state, in, PyTuple_GET_ITEM(value, 0), STRUCT_SockExtendedErr, b))
        return false;
    if (offender == Py_None)
        return true;
    struct_object *address = sockaddr_from(&in->sig, 0, offender);
    return address != NULL && append(b, address->data, (size_t)address->size);
}

static bool
append_buffer(inner *in, PyObject *value, bytes *b)
{
    Py_buffer view;
    if (!convert_buffer(&in->sig, 0, -1, value, false, &view))
        return false;
    bool good = append(b, view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    return good;
}

static bool
append_data(module_state *state, inner *in, PyObject *value, const control_form *form, bytes *b)
{
    /* Bytes serve for every form; but a struct is there for what is in it. */
    if (PyObject_CheckBuffer(value) && (form->kind == CONTROL_BYTES || !struct_check(value)))
        return append_buffer(in, value, b);
    switch (form->kind) {
    case CONTROL_FDS: return append_fds(state, in, value, b);
    case CONTROL_FD: return append_fd(state, in, value, b);
    case CONTROL_INTEGER: return append_integer(in, value, form, b);
    case CONTROL_STRUCT: return append_struct(state, in, value, form->type, b);
    case CONTROL_ERROR: return append_error(state, in, value, b);
    case CONTROL_BYTES: break;
    }
    return refuse_type(&in->sig, 0, value);
}

static bool
convert_c_int(inner *in, PyObject *value, int *out)
{
    long number;
    set_range(in, INT_MIN, INT_MAX);
    if (!convert_int(&in->sig, 0, value, &number))
        return false;
    *out = (int)number;
    return true;
}

/* One control message, head and all, after those that are in `b`. */
static bool
append_message(module_state *state, inner *in, PyObject *item, bytes *b)
{
    const char **expected = &in->sig.args[0].expected;
    in->at.field = NULL;
    *expected = "a ControlMessage or a tuple (level, type, data)";
    if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 3)
        return refuse_type(&in->sig, 0, item);
    int level, type;
    *expected = "an int";
    in->at.field = "level";
    if (!convert_c_int(in, PyTuple_GET_ITEM(item, 0), &level))
        return false;
    in->at.field = "type";
    if (!convert_c_int(in, PyTuple_GET_ITEM(item, 1), &type))
        return false;
    const control_info *info = find(level, type);
    const control_form *form = info != NULL ? &info->sent : &as_bytes;
    in->at.field = "data";
    *expected = form->says;
    size_t start = b->size;
    if (extend(b, HEAD) == NULL || !append_data(state, in, PyTuple_GET_ITEM(item, 2), form, b))
        return false;
    struct cmsghdr head = {.cmsg_len = b->size - start, .cmsg_level = level, .cmsg_type = type};
    memcpy(b->data + start, &head, sizeof(head));
    return extend(b, padded(b->size) - b->size) != NULL;
}

bool
control_from(module_state *state, inner *in, PyObject *value, unsigned char **data, size_t *size)
{
    inner_go(in, "control", "an iterable of ControlMessage");
    PyObject *items = fast_sequence(&in->sig, 0, value);
    if (items == NULL)
        return false;
    bytes b = {NULL, 0, 0};
    bool good = true;
    for (Py_ssize_t k = 0; good && k < PyTuple_GET_SIZE(items); k++) {
        in->at.control = k;
        good = append_message(state, in, PyTuple_GET_ITEM(items, k), &b);
    }
    Py_DECREF(items);
    in->at.control = -1;
    in->at.field = NULL;
    if (!good) {
        PyMem_Free(b.data);
        return false;
    }
    *data = b.data;
    *size = b.size;
    return true;
}

/* The control message at `offset`, with the length of its data; false where there is none any more. */
static bool
next_message(const struct msghdr *header, size_t *offset, struct cmsghdr *head, const unsigned char **data,
             size_t *length)
{
    if (header->msg_controllen < HEAD || *offset > header->msg_controllen - HEAD)
        return false;
    const unsigned char *start = (const unsigned char *)header->msg_control + *offset;
    memcpy(head, start, sizeof(*head));
    size_t room = header->msg_controllen - *offset;
    size_t whole = head->cmsg_len < room ? head->cmsg_len : room;
    if (whole < HEAD)
        return false;
    *data = start + HEAD;
    *length = whole - HEAD;
    *offset += padded(whole);
    return true;
}

static PyObject *
error_result(module_state *state, const unsigned char *data, size_t length)
{
    PyObject *error = struct_from_data(state, STRUCT_SockExtendedErr, data, ERROR_BYTES);
    if (error == NULL)
        return NULL;
    sa_family_t family = AF_UNSPEC;
    if (length >= ERROR_BYTES + sizeof(family))
        memcpy(&family, data + ERROR_BYTES, sizeof(family));
    /* An address without a family says that nobody else is to blame. */
    PyObject *offender = family != AF_UNSPEC
                             ? sockaddr_result(state, data + ERROR_BYTES, (int)(length - ERROR_BYTES))
                             : Py_NewRef(Py_None);
    PyObject *pair = offender != NULL ? PyTuple_Pack(2, error, offender) : NULL;
    Py_DECREF(error);
    Py_XDECREF(offender);
    return pair;
}

/* The data of one control message. What was cut short, or is longer than it should be, is bytes. */
static PyObject *
data_result(module_state *state, const control_form *form, const unsigned char *data, size_t length)
{
    switch (form->kind) {
    case CONTROL_FDS:
        return integers_result(data, sizeof(int), true, (Py_ssize_t)(length / sizeof(int)), true);
    case CONTROL_FD:
        if (length == sizeof(int))
            return integer_result(data, sizeof(int), true);
        break;
    case CONTROL_INTEGER:
        if (length == form->size)
            return integer_result(data, form->size, form->is_signed);
        break;
    case CONTROL_STRUCT:
        if (length >= struct_table[form->type].minimum && length <= struct_table[form->type].size)
            return struct_from_data(state, form->type, data, (Py_ssize_t)length);
        break;
    case CONTROL_ERROR:
        if (length >= ERROR_BYTES)
            return error_result(state, data, length);
        break;
    case CONTROL_BYTES: break;
    }
    return PyBytes_FromStringAndSize((const char *)data, (Py_ssize_t)length);
}

PyObject *
named_tuple(PyTypeObject *type, PyObject **fields, Py_ssize_t count)
{
    bool good = true;
    for (Py_ssize_t k = 0; k < count; k++)
        good = good && fields[k] != NULL;
    PyObject *tuple = good ? type->tp_alloc(type, count) : NULL;
    for (Py_ssize_t k = 0; k < count; k++) {
        if (tuple != NULL)
            PyTuple_SET_ITEM(tuple, k, fields[k]);
        else
            Py_XDECREF(fields[k]);
    }
    return tuple;
}

static PyObject *
one_result(module_state *state, const struct cmsghdr *head, const unsigned char *data, size_t length)
{
    const control_info *info = find(head->cmsg_level, head->cmsg_type);
    PyObject *fields[] = {
        PyLong_FromLong(head->cmsg_level),
        PyLong_FromLong(head->cmsg_type),
        data_result(state, info != NULL ? &info->received : &as_bytes, data, length),
    };
    return named_tuple(state->control_message, fields, 3);
}

PyObject *
control_result(module_state *state, const struct msghdr *header)
{
    struct cmsghdr head;
    const unsigned char *data;
    size_t length, offset = 0;
    Py_ssize_t count = 0;
    while (next_message(header, &offset, &head, &data, &length))
        count++;
    PyObject *messages = PyTuple_New(count);
    offset = 0;
    for (Py_ssize_t k = 0; messages != NULL && next_message(header, &offset, &head, &data, &length); k++) {
        PyObject *message = one_result(state, &head, data, length);
        if (message == NULL)
            Py_CLEAR(messages);
        else
            PyTuple_SET_ITEM(messages, k, message);
    }
    return messages;
}

void
control_close(const struct msghdr *header)
{
    struct cmsghdr head;
    const unsigned char *data;
    size_t length, offset = 0;
    while (next_message(header, &offset, &head, &data, &length)) {
        const control_info *info = find(head.cmsg_level, head.cmsg_type);
        if (info == NULL || (info->received.kind != CONTROL_FDS && info->received.kind != CONTROL_FD))
            continue;
        for (size_t k = 0; k + sizeof(int) <= length; k += sizeof(int)) {
            int fd;
            memcpy(&fd, data + k, sizeof(fd));
            /* Where a process has none any more, an errno stands in its place. */
            if (fd >= 0)
                syscall1(NR_close, fd);
        }
    }
}
