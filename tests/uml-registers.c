/* Registers of newer processors for user-mode Linux: preloaded by tests/uml.
 *
 * User-mode Linux stores a process's floating-point registers in 832 bytes, which is their size on
 * processors with AVX, and sets them with PTRACE_SETREGSET. The kernel below it accepts only the full
 * set of the processor's registers (2,696 bytes with AVX-512, 11,008 with AMX) and refuses less, so
 * that user-mode Linux could not start any process.
 *
 * So this library stores the full set for each buffer that user-mode Linux uses, and sets all of it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifndef NT_X86_XSTATE
#define NT_X86_XSTATE 0x202
#endif

enum { SLOTS = 8192, LARGEST = 16384 };

static struct slot {
    void *buffer;
    unsigned char all[LARGEST];
} slots[SLOTS]; /* static, because `malloc` in user-mode Linux belongs to its kernel */

static size_t size;
static long (*next)(int, pid_t, void *, void *);

__attribute__((constructor)) static void find_ptrace(void)
{
    next = (long (*)(int, pid_t, void *, void *))dlsym(RTLD_NEXT, "ptrace");
}

static struct slot *slot_of(void *buffer)
{
    size_t first = ((uintptr_t)buffer >> 6) % SLOTS, at = first;
    do {
        if (slots[at].buffer == buffer || slots[at].buffer == NULL)
            return &slots[at];
        at = (at + 1) % SLOTS;
    } while (at != first);
    return &slots[first];
}

static long get_all(pid_t pid, void *note, struct slot *slot)
{
    struct iovec all = {slot->all, LARGEST};
    long result = next(PTRACE_GETREGSET, pid, note, &all);
    if (result == 0)
        size = all.iov_len;
    return result;
}

long ptrace(enum __ptrace_request request, ...)
{
    va_list more;
    va_start(more, request);
    pid_t pid = va_arg(more, pid_t);
    void *address = va_arg(more, void *), *data = va_arg(more, void *);
    va_end(more);

    if ((request != PTRACE_GETREGSET && request != PTRACE_SETREGSET) || (uintptr_t)address != NT_X86_XSTATE)
        return next(request, pid, address, data);

    struct iovec *part = data;
    struct slot *slot = slot_of(part->iov_base);
    int is_new = slot->buffer != part->iov_base;
    long result = 0;
    if (request == PTRACE_GETREGSET || is_new)
        result = get_all(pid, address, slot);
    if (result != 0)
        return result;
    slot->buffer = part->iov_base;
    if (part->iov_len > size)
        part->iov_len = size;
    if (request == PTRACE_GETREGSET) {
        memcpy(part->iov_base, slot->all, part->iov_len);
        return 0;
    }
    memcpy(slot->all, part->iov_base, part->iov_len);
    struct iovec all = {slot->all, size};
    return next(PTRACE_SETREGSET, pid, address, &all);
}
