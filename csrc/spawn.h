/* A child process that executes a program, made by vfork: parent and child share their memory until then. */
#ifndef PYSYSCALL_SPAWN_H
#define PYSYSCALL_SPAWN_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "signature.h"

/* vfork_exec(path, argv, envp): the child's process id. The arguments are those of `execve`. */
PyObject *spawn(const signature *execve, PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                PyObject *kwnames);

#endif
