/* prepare(call, *args): a call with its arguments already converted, as a function that makes it.
 *
 * It is a builtin function, which the interpreter calls faster than other objects; what it needs is its `self`. */
#include "batch.h"
#include "errors.h"
#include "interpreter.h"
#include "syscall_arch.h"

typedef struct {
    PyObject_HEAD
    PyMethodDef method;
    PyObject *module;
    const signature *sig;
    int traits;
    long nr;
    bool blocks;
    char busy;
    PyObject *args;                  /* for audit hooks */
    PyObject *values[MAX_ARGUMENTS]; /* by argument of the signature */
    operation op;
} prepared;

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
enter_once(const prepared *p)
{
    const long *reg = p->op.c.reg;
    if (__builtin_expect(!(p->traits & IS_BARE), 0))
        return operation_enter(p->sig, &p->op);
    return syscall6(p->nr, reg[0], reg[1], reg[2], reg[3], reg[4], reg[5]);
}

static inline long
enter(const prepared *p)
{
    if (!p->blocks)
        return enter_once(p);
    PyThreadState *thread = PyEval_SaveThread();
    long result = enter_once(p);
    PyEval_RestoreThread(thread);
    return result;
}

/* After an interruption, and where there may be too little memory; false with an exception. */
static __attribute__((noinline)) bool
enter_again(prepared *p, timing *t)
{
    while (operation_needs_attention(p->sig, p->traits, &p->op)) {
        enum outcome outcome = operation_attend(p->sig, &p->op, t);
        if (outcome != OUTCOME_AGAIN)
            return outcome == OUTCOME_DONE;
        p->op.result = enter(p);
    }
    return true;
}

static inline PyObject *
make_call(prepared *p)
{
    module_state *state = state_of(p->module);
    if (!p->op.converted && !operation_convert(state, p->sig, p->traits, &p->op, p->values, 0))
        return NULL;
    timing t = {0};
    if (p->traits & IS_TIMED)
        t = operation_begin(p->sig, &p->op);
    long result = p->op.result = enter(p);
    if (__builtin_expect((p->traits & IS_BARE) && !syscall_failed(result), 1)) {
        if (p->traits & IS_NUMBER)
            return PyLong_FromLong(result);
    }
    else {
        if (!enter_again(p, &t))
            return NULL;
        if (syscall_failed(p->op.result)) {
            operation_raise(p->sig, &p->op);
            return NULL;
        }
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
    if (PySys_Audit("pysyscall.call", "sO", p->sig->name, p->args) == 0)
        object = make_call(p);
    if (!(p->traits & RUNS_AGAIN))
        operation_release(p->sig, &p->op);
    else if ((p->traits & IS_CLEARED) && (object == NULL || !(p->traits & HAS_ONE_RESULT)))
        operation_clear(p->sig, &p->op);
    p->op.lost = false;
    __atomic_store_n(&p->busy, 0, __ATOMIC_RELEASE);
    return object;
}

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
    p->method = (PyMethodDef){sig->name, (PyCFunction)(void (*)(void))prepared_call, METH_FASTCALL,
                              "The call, with its arguments converted beforehand."};
    p->module = Py_NewRef(module);
    p->sig = sig;
    p->traits = traits;
    p->nr = sig->nr;
    p->blocks = sig->blocks;
    p->busy = 0;
    p->op = (operation){0};
    for (int i = 0, position = 0; i < MAX_ARGUMENTS; i++)
        p->values[i] = i < sig->count && sig->args[i].name != NULL ? Py_XNewRef(given[position++]) : NULL;
    bool good = true;
    for (int i = 0; i < sig->count; i++)
        good = good && (p->values[i] == NULL || freeze(&sig->args[i], &p->values[i]));
    if (!good || !operation_convert(state_of(module), sig, traits, &p->op, p->values, 0)) {
        Py_DECREF(p);
        return NULL;
    }
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
