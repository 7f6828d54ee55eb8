/* The GIL while the kernel works: released where the process has other threads that could want it. */
#define _GNU_SOURCE
#include "gil.h"

#include <dlfcn.h>

static const char unknown = 0;
const char *single_threaded = &unknown;

void
find_single_threaded(void)
{
    /* glibc has it since 2.32, other C libraries don't. */
    const char *found = dlsym(RTLD_DEFAULT, "__libc_single_threaded");
    if (found != NULL)
        __atomic_store_n(&single_threaded, found, __ATOMIC_RELAXED);
}
