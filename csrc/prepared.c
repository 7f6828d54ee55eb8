/* prepare(call, *args): a call with its arguments already converted, as a function that makes it.
 *
 * It is a builtin function, which the interpreter calls faster than other objects; what it needs is its `self`. */
#include "audit.h"
#include "batch.h"
#include "errors.h"
#include "generated/numbers.h"
#include "gil.h"
#include "interpreter.h"
#include "structs.h"
#include "syscall_arch.h"

typedef struct {
    PyObject_HEAD
    PyMethodDef method;
    PyObject *module;
    module_state *state; /* the module's */
    const signature *sig;
    int traits;
    long nr;
    bool blocks;
    char busy;
    uint8_t place;                   /* the argument that the kernel fills, where one does */
    PyObject *args;                  /* for audit hooks */
    PyObject *values[MAX_ARGUMENTS]; /* by argument of the signature */
    operation op;
} prepared;

/* Audit hooks hear of the call; false where one of them raised. */
static inline bool
told(const prepared *p)
{
    return !is_audited(p->state) || PySys_Audit("pysyscall.call", "sO", p->sig->name, p->args) == 0;
}

/* The same call with arguments converted anew: for whom `op` is not free. */
static PyObject *
call_plainly(const prepared *p)
{
    PyObject *args[MAX_ARGUMENTS];
    int n = 0;
    for (int i = 0; i < p->sig->count; i++)
        if (p->sig->args[i].name != NULL)
            args[n++] = p->values[i];
    return interpret(p->sig, p->module, args, n, NULL);
}

/* Only the instruction, or more where the call needs more. */
static inline long
enter_once(const prepared *p, const operation *op)
{
    const long *reg = op->c.reg;
    if (__builtin_expect(!(p->traits & IS_BARE), 0))
        return operation_enter(p->sig, op);
    return syscall6(p->nr, reg[0], reg[1], reg[2], reg[3], reg[4], reg[5]);
}

static inline long
enter(const prepared *p, const operation *op)
{
    PyThreadState *thread = p->blocks ? gil_release() : NULL;
    long result = enter_once(p, op);
    gil_take(thread);
    return result;
}

/* After an interruption, and where there may be too little memory; false with an exception. */
static __attribute__((noinline)) bool
enter_again(const prepared *p, operation *op, timing *t)
{
    while (operation_needs_attention(p->sig, p->traits, op)) {
        enum outcome outcome = operation_attend(p->sig, op, t);
        if (outcome != OUTCOME_AGAIN)
            return outcome == OUTCOME_DONE;
        op->result = enter(p, op);
    }
    return true;
}

static inline PyObject *
make_call(prepared *p)
{
    module_state *state = p->state;
    if (!p->op.converted && !operation_convert(state, p->sig, p->traits, &p->op, p->values, 0))
        return NULL;
    timing t = {0};
    if (p->traits & IS_TIMED)
        t = operation_begin(p->sig, &p->op);
    p->op.result = enter(p, &p->op);
    if (!enter_again(p, &p->op, &t))
        return NULL;
    if (syscall_failed(p->op.result)) {
        operation_raise(p->sig, &p->op);
        return NULL;
    }
    PyObject *object = operation_value(state, p->sig, p->traits, &p->op);
    if (object == NULL)
        operation_close(p->sig, &p->op);
    return object;
}

/* Whether nobody else, in another thread or further up on the stack, makes the call just now. */
static bool
seize(prepared *p)
{
#ifdef Py_GIL_DISABLED
    return !__atomic_exchange_n(&p->busy, 1, __ATOMIC_ACQUIRE);
#else
    bool was_free = !p->busy;
    p->busy = 1;
    return was_free;
#endif
}

static PyObject *
prepared_call(PyObject *self, PyObject *const *Py_UNUSED(args), Py_ssize_t nargs)
{
    prepared *p = (prepared *)self;
    if (__builtin_expect(nargs != 0, 0))
        return PyErr_Format(PyExc_TypeError, "a prepared %s() takes no arguments", p->sig->name);
    if (!seize(p))
        return call_plainly(p);
    PyObject *object = NULL;
    if (told(p))
        object = make_call(p);
    if (!(p->traits & RUNS_AGAIN))
        operation_release(p->sig, &p->op);
    else if ((p->traits & IS_CLEARED) && (object == NULL || !(p->traits & HAS_ONE_RESULT)))
        operation_clear(p->sig, &p->op);
    p->op.lost = false;
    __atomic_store_n(&p->busy, 0, __ATOMIC_RELEASE);
    return object;
}

/* What most calls come to. They need nothing that a second call at the same time would have to share. */
typedef enum { SHAPE_NONE, SHAPE_NUMBER, SHAPE_STRUCT, SHAPE_BYTES, SHAPE_OTHER } shape;

enum { MOST_BYTES = 1024 };

static shape
shape_of(const prepared *p)
{
    int i = p->traits >> RESULT_SHIFT, both = IS_BARE | RUNS_AGAIN;
    if ((p->traits & both) != both)
        return SHAPE_OTHER;
    if (p->traits & IS_NUMBER)
        return SHAPE_NUMBER;
    if (!(p->traits & HAS_ONE_RESULT)) {
        for (int k = 0; k < p->sig->count; k++)
            if (operation_comes_back(p->sig, k, p->values[k]))
                return SHAPE_OTHER;
        return p->sig->result == RESULT_NONE ? SHAPE_NONE : SHAPE_OTHER;
    }
    PyObject *filled = p->op.c.owned[i];
    if (filled == NULL)
        return p->op.c.viewed[i] ? SHAPE_NUMBER : SHAPE_OTHER;
    if (p->sig->args[i].kind == KIND_STRUCT_OUT)
        return SHAPE_STRUCT;
    return PyBytes_GET_SIZE(filled) <= MOST_BYTES ? SHAPE_BYTES : SHAPE_OTHER;
}

/* After a failure: makes the call again where that is the answer to it. False with an exception. */
static __attribute__((noinline)) bool
mend(const prepared *p, const long *reg, long *result)
{
    operation op = p->op;
    timing t = {0};
    memcpy(op.c.reg, reg, sizeof(op.c.reg));
    op.result = *result;
    if (!enter_again(p, &op, &t))
        return false;
    *result = op.result;
    if (syscall_failed(op.result))
        operation_raise(p->sig, &op);
    return !syscall_failed(op.result);
}

/* Each shape has a function of its own: between two system calls each branch counts. */
static inline __attribute__((always_inline)) PyObject *
call_as(PyObject *self, Py_ssize_t nargs, shape of, bool blocks)
{
    prepared *p = (prepared *)self;
    if (__builtin_expect(nargs != 0 || !p->op.converted, 0))
        return prepared_call(self, NULL, nargs);
    if (!told(p))
        return NULL;
    long own[MAX_ARGUMENTS];
    const long *reg = p->op.c.reg;
    PyObject *made = NULL;
    if (of == SHAPE_STRUCT || of == SHAPE_BYTES)
        reg = memcpy(own, reg, sizeof(own));
    if (of == SHAPE_STRUCT) {
        struct_object *object = struct_new(p->state, p->sig->args[p->place].type);
        if (object == NULL)
            return NULL;
        own[p->place] = (long)object->data;
        made = (PyObject *)object;
    }
    if (of == SHAPE_BYTES) {
        made = PyBytes_FromStringAndSize(NULL, PyBytes_GET_SIZE(p->op.c.owned[p->place]));
        if (made == NULL)
            return NULL;
        own[p->place] = (long)PyBytes_AS_STRING(made);
    }
    PyThreadState *thread = blocks ? gil_release() : NULL;
    long result = syscall6(p->nr, reg[0], reg[1], reg[2], reg[3], reg[4], reg[5]);
    gil_take(thread);
    if (__builtin_expect(syscall_failed(result), 0) && !mend(p, reg, &result)) {
        Py_XDECREF(made);
        return NULL;
    }
    if (of == SHAPE_NONE)
        return Py_NewRef(Py_None);
    if (of == SHAPE_BYTES && result < PyBytes_GET_SIZE(made))
        return shorten(made, result);
    if (of != SHAPE_NUMBER)
        return made;
    PyObject *number = PyLong_FromLong(result);
    if (__builtin_expect(number == NULL, 0) && p->sig->result == RESULT_FD)
        syscall1(NR_close, result);
    return number;
}

#define CALL_AS(name, of, blocks)                                                                            \
    static PyObject *name(PyObject *self, PyObject *const *Py_UNUSED(args), Py_ssize_t nargs)                \
    {                                                                                                        \
        return call_as(self, nargs, of, blocks);                                                             \
    }
CALL_AS(call_none, SHAPE_NONE, false)
CALL_AS(call_none_released, SHAPE_NONE, true)
CALL_AS(call_number, SHAPE_NUMBER, false)
CALL_AS(call_number_released, SHAPE_NUMBER, true)
CALL_AS(call_struct, SHAPE_STRUCT, false)
CALL_AS(call_struct_released, SHAPE_STRUCT, true)
CALL_AS(call_bytes, SHAPE_BYTES, false)
CALL_AS(call_bytes_released, SHAPE_BYTES, true)
#undef CALL_AS

static PyObject *(*const functions[][2])(PyObject *, PyObject *const *, Py_ssize_t) = {
    [SHAPE_NONE] = {call_none, call_none_released},
    [SHAPE_NUMBER] = {call_number, call_number_released},
    [SHAPE_STRUCT] = {call_struct, call_struct_released},
    [SHAPE_BYTES] = {call_bytes, call_bytes_released},
    [SHAPE_OTHER] = {prepared_call, prepared_call},
};

/* The arguments as a tuple, None for those that were left out. */
static PyObject *
tuple_of(const signature *sig, PyObject *const *bound)
{
    PyObject *tuple = PyTuple_New(sig->parameters);
    for (int k = 0; tuple != NULL && k < sig->parameters; k++)
        PyTuple_SET_ITEM(tuple, k, Py_NewRef(bound[k] != NULL ? bound[k] : Py_None));
    return tuple;
}

PyObject *
prepare_call(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    if (nargs == 0) {
        PyErr_SetString(PyExc_TypeError, "prepare(call, *args, **kwargs) lacks argument 'call'");
        return NULL;
    }
    PyObject *function = args[0], *name = PyUnicode_FromString("Prepared");
    PyTypeObject *type = name != NULL ? batch_type_named(state_of(module), name) : NULL;
    Py_XDECREF(name);
    if (type == NULL)
        return NULL;
    const signature *sig = signature_behind(module, function, args + 1, nargs - 1, kwnames);
    int traits = sig != NULL ? operation_traits(sig) : -1;
    PyObject *given[MAX_ARGUMENTS];
    if (traits < 0 || !bind_arguments(sig, args + 1, nargs - 1, kwnames, given))
        return NULL;
    PyObject *tuple = tuple_of(sig, given);
    prepared *p = tuple != NULL ? PyObject_GC_New(prepared, type) : NULL;
    if (p == NULL) {
        Py_XDECREF(tuple);
        return NULL;
    }
    p->args = tuple;
    p->module = Py_NewRef(module);
    p->state = state_of(module);
    p->sig = sig;
    p->traits = traits;
    p->nr = sig->nr;
    p->busy = 0;
    p->op = (operation){0};
    for (int i = 0, position = 0; i < MAX_ARGUMENTS; i++)
        p->values[i] = i < sig->count && sig->args[i].name != NULL ? Py_XNewRef(given[position++]) : NULL;
    bool good = true;
    for (int i = 0; i < sig->count; i++)
        good = good && (p->values[i] == NULL || freeze(&sig->args[i], &p->values[i]));
    if (!good || !operation_convert(p->state, sig, traits, &p->op, p->values, 0)) {
        Py_DECREF(p);
        return NULL;
    }
    p->blocks = may_wait(sig, &p->op.c);
    p->place = (uint8_t)(traits & HAS_ONE_RESULT ? traits >> RESULT_SHIFT : 0);
    p->method = (PyMethodDef){sig->name, (PyCFunction)(void (*)(void))functions[shape_of(p)][p->blocks],
                              METH_FASTCALL, "The call, with its arguments converted beforehand."};
    PyObject_GC_Track(p);
    PyObject *bound = PyCFunction_New(&p->method, (PyObject *)p);
    Py_DECREF(p);
    return bound;
}

static int
prepared_traverse(PyObject *self, visitproc visit, void *arg)
{
    prepared *p = (prepared *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(p->module);
    Py_VISIT(p->args);
    for (int i = 0; i < MAX_ARGUMENTS; i++)
        Py_VISIT(p->values[i]);
    return operation_traverse(p->sig, &p->op, visit, arg);
}

static void
prepared_dealloc(PyObject *self)
{
    prepared *p = (prepared *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    operation_free(p->sig, &p->op);
    for (int i = 0; i < MAX_ARGUMENTS; i++)
        Py_CLEAR(p->values[i]);
    Py_CLEAR(p->module);
    Py_CLEAR(p->args);
    type->tp_free(self);
    Py_DECREF(type);
}

/* Without the buffers that it held the call cannot be made: what is left raises on conversion. */
static int
prepared_clear(PyObject *self)
{
    prepared *p = (prepared *)self;
    operation_release(p->sig, &p->op);
    Py_SETREF(p->args, Py_NewRef(Py_None));
    for (int i = 0; i < MAX_ARGUMENTS; i++)
        if (p->values[i] != NULL)
            Py_SETREF(p->values[i], Py_NewRef(Py_None));
    return 0;
}

static PyObject *
prepared_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<prepared %s>", ((const prepared *)self)->sig->text);
}

static PyType_Slot prepared_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("A call with its arguments converted.")},
    {Py_tp_traverse, prepared_traverse},
    {Py_tp_clear, prepared_clear},
    {Py_tp_dealloc, prepared_dealloc},
    {Py_tp_repr, prepared_repr},
    {0, NULL},
};

PyType_Spec prepared_spec = {
    .name = "pysyscall.batch.Prepared",
    .basicsize = sizeof(prepared),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE
             | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = prepared_slots,
};
