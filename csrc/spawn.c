/* A child process that executes a program, made by vfork: parent and child share their memory until then.
 *
 * Only this thread stands still meanwhile. The child touches nothing but its stack frames and `plan`, and
 * no handler of the parent's runs in it: all signals are blocked until it has reset them. */
#include "spawn.h"

#include <signal.h>
#include <unistd.h>

#include "trampoline.h"

/* Signals as the kernel takes them: libc's own types leave out those that it keeps for itself. */
enum { SIGNALS = 64, SIGSET_BYTES = SIGNALS / 8 };
typedef struct {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
} action;

typedef struct {
    long path, argv, envp;
    uint64_t mask;       /* the caller's blocked signals */
    volatile long error; /* set by a child whose execve failed */
} plan;

/* Whether a signal must not reach the program as it is: Python's handlers don't exist there, and of the
 * signals that Python itself ignores a program expects that they end it. */
static bool
to_reset(int number, const action *present)
{
    if (present->handler == SIG_DFL)
        return false;
    return present->handler != SIG_IGN || number == SIGPIPE || number == SIGXFSZ;
}

/* What the child does. */
static void
execute(plan *p)
{
    static const action standard;
    action present;
    for (int number = 1; number <= SIGNALS; number++)
        if (syscall4(NR_rt_sigaction, number, 0, (long)&present, SIGSET_BYTES) == 0
            && to_reset(number, &present))
            syscall4(NR_rt_sigaction, number, (long)&standard, 0, SIGSET_BYTES);
    syscall4(NR_rt_sigprocmask, SIG_SETMASK, (long)&p->mask, 0, SIGSET_BYTES);
    p->error = syscall3(NR_execve, p->path, p->argv, p->envp);
}

/* libc's vfork keeps its return address where the child can't destroy it, and the compiler knows that it
 * returns twice. */
__attribute__((noinline)) static long
make_process(plan *p)
{
    pid_t pid = vfork();
    if (pid == 0) {
        execute(p);
        for (;;)
            syscall1(NR_exit_group, 127);
    }
    return pid < 0 ? -errno : pid;
}

static long
run(plan *p)
{
    uint64_t all = ~(uint64_t)0;
    syscall4(NR_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&p->mask, SIGSET_BYTES);
    long pid = make_process(p);
    syscall4(NR_rt_sigprocmask, SIG_SETMASK, (long)&p->mask, 0, SIGSET_BYTES);
    if (p->error != 0)
        while (syscall4(NR_wait4, pid, 0, 0, 0) == -EINTR) {
        }
    return pid;
}

PyObject *
spawn(const signature *execve, PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    signature sig = *execve;
    sig.name = "vfork_exec";
    sig.text = "vfork_exec(path, argv, envp)";
    PyObject *bound[MAX_ARGUMENTS];
    if (!bind_arguments(&sig, args, nargs, kwnames, bound) || !audit(&sig, bound, sig.parameters))
        return NULL;
    call c = {0};
    room m;
    m.heap.origin = MEMORY_NONE;
    PyObject *result = NULL;
    for (int i = 0; i < sig.count; i++)
        if (!convert(state_of(module), &sig, &c, &m, i, bound[i]))
            goto done;
    plan p = {.path = c.reg[0], .argv = c.reg[1], .envp = c.reg[2]};
    PyThreadState *thread = PyEval_SaveThread();
    long pid = run(&p);
    PyEval_RestoreThread(thread);
    if (p.error != 0)
        raise_for(&sig, &c, p.error);
    else if (pid < 0)
        raise_errno(&sig, pid, NULL, NULL);
    else
        result = PyLong_FromLong(pid);
done:
    release(state_of(module), &sig, &c, &m);
    return result;
}
