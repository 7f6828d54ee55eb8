/* Mapping: a Python object that owns memory of the address space, and hands it out as a buffer. */
#include "mapping.h"

#include <sys/mman.h>
#include <unistd.h>

#include "generated/numbers.h"
#include "state.h"
#include "syscall_arch.h"

/* Only builds without a GIL need them, and older versions have none. */
#ifndef Py_BEGIN_CRITICAL_SECTION
#define Py_BEGIN_CRITICAL_SECTION(object) {
#define Py_END_CRITICAL_SECTION()         }
#endif

/* Whether the memory is there, and in this process. */
static bool
is_open(const mapping_object *m)
{
    return m->open && (m->owner == 0 || m->owner == getpid());
}

enum mapping_use
mapping_pin(mapping_object *m)
{
    enum mapping_use use;
    Py_BEGIN_CRITICAL_SECTION(m);
    use = !is_open(m) ? MAPPING_CLOSED : m->taken ? MAPPING_TAKEN : MAPPING_USABLE;
    m->calls += use == MAPPING_USABLE;
    Py_END_CRITICAL_SECTION();
    return use;
}

void
mapping_unpin(mapping_object *m)
{
    Py_BEGIN_CRITICAL_SECTION(m);
    m->calls--;
    Py_END_CRITICAL_SECTION();
}

bool
mapping_take(mapping_object *m)
{
    bool free;
    Py_BEGIN_CRITICAL_SECTION(m);
    free = !m->taken && m->exports == 0 && m->calls == 1;
    m->taken |= free;
    Py_END_CRITICAL_SECTION();
    return free;
}

bool
mapping_restrict(mapping_object *m, int prot)
{
    bool free;
    Py_BEGIN_CRITICAL_SECTION(m);
    int lost = m->prot & ~prot;
    free =
        !m->changing && !((lost & PROT_READ) && m->exports > 0) && !((lost & PROT_WRITE) && m->writable > 0);
    if (free) {
        m->changing = true;
        m->before = m->prot;
        m->prot &= prot;
    }
    Py_END_CRITICAL_SECTION();
    return free;
}

void
mapping_let_go(mapping_object *m)
{
    Py_BEGIN_CRITICAL_SECTION(m);
    m->taken = m->changing = false;
    Py_END_CRITICAL_SECTION();
}

size_t
mapping_span(const mapping_object *m)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (m->size + page - 1) / page * page;
}

mapping_object *
mapping_new(module_state *state)
{
    /* All zero: it is not open. */
    return (mapping_object *)state->mapping_type->tp_alloc(state->mapping_type, 0);
}

static void
mapping_dealloc(PyObject *self)
{
    mapping_object *m = (mapping_object *)self;
    PyTypeObject *type = Py_TYPE(self);
    if (is_open(m)) {
        if (m->segment)
            syscall1(NR_shmdt, (long)m->address);
        else
            syscall2(NR_munmap, (long)m->address, (long)m->size);
    }
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
refuse_closed(void)
{
    PyErr_SetString(PyExc_ValueError, "the Mapping is closed");
    return NULL;
}

static void
mapping_release_buffer(PyObject *self, Py_buffer *view)
{
    mapping_object *m = (mapping_object *)self;
    Py_BEGIN_CRITICAL_SECTION(m);
    m->exports--;
    m->writable -= view->internal != NULL;
    Py_END_CRITICAL_SECTION();
}

static int
mapping_get_buffer(PyObject *self, Py_buffer *view, int flags)
{
    mapping_object *m = (mapping_object *)self;
    const char *reason = NULL;
    bool open, writable;
    view->obj = NULL;
    Py_BEGIN_CRITICAL_SECTION(m);
    open = is_open(m);
    writable = (m->prot & PROT_WRITE) != 0;
    if (m->taken)
        reason = "the Mapping is being unmapped or moved";
    else if (m->guarded)
        reason = "the Mapping's memory is guarded";
    else if (!(m->prot & PROT_READ))
        reason = "the Mapping's memory can't be read";
    else if ((flags & PyBUF_WRITABLE) && !writable)
        reason = "the Mapping's memory is read-only";
    if (open && reason == NULL) {
        m->exports++;
        m->writable += writable;
    }
    Py_END_CRITICAL_SECTION();
    if (!open || reason != NULL) {
        if (open)
            PyErr_SetString(PyExc_BufferError, reason);
        else
            refuse_closed();
        return -1;
    }
    int failed = PyBuffer_FillInfo(view, self, m->address, (Py_ssize_t)m->size, !writable, flags);
    view->internal = writable ? m : NULL;
    if (failed)
        mapping_release_buffer(self, view);
    return failed;
}

static Py_ssize_t
mapping_length(PyObject *self)
{
    const mapping_object *m = (const mapping_object *)self;
    if (!is_open(m)) {
        refuse_closed();
        return -1;
    }
    return (Py_ssize_t)m->size;
}

static PyObject *
get_address(PyObject *self, void *Py_UNUSED(closure))
{
    const mapping_object *m = (const mapping_object *)self;
    return is_open(m) ? PyLong_FromVoidPtr(m->address) : refuse_closed();
}

static PyObject *
get_closed(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(!is_open((const mapping_object *)self));
}

static PyObject *
mapping_repr(PyObject *self)
{
    const mapping_object *m = (const mapping_object *)self;
    if (!is_open(m))
        return PyUnicode_FromString("<Mapping, closed>");
    return PyUnicode_FromFormat("<Mapping of %zu bytes at %p>", m->size, m->address);
}

/* The module's function of that name, called. */
static PyObject *
call_function(PyObject *self, const char *name, PyObject *args)
{
    PyObject *module = PyType_GetModule(Py_TYPE(self));
    PyObject *function = module != NULL && args != NULL ? PyObject_GetAttrString(module, name) : NULL;
    PyObject *result = function != NULL ? PyObject_CallObject(function, args) : NULL;
    Py_XDECREF(function);
    Py_XDECREF(args);
    return result;
}

static PyObject *
mapping_close(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    const mapping_object *m = (const mapping_object *)self;
    if (!is_open(m))
        Py_RETURN_NONE;
    return call_function(self, m->segment ? "shmdt" : "munmap", PyTuple_Pack(1, self));
}

static PyObject *
mapping_enter(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return is_open((const mapping_object *)self) ? Py_NewRef(self) : refuse_closed();
}

static PyObject *
mapping_exit(PyObject *self, PyObject *Py_UNUSED(args))
{
    return mapping_close(self, NULL);
}

/* Calls `name(part, length, extra)` for the part that the arguments `offset` and `length` tell. */
static PyObject *
call_on_part(PyObject *self, const char *name, PyObject *given, PyObject *length, PyObject *extra)
{
    if (given != NULL && !PyIndex_Check(given))
        return PyErr_Format(PyExc_TypeError, "%s() argument 'offset' must be an int, not %s", name,
                            Py_TYPE(given)->tp_name);
    Py_ssize_t offset = given != NULL ? PyNumber_AsSsize_t(given, NULL) : 0;
    if (offset == -1 && PyErr_Occurred())
        return NULL;
    Py_ssize_t size = mapping_length(self);
    if (size < 0)
        return NULL;
    if (offset < 0 || offset >= size)
        return PyErr_Format(PyExc_ValueError, "%s() argument 'offset' must be in [0, %zd], not %zd", name,
                            size - 1, offset);
    PyObject *number = length == Py_None ? PyLong_FromSsize_t(size - offset) : Py_NewRef(length);
    if (number == NULL)
        return NULL;
    PyObject *args = extra != NULL ? Py_BuildValue("(On)NO", self, offset, number, extra)
                                   : Py_BuildValue("(On)N", self, offset, number);
    return call_function(self, name, args);
}

/* A method with one argument before the part. */
static PyObject *
advised(PyObject *self, PyObject *args, PyObject *kwargs, const char *name, const char *format,
        const char *parameter)
{
    char *keywords[] = {(char *)parameter, "offset", "length", NULL};
    PyObject *extra, *offset = NULL, *length = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, format, keywords, &extra, &offset, &length))
        return NULL;
    return call_on_part(self, name, offset, length, extra);
}

/* A method that takes the part alone. */
static PyObject *
plain(PyObject *self, PyObject *args, PyObject *kwargs, const char *name, const char *format)
{
    static char *keywords[] = {"offset", "length", NULL};
    PyObject *offset = NULL, *length = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, format, keywords, &offset, &length))
        return NULL;
    return call_on_part(self, name, offset, length, NULL);
}

static PyObject *
mapping_msync(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return advised(self, args, kwargs, "msync", "O|OO:msync", "flags");
}

static PyObject *
mapping_mprotect(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return advised(self, args, kwargs, "mprotect", "O|OO:mprotect", "prot");
}

static PyObject *
mapping_madvise(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return advised(self, args, kwargs, "madvise", "O|OO:madvise", "advice");
}

static PyObject *
mapping_mlock(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return plain(self, args, kwargs, "mlock", "|OO:mlock");
}

static PyObject *
mapping_munlock(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return plain(self, args, kwargs, "munlock", "|OO:munlock");
}

static PyObject *
mapping_mseal(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return plain(self, args, kwargs, "mseal", "|OO:mseal");
}

static PyObject *
mapping_mincore(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return plain(self, args, kwargs, "mincore", "|OO:mincore");
}

static PyObject *
mapping_mremap(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"new_size", "flags", "new_address", NULL};
    PyObject *size, *flags = NULL, *address = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|OO:mremap", keywords, &size, &flags, &address))
        return NULL;
    return call_function(self, "mremap",
                         flags == NULL ? PyTuple_Pack(2, self, size)
                                       : PyTuple_Pack(4, self, size, flags, address));
}

#define METHOD(name, parameters, text)                                                                       \
    {#name, (PyCFunction)(void (*)(void))mapping_##name, METH_VARARGS | METH_KEYWORDS,                       \
     PyDoc_STR(#name "($self, /, " parameters ")\n--\n\n" text)}

static PyMethodDef mapping_methods[] = {
    METHOD(msync, "flags, offset=0, length=None", "Write changes back to the file: `msync` on it or a part."),
    METHOD(mprotect, "prot, offset=0, length=None",
           "Set what may be done with the memory, or with a part: `mprotect`.\n\nBufferError where a buffer "
           "that was handed out needs what is taken away."),
    METHOD(madvise, "advice, offset=0, length=None",
           "Tell the kernel how the memory, or a part, will be used: `madvise`."),
    METHOD(mlock, "offset=0, length=None", "Lock the memory, or a part, into RAM: `mlock`."),
    METHOD(munlock, "offset=0, length=None", "Let the memory, or a part, be swapped out again: `munlock`."),
    METHOD(mseal, "offset=0, length=None",
           "Forbid that the memory, or a part, is unmapped, moved or protected: `mseal`.\n\nIt can't be "
           "closed afterwards."),
    METHOD(mincore, "offset=0, length=None",
           "A list of bool: which pages of the memory, or of a part, are in RAM: `mincore`."),
    METHOD(mremap, "new_size, flags=0, new_address=None",
           "Grow, shrink or move the memory: `mremap`.\n\nBufferError while buffers are exported."),
    {"close", mapping_close, METH_NOARGS,
     PyDoc_STR("close($self, /)\n--\n\nUnmap the memory; nothing happens where that is done already.\n\n"
               "BufferError while buffers are exported.")},
    {"__enter__", mapping_enter, METH_NOARGS, NULL},
    {"__exit__", mapping_exit, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef mapping_getset[] = {
    {"address", get_address, NULL, PyDoc_STR("Where the memory starts, an int."), NULL},
    {"closed", get_closed, NULL, PyDoc_STR("Whether the memory is no longer there."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyTypeObject *
mapping_make_type(PyObject *module)
{
    static PyType_Slot slots[] = {
        {Py_tp_doc,
         (void *)PyDoc_STR("Memory of the address space, as mmap, mremap, shmat and map_shadow_stack "
                           "return it.\n\nIt is a buffer, as far as its protection allows. Closing "
                           "it, or forgetting it, unmaps the memory.")},
        {Py_tp_dealloc, mapping_dealloc},
        {Py_tp_repr, mapping_repr},
        {Py_tp_methods, mapping_methods},
        {Py_tp_getset, mapping_getset},
        {Py_mp_length, mapping_length},
        {Py_bf_getbuffer, mapping_get_buffer},
        {Py_bf_releasebuffer, mapping_release_buffer},
        {0, NULL},
    };
    static PyType_Spec spec = {
        .name = "pysyscall.Mapping",
        .basicsize = sizeof(mapping_object),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
        .slots = slots,
    };
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}
