// SPDX-License-Identifier: Apache-2.0
// The program's own code in large pages (campaigns only): some MiB that are used all over, and
// processors, virtual ones most of all, know the places of few small pages.
#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>

#include "seams.h"

#define LARGE ((uintptr_t)2 << 20)

static uintptr_t round_up(uintptr_t at)
{
    return (at + LARGE - 1) / LARGE * LARGE;
}

/* A copy takes the place of the code in one step. What does not work leaves it as it is. */
static void replace(uintptr_t code, size_t len)
{
    size_t size = round_up(len);
    void *space =
        mmap(NULL, size + LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (space == MAP_FAILED) {
        return;
    }
    char *copy = (char *)round_up((uintptr_t)space);
    (void)madvise(copy, size, MADV_HUGEPAGE);
    memcpy(copy, (const void *)code, len);
    if (mprotect(copy, size, PROT_READ | PROT_EXEC) == 0) {
        (void)mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)code);
    }
}

/* The first object is the program; its segments begin at large pages (CMakeLists.txt). */
static int on_object(struct dl_phdr_info *info, size_t size, void *self)
{
    (void)size;
    (void)self;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t at = info->dlpi_addr + part->p_vaddr;
        if (part->p_type == PT_LOAD && (part->p_flags & PF_X) != 0 && at % LARGE == 0) {
            replace(at, part->p_memsz);
        }
    }
    return 1;
}

void sim_code_large(void)
{
    (void)dl_iterate_phdr(on_object, NULL);
}
