/* One field of a struct: the kernel's bytes to a Python object, and back. */
#ifndef PYSYSCALL_FIELDS_H
#define PYSYSCALL_FIELDS_H

#include "generated/struct_index.h"
#include "structs.h"

/* All structs, and which of them are socket addresses of one family. */
extern const struct_info struct_table[];
extern const uint16_t sockaddr_index[SOCKADDR_COUNT];

/* The fields as repr shows them, as bytes: equal structs have equal content. A new reference. */
PyObject *struct_content(const struct_object *object);
/* Stores the fields of a struct that a tuple gives, if all are small ints or tuples of these; false, and perhaps some
 * of them stored, where one is not: then `field_set` is for each. */
bool fields_store(const struct_info *info, unsigned char *data, PyObject *values);
/* Stores `value`; false with an exception that names the struct and the field. */
bool field_set(struct_object *object, const struct_field *field, PyObject *value);

#endif
