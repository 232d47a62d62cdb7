// SPDX-License-Identifier: Apache-2.0
#include "common/base/socket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections that wait while the process that accepts restarts: all nodes of a large site. The
 * kernel cuts it to net.core.somaxconn. */
enum { BACKLOG = 4096 };

static struct addrinfo *resolve(const char *address, int port)
{
    char service[16];
    struct addrinfo hints = {.ai_family = address == NULL ? AF_INET : AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *found = NULL;
    (void)snprintf(service, sizeof(service), "%d", port);
    return getaddrinfo(address, service, &hints, &found) == 0 ? found : NULL;
}

static int open_at(const struct addrinfo *at)
{
    int on = 1;
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
                    bind(fd, at->ai_addr, at->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0)) {
        int reason = errno;
        (void)close(fd);
        errno = reason;
        return -1;
    }
    return fd;
}

enum cor_code cor_socket_listen(const char *address, int port, int *fd_r, struct cor_err *err)
{
    const char *shown = address == NULL ? "*" : address;
    struct addrinfo *at = resolve(address, port);
    if (at == NULL) {
        return cor_err_set(err, COR_INVALID, "cannot listen on \"%s\": not an address", shown);
    }
    *fd_r = open_at(at);
    int reason = errno;
    freeaddrinfo(at);
    return *fd_r >= 0
               ? COR_OK
               : cor_err_sys(err, COR_IO, reason, "cannot listen on %s port %d", shown, port);
}

int cor_socket_port(int fd)
{
    struct sockaddr_storage name = {0};
    socklen_t size = sizeof(name);
    if (getsockname(fd, (struct sockaddr *)&name, &size) != 0) {
        return 0;
    }
    return name.ss_family == AF_INET6  ? ntohs(((struct sockaddr_in6 *)&name)->sin6_port)
           : name.ss_family == AF_INET ? ntohs(((struct sockaddr_in *)&name)->sin_port)
                                       : 0;
}

static bool is_listening(int fd)
{
    int yes = 0;
    socklen_t size = sizeof(yes);
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &size) == 0 && yes != 0;
}

bool cor_socket_is_at(int fd, const char *address, int port)
{
    char have[NI_MAXHOST] = "";
    char want[NI_MAXHOST] = "";
    struct sockaddr_storage name = {0};
    socklen_t size = sizeof(name);
    struct addrinfo *at = resolve(address, port);
    bool known =
        at != NULL && is_listening(fd) && getsockname(fd, (struct sockaddr *)&name, &size) == 0 &&
        getnameinfo((struct sockaddr *)&name, size, have, sizeof(have), NULL, 0, NI_NUMERICHOST) ==
            0 &&
        getnameinfo(at->ai_addr, at->ai_addrlen, want, sizeof(want), NULL, 0, NI_NUMERICHOST) == 0;
    if (at != NULL) {
        freeaddrinfo(at);
    }
    return known && strcmp(have, want) == 0 && (port == 0 || port == cor_socket_port(fd));
}
