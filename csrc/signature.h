/* The shape of one system call, as the generated lines describe it and the trampoline reads it.
 *
 * A signature has one `argument` per kernel argument, so an argument's index is its register. All
 * signatures are `static const`: the compiler folds them away where the trampoline is instantiated. */
#ifndef PYSYSCALL_SIGNATURE_H
#define PYSYSCALL_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "generated/enum_index.h"

enum { MAX_ARGUMENTS = 6 };

/* How a Python object becomes a register. */
enum kind {
    KIND_INT,           /* an int within [min, max] */
    KIND_WORD,          /* an int within [0, 2**64 - 1] */
    KIND_ADDRESS,       /* the same; or a Mapping, or a tuple of one and an offset in it */
    KIND_MAPPING,       /* a Mapping, that the call takes away */
    KIND_BREAK,         /* an address at which malloc's memory does not end */
    KIND_FD,            /* an int, or an object with fileno(); None where `nullable` gives `none` */
    KIND_PATH,          /* str, bytes or PathLike, in the file-system encoding */
    KIND_STRING,        /* the same, but no file's name; its length, where one is wanted, counts the NUL */
    KIND_NAME,          /* the same, with a length that does not */
    KIND_BYTES_IN,      /* a readable buffer */
    KIND_BYTES_OUT,     /* an int, for new bytes of that size; or a writable buffer */
    KIND_STRUCT_IN,     /* a struct object, or a tuple of its fields */
    KIND_STRUCT_OUT,    /* a new struct object; where it is `asked` for, a bool says whether */
    KIND_STRUCT_INOUT,  /* the same; the kernel changes a copy, which comes back */
    KIND_STRUCTS_IN,    /* a sequence of struct objects or tuples */
    KIND_STRUCTS_INOUT, /* the same; the kernel changes copies, which come back */
    KIND_STRUCTS_OUT,   /* an int: the most elements wanted */
    KIND_RECORDS_OUT,   /* an int: the bytes to fill with records that tell their own length */
    KIND_TIMESPEC_IN,   /* seconds (int or float) or a Timespec */
    KIND_TIME_INOUT,    /* the same, or a Timeval, as `type` says; what is left of it comes back */
    KIND_REMAINING,     /* where the kernel writes what is left of the Timespec in argument `of` */
    KIND_CELLS_IN,    /* `items` integers of `size` bytes within [min, max]: an int, or an iterable of them */
    KIND_CELLS_OUT,   /* `items` integers of `size` bytes */
    KIND_CELLS_INOUT, /* the same; the kernel changes copies, which come back */
    KIND_STATUS_OUT,  /* how a child ended, as a WaitStatus */
    KIND_ITEMS_IN,    /* an iterable of integers of `size` bytes within [min, max] */
    KIND_ITEMS_OUT,   /* up to `max` integers of `size` bytes; asked for again where few do not suffice */
    KIND_DATA_OUT,    /* up to `max` bytes; asked for again where few do not suffice */
    KIND_NAMES_OUT,   /* the same, as names that end in NUL */
    KIND_PATH_OUT,    /* a path that the kernel writes */
    KIND_IOVEC_IN,    /* a sequence of readable buffers */
    KIND_IOVEC_OUT,   /* a sequence of writable buffers */
    KIND_ARGV,        /* a sequence of str, bytes or PathLike, as an array of strings */
    KIND_ENVP,        /* a mapping of the same, as "name=value" */
    KIND_CPUSET_IN,   /* an iterable of CPU numbers */
    KIND_CPUSET_OUT,
    KIND_NODEMASK_IN, /* an iterable of NUMA nodes */
    KIND_NODEMASK_OUT,
    KIND_PAGES_OUT, /* a byte for each page of the length that is argument `of` */
    KIND_SIGSET_IN, /* an iterable of signal numbers */
    KIND_SIGSET_OUT,
    KIND_SIGINFO_IN, /* an object of one of the Siginfo structs */
    KIND_SIGINFO_OUT,
    KIND_SIGSET_PACK, /* the same, behind a pointer to a pointer and a size */
    KIND_FDSET,       /* an iterable of descriptors; those left by the kernel come back */
    KIND_POINTERS_IN, /* a sequence of struct objects, as an array of their addresses */
    KIND_MSGBUF_IN,   /* a tuple of a type and a readable buffer */
    KIND_MSGBUF_OUT,  /* an int: the most bytes wanted */
    KIND_SOCKADDR_IN, /* a socket-address object */
    KIND_SOCKADDR_OUT,
    KIND_TEXT_OUT,      /* up to `max` bytes that end with a NUL: str */
    KIND_FPROG_IN,      /* a sequence of SockFilter, behind a struct sock_fprog */
    KIND_REGSET_IN,     /* a readable buffer behind a struct iovec */
    KIND_REGSET_OUT,    /* an int, for new bytes of that size, or a writable buffer; behind a struct iovec */
    KIND_SEMVALS_IN,    /* an iterable with the value of each semaphore of the set that argument 0 is */
    KIND_SEMVALS_OUT,   /* ... as a list */
    KIND_FOLLOWED,      /* a struct and, where `follows`, a sequence of those that stand behind it */
    KIND_IFCONF_OUT,    /* the interfaces, behind a struct ifconf */
    KIND_WAITING_IN,    /* a time-out, as KIND_TIMESPEC_IN, or a whole IoUringGeteventsArg */
    KIND_WAITMASK_IN,   /* the signals that belong to it; the register gets the size of the struct */
    KIND_ANY,           /* an int as it is, or a buffer */
    KIND_OPTION_IN,     /* an int, as a C int; or a readable buffer */
    KIND_OPTION_OUT,    /* nothing for a C int; an int for new bytes; a struct's type; or a writable buffer */
    KIND_MSGHDR_IN,     /* a Message, or its data */
    KIND_MSGHDR_OUT,    /* a size or buffers to receive into; a Message comes back */
    KIND_MMSGHDR_INOUT, /* an iterable of what KIND_MSGHDR_IN takes; how much of each was sent comes back */
    KIND_MMSGHDR_OUT,   /* an iterable of what KIND_MSGHDR_OUT takes; a list of Message comes back */
    KIND_CONTROL_ROOM,  /* for how many bytes of control messages the message before has room */
    KIND_CONST,         /* `fallback`, always */
    KIND_DERIVED,       /* set together with another argument: a length, or the pointer to one */
};

/* What becomes of the result register. */
enum result {
    RESULT_NONE,
    RESULT_INT,
    RESULT_WORD,     /* an unsigned number: an address */
    RESULT_MAPPING,  /* the address of what a Mapping owns */
    RESULT_BREAK,    /* an address, and a failure where it is not the one that was asked for */
    RESULT_NICE,     /* 20 less the number: the kernel keeps getpriority's result positive */
    RESULT_FD,       /* an int to close if the result can't be handed over */
    RESULT_ENUM,     /* a member of `enumeration` */
    RESULT_OWNER,    /* a process, or a group as a negative number that can look like an error */
    RESULT_STARTED,  /* EINPROGRESS is success */
    RESULT_ENDED,    /* the context has ended, and all requests in it */
    RESULT_TRUE,     /* 0 is True: a question that only an error answers with no */
    RESULT_COUNT_OF, /* the length of out-argument `result_of` */
    RESULT_SIGNAL,
    RESULT_SIGNAL_OF, /* the signal that `result_of` tells of */
    RESULT_READY_OF,  /* the number of elements of `result_of` whose revents are set */
};

/* What happens when a signal interrupts the call, after its Python handler has run. */
enum eintr {
    EINTR_RETRY,
    EINTR_RAISE,     /* repeating it would mean something else */
    EINTR_DONE,      /* the kernel has done the work all the same: close */
    EINTR_REMAINING, /* repeat with what is left of the time-out */
};

enum vdso {
    VDSO_NONE,
    VDSO_CLOCK_GETTIME,
    VDSO_CLOCK_GETRES,
    VDSO_GETTIMEOFDAY,
    VDSO_TIME,
    VDSO_GETCPU,
    VDSO_COUNT
};

typedef struct {
    const char *name;     /* as Python knows it; NULL where Python gives nothing */
    const char *expected; /* what it may be, for error messages */
    enum kind kind;
    bool optional;   /* may be left out: then `fallback` */
    bool nullable;   /* may be None: then `none` */
    bool asked;      /* KIND_STRUCT_OUT: only where Python gives True; else a null pointer */
    bool is_signed;  /* of KIND_CELLS_OUT and KIND_ITEMS_OUT */
    bool grows;      /* a struct that tells the kernel its size, as it is */
    bool tells_size; /* ... or that has its size inside */
    bool is_fd;      /* KIND_CELLS_OUT: descriptors, closed if they can't be handed over */
    bool is_counted; /* its length is the 32-bit field at `count_offset` of struct argument `counted_in` */
    int8_t length;   /* the argument that gets this one's length, or -1 */
    bool length_by_pointer; /* ... as a pointer to an int */
    int8_t of;   /* KIND_REMAINING: the Timespec; KIND_PATH_OUT: the path whose type it takes, or -1;
                    KIND_ADDRESS, KIND_PAGES_OUT: the length of the memory, or -1; KIND_CONTROL_ROOM: the flags */
    int8_t when; /* `fallback` holds only if argument `when` has all bits of one of `when_bits`; or -1 */
    int8_t counted_in;
    uint16_t count_offset; /* KIND_FOLLOWED: in the struct itself */
    uint16_t follower;     /* KIND_FOLLOWED: index of the struct type of the array behind the struct */
    bool follows;          /* ... which Python gives */
    bool roomy;            /* KIND_ANY: a small buffer is filled by way of a copy, with room behind it */
    uint8_t count_size;
    uint16_t filled_offset; /* ... where the kernel says how many there are */
    uint16_t type;          /* index of the struct type */
    uint16_t size;          /* of an element, in bytes */
    uint16_t items;
    long min, max;
    long fallback;
    long added; /* KIND_CONTROL_ROOM: flags that are set in argument `of` where there is room */
    long none;
    long when_bits[2];
    uint16_t enumeration; /* of KIND_CELLS_OUT: what the integer is a member of, or ENUM_NONE */
} argument;

/* What becomes of buffers that are in use when the call is over. */
enum keeps {
    KEEPS_NOTHING,
    KEEPS_BUFFERS, /* the io_uring instance has the argument that is an iovec */
    KEEPS_NO_MORE, /* ... and gives it back */
};

/* Where a value stands inside an argument: `msgvec[2].control[0].data[1]`. Only an error spells it out. */
typedef struct {
    const char *part;            /* of a message, such as "control"; NULL for the message itself */
    const char *field;           /* of a control message in it, or NULL */
    long message, control, item; /* places in sequences, or -1 */
} place;

typedef struct {
    const char *name;
    const char *text;  /* the call as Python writes it, for error messages */
    const char *since; /* first kernel version */
    int explained;     /* an errno that means something else here than its text says */
    const char *explanation;
    long nr;
    const char *refused;  /* why the call is not made, or NULL */
    uint16_t enumeration; /* of RESULT_ENUM */
    uint8_t count;        /* kernel arguments and, after these, options */
    uint8_t parameters;   /* arguments that Python gives */
    uint8_t required;     /* ... of which must be there */
    uint8_t options;      /* what Python gives by name alone, and the kernel gets as part of an argument */
    bool blocks;          /* may wait: other threads get the GIL */
    int8_t brief;         /* ... but not where this argument is `brief_most` or less; or -1 */
    long brief_most;
    enum result result;
    int8_t result_of;
    enum eintr eintr;
    int8_t clock;    /* EINTR_REMAINING: the argument that names the sleep's clock, or -1 */
    int8_t relative; /* EINTR_REMAINING: the argument that is a Timespec to measure anew, or -1 */
    int8_t timeout;  /* EINTR_REMAINING: the argument that is a time-out in ms, or -1 */
    int8_t mask;     /* EINTR_REMAINING: the signal mask that makes it EINTR_RAISE if given, or -1 */
    int8_t context;  /* the argument that is a context of asynchronous requests, or -1 */
    enum vdso vdso;
    enum keeps keeps;
    const place *place; /* where the value that stands as an argument is; NULL for arguments themselves */
    argument args[MAX_ARGUMENTS];
} signature;

#endif
