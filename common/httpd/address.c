// SPDX-License-Identifier: Apache-2.0
#include "address.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "common/base/file.h"
#include "common/pipe/address.h"

enum cor_code cor_address_listen(const char *text, int *fd_r, int *port_r, struct cor_err *err)
{
    union cor_address address;
    socklen_t len = 0;
    if (!cor_address_parse(text, &address, &len) || address.any.sa_family == AF_UNIX) {
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
