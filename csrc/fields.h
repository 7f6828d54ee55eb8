/* One field of a struct: the kernel's bytes to a Python object, and back. */
#ifndef PYSYSCALL_FIELDS_H
#define PYSYSCALL_FIELDS_H

#include "structs.h"

extern const struct_info struct_table[];

/* Stores `value`; false with an exception that names the struct and the field. */
bool field_set(struct_object *object, const struct_field *field, PyObject *value);

#endif
