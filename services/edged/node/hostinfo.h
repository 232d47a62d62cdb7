// SPDX-License-Identifier: Apache-2.0
// What this machine is: read once at start, and a few figures now and then, all from /proc, /sys
// and statvfs; never blocks for long. Any thread.
#ifndef EDGED_HOSTINFO_H
#define EDGED_HOSTINFO_H

#include <stdbool.h>
#include <stdint.h>

#include "resolv.h"

struct hostinfo {
    char *machine_id; /* all owned */
    char *system_uuid;
    char *boot_id;
    char *kernel;
    char *os_image;
    char *ip;           /* of the default route's interface, else of any; "" when there is none */
    char interface[16]; /* of the default route; "" */
    const char *arch;   /* constant, as Go names it */
    bool apparmor;      /* the kernel enforces it */
    struct resolv *resolv; /* owned: of /etc/resolv.conf */
    int64_t cpus;
    int64_t memory;
    int64_t storage; /* of the file system with the folder */
};

/* Reads all. folder: where pods are kept. */
void hostinfo_read(struct hostinfo *info, const char *folder);

/* Frees the content. */
void hostinfo_free(struct hostinfo *info);

/* The machine's address now, as in struct hostinfo. Returns owned. */
char *hostinfo_ip(void);

/* Bytes of the file system with the folder; 0: unknown. */
int64_t hostinfo_storage_total(const char *folder);

/* Bytes free for root on the file system with the folder. */
int64_t hostinfo_storage_free(const char *folder);

#endif
