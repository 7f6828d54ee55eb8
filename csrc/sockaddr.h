/* Socket addresses: typed objects by address family. */
#ifndef PYSYSCALL_SOCKADDR_H
#define PYSYSCALL_SOCKADDR_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "signature.h"
#include "state.h"
#include "structs.h"

enum { SOCKADDR_MAX = 128 };

/* The address object of a call's argument, borrowed; NULL with TypeError. */
struct_object *sockaddr_from(const signature *sig, int i, PyObject *value);

/* The family of a socket; AF_UNSPEC where it is none. */
int family_of(int fd);

/* What the kernel wrote: an address object of its family (a plain Sockaddr for one without), or None for nothing. */
PyObject *sockaddr_result(module_state *state, const unsigned char *data, int length);

#endif
