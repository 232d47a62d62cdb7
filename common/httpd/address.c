// SPDX-License-Identifier: Apache-2.0
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/view.h"

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool parse(const char *text, union address *out, socklen_t *len_r)
{
    const char *colon = strrchr(text, ':');
    uint64_t port = 0;
    if (colon == NULL || !cor_view_u64(cor_view_of(colon + 1), &port) || port > 65535) {
        return false;
    }
    bool v6 = text[0] == '[' && colon > text + 1 && colon[-1] == ']';
    struct cor_view host = {text, (size_t)(colon - text)};
    if (v6) {
        host = (struct cor_view){text + 1, host.len - 2};
    }
    auto_(cor_freep) char *name = cor_view_dup(host);
    *out = (union address){0};
    if (v6) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons((uint16_t)port);
        *len_r = sizeof(out->v6);
        return inet_pton(AF_INET6, name, &out->v6.sin6_addr) == 1;
    }
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = htons((uint16_t)port);
    *len_r = sizeof(out->v4);
    return inet_pton(AF_INET, name, &out->v4.sin_addr) == 1;
}

enum cor_code cor_address_listen(const char *text, int *fd_r, int *port_r, struct cor_err *err)
{
    union address address;
    socklen_t len = 0;
    if (!parse(text, &address, &len)) {
        return cor_err_set(err, COR_INVALID, "%s is no numeric address with a port", text);
    }
    auto_(cor_fd_close) int fd =
        socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int yes = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
        (address.any.sa_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes)) != 0) ||
        bind(fd, &address.any, len) != 0 || listen(fd, 1024) != 0 ||
        getsockname(fd, &address.any, &len) != 0) {
        return cor_err_sys(err, COR_IO, errno, "listening on %s", text);
    }
    *port_r = ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
    *fd_r = fd;
    fd = -1;
    return COR_OK;
}
