/* A call whose arguments were converted beforehand, so that it can be made without Python. */
#include "operation.h"

#include "trampoline.h"

/* What each kind allows: all that are missing here need more of the engine than a conversion, or may. */
static int
traits_of(const argument *a)
{
    enum { PLAIN = RUNS_AGAIN | TAKES_RESULTS };
    switch (a->kind) {
    case KIND_INT:
    case KIND_WORD:
    case KIND_FD:
    case KIND_PATH:
    case KIND_STRING:
    case KIND_NAME:
    case KIND_BYTES_IN:
    case KIND_BYTES_OUT:
    case KIND_SOCKADDR_IN:
    case KIND_ARGV:
    case KIND_ENVP:
    case KIND_CONST:
    case KIND_DERIVED:
    case KIND_SIGINFO_IN: return PLAIN | NEEDS_NO_MEMORY;
    /* The kernel writes to a size that is inside, and it is looked at afterwards. */
    case KIND_STRUCT_IN: return (a->tells_size ? TAKES_RESULTS : PLAIN) | NEEDS_NO_MEMORY;
    case KIND_STRUCT_OUT: return (a->tells_size ? TAKES_RESULTS : PLAIN | IS_CLEARED) | NEEDS_NO_MEMORY;
    case KIND_ADDRESS:
    case KIND_STRUCTS_IN:
    case KIND_STRUCTS_OUT:
    case KIND_TIMESPEC_IN:
    case KIND_CELLS_IN:
    case KIND_ITEMS_IN:
    case KIND_PATH_OUT:
    case KIND_IOVEC_IN:
    case KIND_IOVEC_OUT:
    case KIND_CPUSET_IN:
    case KIND_CPUSET_OUT:
    case KIND_SIGSET_IN:
    case KIND_FPROG_IN:
    case KIND_REGSET_IN:
    case KIND_OPTION_IN:
    case KIND_NODEMASK_IN:
    case KIND_RECORDS_OUT:
    case KIND_MSGBUF_OUT: return PLAIN;
    case KIND_CELLS_OUT:
    case KIND_STATUS_OUT:
    case KIND_SIGSET_OUT: return PLAIN | IS_CLEARED;
    case KIND_ITEMS_OUT:
    case KIND_DATA_OUT:
    case KIND_NAMES_OUT: return PLAIN | MAY_GROW;
    case KIND_STRUCT_INOUT:
    case KIND_STRUCTS_INOUT:
    case KIND_REMAINING:
    case KIND_CELLS_INOUT:
    case KIND_SOCKADDR_OUT:
    case KIND_TEXT_OUT:
    case KIND_REGSET_OUT:
    case KIND_ANY:
    case KIND_OPTION_OUT:
    case KIND_TIME_INOUT:
    case KIND_FOLLOWED:
    case KIND_MSGBUF_IN:
    case KIND_NODEMASK_OUT:
    case KIND_SIGINFO_OUT: return TAKES_RESULTS;
    case KIND_PAGES_OUT: return RUNS_AGAIN;
    case KIND_SEMVALS_IN:
    case KIND_SEMVALS_OUT: return 0;
    default: return -1;
    }
}

static bool
is_known(enum result result)
{
    switch (result) {
    case RESULT_NONE:
    case RESULT_INT:
    case RESULT_WORD:
    case RESULT_NICE:
    case RESULT_FD:
    case RESULT_ENUM:
    case RESULT_TRUE:
    case RESULT_SIGNAL:
    case RESULT_SIGNAL_OF:
    case RESULT_COUNT_OF:
    case RESULT_READY_OF: return true;
    default: return false;
    }
}

/* Whether the engine does nothing around the call but what operations do, too. */
static bool
is_simple(const signature *sig)
{
    return is_known(sig->result) && !changes_mappings(sig) && sig->keeps == KEEPS_NOTHING && sig->context < 0
           && sig->options == 0 && sig->place == NULL;
}

/* What serves in the place of a call that is refused. */
static const char *
instead_of(const signature *sig)
{
    if (sig->result == RESULT_OWNER)
        return "F_GETOWN_EX can";
    for (int i = 0; i < sig->count; i++) {
        switch (sig->args[i].kind) {
        case KIND_FDSET: return "poll() and ppoll() can";
        case KIND_MSGHDR_IN:
        case KIND_MMSGHDR_INOUT: return "sendto() can";
        case KIND_MSGHDR_OUT:
        case KIND_MMSGHDR_OUT: return "recvfrom() can";
        default: break;
        }
    }
    return "make it by itself";
}

int
operation_traits(const signature *sig)
{
    enum { OF_ALL = RUNS_AGAIN | TAKES_RESULTS | NEEDS_NO_MEMORY, OF_ANY = IS_CLEARED | MAY_GROW };
    int traits = OF_ALL, outs = 0, last = 0;
    bool known = is_simple(sig);
    for (int i = 0; i < sig->count; i++) {
        int one = traits_of(&sig->args[i]);
        known = known && one >= 0;
        traits = (traits & one & OF_ALL) | ((traits | one) & OF_ANY);
        if (is_out(sig->args[i].kind)) {
            outs++;
            last = i;
        }
        /* The kernel writes the length there. */
        if (sig->args[i].length_by_pointer)
            traits &= ~(RUNS_AGAIN | NEEDS_NO_MEMORY);
    }
    if (!known) {
        PyErr_Format(PyExc_TypeError, "%s can't be made beforehand, nor be part of a batch; %s", sig->text,
                     instead_of(sig));
        return -1;
    }
    /* After a signal, registers and memory hold what is left of the time. */
    if (sig->eintr == EINTR_REMAINING)
        traits = (traits & ~RUNS_AGAIN) | IS_TIMED;
    if (!(traits & (IS_TIMED | MAY_GROW)) && sig->vdso == VDSO_NONE)
        traits |= IS_BARE;
    bool tells = sig->result != RESULT_NONE && sig->result != RESULT_COUNT_OF;
    if (outs == 0 && (sig->result == RESULT_INT || sig->result == RESULT_FD))
        traits |= IS_NUMBER;
    if (outs == 1 && !tells
        && (sig->args[last].kind == KIND_STRUCT_OUT || sig->args[last].kind == KIND_BYTES_OUT))
        traits |= HAS_ONE_RESULT | last << RESULT_SHIFT;
    return traits;
}

/* For operations without memory of their own; nothing is ever written there. */
static room no_room;

static room *
room_of(const operation *op)
{
    return op->own != NULL ? op->own : &no_room;
}

/* Whether no register will point into memory of the operation: buffers that are not bytes need a view, large
 * ones come from elsewhere. */
static bool
does_without_memory(const signature *sig, int traits, PyObject *const *values)
{
    long count;
    if (!(traits & NEEDS_NO_MEMORY))
        return false;
    for (int i = 0; i < sig->count; i++) {
        if (sig->args[i].kind == KIND_BYTES_IN && !PyBytes_CheckExact(values[i]))
            return false;
        if (sig->args[i].kind == KIND_BYTES_OUT
            && !(int_in_place(values[i], &count) && count >= 0 && count <= HEAP_LIMIT))
            return false;
    }
    return true;
}

/* Whether argument `i` was given as something that the engine looks after while a call is under way; raises. */
static bool
needs_care(const signature *sig, const operation *op, int i)
{
    const argument *a = &sig->args[i];
    if (a->kind == KIND_ADDRESS && op->c.owned[i] != NULL)
        return !refuse(sig, i, PyExc_TypeError,
                       "can't be a Mapping where the call is made beforehand; give its address");
    if (a->kind == KIND_ANY && a->roomy && op->c.viewed[i] && op->c.owned[i] != NULL)
        return !refuse(sig, i, PyExc_TypeError,
                       "can't be a buffer of less than %d bytes where the call is made beforehand",
                       SCRATCH_BYTES);
    return false;
}

/* A tuple as the struct of which it has the fields: the single call would put it onto its stack, which an operation
 * outlives. NULL, with or without an exception, where it is something else. */
static PyObject *
struct_of(module_state *state, const argument *a, PyObject *value)
{
    bool is_tuple = a->kind == KIND_STRUCT_IN && value != NULL && PyTuple_CheckExact(value);
    return is_tuple ? (PyObject *)struct_coerce(state, a->type, value) : NULL;
}

bool
operation_convert(module_state *state, const signature *sig, int traits, operation *op,
                  PyObject *const *values, unsigned later)
{
    room passing;
    room *m = &passing;
    if (!does_without_memory(sig, traits, values)) {
        if (op->own == NULL)
            op->own = PyMem_RawMalloc(sizeof(room));
        if (op->own == NULL) {
            PyErr_NoMemory();
            return false;
        }
        m = op->own;
    }
    m->heap.origin = MEMORY_NONE;
    m->sets.masks = NULL;
    op->c = (call){0};
    op->lost = false;
    for (int i = 0; i < sig->count; i++) {
        if (later >> i & 1)
            continue;
        PyObject *own = struct_of(state, &sig->args[i], values[i]);
        bool good = !PyErr_Occurred() && convert(state, sig, &op->c, m, i, own != NULL ? own : values[i])
                    && !needs_care(sig, op, i);
        if (own != NULL && op->c.owned[i] == NULL)
            op->c.owned[i] = own;
        else
            Py_XDECREF(own);
        if (!good) {
            release(state, sig, &op->c, m);
            return false;
        }
    }
    op->converted = true;
    return true;
}

void
operation_release(const signature *sig, operation *op)
{
    if (!op->converted)
        return;
    /* Giving back a buffer may run code that comes here again. */
    call c = op->c;
    op->converted = false;
    op->c = (call){0};
    /* Only requests need the module's state, and they are no operations. */
    release(NULL, sig, &c, room_of(op));
    if (op->own != NULL)
        op->own->heap.origin = MEMORY_NONE;
}

void
operation_free(const signature *sig, operation *op)
{
    operation_release(sig, op);
    PyMem_RawFree(op->own);
    op->own = NULL;
}

void
operation_clear(const signature *sig, operation *op)
{
    for (int i = 0; op->converted && i < sig->count; i++) {
        struct_object *object = (struct_object *)op->c.owned[i];
        if (sig->args[i].kind == KIND_STRUCT_OUT && object != NULL)
            memset(object->data, 0, object->info->size);
        else if (sig->args[i].kind == KIND_CELLS_OUT || sig->args[i].kind == KIND_STATUS_OUT
                 || sig->args[i].kind == KIND_SIGSET_OUT)
            op->own->cells[i] = (cell){.bytes = {0}};
    }
}

long
operation_enter(const signature *sig, const operation *op)
{
    return enter_kernel(sig, &op->c);
}

timing
operation_begin(const signature *sig, const operation *op)
{
    timing t = {0};
    if (sig->timeout >= 0 && op->c.reg[sig->timeout] > 0)
        t.deadline = deadline_after(op->c.reg[sig->timeout]);
    if (sig->relative >= 0 && op->c.reg[sig->relative] != 0) {
        t.started = nanoseconds_on(CLOCK_MONOTONIC);
        t.duration = room_of(op)->cells[sig->relative].timespec;
    }
    return t;
}

bool
operation_needs_attention(const signature *sig, int traits, const operation *op)
{
    if (__builtin_expect(op->result == -EINTR, 0)
        || (op->result == -ECONNABORTED && sig->result == RESULT_FD))
        return true;
    for (int i = 0; (traits & MAY_GROW) && i < sig->count; i++)
        if (was_too_short(sig, &op->c, i, op->result))
            return true;
    return false;
}

enum outcome
operation_attend(const signature *sig, operation *op, timing *t)
{
    room *m = room_of(op);
    if (op->result == -EINTR && sig->eintr == EINTR_DONE) {
        op->result = 0;
        return PyErr_CheckSignals() < 0 ? OUTCOME_RAISED : OUTCOME_DONE;
    }
    if (grow(sig, &op->c, m, op->result) || do_without_address(sig, &op->c, m, op->result))
        return OUTCOME_AGAIN;
    if (!PyErr_Occurred() && op->result == -EINTR) {
        stopwatch watch = {t->started, t->duration};
        if (prepare_repeat(sig, &op->c, m, t->deadline, &watch))
            return OUTCOME_AGAIN;
    }
    return PyErr_Occurred() ? OUTCOME_RAISED : OUTCOME_DONE;
}

/* The bytes that the kernel has filled, for the result: a copy, or where that would cost more the bytes
 * themselves, in whose place come new ones. */
static PyObject *
give_bytes(operation *op, int i)
{
    enum { CHEAP_TO_COPY = 1024 };
    PyObject *bytes = op->c.owned[i];
    Py_ssize_t size = PyBytes_GET_SIZE(bytes);
    Py_ssize_t filled = smaller(op->result, size);
    if (filled <= CHEAP_TO_COPY || filled < size / 2)
        return PyBytes_FromStringAndSize(PyBytes_AS_STRING(bytes), filled);
    PyObject *fresh = PyBytes_FromStringAndSize(NULL, size);
    if (fresh == NULL)
        return NULL;
    op->c.owned[i] = fresh;
    op->c.reg[i] = (long)PyBytes_AS_STRING(fresh);
    return bytes;
}

static PyObject *
give_struct(module_state *state, const argument *a, operation *op, int i)
{
    PyObject *object = op->c.owned[i];
    struct_object *fresh = struct_new(state, a->type);
    if (fresh == NULL)
        return NULL;
    op->c.owned[i] = (PyObject *)fresh;
    op->c.reg[i] = (long)fresh->data;
    return object;
}

static __attribute__((noinline)) PyObject *
built(module_state *state, const signature *sig, call *c, operation *op)
{
    return build_result(state, sig, c, room_of(op), op->result);
}

/* The same as `operation_value` for results that are one struct, or bytes. */
static PyObject *
one_result(module_state *state, const signature *sig, operation *op, int i)
{
    if (sig->args[i].kind == KIND_STRUCT_OUT)
        return give_struct(state, &sig->args[i], op, i);
    PyObject *bytes = give_bytes(op, i);
    return bytes != NULL && PyBytes_GET_SIZE(bytes) > op->result ? shorten(bytes, op->result) : bytes;
}

PyObject *
operation_value(module_state *state, const signature *sig, int traits, operation *op)
{
    if (traits & IS_NUMBER)
        return PyLong_FromLong(op->result);
    if (op->lost)
        return PyErr_NoMemory();
    if ((traits & (HAS_ONE_RESULT | RUNS_AGAIN)) == (HAS_ONE_RESULT | RUNS_AGAIN)) {
        int i = traits >> RESULT_SHIFT;
        if (op->c.owned[i] != NULL) {
            PyObject *object = one_result(state, sig, op, i);
            op->lost = object == NULL;
            return object;
        }
    }
    if (!(traits & RUNS_AGAIN)) {
        /* It is converted anew before the next call, so that its objects may become the result's. */
        PyObject *object = built(state, sig, &op->c, op);
        op->lost = object == NULL;
        return object;
    }
    call c = op->c;
    PyObject *given[MAX_ARGUMENTS] = {NULL};
    bool good = true;
    for (int i = 0; i < sig->count; i++) {
        c.owned[i] = NULL;
        if (!good || op->c.owned[i] == NULL)
            continue;
        if (sig->args[i].kind == KIND_BYTES_OUT)
            given[i] = give_bytes(op, i);
        else if (sig->args[i].kind == KIND_STRUCT_OUT)
            given[i] = give_struct(state, &sig->args[i], op, i);
        else
            continue;
        c.owned[i] = given[i];
        good = given[i] != NULL;
    }
    PyObject *object = good ? built(state, sig, &c, op) : NULL;
    if (object == NULL) {
        op->lost = true;
        for (int i = 0; i < sig->count; i++)
            Py_XDECREF(c.owned[i]);
    }
    return object;
}

void
operation_raise(const signature *sig, const operation *op)
{
    raise_for(sig, &op->c, op->result);
}

long
operation_cell(const signature *sig, const operation *op, int i, int item)
{
    const argument *a = &sig->args[i];
    return integer_value(op->own->cells[i].bytes + a->size * item, a->size, a->is_signed);
}

bool
operation_comes_back(const signature *sig, int i, PyObject *value)
{
    const argument *a = &sig->args[i];
    bool left_out = value == NULL || value == Py_None || value == Py_False;
    return is_out(a->kind) && !(may_lack(a) && left_out);
}

void
operation_close(const signature *sig, const operation *op)
{
    close_unreturned(sig, room_of(op), op->result);
}

bool
operation_audit(const signature *sig, PyObject *const *values)
{
    PyObject *args[MAX_ARGUMENTS];
    int n = 0;
    for (int i = 0; i < sig->count; i++)
        if (sig->args[i].name != NULL)
            args[n++] = values[i];
    return audit(sig, args, n);
}

int
operation_traverse(const signature *sig, operation *op, visitproc visit, void *arg)
{
    for (int i = 0; op->own != NULL && op->converted && i < sig->count; i++) {
        if (!op->c.viewed[i])
            continue;
        if (sig->args[i].kind != KIND_IOVEC_IN && sig->args[i].kind != KIND_IOVEC_OUT)
            Py_VISIT(op->own->view[i].obj);
        else
            for (Py_ssize_t k = 0; k < op->own->iovec.count; k++)
                Py_VISIT(op->own->iovec.views[k].obj);
    }
    return 0;
}

const signature *
signature_behind(PyObject *module, PyObject *function, PyObject *const *args, Py_ssize_t nargs,
                 PyObject *kwnames)
{
    const char *name = NULL;
    if (PyCFunction_CheckExact(function) && PyCFunction_GET_SELF(function) == module)
        name = ((PyCFunctionObject *)function)->m_ml->ml_name;
    for (const call_entry *entry = call_table; name != NULL && entry->name != NULL; entry++) {
        if (strcmp(entry->name, name) != 0)
            continue;
        return entry->sig != NULL ? entry->sig : family_signature(entry->family, args, nargs, kwnames);
    }
    PyErr_Format(PyExc_TypeError,
                 "prepare() argument 'call' must be a call that is made straight from C, not %R", function);
    return NULL;
}

bool
freeze(const argument *a, PyObject **value)
{
    switch (a->kind) {
    case KIND_STRUCTS_IN:
    case KIND_STRUCTS_INOUT:
    case KIND_ITEMS_IN:
    case KIND_IOVEC_IN:
    case KIND_IOVEC_OUT:
    case KIND_CPUSET_IN:
    case KIND_SIGSET_IN:
    case KIND_FPROG_IN:
    case KIND_SEMVALS_IN:
    case KIND_CELLS_IN:
    case KIND_CELLS_INOUT: break;
    default: return true;
    }
    if (!PyList_CheckExact(*value) && !PyAnySet_Check(*value) && !PyGen_CheckExact(*value)
        && !(PyIter_Check(*value) && a->items != 1))
        return true;
    PyObject *tuple = PySequence_Tuple(*value);
    if (tuple == NULL)
        return false;
    Py_SETREF(*value, tuple);
    return true;
}
