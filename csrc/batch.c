/* The Python types Recorder, Result and Input. */
#include "errors.h"
#include "recorder.h"

static PyObject *
recorder_run(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    recorder *b = (recorder *)self;
    if (b->count == 0) {
        PyErr_SetString(PyExc_ValueError, "the batch is empty: no call was recorded");
        return NULL;
    }
    if (b->inputs != 0) {
        PyErr_SetString(PyExc_ValueError, "the batch has inputs: give run() what they are");
        return NULL;
    }
    if (PySys_Audit("pysyscall.batch", "On", self, (Py_ssize_t)b->count) < 0 || !seize(b))
        return NULL;
    bool good = set_prepare(b, 0, NULL);
    if (good) {
        b->ran = true;
        good = sets_run(b, 1);
    }
    let_go(b);
    return good ? Py_NewRef(Py_None) : NULL;
}

static PyObject *
recorder_run_chunk(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    recorder *b = (recorder *)self;
    if (nargs != 3 || !PyIter_Check(args[0]) || !PyList_CheckExact(args[1])) {
        PyErr_SetString(PyExc_TypeError, "_run_chunk(iterator, list, passed)");
        return NULL;
    }
    if (b->inputs == 0 || b->count == 0) {
        PyErr_SetString(PyExc_ValueError, b->count == 0 ? "the batch is empty: no call was recorded"
                                                        : "the batch has no input: call run() without any");
        return NULL;
    }
    size_t passed = PyLong_AsSize_t(args[2]);
    if (passed == (size_t)-1 && PyErr_Occurred())
        return NULL;
    if (PySys_Audit("pysyscall.batch", "On", self, (Py_ssize_t)b->count) < 0 || !seize(b))
        return NULL;
    b->passed = passed;
    bool more;
    bool good = chunk_run(b, args[0], args[1], &more);
    let_go(b);
    return good ? PyBool_FromLong(more) : NULL;
}

static PyObject *
recorder_outcomes(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    recorder *b = (recorder *)self;
    if (!seize(b))
        return NULL;
    PyObject *tuple = set_outcomes(b, 0);
    let_go(b);
    PyObject *list = tuple != NULL ? PySequence_List(tuple) : NULL;
    Py_XDECREF(tuple);
    return list;
}

static PyObject *
recorder_input(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    recorder *b = (recorder *)self;
    if (b->inputs == UINT8_MAX)
        return PyErr_Format(PyExc_ValueError, "a batch has at most %d inputs", UINT8_MAX);
    if (!seize(b))
        return NULL;
    PyObject *input = (PyObject *)result_new(b, b->inputs, -1, true);
    b->inputs += input != NULL;
    let_go(b);
    return input;
}

static PyObject *
recorder_group(PyObject *self, PyObject *open)
{
    recorder *b = (recorder *)self;
    if (open == Py_True && b->group != 0) {
        PyErr_SetString(PyExc_RuntimeError, "a group of calls can't hold another group");
        return NULL;
    }
    b->group = open == Py_True ? ++b->groups : 0;
    Py_RETURN_NONE;
}

static PyObject *
recorder_has_inputs(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((const recorder *)self)->inputs != 0);
}

static Py_ssize_t
recorder_length(PyObject *self)
{
    return (Py_ssize_t)((const recorder *)self)->count;
}

static PyObject *
recorder_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"on_error", NULL};
    static const char *const policies[] = {"stop", "skip", "continue"};
    const char *given = "stop";
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$s:Batch", names, &given))
        return NULL;
    int policy = 0;
    while (policy < 3 && strcmp(given, policies[policy]) != 0)
        policy++;
    if (policy == 3)
        return PyErr_Format(PyExc_ValueError,
                            "Batch() argument 'on_error' must be 'stop', 'skip' or 'continue', not '%s'",
                            given);
    PyObject *module = PyType_GetModuleByDef(type, &fast_module);
    recorder *b = module != NULL ? (recorder *)type->tp_alloc(type, 0) : NULL;
    if (b != NULL) {
        b->module = Py_NewRef(module);
        b->on_error = (error_policy)policy;
        b->sets = 1;
    }
    return (PyObject *)b;
}

static int
recorder_traverse(PyObject *self, visitproc visit, void *arg)
{
    recorder *b = (recorder *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(b->module);
    for (size_t k = 0; k < b->count; k++)
        for (int i = 0; i < MAX_ARGUMENTS; i++)
            Py_VISIT(b->recipes[k].values[i]);
    for (size_t k = 0; k < MOST_SETS && b->items != NULL; k++)
        Py_VISIT(b->items[k]);
    for (size_t set = 0; set < b->sets; set++) {
        step *steps = set_of(b, set);
        for (size_t k = 0; k < b->count; k++) {
            Py_VISIT(steps[k].value);
            int stop = operation_traverse(b->recipes[k].sig, &steps[k].op, visit, arg);
            if (stop != 0)
                return stop;
        }
    }
    return 0;
}

static int
recorder_clear(PyObject *self)
{
    recorder *b = (recorder *)self;
    sets_drop(b);
    items_drop(b);
    /* Code that runs meanwhile finds an empty batch. */
    recipe *recipes = b->recipes;
    step *steps = b->steps;
    size_t count = b->count;
    b->recipes = NULL;
    b->steps = NULL;
    b->count = b->capacity = 0;
    for (size_t k = 0; k < count; k++) {
        operation_free(recipes[k].sig, &steps[k].op);
        Py_CLEAR(steps[k].value);
        recipe_drop(&recipes[k]);
    }
    PyMem_Free(recipes);
    PyMem_Free(steps);
    return 0;
}

static void
recorder_dealloc(PyObject *self)
{
    recorder *b = (recorder *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    recorder_clear(self);
    PyMem_Free(b->items);
    Py_CLEAR(b->module);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef recorder_methods[] = {
    {"_run", recorder_run, METH_NOARGS, NULL},
    {"_run_chunk", (PyCFunction)(void (*)(void))recorder_run_chunk, METH_FASTCALL, NULL},
    {"_outcomes", recorder_outcomes, METH_NOARGS, NULL},
    {"_group", recorder_group, METH_O, NULL},
    {"input", recorder_input, METH_NOARGS,
     PyDoc_STR("input($self, /)\n--\n\nStands for an argument that is another one for each input of run().")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef recorder_getset[] = {
    {"_has_inputs", recorder_has_inputs, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

/* The value of a result object, or the exception that stands for it; NULL with NotRun where there is none. */
static PyObject *
outcome_behind(const result_object *result)
{
    recorder *b = result->batch;
    if (b->inputs != 0) {
        PyErr_SetString(PyExc_RuntimeError, "the batch has inputs: its results are what run() returns");
        return NULL;
    }
    if (!seize(b))
        return NULL;
    PyObject *value = NULL;
    if (result->call < b->count)
        value = set_outcome(b, 0, result->call);
    else
        PyErr_SetString(PyExc_RuntimeError, "the batch is gone");
    bool made = value != NULL && b->steps[result->call].status == MADE;
    let_go(b);
    if (value != NULL && !made) {
        raise_exception(value);
        return NULL;
    }
    return value;
}

static PyObject *
result_value(PyObject *self, void *Py_UNUSED(closure))
{
    const result_object *result = (const result_object *)self;
    PyObject *value = outcome_behind(result);
    if (value == NULL || result->item < 0 || PyExceptionInstance_Check(value))
        return value;
    PyObject *item = PySequence_GetItem(value, result->item);
    Py_DECREF(value);
    return item;
}

static PyObject *
result_result(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *value = result_value(self, NULL);
    if (value == NULL || !PyExceptionInstance_Check(value))
        return value;
    raise_exception(value);
    return NULL;
}

static PyObject *
result_item(PyObject *self, PyObject *key)
{
    result_object *result = (result_object *)self;
    Py_ssize_t item = PyNumber_AsSsize_t(key, PyExc_IndexError);
    if (item == -1 && PyErr_Occurred())
        return NULL;
    if (result->item >= 0 || item < 0 || item > UINT8_MAX) {
        PyErr_SetString(PyExc_IndexError, "no such item of the result of a recorded call");
        return NULL;
    }
    return (PyObject *)result_new(result->batch, result->call, (int)item, false);
}

static PyObject *
result_repr(PyObject *self)
{
    const result_object *result = (const result_object *)self;
    if (result->is_input)
        return PyUnicode_FromFormat("<input %zu of a batch>", result->call);
    if (result->call >= result->batch->count)
        return PyUnicode_FromString("<result of a batch that is gone>");
    const char *name = result->batch->recipes[result->call].sig->name;
    return result->item < 0
               ? PyUnicode_FromFormat("<result of call %zu of a batch, %s()>", result->call, name)
               : PyUnicode_FromFormat("<item %d of the result of call %zu of a batch, %s()>", result->item,
                                      result->call, name);
}

static int
result_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((result_object *)self)->batch);
    return 0;
}

static void
result_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_DECREF(((result_object *)self)->batch);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef result_methods[] = {
    {"result", result_result, METH_NOARGS,
     PyDoc_STR("result($self, /)\n--\n\nWhat the call returned; raises the error with which it failed, and "
               "NotRun\nwhere it was not made.")},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef result_getset[] = {
    {"value", result_value, NULL,
     PyDoc_STR("What the call returned, or the OSError with which it failed. Raises NotRun where it was not "
               "made."),
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

enum { FINAL = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE };

static PyType_Slot result_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("What a recorded call will return.")},
    {Py_tp_methods, result_methods},
    {Py_tp_getset, result_getset},
    {Py_mp_subscript, result_item},
    {Py_tp_traverse, result_traverse},
    {Py_tp_dealloc, result_dealloc},
    {Py_tp_repr, result_repr},
    {0, NULL},
};

static PyType_Spec result_spec = {
    .name = "pysyscall.batch.Result",
    .basicsize = sizeof(result_object),
    .flags = FINAL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = result_slots,
};

static PyType_Slot input_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("An argument that is another one for each input.")},
    {Py_tp_traverse, result_traverse},
    {Py_tp_dealloc, result_dealloc},
    {Py_tp_repr, result_repr},
    {0, NULL},
};

static PyType_Spec input_spec = {
    .name = "pysyscall.batch.Input",
    .basicsize = sizeof(result_object),
    .flags = FINAL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = input_slots,
};

static PyType_Slot recorder_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Records calls, and makes them in one loop.")},
    {Py_tp_new, recorder_new},
    {Py_tp_methods, recorder_methods},
    {Py_tp_getset, recorder_getset},
    {Py_mp_length, recorder_length},
    {Py_tp_traverse, recorder_traverse},
    {Py_tp_clear, recorder_clear},
    {Py_tp_dealloc, recorder_dealloc},
    {0, NULL},
};

static PyType_Spec recorder_spec = {
    .name = "pysyscall.batch.Recorder",
    .basicsize = sizeof(recorder),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = recorder_slots,
};

static PyTypeObject *
make_recorder_type(PyObject *module)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &recorder_spec, NULL);
    for (PyMethodDef *method = record_methods; type != NULL && method->ml_name != NULL; method++) {
        PyObject *descriptor = PyDescr_NewMethod(type, method);
        if (descriptor == NULL || PyDict_SetItemString(type->tp_dict, method->ml_name, descriptor) < 0)
            Py_CLEAR(type);
        Py_XDECREF(descriptor);
    }
    for (const call_alias *alias = call_aliases; type != NULL && alias->name != NULL; alias++) {
        PyObject *method = PyDict_GetItemString(type->tp_dict, alias->target);
        if (method == NULL || PyDict_SetItemString(type->tp_dict, alias->name, method) < 0)
            Py_CLEAR(type);
    }
    if (type != NULL)
        PyType_Modified(type);
    return type;
}

/* Makes one of the types, unless it is there. */
static PyTypeObject *
type_of(module_state *state, int which)
{
    PyTypeObject *type = __atomic_load_n(&state->batch_types[which], __ATOMIC_ACQUIRE);
    if (type != NULL)
        return type;
    static PyType_Spec *const specs[] = {
        [BATCH_RESULT] = &result_spec, [BATCH_INPUT] = &input_spec, [BATCH_PREPARED] = &prepared_spec};
    type = which == BATCH_RECORDER
               ? make_recorder_type(state->module)
               : (PyTypeObject *)PyType_FromModuleAndSpec(state->module, specs[which], NULL);
    return type != NULL ? keep_type(&state->batch_types[which], type) : NULL;
}

PyTypeObject *
batch_type_named(module_state *state, PyObject *name)
{
    static const char *const names[] = {[BATCH_RECORDER] = "Recorder",
                                        [BATCH_RESULT] = "Result",
                                        [BATCH_INPUT] = "Input",
                                        [BATCH_PREPARED] = "Prepared"};
    for (int k = 0; k < BATCH_TYPES; k++) {
        if (PyUnicode_CompareWithASCIIString(name, names[k]) != 0)
            continue;
        /* A batch makes objects of the two small types without looking whether they are there. */
        if (k == BATCH_RECORDER
            && (type_of(state, BATCH_RESULT) == NULL || type_of(state, BATCH_INPUT) == NULL))
            return NULL;
        return type_of(state, k);
    }
    return NULL;
}
