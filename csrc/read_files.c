/* read_files(paths): the contents of many files. */
#include "bulk.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include "convert.h"
#include "errors.h"
#include "generated/numbers.h"
#include "paths.h"
#include "pool.h"
#include "syscall_arch.h"

enum {
    CHUNK = 4096,       /* files at a time */
    SMALL = 16384,      /* bytes of a file that is read at once */
    ARENA = 4 << 20,    /* room for small files */
    MOST_OPEN = 32,     /* large files at a time */
    MOST_READ = 8 << 20 /* bytes between two looks at whether to stop */
};

typedef enum {
    FILE_NEW,
    FILE_OPEN,  /* has room to go on reading */
    FILE_FULL,  /* wants `room` bytes of room, which only Python's thread can make */
    FILE_ODD,   /* may wait, or could not be opened beside the others: is read alone */
    FILE_ENDED, /* with `error`, or read */
} file_state;

typedef struct {
    file_state state;
    bool is_fifo;
    int fd;
    long error;
    size_t length, room, size; /* read so far; at most; as fstat says, or 0 */
    unsigned char *data;
    bool on_heap;    /* `data` is the file's own memory */
    PyObject *bytes; /* behind `data`, or NULL */
} file;

typedef struct {
    file files[CHUNK];
    const char *const *texts; /* the path of the first file */
    int open;                 /* how many wait for Python's thread with a descriptor */
    size_t used;              /* of the arena */
    unsigned char arena[ARENA];
} chunk;

static const signature function = {
    .name = "read_files",
    .text = "read_files(paths, *, threads)",
    .since = "1.0",
    .args = {{.name = "paths", .expected = "an iterable of str, bytes or os.PathLike"},
             {.name = "threads", .expected = "an int", .nullable = true}},
};

static void
end_file(file *f, long error)
{
    if (f->fd >= 0)
        syscall1(NR_close, f->fd);
    f->fd = -1;
    f->error = error;
    f->state = FILE_ENDED;
}

/* The file has to wait for Python's thread. */
static void
set_aside(chunk *c, file *f, file_state state)
{
    f->state = state;
    __atomic_fetch_add(&c->open, 1, __ATOMIC_RELAXED);
}

/* Keeps what was read; false where there is no memory. */
static bool
keep(chunk *c, file *f, const unsigned char *data, size_t length)
{
    size_t at = __atomic_fetch_add(&c->used, length, __ATOMIC_RELAXED);
    f->on_heap = at + length > ARENA;
    f->data = f->on_heap ? PyMem_RawMalloc(length) : c->arena + at;
    if (f->data == NULL) {
        end_file(f, -ENOMEM);
        return false;
    }
    memcpy(f->data, data, length);
    f->length = f->room = length;
    return true;
}

/* What is not read at once: large files, and those that may wait. */
static void
look_closer(chunk *c, file *f, long result)
{
    struct stat st;
    long failed = syscall2(NR_fstat, f->fd, (long)&st);
    if (syscall_failed(failed) || (syscall_failed(result) && result != -EAGAIN)) {
        end_file(f, syscall_failed(failed) ? failed : result);
        return;
    }
    f->is_fifo = S_ISFIFO(st.st_mode);
    if (!S_ISREG(st.st_mode) || result == -EAGAIN) {
        set_aside(c, f, FILE_ODD);
        return;
    }
    if (result == 0) {
        end_file(f, 0);
        return;
    }
    f->size = (size_t)st.st_size;
    f->room = f->size > f->length ? f->size : 2 * SMALL;
    set_aside(c, f, FILE_FULL);
}

static void
begin_file(chunk *c, file *f, const char *path)
{
    /* Without waiting, as a FIFO or a device would do. */
    long fd = syscall4(NR_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
    if (fd == -EMFILE || fd == -ENFILE || fd == -EAGAIN || fd == -EINTR) {
        f->state = FILE_ODD;
        return;
    }
    if (syscall_failed(fd)) {
        end_file(f, fd);
        return;
    }
    f->fd = (int)fd;
    unsigned char data[SMALL];
    size_t length = 0;
    long result;
    do {
        result = syscall3(NR_read, fd, (long)(data + length), (long)(SMALL - length));
        length += result > 0 ? (size_t)result : 0;
    } while ((result > 0 && length < SMALL) || result == -EINTR);
    if (length != 0 && !keep(c, f, data, length))
        return;
    if (result == 0 && length != 0)
        end_file(f, 0);
    else
        look_closer(c, f, result);
}

/* Reads until the end, until there is no more room, or for so long. */
static void
read_file(chunk *c, file *f, const pool *p, int64_t deadline)
{
    while (f->state == FILE_OPEN && !pool_stops(p)) {
        /* Where fstat tells no size, as in /proc, the end is where nothing comes. */
        if (f->length == f->size && f->size != 0) {
            end_file(f, 0);
            return;
        }
        if (f->length == f->room) {
            f->room *= 2;
            set_aside(c, f, FILE_FULL);
            return;
        }
        size_t wanted = f->room - f->length < MOST_READ ? f->room - f->length : MOST_READ;
        long result = syscall3(NR_read, f->fd, (long)(f->data + f->length), (long)wanted);
        if (result == 0)
            end_file(f, 0);
        else if (result > 0)
            f->length += (size_t)result;
        else if (result != -EINTR)
            end_file(f, result);
        if (f->bytes != NULL && nanoseconds_on(CLOCK_MONOTONIC) >= deadline)
            return;
    }
}

static bool
work(pool *p, size_t k, int64_t deadline)
{
    chunk *c = p->jobs;
    file *f = &c->files[k];
    if (f->state == FILE_NEW) {
        if (__atomic_load_n(&c->open, __ATOMIC_RELAXED) >= MOST_OPEN)
            return true;
        begin_file(c, f, c->texts[k]);
    }
    if (f->state == FILE_OPEN)
        read_file(c, f, p, deadline);
    return f->state != FILE_OPEN;
}

static void
release_data(file *f)
{
    if (f->on_heap)
        PyMem_RawFree(f->data);
    f->on_heap = false;
}

/* Gives a file the room that it wants; where there is none, the file ends with that error, and the others go on. */
static void
make_room(file *f)
{
    if (f->bytes != NULL) {
        _PyBytes_Resize(&f->bytes, (Py_ssize_t)f->room);
    }
    else {
        bool fits = f->room <= PY_SSIZE_T_MAX;
        f->bytes = fits ? PyBytes_FromStringAndSize(NULL, (Py_ssize_t)f->room) : NULL;
        if (f->bytes != NULL && f->length != 0)
            memcpy(PyBytes_AS_STRING(f->bytes), f->data, f->length);
        release_data(f);
    }
    if (f->bytes == NULL) {
        PyErr_Clear();
        end_file(f, -ENOMEM);
        return;
    }
    f->data = (unsigned char *)PyBytes_AS_STRING(f->bytes);
    f->state = FILE_OPEN;
}

/* One system call without the GIL, made again after a signal; false with an exception from a handler. */
static bool
enter_alone(long nr, long a, long b, long c, long *result)
{
    do {
        PyThreadState *thread = PyEval_SaveThread();
        *result = syscall4(nr, a, b, c, 0);
        PyEval_RestoreThread(thread);
        if (PyErr_CheckSignals() < 0) {
            if (nr == NR_openat && !syscall_failed(*result))
                syscall1(NR_close, *result);
            return false;
        }
    } while (*result == -EINTR);
    return true;
}

/* A file that may wait: as a loop in Python would read it. */
static bool
read_odd_file(file *f, const char *path)
{
    long result = 0;
    if (f->fd < 0) {
        if (!enter_alone(NR_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, &result))
            return false;
        end_file(f, syscall_failed(result) ? result : 0);
        if (f->error != 0)
            return true;
        f->fd = (int)result;
    }
    else {
        /* A FIFO may have no writer yet, which looks like its end. One that has come and gone does end it. */
        struct pollfd first = {.fd = f->fd, .events = POLLIN};
        if (f->is_fifo && f->length == 0 && !enter_alone(NR_poll, (long)&first, 1, -1, &result))
            return false;
        syscall3(NR_fcntl, f->fd, F_SETFL, 0);
    }
    do {
        if (f->length == f->room) {
            f->room = f->room < SMALL ? SMALL : 2 * f->room;
            make_room(f);
            if (f->state == FILE_ENDED)
                return true;
        }
        size_t wanted = f->room - f->length < MOST_READ ? f->room - f->length : MOST_READ;
        if (!enter_alone(NR_read, f->fd, (long)(f->data + f->length), (long)wanted, &result))
            return false;
        f->length += result > 0 ? (size_t)result : 0;
    } while (result > 0);
    end_file(f, result);
    return true;
}

static PyObject *
contents(file *f)
{
    PyObject *bytes = f->bytes;
    f->bytes = NULL;
    if (bytes == NULL)
        return PyBytes_FromStringAndSize((const char *)f->data, (Py_ssize_t)f->length);
    if ((size_t)PyBytes_GET_SIZE(bytes) != f->length)
        _PyBytes_Resize(&bytes, (Py_ssize_t)f->length);
    return bytes;
}

/* Reads `count` files; those that are large, round by round. */
static bool
read_chunk(chunk *c, size_t count, int threads)
{
    for (size_t k = 0; k < count; k++)
        c->files[k] = (file){.fd = -1};
    c->used = 0;
    for (bool more = true; more;) {
        more = false;
        c->open = 0;
        pool p = {.work = work, .jobs = c, .count = count};
        if (!pool_run(&p, threads))
            return false;
        for (size_t k = 0; k < count; k++) {
            file *f = &c->files[k];
            if (f->state == FILE_FULL)
                make_room(f);
            if (f->state == FILE_ODD && f->fd >= 0 && !read_odd_file(f, c->texts[k]))
                return false;
            more = more || f->state == FILE_NEW || f->state == FILE_OPEN;
        }
    }
    for (size_t k = 0; k < count; k++)
        if (c->files[k].state == FILE_ODD && !read_odd_file(&c->files[k], c->texts[k]))
            return false;
    return true;
}

static bool
add_results(PyObject *list, const paths *p, size_t first, file *files, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        PyObject *item =
            files[k].error != 0 ? paths_error(&function, p, first + k, files[k].error) : contents(&files[k]);
        if (item == NULL)
            return false;
        PyList_SET_ITEM(list, (Py_ssize_t)(first + k), item);
    }
    return true;
}

PyObject *
read_files(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"paths", "threads", NULL};
    PyObject *value, *wanted = NULL;
    int threads;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$O:read_files", names, &value, &wanted)
        || PySys_Audit("pysyscall.call", "s(O)", "read_files", value) < 0
        || !threads_from(&function, 1, wanted, &threads))
        return NULL;
    paths p;
    PyObject *list = NULL;
    chunk *c = NULL;
    bool good = paths_take(state_of(module), &function, 0, value, &p);
    if (good) {
        c = PyMem_RawMalloc(sizeof(chunk));
        list = paths_list(&p);
        good = c != NULL && list != NULL;
        if (c == NULL)
            PyErr_NoMemory();
    }
    for (size_t first = 0; good && first < p.count; first += CHUNK) {
        size_t count = p.count - first < CHUNK ? p.count - first : CHUNK;
        c->texts = p.texts + first;
        good = read_chunk(c, count, threads) && add_results(list, &p, first, c->files, count);
        for (size_t k = 0; k < count; k++) {
            end_file(&c->files[k], 0);
            release_data(&c->files[k]);
            Py_CLEAR(c->files[k].bytes);
        }
    }
    PyMem_RawFree(c);
    paths_give_back(&p);
    return paths_list_done(list, good);
}
