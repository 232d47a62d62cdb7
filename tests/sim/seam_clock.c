// SPDX-License-Identifier: Apache-2.0
// In place of common/clock's now.c, and of what the C library and OpenSSL know of time, chance and
// locks: everything comes from the seed.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <malloc.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "inner.h"
#include "seams.h"

/* 2026-01-01T00:00:00Z */
#define EPOCH_US 1767225600000000

struct cor_mono cor_mono_now(void)
{
    return (struct cor_mono){sim_now() + COR_SEC(1000)};
}

struct cor_wall cor_wall_now(void)
{
    const struct sim_core *core = sim_self();
    int64_t off = core == NULL ? 0 : sim_world()->clock_off[core->machine];
    return (struct cor_wall){sim_now() + EPOCH_US + off};
}

void sim_clock_set(enum sim_machine machine, enum sim_clock state)
{
    int64_t years = COR_SEC((int64_t)10 * 365 * 86400);
    const int64_t offs[] = {[SIM_CLOCK_RIGHT] = 0,
                            [SIM_CLOCK_AHEAD] = years,
                            [SIM_CLOCK_BEHIND] = -years,
                            [SIM_CLOCK_1970] = -EPOCH_US - sim_now()};
    sim_world()->clock_off[machine] = offs[state];
}

static void fill(void *out, size_t len)
{
    unsigned char *at = out;
    while (len > 0) {
        uint64_t bits = sim_roll(SIM_SECRET);
        size_t n = len < sizeof(bits) ? len : sizeof(bits);
        memcpy(at, &bits, n);
        at += n;
        len -= n;
    }
}

ssize_t getrandom(void *out, size_t len, unsigned flags)
{
    (void)flags;
    fill(out, len);
    return (ssize_t)len;
}

long random(void)
{
    return (long)(sim_roll(SIM_SECRET) & RAND_MAX);
}

/* The roles of a process that was killed are free at once; here its descriptors stay open. */
int flock(int fd, int operation)
{
    (void)fd;
    (void)operation;
    return 0;
}

/* Small files (keys, certificates) are not part of the disk that fails. */
int fsync(int fd)
{
    (void)fd;
    return 0;
}

/* What a full disk does is vfs.c's; the folder of the simulation has room. */
int statvfs(const char *path, struct statvfs *fs_r)
{
    (void)path;
    *fs_r = (struct statvfs){.f_bsize = 4096,
                             .f_frsize = 4096,
                             .f_blocks = 16 << 20,
                             .f_bfree = 8 << 20,
                             .f_bavail = 8 << 20};
    return 0;
}

/* Asked for each message. */
uid_t geteuid(void)
{
    return 0;
}

/* The heap is everybody's, and is given back with the process. */
int malloc_trim(size_t pad)
{
    (void)pad;
    return 0;
}

static int rand_bytes(unsigned char *out, int len)
{
    fill(out, (size_t)len);
    return 1;
}

static int rand_status(void)
{
    return 1;
}

void sim_rand_register(void)
{
    static const RAND_METHOD method = {
        .bytes = rand_bytes, .pseudorand = rand_bytes, .status = rand_status};
    (void)RAND_set_rand_method(&method);
}
