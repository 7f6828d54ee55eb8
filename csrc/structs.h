/* Struct objects: a Python object that holds the kernel's bytes and reads its fields when asked. */
#ifndef PYSYSCALL_STRUCTS_H
#define PYSYSCALL_STRUCTS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

enum field_type {
    FIELD_U8,
    FIELD_S8,
    FIELD_U16,
    FIELD_S16,
    FIELD_U32,
    FIELD_S32,
    FIELD_U64,
    FIELD_S64,
    FIELD_BE16,
    FIELD_BE32,
    FIELD_ADDRESS, /* u64; takes a buffer or a str, too, which the object then holds */
    FIELD_FD,      /* s32; takes anything with fileno() */
    FIELD_TEXT,    /* a NUL-terminated char array: str */
    FIELD_BYTES,   /* a byte array: bytes */
    FIELD_IPV4,
    FIELD_IPV6,
    FIELD_SUN_PATH,    /* str; bytes where it is abstract; ends where the object does */
    FIELD_TAIL,        /* bytes that end where the object does */
    FIELD_BUFFER,      /* u64: an address, or a buffer or several that the object then holds */
    FIELD_STRUCT,      /* another struct inside this one */
    FIELD_SECONDS,     /* float from two fields; not stored */
    FIELD_NANOSECONDS, /* int from two fields; not stored */
};

typedef struct {
    const char *name;
    enum field_type type;
    uint16_t owner;      /* index of the struct that it belongs to */
    uint16_t offset;     /* of the seconds, for FIELD_SECONDS and FIELD_NANOSECONDS */
    uint16_t size;       /* of one element */
    uint16_t items;      /* more than 1: a tuple */
    uint16_t nested;     /* FIELD_STRUCT: which one */
    uint16_t fraction;   /* offset of the nanoseconds or microseconds; FIELD_BUFFER: of its length, a u64 */
    uint32_t per_second; /* 1000000000 or 1000000 */
    bool wide_fraction;  /* the fraction has 64 bits, not 32 */
} struct_field;

typedef struct {
    const char *name;
    const char *doc;
    uint16_t size;
    uint16_t minimum; /* a shorter struct is refused; less than `size` where the length varies */
    uint16_t count;   /* stored fields; they come first, in constructor order */
    const struct_field *fields;
    PyGetSetDef *getset;
    uint16_t sequence_count;
    const uint16_t *sequence; /* fields that indexing and unpacking yield */
    bool is_sockaddr;
    uint16_t family; /* of a socket address, set by its constructor */
    bool grows;      /* later kernels have it longer, and earlier ones shorter */
    /* A field of 32 bits may tell the struct's size, or that of what follows `size_from`. */
    bool tells_size;
    uint16_t size_at;
    uint16_t size_from;
    /* Of a record, one of many side by side: the field that tells its length, and that field's size. */
    uint16_t record_at;
    uint16_t record_size;
    uint16_t record_tail; /* offset of its last field, a text */
} struct_info;

typedef struct struct_object {
    PyObject_HEAD
    const struct_info *info;
    struct struct_object **spare; /* where its memory waits for the next of its type; NULL to free it */
    Py_ssize_t size;              /* bytes in use; at most info->size. A record has no memory beyond them */
    PyObject *held;               /* a tuple of what its addresses point at, or NULL */
    unsigned char data[];
} struct_object;

struct module_state;

PyObject *struct_get(PyObject *self, void *field);
/* The type, made now; borrowed, NULL with an exception. Use `struct_type`, which makes it once. */
PyTypeObject *struct_make_type(struct module_state *state, unsigned index);
/* Gives back the memory that is kept for objects to come. */
void structs_free_spares(struct module_state *state);
/* The type of that name; borrowed, NULL with an exception or, where there is none, without. */
PyTypeObject *struct_type_named(struct module_state *state, PyObject *name);
/* Adds what `from` (a tuple or NULL) holds to `*held` (likewise); false with MemoryError. */
bool hold(PyObject **held, PyObject *from);
/* Which struct's type `object` is; -1 for anything else. */
int struct_index(PyObject *object);
/* `object` as the kernel filled it, with `size` bytes; false where these are too few for one. */
bool struct_filled(struct_object *object, Py_ssize_t size);
/* Whether `object` is a struct of any type. */
bool struct_check(PyObject *object);

/* A new object of struct `index`, its bytes zero; NULL with MemoryError. */
struct_object *struct_new(struct module_state *state, unsigned index);
/* The same, holding `size` bytes of `data`; what is missing up to the struct's size is zero. */
PyObject *struct_from_data(struct module_state *state, unsigned index, const void *data, Py_ssize_t size);
/* A record of `type`, which takes no more memory than its `size` bytes. */
PyObject *struct_record(PyTypeObject *type, const struct_info *info, const void *data, Py_ssize_t size);
/* A new reference to `value` as struct `index`: itself, or built from a tuple. NULL, with an exception or,
 * where `value` is neither, without one. */
struct_object *struct_coerce(struct module_state *state, unsigned index, PyObject *value);
/* The same, but an object of its own. */
PyObject *struct_copy(struct module_state *state, unsigned index, PyObject *value);
/* The bytes of struct `index` from a tuple of small ints, the rest zero; false where it takes more than that. */
bool struct_small(unsigned index, PyObject *fields, unsigned char *data);

/* The size that the struct itself tells, as bytes of the whole object. */
Py_ssize_t struct_told_size(const struct_object *object);
/* Makes the struct tell its size. */
void struct_tell_size(struct_object *object);
/* After the kernel has filled it: ends the object where it says that it ends. */
void struct_take_size(struct_object *object);

#endif
