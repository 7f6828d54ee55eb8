/* Messages of sendmsg, recvmsg, sendmmsg and recvmmsg: buffers, addresses and control messages. */
#ifndef PYSYSCALL_MESSAGES_H
#define PYSYSCALL_MESSAGES_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "control.h"
#include "convert.h"
#include "signature.h"
#include "sockaddr.h"
#include "state.h"
#include "vectors.h"

enum { CONTROL_INLINE = 256 };

/* What one message holds while its call is under way. */
typedef struct {
    vector data;
    PyObject *bytes;        /* new ones to receive into */
    memory large;           /* ... while they are too many for an object */
    PyObject *address;      /* where it is sent to */
    unsigned char *control; /* what is sent with it */
    unsigned char name[SOCKADDR_MAX];
} message;

/* All messages of one call. */
typedef struct {
    struct mmsghdr *headers;
    message *items;
    long count;
    memory control; /* room for the control messages of all */
    long added;     /* flags that the caller has not asked for */
    struct mmsghdr header_inline;
    message item_inline;
    _Alignas(8) unsigned char control_inline[CONTROL_INLINE];
} messages;

/* A message to send, or an iterable of them. The second argument is room for what comes back. */
bool message_from(module_state *state, const signature *sig, int i, PyObject *value, messages *m);
bool messages_from(module_state *state, const signature *sig, int i, PyObject *value, messages *m);

/* Room for a message, or for an iterable of them: a size, a buffer or several. */
bool message_room(module_state *state, const signature *sig, int i, PyObject *value, messages *m);
bool messages_room(module_state *state, const signature *sig, int i, PyObject *value, messages *m);
/* Room for `size` bytes of control messages in each. */
bool messages_room_for_control(messages *m, size_t size);

/* The message that was received, with `length` bytes. */
PyObject *message_result(module_state *state, messages *m, long length);
/* The first `count`, a list. */
PyObject *messages_result(module_state *state, messages *m, long count);
/* How many bytes of each of the first `count` were sent, a list. */
PyObject *messages_lengths(const messages *m, long count);

/* Closes the descriptors that came with the first `count` messages. */
void messages_close(const messages *m, long count);

void messages_release(messages *m);

#endif
