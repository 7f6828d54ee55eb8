/* The bare call for typed calls in Python: words and buffers in, the result register out. */
#ifndef PYSYSCALL_ENTER_H
#define PYSYSCALL_ENTER_H

#include <Python.h>

/* Functions of the module: `_enter(number, *words)` and `_address_of(buffer)`. */
extern PyMethodDef enter_methods[];

#endif
