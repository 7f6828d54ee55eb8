/* One Python object to one register: the cases that convert.h does not take in place. */
#include "convert.h"

#include <math.h>
#include <sys/mman.h>

#include "errors.h"
#include "structs.h"

bool
memory_take(memory *m, size_t size)
{
    m->size = size;
    m->held = NULL;
    if (size <= HEAP_LIMIT) {
        m->data = PyMem_RawMalloc(size);
        m->origin = m->data != NULL ? MEMORY_HEAP : MEMORY_NONE;
    }
    else {
        void *mapped =
            mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        m->data = mapped != MAP_FAILED ? mapped : NULL;
        m->origin = m->data != NULL ? MEMORY_MAPPED : MEMORY_NONE;
    }
    if (m->data == NULL)
        PyErr_NoMemory();
    return m->data != NULL;
}

bool
memory_take_up_to(memory *m, size_t size)
{
    while (!memory_take(m, size)) {
        if (size <= HEAP_LIMIT)
            return false;
        PyErr_Clear();
        size /= 2;
    }
    return true;
}

void
memory_give_back(memory *m)
{
    /* What was never taken is not initialised either. */
    if (m->origin == MEMORY_NONE)
        return;
    if (m->origin == MEMORY_HEAP)
        PyMem_RawFree(m->data);
    else if (m->origin == MEMORY_MAPPED)
        munmap(m->data, m->size);
    m->origin = MEMORY_NONE;
    Py_CLEAR(m->held);
}

static bool
refuse_range(const signature *sig, int i, PyObject *number)
{
    const argument *a = &sig->args[i];
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
    bool word = a->kind == KIND_WORD || a->kind == KIND_ADDRESS || a->kind == KIND_BREAK;
    if (overflow == 0)
        return word ? refuse(sig, i, PyExc_OverflowError, "must be in [0, 2**64 - 1], not %lld", value)
                    : refuse(sig, i, PyExc_OverflowError, "must be in [%ld, %ld], not %lld", a->min, a->max,
                             value);
    return word ? refuse(sig, i, PyExc_OverflowError, "must be in [0, 2**64 - 1]: the int is too large")
                : refuse(sig, i, PyExc_OverflowError, "must be in [%ld, %ld]: the int is too large", a->min,
                         a->max);
}

/* `value` through __index__: a new reference, or NULL with the argument's own TypeError. */
static PyObject *
to_index(const signature *sig, int i, PyObject *value)
{
    if (!PyIndex_Check(value)) {
        refuse_type(sig, i, value);
        return NULL;
    }
    return PyNumber_Index(value);
}

bool
convert_int(const signature *sig, int i, PyObject *value, long *out)
{
    const argument *a = &sig->args[i];
    if (value == Py_None && a->nullable) {
        *out = a->none;
        return true;
    }
    PyObject *number = to_index(sig, i, value);
    if (number == NULL)
        return false;
    int overflow;
    long result = PyLong_AsLongAndOverflow(number, &overflow);
    bool fits = overflow == 0 && result >= a->min && result <= a->max;
    if (fits)
        *out = result;
    else
        refuse_range(sig, i, number);
    Py_DECREF(number);
    return fits;
}

bool
convert_word(const signature *sig, int i, PyObject *value, long *out)
{
    const argument *a = &sig->args[i];
    if (value == Py_None && a->nullable) {
        *out = a->none;
        return true;
    }
    PyObject *number = to_index(sig, i, value);
    if (number == NULL)
        return false;
    unsigned long result = PyLong_AsUnsignedLong(number);
    bool fits = !(result == (unsigned long)-1 && PyErr_Occurred());
    if (fits) {
        *out = (long)result;
    }
    else if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
        PyErr_Clear();
        refuse_range(sig, i, number);
    }
    Py_DECREF(number);
    return fits;
}

bool
optional_attribute(PyObject *object, PyObject *name, PyObject **found)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyObject_GetOptionalAttr(object, name, found) >= 0;
#else
    *found = PyObject_GetAttr(object, name);
    if (*found == NULL && !PyErr_ExceptionMatches(PyExc_AttributeError))
        return false;
    PyErr_Clear();
    return true;
#endif
}

bool
convert_fd(module_state *state, const signature *sig, int i, PyObject *value, long *out)
{
    if (PyIndex_Check(value) || value == Py_None)
        return convert_int(sig, i, value, out);
    PyObject *fileno;
    if (!optional_attribute(value, state->fileno, &fileno))
        return false;
    if (fileno == NULL)
        return refuse_type(sig, i, value);
    PyObject *number = PyObject_CallNoArgs(fileno);
    Py_DECREF(fileno);
    if (number == NULL)
        return false;
    bool good = PyLong_Check(number);
    if (good)
        good = convert_int(sig, i, number, out);
    else
        refuse(sig, i, PyExc_TypeError, "must have a fileno() that returns an int, not %s",
               Py_TYPE(number)->tp_name);
    Py_DECREF(number);
    return good;
}

PyObject *
convert_path(module_state *state, const signature *sig, int i, PyObject *value)
{
    /* An error of __fspath__ itself is the caller's; that there is none is ours to tell. */
    if (!PyUnicode_Check(value) && !PyBytes_Check(value)) {
        PyObject *method;
        if (!optional_attribute((PyObject *)Py_TYPE(value), state->fspath, &method))
            return NULL;
        if (method == NULL) {
            refuse_type(sig, i, value);
            return NULL;
        }
        Py_DECREF(method);
    }
    PyObject *path = PyOS_FSPath(value);
    if (path == NULL)
        return NULL;
    PyObject *encoded = path;
    if (PyUnicode_Check(path)) {
        encoded = PyUnicode_EncodeFSDefault(path);
        Py_DECREF(path);
        if (encoded == NULL)
            return NULL;
    }
    if (strlen(PyBytes_AS_STRING(encoded)) != (size_t)PyBytes_GET_SIZE(encoded)) {
        refuse(sig, i, PyExc_ValueError, "must not contain a NUL byte");
        Py_DECREF(encoded);
        return NULL;
    }
    return encoded;
}

bool
convert_buffer(const signature *sig, int i, Py_ssize_t item, PyObject *value, bool writable, Py_buffer *view)
{
    if (!PyObject_CheckBuffer(value))
        return refuse_type(sig, i, value);
    if (PyObject_GetBuffer(value, view, writable ? PyBUF_WRITABLE : PyBUF_SIMPLE) == 0)
        return true;
    /* Ask for less, to tell which of the two demands the buffer does not meet. */
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    if (PyObject_GetBuffer(value, view, PyBUF_FULL_RO) == 0) {
        bool read_only = writable && view->readonly;
        bool contiguous = PyBuffer_IsContiguous(view, 'C');
        PyBuffer_Release(view);
        if (read_only || !contiguous) {
            Py_XDECREF(type);
            Py_XDECREF(error);
            Py_XDECREF(traceback);
            char where[32] = "";
            if (item >= 0)
                PyOS_snprintf(where, sizeof(where), "item %zd ", item);
            return read_only
                       ? refuse(sig, i, PyExc_TypeError, "%smust be writable, not a read-only %s", where,
                                Py_TYPE(value)->tp_name)
                       : refuse(sig, i, PyExc_BufferError, "%smust be one contiguous block of memory", where);
        }
    }
    else {
        PyErr_Clear();
    }
    if (error != NULL && (type == PyExc_ValueError || type == PyExc_BufferError)) {
        refuse(sig, i, type, "can't be used: %S", error);
        Py_DECREF(type);
        Py_DECREF(error);
        Py_XDECREF(traceback);
        return false;
    }
    PyErr_Restore(type, error, traceback);
    return false;
}

bool
convert_count(const signature *sig, int i, PyObject *value, long *out)
{
    PyObject *number = to_index(sig, i, value);
    if (number == NULL)
        return false;
    int overflow;
    long count = PyLong_AsLongAndOverflow(number, &overflow);
    Py_DECREF(number);
    if (overflow < 0 || (overflow == 0 && count < 0))
        return refuse(sig, i, PyExc_ValueError, "must be a count of bytes, not negative");
    *out = overflow > 0 || count > MAX_TRANSFER ? MAX_TRANSFER : count;
    return true;
}

bool
convert_timespec(module_state *state, const signature *sig, int i, PyObject *value, struct timespec *out)
{
    if (Py_IS_TYPE(value, state->struct_types[STRUCT_Timespec])) {
        memcpy(out, ((struct_object *)value)->data, sizeof(*out));
        return true;
    }
    long seconds;
    if (int_in_place(value, &seconds)) {
        *out = (struct timespec){.tv_sec = seconds};
        return true;
    }
    if (PyFloat_Check(value)) {
        double given = PyFloat_AS_DOUBLE(value), whole = floor(given);
        if (isnan(given))
            return refuse(sig, i, PyExc_ValueError, "must be a number of seconds, not NaN");
        if (fabs(given) >= 9.2e18)
            return refuse(sig, i, PyExc_OverflowError, "is too many seconds for 64 bits");
        out->tv_sec = (time_t)whole;
        /* Rounded up: a wait is never shorter than what was asked for. */
        out->tv_nsec = (long)ceil((given - whole) * 1e9);
        if (out->tv_nsec >= 1000000000) {
            out->tv_sec++;
            out->tv_nsec = 0;
        }
        return true;
    }
    if (!PyIndex_Check(value))
        return refuse_type(sig, i, value);
    PyObject *number = PyNumber_Index(value);
    if (number == NULL)
        return false;
    int overflow;
    seconds = PyLong_AsLongAndOverflow(number, &overflow);
    Py_DECREF(number);
    if (overflow != 0)
        return refuse(sig, i, PyExc_OverflowError, "is too many seconds for 64 bits");
    *out = (struct timespec){.tv_sec = seconds};
    return true;
}

bool
convert_time(module_state *state, const signature *sig, int i, PyObject *value, struct timespec *out)
{
    if (sig->args[i].type == STRUCT_Timespec)
        return convert_timespec(state, sig, i, value, out);
    if (Py_IS_TYPE(value, state->struct_types[STRUCT_Timeval])) {
        memcpy(out, ((struct_object *)value)->data, sizeof(*out));
        return true;
    }
    if (Py_IS_TYPE(value, state->struct_types[STRUCT_Timespec]))
        return refuse_type(sig, i, value);
    if (!convert_timespec(state, sig, i, value, out))
        return false;
    /* Microseconds, rounded up; the kernel takes a whole second of them. */
    out->tv_nsec = (out->tv_nsec + 999) / 1000;
    return true;
}

PyObject *
shorten(PyObject *object, Py_ssize_t length)
{
    _PyBytes_Resize(&object, length);
    return object;
}

int64_t
nanoseconds_on(clockid_t clock)
{
    struct timespec now;
    return clock_gettime(clock, &now) == 0 ? now.tv_sec * 1000000000L + now.tv_nsec : 0;
}

int64_t
deadline_after(long milliseconds)
{
    return nanoseconds_on(CLOCK_MONOTONIC) + milliseconds * 1000000;
}

long
milliseconds_until(int64_t deadline)
{
    int64_t left = deadline - nanoseconds_on(CLOCK_MONOTONIC);
    return left > 0 ? (left + 999999) / 1000000 : 0;
}

struct timespec
less(struct timespec duration, int64_t nanoseconds)
{
    if (nanoseconds <= 0)
        return duration;
    duration.tv_sec -= nanoseconds / 1000000000;
    duration.tv_nsec -= nanoseconds % 1000000000;
    if (duration.tv_nsec < 0) {
        duration.tv_sec--;
        duration.tv_nsec += 1000000000;
    }
    return duration.tv_sec >= 0 ? duration : (struct timespec){0, 0};
}

struct timespec
less_time(unsigned type, struct timespec duration, int64_t nanoseconds)
{
    if (type == STRUCT_Timespec)
        return less(duration, nanoseconds);
    /* As the kernel does, whole seconds of microseconds are counted as such. */
    duration.tv_sec = (time_t)((uint64_t)duration.tv_sec + (uint64_t)(duration.tv_nsec / 1000000));
    duration.tv_nsec = duration.tv_nsec % 1000000 * 1000;
    duration = less(duration, nanoseconds);
    duration.tv_nsec = (duration.tv_nsec + 999) / 1000;
    return duration;
}

PyObject *
path_result(const char *data, Py_ssize_t length, PyObject *like)
{
    if (length > 0 && data[length - 1] == '\0')
        length--;
    bool bytes = like != NULL && PyBytes_Check(like);
    if (like != NULL && !bytes && !PyUnicode_Check(like)) {
        PyObject *path = PyOS_FSPath(like);
        if (path == NULL)
            return NULL;
        bytes = PyBytes_Check(path);
        Py_DECREF(path);
    }
    return bytes ? PyBytes_FromStringAndSize(data, length) : PyUnicode_DecodeFSDefaultAndSize(data, length);
}

static const char *const enum_names[] = {
#include "generated/enum_names.inc"
};

/* The member that the enumeration itself makes of a value; the value where it refuses, or where there is no
 * enumeration: the call is made, and may have put Python's files out of reach. */
static PyObject *
make_member(unsigned index, PyObject *value)
{
    PyObject *flags = PyImport_ImportModule("pysyscall.flags");
    PyObject *type = flags != NULL ? PyObject_GetAttrString(flags, enum_names[index]) : NULL;
    PyObject *member = type != NULL ? PyObject_CallOneArg(type, value) : NULL;
    PyObject *expected = flags != NULL ? PyExc_ValueError : PyExc_Exception;
    Py_XDECREF(flags);
    Py_XDECREF(type);
    if (member == NULL && PyErr_ExceptionMatches(expected)) {
        PyErr_Clear();
        return Py_NewRef(value);
    }
    return member;
}

/* Whether one thread at a time comes here, so that a value and its member stay together. */
#ifdef Py_GIL_DISABLED
enum { ONE_AT_A_TIME = false };
#else
enum { ONE_AT_A_TIME = true };
#endif

PyObject *
enum_result(module_state *state, unsigned index, long value)
{
    seen_member *latest = &state->latest[index];
    if (latest->member != NULL && latest->value == value)
        return Py_NewRef(latest->member);
    /* Combinations of flags are many: no more than these are kept. */
    enum { KEPT = 256 };
    PyObject *known = state->members[index], *number = PyLong_FromLong(value);
    if (known == NULL) /* the module is on its way out */
        return number;
    PyObject *member = number != NULL ? Py_XNewRef(PyDict_GetItemWithError(known, number)) : NULL;
    if (member == NULL && !PyErr_Occurred()) {
        /* The enumeration is Python code, during which the table of members may be cleared. */
        Py_INCREF(known);
        member = make_member(index, number);
        bool found = member != NULL && member != number;
        if (found && PyDict_GET_SIZE(known) < KEPT) {
            /* What the table has, it keeps: another thread may have been first. */
            PyObject *kept = PyDict_SetDefault(known, number, member);
            Py_XINCREF(kept);
            Py_SETREF(member, kept);
        }
        Py_DECREF(known);
    }
    else if (member != NULL && ONE_AT_A_TIME) {
        /* The table keeps it. */
        *latest = (seen_member){member, value};
    }
    Py_XDECREF(number);
    return member;
}
