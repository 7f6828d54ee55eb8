/* Socket addresses: typed objects by address family. */
#include "sockaddr.h"

#include <sys/socket.h>

#include "errors.h"
#include "fields.h"

struct_object *
sockaddr_from(const signature *sig, int i, PyObject *value)
{
    if (struct_check(value) && ((struct_object *)value)->info->is_sockaddr)
        return (struct_object *)value;
    refuse_type(sig, i, value);
    return NULL;
}

int
family_of(int fd)
{
    int domain = AF_UNSPEC;
    socklen_t length = sizeof(domain);
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 ? domain : AF_UNSPEC;
}

PyObject *
sockaddr_result(module_state *state, const unsigned char *data, int length)
{
    if (length < (int)sizeof(sa_family_t))
        return Py_NewRef(Py_None);
    if (length > SOCKADDR_MAX)
        length = SOCKADDR_MAX;
    sa_family_t family;
    memcpy(&family, data, sizeof(family));
    for (size_t k = 0; k < sizeof(sockaddr_index) / sizeof(sockaddr_index[0]); k++) {
        const struct_info *info = &struct_table[sockaddr_index[k]];
        if (info->family == family && length >= info->minimum)
            return struct_from_data(state, sockaddr_index[k], data,
                                    length < info->size ? length : info->size);
    }
    return struct_from_data(state, STRUCT_Sockaddr, data, length);
}
