/* Records side by side, each with its length inside: directory entries. */
#include "records.h"

#include <string.h>

#include "fields.h"

static Py_ssize_t
record_length(const struct_info *info, const unsigned char *record, Py_ssize_t left)
{
    uint64_t length = 0;
    if (left < info->minimum)
        return 0;
    memcpy(&length, record + info->record_at, info->record_size);
    return length >= info->minimum && length <= (uint64_t)left ? (Py_ssize_t)length : 0;
}

/* Behind a text's NUL the kernel leaves what was there. */
static void
clear_after_text(unsigned char *record, size_t length, size_t text)
{
    size_t end = text + strnlen((const char *)record + text, length - text);
    memset(record + end, 0, length - end);
}

/* The layout of getdents to that of getdents64: the type moves from the last byte to before the name, and the
 * length stays. */
static void
move_type(unsigned char *record, size_t length, size_t name)
{
    unsigned char type = record[length - 1];
    memmove(record + name + 1, record + name, length - name - 1);
    record[name] = type;
}

PyObject *
records_result(module_state *state, unsigned type, unsigned char *data, Py_ssize_t length)
{
    bool older = type == STRUCT_LinuxDirent;
    const struct_info *info = &struct_table[older ? STRUCT_Dirent : type];
    PyTypeObject *made = struct_type(state, older ? STRUCT_Dirent : type);
    if (made == NULL)
        return NULL;
    Py_ssize_t count = 0, size;
    for (Py_ssize_t at = 0; (size = record_length(info, data + at, length - at)) != 0; at += size)
        count++;
    PyObject *list = PyList_New(count);
    unsigned char *record = data;
    for (Py_ssize_t k = 0; list != NULL && k < count; k++, record += size) {
        size = record_length(info, record, data + length - record);
        if (older)
            move_type(record, (size_t)size, struct_table[type].record_tail);
        clear_after_text(record, (size_t)size, info->record_tail);
        PyObject *object = struct_record(made, info, record, size);
        if (object == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, k, object);
    }
    return list;
}
