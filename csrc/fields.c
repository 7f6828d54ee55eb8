/* One field of a struct: the kernel's bytes to a Python object, and back. */
#include "fields.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "convert.h"
#include "state.h"

static module_state *
state_of_object(PyObject *self)
{
    return PyType_GetModuleState(Py_TYPE(self));
}

static PyObject *
get_scaled(const struct_field *field, const unsigned char *data)
{
    int64_t whole, fraction = 0;
    memcpy(&whole, data + field->offset, sizeof(whole));
    memcpy(&fraction, data + field->fraction, field->wide_fraction ? 8 : 4);
    if (field->type == FIELD_SECONDS)
        return PyFloat_FromDouble((double)whole + (double)fraction / field->per_second);
    __int128 total = (__int128)whole * 1000000000 + (__int128)fraction * (1000000000 / field->per_second);
    if (total == (int64_t)total)
        return PyLong_FromLong((long)total);
    /* Python takes no integer of 128 bits, so it goes over in two parts. */
    const long unit = 1000000000000000000;
    PyObject *high = PyLong_FromLong((long)(total / unit)), *low = PyLong_FromLong((long)(total % unit));
    PyObject *factor = PyLong_FromLong(unit);
    PyObject *product = high && factor ? PyNumber_Multiply(high, factor) : NULL;
    PyObject *sum = product && low ? PyNumber_Add(product, low) : NULL;
    Py_XDECREF(high);
    Py_XDECREF(low);
    Py_XDECREF(factor);
    Py_XDECREF(product);
    return sum;
}

/* How much of the last field the object has: none, where it ends before it. */
static Py_ssize_t
used_of(const struct_field *field, const struct_object *object)
{
    return object->size > field->offset ? object->size - field->offset : 0;
}

/* A path up to its NUL; an abstract name begins with one and is bytes to the end; unnamed is the empty str. */
static PyObject *
get_sun_path(const struct_field *field, const struct_object *object)
{
    const char *path = (const char *)object->data + field->offset;
    Py_ssize_t length = used_of(field, object);
    if (length > 0 && path[0] == '\0')
        return PyBytes_FromStringAndSize(path, length);
    return PyUnicode_DecodeFSDefaultAndSize(path, (Py_ssize_t)strnlen(path, (size_t)length));
}

static PyObject *
get_address(int family, const unsigned char *at)
{
    char text[INET6_ADDRSTRLEN];
    inet_ntop(family, at, text, sizeof(text));
    return PyUnicode_FromString(text);
}

/* A text up to its NUL, or to the end of the object. */
static Py_ssize_t
text_length(const struct_field *field, const struct_object *object, const unsigned char *at)
{
    Py_ssize_t left = object->data + object->size - at;
    return left <= 0
               ? 0
               : (Py_ssize_t)strnlen((const char *)at, (size_t)(left < field->size ? left : field->size));
}

static PyObject *
get_one(PyObject *self, const struct_field *field, const unsigned char *at)
{
    const struct_object *object = (const struct_object *)self;
    union {
        uint8_t u8;
        int8_t s8;
        uint16_t u16;
        int16_t s16;
        uint32_t u32;
        int32_t s32;
        uint64_t u64;
        int64_t s64;
    } v;
    switch (field->type) {
    case FIELD_U8: return PyLong_FromLong(*at);
    case FIELD_S8: return PyLong_FromLong((signed char)*at);
    case FIELD_U16: memcpy(&v, at, 2); return PyLong_FromLong(v.u16);
    case FIELD_S16: memcpy(&v, at, 2); return PyLong_FromLong(v.s16);
    case FIELD_U32: memcpy(&v, at, 4); return PyLong_FromUnsignedLong(v.u32);
    case FIELD_FD:
    case FIELD_S32: memcpy(&v, at, 4); return PyLong_FromLong(v.s32);
    case FIELD_BUFFER:
    case FIELD_ADDRESS:
    case FIELD_U64: memcpy(&v, at, 8); return PyLong_FromUnsignedLong(v.u64);
    case FIELD_S64: memcpy(&v, at, 8); return PyLong_FromLong(v.s64);
    case FIELD_BE16: memcpy(&v, at, 2); return PyLong_FromLong(ntohs(v.u16));
    case FIELD_BE32: memcpy(&v, at, 4); return PyLong_FromUnsignedLong(ntohl(v.u32));
    case FIELD_TEXT:
        return PyUnicode_DecodeFSDefaultAndSize((const char *)at, text_length(field, object, at));
    case FIELD_BYTES: return PyBytes_FromStringAndSize((const char *)at, field->size);
    case FIELD_TAIL: return PyBytes_FromStringAndSize((const char *)at, used_of(field, object));
    case FIELD_SUN_PATH: return get_sun_path(field, object);
    case FIELD_IPV4: return get_address(AF_INET, at);
    case FIELD_IPV6: return get_address(AF_INET6, at);
    case FIELD_STRUCT: return struct_from_data(state_of_object(self), field->nested, at, field->size);
    case FIELD_SECONDS:
    case FIELD_NANOSECONDS: return get_scaled(field, object->data);
    }
    Py_UNREACHABLE();
}

PyObject *
struct_get(PyObject *self, void *closure)
{
    const struct_field *field = closure;
    const unsigned char *at = ((const struct_object *)self)->data + field->offset;
    if (field->items <= 1)
        return get_one(self, field, at);
    PyObject *tuple = PyTuple_New(field->items);
    for (unsigned k = 0; tuple != NULL && k < field->items; k++) {
        PyObject *item = get_one(self, field, at + k * field->size);
        if (item == NULL)
            Py_CLEAR(tuple);
        else
            PyTuple_SET_ITEM(tuple, k, item);
    }
    return tuple;
}

/* Copies the fields of a struct, which ends at `end`, as they are shown: without padding and what follows a text.
 * Tells how long it is. */
static Py_ssize_t
copy_content(const struct_info *info, const unsigned char *from, const unsigned char *end, unsigned char *to)
{
    Py_ssize_t size = info->size;
    for (unsigned k = 0; k < info->count; k++) {
        const struct_field *field = &info->fields[k];
        unsigned items = field->items > 1 ? field->items : 1;
        for (unsigned n = 0; n < items; n++) {
            Py_ssize_t offset = field->offset + (Py_ssize_t)n * field->size, left = end - from - offset;
            Py_ssize_t used = left < 0 ? 0 : left < field->size ? left : field->size;
            if (field->type == FIELD_STRUCT) {
                copy_content(&struct_table[field->nested], from + offset, from + offset + used, to + offset);
                continue;
            }
            bool ends_at_nul =
                field->type == FIELD_TEXT || (field->type == FIELD_SUN_PATH && used > 0 && from[offset] != 0);
            if (ends_at_nul)
                used = (Py_ssize_t)strnlen((const char *)from + offset, (size_t)used);
            memcpy(to + offset, from + offset, (size_t)used);
            if (field->type == FIELD_SUN_PATH || field->type == FIELD_TAIL)
                size = offset + used;
        }
    }
    return size;
}

PyObject *
struct_content(const struct_object *object)
{
    PyObject *content = PyBytes_FromStringAndSize(NULL, object->info->size);
    if (content == NULL)
        return NULL;
    unsigned char *to = (unsigned char *)PyBytes_AS_STRING(content);
    memset(to, 0, object->info->size);
    Py_ssize_t size = copy_content(object->info, object->data, object->data + object->size, to);
    return size < object->info->size ? shorten(content, size) : content;
}

static bool
refuse_field(const struct_object *object, const struct_field *field, PyObject *exception, const char *what)
{
    PyErr_Format(exception, "%s() field '%s' %s", object->info->name, field->name, what);
    return false;
}

/* Stores an int of one machine digit, as most are; false where the value or the field is not that simple. */
static inline bool
store_small(const struct_field *field, unsigned char *at, PyObject *value)
{
    long small;
    if (!int_in_place(value, &small))
        return false;
    if (field->type == FIELD_S64) {
        memcpy(at, &small, 8);
        return true;
    }
    bool is_signed = field->type < FIELD_S64 ? field->type % 2 != 0 : field->type == FIELD_FD;
    if (field->type > FIELD_S64 && !is_signed)
        return false;
    int bits = 8 * field->size - is_signed;
    if (bits < 62 && small >> bits != (is_signed && small < 0 ? -1 : 0))
        return false;
    if (small < 0 && !is_signed)
        return false;
    switch (field->size) {
    case 1: memcpy(at, &small, 1); return true;
    case 2: memcpy(at, &small, 2); return true;
    case 4: memcpy(at, &small, 4); return true;
    default: memcpy(at, &small, 8); return true;
    }
}

bool
fields_store(const struct_info *info, unsigned char *data, PyObject *values)
{
    if (info->is_sockaddr || info->tells_size || info->minimum != info->size
        || PyTuple_GET_SIZE(values) > info->count)
        return false;
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(values); k++) {
        const struct_field *field = &info->fields[k];
        PyObject *value = PyTuple_GET_ITEM(values, k);
        unsigned char *at = data + field->offset;
        bool nested = field->type == FIELD_STRUCT && PyTuple_CheckExact(value);
        if (field->items > 1
            || !(nested ? fields_store(&struct_table[field->nested], at, value)
                        : store_small(field, at, value)))
            return false;
    }
    return true;
}

/* The integer types by size and sign; the byte-order ones are swapped after the range is checked. */
static bool
set_integer(const struct_object *object, const struct_field *field, unsigned char *at, PyObject *value)
{
    if (store_small(field, at, value))
        return true;
    PyObject *number = NULL;
    if (PyIndex_Check(value))
        number = PyNumber_Index(value);
    else if (field->type == FIELD_FD) {
        PyObject *fileno;
        if (!optional_attribute(value, state_of_object((PyObject *)object)->fileno, &fileno))
            return false;
        if (fileno == NULL)
            return refuse_field(object, field, PyExc_TypeError, "must be an int or an object with fileno()");
        Py_DECREF(fileno);
        int fd = PyObject_AsFileDescriptor(value);
        number = fd >= 0 ? PyLong_FromLong(fd) : NULL;
    }
    else
        PyErr_Format(PyExc_TypeError, "%s() field '%s' must be an int, not %s", object->info->name,
                     field->name, Py_TYPE(value)->tp_name);
    if (number == NULL)
        return false;
    bool is_signed = field->type == FIELD_S8 || field->type == FIELD_S16 || field->type == FIELD_S32
                     || field->type == FIELD_S64 || field->type == FIELD_FD;
    unsigned unused = 64 - 8 * field->size;
    uint64_t bits;
    bool fits;
    if (is_signed) {
        int overflow;
        int64_t n = PyLong_AsLongLongAndOverflow(number, &overflow);
        fits = overflow == 0 && n >= INT64_MIN >> unused && n <= INT64_MAX >> unused;
        bits = (uint64_t)n;
    }
    else {
        bits = PyLong_AsUnsignedLongLong(number);
        fits = !PyErr_Occurred() && bits <= UINT64_MAX >> unused;
        PyErr_Clear();
    }
    Py_DECREF(number);
    if (!fits) {
        PyErr_Format(PyExc_OverflowError, "%s() field '%s' must fit in %s%d bits", object->info->name,
                     field->name, is_signed ? "signed " : "unsigned ", 8 * field->size);
        return false;
    }
    if (field->type == FIELD_BE16)
        bits = htons((uint16_t)bits);
    else if (field->type == FIELD_BE32)
        bits = htonl((uint32_t)bits);
    memcpy(at, &bits, field->size);
    return true;
}

static bool
set_address(const struct_object *object, const struct_field *field, unsigned char *at, PyObject *value)
{
    int family = field->type == FIELD_IPV4 ? AF_INET : AF_INET6;
    const char *what = family == AF_INET ? "must be an IPv4 address such as '127.0.0.1'"
                                         : "must be an IPv6 address such as '::1'";
    if (!PyUnicode_Check(value))
        return refuse_field(object, field, PyExc_TypeError, what);
    Py_ssize_t length;
    const char *text = PyUnicode_AsUTF8AndSize(value, &length);
    if (text == NULL)
        return false;
    if (strlen(text) != (size_t)length || inet_pton(family, text, at) != 1)
        return refuse_field(object, field, PyExc_ValueError, what);
    return true;
}

static bool
set_characters(struct_object *object, const struct_field *field, unsigned char *at, PyObject *value)
{
    PyObject *bytes;
    if (field->type == FIELD_BYTES || field->type == FIELD_TAIL || PyUnicode_Check(value)
        || PyBytes_Check(value)) {
        bytes = PyUnicode_Check(value) && field->type != FIELD_BYTES && field->type != FIELD_TAIL
                    ? PyUnicode_EncodeFSDefault(value)
                : PyObject_CheckBuffer(value) ? PyBytes_FromObject(value)
                                              : NULL;
    }
    else if (field->type == FIELD_SUN_PATH
             && PyObject_HasAttrString((PyObject *)Py_TYPE(value), "__fspath__")) {
        PyObject *path = PyOS_FSPath(value);
        bytes = path != NULL && PyUnicode_Check(path) ? PyUnicode_EncodeFSDefault(path) : Py_XNewRef(path);
        Py_XDECREF(path);
    }
    else {
        bytes = NULL;
    }
    if (bytes == NULL) {
        if (!PyErr_Occurred())
            PyErr_Format(PyExc_TypeError, "%s() field '%s' cannot be a %s", object->info->name, field->name,
                         Py_TYPE(value)->tp_name);
        return false;
    }
    const char *text = PyBytes_AS_STRING(bytes);
    Py_ssize_t length = PyBytes_GET_SIZE(bytes);
    bool good = true;
    bool abstract = field->type == FIELD_SUN_PATH && length > 0 && text[0] == '\0';
    /* A path and a text end at their NUL, so one inside would be lost. */
    bool ends_at_nul = field->type == FIELD_TEXT || (field->type == FIELD_SUN_PATH && !abstract);
    Py_ssize_t room = field->type == FIELD_TEXT ? field->size - 1 : field->size;
    if (ends_at_nul && strlen(text) != (size_t)length)
        good = refuse_field(object, field, PyExc_ValueError, "must not contain a NUL byte");
    else if (length > room) {
        PyErr_Format(PyExc_ValueError, "%s() field '%s' has room for %zd bytes, not %zd", object->info->name,
                     field->name, room, length);
        good = false;
    }
    else if (field->type == FIELD_BYTES && length != field->size) {
        PyErr_Format(PyExc_ValueError, "%s() field '%s' needs %d bytes, not %zd", object->info->name,
                     field->name, field->size, length);
        good = false;
    }
    if (good) {
        memset(at, 0, field->size);
        memcpy(at, text, (size_t)length);
        if (field->type == FIELD_TAIL)
            object->size = field->offset + length;
        else if (field->type == FIELD_SUN_PATH)
            object->size = field->offset + length + (length > 0 && !abstract && length < room);
    }
    Py_DECREF(bytes);
    return good;
}

/* A memoryview of one contiguous block. */
static PyObject *
view_of(const struct_object *object, const struct_field *field, PyObject *value)
{
    PyObject *view = PyMemoryView_FromObject(value);
    if (view == NULL)
        return NULL;
    if (PyBuffer_IsContiguous(PyMemoryView_GET_BUFFER(view), 'C'))
        return view;
    refuse_field(object, field, PyExc_BufferError, "must be one contiguous block of memory");
    Py_DECREF(view);
    return NULL;
}

/* An array of iovecs and the views that it points at, as one tuple; NULL with an exception. */
static PyObject *
views_of(const struct_object *object, const struct_field *field, PyObject *value)
{
    PyObject *items = PySequence_Tuple(value);
    Py_ssize_t count = items != NULL ? PyTuple_GET_SIZE(items) : 0;
    PyObject *array = PyBytes_FromStringAndSize(NULL, count * (Py_ssize_t)sizeof(struct iovec));
    PyObject *list = items != NULL && array != NULL ? PyList_New(0) : NULL;
    bool good = list != NULL && PyList_Append(list, array) == 0;
    for (Py_ssize_t k = 0; good && k < count; k++) {
        PyObject *item = PyTuple_GET_ITEM(items, k);
        PyObject *view = NULL;
        if (PyObject_CheckBuffer(item))
            view = view_of(object, field, item);
        else
            PyErr_Format(PyExc_TypeError, "%s() field '%s' item %zd must be a bytes-like object, not %s",
                         object->info->name, field->name, k, Py_TYPE(item)->tp_name);
        good = view != NULL && PyList_Append(list, view) == 0;
        if (good)
            ((struct iovec *)PyBytes_AS_STRING(array))[k] = (struct iovec){
                PyMemoryView_GET_BUFFER(view)->buf, (size_t)PyMemoryView_GET_BUFFER(view)->len};
        Py_XDECREF(view);
    }
    PyObject *held = good ? PyList_AsTuple(list) : NULL;
    Py_XDECREF(items);
    Py_XDECREF(array);
    Py_XDECREF(list);
    return held;
}

/* An address, which stands as it is; or buffers, which the object holds from now on. */
static bool
set_buffer(struct_object *object, const struct_field *field, unsigned char *at, PyObject *value)
{
    PyObject *held = NULL;
    if (PyIndex_Check(value)) {
        if (!set_integer(object, field, at, value))
            return false;
    }
    else {
        uint64_t address, length;
        if (PyObject_CheckBuffer(value)) {
            PyObject *view = view_of(object, field, value);
            if (view == NULL)
                return false;
            address = (uint64_t)PyMemoryView_GET_BUFFER(view)->buf;
            length = (uint64_t)PyMemoryView_GET_BUFFER(view)->len;
            held = PyTuple_Pack(1, view);
            Py_DECREF(view);
            if (held == NULL)
                return false;
        }
        else if (PyList_Check(value) || PyTuple_Check(value)) {
            if ((held = views_of(object, field, value)) == NULL)
                return false;
            address = (uint64_t)PyBytes_AS_STRING(PyTuple_GET_ITEM(held, 0));
            length = (uint64_t)PyTuple_GET_SIZE(held) - 1;
        }
        else {
            return refuse_field(object, field, PyExc_TypeError,
                                "must be an address, a bytes-like object or a sequence of these");
        }
        memcpy(at, &address, sizeof(address));
        memcpy(object->data + field->fraction, &length, sizeof(length));
    }
    /* It is the one field of its struct that holds anything. */
    Py_XSETREF(object->held, held);
    return true;
}

/* An int as it is; the address of a buffer, or of a str's bytes with a NUL after them, which the object then holds. */
static bool
set_pointer(struct_object *object, const struct_field *field, unsigned char *at, PyObject *value)
{
    if (PyIndex_Check(value))
        return set_integer(object, field, at, value);
    memset(at, 0, field->size);
    if (value == Py_None)
        return true;
    if (!PyUnicode_Check(value) && !PyObject_CheckBuffer(value)) {
        PyErr_Format(PyExc_TypeError,
                     "%s() field '%s' must be an address, a bytes-like object or a str, not %s",
                     object->info->name, field->name, Py_TYPE(value)->tp_name);
        return false;
    }
    PyObject *source = PyUnicode_Check(value) ? PyUnicode_EncodeFSDefault(value) : Py_NewRef(value);
    PyObject *view = source != NULL ? view_of(object, field, source) : NULL;
    Py_XDECREF(source);
    if (view == NULL)
        return false;
    memcpy(at, &PyMemoryView_GET_BUFFER(view)->buf, field->size);
    PyObject *one = PyTuple_Pack(1, view);
    bool good = one != NULL && hold(&object->held, one);
    Py_XDECREF(one);
    Py_DECREF(view);
    return good;
}

static bool
set_one(struct_object *object, const struct_field *field, unsigned char *at, PyObject *value)
{
    switch (field->type) {
    case FIELD_TEXT:
    case FIELD_BYTES:
    case FIELD_TAIL:
    case FIELD_SUN_PATH: return set_characters(object, field, at, value);
    case FIELD_IPV4:
    case FIELD_IPV6: return set_address(object, field, at, value);
    case FIELD_BUFFER: return set_buffer(object, field, at, value);
    case FIELD_STRUCT: {
        struct_object *nested = struct_coerce(state_of_object((PyObject *)object), field->nested, value);
        if (nested == NULL) {
            if (!PyErr_Occurred())
                PyErr_Format(PyExc_TypeError, "%s() field '%s' must be a %s, not %s", object->info->name,
                             field->name, struct_table[field->nested].name, Py_TYPE(value)->tp_name);
            return false;
        }
        memcpy(at, nested->data, field->size);
        bool good = hold(&object->held, nested->held);
        Py_DECREF(nested);
        return good;
    }
    case FIELD_ADDRESS: return set_pointer(object, field, at, value);
    default: return set_integer(object, field, at, value);
    }
}

bool
field_set(struct_object *object, const struct_field *field, PyObject *value)
{
    unsigned char *at = object->data + field->offset;
    Py_ssize_t end = field->offset + field->size * (field->items > 1 ? field->items : 1);
    /* An object that ended before the field now holds it. The last field of some says itself how long it is. */
    if (object->size < end && field->type != FIELD_TAIL && field->type != FIELD_SUN_PATH)
        object->size = object->info->grows ? object->info->size : end;
    if (field->items <= 1)
        return set_one(object, field, at, value);
    PyObject *items = PySequence_Tuple(value);
    if (items == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError) || Py_TYPE(value)->tp_iter != NULL)
            return false;
        PyErr_Clear();
        return refuse_field(object, field, PyExc_TypeError, "must be a sequence");
    }
    bool good = PyTuple_GET_SIZE(items) == field->items;
    if (!good)
        PyErr_Format(PyExc_ValueError, "%s() field '%s' needs %d items, not %zd", object->info->name,
                     field->name, field->items, PyTuple_GET_SIZE(items));
    for (unsigned k = 0; good && k < field->items; k++)
        good = set_one(object, field, at + k * field->size, PyTuple_GET_ITEM(items, k));
    Py_DECREF(items);
    return good;
}
