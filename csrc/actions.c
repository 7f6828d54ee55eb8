/* Signal actions of the process. The one handler that is ever installed copies what the kernel tells of a
 * signal into a queue, from which Python takes it later.
 *
 * The handler runs at any moment, on any thread, so it takes no lock and allocates nothing. What it works on
 * belongs to the process, not to an interpreter: queues outlive interpreters, and other ones see them.
 *
 * After fork only one of the threads goes on, but the memory is as the others left it. The kernel wipes what
 * could be half done: a child begins with queues that are empty, as nothing is pending for it either, with
 * the lock free and no handler running. */
#include "actions.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "audit.h"
#include "convert.h"
#include "generated/numbers.h"
#include "siginfo.h"
#include "syscall_arch.h"

enum { LAST_SIGNAL = 64, SIGSET_BYTES = 8 };

static const char QUEUE[] = "pysyscall.SignalQueue";

/* The kernel's struct sigaction, which is not libc's. */
struct action {
    uint64_t handler, flags, restorer, mask;
};

/* A place for one signal. Tickets count all signals of a queue; in lap n, which gives each place to one
 * ticket, `turn` is 2n while the place is free and 2n + 1 when the signal is in it. */
struct place {
    _Atomic uint64_t turn;
    unsigned char info[SIGINFO_BYTES];
};

struct queue_room {
    _Atomic uint64_t next_in, next_out; /* tickets */
    _Atomic uint64_t lost;
    _Atomic int descriptor; /* plus 1: wiped, it is none */
    struct place places[];
};

typedef struct signal_queue {
    struct queue_room *room; /* wiped */
    size_t capacity;
    int inherited; /* the descriptor of the process that made the room's last one */
    long handles;  /* Python objects that stand for it */
    struct signal_queue *next;
} signal_queue;

/* Zero is an unlocked mutex. */
struct shared {
    pthread_mutex_t lock;
    atomic_int running; /* handlers */
};

static struct shared *_Atomic shared; /* wiped; NULL until the first use */
static signal_queue *queues;          /* all of them, under the lock */

/* Where the handler puts a signal: the queue that was last made its action. */
static signal_queue *_Atomic installed[LAST_SIGNAL + 1];

/* Zeroed memory that is zero again in a child of fork; NULL with OSError. */
static void *
wiped_memory(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || madvise(memory, size, MADV_WIPEONFORK) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        if (memory != MAP_FAILED)
            munmap(memory, size);
        return NULL;
    }
    return memory;
}

/* Nothing is done under the lock that could run Python code. False with OSError. */
static bool
lock(void)
{
    if (shared == NULL) {
        struct shared *fresh = wiped_memory(sizeof(struct shared)), *none = NULL;
        if (fresh == NULL)
            return false;
        if (!atomic_compare_exchange_strong(&shared, &none, fresh))
            munmap(fresh, sizeof(struct shared));
    }
    pthread_mutex_lock(&shared->lock);
    return true;
}

static void
unlock(void)
{
    pthread_mutex_unlock(&shared->lock);
}

static void
wake(const signal_queue *queue)
{
    const uint64_t one = 1;
    int descriptor = queue->room->descriptor;
    if (descriptor != 0)
        syscall3(NR_write, descriptor - 1, (long)&one, sizeof(one));
}

static void
put(const signal_queue *queue, const void *info)
{
    struct queue_room *room = queue->room;
    uint64_t ticket = room->next_in;
    for (;;) {
        struct place *place = &room->places[ticket % queue->capacity];
        uint64_t free = 2 * (ticket / queue->capacity), turn = place->turn;
        if (turn < free) {
            room->lost++;
            return;
        }
        if (turn != free) {
            ticket = room->next_in;
        }
        else if (atomic_compare_exchange_weak(&room->next_in, &ticket, ticket + 1)) {
            memcpy(place->info, info, SIGINFO_BYTES);
            place->turn = free + 1;
            wake(queue);
            return;
        }
    }
}

static long
exchange(int number, const struct action *new, struct action *old)
{
    return syscall6(NR_rt_sigaction, number, (long)new, (long)old, SIGSET_BYTES, 0, 0);
}

static void handle(int number, siginfo_t *info, void *context);

/* The action has changed since the kernel chose it: the signal comes again, and is treated as is right now. */
static void
send_again(int number, const siginfo_t *info)
{
    struct action now;
    /* Somebody put the handler's bare address back, and the queue is gone. */
    if (exchange(number, NULL, &now) == 0 && now.handler == (uintptr_t)handle)
        return;
    long process = syscall0(NR_getpid), thread = syscall0(NR_gettid);
    if (syscall_failed(syscall4(NR_rt_tgsigqueueinfo, process, thread, number, (long)info)))
        syscall3(NR_tgkill, process, thread, number);
}

static void
handle(int number, siginfo_t *info, void *Py_UNUSED(context))
{
    shared->running++;
    const signal_queue *queue = installed[number];
    if (queue != NULL)
        put(queue, info);
    else
        send_again(number, info);
    shared->running--;
}

static bool
is_installed(const signal_queue *queue)
{
    for (int number = 1; number <= LAST_SIGNAL; number++)
        if (installed[number] == queue)
            return true;
    return false;
}

static size_t
room_size(size_t capacity)
{
    return sizeof(struct queue_room) + capacity * sizeof(struct place);
}

static void
destroy(signal_queue *queue)
{
    if (queue->room->descriptor != 0)
        syscall1(NR_close, queue->room->descriptor - 1);
    munmap(queue->room, room_size(queue->capacity));
    PyMem_RawFree(queue);
}

/* Destroys the queues that nobody can reach any more. A handler that runs may still hold one. */
static void
collect(void)
{
    signal_queue **link = &queues;
    while (*link != NULL) {
        signal_queue *queue = *link;
        if (queue->handles == 0 && !is_installed(queue) && shared->running == 0) {
            *link = queue->next;
            destroy(queue);
        }
        else {
            link = &queue->next;
        }
    }
}

static signal_queue *
queue_in(PyObject *capsule)
{
    return PyCapsule_GetPointer(capsule, QUEUE);
}

/* A Python object is gone. A queue that is installed stays, also where others have changed the action since:
 * they may put back what they found. */
static void
release_queue(signal_queue *queue)
{
    if (!lock())
        return;
    queue->handles--;
    collect();
    unlock();
}

static void
destroy_capsule(PyObject *capsule)
{
    release_queue(queue_in(capsule));
}

/* The Python object for a queue, one of whose handles it takes over. */
static PyObject *
capsule_of(signal_queue *queue)
{
    PyObject *capsule = PyCapsule_New(queue, QUEUE, destroy_capsule);
    if (capsule == NULL)
        release_queue(queue);
    return capsule;
}

/* Makes the descriptor to poll, which is readable at first if `count` is not 0. False with OSError. */
static bool
make_descriptor(signal_queue *queue, unsigned count)
{
    int descriptor = eventfd(count, EFD_CLOEXEC | EFD_NONBLOCK), none = 0;
    if (descriptor < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return false;
    }
    if (atomic_compare_exchange_strong(&queue->room->descriptor, &none, descriptor + 1))
        queue->inherited = descriptor;
    else
        syscall1(NR_close, descriptor);
    return true;
}

static PyObject *
queue_new(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_ssize_t capacity;
    if (!PyArg_ParseTuple(args, "n", &capacity))
        return NULL;
    signal_queue *queue = PyMem_RawMalloc(sizeof(signal_queue));
    if (queue == NULL)
        return PyErr_NoMemory();
    *queue = (signal_queue){.capacity = (size_t)capacity, .inherited = -1, .handles = 1};
    queue->room = wiped_memory(room_size(queue->capacity));
    if (queue->room == NULL || !make_descriptor(queue, 0) || !lock()) {
        if (queue->room != NULL)
            destroy(queue);
        else
            PyMem_RawFree(queue);
        return NULL;
    }
    queue->next = queues;
    queues = queue;
    unlock();
    return capsule_of(queue);
}

/* A list of what `count` places hold from ticket `first` on. Nothing is taken yet, so that nothing is lost
 * if memory runs out. */
static PyObject *
copy_places(module_state *state, const signal_queue *queue, uint64_t first, Py_ssize_t count)
{
    PyObject *list = PyList_New(count);
    for (Py_ssize_t k = 0; list != NULL && k < count; k++) {
        unsigned char info[SIGINFO_BYTES];
        memcpy(info, queue->room->places[(first + (uint64_t)k) % queue->capacity].info, sizeof(info));
        PyObject *item = siginfo_result(state, info);
        if (item == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, k, item);
    }
    return list;
}

static PyObject *
queue_take(PyObject *module, PyObject *capsule)
{
    signal_queue *queue = queue_in(capsule);
    if (queue == NULL)
        return NULL;
    struct queue_room *room = queue->room;
    const uint64_t capacity = queue->capacity;
    uint64_t cleared;
    /* Before the places are looked at: what comes later makes it readable again. */
    if (room->descriptor != 0)
        syscall3(NR_read, room->descriptor - 1, (long)&cleared, sizeof(cleared));
    PyObject *list;
    uint64_t first = room->next_out, end;
    do {
        end = first;
        while (room->places[end % capacity].turn == 2 * (end / capacity) + 1)
            end++;
        list = copy_places(state_of(module), queue, first, (Py_ssize_t)(end - first));
        if (list == NULL) {
            wake(queue);
            return NULL;
        }
        /* Another thread may have taken them meanwhile: then what was read is void. */
        if (atomic_compare_exchange_strong(&room->next_out, &first, end))
            break;
        Py_DECREF(list);
    } while (true);
    for (; first < end; first++)
        room->places[first % capacity].turn = 2 * (first / capacity + 1);
    return list;
}

static PyObject *
queue_fileno(PyObject *Py_UNUSED(module), PyObject *capsule)
{
    signal_queue *queue = queue_in(capsule);
    /* In a child the parent's descriptor would tell of the parent's signals. */
    if (queue == NULL || (queue->room->descriptor == 0 && !make_descriptor(queue, 1)))
        return NULL;
    return PyLong_FromLong(queue->room->descriptor - 1);
}

static PyObject *
queue_facts(PyObject *Py_UNUSED(module), PyObject *capsule)
{
    const signal_queue *queue = queue_in(capsule);
    if (queue == NULL)
        return NULL;
    return Py_BuildValue("KnK", (unsigned long long)(uintptr_t)queue, (Py_ssize_t)queue->capacity,
                         (unsigned long long)queue->room->lost);
}

/* Whether the number still is an eventfd: somebody may have closed it, and opened another file in its place. */
static bool
is_eventfd(int descriptor)
{
    char path[32], name[32] = "";
    snprintf(path, sizeof(path), "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(path, name, sizeof(name) - 1);
    return length > 0 && strcmp(name, "anon_inode:[eventfd]") == 0;
}

/* Right after fork, while the numbers can't have been given to other files by this process. */
static PyObject *
queues_forked(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    if (!lock())
        return NULL;
    for (signal_queue *queue = queues; queue != NULL; queue = queue->next) {
        if (queue->room->descriptor == 0 && queue->inherited >= 0) {
            if (is_eventfd(queue->inherited))
                syscall1(NR_close, queue->inherited);
            queue->inherited = -1;
        }
    }
    unlock();
    Py_RETURN_NONE;
}

void
queues_share_descriptors(void)
{
    for (signal_queue *queue = queues; queue != NULL; queue = queue->next)
        queue->inherited = -1;
}

/* Reads (handler, flags, mask, restorer); the handler is a number or a queue. */
static bool
read_action(PyObject *given, struct action *new, signal_queue **queue)
{
    if (!PyTuple_Check(given) || PyTuple_GET_SIZE(given) != 4) {
        PyErr_Format(PyExc_TypeError, "_action() takes a tuple of a handler, flags, a mask and a restorer");
        return false;
    }
    PyObject *handler = PyTuple_GET_ITEM(given, 0);
    *new = (struct action){.flags = PyLong_AsUnsignedLongMask(PyTuple_GET_ITEM(given, 1)),
                           .mask = PyLong_AsUnsignedLongMask(PyTuple_GET_ITEM(given, 2)),
                           .restorer = PyLong_AsUnsignedLongMask(PyTuple_GET_ITEM(given, 3))};
    if (PyCapsule_IsValid(handler, QUEUE)) {
        *queue = queue_in(handler);
        new->handler = (uintptr_t)handle;
        /* The kernel sets up the handlers of all signals that wait at once: nested, thousands of them would need
         * more than the stack. */
        new->mask = UINT64_MAX;
        new->flags &= ~(uint64_t)SA_NODEFER;
        new->restorer = (uintptr_t)signal_restorer;
    }
    else {
        new->handler = PyLong_AsUnsignedLongLongMask(handler);
    }
    return !PyErr_Occurred();
}

enum { LAST_SIMPLE = 1 }; /* SIG_IGN, after SIG_DFL */

/* The action before as the subclass of tuple `type`: its handler, or the queue, its flags, mask and restorer. */
static PyObject *
told_of(module_state *state, PyTypeObject *type, signal_queue *queue, const struct action *old)
{
    PyObject *told = type->tp_alloc(type, 4);
    PyObject *parts[4] = {
        queue != NULL                 ? capsule_of(queue)
        : old->handler <= LAST_SIMPLE ? enum_result(state, ENUM_SignalHandler, (long)old->handler)
                                      : PyLong_FromUnsignedLong(old->handler),
        enum_result(state, ENUM_SigactionFlag, (long)old->flags),
        sigset_result(state, old->mask),
        PyLong_FromUnsignedLong(old->restorer),
    };
    for (int k = 0; k < 4; k++) {
        if (told != NULL && parts[k] != NULL)
            PyTuple_SET_ITEM(told, k, Py_NewRef(parts[k]));
        else
            Py_CLEAR(told);
        Py_XDECREF(parts[k]);
    }
    return told;
}

/* Makes the call: `new` is NULL to read only, `queue` the one that becomes the handler, or NULL. */
static PyObject *
take_action(module_state *state, int number, const struct action *new, signal_queue *queue, PyObject *type)
{
    struct action old = {0};
    if (!PyType_Check(type) || !PyType_IsSubtype((PyTypeObject *)type, &PyTuple_Type))
        return PyErr_Format(PyExc_TypeError, "the type of the result must be a tuple's");
    if (!lock())
        return NULL;
    signal_queue *_Atomic *place = &installed[number >= 1 && number <= LAST_SIGNAL ? number : 0];
    signal_queue *before = *place;
    if (queue != NULL)
        *place = queue;
    long result = exchange(number, new, &old);
    if (syscall_failed(result) || new == NULL)
        *place = before;
    else if (queue == NULL)
        *place = NULL;
    bool by_queue = !syscall_failed(result) && old.handler == (uintptr_t)handle && before != NULL;
    if (by_queue)
        before->handles++;
    collect();
    unlock();
    if (syscall_failed(result)) {
        errno = (int)-result;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return told_of(state, (PyTypeObject *)type, by_queue ? before : NULL, &old);
}

static PyObject *
action(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    struct action new;
    signal_queue *queue = NULL;
    if (nargs != 3)
        return PyErr_Format(PyExc_TypeError, "_action() takes a signal, an action and a type");
    int number = (int)PyLong_AsLong(args[0]);
    if (PyErr_Occurred() || (args[1] != Py_None && !read_action(args[1], &new, &queue)))
        return NULL;
    return take_action(state_of(module), number, args[1] != Py_None ? &new : NULL, queue, args[2]);
}

/* SIG_DFL, SIG_IGN or None for a signal that is an int, which can do no harm: what it takes in Python would be longer
 * than the call. */
static PyObject *
simple_action(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    module_state *state = state_of(module);
    if (nargs != 3)
        return PyErr_Format(PyExc_TypeError, "_simple_action() takes a signal, an action and a type");
    PyObject *sig = args[0], *act = args[1];
    if (is_audited(state) && PySys_Audit("pysyscall.call", "s(OO)", "rt_sigaction", sig, act) < 0)
        return NULL;
    if (!PyLong_Check(sig) || (act != Py_None && !PyLong_Check(act)))
        Py_RETURN_NONE;
    int too_large;
    long number = PyLong_AsLongAndOverflow(sig, &too_large);
    if (too_large != 0 || number != (int)number)
        Py_RETURN_NONE;
    if (act == Py_None)
        return take_action(state, (int)number, NULL, NULL, args[2]);
    long handler = PyLong_AsLongAndOverflow(act, &too_large);
    bool is_libcs = number >= __SIGRTMIN && number < SIGRTMIN;
    if (too_large != 0 || handler < 0 || handler > LAST_SIMPLE || is_libcs)
        Py_RETURN_NONE;
    const struct action new = {.handler = (uintptr_t)handler};
    return take_action(state, (int)number, &new, NULL, args[2]);
}

PyMethodDef action_methods[] = {
    {"_action", (PyCFunction)(void (*)(void))action, METH_FASTCALL,
     PyDoc_STR("_action($module, sig, act, to, /)\n--\n\nThe action before.")},
    {"_simple_action", (PyCFunction)(void (*)(void))simple_action, METH_FASTCALL,
     PyDoc_STR(
         "_simple_action($module, sig, act, to, /)\n--\n\nThe action before; None, and nothing done, where "
         "`act` is not so simple.")},
    {"_queue_new", queue_new, METH_VARARGS,
     PyDoc_STR("_queue_new($module, capacity, /)\n--\n\nA queue for so many signals.")},
    {"_queue_take", queue_take, METH_O,
     PyDoc_STR("_queue_take($module, queue, /)\n--\n\nTake all signals out of a queue.")},
    {"_queue_fileno", queue_fileno, METH_O,
     PyDoc_STR(
         "_queue_fileno($module, queue, /)\n--\n\nThe descriptor that is readable when a signal is in.")},
    {"_queue_facts", queue_facts, METH_O,
     PyDoc_STR("_queue_facts($module, queue, /)\n--\n\nA number that is this queue's alone, its capacity, "
               "and how many signals found no place.")},
    {"_queues_forked", queues_forked, METH_NOARGS,
     PyDoc_STR("_queues_forked($module, /)\n--\n\nClose a parent's descriptors in its new child.")},
    {NULL, NULL, 0, NULL},
};
