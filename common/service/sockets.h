// SPDX-License-Identifier: Apache-2.0
// Listening sockets that the supervisor holds, so that connections made while the service is down
// wait for it: passed from file descriptor 3 on, as sd_listen_fds(3) describes. coracle-keep does
// so, and systemd's socket units. Loop thread only.
#ifndef COR_SERVICE_SOCKETS_H
#define COR_SERVICE_SOCKETS_H

#include <sys/types.h>

#include "common/service/service.h"

/* What the environment says; any may be NULL. */
struct cor_listen_env {
    const char *pid;   /* LISTEN_PID */
    const char *count; /* LISTEN_FDS */
    const char *names; /* LISTEN_FDNAMES, with ":" between them */
};

/* File descriptor of the socket called name that was passed to process pid, -1 if none. Pure. */
int cor_sockets_find(const struct cor_listen_env *env, pid_t pid, const char *name);

/* The held socket called name, if there is one on this address (numeric) and port (0: any). -1:
 * none, the service binds one itself; one on another address is left alone and logged. It becomes
 * closed on exec. Returns owned. */
int cor_service_socket(const struct cor_service *service, const char *name, const char *address,
                       int port);

#endif
