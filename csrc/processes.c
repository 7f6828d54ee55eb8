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
#include <sys/stat.h>
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

/* How many threads this process has, with those that Python knows nothing of; 0: unknown. */
static long
threads(void)
{
    struct stat tasks;
    return stat("/proc/self/task", &tasks) < 0 ? 0 : (long)tasks.st_nlink - 2;
}

static bool
is_finalizing(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    return Py_IsFinalizing();
#else
    return _Py_IsFinalizing();
#endif
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
    const char *name = nargs >= 2 && nargs <= 5 ? PyUnicode_AsUTF8(args[0]) : NULL;
    if (name == NULL)
        return PyErr_Format(PyExc_TypeError, "_fork() takes a name, a number and up to 3 words");
    for (Py_ssize_t k = 1; k < nargs; k++) {
        word[k - 1] = PyLong_AsLong(args[k]);
        if (word[k - 1] == -1 && PyErr_Occurred())
            return NULL;
    }
    if (word[0] == NR_fork && PySys_Audit("pysyscall.call", "s()", name) < 0)
        return NULL;
    long others = threads() - 1;
    /* What os.fork says since Python 3.12, but before there is a child. */
    if (others > 0
        && PyErr_WarnFormat(
               PyExc_DeprecationWarning, 2,
               "This process (pid=%d) is multi-threaded, use of %s() may lead to deadlocks in the "
               "child.",
               (int)getpid(), name)
               < 0)
        return NULL;
    if (is_finalizing())
        return PyErr_Format(PyExc_RuntimeError, "%s() can't make a child while the interpreter ends", name);
    /* The child keeps no other interpreter than the main one. */
    if (PyInterpreterState_Get() != PyInterpreterState_Main())
        return PyErr_Format(PyExc_RuntimeError, "only the main interpreter can make a child process");
    PyOS_BeforeFork();
    /* Beside other threads libc makes the child: it alone can free the locks of its own that they hold. */
    long result = word[0] == NR_fork && others != 0 ? fork_by_libc() : fork_by_kernel(word);
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
