/* The calls that the kernel also offers as plain functions in user space (the vDSO). */
#define _GNU_SOURCE
#include "vdso.h"

#include <dlfcn.h>
#include <stddef.h>

vdso_function vdso_functions[VDSO_COUNT];

static const char *const symbols[VDSO_COUNT] = {
    [VDSO_CLOCK_GETTIME] = "__vdso_clock_gettime",
    [VDSO_CLOCK_GETRES] = "__vdso_clock_getres",
    [VDSO_GETTIMEOFDAY] = "__vdso_gettimeofday",
    [VDSO_TIME] = "__vdso_time",
    [VDSO_GETCPU] = "__vdso_getcpu",
};

void
vdso_enable(bool on)
{
    /* It is mapped into every process, so it is only looked up here, never loaded. */
    void *library = on ? dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD) : NULL;
    for (int k = VDSO_NONE + 1; k < VDSO_COUNT; k++)
        __atomic_store_n(&vdso_functions[k],
                         library != NULL ? (vdso_function)dlsym(library, symbols[k]) : NULL,
                         __ATOMIC_RELAXED);
}
