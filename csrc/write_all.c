/* write_all(fd, chunks): many buffers, all of them. */
#include "bulk.h"

#include <errno.h>
#include <limits.h>
#include <sys/uio.h>

#include "convert.h"
#include "errors.h"
#include "generated/numbers.h"
#include "syscall_arch.h"

/* The most buffers that the kernel takes at once. */
enum { MOST_BUFFERS = 1024 };

static const signature function = {
    .name = "write_all",
    .text = "write_all(fd, chunks)",
    .since = "2.0",
    .args = {{.name = "fd",
              .expected = "an int or an object with fileno()",
              .kind = KIND_FD,
              .min = INT32_MIN,
              .max = INT32_MAX},
             {.name = "chunks", .expected = "an iterable of bytes-like objects"}},
};

typedef struct {
    Py_buffer views[MOST_BUFFERS];
    struct iovec iov[MOST_BUFFERS];
    int held, count; /* views, and those of them that are not empty */
} slice;

/* Takes as many buffers as there are, but no more than the kernel does. */
static bool
take_slice(PyObject *iterator, slice *s, Py_ssize_t *taken, bool *more)
{
    s->held = s->count = 0;
    *more = true;
    while (s->held < MOST_BUFFERS) {
        PyObject *item = PyIter_Next(iterator);
        if (item == NULL) {
            *more = false;
            return !PyErr_Occurred();
        }
        Py_ssize_t place = (*taken)++;
        bool good =
            PyObject_CheckBuffer(item)
                ? convert_buffer(&function, 1, place, item, false, &s->views[s->held])
                : refuse(&function, 1, PyExc_TypeError, "item %zd must be a bytes-like object, not %s", place,
                         Py_TYPE(item)->tp_name);
        Py_DECREF(item);
        if (!good)
            return false;
        const Py_buffer *view = &s->views[s->held++];
        if (view->len != 0)
            s->iov[s->count++] = (struct iovec){view->buf, (size_t)view->len};
    }
    return true;
}

static void
release_slice(slice *s)
{
    while (s->held > 0)
        PyBuffer_Release(&s->views[--s->held]);
}

static bool
write_slice(long fd, slice *s, Py_ssize_t *written)
{
    for (int first = 0; first < s->count;) {
        PyThreadState *thread = PyEval_SaveThread();
        long result = syscall3(NR_writev, fd, (long)(s->iov + first), s->count - first);
        PyEval_RestoreThread(thread);
        if (result > 0)
            *written += result;
        if (PyErr_CheckSignals() < 0)
            return false;
        if (result == -EINTR)
            continue;
        if (syscall_failed(result) || result == 0) {
            /* What takes nothing, and has no error either, would do so for ever. */
            raise_errno(&function, result != 0 ? result : -EIO, NULL, NULL);
            return false;
        }
        for (size_t left = (size_t)result; left > 0;) {
            struct iovec *iov = &s->iov[first];
            size_t taken = left < iov->iov_len ? left : iov->iov_len;
            iov->iov_base = (char *)iov->iov_base + taken;
            iov->iov_len -= taken;
            left -= taken;
            first += iov->iov_len == 0;
        }
    }
    return true;
}

/* The exception that is set tells how much was written before. */
static void
tell_written(Py_ssize_t written)
{
    PyObject *exception = take_exception();
    if (exception == NULL)
        return;
    PyObject *note = PyUnicode_FromFormat("write_all() had written %zd bytes", written);
    PyObject *done = note != NULL ? PyObject_CallMethod(exception, "add_note", "O", note) : NULL;
    PyObject *count = PyLong_FromSsize_t(written);
    if (count != NULL && PyObject_TypeCheck(exception, (PyTypeObject *)PyExc_BlockingIOError))
        PyObject_SetAttrString(exception, "characters_written", count);
    Py_XDECREF(note);
    Py_XDECREF(done);
    Py_XDECREF(count);
    PyErr_Clear();
    raise_exception(exception);
}

PyObject *
write_all(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"fd", "chunks", NULL};
    PyObject *file, *chunks;
    long fd;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:write_all", names, &file, &chunks)
        || PySys_Audit("pysyscall.call", "s(OO)", "write_all", file, chunks) < 0
        || !convert_fd(state_of(module), &function, 0, file, &fd))
        return NULL;
    if (PyUnicode_Check(chunks) || PyObject_CheckBuffer(chunks)
        || !(Py_TYPE(chunks)->tp_iter || PySequence_Check(chunks))) {
        refuse_type(&function, 1, chunks);
        return NULL;
    }
    PyObject *iterator = PyObject_GetIter(chunks);
    slice *s = iterator != NULL ? PyMem_Malloc(sizeof(slice)) : NULL;
    if (s == NULL) {
        Py_XDECREF(iterator);
        return iterator != NULL ? PyErr_NoMemory() : NULL;
    }
    Py_ssize_t taken = 0, written = 0;
    bool good = true;
    for (bool more = true; good && more;) {
        good = take_slice(iterator, s, &taken, &more) && write_slice(fd, s, &written);
        release_slice(s);
    }
    PyMem_Free(s);
    Py_DECREF(iterator);
    if (!good) {
        tell_written(written);
        return NULL;
    }
    return PyLong_FromSsize_t(written);
}
