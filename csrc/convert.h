/* One Python object to one register: integers, descriptors, paths, buffers, time-outs, options.
 *
 * The inline functions take the common case; what they decline goes to the functions of convert.c. */
#ifndef PYSYSCALL_CONVERT_H
#define PYSYSCALL_CONVERT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <linux/filter.h>
#include <linux/if.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#include "signature.h"
#include "state.h"

/* The most that one read or write moves; the kernel cuts a larger count down to it. */
#define MAX_TRANSFER 0x7ffff000L

/* Room for what the kernel writes behind a pointer. */
typedef union {
    struct timespec timespec;
    long offset;
    struct iovec vector;
    struct sock_fprog program;
    struct ifconf interfaces;
    struct {
        const uint64_t *mask;
        size_t size;
        uint64_t own;
    } pack;
    int length;
    uint64_t mask;
    unsigned char bytes[16];
} cell;

/* Memory for out-arguments whose size is known only at the call. */
typedef struct {
    unsigned char *data;
    size_t size;
    enum { MEMORY_NONE, MEMORY_HEAP, MEMORY_MAPPED } origin;
    PyObject *held; /* what addresses within it point at, or NULL */
} memory;

enum { HEAP_LIMIT = 64 << 20 };

/* Takes `size` bytes; above HEAP_LIMIT address space that costs nothing until it is written to. Raises MemoryError. */
bool memory_take(memory *m, size_t size);
/* The same, but content with less than `size`. */
bool memory_take_up_to(memory *m, size_t size);
void memory_give_back(memory *m);

static inline long
smaller(long a, long b)
{
    return a < b ? a : b;
}

/* Reads an exact int that fits in one machine digit (CPython's compact form). */
static inline bool
int_in_place(PyObject *value, long *out)
{
    if (!PyLong_CheckExact(value))
        return false;
#if PY_VERSION_HEX >= 0x030C0000
    const PyLongObject *number = (const PyLongObject *)value;
    if (!PyUnstable_Long_IsCompact(number))
        return false;
    *out = PyUnstable_Long_CompactValue(number);
#else
    const PyLongObject *number = (const PyLongObject *)value;
    Py_ssize_t digits = Py_SIZE(number);
    if (digits < -1 || digits > 1)
        return false;
    *out = digits * (long)number->ob_digit[0];
#endif
    return true;
}

/* Any int within the argument's [min, max]; OverflowError outside, TypeError for what is no integer. */
bool convert_int(const signature *sig, int i, PyObject *value, long *out);
/* Any int within 64 unsigned bits. */
bool convert_word(const signature *sig, int i, PyObject *value, long *out);
/* An attribute, or NULL where there is none; false where looking for it raised. */
bool optional_attribute(PyObject *object, PyObject *name, PyObject **found);
/* An int, an object with fileno(), or None where the argument allows it. */
bool convert_fd(module_state *state, const signature *sig, int i, PyObject *value, long *out);

/* The characters of an ASCII str or of bytes, in place; NULL for the rest, also where a NUL is inside. */
static inline const char *
path_in_place(PyObject *value)
{
    const char *text;
    Py_ssize_t length;
    if (PyUnicode_CheckExact(value) && PyUnicode_IS_COMPACT_ASCII(value)) {
        text = PyUnicode_DATA(value);
        length = PyUnicode_GET_LENGTH(value);
    }
    else if (PyBytes_CheckExact(value)) {
        text = PyBytes_AS_STRING(value);
        length = PyBytes_GET_SIZE(value);
    }
    else {
        return NULL;
    }
    return strlen(text) == (size_t)length ? text : NULL;
}

/* The path as a new bytes object. */
PyObject *convert_path(module_state *state, const signature *sig, int i, PyObject *value);

/* A contiguous buffer over `value`, to be released. `item` is its place in a sequence, or -1. */
bool convert_buffer(const signature *sig, int i, Py_ssize_t item, PyObject *value, bool writable,
                    Py_buffer *view);
/* A count of bytes to read, cut down to MAX_TRANSFER; ValueError where it is negative. */
bool convert_count(const signature *sig, int i, PyObject *value, long *out);

/* Seconds or a Timespec. */
bool convert_timespec(module_state *state, const signature *sig, int i, PyObject *value,
                      struct timespec *out);

/* The same as the struct that the argument's `type` is, a Timespec or a Timeval. */
bool convert_time(module_state *state, const signature *sig, int i, PyObject *value, struct timespec *out);

/* `object`, a bytes that nobody else has seen, cut down to `length`; NULL with MemoryError. */
PyObject *shorten(PyObject *object, Py_ssize_t length);

/* Time-outs in milliseconds, measured on CLOCK_MONOTONIC in nanoseconds. */
int64_t deadline_after(long milliseconds);
long milliseconds_until(int64_t deadline);

/* A clock's time; 0 where it has none. */
int64_t nanoseconds_on(clockid_t clock);
/* A duration less some nanoseconds, but not below 0. */
struct timespec less(struct timespec duration, int64_t nanoseconds);
/* The same of a time in the form of struct `type`. */
struct timespec less_time(unsigned type, struct timespec duration, int64_t nanoseconds);

/* The result of an out-path, with or without its NUL: str, or bytes where `like` is bytes or a PathLike over bytes. */
PyObject *path_result(const char *data, Py_ssize_t length, PyObject *like);

/* A member of the enumeration with that index, or an int where it has no such member. */
PyObject *enum_result(module_state *state, unsigned index, long value);

/* An unsigned or signed little-endian integer of `size` bytes. */
static inline __attribute__((always_inline)) long
integer_value(const unsigned char *data, size_t size, bool is_signed)
{
    int64_t value = 0;
    memcpy(&value, data, size);
    unsigned unused = 64 - 8 * (unsigned)size;
    return is_signed ? (int64_t)((uint64_t)value << unused) >> unused : value;
}

/* For several ints in a row; a single one is no slower from PyLong_FromLong, whose code is warm. */
static inline PyObject *
int_result(long value)
{
    unsigned long place = (unsigned long)value - SMALLEST_INT;
    if (place < __atomic_load_n(&facts.small_count, __ATOMIC_RELAXED))
        return Py_NewRef((PyObject *)(__atomic_load_n(&facts.small_ints, __ATOMIC_RELAXED) + place));
    return PyLong_FromLong(value);
}

static inline __attribute__((always_inline)) PyObject *
integer_result(const unsigned char *data, size_t size, bool is_signed)
{
    long value = integer_value(data, size, is_signed);
    return is_signed || value >= 0 ? int_result(value) : PyLong_FromUnsignedLong((unsigned long)value);
}

#endif
