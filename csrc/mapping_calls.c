/* What calls do to Mappings: which may begin, and what has become of the memory when they end. */
#include "mapping_calls.h"

#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#include "errors.h"
#include "syscall_arch.h"

static const char BUSY[] = "is a Mapping that has exported buffers or is used by another thread";

/* The Mapping that argument `i` is, or NULL. */
static mapping_object *
given(const call *c, int i)
{
    return (mapping_object *)c->owned[i];
}

PyObject *
mapping_address(module_state *state, const signature *sig, int i, PyObject *value, long *address)
{
    long offset = 0;
    if (PyTuple_CheckExact(value) && PyTuple_GET_SIZE(value) == 2 && sig->args[i].kind == KIND_ADDRESS) {
        if (!PyIndex_Check(PyTuple_GET_ITEM(value, 1)))
            return NULL;
        offset = PyNumber_AsSsize_t(PyTuple_GET_ITEM(value, 1), NULL);
        if (offset == -1 && PyErr_Occurred())
            return NULL;
        value = PyTuple_GET_ITEM(value, 0);
    }
    if (!Py_IS_TYPE(value, state->mapping_type))
        return NULL;
    mapping_object *m = (mapping_object *)value;
    enum mapping_use use = mapping_pin(m);
    if (use == MAPPING_CLOSED)
        refuse(sig, i, PyExc_ValueError, "is a closed Mapping");
    if (use == MAPPING_TAKEN)
        refuse(sig, i, PyExc_BufferError, BUSY);
    if (use != MAPPING_USABLE)
        return NULL;
    if (offset < 0 || (size_t)offset >= mapping_span(m)) {
        refuse(sig, i, PyExc_ValueError, "must have an offset in [0, %zu], not %ld", mapping_span(m) - 1,
               offset);
        mapping_unpin(m);
        return NULL;
    }
    *address = (long)m->address + offset;
    return Py_NewRef(value);
}

void
mapping_release(PyObject *mapping)
{
    if (mapping != NULL) {
        mapping_unpin((mapping_object *)mapping);
        Py_DECREF(mapping);
    }
}

bool
mapping_covers(const signature *sig, int i, PyObject *mapping, long address, long length)
{
    mapping_object *m = (mapping_object *)mapping;
    size_t offset = (size_t)address - (size_t)m->address, room = mapping_span(m) - offset;
    if ((size_t)length > room)
        return refuse(sig, i, PyExc_ValueError, "is a Mapping with %zu bytes from there, fewer than %lu",
                      room, (unsigned long)length);
    if (offset != 0 || (size_t)length < m->size)
        m->split = true;
    return true;
}

/* Whether the range from `address` on is the whole of it. */
static bool
is_whole(const mapping_object *m, long address, long length)
{
    return address == (long)m->address && (size_t)length >= m->size;
}

static bool
take(const signature *sig, const call *c, int i)
{
    return mapping_take(given(c, i)) || refuse(sig, i, PyExc_BufferError, BUSY);
}

/* The kernel will put something else at the address that is argument `i`. */
static bool
replace(const signature *sig, const call *c, int i, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    mapping_object *m = given(c, i);
    if (m == NULL || c->reg[i] != (long)m->address || mapping_span(m) != (size + page - 1) / page * page)
        return refuse(
            sig, i, PyExc_ValueError,
            "must be a Mapping of the same length, whose place the new one takes: what else is there "
            "would be unmapped");
    return take(sig, c, i);
}

static bool
restrict_to(const signature *sig, const call *c, int prot)
{
    mapping_object *m = given(c, 0);
    if (m == NULL)
        return true;
    return mapping_restrict(m, prot)
           || refuse(sig, 0, PyExc_BufferError,
                     "is a Mapping whose exported buffers need what would be forbidden");
}

/* The size of a System V segment, or a negative errno. */
static long
segment_size(long id)
{
    struct shmid_ds told;
    long result = syscall3(NR_shmctl, id, IPC_STAT, (long)&told);
    return result < 0 ? result : (long)told.shm_segsz;
}

static bool
replace_by_segment(const signature *sig, const call *c)
{
    long size = segment_size(c->reg[0]);
    if (size < 0) {
        raise_errno(sig, size, NULL, NULL);
        return false;
    }
    return replace(sig, c, 1, (size_t)size);
}

/* Whether touching the memory ends the process after this advice. */
static bool
is_fatal(long advice)
{
    return advice == FLAG_MADV_GUARD_INSTALL || advice == MADV_HWPOISON;
}

/* Whether an advice decides who may touch the memory. */
static bool
is_binding(long advice)
{
    return is_fatal(advice) || advice == FLAG_MADV_GUARD_REMOVE || advice == MADV_DONTFORK
           || advice == MADV_DOFORK;
}

/* The argument whose Mapping makes room for another one, or -1. */
static int
replaced(const signature *sig, const call *c)
{
    switch (sig->nr) {
    case NR_mmap: return c->reg[3] & MAP_FIXED ? 0 : -1;
    case NR_mremap: return c->reg[3] & MREMAP_FIXED ? 4 : -1;
    case NR_shmat: return c->reg[2] & SHM_REMAP ? 1 : -1;
    default: return -1;
    }
}

/* Whether argument `i` is a Mapping that this call keeps others off, or from changing it. */
static bool
takes(const signature *sig, const call *c, int i)
{
    switch (sig->nr) {
    case NR_mmap:
    case NR_shmat: return i == replaced(sig, c);
    case NR_madvise: return i == 0 && is_binding(c->reg[2]) && given(c, 0) != NULL;
    case NR_map_shadow_stack: return false;
    default: return (i == 0 || i == replaced(sig, c)) && given(c, i) != NULL;
    }
}

/* Keeps others off; where it refuses, nothing has changed. */
static bool
begin(const signature *sig, call *c)
{
    switch (sig->nr) {
    case NR_mmap:
        if (c->reg[3] & MAP_GROWSDOWN)
            return refuse(sig, 3, PyExc_ValueError,
                          "must not hold MAP_GROWSDOWN: a Mapping knows where its memory starts");
        return replaced(sig, c) < 0 || replace(sig, c, 0, (size_t)c->reg[1]);
    case NR_mremap:
        if (!take(sig, c, 0))
            return false;
        if (replaced(sig, c) < 0 || replace(sig, c, 4, (size_t)c->reg[2]))
            return true;
        mapping_let_go(given(c, 0));
        return false;
    case NR_munmap: return take(sig, c, 0);
    case NR_shmdt:
        if (!given(c, 0)->segment)
            return refuse(sig, 0, PyExc_ValueError, "must be a Mapping that shmat() made");
        return take(sig, c, 0);
    case NR_shmat: return replaced(sig, c) < 0 || replace_by_segment(sig, c);
    case NR_mprotect:
    case NR_pkey_mprotect: return restrict_to(sig, c, (int)c->reg[2]);
    case NR_madvise:
        return !is_binding(c->reg[2]) || restrict_to(sig, c, is_fatal(c->reg[2]) ? PROT_NONE : -1);
    default: return true;
    }
}

bool
mappings_begin(module_state *state, const signature *sig, call *c)
{
    bool makes = sig->result == RESULT_MAPPING && (sig->nr != NR_mremap || c->reg[3] & MREMAP_DONTUNMAP);
    if (makes && (c->made = (PyObject *)mapping_new(state)) == NULL)
        return false;
    return begin(sig, c);
}

/* The memory is there: from now on `m` is what unmaps it. */
static void
own(mapping_object *m, long address, size_t size, int prot)
{
    m->address = (unsigned char *)address;
    m->size = size;
    m->prot = prot & (PROT_READ | PROT_WRITE);
    m->open = true;
}

/* After a failure the kernel may have unmapped what was to be replaced. */
static void
look_after(mapping_object *m)
{
    if (syscall3(NR_msync, (long)m->address, (long)m->size, MS_ASYNC) == -ENOMEM)
        m->open = false;
}

/* The protection that holds after mprotect, as far as all pages have it. */
static void
protected(mapping_object *m, const call *c, long result)
{
    int prot = (int)c->reg[2] & (PROT_READ | PROT_WRITE);
    /* After a failure some pages may have changed, unless all were of one kind. */
    if (result < 0)
        m->prot = m->split ? m->prot : m->before;
    else
        m->prot = is_whole(m, c->reg[0], c->reg[1]) ? prot : m->before & prot;
}

static void
advised(mapping_object *m, const call *c, long result)
{
    bool whole = is_whole(m, c->reg[0], c->reg[1]);
    long advice = c->reg[2];
    m->prot = m->before;
    if (is_fatal(advice))
        m->guarded |= result == 0 || m->split || (result != -EINVAL && result != -EPERM);
    if (result < 0)
        return;
    if (advice == FLAG_MADV_GUARD_REMOVE && whole)
        m->guarded = false;
    if (advice == MADV_DONTFORK)
        m->owner = getpid();
    if (advice == MADV_DOFORK && whole)
        m->owner = 0;
}

static void
moved(call *c, long result)
{
    mapping_object *old = given(c, 0);
    size_t size = (size_t)c->reg[2];
    if (c->made == NULL) {
        old->address = (unsigned char *)result;
        old->size = size;
        c->made = Py_NewRef((PyObject *)old);
        return;
    }
    mapping_object *m = (mapping_object *)c->made;
    own(m, result, size, old->prot);
    m->guarded = old->guarded;
    m->split = old->split;
    m->owner = old->owner;
    m->segment = old->segment;
}

/* Only now is it certain that the segment can't change its size any more. */
static bool
attached(const signature *sig, call *c, long result)
{
    long size = segment_size(c->reg[0]);
    if (size < 0) {
        syscall1(NR_shmdt, result);
        raise_errno(sig, size, NULL, NULL);
        return false;
    }
    mapping_object *m = (mapping_object *)c->made;
    own(m, result, (size_t)size, c->reg[2] & SHM_RDONLY ? PROT_READ : PROT_READ | PROT_WRITE);
    m->segment = true;
    return true;
}

static bool
end(const signature *sig, call *c, long result)
{
    switch (sig->nr) {
    case NR_mprotect:
    case NR_pkey_mprotect:
        if (given(c, 0) != NULL)
            protected(given(c, 0), c, result);
        return true;
    case NR_madvise:
        if (takes(sig, c, 0))
            advised(given(c, 0), c, result);
        return true;
    }
    bool failed = syscall_failed(result);
    int place = replaced(sig, c);
    if (place >= 0) {
        if (failed)
            look_after(given(c, place));
        else
            given(c, place)->open = false;
    }
    if (failed)
        return true;
    switch (sig->nr) {
    case NR_mmap: own((mapping_object *)c->made, result, (size_t)c->reg[1], (int)c->reg[2]); return true;
    case NR_map_shadow_stack:
        own((mapping_object *)c->made, result, (size_t)c->reg[1], PROT_READ);
        return true;
    case NR_mremap: moved(c, result); return true;
    case NR_shmat: return attached(sig, c, result);
    default: given(c, 0)->open = false; return true;
    }
}

bool
mappings_end(const signature *sig, call *c, long result)
{
    bool good = end(sig, c, result);
    for (int i = 0; i < sig->count; i++)
        if (takes(sig, c, i))
            mapping_let_go(given(c, i));
    return good;
}
