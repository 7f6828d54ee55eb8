/* Requests of asynchronous I/O: Iocb objects, and what they hold, live until the kernel has done with them. */
#include "requests.h"

#include <linux/aio_abi.h>

#include "errors.h"
#include "fields.h"
#include "state.h"
#include "vectors.h"

typedef struct request {
    struct request *next;
    uint64_t context, number;
    PyObject *iocb;
} request;

static inline void
lock_table(request_table *table)
{
#ifdef Py_GIL_DISABLED
    PyMutex_Lock(&table->lock);
#else
    (void)table; /* The GIL is the lock. */
#endif
}

static inline void
unlock_table(request_table *table)
{
#ifdef Py_GIL_DISABLED
    PyMutex_Unlock(&table->lock);
#else
    (void)table;
#endif
}

static uint64_t
address_of(PyObject *iocb)
{
    return (uint64_t)((struct_object *)iocb)->data;
}

static request **
bucket_of(request_table *table, uint64_t address)
{
    return &table->buckets[address / 16 % REQUEST_BUCKETS];
}

PyObject *
pointers_from(module_state *state, const signature *sig, int i, PyObject *value, memory *m)
{
    PyTypeObject *type = struct_type(state, sig->args[i].type);
    PyObject *items = type != NULL ? fast_sequence(sig, i, value) : NULL;
    if (items == NULL)
        return NULL;
    Py_ssize_t count = PyTuple_GET_SIZE(items);
    bool good = true;
    for (Py_ssize_t k = 0; good && k < count; k++) {
        PyTypeObject *given = Py_TYPE(PyTuple_GET_ITEM(items, k));
        if (given != type)
            good = refuse(sig, i, PyExc_TypeError, "item %zd must be %s, not %s", k,
                          struct_table[sig->args[i].type].name, given->tp_name);
    }
    if (!good || !memory_take(m, (size_t)count * sizeof(void *))) {
        Py_DECREF(items);
        return NULL;
    }
    for (Py_ssize_t k = 0; k < count; k++)
        ((void **)m->data)[k] = ((struct_object *)PyTuple_GET_ITEM(items, k))->data;
    return items;
}

/* Whether the kernel stays within the buffer that the request holds, and may do with it what it is to do. */
static bool
check(const signature *sig, int i, Py_ssize_t k, const struct_object *object)
{
    struct iocb request;
    memcpy(&request, object->data, sizeof(request));
    bool vector = request.aio_lio_opcode == IOCB_CMD_PREADV || request.aio_lio_opcode == IOCB_CMD_PWRITEV;
    bool single = request.aio_lio_opcode == IOCB_CMD_PREAD || request.aio_lio_opcode == IOCB_CMD_PWRITE;
    bool reads = request.aio_lio_opcode == IOCB_CMD_PREAD || request.aio_lio_opcode == IOCB_CMD_PREADV;
    if (object->held == NULL || (!vector && !single))
        return true;
    PyObject *first = PyTuple_GET_ITEM(object->held, 0);
    if (PyMemoryView_Check(first)) {
        const Py_buffer *view = PyMemoryView_GET_BUFFER(first);
        if (vector)
            return refuse(sig, i, PyExc_TypeError,
                          "item %zd must have a sequence of buffers for its operation", k);
        if (reads && view->readonly)
            return refuse(sig, i, PyExc_TypeError, "item %zd must have a writable buffer to read into", k);
        return request.aio_nbytes <= (uint64_t)view->len
               || refuse(sig, i, PyExc_ValueError,
                         "item %zd has aio_nbytes beyond the %zd bytes of its buffer", k, view->len);
    }
    /* The array comes first, then the buffers. */
    Py_ssize_t buffers = PyTuple_GET_SIZE(object->held) - 1;
    if (single)
        return refuse(sig, i, PyExc_TypeError, "item %zd must have one buffer for its operation", k);
    for (Py_ssize_t n = 1; reads && n <= buffers; n++)
        if (PyMemoryView_GET_BUFFER(PyTuple_GET_ITEM(object->held, n))->readonly)
            return refuse(sig, i, PyExc_TypeError, "item %zd must have writable buffers to read into", k);
    return request.aio_nbytes <= (uint64_t)buffers
           || refuse(sig, i, PyExc_ValueError, "item %zd has aio_nbytes beyond its %zd buffers", k, buffers);
}

bool
requests_keep(module_state *state, const signature *sig, int i, uint64_t context, PyObject *requests)
{
    request_table *table = &state->requests;
    Py_ssize_t count = PyTuple_GET_SIZE(requests);
    for (Py_ssize_t k = 0; k < count; k++)
        if (!check(sig, i, k, (struct_object *)PyTuple_GET_ITEM(requests, k)))
            return false;
    request *made = NULL;
    for (Py_ssize_t k = 0; k < count; k++) {
        request *one = PyMem_RawMalloc(sizeof(request));
        if (one == NULL) {
            while ((one = made) != NULL) {
                made = one->next;
                PyMem_RawFree(one);
            }
            PyErr_NoMemory();
            return false;
        }
        *one = (request){made, context, 0, PyTuple_GET_ITEM(requests, k)};
        made = one;
    }
    lock_table(table);
    for (request *one; (one = made) != NULL;) {
        made = one->next;
        request **bucket = bucket_of(table, address_of(one->iocb));
        Py_INCREF(one->iocb);
        one->number = table->submitted++;
        one->next = *bucket;
        *bucket = one;
    }
    unlock_table(table);
    return true;
}

uint64_t
requests_submitted(module_state *state)
{
    lock_table(&state->requests);
    uint64_t submitted = state->requests.submitted;
    unlock_table(&state->requests);
    return submitted;
}

/* Takes the request at `address` out; none where it was not submitted here. */
static void
drop(request_table *table, uint64_t context, uint64_t address)
{
    lock_table(table);
    request **place = bucket_of(table, address), *found;
    while ((found = *place) != NULL && (found->context != context || address_of(found->iocb) != address))
        place = &found->next;
    if (found != NULL)
        *place = found->next;
    unlock_table(table);
    if (found == NULL)
        return;
    /* May run any code. */
    Py_DECREF(found->iocb);
    PyMem_RawFree(found);
}

void
requests_not_submitted(module_state *state, uint64_t context, PyObject *requests, Py_ssize_t first)
{
    for (Py_ssize_t k = first; k < PyTuple_GET_SIZE(requests); k++)
        drop(&state->requests, context, address_of(PyTuple_GET_ITEM(requests, k)));
}

void
requests_done(module_state *state, uint64_t context, const unsigned char *events, long count)
{
    for (long k = 0; k < count; k++) {
        struct io_event event;
        memcpy(&event, events + sizeof(event) * (size_t)k, sizeof(event));
        drop(&state->requests, context, event.obj);
    }
}

void
requests_ended(module_state *state, uint64_t context, uint64_t before)
{
    request_table *table = &state->requests;
    request *ended = NULL;
    lock_table(table);
    for (int k = 0; k < REQUEST_BUCKETS; k++) {
        for (request **place = &table->buckets[k]; *place != NULL;) {
            request *one = *place;
            if (one->context != context || one->number >= before) {
                place = &one->next;
                continue;
            }
            *place = one->next;
            one->next = ended;
            ended = one;
        }
    }
    unlock_table(table);
    for (request *one; (one = ended) != NULL;) {
        ended = one->next;
        Py_DECREF(one->iocb);
        PyMem_RawFree(one);
    }
}
