/* The calls that the kernel also offers as plain functions in user space (the vDSO). */
#ifndef PYSYSCALL_VDSO_H
#define PYSYSCALL_VDSO_H

#include <stdbool.h>

#include "signature.h"

typedef long (*vdso_function)(long, long, long);

/* NULL where the kernel offers no such function, or while the vDSO is switched off. */
extern vdso_function vdso_functions[VDSO_COUNT];

/* Finds the functions, or forgets them, so that every call enters the kernel. */
void vdso_enable(bool on);

#endif
