/* Calls that return in two processes, or in none: made so that the interpreter survives them. */
#ifndef PYSYSCALL_PROCESSES_H
#define PYSYSCALL_PROCESSES_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Looks up where libc keeps what the kernel must know of a thread; to be called before any `make_child`. */
void find_thread_record(void);

/* _fork(number, *words): the call, with Python's hooks before and after it; _fork() is libc's fork. What the
 * kernel returned, also on error. */
PyObject *make_child(PyObject *module, PyObject *const *args, Py_ssize_t nargs);

/* _exit(status, last): ends the thread and gives the GIL to the others. `last` says whether its Python state
 * stays, as the main thread's must. */
PyObject *end_thread(PyObject *module, PyObject *const *args, Py_ssize_t nargs);

#endif
