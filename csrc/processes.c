/* Calls that return in two processes, or in none: made so that the interpreter survives them. */
#include "processes.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "actions.h"
#include "generated/numbers.h"
#include "syscall_arch.h"

/* libc's record of a thread lies where pthread_self() points; its size is some thousand bytes. */
enum { THREAD_RECORD = 4096 };

/* Where in the record the thread's id and its list of robust mutexes are; 0 where that is not known. */
static ptrdiff_t tid_offset, robust_offset;

static ptrdiff_t
offset_in_record(const void *address)
{
    ptrdiff_t offset = (const char *)address - (const char *)pthread_self();
    return offset > 0 && offset < THREAD_RECORD ? offset : 0;
}

void
find_thread_record(void)
{
    int *tid = NULL;
    struct robust_list_head *robust = NULL;
    size_t size = 0;
    /* The kernel knows both addresses from libc. Not every kernel tells the first. */
    syscall2(NR_prctl, PR_GET_TID_ADDRESS, (long)&tid);
    syscall3(NR_get_robust_list, 0, (long)&robust, (long)&size);
    ptrdiff_t offset = offset_in_record(tid);
    tid_offset = offset != 0 && *tid == syscall0(NR_gettid) ? offset : 0;
    robust_offset = size == sizeof(*robust) ? offset_in_record(robust) : 0;
}

/* What libc's fork does for its record of the child's only thread: the kernel has forgotten both addresses,
 * and the id in the record is still the parent's. */
static void
adopt_thread(void)
{
    char *record = (char *)pthread_self();
    if (tid_offset != 0) {
        int *tid = (int *)(record + tid_offset);
        *tid = (int)syscall1(NR_set_tid_address, (long)tid);
    }
    if (robust_offset != 0) {
        struct robust_list_head *robust = (struct robust_list_head *)(record + robust_offset);
        robust->list.next = &robust->list;
        robust->list_op_pending = NULL;
        syscall2(NR_set_robust_list, (long)robust, sizeof(*robust));
    }
}

static long
fork_by_kernel(const long word[4])
{
    long result = syscall6(word[0], word[1], word[2], word[3], 0, 0, 0);
    if (result == 0)
        adopt_thread();
    return result;
}

static long
fork_by_libc(void)
{
    long result = fork();
    return result < 0 ? -errno : result;
}

/* Whether parent and child have one table of descriptors: for clone by its flags, for clone3 by its struct's. */
static bool
shares_descriptors(const long word[4])
{
    uint64_t flags = word[0] == NR_clone ? (uint64_t)word[1] : 0;
    if (word[0] == NR_clone3)
        memcpy(&flags, (const void *)word[1], sizeof(flags));
    return flags & CLONE_FILES;
}

PyObject *
make_child(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    long word[4] = {0};
    if (nargs > 4)
        return PyErr_Format(PyExc_TypeError, "_fork() takes a number and up to 3 words");
    for (Py_ssize_t k = 0; k < nargs; k++) {
        word[k] = PyLong_AsLong(args[k]);
        if (word[k] == -1 && PyErr_Occurred())
            return NULL;
    }
    /* The child keeps no other interpreter than the main one. */
    if (PyInterpreterState_Get() != PyInterpreterState_Main())
        return PyErr_Format(PyExc_RuntimeError, "only the main interpreter can make a child process");
    PyOS_BeforeFork();
    long result = nargs == 0 ? fork_by_libc() : fork_by_kernel(word);
    if (result == 0) {
        if (shares_descriptors(word))
            queues_share_descriptors();
        PyOS_AfterFork_Child();
    }
    else
        PyOS_AfterFork_Parent();
    return PyLong_FromLong(result);
}

PyObject *
end_thread(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    int status, keep;
    if (nargs != 2)
        return PyErr_Format(PyExc_TypeError,
                            "_exit() takes a status, and whether to keep the thread's state");
    status = (int)PyLong_AsLong(args[0]);
    keep = PyObject_IsTrue(args[1]);
    if (PyErr_Occurred())
        return NULL;
    if (keep) {
        PyEval_SaveThread();
    }
    else {
        PyThreadState_Clear(PyThreadState_Get());
        PyThreadState_DeleteCurrent();
    }
    /* A filter may forbid it, but there is no way back. */
    for (;;)
        syscall6(NR_exit, status, 0, 0, 0, 0, 0);
}
