/* Struct objects: a Python object that holds the kernel's bytes and reads its fields when asked.
 *
 * Objects never change after they were made, so they can be hashed, shared between threads and handed out as
 * read-only buffers. */
#include "structs.h"

#include <stddef.h>

#include "fields.h"
#include "state.h"

#include "generated/structs.inc"

static void struct_dealloc(PyObject *self);
static PyObject *struct_construct(PyTypeObject *type, PyObject *args, PyObject *kwargs);

/* Most programs make structs of a kind and drop them: the memory of one of each is kept. Not where threads would
 * race for it, nor where it would hide a use after the end from ASan. */
#if defined(Py_GIL_DISABLED) || defined(__SANITIZE_ADDRESS__)
enum { KEEPS_SPARES = false };
#else
enum { KEEPS_SPARES = true };
#endif

/* The memory of the last object in that place, or new memory; NULL where there is none. */
static inline struct_object *
take(struct_object **spare, size_t size)
{
    struct_object *object = KEEPS_SPARES ? *spare : NULL;
    if (object == NULL)
        return PyObject_Malloc(offsetof(struct_object, data) + size);
    *spare = NULL;
    return object;
}

/* Keeps an object's memory, or frees it. */
static inline void
give_back(struct_object *object)
{
    if (object->spare != NULL && *object->spare == NULL)
        *object->spare = object;
    else
        PyObject_Free(object);
}

void
structs_free_spares(module_state *state)
{
    for (unsigned k = 0; k < STRUCT_COUNT; k++) {
        PyObject_Free(state->spare_structs[k]);
        state->spare_structs[k] = NULL;
    }
}

static struct_object *
initialize(struct_object *object, PyTypeObject *type, const struct_info *info, Py_ssize_t size,
           struct_object **spare)
{
    if (object == NULL)
        return (struct_object *)PyErr_NoMemory();
    PyObject_Init((PyObject *)object, type);
    object->info = info;
    object->spare = spare;
    object->size = size;
    object->held = NULL;
    return object;
}

static struct_object *
allocate(module_state *state, PyTypeObject *type, const struct_info *info)
{
    struct_object **spare = &state->spare_structs[info - struct_table];
    struct_object *object =
        initialize(take(spare, info->size), type, info, info->size, KEEPS_SPARES ? spare : NULL);
    if (object != NULL)
        memset(object->data, 0, info->size);
    return object;
}

bool
hold(PyObject **held, PyObject *from)
{
    if (from == NULL)
        return true;
    PyObject *both = *held != NULL ? PySequence_Concat(*held, from) : Py_NewRef(from);
    if (both == NULL)
        return false;
    Py_XSETREF(*held, both);
    return true;
}

PyObject *
struct_record(PyTypeObject *type, const struct_info *info, const void *data, Py_ssize_t size)
{
    struct_object *object = PyObject_Malloc(offsetof(struct_object, data) + (size_t)size);
    object = initialize(object, type, info, size, NULL);
    if (object != NULL)
        memcpy(object->data, data, (size_t)size);
    return (PyObject *)object;
}

Py_ssize_t
struct_told_size(const struct_object *object)
{
    uint32_t told;
    memcpy(&told, object->data + object->info->size_at, sizeof(told));
    return (Py_ssize_t)told + object->info->size_from;
}

void
struct_tell_size(struct_object *object)
{
    uint32_t size = (uint32_t)(object->size - object->info->size_from);
    memcpy(object->data + object->info->size_at, &size, sizeof(size));
}

void
struct_take_size(struct_object *object)
{
    Py_ssize_t told = struct_told_size(object);
    if (told >= object->info->minimum && told < object->info->size)
        object->size = told;
}

struct_object *
struct_new(module_state *state, unsigned index)
{
    PyTypeObject *type = struct_type(state, index);
    return type != NULL ? allocate(state, type, &struct_table[index]) : NULL;
}

bool
struct_check(PyObject *object)
{
    return Py_TYPE(object)->tp_dealloc == struct_dealloc;
}

PyObject *
struct_from_data(module_state *state, unsigned index, const void *data, Py_ssize_t size)
{
    struct_object *object = struct_new(state, index);
    if (object != NULL) {
        memcpy(object->data, data, (size_t)size);
        if (size >= struct_table[index].minimum)
            object->size = size;
    }
    return (PyObject *)object;
}

struct_object *
struct_coerce(module_state *state, unsigned index, PyObject *value)
{
    PyTypeObject *type = struct_type(state, index);
    if (type == NULL)
        return NULL;
    if (Py_IS_TYPE(value, type))
        return (struct_object *)Py_NewRef(value);
    if (!PyTuple_CheckExact(value))
        return NULL;
    return (struct_object *)struct_construct(type, value, NULL);
}

bool
struct_small(unsigned index, PyObject *fields, unsigned char *data)
{
    memset(data, 0, struct_table[index].size);
    return fields_store(&struct_table[index], data, fields);
}

PyObject *
struct_copy(module_state *state, unsigned index, PyObject *value)
{
    struct_object *original = struct_coerce(state, index, value);
    if (original == NULL)
        return NULL;
    struct_object *copy = struct_new(state, index);
    if (copy != NULL) {
        memcpy(copy->data, original->data, (size_t)original->size);
        copy->size = original->size;
        copy->held = Py_XNewRef(original->held);
    }
    Py_DECREF(original);
    return (PyObject *)copy;
}

static void
struct_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(((struct_object *)self)->held);
    give_back((struct_object *)self);
    Py_DECREF(type);
}

/* The info behind a type: its attributes lead to their fields, and these to their struct. */
static const struct_info *
info_of(PyTypeObject *type)
{
    const struct_field *field = type->tp_getset[0].closure;
    return &struct_table[field->owner];
}

int
struct_index(PyObject *object)
{
    bool is_struct = PyType_Check(object) && ((PyTypeObject *)object)->tp_dealloc == struct_dealloc;
    return is_struct ? (int)(info_of((PyTypeObject *)object) - struct_table) : -1;
}

bool
struct_filled(struct_object *object, Py_ssize_t size)
{
    if (size < object->info->minimum)
        return false;
    if (size < object->size)
        object->size = size;
    return true;
}

static const struct_field *
field_named(const struct_info *info, PyObject *name)
{
    for (unsigned k = 0; k < info->count; k++)
        if (PyUnicode_CompareWithASCIIString(name, info->fields[k].name) == 0)
            return &info->fields[k];
    PyErr_Format(PyExc_TypeError, "%s() has no field '%U'", info->name, name);
    return NULL;
}

/* Sets the buffers among the changes, or all else. */
static bool
set_some_by_name(struct_object *object, PyObject *changes, bool buffers)
{
    PyObject *name, *value;
    Py_ssize_t position = 0;
    while (changes != NULL && PyDict_Next(changes, &position, &name, &value)) {
        const struct_field *field = field_named(object->info, name);
        /* Converting it may run code that takes it out of the dict. */
        Py_INCREF(value);
        bool good =
            field != NULL && ((field->type == FIELD_BUFFER) != buffers || field_set(object, field, value));
        Py_DECREF(value);
        if (!good)
            return false;
    }
    return true;
}

/* Buffers first: they set their length too, unless it is given. */
static bool
set_by_name(struct_object *object, PyObject *changes)
{
    return set_some_by_name(object, changes, true) && set_some_by_name(object, changes, false);
}

/* Whether setting a field decides where the object ends. */
static bool
ends_with_a_field(const struct_info *info)
{
    for (unsigned k = 0; k < info->count; k++)
        if (info->fields[k].type == FIELD_TAIL || info->fields[k].type == FIELD_SUN_PATH)
            return true;
    return false;
}

static PyObject *
struct_construct(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    const struct_info *info = info_of(type);
    Py_ssize_t given = PyTuple_GET_SIZE(args);
    if (given > info->count)
        return PyErr_Format(PyExc_TypeError, "%s() takes at most %d fields (%zd given)", info->name,
                            info->count, given);
    struct_object *object = allocate(PyType_GetModuleState(type), type, info);
    if (object == NULL)
        return NULL;
    if (info->is_sockaddr && info->family != 0)
        memcpy(object->data, &info->family, sizeof(info->family));
    if (kwargs == NULL && fields_store(info, object->data, args))
        return (PyObject *)object;
    if ((info->is_sockaddr || info->tells_size) && ends_with_a_field(info))
        object->size = info->minimum;
    for (Py_ssize_t k = 0; k < given; k++) {
        const struct_field *field = &info->fields[k];
        bool twice = false;
        if (kwargs != NULL) {
            PyObject *name = PyUnicode_FromString(field->name);
            twice = name != NULL && PyDict_Contains(kwargs, name) == 1;
            Py_XDECREF(name);
        }
        if (twice)
            PyErr_Format(PyExc_TypeError, "%s() got field '%s' twice", info->name, field->name);
        if (PyErr_Occurred() || !field_set(object, field, PyTuple_GET_ITEM(args, k))) {
            Py_DECREF(object);
            return NULL;
        }
    }
    if (!set_by_name(object, kwargs))
        Py_CLEAR(object);
    else if (info->tells_size && struct_told_size(object) == info->size_from)
        struct_tell_size(object);
    return (PyObject *)object;
}

static PyObject *
struct_replace(PyObject *self, PyObject *args, PyObject *kwargs)
{
    const struct_object *old = (const struct_object *)self;
    if (PyTuple_GET_SIZE(args) != 0)
        return PyErr_Format(PyExc_TypeError, "%s.replace() takes fields by name only", old->info->name);
    struct_object *object = allocate(PyType_GetModuleState(Py_TYPE(self)), Py_TYPE(self), old->info);
    if (object == NULL)
        return NULL;
    memcpy(object->data, old->data, (size_t)old->size);
    object->size = old->size;
    object->held = Py_XNewRef(old->held);
    bool told = old->info->tells_size && struct_told_size(old) == old->size;
    if (!set_by_name(object, kwargs))
        Py_CLEAR(object);
    else if (told && struct_told_size(object) == old->size && object->size != old->size)
        struct_tell_size(object);
    return (PyObject *)object;
}

static PyObject *
struct_from_bytes(PyObject *type, PyObject *source)
{
    const struct_info *info = info_of((PyTypeObject *)type);
    Py_buffer view;
    if (PyObject_GetBuffer(source, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    struct_object *object = NULL;
    /* What a later kernel has added is left out. */
    Py_ssize_t size = info->grows && view.len > info->size ? info->size : view.len;
    if (size < info->minimum || size > info->size)
        info->grows ? PyErr_Format(PyExc_ValueError, "%s.from_bytes() needs %d bytes or more, not %zd",
                                   info->name, info->minimum, view.len)
        : info->minimum == info->size
            ? PyErr_Format(PyExc_ValueError, "%s.from_bytes() needs %d bytes, not %zd", info->name,
                           info->size, view.len)
            : PyErr_Format(PyExc_ValueError, "%s.from_bytes() needs %d to %d bytes, not %zd", info->name,
                           info->minimum, info->size, view.len);
    else
        object = allocate(PyType_GetModuleState((PyTypeObject *)type), (PyTypeObject *)type, info);
    if (object != NULL) {
        memcpy(object->data, view.buf, (size_t)size);
        object->size = size;
        if (size < view.len && info->tells_size && struct_told_size(object) > size)
            struct_tell_size(object);
    }
    PyBuffer_Release(&view);
    return (PyObject *)object;
}

static PyObject *
struct_to_bytes(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    const struct_object *object = (const struct_object *)self;
    return PyBytes_FromStringAndSize((const char *)object->data, object->size);
}

static PyObject *
struct_reduce(PyObject *self, PyObject *ignored)
{
    const struct_object *object = (const struct_object *)self;
    if (object->held != NULL)
        return PyErr_Format(PyExc_TypeError, "cannot pickle %s: it holds the buffer that it points at",
                            object->info->name);
    PyObject *make = PyObject_GetAttrString((PyObject *)Py_TYPE(self), "from_bytes");
    return make != NULL ? Py_BuildValue("N(N)", make, struct_to_bytes(self, ignored)) : NULL;
}

/* As objects never change, one serves for all. */
static PyObject *
struct_same(PyObject *self, PyObject *Py_UNUSED(memo))
{
    return Py_NewRef(self);
}

static PyObject *
struct_repr(PyObject *self)
{
    const struct_object *object = (const struct_object *)self;
    PyObject *parts = PyList_New(0);
    for (unsigned k = 0; parts != NULL && k < object->info->count; k++) {
        const struct_field *field = &object->info->fields[k];
        PyObject *value = struct_get(self, (void *)field);
        PyObject *part = value != NULL ? PyUnicode_FromFormat("%s=%R", field->name, value) : NULL;
        if (part == NULL || PyList_Append(parts, part) < 0)
            Py_CLEAR(parts);
        Py_XDECREF(part);
        Py_XDECREF(value);
    }
    PyObject *comma = parts != NULL ? PyUnicode_FromString(", ") : NULL;
    PyObject *joined = comma != NULL ? PyUnicode_Join(comma, parts) : NULL;
    PyObject *text = joined != NULL ? PyUnicode_FromFormat("%s(%U)", object->info->name, joined) : NULL;
    Py_XDECREF(joined);
    Py_XDECREF(comma);
    Py_XDECREF(parts);
    return text;
}

static PyObject *
struct_compare(PyObject *self, PyObject *other, int operation)
{
    if (!Py_IS_TYPE(other, Py_TYPE(self)) || (operation != Py_EQ && operation != Py_NE))
        Py_RETURN_NOTIMPLEMENTED;
    PyObject *a = struct_content((const struct_object *)self);
    PyObject *b = a != NULL ? struct_content((const struct_object *)other) : NULL;
    PyObject *result = b != NULL ? PyObject_RichCompare(a, b, operation) : NULL;
    Py_XDECREF(a);
    Py_XDECREF(b);
    return result;
}

static Py_hash_t
struct_hash(PyObject *self)
{
    PyObject *content = struct_content((const struct_object *)self);
    if (content == NULL)
        return -1;
    Py_hash_t hash = PyObject_Hash(content);
    Py_DECREF(content);
    return hash;
}

static int
struct_buffer(PyObject *self, Py_buffer *view, int flags)
{
    struct_object *object = (struct_object *)self;
    return PyBuffer_FillInfo(view, self, object->data, object->size, 1, flags);
}

static Py_ssize_t
struct_length(PyObject *self)
{
    return ((const struct_object *)self)->info->sequence_count;
}

static PyObject *
struct_item(PyObject *self, Py_ssize_t index)
{
    const struct_info *info = ((const struct_object *)self)->info;
    if (index < 0 || index >= info->sequence_count) {
        PyErr_Format(PyExc_IndexError, "%s index out of range", info->name);
        return NULL;
    }
    return struct_get(self, (void *)&info->fields[info->sequence[index]]);
}

/* An int index, or a slice, which gives a tuple. */
static PyObject *
struct_subscript(PyObject *self, PyObject *key)
{
    if (PyIndex_Check(key)) {
        Py_ssize_t index = PyNumber_AsSsize_t(key, PyExc_IndexError);
        if (index == -1 && PyErr_Occurred())
            return NULL;
        return struct_item(self, index < 0 ? index + struct_length(self) : index);
    }
    PyObject *tuple = PySequence_Tuple(self);
    PyObject *part = tuple != NULL ? PyObject_GetItem(tuple, key) : NULL;
    Py_XDECREF(tuple);
    return part;
}

static PyObject *
struct_sizeof(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    const struct_object *object = (const struct_object *)self;
    Py_ssize_t room = object->info->record_size != 0 ? object->size : object->info->size;
    return PyLong_FromSize_t(offsetof(struct_object, data) + (size_t)room);
}

static PyMethodDef struct_methods[] = {
    {"from_bytes", struct_from_bytes, METH_O | METH_CLASS,
     PyDoc_STR("from_bytes($type, data, /)\n--\n\nThe struct that the kernel's bytes `data` hold.")},
    {"to_bytes", struct_to_bytes, METH_NOARGS,
     PyDoc_STR("to_bytes($self, /)\n--\n\nThe struct as the kernel's bytes.")},
    {"replace", (PyCFunction)(void (*)(void))struct_replace, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("replace($self, /, **fields)\n--\n\nA copy in which the fields given by name are changed.")},
    {"__replace__", (PyCFunction)(void (*)(void))struct_replace, METH_VARARGS | METH_KEYWORDS, NULL},
    {"__copy__", struct_same, METH_NOARGS, NULL},
    {"__deepcopy__", struct_same, METH_O, NULL},
    {"__reduce__", struct_reduce, METH_NOARGS, NULL},
    {"__sizeof__", struct_sizeof, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject *
make_type(PyObject *module, const struct_info *info)
{
    PyType_Slot slots[] = {
        {Py_tp_doc, (void *)info->doc},
        {Py_tp_new, struct_construct},
        {Py_tp_dealloc, struct_dealloc},
        {Py_tp_getset, info->getset},
        {Py_tp_methods, struct_methods},
        {Py_tp_repr, struct_repr},
        {Py_tp_richcompare, struct_compare},
        {Py_tp_hash, struct_hash},
        {Py_bf_getbuffer, struct_buffer},
        /* A slot 0 ends the list: what follows is for structs that are sequences too. */
        {info->sequence_count != 0 ? Py_sq_length : 0, struct_length},
        {Py_sq_item, struct_item},
        {Py_tp_iter, PySeqIter_New},
        {Py_mp_length, struct_length},
        {Py_mp_subscript, struct_subscript},
        {0, NULL},
    };
    char name[80];
    PyOS_snprintf(name, sizeof(name), "pysyscall.%s", info->name);
    PyType_Spec spec = {
        .name = name,
        .basicsize = offsetof(struct_object, data),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
        .slots = slots,
    };
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}

/* __match_args__, so that `case Rlimit(soft, hard)` works. */
static int
add_match_args(PyTypeObject *type, const struct_info *info)
{
    PyObject *names = PyTuple_New(info->count);
    for (unsigned k = 0; names != NULL && k < info->count; k++) {
        PyObject *name = PyUnicode_InternFromString(info->fields[k].name);
        if (name == NULL)
            Py_CLEAR(names);
        else
            PyTuple_SET_ITEM(names, k, name);
    }
    int result = names != NULL ? PyDict_SetItemString(type->tp_dict, "__match_args__", names) : -1;
    Py_XDECREF(names);
    PyType_Modified(type);
    return result;
}

PyTypeObject *
struct_make_type(module_state *state, unsigned index)
{
    PyTypeObject *type = make_type(state->module, &struct_table[index]);
    if (type != NULL && add_match_args(type, &struct_table[index]) < 0)
        Py_CLEAR(type);
    if (type == NULL) {
        /* Where memory runs out, CPython does not always say so. */
        if (!PyErr_Occurred())
            PyErr_NoMemory();
        return NULL;
    }
    return keep_type(&state->struct_types[index], type);
}

PyTypeObject *
struct_type_named(module_state *state, PyObject *name)
{
    for (unsigned k = 0; k < STRUCT_COUNT; k++)
        if (PyUnicode_CompareWithASCIIString(name, struct_table[k].name) == 0)
            return struct_type(state, k);
    return NULL;
}
