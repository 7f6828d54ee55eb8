/* Control messages: typed Python values from the kernel's bytes by level and type, and the way back. */
#ifndef PYSYSCALL_CONTROL_H
#define PYSYSCALL_CONTROL_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "signature.h"
#include "state.h"

/* What the data of a control message are. */
typedef struct {
    enum {
        CONTROL_BYTES,
        CONTROL_FDS, /* descriptors */
        CONTROL_FD,  /* one */
        CONTROL_INTEGER,
        CONTROL_STRUCT,
        CONTROL_ERROR, /* a SockExtendedErr, and the address of who told it */
    } kind;
    uint16_t size;    /* CONTROL_INTEGER: in bytes */
    bool is_signed;   /* ... */
    uint16_t type;    /* CONTROL_STRUCT: index of the struct type */
    const char *says; /* what Python may give, for error messages */
} control_form;

typedef struct {
    int level, type;
    control_form received, sent;
} control_info;

/* A value inside an argument, converted as argument 0 of `sig`, and where it stands. */
typedef struct {
    signature sig;
    place at;
} inner;

/* Begins inside argument `i`. */
void inner_begin(inner *in, const signature *sig, int i);
/* Goes to a part of the message, or to the message where it is NULL; an error says what is expected there. */
void inner_go(inner *in, const char *part, const char *expected);

/* The bytes for the control messages of an iterable; to be freed with PyMem_Free, NULL for none. */
bool control_from(module_state *state, inner *in, PyObject *value, unsigned char **data, size_t *size);

/* What the kernel wrote: a tuple of ControlMessage. The descriptors in it are still the caller's to close
 * where this fails. */
PyObject *control_result(module_state *state, const struct msghdr *header);

/* An object of a class that typing.NamedTuple made; takes over the references in `fields`, of which a NULL
 * makes it NULL. */
PyObject *named_tuple(PyTypeObject *type, PyObject **fields, Py_ssize_t count);

/* Closes every descriptor that came with a message. */
void control_close(const struct msghdr *header);

#endif
