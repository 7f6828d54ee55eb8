/* Recording calls for a batch: arguments are converted, or bound to earlier results and to inputs. */
#include "errors.h"
#include "recorder.h"

enum { MOST_CALLS = 1 << 20 };

void
sets_drop(recorder *b)
{
    step *others = b->others;
    size_t count = b->sets > 1 ? (b->sets - 1) * b->count : 0;
    b->others = NULL;
    b->sets = 1;
    for (size_t k = 0; k < count; k++) {
        operation_free(b->recipes[k % b->count].sig, &others[k].op);
        Py_XDECREF(others[k].value);
    }
    PyMem_Free(others);
}

void
recipe_drop(recipe *r)
{
    for (int i = 0; i < MAX_ARGUMENTS; i++)
        Py_CLEAR(r->values[i]);
    PyMem_Free(r->bindings);
    r->bindings = NULL;
}

/* What the parts of a result are made of: each an argument, or -1 for the result register. */
static int
parts_of(const recipe *r, int parts[1 + MAX_ARGUMENTS])
{
    int n = 0;
    enum result result = r->sig->result;
    if (result != RESULT_NONE && result != RESULT_COUNT_OF && result != RESULT_READY_OF
        && result != RESULT_SIGNAL_OF)
        parts[n++] = -1;
    for (int i = 0; i < r->sig->count; i++)
        if (operation_comes_back(r->sig, i, r->values[i]))
            parts[n++] = i;
    return n;
}

/* Finds where the integer is that a part of a result is, or that is item `item` of it (-1: of no tuple). */
static bool
find_integer(const recipe *r, const step *s, int part, int item, binding *found)
{
    const signature *sig = r->sig;
    found->source = FROM_REGISTER;
    if (part < 0) {
        enum result result = sig->result;
        return item < 0
               && (result == RESULT_INT || result == RESULT_FD || result == RESULT_ENUM
                   || result == RESULT_SIGNAL || result == RESULT_WORD);
    }
    const argument *a = &sig->args[part];
    /* Read into a buffer of the caller's: the result is how many bytes it was. */
    if (a->kind == KIND_BYTES_OUT)
        return item < 0 && sig->result == RESULT_COUNT_OF && !r->has_inputs && s->op.c.viewed[part];
    if (a->kind != KIND_CELLS_OUT && a->kind != KIND_CELLS_INOUT)
        return false;
    found->source = FROM_CELL;
    found->cell = (uint8_t)part;
    found->item = (uint8_t)(item < 0 ? 0 : item);
    return a->items == 1 ? item < 0 : item >= 0 && item < a->items;
}

/* Binds argument `i` to an earlier result. */
static bool
bind_result(const recorder *b, const recipe *r, int i, const result_object *result, binding *found)
{
    const signature *sig = r->sig;
    if (!is_plain_integer(&sig->args[i]) || !(r->traits & TAKES_RESULTS))
        return refuse(sig, i, PyExc_TypeError, "can't be the result of an earlier call");
    for (int k = 0; k < sig->count; k++)
        if (sig->args[k].when == i && r->values[k] == NULL)
            return refuse(sig, k, PyExc_TypeError,
                          "must be given where '%s' is the result of an earlier call", sig->args[i].name);
    /* What the collector knows of a call that was refused, or is just being recorded. */
    if (result->call >= b->count)
        return refuse(sig, i, PyExc_ValueError, "is the result of a call that was not recorded");
    const recipe *from = &b->recipes[result->call];
    const step *s = &b->steps[result->call];
    int parts[1 + MAX_ARGUMENTS];
    int n = parts_of(from, parts), item = result->item;
    found->from = (uint32_t)result->call;
    if (n == 1 ? find_integer(from, s, parts[0], item, found)
               : item >= 0 && item < n && find_integer(from, s, parts[item], -1, found))
        return true;
    char which[32] = "";
    if (item >= 0)
        PyOS_snprintf(which, sizeof(which), "item %d of ", item);
    return refuse(sig, i, PyExc_TypeError, "must be an int; %sthe result of call %zu, %s(), is none", which,
                  result->call, from->sig->name);
}

/* Argument `i` was given as a result or an input. */
static bool
bind_argument(const recorder *b, recipe *r, int i, const result_object *given)
{
    if (given->batch != b)
        return refuse(r->sig, i, PyExc_ValueError, "belongs to another batch");
    binding found = {.argument = (uint8_t)i, .source = FROM_INPUT, .from = (uint32_t)given->call};
    if (!given->is_input && !bind_result(b, r, i, given, &found))
        return false;
    binding *bindings = PyMem_Realloc(r->bindings, (size_t)(r->count + 1) * sizeof(binding));
    if (bindings == NULL) {
        PyErr_NoMemory();
        return false;
    }
    r->bindings = bindings;
    bindings[r->count++] = found;
    if (given->is_input)
        r->has_inputs = true;
    else
        r->later |= (uint8_t)(1 << i);
    return true;
}

static bool
make_room(recorder *b)
{
    if (b->count < b->capacity)
        return true;
    if (b->count >= MOST_CALLS) {
        PyErr_Format(PyExc_ValueError, "a batch holds at most %d calls; give it inputs to make more",
                     MOST_CALLS);
        return false;
    }
    size_t capacity = b->capacity != 0 ? 2 * b->capacity : 8;
    recipe *recipes = PyMem_Realloc(b->recipes, capacity * sizeof(recipe));
    if (recipes != NULL)
        b->recipes = recipes;
    step *steps = recipes != NULL ? PyMem_Realloc(b->steps, capacity * sizeof(step)) : NULL;
    if (steps == NULL) {
        PyErr_NoMemory();
        return false;
    }
    b->steps = steps;
    b->capacity = capacity;
    return true;
}

result_object *
result_new(recorder *b, size_t call, int item, bool is_input)
{
    PyTypeObject *type = state_of(b->module)->batch_types[is_input ? BATCH_INPUT : BATCH_RESULT];
    result_object *result = PyObject_GC_New(result_object, type);
    if (result == NULL)
        return NULL;
    result->batch = (recorder *)Py_NewRef(b);
    result->call = call;
    result->item = item;
    result->is_input = is_input;
    PyObject_GC_Track(result);
    return result;
}

static result_object *
as_result(const recorder *b, PyObject *value)
{
    PyTypeObject *const *types = state_of(b->module)->batch_types;
    bool is =
        value != NULL && (Py_IS_TYPE(value, types[BATCH_RESULT]) || Py_IS_TYPE(value, types[BATCH_INPUT]));
    return is ? (result_object *)value : NULL;
}

/* The command's signature, for which the arguments that choose it must be there. */
static const signature *
choose_command(const recorder *b, const family *f, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    bool by_second = false;
    for (int k = 0; k < f->count; k++)
        by_second = by_second || f->commands[k].has_second;
    const signature *sig = NULL;
    bool good = as_result(b, family_argument(f, f->selector, args, nargs, kwnames)) == NULL;
    if (good) {
        sig = family_signature(f, args, nargs, kwnames);
        if (sig == NULL)
            return NULL;
    }
    if (as_result(b, family_argument(f, f->decided, args, nargs, kwnames)) != NULL)
        good = good && sig != f->general && !by_second;
    if (!good)
        PyErr_Format(PyExc_TypeError, "%s: what chooses the command must be given when the call is recorded",
                     f->general->text);
    return good ? sig : NULL;
}

/* Adds the call whose arguments are `bound`, by position. */
static bool
add_call(recorder *b, const signature *sig, PyObject *const *bound)
{
    int traits = operation_traits(sig);
    if (traits < 0 || !make_room(b))
        return false;
    recipe r = {.sig = sig, .traits = traits, .group = b->group};
    step s = {0};
    bool good = true;
    const result_object *given[MAX_ARGUMENTS] = {NULL};
    for (int i = 0, position = 0; i < sig->count; i++) {
        PyObject *value = sig->args[i].name != NULL ? bound[position++] : NULL;
        given[i] = as_result(b, value);
        r.values[i] = Py_XNewRef(value);
    }
    good = operation_audit(sig, r.values);
    for (int i = 0; good && i < sig->count; i++) {
        if (given[i] != NULL)
            good = bind_argument(b, &r, i, given[i]);
        else if (r.values[i] != NULL)
            good = freeze(&sig->args[i], &r.values[i]);
    }
    /* A result refers to its batch: kept here, neither would ever go away. */
    for (int i = 0; i < sig->count; i++)
        if (given[i] != NULL)
            Py_SETREF(r.values[i], Py_NewRef(Py_None));
    if (good && !r.has_inputs)
        good = operation_convert(state_of(b->module), sig, traits, &s.op, r.values, r.later);
    if (!good) {
        operation_free(sig, &s.op);
        recipe_drop(&r);
        return false;
    }
    r.is_bare = (traits & IS_BARE) && r.later == 0;
    sets_drop(b);
    b->recipes[b->count] = r;
    b->steps[b->count] = s;
    b->count++;
    return true;
}

PyObject *
record_call(PyObject *self, const signature *sig, const family *f, PyObject *const *args, Py_ssize_t nargs,
            PyObject *kwnames)
{
    recorder *b = (recorder *)self;
    PyObject *bound[MAX_ARGUMENTS];
    if (f != NULL)
        sig = choose_command(b, f, args, nargs, kwnames);
    if (sig == NULL || !bind_arguments(sig, args, nargs, kwnames, bound) || !seize(b))
        return NULL;
    result_object *result = result_new(b, b->count, -1, false);
    if (result != NULL && !add_call(b, sig, bound))
        Py_CLEAR(result);
    let_go(b);
    return (PyObject *)result;
}
