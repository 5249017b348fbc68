/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lets a user-mode kernel run where the processor has more registers than it knows (AMX).
 *
 * User-mode Linux saves and restores a process's extended state as 2696 bytes, AVX-512 and PKRU included
 * (arch/x86/um/user-offsets.c, HOST_FP_SIZE). The host takes back only the whole of it: arch/x86/kernel/fpu/regset.c,
 * xstateregs_set, answers EFAULT to anything shorter, which on a processor with AMX is some 11,000 bytes. So what is too
 * short is filled up with zeros: the header of the state, which is within the part that is known, says what is in use,
 * and by it the host leaves the rest as it is after a reset.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

#define LARGEST (64 * 1024)

/* Where the state's header begins, and the bits of the state-component bitmap that lie in the known part (SDM vol. 1,
 * 13.4.2 and 13.1): all up to PKRU. */
#define HEADER 512
#define KNOWN 0x2ffUL

/* A user-mode kernel has one processor and does not interrupt itself here; its stacks are too small for this. */
static unsigned char whole[LARGEST];

static long (*libc_ptrace)(enum __ptrace_request, pid_t, void *, void *);

static size_t size_of_state(pid_t process)
{
	static size_t size;
	struct iovec room = { whole, sizeof(whole) };

	if (size == 0 && libc_ptrace(PTRACE_GETREGSET, process, (void *)NT_X86_XSTATE, &room) == 0)
		size = room.iov_len;
	return size;
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list arguments;
	pid_t process;
	void *address, *data;

	va_start(arguments, request);
	process = va_arg(arguments, pid_t);
	address = va_arg(arguments, void *);
	data = va_arg(arguments, void *);
	va_end(arguments);
	if (libc_ptrace == NULL)
		libc_ptrace = dlsym(RTLD_NEXT, "ptrace");
	if (request == PTRACE_SETREGSET && address == (void *)NT_X86_XSTATE) {
		struct iovec *given = data;
		struct iovec filled = { whole, size_of_state(process) };
		unsigned long used;

		if (given->iov_len >= HEADER + sizeof(used) && given->iov_len < filled.iov_len) {
			memset(whole, 0, filled.iov_len);
			memcpy(whole, given->iov_base, given->iov_len);
			memcpy(&used, whole + HEADER, sizeof(used));
			used &= KNOWN;
			memcpy(whole + HEADER, &used, sizeof(used));
			return libc_ptrace(request, process, address, &filled);
		}
	}
	return libc_ptrace(request, process, address, data);
}
