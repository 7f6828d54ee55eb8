/* Socket addresses: typed objects by address family. */
#include "sockaddr.h"

#include <sys/socket.h>

#include "errors.h"
#include "fields.h"

struct_object *
sockaddr_from(const module_state *state, const signature *sig, int i, PyObject *value)
{
    for (unsigned k = 0; k < STRUCT_COUNT; k++)
        if (struct_table[k].is_sockaddr && Py_IS_TYPE(value, state->struct_types[k]))
            return (struct_object *)value;
    refuse_type(sig, i, value);
    return NULL;
}

PyObject *
sockaddr_result(const module_state *state, const unsigned char *data, int length)
{
    if (length < (int)sizeof(sa_family_t))
        return Py_NewRef(Py_None);
    if (length > SOCKADDR_MAX)
        length = SOCKADDR_MAX;
    sa_family_t family;
    memcpy(&family, data, sizeof(family));
    for (unsigned k = 0; k < STRUCT_COUNT; k++) {
        const struct_info *info = &struct_table[k];
        if (info->is_sockaddr && info->family == family && length >= info->minimum)
            return struct_from_data(state, k, data, length < info->size ? length : info->size);
    }
    return struct_from_data(state, STRUCT_Sockaddr, data, length);
}
