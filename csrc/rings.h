/* Buffers that stay registered with an io_uring instance when the call is over. */
#ifndef PYSYSCALL_RINGS_H
#define PYSYSCALL_RINGS_H

#include "vectors.h"

/* Keeps them alive until they are unregistered; unregisters them itself where that fails. */
bool ring_hold(long fd, long opcode, const vector *buffers);
/* They are no longer registered. */
bool ring_release(long fd, long opcode);

#endif
