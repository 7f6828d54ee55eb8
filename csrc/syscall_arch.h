/* The x86-64 system-call instruction, one function per number of arguments.
 *
 * The number goes into rax, the arguments into rdi rsi rdx r10 r8 r9, the result comes back in rax;
 * the instruction itself destroys rcx and r11. This is the library's only assembly. */
#ifndef PYSYSCALL_SYSCALL_ARCH_H
#define PYSYSCALL_SYSCALL_ARCH_H

#if !defined(__linux__) || !defined(__x86_64__) || defined(__ILP32__)
#error "pysyscall supports Linux on x86-64 only."
#endif

#include <stdbool.h>

/* An error is a result in [-4095, -1]; everything else is a value, however large. */
static inline bool
syscall_failed(long result)
{
    return (unsigned long)result >= -4095UL;
}

#ifdef PYSYSCALL_NUMBERS_H
/* Where a signal handler returns to: the kernel's frame on the stack brings all registers back. Debuggers
 * know it by these two instructions. */
__attribute__((naked, unused)) static void
signal_restorer(void)
{
    __asm__("movq %0, %%rax\n\tsyscall" : : "i"(NR_rt_sigreturn));
}
#endif

static inline long
syscall0(long nr)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(nr) : "rcx", "r11", "memory");
    return result;
}

static inline long
syscall1(long nr, long a1)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(nr), "D"(a1) : "rcx", "r11", "memory");
    return result;
}

static inline long
syscall2(long nr, long a1, long a2)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(nr), "D"(a1), "S"(a2) : "rcx", "r11", "memory");
    return result;
}

static inline long
syscall3(long nr, long a1, long a2, long a3)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(nr), "D"(a1), "S"(a2), "d"(a3) : "rcx", "r11", "memory");
    return result;
}

static inline long
syscall4(long nr, long a1, long a2, long a3, long a4)
{
    long result;
    register long r10 __asm__("r10") = a4;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(nr), "D"(a1), "S"(a2), "d"(a3), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
}

static inline long
syscall5(long nr, long a1, long a2, long a3, long a4, long a5)
{
    long result;
    register long r10 __asm__("r10") = a4;
    register long r8 __asm__("r8") = a5;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(nr), "D"(a1), "S"(a2), "d"(a3), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
}

static inline long
syscall6(long nr, long a1, long a2, long a3, long a4, long a5, long a6)
{
    long result;
    register long r10 __asm__("r10") = a4;
    register long r8 __asm__("r8") = a5;
    register long r9 __asm__("r9") = a6;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(nr), "D"(a1), "S"(a2), "d"(a3), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

#endif
