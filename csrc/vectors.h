/* Python sequences to the kernel's arrays, and back: iovecs, CPU masks, arrays of structs and integers. */
#ifndef PYSYSCALL_VECTORS_H
#define PYSYSCALL_VECTORS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <sys/uio.h>

#include "convert.h"
#include "signature.h"
#include "state.h"

enum { VECTOR_INLINE = 8, CPUSET_BYTES = 1024, NODEMASK_BYTES = 128 };

/* Buffers held for one readv or writev. */
typedef struct {
    struct iovec *iov;
    Py_buffer *views;
    Py_ssize_t count;
    struct iovec iov_inline[VECTOR_INLINE];
    Py_buffer views_inline[VECTOR_INLINE];
} vector;

/* The items of `value`, a tuple; str and bytes are sequences too, but never what is meant. */
PyObject *fast_sequence(const signature *sig, int i, PyObject *value);

bool vector_acquire(const signature *sig, int i, PyObject *value, bool writable, vector *v);
/* Does nothing where that has been done already. */
void vector_release(vector *v);

/* CPU numbers to a mask; sets the mask's length in bytes, a multiple of 8. */
bool cpuset_from(const signature *sig, int i, PyObject *value, unsigned char mask[CPUSET_BYTES],
                 long *length);
PyObject *cpuset_result(const unsigned char *mask, Py_ssize_t length);

/* NUMA nodes to a mask; sets how many bits it has, 0 where no node is in it. */
bool nodemask_from(const signature *sig, int i, PyObject *value, unsigned char mask[NODEMASK_BYTES],
                   long *bits);
PyObject *nodemask_result(const unsigned char *mask);

/* The lowest bit of each byte, as a list of bool. */
PyObject *pages_result(const unsigned char *data, Py_ssize_t count);

/* Signal numbers to the kernel's 64-bit mask. */
bool sigset_from(const signature *sig, int i, PyObject *value, uint64_t *mask);

/* An iterable of integers, side by side in `m`. */
bool integers_from(const signature *sig, int i, PyObject *value, memory *m, long *count);

/* Exactly the argument's `items`, at `data`. */
bool integers_into(const signature *sig, int i, PyObject *value, unsigned char *data);
/* Whether a number is the process group that owns the descriptor, and no error. */
bool is_owner(long fd, long number);
/* How many semaphores a set has; a negative errno where it can't be looked at. */
long semaphores_in(long semid);

/* Names that each end in NUL, as a list of str. */
PyObject *names_result(const char *data, Py_ssize_t length);

/* Strings as the array of pointers that execve takes; sets its address. A new reference to what holds them all. */
PyObject *strings_from(module_state *state, const signature *sig, int i, PyObject *value, bool mapping,
                       long *address);

/* A sequence of struct objects or tuples, copied side by side into `m`. */
bool structs_from(module_state *state, const signature *sig, int i, PyObject *value, memory *m, long *count);
PyObject *structs_result(module_state *state, unsigned type, const unsigned char *data, Py_ssize_t count);
/* The instructions of a classic BPF program, structs or the bytes of all of them, copied into `m`. */
bool program_from(module_state *state, const signature *sig, int i, PyObject *value, memory *m,
                  struct sock_fprog *program);
/* A struct and the array behind it, in `m`: as long as the struct says, or as the given sequence is. */
bool followed_from(module_state *state, const signature *sig, int i, PyObject *value, memory *m);
/* The struct, and a list of as many as the kernel filled in. */
PyObject *followed_result(module_state *state, const argument *a, const memory *m);
/* Those of an array of pollfd whose revents are not zero. */
PyObject *ready_result(module_state *state, unsigned type, const unsigned char *data, Py_ssize_t count);

PyObject *integers_result(const unsigned char *data, size_t size, bool is_signed, Py_ssize_t count,
                          bool as_tuple);

#endif
